//! Blocks with real nftables in network namespaces of the test's own: a host, another machine, and a container behind the host.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use jiff::Timestamp;
use steward_api::{Action, Precondition, ResourceId, Verification};
use tempfile::TempDir;

use super::{super::HostActuator, act::permit, config, nobody, program};
use crate::ports::{ActError, Actuator as _, Reading};

const ATTACKER: &str = "10.77.1.2";
const OTHER: &str = "10.77.1.3";

fn run(command: &[&str]) -> Result<String, String> {
    let output = Command::new(command[0])
        .args(&command[1..])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Three namespaces that go when the test does: `out` – `host` – `behind`.
struct Net {
    names: [String; 3],
    folder: TempDir,
}

impl Net {
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = format!(
            "{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let names = ["out", "host", "behind"].map(|name| format!("stw-{name}-{number}"));
        let made = Self {
            names,
            folder: TempDir::new().unwrap(),
        };
        let [out, host, behind] = &made.names;
        let all = format!(
            "set -e; for n in {out} {host} {behind}; do ip netns add $n; ip -n $n link set lo up; done
             ip -n {out} link add eth0 type veth peer name eth0 netns {host}
             ip -n {behind} link add eth0 type veth peer name eth1 netns {host}
             ip -n {out} addr add {ATTACKER}/24 dev eth0; ip -n {out} addr add {OTHER}/24 dev eth0
             ip -n {out} addr add fd77::2/64 dev eth0 nodad; ip -n {host} addr add fd77::1/64 dev eth0 nodad
             ip -n {host} addr add 10.77.1.1/24 dev eth0; ip -n {host} addr add 10.77.2.1/24 dev eth1
             ip -n {behind} addr add 10.77.2.2/24 dev eth0
             ip -n {out} link set eth0 up; ip -n {host} link set eth0 up; ip -n {host} link set eth1 up; ip -n {behind} link set eth0 up
             ip -n {out} route add default via 10.77.1.1; ip -n {behind} route add default via 10.77.2.1
             ip netns exec {host} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
             ip netns exec {host} nft list tables"
        );
        match run(&["sh", "-c", &all]) {
            Ok(_) => Some(made),
            Err(why) => {
                println!("SKIPPED: no network namespaces with nftables here: {why}");
                None
            }
        }
    }

    /// An actuator whose programs work in the host's namespace.
    fn actuator(&self) -> HostActuator {
        let text = format!("exec ip netns exec {} nft \"$@\"", self.names[1]);
        let mut actuator = HostActuator::new(&config(), nobody());
        actuator.blocker.nft = program(self.folder.path(), "nft", &text);
        actuator.blocker.fail2ban = PathBuf::from("/nonexistent/fail2ban-client");
        actuator
    }

    fn nft(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = vec!["ip", "netns", "exec", &self.names[1], "nft"];
        command.extend(arguments);
        run(&command)
    }

    /// Whether a packet from an address outside comes to another and is answered.
    fn reaches(&self, from: &str, to: &str) -> bool {
        run(&[
            "ip",
            "netns",
            "exec",
            &self.names[0],
            "/bin/busybox",
            "ping",
            "-c1",
            "-W1",
            "-I",
            from,
            to,
        ])
        .is_ok()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = run(&["ip", "netns", "del", name]);
        }
    }
}

fn block(address: &str) -> Action {
    Action::BlockAddress {
        host: ResourceId::host("atlas"),
        address: address.parse().unwrap(),
        minutes: 60,
    }
}

fn unblock(address: &str) -> Action {
    Action::UnblockAddress {
        host: ResourceId::host("atlas"),
        address: address.parse().unwrap(),
    }
}

async fn apply(actuator: &HostActuator, action: &Action) -> Result<String, ActError> {
    actuator.apply(&permit(action)).await
}

async fn is_blocked(actuator: &HostActuator, address: &str) -> Reading {
    let verification = Verification::AddressBlocked {
        host: ResourceId::host("atlas"),
        address: address.parse().unwrap(),
    };
    actuator.verify(&verification).await.unwrap()
}

async fn is_free(actuator: &HostActuator, address: &str) -> Result<Reading, ActError> {
    let precondition = Precondition::AddressFree {
        host: ResourceId::host("atlas"),
        address: address.parse().unwrap(),
    };
    actuator.check(&precondition).await
}

