//! Which addresses may be the operator's own.
//!
//! What flows through: what the configuration, the host and the session tell in, a reason in words out. What it never does: clear anybody:
//! an own address is marked, so that nobody locks themself out, and shown all the same.

use core::net::IpAddr;

use crate::config::AddressRange;

/// What is known of the operator's own addresses.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Networks that the configuration names.
    pub networks: Vec<AddressRange>,
    /// The host's own addresses.
    pub host: Vec<IpAddr>,
    /// From where the person who asks is signed in over SSH.
    pub session: Option<IpAddr>,
}

impl Own {
    /// Why an address may be the operator's own; `signed_in` where it signed in without many failures before.
    pub fn why(&self, address: IpAddr, signed_in: bool) -> Option<String> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Some("it is this machine itself".to_owned());
        }
        if self.session.map(|session| session.to_canonical()) == Some(address) {
            return Some("you are signed in from it".to_owned());
        }
        if self.host.iter().any(|own| own.to_canonical() == address) {
            return Some("it is an address of this machine".to_owned());
        }
        if let Some(network) = self.networks.iter().find(|own| own.contains(address)) {
            return Some(format!("it lies in {network}, which is configured as own"));
        }
        signed_in.then(|| "somebody signed in from it as well".to_owned())
    }
}
