//! `steward scan image`, whole: a real image with the data base of this machine's own dpkg, read by a real engine, judged by a server that
//! answers as OSV does and by an archive; and a data base as SQLite itself writes it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the helpers of tests fail by panicking, and make their world with the engine's own tool"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use axum::{Json, Router, extract::Path as UrlPath, routing};
use serde_json::{Value, json};
use steward::security::packages;
use steward_api::{ImageScan, VulnerabilitySeverity};

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stderr(Stdio::null());
    command
}

/// An image that goes with its test.
struct Image(String);

impl Image {
    /// `None`, and a word why, where it can't be made.
    fn build(name: &str, files: &[(&str, &[u8])]) -> Option<Self> {
        if !docker(&["version"])
            .output()
            .is_ok_and(|output| output.status.success())
        {
            println!("SKIPPED: no Docker engine answers");
            return None;
        }
        let tag = format!("steward-test-{name}-{}:1", std::process::id());
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, *content).unwrap();
        }
        let mut child = docker(&["import", "-", &tag])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let archive = tar.into_inner().unwrap();
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(child.wait().unwrap().success());
        Some(Self(tag))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["rmi", "-f", &self.0]).output();
    }
}

const RELEASE: &[u8] =
    b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
const LOCK: &[u8] =
    br#"{"lockfileVersion":3,"packages":{"node_modules/lodash":{"version":"4.17.20"}}}"#;

/// A record in OSV's schema for a package of Debian.
fn record(id: &str, package: &str, fixed: &str, vector: &str) -> Value {
    json!({
        "schema_version": "1.7.0", "id": format!("DEBIAN-{id}"), "modified": "2025-01-01T00:00:00Z", "published": "2024-06-27T11:15:24Z",
        "upstream": [id], "details": format!("{id} in short.\nAnd in full."),
        "severity": [{"type": "CVSS_V3", "score": vector}],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": package, "purl": format!("pkg:deb/debian/{package}?arch=source")},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}], "ecosystem_specific": {"urgency": "not yet assigned"}}]
    })
}

fn records() -> Vec<Value> {
    vec![
        record(
            "CVE-2099-0001",
            "dpkg",
            "99.0",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        ),
        record(
            "CVE-2099-0002",
            "dpkg",
            "0.1",
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        ),
        record(
            "CVE-2099-0003",
            "base-files",
            "99.0",
            "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N",
        ),
    ]
}

/// The command, with a data directory and a configuration of its own.
fn steward(directory: &Path, config: &str, arguments: &[&str]) -> Output {
    let file = directory.join("steward.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_steward"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STEWARD") {
            command.env_remove(name);
        }
    }
    command
        .env("STEWARD_DATA_DIR", directory.join("data"))
        .env("NO_PROXY", "127.0.0.1")
        .arg("--config")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}