#[tokio::test]
async fn what_a_blocked_address_sends_is_dropped_until_the_block_ends() {
    let Some(net) = Net::new() else { return };
    let actuator = net.actuator();
    let (host, behind) = ("10.77.1.1", "10.77.2.2");
    assert!(net.reaches(ATTACKER, host) && net.reaches(ATTACKER, behind));
    assert_eq!(is_free(&actuator, ATTACKER).await.unwrap(), Reading::Holds);
    let since = Timestamp::UNIX_EPOCH;
    assert_eq!(
        actuator.was_applied(&block(ATTACKER), since).await.unwrap(),
        Some(false)
    );
    let preview = actuator.preview(&block(ATTACKER)).await.unwrap();
    assert!(preview[1].contains("table inet steward"), "{preview:?}");
    assert!(net.nft(&["list", "table", "inet", "steward"]).is_err());

    let told = apply(&actuator, &block(ATTACKER)).await.unwrap();
    assert!(told.contains("nftables for 1 h"), "{told}");
    assert_eq!(is_blocked(&actuator, ATTACKER).await, Reading::Holds);
    assert!(!net.reaches(ATTACKER, host), "what comes in");
    assert!(!net.reaches(ATTACKER, behind), "what is passed on");
    assert!(net.reaches(OTHER, host) && net.reaches(OTHER, behind));
    assert_eq!(
        actuator.was_applied(&block(ATTACKER), since).await.unwrap(),
        Some(true)
    );
    let Reading::Broken(why) = is_free(&actuator, ATTACKER).await.unwrap() else {
        panic!("it is blocked")
    };
    assert!(why.contains("blocked already"), "{why}");

    // Twice is once, and an IPv6 address is another set's.
    apply(&actuator, &block(ATTACKER)).await.unwrap();
    assert!(net.reaches("fd77::2", "fd77::1"));
    apply(&actuator, &block("fd77::2")).await.unwrap();
    assert!(!net.reaches("fd77::2", "fd77::1"));
    let listed = net.nft(&["list", "table", "inet", "steward"]).unwrap();
    assert_eq!(listed.matches("drop").count(), 4, "{listed}");

    let told = apply(&actuator, &unblock(ATTACKER)).await.unwrap();
    assert!(told.contains("not blocked by nftables any more"), "{told}");
    assert!(net.reaches(ATTACKER, host) && net.reaches(ATTACKER, behind));
    let told = apply(&actuator, &unblock(ATTACKER)).await.unwrap();
    assert!(told.ends_with("was not blocked"), "{told}");

    // By itself, after its time.
    let address: IpAddr = ATTACKER.parse().unwrap();
    actuator
        .blocker
        .block(address, Duration::from_secs(2))
        .await
        .unwrap();
    assert!(!net.reaches(ATTACKER, host));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(net.reaches(ATTACKER, host));
    assert!(matches!(
        is_blocked(&actuator, ATTACKER).await,
        Reading::Broken(_)
    ));

    // A person who takes the table away has taken all of it back.
    apply(&actuator, &block(ATTACKER)).await.unwrap();
    net.nft(&["delete", "table", "inet", "steward"]).unwrap();
    assert!(net.reaches(ATTACKER, host));
    assert!(matches!(
        is_blocked(&actuator, ATTACKER).await,
        Reading::Broken(_)
    ));
}

#[tokio::test]
async fn what_must_not_be_shut_out_is_refused_also_when_it_is_asked_for() {
    let mut config = config();
    config.security.authentication.own_networks = vec!["203.0.113.0/24".to_owned()];
    let mut actuator = HostActuator::new(&config, nobody());
    // Nothing may be run at all.
    actuator.blocker.nft = PathBuf::from("/nonexistent/nft");
    actuator.blocker.fail2ban = PathBuf::from("/nonexistent/fail2ban-client");
    let mut never: Vec<String> = [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "fe80::1",
        "203.0.113.9",
        "::ffff:127.0.0.1",
    ]
    .map(str::to_owned)
    .to_vec();
    never.extend(
        super::super::own_addresses()
            .unwrap()
            .iter()
            .chain(&super::super::addresses::gateways().unwrap())
            .map(ToString::to_string),
    );
    for address in never {
        let why = apply(&actuator, &block(&address)).await.unwrap_err();
        assert!(
            why.to_string().contains("is never blocked"),
            "{address}: {why}"
        );
        assert!(matches!(
            is_free(&actuator, &address).await.unwrap(),
            Reading::Hopeless(_)
        ));
    }
    let why = apply(&actuator, &block("198.51.100.7")).await.unwrap_err();
    assert!(
        why.to_string().contains("apt-get install nftables"),
        "{why}"
    );
    assert!(is_free(&actuator, "198.51.100.7").await.is_err());
    let told = apply(&actuator, &unblock("198.51.100.7")).await.unwrap();
    assert!(told.contains("was not blocked"), "{told}");
}

/// A small program that keeps a jail as Fail2ban's client tells of it: there is none on the machines where this is tested.
fn jail(folder: &Path) -> PathBuf {
    let kept = folder.join("banned");
    let kept = kept.display();
    program(
        folder,
        "fail2ban-client",
        &format!(
            "touch {kept}; case \"$1 $2 $3\" in
             'status  ') printf 'Status\\n`- Jail list:\\tnginx, sshd\\n';;
             'status sshd ') printf '   `- Banned IP list:\\t%s\\n' \"$(cat {kept})\";;
             'set sshd banip') echo \"$4\" > {kept};;
             'set sshd unbanip') : > {kept};;
             *) exit 1;; esac"
        ),
    )
}

#[tokio::test]
async fn without_nftables_an_address_goes_into_a_jail_that_is_there() {
    let folder = TempDir::new().unwrap();
    let mut actuator = HostActuator::new(&config(), nobody());
    // One that refuses, as without the right to it.
    actuator.blocker.nft = program(
        folder.path(),
        "nft",
        "echo 'Operation not permitted' >&2; exit 1",
    );
    actuator.blocker.fail2ban = jail(folder.path());
    let address = "198.51.100.7";
    assert_eq!(is_free(&actuator, address).await.unwrap(), Reading::Holds);
    let told = apply(&actuator, &block(address)).await.unwrap();
    assert!(told.contains("jail sshd"), "{told}");
    assert_eq!(is_blocked(&actuator, address).await, Reading::Holds);
    let told = apply(&actuator, &unblock(address)).await.unwrap();
    assert!(told.contains("Fail2ban's jail sshd any more"), "{told}");
    assert!(matches!(
        is_blocked(&actuator, address).await,
        Reading::Broken(_)
    ));
}
