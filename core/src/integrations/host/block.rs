//! Blocks of addresses: by nftables where it works, else by fail2ban where that runs.
//!
//! What flows through: an address with a time in, the firewall's own word for it out. Steward has a table of its own (`inet steward`) with a
//! set for each kind of address whose elements the kernel itself lets lapse; its chains stand before the filter, at what comes to this
//! host and at what is handed on to its containers. What it never does: touch a rule of anybody else's, or block this host, its gateway or a
//! network that is configured as the operator's own: whoever asks.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use steward_api::ActionName;

use super::{
    addresses,
    program::{self, Ended},
    systemd::{brief, find},
};
use crate::{
    config::{AddressRange, Config},
    ports::{ActError, Reading},
    redact::redact,
};

/// How long the firewall's program may take.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// How much of its output is kept: a table with all its blocks.
const KEEP: usize = 4 * 1024 * 1024;
/// Jails of fail2ban that are for more than one service, most general first.
const JAILS: [&str; 2] = ["recidive", "sshd"];

/// Blocks addresses on this host.
pub(super) struct Blocks {
    pub(super) nft: PathBuf,
    pub(super) fail2ban: PathBuf,
    own_networks: Vec<AddressRange>,
    /// Where the kernel shows its routes.
    pub(super) net: PathBuf,
}

/// By what an address is blocked.
enum Means {
    Nftables,
    /// With a jail.
    Fail2ban(String),
}

