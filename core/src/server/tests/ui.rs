//! The control center's files: their headers, and who is refused.

use super::*;
use crate::server::tests::World;

static FILE: File = File {
    path: "/assets/0123456789abcdef/a.js",
    kind: "text/javascript; charset=utf-8",
    tag: "\"0123456789ab\"",
    gzip: b"packed",
};

fn asked(pairs: &[(header::HeaderName, &str)]) -> Response {
    let headers = pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect();
    answer(&FILE, &headers)
}

#[test]
fn a_browser_gets_the_packed_file_and_a_policy_that_keeps_it_to_its_origin() {
    let response = asked(&[(header::ACCEPT_ENCODING, "deflate, gzip;q=0.8, br")]);
    assert_eq!(response.status(), 200);
    let of = |name: header::HeaderName| response.headers()[name].to_str().unwrap();
    assert_eq!(of(header::CONTENT_TYPE), FILE.kind);
    assert_eq!(of(header::CONTENT_ENCODING), "gzip");
    // Its folder is that of its build: the browser need never ask again.
    assert!(of(header::CACHE_CONTROL).contains("immutable"));
    assert_eq!(of(header::ETAG), FILE.tag);
    let policy = of(header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    for loose in [
        "http:",
        "https:",
        "*",
        "unsafe-inline",
        "'unsafe-eval'",
        "data:",
    ] {
        assert!(!policy.contains(loose), "{loose} in {policy}");
    }
}

#[test]
fn a_version_that_the_browser_has_is_not_sent_again() {
    for known in ["\"0123456789ab\"", "\"x\", W/\"0123456789ab\"", "*"] {
        let response = asked(&[
            (header::IF_NONE_MATCH, known),
            (header::ACCEPT_ENCODING, "gzip"),
        ]);
        assert_eq!(response.status(), 304, "{known}");
        assert_eq!(response.headers()[header::ETAG], FILE.tag);
    }
    let other = asked(&[
        (header::IF_NONE_MATCH, "\"other\""),
        (header::ACCEPT_ENCODING, "gzip"),
    ]);
    assert_eq!(other.status(), 200);
}

#[test]
fn who_takes_no_gzip_is_told_how_to_ask() {
    for taken in ["", "br", "gzip;q=0", "identity"] {
        assert_eq!(
            asked(&[(header::ACCEPT_ENCODING, taken)]).status(),
            406,
            "{taken}"
        );
    }
    assert_eq!(asked(&[]).status(), 406);
    for taken in ["gzip", "*", "GZIP, gzip", "br;q=1.0, gzip; q=0.5"] {
        assert_eq!(
            asked(&[(header::ACCEPT_ENCODING, taken)]).status(),
            200,
            "{taken}"
        );
    }
}

#[tokio::test]
async fn the_page_is_there_without_a_token_or_its_absence_is_explained() {
    let world = World::new().await;
    let page = world
        .request("GET", "/", None)
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    if has_ui() {
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert_eq!(page.headers()["x-content-type-options"], "nosniff");
        let page = page.text().await.unwrap();
        let icon = FILES.iter().find(|file| file.path.ends_with(".svg"));
        assert!(!page.contains("\"/assets/icon.svg"), "{page}");
        let icon = world
            .request("GET", icon.unwrap().path, None)
            .header("accept-encoding", "gzip");
        assert_eq!(icon.send().await.unwrap().status(), 200);
        let kinds: Vec<&str> = FILES.iter().map(|file| file.kind).collect();
        assert!(kinds.contains(&"application/wasm"), "{kinds:?}");
    } else {
        assert_eq!(page.status(), 404);
        assert!(page.text().await.unwrap().contains("cargo xtask up"));
    }
    for strange in [
        "/assets/none.js",
        "/assets/0000000000000000/style.css",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/",
    ] {
        let response = world.request("GET", strange, None).send().await.unwrap();
        assert_eq!(response.status(), 404, "{strange}");
    }
}
