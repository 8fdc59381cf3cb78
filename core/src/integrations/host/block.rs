//! Blocks: what an address sends to this host, or through it to containers, is dropped for a while.
//!
//! What flows through: an address and a time in, what was done in words out. With nftables in a table of Steward's own, so that nobody
//! else's rules are touched and one `nft delete table inet steward` takes all of it back; where that is not to be had, by Fail2ban in a
//! jail that is there. What it never does: block this host, its gateways, or a network that the configuration calls the operator's own;
//! block without an end; or take "could not be read" for "not blocked".

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde_json::Value;
use steward_api::ActionName;

use super::{
    addresses::{gateways, own_addresses},
    program::{self, Ended},
    systemd::{brief, find},
};
use crate::{
    config::{AddressRange, Config},
    ports::{ActError, Reading},
    redact::redact,
};

/// How long nftables or Fail2ban may take.
pub(super) const LIMIT: Duration = Duration::from_secs(20);
/// How much of what they print is read: a list of all blocks.
const KEEP: usize = 4 * 1024 * 1024;
/// Fail2ban's jails into which an address is put, the one that shuts out from everything first.
const JAILS: [&str; 2] = ["recidive", "sshd"];
/// Before what others filter: a rule that accepts would else end the matter.
const PRIORITY: i32 = -10;
const INSTALL: &str = "neither nftables nor a jail of Fail2ban can be used here: install nftables (Debian: `sudo apt-get install nftables`) and run Steward as root, or set up Fail2ban with the jail sshd or recidive";

/// By whom an address is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Means {
    Nftables,
    Fail2ban(String),
}

/// Blocks addresses.
pub(super) struct Blocker {
    pub(super) nft: PathBuf,
    pub(super) fail2ban: PathBuf,
    own_networks: Vec<AddressRange>,
}

