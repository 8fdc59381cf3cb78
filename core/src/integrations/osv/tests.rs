//! The API's client against a server that answers as OSV does, on good days and bad ones; and archives.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use steward_api::Package;

use super::*;
use crate::ports::{Clock, ScanError, VulnerabilityDatabase as _};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }
}

/// What the server knows and was asked.
#[derive(Default)]
struct Known {
    /// Records by id.
    records: BTreeMap<String, Value>,
    /// Ids by ecosystem and name.
    concerned: BTreeMap<(String, String), Vec<String>>,
    /// Answers to give first instead: a status, and how long to wait.
    trouble: Vec<(u16, Option<&'static str>)>,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Known>>;

fn trouble(known: &Shared) -> Option<Response> {
    let (status, wait) = known.lock().unwrap().trouble.pop()?;
    let mut headers = HeaderMap::new();
    if let Some(wait) = wait {
        headers.insert("retry-after", wait.parse().unwrap());
    }
    Some((StatusCode::from_u16(status).unwrap(), headers, "not now").into_response())
}

async fn batch(State(known): State<Shared>, Json(body): Json<Value>) -> Response {
    if let Some(response) = trouble(&known) {
        return response;
    }
    let mut known = known.lock().unwrap();
    let queries = body["queries"].as_array().unwrap();
    known.asked.push(format!("batch of {}", queries.len()));
    let mut results = Vec::new();
    for query in queries {
        let ecosystem = query["package"]["ecosystem"].as_str().unwrap();
        if ecosystem == "Nowhere" {
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({"code": 3, "message": "Invalid ecosystem."})),
            )
                .into_response();
        }
        let key = (
            ecosystem.to_owned(),
            query["package"]["name"].as_str().unwrap().to_owned(),
        );
        let ids = known.concerned.get(&key).cloned().unwrap_or_default();
        // One to a page.
        let page: usize = query["page_token"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let Some(id) = ids.get(page) else {
            results.push(json!({}));
            continue;
        };
        let mut result = json!({"vulns": [{"id": id, "modified": known.records[id]["modified"]}]});
        if page + 1 < ids.len() {
            result["next_page_token"] = json!((page + 1).to_string());
        }
        results.push(result);
    }
    Json(json!({"results": results})).into_response()
}

async fn record(State(known): State<Shared>, UrlPath(id): UrlPath<String>) -> Response {
    if let Some(response) = trouble(&known) {
        return response;
    }
    let mut known = known.lock().unwrap();
    known.asked.push(id.clone());
    match known.records.get(&id) {
        Some(record) => Json(record.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A server with these records; its address.
async fn server(known: &Shared) -> String {
    let app = Router::new()
        .route("/v1/querybatch", post(batch))
        .route("/v1/vulns/{id}", get(record))
        .with_state(Arc::clone(known));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn known() -> Shared {
    let severe =
        json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H"}]);
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.15-1~deb12u1"}]}]}]);
    let records = [
        json!({"id": "DEBIAN-CVE-2024-5535", "modified": "2025-01-01T00:00:00Z", "upstream": ["CVE-2024-5535"], "affected": affected}),
        json!({"id": "CVE-2024-5535", "modified": "2025-01-02T00:00:00Z", "severity": severe}),
        json!({"id": "DSA-1-1", "modified": "2025-01-03T00:00:00Z", "affected": affected, "severity": severe}),
        json!({"id": "GHSA-1", "modified": "2025-01-04T00:00:00Z", "database_specific": {"severity": "HIGH"}, "affected": [{"package": {"ecosystem": "npm", "name": "lodash"}, "ranges": []}]}),
    ];
    Arc::new(Mutex::new(Known {
        records: records
            .into_iter()
            .map(|record| (record["id"].as_str().unwrap().to_owned(), record))
            .collect(),
        concerned: BTreeMap::from([
            (
                ("Debian:12".to_owned(), "openssl".to_owned()),
                vec!["DEBIAN-CVE-2024-5535".to_owned(), "DSA-1-1".to_owned()],
            ),
            (
                ("npm".to_owned(), "lodash".to_owned()),
                vec!["GHSA-1".to_owned()],
            ),
        ]),
        ..Known::default()
    }))
}

fn package(ecosystem: &str, name: &str, version: &str) -> Package {
    Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        installed_as: Vec::new(),
        found_in: "/x".to_owned(),
    }
}

fn packages() -> Vec<Package> {
    vec![
        package("Debian:12", "openssl", "3.0.11-1~deb12u2"),
        package("npm", "lodash", "4.17.20"),
        package("Debian:12", "zlib", "1"),
    ]
}

fn api(url: &str, directory: &Path) -> OsvApi {
    let pace = Pace {
        timeout: Duration::from_secs(5),
        tries: 3,
        back_off: Duration::from_millis(5),
        longest_wait: Duration::from_millis(50),
    };
    OsvApi::new(url, directory, Arc::new(Noon), pace).unwrap()
}

const QUIET: crate::ports::Progress<'static> = &|_| {};

#[tokio::test]
async fn packages_are_asked_about_in_pages_and_records_read_once() {
    let known = known();
    let url = server(&known).await;
    let directory = tempfile::tempdir().unwrap();
    let api = api(&url, directory.path());
    let told = api.advisories(&packages(), QUIET).await.unwrap();
    let pairs: Vec<(usize, &str)> = told
        .pairs
        .iter()
        .map(|(at, id)| (*at, id.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [(0, "DEBIAN-CVE-2024-5535"), (0, "DSA-1-1"), (1, "GHSA-1")]
    );
    assert!(told.are_judged && told.gaps.is_empty(), "{:?}", told.gaps);
    // The CVE's own record says how severe it is.
    let ids: Vec<&str> = told.records.keys().map(String::as_str).collect();
    assert_eq!(
        ids,
        ["CVE-2024-5535", "DEBIAN-CVE-2024-5535", "DSA-1-1", "GHSA-1"]
    );
    let asked = std::mem::take(&mut known.lock().unwrap().asked);
    assert_eq!(
        asked.iter().filter(|one| one.starts_with("batch")).count(),
        3,
        "{asked:?}"
    );

    // Again: only what was modified is read again.
    known.lock().unwrap().records.get_mut("DSA-1-1").unwrap()["modified"] =
        json!("2025-06-01T00:00:00Z");
    let again = api.advisories(&packages(), QUIET).await.unwrap();
    assert_eq!(again.pairs, told.pairs);
    let asked = std::mem::take(&mut known.lock().unwrap().asked);
    let read: Vec<&String> = asked
        .iter()
        .filter(|one| !one.starts_with("batch"))
        .collect();
    assert_eq!(read, ["DSA-1-1"]);
}

#[tokio::test]
async fn no_more_than_a_thousand_questions_are_asked_at_once() {
    let known = known();
    let url = server(&known).await;
    let directory = tempfile::tempdir().unwrap();
    let many: Vec<Package> = (0..2001)
        .map(|at| package("npm", &format!("p{at}"), "1.0.0"))
        .collect();
    api(&url, directory.path())
        .advisories(&many, QUIET)
        .await
        .unwrap();
    let asked = known.lock().unwrap().asked.clone();
    assert_eq!(asked, ["batch of 1000", "batch of 1000", "batch of 1"]);
}

#[tokio::test]
async fn bad_days_are_waited_out_and_told_where_they_last() {
    let known = known();
    let url = server(&known).await;
    let directory = tempfile::tempdir().unwrap();
    let api = api(&url, directory.path());
    known.lock().unwrap().trouble = vec![(503, None), (429, Some("3600"))];
    let told = api.advisories(&packages(), QUIET).await.unwrap();
    assert_eq!(told.pairs.len(), 3);
    known.lock().unwrap().trouble = vec![(500, None); 3];
    let error = api.advisories(&packages(), QUIET).await.unwrap_err();
    assert!(matches!(error, ScanError::Knowledge { .. }), "{error}");
    assert!(
        error.to_string().contains("status 500") && error.to_string().contains("offline_directory"),
        "{error}"
    );
}

#[tokio::test]
async fn an_ecosystem_that_osv_does_not_know_spoils_only_its_own_question() {
    let known = known();
    let url = server(&known).await;
    let directory = tempfile::tempdir().unwrap();
    let mut packages = packages();
    packages.push(package("Nowhere", "x", "1"));
    let told = api(&url, directory.path())
        .advisories(&packages, QUIET)
        .await
        .unwrap();
    assert_eq!(told.pairs.len(), 3);
    assert!(
        told.gaps[0].contains("1 packages of Nowhere: ")
            && told.gaps[0].contains("Invalid ecosystem"),
        "{:?}",
        told.gaps
    );
}

#[tokio::test]
async fn a_record_that_can_t_be_read_still_counts() {
    let known = known();
    let url = server(&known).await;
    let directory = tempfile::tempdir().unwrap();
    let api = api(&url, directory.path());
    let only = [package("npm", "lodash", "4.17.20")];
    // The batch is answered, the record is not.
    api.advisories(&[package("npm", "none", "1")], QUIET)
        .await
        .unwrap();
    let watched = Arc::clone(&known);
    let told = {
        let asking = api.advisories(&only, QUIET);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                told = &mut asking => break told.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(1)) => {
                    let mut known = watched.lock().unwrap();
                    if known.asked.len() >= 2 || known.asked.iter().any(|one| one == "GHSA-1") {
                        known.trouble = vec![(500, None); 10];
                    }
                }
            }
        }
    };
    assert_eq!(told.pairs, [(0, "GHSA-1".to_owned())]);
    assert!(told.records.contains_key("GHSA-1"));
}

#[tokio::test]
async fn nobody_there_is_an_error_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let error = api("http://127.0.0.1:9", directory.path())
        .advisories(&packages(), QUIET)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("OSV at http://127.0.0.1:9 can't be asked"),
        "{error}"
    );
}

