//! Blocks of what a host passes on, with real nftables in network namespaces of the test's own: another machine, the host, and a container
//! behind it; and how a block ends: asked for, by itself, and by a person who takes the table or its rules away.

use std::{
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use steward_api::{Action, ResourceId, Verification};
use tempfile::TempDir;

use super::{super::HostActuator, act::permit, config, program};
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
        let mut actuator = HostActuator::new(&config(), None);
        actuator.blocks.nft = program(self.folder.path(), "nft", &text);
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

#[tokio::test]
async fn what_a_blocked_address_sends_through_the_host_is_dropped_until_the_block_ends() {
    let Some(net) = Net::new() else { return };
    let actuator = net.actuator();
    let (host, behind) = ("10.77.1.1", "10.77.2.2");
    assert!(net.reaches(ATTACKER, host) && net.reaches(ATTACKER, behind));
    // The same address in its other form is the same address.
    apply(&actuator, &block(&format!("::ffff:{ATTACKER}")))
        .await
        .unwrap();
    assert_eq!(is_blocked(&actuator, ATTACKER).await, Reading::Holds);
    assert!(!net.reaches(ATTACKER, host), "what comes in");
    assert!(!net.reaches(ATTACKER, behind), "what is passed on");
    assert!(net.reaches(OTHER, host) && net.reaches(OTHER, behind));
    assert!(net.reaches("fd77::2", "fd77::1"));
    apply(&actuator, &block("fd77::2")).await.unwrap();
    assert!(!net.reaches("fd77::2", "fd77::1"));
    apply(&actuator, &unblock(ATTACKER)).await.unwrap();
    assert!(net.reaches(ATTACKER, host) && net.reaches(ATTACKER, behind));

    // By itself, when its time is over: here a time that a test can wait for.
    apply(&actuator, &block(ATTACKER)).await.unwrap();
    let sooner = format!(
        "delete element inet steward blocked4 {{ {ATTACKER} }}; add element inet steward blocked4 {{ {ATTACKER} timeout 2s }}"
    );
    net.nft(&[&sooner]).unwrap();
    assert!(!net.reaches(ATTACKER, host));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(net.reaches(ATTACKER, behind));
    assert!(matches!(
        is_blocked(&actuator, ATTACKER).await,
        Reading::Broken(_)
    ));

    // A set that no rule looks into drops nothing, and neither does a table that is gone.
    for command in [
        "flush chain inet steward forward",
        "delete table inet steward",
    ] {
        apply(&actuator, &block(ATTACKER)).await.unwrap();
        assert_eq!(is_blocked(&actuator, ATTACKER).await, Reading::Holds);
        net.nft(&[command]).unwrap();
        assert!(net.reaches(ATTACKER, behind));
        assert!(matches!(
            is_blocked(&actuator, ATTACKER).await,
            Reading::Broken(_)
        ));
    }
}