fn scanned(output: &Output) -> ImageScan {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// Answers as OSV does, having compared the versions: the first and the third record concern.
async fn server() -> String {
    async fn batch(Json(body): Json<Value>) -> Json<Value> {
        let results: Vec<Value> = body["queries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|query| {
                let id = match query["package"]["name"].as_str().unwrap() {
                    "dpkg" => "DEBIAN-CVE-2099-0001",
                    "base-files" => "DEBIAN-CVE-2099-0003",
                    _ => return json!({}),
                };
                json!({"vulns": [{"id": id, "modified": "2025-01-01T00:00:00Z"}]})
            })
            .collect();
        Json(json!({"results": results}))
    }
    async fn one(UrlPath(id): UrlPath<String>) -> Json<Value> {
        Json(
            records()
                .into_iter()
                .find(|record| record["id"] == id)
                .unwrap(),
        )
    }
    let app = Router::new()
        .route("/v1/querybatch", routing::post(batch))
        .route("/v1/vulns/{id}", routing::get(one));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_this_machine_s_packages_is_scanned_from_end_to_end() {
    let Ok(status) = fs::read("/var/lib/dpkg/status") else {
        println!("SKIPPED: there is no dpkg here");
        return;
    };
    let files: [(&str, &[u8]); 4] = [
        ("etc/os-release", RELEASE),
        ("var/lib/dpkg/status", &status),
        ("app/package-lock.json", LOCK),
        ("app/yarn.lock", b"version nonsense"),
    ];
    let Some(image) = Image::build("scan", &files) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let exploited = directory.path().join("kev.json");
    fs::write(
        &exploited,
        r#"{"vulnerabilities":[{"cveID":"CVE-2099-0003"}]}"#,
    )
    .unwrap();
    let config = format!(
        "[security.vulnerabilities]\nosv_url = \"{}\"\nknown_exploited_file = \"{}\"\n",
        server().await,
        exploited.display()
    );
    let command = |arguments: &[&str]| steward(directory.path(), &config, arguments);

    let output = command(&["scan", "image", &image.0, "--json"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let scan = scanned(&output);
    assert_eq!(scan.image, image.0);
    assert!(scan.image_id.starts_with("sha256:"));
    assert_eq!(
        scan.distribution.as_deref(),
        Some("Debian GNU/Linux 12 (bookworm)")
    );
    assert_eq!(scan.source, "OSV");
    assert!(scan.packages > 20, "{}", scan.packages);
    let told: Vec<_> = scan
        .vulnerabilities
        .iter()
        .map(|one| {
            (
                one.id.as_str(),
                one.severity,
                one.known_exploited,
                one.package.name.as_str(),
                one.fixed_version.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "CVE-2099-0003",
                VulnerabilitySeverity::Low,
                true,
                "base-files",
                Some("99.0")
            ),
            (
                "CVE-2099-0001",
                VulnerabilitySeverity::Critical,
                false,
                "dpkg",
                Some("99.0")
            ),
        ]
    );
    assert!(
        scan.gaps.iter().any(|gap| gap.contains("/app/yarn.lock")),
        "{:?}",
        scan.gaps
    );

    // For a person; and a build that must not pass.
    let output = command(&["scan", "image", &image.0, "--fail-on", "critical"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    for expected in [
        "low, exploited",
        "CVE-2099-0001",
        "99.0",
        "2 known findings: 1 critical, 1 low",
        "/app/yarn.lock",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("asking OSV about"));

    // From the archive, with the versions compared here: the record that was mended long ago does not concern.
    let archive = directory.path().join("archive");
    fs::create_dir_all(archive.join("Debian")).unwrap();
    let mut zip = zip::ZipWriter::new(fs::File::create(archive.join("Debian/all.zip")).unwrap());
    for record in records() {
        let name = format!("{}.json", record["id"].as_str().unwrap());
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(record.to_string().as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let output = command(&[
        "scan",
        "image",
        &image.0,
        "--json",
        "--offline",
        archive.to_str().unwrap(),
    ]);
    let offline = scanned(&output);
    assert_eq!(offline.source, "OSV archive");
    assert_eq!(offline.vulnerabilities, scan.vulnerabilities);
    assert!(
        offline
            .gaps
            .iter()
            .any(|gap| gap.contains("npm were not matched")),
        "{:?}",
        offline.gaps
    );

    // Nothing was left on the engine.
    let left = docker(&["ps", "-aq", "--filter", &format!("ancestor={}", image.0)])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn what_can_t_be_scanned_says_why_with_the_promised_exit_code() {
    let Some(image) = Image::build("scan-errors", &[("etc/os-release", RELEASE)]) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let command = |config: &str, arguments: &[&str]| {
        let output = steward(directory.path(), config, arguments);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, text) = command("", &["scan", "image", "steward-test-no-such-image"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(
        text.contains("no container and no image called steward-test-no-such-image"),
        "{text}"
    );
    let (code, text) = command(
        "[security.vulnerabilities]\nscanner = \"grype\"\nprogram = \"/nonexistent/grype\"\n",
        &["scan", "image", &image.0],
    );
    assert_eq!(code, Some(7), "{text}");
    assert!(text.contains("install Grype"), "{text}");
    let (code, text) = command(
        "[docker]\nhost = \"unix:///nonexistent/docker.sock\"\n",
        &["scan", "image", &image.0],
    );
    // The tests' own DOCKER_HOST would win over the file.
    assert!(
        code == Some(7) || std::env::var_os("DOCKER_HOST").is_some(),
        "{code:?} {text}"
    );
    // An image of which nothing can be told is no clean one.
    let output = steward(directory.path(), "", &["scan", "image", &image.0, "--json"]);
    let scan = scanned(&output);
    assert_eq!((scan.packages, scan.vulnerabilities.len()), (0, 0));
    assert!(
        scan.gaps[0].contains("no record of any package"),
        "{:?}",
        scan.gaps
    );
}

/// A header as rpm keeps it.
fn header(name: &str, version: &str, padding: usize) -> Vec<u8> {
    let (mut store, mut index) = (vec![0_u8; padding], Vec::new());
    for (tag, value) in [
        (1000_u32, name),
        (1001, version),
        (1002, "1.el9"),
        (1044, "x-1-1.src.rpm"),
    ] {
        index.extend([tag, 6, u32::try_from(store.len()).unwrap(), 1]);
        store.extend_from_slice(value.as_bytes());
        store.push(0);
    }
    let lengths = [
        u32::try_from(index.len() / 4).unwrap(),
        u32::try_from(store.len()).unwrap(),
    ];
    lengths
        .into_iter()
        .chain(index)
        .flat_map(u32::to_be_bytes)
        .chain(store)
        .collect()
}

#[tokio::test]
async fn rpm_s_data_base_is_read_as_sqlite_writes_it() {
    use sqlx::{Connection as _, SqliteConnection};
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rpmdb.sqlite");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let tables = "CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL); CREATE TABLE 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL); CREATE INDEX 'Name_key_idx' ON 'Name'(key)";
    sqlx::raw_sql(tables)
        .execute(&mut connection)
        .await
        .unwrap();
    // Short ones, such as just fit a page, and such as fill many pages of their own.
    for at in 0..700_usize {
        sqlx::query("INSERT INTO Packages (blob) VALUES (?)")
            .bind(header(&format!("package-{at}"), "1.0", at * at % 20_000))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
    let data = fs::read(&file).unwrap();
    let release = b"ID=\"almalinux\"\nVERSION_ID=\"9.4\"\n".to_vec();
    let of = |data: Vec<u8>| {
        packages::inventory(&BTreeMap::from([
            ("etc/os-release".to_owned(), release.clone()),
            ("var/lib/rpm/rpmdb.sqlite".to_owned(), data),
        ]))
    };
    let found = of(data.clone());
    assert_eq!(found.gaps, Vec::<String>::new());
    assert_eq!(found.packages.len(), 700);
    assert_eq!(found.packages[0].ecosystem, "AlmaLinux:9");
    assert_eq!(found.packages[0].version, "1.0-1.el9");
    // Cut short or spoilt it is damaged, or tells less; it never tells nonsense as truth without a word.
    for length in [0, 100, 4096, data.len() / 2, data.len() - 1] {
        let cut = of(data[..length].to_vec());
        assert!(!cut.gaps.is_empty(), "{length}");
    }
    for at in (0..data.len()).step_by(97_003) {
        let mut spoilt = data.clone();
        spoilt[at] ^= 0x55;
        let _ = of(spoilt);
    }
}