impl Blocks {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            nft: find("nft"),
            fail2ban: find("fail2ban-client"),
            own_networks: config.security.authentication.own(),
            net: PathBuf::from("/proc/net"),
        }
    }

    /// Whether an address can be blocked here.
    pub(super) async fn can(&self, address: IpAddr) -> Result<Reading, ActError> {
        if let Some(why) = self.protected(address) {
            return Ok(Reading::Hopeless(why));
        }
        self.means().await.map(|_| Reading::Holds)
    }

    /// Blocks an address for so many minutes; one that is blocked already, from now on.
    pub(super) async fn block(&self, address: IpAddr, minutes: u32) -> Result<String, ActError> {
        // An IPv4 address dressed as IPv6 would go into a set in which no packet is ever found.
        let address = address.to_canonical();
        if let Some(why) = self.protected(address) {
            return Err(ActError::Failed(why));
        }
        let minutes = minutes.max(1);
        match self.means().await? {
            Means::Nftables => {
                self.must(&self.nft, &[&rules(address, minutes)]).await?;
                Ok(format!(
                    "nftables drops what {address} sends, for {minutes} min"
                ))
            }
            Means::Fail2ban(jail) => {
                let address = address.to_string();
                self.must(&self.fail2ban, &["set", &jail, "banip", &address])
                    .await?;
                Ok(format!(
                    "fail2ban bans {address} in its jail {jail}, for as long as that jail is configured to"
                ))
            }
        }
    }

    /// Ends the block of an address, wherever it is blocked.
    pub(super) async fn unblock(&self, address: IpAddr) -> Result<String, ActError> {
        let address = address.to_canonical();
        match self.means().await? {
            Means::Nftables => {
                if !self.has(address).await? {
                    return Ok(format!("{address} was not blocked"));
                }
                let element = format!(
                    "delete element inet steward {} {{ {address} }}",
                    set(address)
                );
                self.must(&self.nft, &[&element]).await?;
                Ok(format!("nftables lets {address} through again"))
            }
            Means::Fail2ban(jail) => {
                let address = address.to_string();
                self.must(&self.fail2ban, &["set", &jail, "unbanip", &address])
                    .await?;
                Ok(format!(
                    "fail2ban no longer bans {address} in its jail {jail}"
                ))
            }
        }
    }

    /// Whether an address is blocked now.
    pub(super) async fn is_blocked(&self, address: IpAddr) -> Result<bool, ActError> {
        let address = address.to_canonical();
        match self.means().await? {
            Means::Nftables => Ok(self.has(address).await? && self.is_heeded(address).await?),
            Means::Fail2ban(jail) => {
                let ended = self.must(&self.fail2ban, &["status", &jail]).await?;
                let word = address.to_string();
                Ok(ended
                    .stdout
                    .lines()
                    .filter(|line| line.contains("Banned IP list"))
                    .flat_map(str::split_whitespace)
                    .any(|found| found == word))
            }
        }
    }

    async fn has(&self, address: IpAddr) -> Result<bool, ActError> {
        let element = format!("get element inet steward {} {{ {address} }}", set(address));
        let ended = self.run(&self.nft, &[&element]).await?;
        match ended.code {
            Some(0) => Ok(true),
            // Neither the table, nor the set, nor the element: nft(8) names no code of its own for it.
            Some(1) if ended.stderr.contains("No such file or directory") => Ok(false),
            _ => Err(refused("nft", &ended)),
        }
    }

    /// Whether the rules that look into the set are there at both hooks: without them it drops nothing.
    async fn is_heeded(&self, address: IpAddr) -> Result<bool, ActError> {
        let table = self
            .must(&self.nft, &["list table inet steward"])
            .await?
            .stdout;
        let rule = format!("saddr @{} drop", set(address));
        Ok(["chain input", "chain forward"].into_iter().all(|chain| {
            table
                .split_once(chain)
                .and_then(|(_, rest)| rest.split_once('}'))
                .is_some_and(|(rules, _)| rules.contains(&rule))
        }))
    }

    /// By what this host can block.
    async fn means(&self) -> Result<Means, ActError> {
        let mut reasons = Vec::new();
        if self.nft.is_absolute() {
            let ended = self.run(&self.nft, &["list", "tables"]).await?;
            if ended.code == Some(0) {
                return Ok(Means::Nftables);
            }
            reasons.push(refused("nft", &ended).to_string());
        } else {
            reasons.push("there is no nft".to_owned());
        }
        if self.fail2ban.is_absolute() {
            let ended = self.run(&self.fail2ban, &["status"]).await?;
            if ended.code == Some(0) {
                let jails: Vec<&str> = ended
                    .stdout
                    .lines()
                    .filter_map(|line| line.split_once("Jail list:"))
                    .flat_map(|(_, list)| list.split(','))
                    .map(str::trim)
                    .filter(|jail| !jail.is_empty())
                    .collect();
                // A jail of one service shuts out from that one alone, which is not what is said to be done.
                match JAILS.into_iter().find(|jail| jails.contains(jail)) {
                    Some(jail) => return Ok(Means::Fail2ban(jail.to_owned())),
                    None => {
                        reasons.push("fail2ban has neither the jail recidive nor sshd".to_owned())
                    }
                }
            } else {
                reasons.push(refused("fail2ban-client", &ended).to_string());
            }
        } else {
            reasons.push("there is no fail2ban-client".to_owned());
        }
        Err(ActError::Unsupported(
            ActionName::BlockAddress,
            format!(
                "{}; install nftables, and run Steward as root or with CAP_NET_ADMIN",
                reasons.join("; ")
            ),
        ))
    }

    /// Why an address is never blocked from here.
    fn protected(&self, address: IpAddr) -> Option<String> {
        let address = address.to_canonical();
        let is_near = match address {
            IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
            IpAddr::V6(six) => six.is_unicast_link_local(),
        };
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_near {
            return Some(format!("{address} is no address of another machine"));
        }
        if let Some(own) = self.own_networks.iter().find(|own| own.contains(address)) {
            return Some(format!(
                "{address} lies in {own}, which is configured as your own"
            ));
        }
        // What can't be read must not be blocked by mistake.
        match addresses::own_addresses() {
            Ok(own) if own.iter().any(|one| one.to_canonical() == address) => {
                return Some(format!("{address} is an address of this host"));
            }
            Ok(_) => {}
            Err(error) => {
                return Some(format!(
                    "which addresses are this host's own can't be told, so none is blocked: {error}"
                ));
            }
        }
        gateways(&self.net)
            .contains(&address)
            .then(|| format!("{address} is the gateway by which this host reaches the others"))
    }

    async fn run(&self, program: &Path, arguments: &[&str]) -> Result<Ended, ActError> {
        program::run(program, arguments, true, LIMIT, KEEP)
            .await
            .map_err(|error| ActError::Failed(error.to_string()))
    }

    async fn must(&self, program: &Path, arguments: &[&str]) -> Result<Ended, ActError> {
        let ended = self.run(program, arguments).await?;
        if ended.code == Some(0) {
            Ok(ended)
        } else {
            Err(refused(&program.display().to_string(), &ended))
        }
    }
}

