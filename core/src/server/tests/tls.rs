//! Certificates: made, kept, renewed, refused; and connections over them.

use std::os::unix::fs::PermissionsExt as _;

use jiff::SignedDuration;
use steward_api::{ErrorCode, ProblemDetails, Role};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::server::{
    Hosts, Web,
    tests::{World, token},
};

fn names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

fn read_to_string(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_certificate_is_made_once_and_its_key_is_the_owner_s_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Tls::made_before(dir.path()).unwrap().is_none());
    let first = Tls::generated(dir.path(), names()).unwrap();
    let (cert, key) = generated::files(dir.path());
    let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert!(!read_to_string(&cert).contains("PRIVATE"));
    assert_eq!(first.fingerprint().len(), 32 * 3 - 1);
    let again = Tls::generated(dir.path(), names()).unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint());
    let looked = Tls::made_before(dir.path()).unwrap().unwrap();
    assert_eq!(first.fingerprint(), looked.fingerprint());
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 2, "no draft is left behind");
}

#[test]
fn it_is_made_anew_for_another_name_near_its_end_and_when_it_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let now = now();
    let made = |names: &[String], now| {
        generated::ensure(dir.path(), names, now).unwrap();
        Tls::made_before(dir.path()).unwrap().unwrap().fingerprint()
    };
    let first = made(&names(), now);
    let mut more = names();
    more.push("atlas".to_owned());
    let second = made(&more, now);
    assert_ne!(first, second);
    assert_eq!(second, made(&names(), now), "it is for these names too");
    let days = |days: i64| now + SignedDuration::from_hours(24 * days);
    assert_eq!(second, made(&more, days(334)));
    let third = made(&more, days(336));
    assert_ne!(second, third);
    let (cert, key) = generated::files(dir.path());
    for path in [&cert, &key] {
        let before = made(&more, days(336));
        std::fs::write(path, "nonsense").unwrap();
        assert_ne!(before, made(&more, days(336)));
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = generated::ensure(dir.path(), &more, now).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn files_that_can_not_be_used_are_named_with_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    for dir in [&one, &other] {
        std::fs::create_dir(dir).unwrap();
        generated::ensure(dir, &names(), now()).unwrap();
    }
    let (cert, key) = generated::files(&one);
    let (_, other_key) = generated::files(&other);
    assert!(Tls::from_files(&cert, &key).is_ok());
    let write = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let key_text = read_to_string(&key);
    let missing = dir.path().join("missing.pem");
    let empty = write("empty.pem", "", 0o600);
    let sealed =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let sealed = write("sealed.pem", sealed, 0o600);
    let open = write("open.pem", &key_text, 0o644);
    let grouped = write("grouped.pem", &key_text, 0o640);
    assert!(
        Tls::from_files(&cert, &grouped).is_ok(),
        "a group may read it"
    );
    let cut = write("cut.pem", &key_text[..key_text.len() / 2], 0o600);
    for (cert, key, words) in [
        (&missing, &key, ["missing.pem", "server.cert_file"]),
        (&cert, &missing, ["missing.pem", "server.key_file"]),
        (
            &dir.path().to_path_buf(),
            &key,
            ["certificate file", "can't be read"],
        ),
        (&empty, &key, ["empty.pem", "BEGIN CERTIFICATE"]),
        (&key, &key, ["tls-key.pem", "BEGIN CERTIFICATE"]),
        (&cert, &empty, ["empty.pem", "BEGIN PRIVATE KEY"]),
        (&cert, &cert, ["tls-cert.pem", "no private key"]),
        (&cert, &sealed, ["sealed.pem", "pass phrase"]),
        (&cert, &cut, ["cut.pem", "BEGIN PRIVATE KEY"]),
        (&cert, &open, ["open.pem", "chmod 600"]),
        (&cert, &other_key, ["one/tls-cert.pem", "other/tls-key.pem"]),
    ] {
        let error = Tls::from_files(cert, key).unwrap_err();
        let text = format!("{error} {error:?}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
        let secret = key_text.lines().nth(1).unwrap();
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_changed_certificate_is_taken_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    generated::ensure(dir.path(), &names(), now()).unwrap();
    let (cert, key) = generated::files(dir.path());
    let tls = Tls::from_files(&cert, &key).unwrap();
    let first = tls.fingerprint();
    assert_eq!(tls.look_again().unwrap(), None);
    std::fs::write(&cert, "half a file").unwrap();
    assert!(tls.look_again().is_err());
    assert_eq!(tls.fingerprint(), first, "the one before goes on");
    std::fs::remove_file(&cert).unwrap();
    generated::ensure(dir.path(), &names(), now()).unwrap();
    let second = tls.look_again().unwrap().unwrap();
    assert_ne!(first, second);
    assert_eq!(tls.fingerprint(), second);
}

#[test]
fn the_dates_of_ones_own_certificate_are_told_before_browsers_do() {
    let dir = tempfile::tempdir().unwrap();
    let made = now();
    generated::ensure(dir.path(), &names(), made).unwrap();
    let (cert, key) = generated::files(dir.path());
    let own = Tls::from_files(&cert, &key).unwrap();
    let days = |days: i64| made + SignedDuration::from_hours(24 * days);
    for good in [0, 200, 349] {
        assert_eq!(own.untimely(days(good)), None, "after {good} days");
    }
    let soon = own.untimely(days(355)).unwrap();
    assert!(!soon.is_refused(), "{soon}");
    assert!(soon.to_string().starts_with("ends soon, on 20"), "{soon}");
    for ended in [366, 4000] {
        let over = own.untimely(days(ended)).unwrap();
        assert!(over.is_refused(), "{over}");
        assert!(over.to_string().starts_with("ended on 20"), "{over}");
        assert!(over.todo().contains("server.cert_file"), "{}", over.todo());
    }
    let early = own.untimely(days(-3)).unwrap();
    assert!(early.is_refused(), "{early}");
    assert!(early.to_string().contains("not good before"), "{early}");
    // One made here is made anew by itself: nobody has to see to it.
    let made_here = Tls::made_before(dir.path()).unwrap().unwrap();
    assert_eq!(made_here.untimely(days(366)), None);
}

async fn world(dir: &Path) -> (World, reqwest::Client, String) {
    let tls = Tls::generated(dir, names()).unwrap();
    let pem = std::fs::read(tls.cert_file()).unwrap();
    let world = World::with(64, Web::new(b"one", Hosts::default(), Some(tls))).await;
    let url = world.address.replace("http://", "https://");
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).unwrap())
        .build()
        .unwrap();
    (world, client, url)
}

