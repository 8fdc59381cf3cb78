//! The image of every test's containers: one static busybox and the workload's script, imported without a registry.
//!
//! What flows through: the machine's own `/bin/busybox` into a tar and from there into the engine. It never downloads anything.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use bollard::{Docker, query_parameters::CreateImageOptionsBuilder};
use futures_util::TryStreamExt as _;

/// The names under which busybox stands in the image.
const APPLETS: &[&str] = &[
    "[", "cat", "chmod", "cp", "date", "dd", "df", "echo", "env", "false", "find", "grep", "head",
    "hostname", "httpd", "id", "kill", "ln", "ls", "mkdir", "mkfifo", "mv", "nc", "printf", "ps",
    "rm", "rmdir", "sh", "sleep", "sort", "stat", "tail", "tar", "test", "touch", "true", "wc",
];

/// A busybox that needs no library, or a reason to skip.
pub(super) fn busybox() -> Result<PathBuf, String> {
    let named = std::env::var_os("STEWARD_BUSYBOX").map(PathBuf::from);
    let found = named
        .into_iter()
        .chain(["/bin/busybox".into(), "/usr/bin/busybox".into()])
        .find(|path: &PathBuf| path.is_file())
        .ok_or("there is no busybox: install busybox-static")?;
    let content = std::fs::read(&found).map_err(|e| format!("{}: {e}", found.display()))?;
    let loader = b"/ld-linux";
    let musl = b"/ld-musl";
    if content.windows(loader.len()).any(|part| part == loader)
        || content.windows(musl.len()).any(|part| part == musl)
    {
        return Err(format!(
            "{} needs shared libraries: install busybox-static",
            found.display()
        ));
    }
    Ok(found)
}

/// Imports the image under a name, with further files.
pub(super) async fn import(docker: &Docker, name: &str, more: &[(&str, &[u8])]) -> Result<()> {
    let busybox = busybox().map_err(|reason| anyhow!(reason))?;
    let root = rootfs(&busybox, more).context("can't make the image's files")?;
    let (repo, tag) = name.rsplit_once(':').context("an image needs a tag")?;
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repo)
        .tag(tag)
        .build();
    docker
        .create_image(Some(options), Some(bollard::body_full(root.into())), None)
        .try_collect::<Vec<_>>()
        .await
        .with_context(|| format!("the engine refused to import {name}"))?;
    Ok(())
}

fn rootfs(busybox: &Path, more: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode) in [
        ("bin", 0o755),
        ("etc", 0o755),
        ("ctl", 0o777),
        ("tmp", 0o1777),
        ("var", 0o755),
        ("var/tmp", 0o1777),
        ("www", 0o755),
        ("www/cgi-bin", 0o755),
    ] {
        let mut header = header(tar::EntryType::Directory, mode, 0);
        tar.append_data(&mut header, path, std::io::empty())?;
    }
    let content = std::fs::read(busybox)?;
    file(&mut tar, "bin/busybox", 0o755, &content)?;
    for applet in APPLETS {
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    let workload = include_bytes!("workload.sh");
    file(&mut tar, "bin/workload", 0o755, workload)?;
    let health = include_bytes!("health.cgi");
    file(&mut tar, "www/cgi-bin/health", 0o755, health)?;
    file(
        &mut tar,
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/:/bin/sh\n",
    )?;
    for (path, content) in more {
        file(&mut tar, path, 0o644, content)?;
    }
    Ok(tar.into_inner()?)
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn file(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
    tar.append_data(&mut header, path, content)?;
    Ok(())
}