fn refused(program: &str, ended: &Ended) -> ActError {
    ActError::Failed(format!(
        "{program} {}: {}",
        ended.how(),
        redact(&brief(&program::join(&ended.stdout, &ended.stderr)))
    ))
}

const fn set(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "blocked4",
        IpAddr::V6(_) => "blocked6",
    }
}

/// One transaction: the table as it is to be, whatever of it is there, and the element with its time from now on. Priority −150
/// (`mangle`, nft(8)) stands before every usual filter, so that what others accept is dropped all the same.
fn rules(address: IpAddr, minutes: u32) -> String {
    let mut commands = vec![
        "add table inet steward".to_owned(),
        "add set inet steward blocked4 { type ipv4_addr; flags timeout; }".to_owned(),
        "add set inet steward blocked6 { type ipv6_addr; flags timeout; }".to_owned(),
    ];
    for hook in ["input", "forward"] {
        commands.push(format!(
            "add chain inet steward {hook} {{ type filter hook {hook} priority -150; policy accept; }}"
        ));
        commands.push(format!("flush chain inet steward {hook}"));
        commands.push(format!(
            "add rule inet steward {hook} ip saddr @blocked4 drop"
        ));
        commands.push(format!(
            "add rule inet steward {hook} ip6 saddr @blocked6 drop"
        ));
    }
    let set = set(address);
    // Adding what is there would leave its old time; so it is removed first, which needs it to be there.
    commands.push(format!("add element inet steward {set} {{ {address} }}"));
    commands.push(format!("delete element inet steward {set} {{ {address} }}"));
    commands.push(format!(
        "add element inet steward {set} {{ {address} timeout {minutes}m }}"
    ));
    commands.join("; ")
}

/// The gateways of default routes, by the kernel's tables (proc_net(5), proc_pid_net(5)); none where they can't be read.
fn gateways(net: &Path) -> Vec<IpAddr> {
    let four = fs::read_to_string(net.join("route")).unwrap_or_default();
    let six = fs::read_to_string(net.join("ipv6_route")).unwrap_or_default();
    let of_four = four.lines().skip(1).filter_map(|line| {
        let mut parts = line.split_whitespace();
        let (destination, gateway) = (parts.nth(1)?, parts.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        // The kernel writes the bytes as they lie in memory.
        (destination == "00000000" && gateway != 0)
            .then(|| IpAddr::V4(Ipv4Addr::from(gateway.to_ne_bytes())))
    });
    let of_six = six.lines().filter_map(|line| {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let (prefix, next) = (parts.get(1)?, parts.get(4)?);
        let next = u128::from_str_radix(next, 16).ok()?;
        (*prefix == "00" && next != 0).then(|| IpAddr::V6(Ipv6Addr::from(next)))
    });
    of_four.chain(of_six).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_are_read_from_the_kernels_tables() {
        let folder = tempfile::tempdir().unwrap();
        let gateway = u32::from_ne_bytes([192, 168, 1, 1]);
        fs::write(
            folder.path().join("route"),
            format!(
                "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t{gateway:08X}\t0003\neth0\t0001A8C0\t00000000\t0001\n"
            ),
        )
        .unwrap();
        let zeros = "0".repeat(32);
        fs::write(
            folder.path().join("ipv6_route"),
            format!(
                "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
                 fe800000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\n"
            ),
        )
        .unwrap();
        let found = gateways(folder.path());
        let expected: [IpAddr; 2] = ["192.168.1.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(found, expected);
        assert_eq!(gateways(Path::new("/nonexistent")), Vec::<IpAddr>::new());
    }
}
