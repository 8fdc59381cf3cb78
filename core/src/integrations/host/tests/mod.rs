//! The host's part against the real host, and against small programs that stand in for systemctl and journalctl where a failure is
//! wanted or systemd is not there.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs to compare with, and wait for processes to end"
)]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jiff::Timestamp;

use crate::{config::Config, ports::Clock};

mod act;
mod block;
mod observe;
mod passed_on;
mod renewal;

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config
}

/// Writes a program. Another process writes it, so that no child that some other test starts at this moment can hold it open for
/// writing, which would make it unrunnable.
fn program(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("#!/bin/sh\n{text}\n");
    writer
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(writer.wait().unwrap().success());
    path
}
