//! What browsers need of the agent, wired from its configuration: the names it is known by, its certificate, and the address to open.
//!
//! What flows through: the configuration and the address listened on in; names, certificate, addresses and a sign-in link out. What it
//! never does: write a link's code anywhere but to the standard output of whoever starts the agent.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
};

use jiff::Timestamp;

use crate::{
    config::{Config, TlsMode},
    server::{Holder, Hosts, Tls, TlsError, Tokens, Untimely, Web},
};

/// This machine's name in the network.
fn machine() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// What stands between browsers and the server, as configured.
///
/// # Errors
/// Where the certificate can't be used or made.
pub(super) fn web(config: &Config, tokens: &Tokens) -> Result<Web, TlsError> {
    let machine = machine();
    let server = &config.server;
    let names = server.allowed_hosts.iter().map(String::as_str);
    let hosts = Hosts::new(names.chain([machine.as_str(), server.host()]));
    let tls = match server.tls {
        TlsMode::Off => None,
        TlsMode::Generated => Some(Tls::generated(
            &config.data_dir,
            names_for(config, machine),
        )?),
        TlsMode::Files => Some(from_files(config)?),
    };
    Ok(Web::new(&tokens.mark(), hosts, tls))
}

fn from_files(config: &Config) -> Result<Tls, TlsError> {
    // Both are there, or the configuration would have been refused; an empty path is said to be unreadable.
    let path = |file: &Option<PathBuf>| file.clone().unwrap_or_default();
    Tls::from_files(
        &path(&config.server.cert_file),
        &path(&config.server.key_file),
    )
}

/// The names that a certificate made here is for.
fn names_for(config: &Config, machine: String) -> Vec<String> {
    let host = config.server.host();
    let is_any = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_unspecified());
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        machine,
    ];
    match (is_any, outward()) {
        (false, _) => names.push(host.to_owned()),
        (true, Some(address)) => names.push(address.to_string()),
        (true, None) => {}
    }
    names.extend(config.server.allowed_hosts.iter().cloned());
    let mut known = std::collections::BTreeSet::new();
    names.retain(|name| is_for_certificates(name) && known.insert(name.to_ascii_lowercase()));
    names
}

/// A machine may have a name that no certificate can be for, such as one with an underscore or of another script.
fn is_for_certificates(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)))
}

/// What is found at a look at the certificate in force.
#[derive(Debug)]
pub struct TlsLook {
    /// Its SHA-256, as browsers show it.
    pub fingerprint: String,
    /// Its file.
    pub file: PathBuf,
    /// What is wrong with its dates, if anything.
    pub untimely: Option<Untimely>,
}

/// Looks at the certificate in force without making one; absent where there is no TLS, or its certificate is yet to be made.
///
/// # Errors
/// Where it can't be used; says which file and what would be right.
pub fn look_at_tls(config: &Config, now: Timestamp) -> anyhow::Result<Option<TlsLook>> {
    let tls = match config.server.tls {
        TlsMode::Off => None,
        TlsMode::Generated => Tls::made_before(&config.data_dir)?,
        TlsMode::Files => Some(from_files(config)?),
    };
    Ok(tls.map(|tls| TlsLook {
        fingerprint: tls.fingerprint(),
        file: tls.cert_file().to_owned(),
        untimely: tls.untimely(now),
    }))
}

/// Whether an agent could not begin because of what is configured, and not because of what it met.
pub fn is_misconfigured(error: &anyhow::Error) -> bool {
    error.downcast_ref::<TlsError>().is_some()
}

/// Where the agent is reached.
pub(super) struct Addresses {
    /// From this machine.
    pub(super) local: String,
    /// From wherever it can be reached: what to open in a browser.
    pub(super) open: String,
}

/// The addresses of a listener: one that listens everywhere is reached by loopback here, and by the machine's own address from elsewhere.
pub(super) fn addresses(listening: SocketAddr, tls: bool) -> Addresses {
    let scheme = if tls { "https" } else { "http" };
    let url = |ip: IpAddr| format!("{scheme}://{}", SocketAddr::new(ip, listening.port()));
    if !listening.ip().is_unspecified() {
        let url = url(listening.ip());
        return Addresses {
            local: url.clone(),
            open: url,
        };
    }
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Addresses {
        local: url(loopback),
        open: url(outward().unwrap_or(loopback)),
    }
}

/// The address of this machine as others see it: the one from which it would speak to the outside. Nothing is sent to find it out.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation (RFC 5737), so that no real one is meant.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified() && !address.is_loopback()).then_some(address)
}

/// What to open to be signed in as the first of the highest role; without a link where nobody reads it but a log.
pub(super) fn invitation(web: &Web, holder: Option<Holder>, open: &str) -> String {
    let link = holder
        .filter(|_| !goes_to_the_journal())
        .and_then(|holder| match web.link(&holder) {
            Ok(link) => Some(link),
            Err(error) => {
                tracing::error!(%error, "can't make a sign-in link");
                None
            }
        });
    match link {
        Some(link) => format!("{open}{} (once, within 10 minutes)", link.path),
        None => format!("{open} (steward sign-in makes a link that signs in)"),
    }
}

/// Whether the standard output is systemd's journal, which keeps what is written and has readers of its own. systemd names the stream's
/// device and inode for just this question.
fn goes_to_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    rustix::fs::fstat(std::io::stdout())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_listens_everywhere_prints_an_address_that_can_be_opened() {
        let at = |text: &str, tls| addresses(text.parse().unwrap(), tls);
        let here = at("127.0.0.1:9470", false);
        assert_eq!(
            (here.local.as_str(), here.open.as_str()),
            ("http://127.0.0.1:9470", "http://127.0.0.1:9470")
        );
        assert_eq!(at("[::1]:9470", true).open, "https://[::1]:9470");
        for everywhere in ["0.0.0.0:9470", "[::]:9470"] {
            let found = at(everywhere, true);
            assert_eq!(found.local, "https://127.0.0.1:9470");
            assert!(!found.open.contains("0.0.0.0") && !found.open.contains("[::]"));
        }
    }

    #[test]
    fn a_certificate_is_for_every_name_that_it_can_be_for() {
        let mut config = Config::default();
        config.server.listen = "atlas.lan:9470".to_owned();
        config.server.allowed_hosts = vec!["steward.example.lan".to_owned(), "Atlas".to_owned()];
        let names = names_for(&config, "atlas".to_owned());
        assert_eq!(
            names,
            [
                "localhost",
                "127.0.0.1",
                "::1",
                "atlas",
                "atlas.lan",
                "steward.example.lan"
            ]
        );
        assert!(!names_for(&config, "größe".to_owned()).contains(&"größe".to_owned()));
    }
}