impl Blocker {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            nft: find("nft"),
            fail2ban: find("fail2ban-client"),
            own_networks: config.security.authentication.own(),
        }
    }

    /// Drops what an address sends from now on, also on connections that are open.
    pub(super) async fn block(&self, address: IpAddr, time: Duration) -> Result<String, ActError> {
        let address = address.to_canonical();
        self.refuse(address)?;
        match self.means().await?.as_slice() {
            [] => Err(missing()),
            [Means::Nftables, ..] => {
                let ended = self.nft(&[&rules(address, time)]).await?;
                done(&ended, "nftables")?;
                Ok(format!(
                    "what {address} sends is dropped by nftables for {}",
                    in_words(time)
                ))
            }
            [Means::Fail2ban(jail), ..] => {
                let ended = self
                    .fail2ban(&["set", jail, "banip", &address.to_string()])
                    .await?;
                done(&ended, "Fail2ban")?;
                Ok(format!(
                    "{address} is in Fail2ban's jail {jail}, for as long as that keeps it"
                ))
            }
        }
    }

    /// Ends a block. One that is not there is no error.
    pub(super) async fn unblock(&self, address: IpAddr) -> Result<String, ActError> {
        let address = address.to_canonical();
        let mut ended_by = Vec::new();
        for means in self.means().await? {
            if !self.blocks(&means, address).await? {
                continue;
            }
            match means {
                Means::Nftables => {
                    let command = format!(
                        "delete element inet steward {} {{ {address} }}",
                        set(address)
                    );
                    done(&self.nft(&[&command]).await?, "nftables")?;
                    ended_by.push("nftables".to_owned());
                }
                Means::Fail2ban(jail) => {
                    let ended = self
                        .fail2ban(&["set", &jail, "unbanip", &address.to_string()])
                        .await?;
                    done(&ended, "Fail2ban")?;
                    ended_by.push(format!("Fail2ban's jail {jail}"));
                }
            }
        }
        Ok(if ended_by.is_empty() {
            format!("{address} was not blocked")
        } else {
            format!(
                "{address} is not blocked by {} any more",
                ended_by.join(" and ")
            )
        })
    }

    /// Whether an address is blocked now.
    pub(super) async fn is_blocked(&self, address: IpAddr) -> Result<bool, ActError> {
        let address = address.to_canonical();
        for means in self.means().await? {
            if self.blocks(&means, address).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an address can be blocked and is not yet.
    pub(super) async fn is_free(&self, address: IpAddr) -> Result<Reading, ActError> {
        if let Err(error) = self.refuse(address.to_canonical()) {
            return Ok(Reading::Hopeless(error.to_string()));
        }
        if self.means().await?.is_empty() {
            return Err(missing());
        }
        Ok(if self.is_blocked(address).await? {
            Reading::Broken(format!("{address} is blocked already"))
        } else {
            Reading::Holds
        })
    }

    /// By what an address would be blocked, in a line.
    pub(super) async fn how(&self, address: IpAddr) -> Result<String, ActError> {
        self.refuse(address.to_canonical())?;
        match self.means().await?.as_slice() {
            [] => Err(missing()),
            [Means::Nftables, ..] => Ok(format!(
                "by nftables: {address} in the set {} of the table inet steward, for what comes in and what is passed on to containers; connections that are open end",
                set(address)
            )),
            [Means::Fail2ban(jail), ..] => Ok(format!(
                "by Fail2ban, in its jail {jail}: for as long and from as much as that jail is set to"
            )),
        }
    }

    /// Refuses what must never be blocked.
    fn refuse(&self, address: IpAddr) -> Result<(), ActError> {
        let refused = |why: &str| {
            Err(ActError::Failed(format!(
                "{address} is never blocked: {why}"
            )))
        };
        let is_near = match address {
            IpAddr::V4(four) => four.is_link_local() || four.is_broadcast(),
            IpAddr::V6(six) => six.is_unicast_link_local(),
        };
        if address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_near {
            return refused("it is no other machine's address");
        }
        if let Some(range) = self
            .own_networks
            .iter()
            .find(|range| range.contains(address))
        {
            return refused(&format!(
                "it is in {range}, which the configuration calls your own (security.authentication.own_networks)"
            ));
        }
        // What can't be read may hold it.
        let own = own_addresses().map_err(ActError::Failed)?;
        if own.iter().any(|one| one.to_canonical() == address) {
            return refused("it is this host's own address");
        }
        if gateways().map_err(ActError::Failed)?.contains(&address) {
            return refused("it is a gateway, without which this host reaches nobody");
        }
        Ok(())
    }

    /// What there is to block with, the best first.
    async fn means(&self) -> Result<Vec<Means>, ActError> {
        let mut found = Vec::new();
        if self.nft.is_absolute() && self.nft.exists() {
            // Without the right to it, or without the kernel's part, it says so already here.
            let ended = self.nft(&["list", "tables"]).await?;
            if ended.code == Some(0) {
                found.push(Means::Nftables);
            }
        }
        if self.fail2ban.is_absolute() && self.fail2ban.exists() {
            let ended = self.fail2ban(&["status"]).await?;
            if ended.code == Some(0)
                && let Some(jail) = best_jail(&ended.stdout)
            {
                found.push(Means::Fail2ban(jail.to_owned()));
            }
        }
        Ok(found)
    }

    async fn blocks(&self, means: &Means, address: IpAddr) -> Result<bool, ActError> {
        match means {
            Means::Nftables => {
                let ended = self
                    .nft(&["-j", "list", "table", "inet", "steward"])
                    .await?;
                if ended.code != Some(0) {
                    // Nothing was ever blocked, or a person took all of it back.
                    return if ended.stderr.contains("No such file or directory") {
                        Ok(false)
                    } else {
                        done(&ended, "nftables").map(|()| false)
                    };
                }
                let listed: Value = serde_json::from_str(&ended.stdout).map_err(|error| {
                    ActError::Failed(format!("what nftables lists can't be understood: {error}"))
                })?;
                Ok(drops(&listed, address))
            }
            Means::Fail2ban(jail) => {
                let ended = self.fail2ban(&["status", jail]).await?;
                done(&ended, "Fail2ban")?;
                Ok(banned(&ended.stdout, address))
            }
        }
    }

    async fn nft(&self, arguments: &[&str]) -> Result<Ended, ActError> {
        program::run(&self.nft, arguments, true, LIMIT, KEEP)
            .await
            .map_err(|error| ActError::Failed(error.to_string()))
    }

    async fn fail2ban(&self, arguments: &[&str]) -> Result<Ended, ActError> {
        program::run(&self.fail2ban, arguments, true, LIMIT, KEEP)
            .await
            .map_err(|error| ActError::Failed(error.to_string()))
    }
}

fn missing() -> ActError {
    ActError::Unsupported(ActionName::BlockAddress, INSTALL.to_owned())
}

fn done(ended: &Ended, who: &str) -> Result<(), ActError> {
    if ended.code == Some(0) {
        return Ok(());
    }
    Err(ActError::Failed(format!(
        "{who} {}: {}",
        ended.how(),
        redact(&brief(&program::join(&ended.stdout, &ended.stderr)))
    )))
}

const fn set(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "blocked4",
        IpAddr::V6(_) => "blocked6",
    }
}

