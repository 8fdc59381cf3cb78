//! Mounted file systems and the space on them.
//!
//! What flows through: the kernel's table of mounts in, for each real file system its space or why it could not be read out. What it
//! never does: wait longer than its limit for a file system that hangs, or start a second reading of one while the first still hangs.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{sync::oneshot, time::timeout};

/// File systems that hold no data of their own, or that are always full by nature.
const PSEUDO: [&str; 41] = [
    "tmpfs",
    "devtmpfs",
    "ramfs",
    "rootfs",
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "hugetlbfs",
    "debugfs",
    "tracefs",
    "securityfs",
    "pstore",
    "bpf",
    "configfs",
    "fusectl",
    "binfmt_misc",
    "autofs",
    "nsfs",
    "overlay",
    "aufs",
    "squashfs",
    "erofs",
    "iso9660",
    "udf",
    "cramfs",
    "efivarfs",
    "selinuxfs",
    "smackfs",
    "rpc_pipefs",
    "nfsd",
    "resctrl",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.gvfsd-fuse",
    "fuse.snapfuse",
    "fuse.squashfuse",
    "fuse.fuse-overlayfs",
    "fuse.archivemount",
];

/// Places beneath which a container engine or snap mounts things of its own.
const FOREIGN: [&str; 8] = [
    "/var/lib/docker/",
    "/var/lib/containers/",
    "/var/lib/containerd/",
    "/var/lib/kubelet/",
    "/run/docker/",
    "/run/containerd/",
    "/run/user/",
    "/snap/",
];

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: PathBuf,
    /// From what, such as `/dev/sda1` or `nas:/media`.
    pub(super) device: String,
    /// The type, such as `ext4`.
    pub(super) file_system: String,
}

/// The space on a file system, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    /// Size.
    pub(super) total: u64,
    /// Used.
    pub(super) used: u64,
    /// Free for an ordinary user.
    pub(super) available: u64,
}

impl Space {
    /// Use in percent as `df` reckons it: of what is used or available, so that what is reserved for root does not count as free.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a percentage needs no 64 bits of precision"
    )]
    pub(super) fn percent(self) -> f64 {
        let reachable = self.used.saturating_add(self.available);
        if reachable == 0 {
            return 100.0;
        }
        self.used as f64 / reachable as f64 * 100.0
    }
}

/// Reads the space at a mount point; nothing where there is none to speak of. May block for ever.
pub(super) type ReadSpace = dyn Fn(&Path) -> io::Result<Option<Space>> + Send + Sync;

