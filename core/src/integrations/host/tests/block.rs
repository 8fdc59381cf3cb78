//! Blocks, in a network of the test's own: two namespaces with a cable between them, and the real nftables of the kernel.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use steward_api::{Action, Precondition, ResourceId, Verification};

use super::{super::HostActuator, act::permit, config};
use crate::ports::{ActError, Actuator, Reading};

/// Two namespaces with a cable between them: ours has 10.99.0.1, the other 10.99.0.2. They go with the test.
struct Net {
    ours: String,
    other: String,
    folder: tempfile::TempDir,
}

fn ok(command: &str) -> bool {
    let mut words = command.split_whitespace();
    Command::new(words.next().unwrap())
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Net {
    /// None, and a word why, where it can't be made.
    fn make() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let id = std::process::id();
        let net = Self {
            ours: format!("steward-a{id}"),
            other: format!("steward-b{id}"),
            folder,
        };
        let made = [
            format!("ip netns add {}", net.ours),
            format!("ip netns add {}", net.other),
            format!(
                "ip -n {} link add sa0 type veth peer name sb0 netns {}",
                net.ours, net.other
            ),
            format!("ip -n {} addr add 10.99.0.1/24 dev sa0", net.ours),
            format!("ip -n {} addr add 10.99.0.2/24 dev sb0", net.other),
            format!("ip -n {} link set sa0 up", net.ours),
            format!("ip -n {} link set sb0 up", net.other),
            format!("ip -n {} link set lo up", net.ours),
            format!("ip netns exec {} nft list tables", net.ours),
        ]
        .iter()
        .all(|command| ok(command));
        if !made {
            println!(
                "SKIPPED: no namespaces with nftables can be made here (root, iproute2 and nftables are needed)"
            );
            return None;
        }
        Some(net)
    }

    /// A program that runs another one in our namespace.
    fn inside(&self, program: &str) -> PathBuf {
        let path = self.folder.path().join(program);
        fs::write(
            &path,
            format!(
                "#!/bin/sh\nexec ip netns exec {} {program} \"$@\"\n",
                self.ours
            ),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Whether the other reaches a port of ours within a moment.
    fn reaches(&self, port: u16) -> bool {
        ok(&format!(
            "ip netns exec {} timeout 2 bash -c exec<>/dev/tcp/10.99.0.1/{port}",
            self.other
        ))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        ok(&format!("ip netns del {}", self.ours));
        ok(&format!("ip netns del {}", self.other));
    }
}

/// Somebody who listens in our namespace.
struct Listener(std::process::Child);

impl Listener {
    fn start(net: &Net, port: u16) -> Self {
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &net.ours,
                "python3",
                "-m",
                "http.server",
                "--bind",
                "10.99.0.1",
            ])
            .arg(port.to_string())
            .current_dir(net.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn host() -> ResourceId {
    ResourceId::host("atlas")
}

fn block(address: &str, minutes: u32) -> Action {
    Action::BlockAddress {
        host: host(),
        address: address.parse().unwrap(),
        minutes,
    }
}

fn unblock(address: &str) -> Action {
    Action::UnblockAddress {
        host: host(),
        address: address.parse().unwrap(),
    }
}

fn blocked(address: &str) -> Verification {
    Verification::AddressBlocked {
        host: host(),
        address: address.parse().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_blocked_address_sends_is_dropped_until_it_is_let_through_again() {
    const PORT: u16 = 8081;
    let Some(net) = Net::make() else { return };
    let mut actuator = HostActuator::new(&config(), None);
    actuator.blocks.nft = net.inside("nft");
    let _listener = Listener::start(&net, PORT);
    let mut tries = 0;
    while !net.reaches(PORT) {
        tries += 1;
        assert!(tries < 100, "nobody listens");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What is not there is not blocked, and ending it is no fault.
    let free = actuator.verify(&blocked("10.99.0.2")).await.unwrap();
    assert!(matches!(free, Reading::Broken(_)), "{free:?}");
    let done = actuator
        .apply(&permit(&unblock("10.99.0.2")))
        .await
        .unwrap();
    assert_eq!(done, "10.99.0.2 was not blocked");

    let action = block("10.99.0.2", 5);
    let told = actuator.preview(&action).await.unwrap().join("\n");
    assert!(told.contains("5 minutes"), "{told}");
    actuator.apply(&permit(&action)).await.unwrap();
    // Once more: the time begins anew, and nothing stands there twice.
    actuator.apply(&permit(&action)).await.unwrap();
    let holds = actuator.verify(&blocked("10.99.0.2")).await.unwrap();
    assert_eq!(holds, Reading::Holds);
    assert_eq!(
        actuator
            .was_applied(&action, jiff::Timestamp::UNIX_EPOCH)
            .await
            .unwrap(),
        Some(true)
    );
    assert!(!net.reaches(PORT), "a blocked address came through");
    let rules = Command::new(net.folder.path().join("nft"))
        .args(["list", "table", "inet", "steward"])
        .output()
        .unwrap();
    let rules = String::from_utf8_lossy(&rules.stdout).into_owned();
    assert_eq!(rules.matches("@blocked4 drop").count(), 2, "{rules}");
    assert!(rules.contains("timeout 5m"), "{rules}");

    // An address of the other kind stands beside it.
    actuator
        .apply(&permit(&block("2001:db8::7", 1)))
        .await
        .unwrap();
    let holds = actuator.verify(&blocked("2001:db8::7")).await.unwrap();
    assert_eq!(holds, Reading::Holds);

    actuator
        .apply(&permit(&unblock("10.99.0.2")))
        .await
        .unwrap();
    assert!(net.reaches(PORT));
}

#[tokio::test]
async fn own_addresses_are_never_blocked_whoever_asks() {
    let mut config = config();
    config.security.authentication.own_networks = vec!["198.51.100.0/24".to_owned()];
    let mut actuator = HostActuator::new(&config, None);
    // Whatever it is asked, it says yes; it must not be asked.
    actuator.blocks.nft = PathBuf::from("/bin/true");
    for address in ["127.0.0.1", "198.51.100.9", "0.0.0.0", "::1"] {
        let refused = actuator.apply(&permit(&block(address, 1))).await;
        assert!(
            matches!(refused, Err(ActError::Failed(_))),
            "{address}: {refused:?}"
        );
        let precondition = Precondition::AddressFree {
            host: host(),
            address: address.parse::<IpAddr>().unwrap(),
        };
        let reading = actuator.check(&precondition).await.unwrap();
        assert!(matches!(reading, Reading::Hopeless(_)), "{reading:?}");
    }
}

#[tokio::test]
async fn without_nftables_a_jail_of_fail2ban_does_it_and_without_both_it_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("asked");
    let stand_in = folder.path().join("fail2ban-client");
    fs::write(
        &stand_in,
        format!(
            "#!/bin/sh\necho \"$@\" >> {log}\ncase \"$1 $2\" in\n'status ') printf 'Status\\n`- Jail list:\\tnginx, sshd\\n';;\n'status sshd') printf '   `- Banned IP list:\\t203.0.113.9\\n';;\nesac\n",
            log = log.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let mut actuator = HostActuator::new(&config(), None);
    actuator.blocks.nft = PathBuf::from("nft");
    actuator.blocks.fail2ban = stand_in;
    let done = actuator
        .apply(&permit(&block("203.0.113.9", 60)))
        .await
        .unwrap();
    assert!(done.contains("jail sshd"), "{done}");
    let holds = actuator.verify(&blocked("203.0.113.9")).await.unwrap();
    assert_eq!(holds, Reading::Holds);
    actuator
        .apply(&permit(&unblock("203.0.113.9")))
        .await
        .unwrap();
    let asked = fs::read_to_string(&log).unwrap();
    assert!(asked.contains("set sshd banip 203.0.113.9"), "{asked}");
    assert!(asked.contains("set sshd unbanip 203.0.113.9"), "{asked}");

    actuator.blocks.fail2ban = PathBuf::from("fail2ban-client");
    let error = actuator
        .apply(&permit(&block("203.0.113.9", 60)))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("install nftables"), "{error}");
}
