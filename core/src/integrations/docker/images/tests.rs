//! Archives as an engine writes them and as nobody should, and images of a real engine.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use proptest::prelude::*;

use super::{super::connect, archive::Archive};
use crate::{
    config,
    ports::{Clock, ImageFiles, ImageReader as _, ReadLimits, ScanError, Want},
};

/// `etc/…` whole up to 1,000 bytes, `long/…` their first ten.
fn wanted(path: &str) -> Option<Want> {
    if path.starts_with("etc/") {
        Some(Want::Whole(1000))
    } else {
        path.starts_with("long/").then_some(Want::Beginning(10))
    }
}

fn limits() -> ReadLimits {
    ReadLimits {
        kept_bytes: 3000,
        files: 5,
        time: Duration::from_mins(1),
    }
}

/// Read in pieces of so many bytes.
fn read(tar: &[u8], piece: usize) -> ImageFiles {
    let mut archive = Archive::new(wanted, limits());
    for piece in tar.chunks(piece) {
        if !archive.take(piece) {
            break;
        }
    }
    archive.finish()
}

fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content).unwrap();
}

fn link(tar: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    tar.append_link(&mut header, path, target).unwrap();
}

#[test]
fn wanted_files_are_kept_however_the_bytes_are_cut() {
    let long = format!("long/{}/x", "d".repeat(150));
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, "etc/a", b"alpha");
    add(&mut tar, "usr/other", &[7; 5000]);
    add(&mut tar, "./etc/empty", b"");
    add(&mut tar, &long, b"0123456789abcdef");
    add(&mut tar, "etc/b", &[b'b'; 512]);
    link(
        &mut tar,
        tar::EntryType::Symlink,
        "etc/symlink",
        "/etc/shadow",
    );
    link(&mut tar, tar::EntryType::Link, "etc/hard", "etc/a");
    let tar = tar.into_inner().unwrap();
    for piece in [1, 7, 511, 512, 513, 4096, usize::MAX] {
        let found = read(&tar, piece);
        let told: Vec<(&str, usize)> = found
            .files
            .iter()
            .map(|(path, content)| (path.as_str(), content.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("etc/a", 5),
                ("etc/b", 512),
                ("etc/empty", 0),
                ("etc/hard", 5),
                (long.as_str(), 10)
            ],
            "in pieces of {piece}"
        );
        assert_eq!(found.files[&long], b"0123456789");
        assert_eq!(found.gaps, Vec::<String>::new());
    }
}

#[test]
fn what_is_too_large_leads_out_or_is_not_there_is_harmless() {
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, "etc/large", &[1; 1001]);
    // The builder refuses such a name; an enemy does not.
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..13].copy_from_slice(b"etc/../../out");
    header.set_size(3);
    header.set_cksum();
    tar.append(&header, &b"out"[..]).unwrap();
    link(
        &mut tar,
        tar::EntryType::Link,
        "etc/hard",
        "../../etc/shadow",
    );
    for at in 0..8 {
        add(&mut tar, &format!("etc/{at}"), &[0; 500]);
    }
    let found = read(&tar.into_inner().unwrap(), 4096);
    assert_eq!(found.files.len(), 5, "{:?}", found.files.keys());
    assert!(found.files.keys().all(|path| !path.contains("..")));
    let gaps = found.gaps.join("\n");
    for expected in [
        "/etc/large has 0 MiB",
        "/etc/hard is another name",
        "/etc/6 was not read",
    ] {
        assert!(gaps.contains(expected), "{expected} is not in\n{gaps}");
    }
}

#[test]
fn an_archive_cut_short_or_damaged_is_said_to_be_so() {
    let mut tar = tar::Builder::new(Vec::new());
    add(&mut tar, "etc/a", b"alpha");
    add(&mut tar, "etc/b", &[b'b'; 900]);
    let tar = tar.into_inner().unwrap();
    for length in (1..2048).step_by(97) {
        let found = read(&tar[..length], 100);
        assert!(
            found.gaps[0].contains("ends in the middle"),
            "{length}: {:?}",
            found.gaps
        );
    }
    let mut damaged = tar;
    damaged[1024] ^= 0xff;
    let found = read(&damaged, 100);
    assert_eq!(found.files.len(), 1);
    assert!(found.gaps[0].contains("damaged"), "{:?}", found.gaps);
}

#[test]
fn a_description_of_a_gigabyte_and_a_size_beyond_all_numbers_are_not_believed() {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut archive = Archive::new(wanted, limits());
    assert!(archive.take(header.as_bytes()));
    for _ in 0..1000 {
        assert!(archive.take(&[b'9'; 65536]));
    }
    assert!(archive.finish().files.is_empty());
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..5].copy_from_slice(b"etc/x");
    header.as_mut_bytes()[124..136].copy_from_slice(&[0xff; 12]);
    header.set_cksum();
    let found = read(header.as_bytes(), 512);
    assert!(found.gaps[0].contains("was not read"), "{:?}", found.gaps);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..30),
        piece in 1..3000_usize,
        mend in any::<bool>(),
    ) {
        let mut tar = tar::Builder::new(Vec::new());
        add(&mut tar, &format!("etc/{}", "n".repeat(200)), b"alpha");
        add(&mut tar, "etc/b", &[b'b'; 700]);
        let mut tar = tar.into_inner().unwrap();
        for (at, byte) in changes {
            let at = at.index(tar.len());
            tar[at] = byte;
        }
        if mend {
            // With a right check sum damage reaches further.
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes().copy_from_slice(&tar[..512]);
            header.set_cksum();
            tar[..512].copy_from_slice(header.as_bytes());
        }
        let found = read(&tar, piece);
        prop_assert!(found.files.len() <= 5);
    }
}