/// Reads disks.
pub(super) struct Disks {
    /// The kernel's table of mounts.
    pub(super) table: PathBuf,
    /// How the space is read.
    pub(super) read_space: Arc<ReadSpace>,
    /// How long one file system may take.
    pub(super) limit: Duration,
    /// Mount points not to look at; `*` stands for any text.
    pub(super) ignore: Vec<String>,
    /// Mount points whose reading has not come back.
    pending: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Disks {
    pub(super) fn new(ignore: Vec<String>) -> Self {
        Self {
            table: PathBuf::from("/proc/self/mountinfo"),
            read_space: Arc::new(space),
            limit: Duration::from_secs(3),
            ignore,
            pending: Arc::default(),
        }
    }

    /// Every real file system with its space, or why that could not be read.
    ///
    /// # Errors
    /// In words, where the table of mounts can't be read.
    pub(super) async fn read(&self) -> Result<Vec<(Mount, Result<Space, String>)>, String> {
        let table = tokio::fs::read(&self.table)
            .await
            .map_err(|error| format!("{} can't be read: {error}", self.table.display()))?;
        let mounts = select(&String::from_utf8_lossy(&table), &self.ignore);
        let read = join_all(mounts.into_iter().map(|mount| async {
            let space = self.read_one(&mount.point).await;
            (mount, space)
        }))
        .await;
        Ok(read
            .into_iter()
            .filter_map(|(mount, space)| match space {
                Ok(None) => None,
                Ok(Some(space)) => Some((mount, Ok(space))),
                Err(error) => Some((mount, Err(error))),
            })
            .collect())
    }

    async fn read_one(&self, point: &Path) -> Result<Option<Space>, String> {
        if !lock(&self.pending).insert(point.to_owned()) {
            return Err("it hangs: an earlier reading has not come back".to_owned());
        }
        let (sender, answer) = oneshot::channel();
        let (read_space, pending, path) = (
            Arc::clone(&self.read_space),
            Arc::clone(&self.pending),
            point.to_owned(),
        );
        // A thread of its own, not one of the runtime's: the runtime would wait for it at shutdown, and it may never come back.
        let started = std::thread::Builder::new()
            .name("steward-disk".to_owned())
            .stack_size(128 * 1024)
            .spawn(move || {
                let space = read_space(&path);
                lock(&pending).remove(&path);
                // Nobody waits any more when the limit has passed.
                let _ = sender.send(space);
            });
        if let Err(error) = started {
            lock(&self.pending).remove(point);
            return Err(format!("no thread could be started to read it: {error}"));
        }
        match timeout(self.limit, answer).await {
            Err(_) => Err(format!("it did not answer within {:?}", self.limit)),
            Ok(Err(_)) => Err("its reading broke off".to_owned()),
            Ok(Ok(space)) => space.map_err(|error| error.to_string()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The space by `statvfs`. Nothing for a single file that is mounted (as container engines do), and for what has no size.
fn space(point: &Path) -> io::Result<Option<Space>> {
    let stat = rustix::fs::statvfs(point)?;
    if stat.f_blocks == 0 || !point.is_dir() {
        return Ok(None);
    }
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Some(Space {
        total: bytes(stat.f_blocks),
        used: bytes(stat.f_blocks.saturating_sub(stat.f_bfree)),
        available: bytes(stat.f_bavail),
    }))
}

/// The real file systems in a table of the form of `/proc/self/mountinfo` (see proc(5)), each device once, at its shortest mount
/// point, in the order of their mount points.
fn select(table: &str, ignore: &[String]) -> Vec<Mount> {
    // What is mounted later on the same point hides what was there.
    let mut by_point = BTreeMap::new();
    for line in table.lines() {
        if let Some((number, mount)) = parse(line) {
            by_point.insert(mount.point.clone(), (number, mount));
        }
    }
    let mut by_device: BTreeMap<String, Mount> = BTreeMap::new();
    for (number, mount) in by_point.into_values() {
        let point = mount.point.to_string_lossy();
        if PSEUDO.contains(&mount.file_system.as_str())
            || FOREIGN.iter().any(|place| point.starts_with(place))
            || ignore.iter().any(|pattern| matches(pattern, &point))
        {
            continue;
        }
        // Subvolumes of one btrfs have numbers of their own but share the space of the device.
        let device = if mount.file_system == "btrfs" {
            mount.device.clone()
        } else {
            number
        };
        let shorter = by_device
            .get(&device)
            .is_none_or(|known| point.len() < known.point.as_os_str().len());
        if shorter {
            by_device.insert(device, mount);
        }
    }
    let mut mounts: Vec<_> = by_device.into_values().collect();
    mounts.sort_by(|a, b| a.point.cmp(&b.point));
    mounts
}

/// The device's number and the mount of one line.
fn parse(line: &str) -> Option<(String, Mount)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let (number, _root, point) = (fields.next()?, fields.next()?, fields.next()?);
    let mut fields = after.split(' ');
    let (file_system, device) = (fields.next()?, fields.next()?);
    Some((
        number.to_owned(),
        Mount {
            point: PathBuf::from(unescape(point)),
            device: unescape(device),
            file_system: file_system.to_owned(),
        },
    ))
}

/// The kernel writes blanks and backslashes as `\040` and the like.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'\\')
            .then(|| text.get(at + 1..at + 4))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) => {
                plain.push(byte);
                at += 4;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
42 27 254:0 /var/lib/docker /var/lib/docker rw,relatime shared:1 - ext4 /dev/vda rw
43 27 254:0 /etc/hosts /h rw - ext4 /dev/vda rw
44 27 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw
45 27 8:1 / /mnt/my\\040disk rw,relatime - xfs /dev/sda1 rw
46 27 8:17 / /backup rw - ext4 /dev/sdb1 rw
47 27 0:60 / /media rw,relatime shared:9 - nfs4 nas:/media rw,vers=4.2
48 27 7:3 / /snap/core/1 ro - squashfs /dev/loop3 ro
49 27 0:70 /@ /data rw - btrfs /dev/sdc rw
50 27 0:71 /@home /data/home rw - btrfs /dev/sdc rw
51 27 0:80 / /old rw - ext4 /dev/sdd1 rw
52 51 8:99 / /old rw - ext4 /dev/sde1 rw
a line that is none
";

    fn points(ignore: &[&str]) -> Vec<String> {
        let ignore: Vec<_> = ignore.iter().map(|&p| p.to_owned()).collect();
        select(TABLE, &ignore)
            .into_iter()
            .map(|mount| mount.point.display().to_string())
            .collect()
    }

    #[test]
    fn real_file_systems_are_chosen_each_device_once() {
        assert_eq!(
            points(&[]),
            ["/", "/backup", "/data", "/media", "/mnt/my disk", "/old"]
        );
        let old = select(TABLE, &[]).pop().unwrap();
        assert_eq!(old.device, "/dev/sde1", "what was mounted last is seen");
    }

    #[test]
    fn ignored_mount_points_are_left_out() {
        assert_eq!(
            points(&["/mnt/*", "/backup", "*dia", "/d*a"]),
            ["/", "/data/home", "/old"]
        );
        assert!(matches("*", "/"));
        assert!(matches("/a*b*c", "/a1b2b3c"));
        assert!(!matches("/a*b*c", "/a1c"));
        assert!(!matches("/a", "/ab"));
        assert!(!matches("ab*ba", "aba"));
    }

    #[test]
    fn use_is_reckoned_as_df_does() {
        let space = Space {
            total: 100,
            used: 60,
            available: 30,
        };
        assert!((space.percent() - 66.666).abs() < 0.01);
    }
}
