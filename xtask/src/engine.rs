//! A container engine for the time of the tests, where none is running but one is installed.
//!
//! What flows through: a started `dockerd` with everything its own, its address for `DOCKER_HOST`. What it never does: outlive the tests. A
//! small shell script stands between: the kernel tells it when this program ends in whatever way, and it ends the engine and
//! removes what that made.

use std::{
    io::{Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::machine::{is_root, which};

/// Ends the engine, its bridge and its files, whatever happened before.
const KEEPER: &str = r#"
dir=$1; bridge=$2
export DOCKER_HOST=unix://$dir/docker.sock
clean() {
  trap - TERM INT EXIT
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
  ip link delete "$bridge" 2>/dev/null
  grep -o " $dir/[^ ]*" /proc/self/mounts | sort -r | while read -r point; do umount -l "$point"; done
  rm -rf "$dir"
  exit 0
}
trap clean TERM INT EXIT
ip link add "$bridge" type bridge && ip addr add "$3" dev "$bridge" && ip link set "$bridge" up || exit 1
printf '{}' > "$dir/daemon.json"
dockerd --config-file "$dir/daemon.json" --host "$DOCKER_HOST" --data-root "$dir/data" --exec-root "$dir/exec" \
  --pidfile "$dir/docker.pid" --bridge "$bridge" --iptables=false --ip-masq=false --ip-forward=false \
  --storage-driver vfs --shutdown-timeout 5 > "$dir/log" 2>&1 &
pid=$!
wait "$pid"
"#;

/// A private engine. Ended on drop.
pub(crate) struct PrivateEngine {
    keeper: Child,
    dir: PathBuf,
}

impl PrivateEngine {
    /// Where it listens, as `DOCKER_HOST` names it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.dir.join("docker.sock").display())
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        let pid = self.keeper.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if asked.is_ok_and(|status| status.success()) {
            let _ = self.keeper.wait();
        }
    }
}

/// The engine for the tests: `None` where one is running already, else a private one, else in words why there is none.
pub(crate) fn for_tests() -> Result<Option<PrivateEngine>, String> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = match host.as_str() {
        "" => Some("/var/run/docker.sock"),
        named => named.strip_prefix("unix://"),
    };
    match socket {
        Some(path) if answers(Path::new(path)) => return Ok(None),
        // An engine over the network: the tests themselves find out whether it answers.
        None => return Ok(None),
        Some(_) => {}
    }
    let lacking = ["dockerd", "containerd", "ip", "setpriv"]
        .into_iter()
        .find(|program| which(program).is_none());
    if let Some(program) = lacking {
        return Err(format!(
            "no container engine is running, and there is no {program} to start one with. Get one with: apt-get install docker.io iproute2"
        ));
    }
    if !is_root() {
        return Err("no container engine is running, and starting one needs root. Start it with: sudo systemctl start docker".to_owned());
    }
    start().map(Some)
}

fn start() -> Result<PrivateEngine, String> {
    let id = std::process::id();
    // Sockets have short paths, and names of network interfaces at most 15 characters.
    let dir = PathBuf::from(format!("/tmp/sx-{id}"));
    std::fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let bridge = format!("sx{id}");
    // A network of documentation (RFC 5737) clashes with nobody's.
    let keeper = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--", "sh", "-c", KEEPER, "keeper"])
        .arg(&dir)
        .args([&bridge, "198.51.100.1/24"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal is for this program; the keeper has its own way to learn of it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("can't start a container engine: {error}"))?;
    let mut engine = PrivateEngine { keeper, dir };
    let begin = Instant::now();
    while !answers(&engine.dir.join("docker.sock")) {
        let ended = engine
            .keeper
            .try_wait()
            .is_ok_and(|status| status.is_some());
        if ended || begin.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(engine.dir.join("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(3).collect();
            return Err(format!("dockerd does not start: {}", last.join(" | ")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(engine)
}

/// Whether an engine answers there.
fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer
            .lines()
            .next()
            .is_some_and(|line| line.contains(" 200 ")))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_a_good_answer_is_an_engine() {
        let path = std::env::temp_dir().join(format!("xtask-engine-{}", std::process::id()));
        assert!(!answers(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            for reply in ["HTTP/1.0 500 no\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nOK"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 64];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        assert!(!answers(&path));
        assert!(answers(&path));
        server.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