#[tokio::test]
async fn who_trusts_the_certificate_reaches_the_server_and_gets_a_secure_cookie() {
    let dir = tempfile::tempdir().unwrap();
    let (world, client, url) = world(dir.path()).await;
    let body = format!(r#"{{"token":"{}"}}"#, token(Role::Viewer));
    let response = client
        .post(format!("{url}/api/session"))
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    assert!(
        world
            .client
            .get(format!("{url}/health"))
            .send()
            .await
            .is_err()
    );
}

#[tokio::test]
async fn guessing_is_told_apart_by_address_over_tls_too() {
    let dir = tempfile::tempdir().unwrap();
    let (_world, client, url) = world(dir.path()).await;
    let guess = || {
        client
            .get(format!("{url}/status"))
            .header("X-API-Key", "stw_guess")
            .send()
    };
    for _ in 0..10 {
        assert_eq!(guess().await.unwrap().status(), 401);
    }
    assert_eq!(guess().await.unwrap().status(), 429);
}

#[tokio::test]
async fn plain_http_is_told_to_speak_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _, _) = world(dir.path()).await;
    let response = world
        .client
        .get(format!("{}/health", world.address))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    let problem: ProblemDetails = response.json().await.unwrap();
    assert_eq!(problem.code, ErrorCode::BadRequest);
    assert!(problem.detail.contains("https://"), "{problem:?}");
}

#[tokio::test]
async fn a_handshake_that_stalls_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (world, client, url) = world(dir.path()).await;
    let address = world.address.trim_start_matches("http://").to_owned();
    let mut stalled = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        // Some say nothing, some begin a handshake and stop.
        if number % 2 == 0 {
            stream.write_all(&[22, 3, 1]).await.unwrap();
        }
        stalled.push(stream);
    }
    let health = client.get(format!("{url}/health")).send();
    let health = tokio::time::timeout(Duration::from_secs(5), health).await;
    assert_eq!(health.expect("it is held up").unwrap().status(), 200);
    // The first of them had to give way.
    let mut byte = [0];
    let ended = tokio::time::timeout(Duration::from_secs(5), stalled[0].read(&mut byte)).await;
    assert!(matches!(ended.expect("it is left open"), Ok(0) | Err(_)));
}