/// Tells an image made for a test from others; it goes with the test.
struct Image(String);

impl Image {
    fn build(files: &[(&str, &[u8])]) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let tag = format!(
            "steward-test-scan-{}:{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            add(&mut tar, path, content);
        }
        let mut child = docker(&["import", "-", &tag])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let archive = tar.into_inner().unwrap();
        child.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(child.wait().unwrap().success());
        Self(tag)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["rmi", "-f", &self.0]).output();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests make their world with the engine's own tool"
)]
fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stderr(Stdio::null());
    command
}

fn said(arguments: &[&str]) -> String {
    let output = docker(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn has_engine() -> bool {
    let answers = docker(&["version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !answers {
        println!("SKIPPED: no Docker engine answers");
    }
    answers
}

/// The containers of an image, by the engine itself.
fn containers(image: &Image) -> String {
    said(&["ps", "-aq", "--filter", &format!("ancestor={}", image.0)])
}

struct WallClock;

impl Clock for WallClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the tests' own edge to the wall clock"
    )]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

fn engine() -> std::sync::Arc<super::DockerEngine> {
    let config = config::Docker {
        host: std::env::var("DOCKER_HOST").ok(),
        ..config::Docker::default()
    };
    connect(&config, "testnode", std::sync::Arc::new(WallClock)).unwrap()
}

#[tokio::test]
async fn an_image_without_a_container_is_read_and_nothing_is_left() {
    if !has_engine() {
        return;
    }
    let image = Image::build(&[("etc/a", b"alpha"), ("usr/b", b"beta")]);
    let engine = engine();
    let found = engine.find(&image.0).await.unwrap();
    assert!(found.image_id.starts_with("sha256:"), "{found:?}");
    assert_eq!(
        (
            found.image.as_str(),
            found.readable.as_ref(),
            found.containers.len()
        ),
        (image.0.as_str(), None, 0)
    );
    let read = engine.read(&found, wanted, limits()).await.unwrap();
    assert_eq!(read.files["etc/a"], b"alpha");
    assert!(!read.files.contains_key("usr/b"));
    assert_eq!(read.gaps, Vec::<String>::new());
    engine.finished().await;
    assert_eq!(containers(&image), "");
    // By its id it is the same, under its own name.
    let by_id = engine.find(&found.image_id).await.unwrap();
    assert_eq!(by_id, found);
}

#[tokio::test]
async fn a_container_is_read_in_its_image_s_place_and_stays() {
    if !has_engine() {
        return;
    }
    let image = Image::build(&[("etc/a", b"alpha")]);
    let name = format!("steward-test-scan-{}", std::process::id());
    let id = said(&["create", "--name", &name, &image.0, "/never"]);
    let engine = engine();
    let found = engine.find(&name).await.unwrap();
    assert_eq!(found.readable.as_deref(), Some(id.as_str()));
    assert_eq!(
        found.containers,
        [steward_api::ResourceId::container("testnode", &*name)]
    );
    let read = engine.read(&found, wanted, limits()).await;
    engine.finished().await;
    let left = containers(&image);
    said(&["rm", "-fv", &name]);
    assert_eq!(read.unwrap().files["etc/a"], b"alpha");
    assert!(id.starts_with(&left) && !left.is_empty(), "{left}");
}

#[tokio::test]
async fn what_was_made_goes_also_when_time_is_up_or_nobody_waits() {
    if !has_engine() {
        return;
    }
    let large = vec![7_u8; 40 * 1024 * 1024];
    let image = Image::build(&[("usr/large", &large), ("etc/a", b"alpha")]);
    let engine = engine();
    let found = engine.find(&image.0).await.unwrap();
    let hasty = ReadLimits {
        time: Duration::from_millis(1),
        ..limits()
    };
    let error = engine.read(&found, wanted, hasty).await.unwrap_err();
    assert!(matches!(error, ScanError::TimedOut { .. }), "{error}");
    engine.finished().await;
    assert_eq!(containers(&image), "");
    let gone = tokio::time::timeout(
        Duration::from_millis(150),
        engine.read(&found, wanted, limits()),
    )
    .await;
    drop(gone);
    engine.finished().await;
    assert_eq!(containers(&image), "");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    if !has_engine() {
        return;
    }
    let engine = engine();
    for name in [
        "steward-test-no-such",
        "steward-test/no-such:1",
        "../info",
        "a b",
        "",
        "a//b",
    ] {
        let error = engine.find(name).await.unwrap_err();
        assert!(matches!(error, ScanError::NotFound(_)), "{name}: {error}");
    }
}