/// One transaction that makes the table where it is not there, and leaves it as it should be where it is; a block that is there begins anew.
fn rules(address: IpAddr, time: Duration) -> String {
    let mut commands = vec![
        "add table inet steward".to_owned(),
        "add set inet steward blocked4 { type ipv4_addr; flags timeout; }".to_owned(),
        "add set inet steward blocked6 { type ipv6_addr; flags timeout; }".to_owned(),
    ];
    // Published ports of containers are passed on, and never come in.
    for hook in ["input", "forward"] {
        commands.push(format!(
            "add chain inet steward {hook} {{ type filter hook {hook} priority {PRIORITY}; policy accept; }}"
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
    commands.push(format!("add element inet steward {set} {{ {address} }}"));
    commands.push(format!("delete element inet steward {set} {{ {address} }}"));
    commands.push(format!(
        "add element inet steward {set} {{ {address} timeout {}s }}",
        time.as_secs().max(1)
    ));
    commands.join("; ")
}

/// Whether the table as `nft -j` lists it (libnftables-json(5)) holds the address, and rules that drop for it at both hooks.
fn drops(listed: &Value, address: IpAddr) -> bool {
    let name = set(address);
    let items = || {
        listed
            .get("nftables")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let is_in_set = items()
        .filter_map(|item| item.get("set"))
        .filter(|set| set.get("name").and_then(Value::as_str) == Some(name))
        .filter_map(|set| set.get("elem")?.as_array())
        .flatten()
        .filter_map(|element| {
            let value = element.pointer("/elem/val").unwrap_or(element);
            value.as_str()?.parse::<IpAddr>().ok()
        })
        .any(|found| found == address);
    let wanted = Value::from(format!("@{name}"));
    let has_rule = |chain: &str| {
        items()
            .filter_map(|item| item.get("rule"))
            .filter(|rule| rule.get("chain").and_then(Value::as_str) == Some(chain))
            .filter_map(|rule| rule.get("expr")?.as_array())
            .any(|parts| {
                parts
                    .iter()
                    .any(|part| part.pointer("/match/right") == Some(&wanted))
                    && parts.iter().any(|part| part.get("drop").is_some())
            })
    };
    is_in_set && has_rule("input") && has_rule("forward")
}

/// The best jail of those that `fail2ban-client status` lists: ``- Jail list: sshd, recidive`.
fn best_jail(status: &str) -> Option<&'static str> {
    let list = status
        .lines()
        .find_map(|line| line.split_once("Jail list:"))?
        .1;
    JAILS
        .into_iter()
        .find(|jail| list.split(',').any(|known| known.trim() == *jail))
}

/// Whether `fail2ban-client status JAIL` lists the address: ``- Banned IP list: 203.0.113.7 …`.
fn banned(status: &str, address: IpAddr) -> bool {
    status
        .lines()
        .filter_map(|line| line.split_once("Banned IP list:"))
        .flat_map(|(_, list)| list.split_whitespace())
        .any(|known| known.parse() == Ok(address))
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fail2ban_tells_is_read() {
        let status = "Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, recidive\n";
        assert_eq!(best_jail(status), Some("recidive"));
        assert_eq!(best_jail("`- Jail list:\tnginx, sshd\n"), Some("sshd"));
        assert_eq!(best_jail("`- Jail list:\tsshd-ddos\n"), None);
        let status = "`- Actions\n   |- Currently banned:\t1\n   `- Banned IP list:\t203.0.113.7 2001:db8::1\n";
        assert!(banned(status, "203.0.113.7".parse().unwrap()));
        assert!(!banned(status, "203.0.113.70".parse().unwrap()));
    }

    #[test]
    fn an_address_in_a_set_that_no_rule_looks_at_is_not_blocked() {
        let address = "203.0.113.7".parse().unwrap();
        let set = json!({ "set": { "name": "blocked4", "elem": [{ "elem": { "val": "203.0.113.7", "timeout": 60 } }] } });
        let rule = |chain: &str| json!({ "rule": { "chain": chain, "expr": [{ "match": { "op": "==", "right": "@blocked4" } }, { "drop": null }] } });
        assert!(drops(
            &json!({ "nftables": [set, rule("input"), rule("forward")] }),
            address
        ));
        assert!(!drops(
            &json!({ "nftables": [set, rule("input")] }),
            address
        ));
        assert!(!drops(
            &json!({ "nftables": [rule("input"), rule("forward")] }),
            address
        ));
    }
}