/// An archive of these entries.
fn zip(directory: &Path, family: &str, entries: &[(&str, &str)]) {
    let folder = directory.join(family);
    std::fs::create_dir_all(&folder).unwrap();
    let mut writer = zip::ZipWriter::new(std::fs::File::create(folder.join("all.zip")).unwrap());
    for (name, text) in entries {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(*name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

#[tokio::test]
async fn the_archive_gives_the_records_that_name_a_package() {
    let directory = tempfile::tempdir().unwrap();
    let records = known().lock().unwrap().records.clone();
    let debian: Vec<(String, String)> = records
        .iter()
        .filter(|(id, _)| id.starts_with('D'))
        .map(|(id, record)| (format!("{id}.json"), record.to_string()))
        .collect();
    let mut entries: Vec<(&str, &str)> = debian
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    entries.push((
        "../../escape.json",
        r#"{"id": "OTHER-1", "affected": [{"package": {"name": "other"}}]}"#,
    ));
    entries.push(("broken.json", "{"));
    zip(directory.path(), "Debian", &entries);
    let told = OsvArchive::new(directory.path())
        .advisories(&packages(), QUIET)
        .await
        .unwrap();
    let ids: Vec<&str> = told.records.keys().map(String::as_str).collect();
    assert_eq!(ids, ["DEBIAN-CVE-2024-5535", "DSA-1-1"]);
    assert!(!told.are_judged);
    let gaps = told.gaps.join("\n");
    assert!(
        gaps.contains("1 records of") && gaps.contains("1 packages of npm were not matched"),
        "{gaps}"
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn an_archive_that_is_none_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let archive = OsvArchive::new(directory.path());
    let error = archive.advisories(&packages(), QUIET).await.unwrap_err();
    assert!(matches!(error, ScanError::Absent { .. }), "{error}");
    std::fs::create_dir_all(directory.path().join("npm")).unwrap();
    std::fs::write(
        directory.path().join("npm/all.zip"),
        b"PK\x03\x04 not really",
    )
    .unwrap();
    let error = archive.advisories(&packages(), QUIET).await.unwrap_err();
    assert!(
        error.to_string().contains("npm/all.zip can't be read"),
        "{error}"
    );
    let error = OsvArchive::new(Path::new("/nonexistent"))
        .advisories(&packages(), QUIET)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no such directory"), "{error}");
}

#[test]
fn the_catalogue_of_known_exploited_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kev.json");
    std::fs::write(&file, r#"{"title":"CISA Catalog of Known Exploited Vulnerabilities","catalogVersion":"2026.01.01","count":1,"vulnerabilities":[{"cveID":"CVE-2021-44228","vendorProject":"Apache","dueDate":"2021-12-24"}]}"#).unwrap();
    assert!(known_exploited(&file).unwrap().contains("CVE-2021-44228"));
    std::fs::write(&file, "[]").unwrap();
    assert!(
        known_exploited(&file)
            .unwrap_err()
            .contains("is not CISA's catalogue")
    );
    assert!(
        known_exploited(Path::new("/nonexistent"))
            .unwrap_err()
            .contains("can't be read")
    );
}

#[test]
fn what_is_kept_is_bounded_by_id_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let cache = cache::Cache::new(&directory.path().join("kept"));
    assert_eq!(cache.get("A", "1"), None);
    cache.put("A", "1", "{\"id\":\"A\"}\n");
    assert_eq!(cache.get("A", "1").as_deref(), Some("{\"id\":\"A\"}\n"));
    assert_eq!(cache.get("A", "2"), None);
    assert_eq!(cache.get("B", "1"), None);
    cache.tidy();
    assert!(cache.get("A", "1").is_some());
    // Where nothing can be kept, nothing fails.
    let nowhere = cache::Cache::new(Path::new("/proc/none"));
    nowhere.put("A", "1", "x");
    assert_eq!(nowhere.get("A", "1"), None);
}
