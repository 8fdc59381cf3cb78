//! Clearing old files below a directory of a container's root, as the host sees it. The container may be hostile: it can swap a
//! directory for a link while we walk. So every step is relative to an open directory, no link is ever followed, and nothing outside
//! of the container's root or on another file system is reached.

use std::{
    fs,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode as FileMode, OFlags, ResolveFlags, fstat, openat,
        openat2, statat, unlinkat,
    },
    io::Errno,
};

use super::tmp::{Found, Mode};

/// Directories nested deeper are left alone.
const MOST_LEVELS: usize = 64;

/// Removes (or counts) regular files below `roots` of the container's root that were last modified before `oldest`, in seconds since
/// 1970. `pid` is the container's main process as its engine tells it.
pub(super) fn clear(
    pid: i64,
    container_id: &str,
    roots: &[String],
    oldest: i64,
    mode: Mode,
) -> Result<Found, String> {
    check_process(pid, container_id)?;
    let root = openat(
        CWD,
        format!("/proc/{pid}/root"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        FileMode::empty(),
    )
    .map_err(|error| match error {
        Errno::ACCESS | Errno::PERM => {
            "Steward may not look into its files: that needs root on the host".to_owned()
        }
        error => format!("its files can't be opened: {error}"),
    })?;
    // The number may have gone to another process between the check and the opening.
    check_process(pid, container_id)?;

    let mut found = Found {
        files: 0,
        bytes: Some(0),
    };
    for directory in roots {
        clear_below(&root, directory, oldest, mode, &mut found)?;
    }
    Ok(found)
}

/// A process number means something else in another process namespace: make sure that it is the container's.
fn check_process(pid: i64, container_id: &str) -> Result<(), String> {
    if pid <= 0 {
        return Err("it has no process".to_owned());
    }
    match fs::read_to_string(format!("/proc/{pid}/cgroup")) {
        Ok(groups) if groups.contains(container_id) => Ok(()),
        _ => Err(
            "its process can't be seen from here (Steward may run in a container itself)"
                .to_owned(),
        ),
    }
}

fn clear_below(
    root: &OwnedFd,
    directory: &str,
    oldest: i64,
    mode: Mode,
    found: &mut Found,
) -> Result<(), String> {
    let opened = openat2(
        root,
        directory,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        FileMode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    );
    let top = match opened {
        Ok(top) => top,
        // Not there, or a link: nothing of its own to clear.
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(()),
        Err(error) => return Err(format!("{directory} can't be opened: {error}")),
    };
    let device = fstat(&top)
        .map_err(|error| format!("{directory} can't be read: {error}"))?
        .st_dev;
    let mut waiting = vec![(top, 0)];
    while let Some((here, level)) = waiting.pop() {
        let entries =
            Dir::read_from(&here).map_err(|error| format!("{directory} can't be read: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("{directory} can't be read: {error}"))?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            // What vanishes while we walk is none of ours.
            let Ok(about) = statat(&here, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if about.st_dev != device {
                continue;
            }
            match FileType::from_raw_mode(about.st_mode) {
                FileType::Directory if level < MOST_LEVELS => {
                    let inner = openat2(
                        here.as_fd(),
                        name,
                        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                        FileMode::empty(),
                        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
                    );
                    if let Ok(inner) = inner {
                        waiting.push((inner, level + 1));
                    }
                }
                FileType::RegularFile if about.st_mtime < oldest => {
                    if mode == Mode::Remove && unlinkat(&here, name, AtFlags::empty()).is_err() {
                        continue;
                    }
                    found.files += 1;
                    let size = u64::try_from(about.st_size).unwrap_or_default();
                    found.bytes = found.bytes.map(|bytes| bytes + size);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn aged(path: &std::path::Path, seconds: i64) {
        let time =
            std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(seconds).unwrap());
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }

    fn root_of(path: &std::path::Path) -> OwnedFd {
        openat(
            CWD,
            path,
            OFlags::PATH | OFlags::DIRECTORY,
            FileMode::empty(),
        )
        .unwrap()
    }

    #[test]
    fn only_old_regular_files_of_its_own_go() {
        let container = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let tmp = container.path().join("tmp");
        fs::create_dir_all(tmp.join("deep/er")).unwrap();
        fs::create_dir(outside.path().join("dir")).unwrap();
        let precious = outside.path().join("precious");
        for (path, age) in [
            (tmp.join("old"), 100),
            (tmp.join("deep/er/old"), 100),
            (tmp.join("young"), 10_000),
            (precious.clone(), 100),
            (outside.path().join("dir/precious"), 100),
        ] {
            fs::write(&path, "12345").unwrap();
            aged(&path, age);
        }
        symlink(&precious, tmp.join("link")).unwrap();
        symlink(outside.path().join("dir"), tmp.join("linked-dir")).unwrap();
        let _socket = UnixListener::bind(tmp.join("app.sock")).unwrap();

        let root = root_of(container.path());
        let mut looked = Found {
            files: 0,
            bytes: Some(0),
        };
        clear_below(&root, "/tmp", 5_000, Mode::Look, &mut looked).unwrap();
        assert_eq!(
            looked,
            Found {
                files: 2,
                bytes: Some(10)
            }
        );
        assert!(tmp.join("old").exists(), "looking removes nothing");

        let mut removed = Found {
            files: 0,
            bytes: Some(0),
        };
        clear_below(&root, "/tmp", 5_000, Mode::Remove, &mut removed).unwrap();
        assert_eq!(removed, looked);
        assert!(!tmp.join("old").exists() && !tmp.join("deep/er/old").exists());
        for kept in ["young", "link", "linked-dir", "app.sock", "deep/er"] {
            assert!(tmp.join(kept).symlink_metadata().is_ok(), "{kept}");
        }
        assert!(precious.exists() && outside.path().join("dir/precious").exists());
    }

    #[test]
    fn a_linked_or_missing_directory_is_left_alone() {
        let container = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("old"), "x").unwrap();
        aged(&outside.path().join("old"), 100);
        symlink(outside.path(), container.path().join("tmp")).unwrap();
        let root = root_of(container.path());
        let mut found = Found {
            files: 0,
            bytes: Some(0),
        };
        clear_below(&root, "/tmp", 5_000, Mode::Remove, &mut found).unwrap();
        clear_below(&root, "/var/tmp", 5_000, Mode::Remove, &mut found).unwrap();
        assert_eq!(found.files, 0);
        assert!(outside.path().join("old").exists());
    }

    #[test]
    fn a_process_that_is_not_the_containers_is_not_entered() {
        let own = i64::from(std::process::id());
        let error = clear(own, &"ab".repeat(32), &["/tmp".to_owned()], 1, Mode::Look).unwrap_err();
        assert!(error.contains("can't be seen from here"), "{error}");
    }
}
