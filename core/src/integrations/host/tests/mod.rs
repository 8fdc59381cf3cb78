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
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    config::Config,
    ports::{ChainReader, Clock, FileChains, NoChain, ShownChain, TlsEndpoint},
};

mod act;
mod blocks;
mod observe;
mod renewals;

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A reader of certificates for what needs none.
struct Nobody;

#[async_trait]
impl ChainReader for Nobody {
    async fn endpoint(&self, _: &TlsEndpoint, _: bool, _: Duration) -> Result<ShownChain, NoChain> {
        Err(NoChain::Unreachable("nobody is there".to_owned()))
    }
    async fn files(&self, _: &[String]) -> FileChains {
        FileChains::default()
    }
}

fn nobody() -> Arc<dyn ChainReader> {
    Arc::new(Nobody)
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
