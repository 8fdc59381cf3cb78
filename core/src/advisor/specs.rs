//! From the configuration to what is known of each model beforehand.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt as _};

use secrecy::{ExposeSecret as _, SecretString};
use steward_api::ModelClass;

use super::model::{Spec, is_elsewhere};
use crate::config;

/// Endings of names that stand for machines in the house (RFC 6762, RFC 8375, and what routers give out).
const HOUSE: &[&str] = &[
    "local",
    "lan",
    "home",
    "internal",
    "home.arpa",
    "localdomain",
];
/// The longest file of a key.
const LONGEST_KEY: u64 = 16 * 1024;

/// An amount of US dollars in millionths.
pub(super) fn micro_usd(usd: f64) -> u64 {
    // The loader allows amounts from 0 to 100,000.
    (usd.max(0.0) * 1_000_000.0).round() as u64
}

/// What a configuration says of its models. Reads the files of keys.
pub(super) fn configured(config: &config::Advisor) -> Vec<Spec> {
    config.models.iter().map(spec).collect()
}

fn spec(model: &config::Model) -> Spec {
    let (key, unusable) = match key(model) {
        Ok(key) => (key, None),
        Err(why) => (SecretString::from(String::new()), Some(why)),
    };
    Spec {
        name: model.name.clone(),
        model: model.model.clone(),
        url: model.url.trim_end_matches('/').to_owned(),
        key,
        class: model.class.unwrap_or_else(|| {
            if is_elsewhere(&model.model) {
                ModelClass::Cloud
            } else {
                class_of(&model.url)
            }
        }),
        discovered: false,
        context_tokens: model.context_tokens,
        input_price: micro_usd(model.input_usd_per_million),
        output_price: micro_usd(model.output_usd_per_million),
        tools: model.tools,
        unusable,
    }
}

fn key(model: &config::Model) -> Result<SecretString, String> {
    if let Some(key) = &model.api_key {
        return Ok(key.clone());
    }
    let Some(path) = &model.api_key_file else {
        return Ok(SecretString::from(String::new()));
    };
    let shown = path.display();
    let cannot =
        |error: &dyn std::fmt::Display| format!("the key's file {shown} can't be read: {error}");
    let metadata = fs::metadata(path).map_err(|error| cannot(&error))?;
    if !metadata.is_file() || metadata.len() > LONGEST_KEY {
        return Err(format!("{shown} is no file with a key"));
    }
    if metadata.permissions().mode() & 0o044 != 0 {
        tracing::warn!(
            "others than its owner may read {shown}, which holds a key: `chmod 600 {shown}`"
        );
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
    let key = text.trim();
    if key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("{shown} does not hold a key on one line"));
    }
    Ok(SecretString::from(key.to_owned()))
}

/// Where a model runs, by its address: on this machine or in a private network it is local, everywhere else it is not.
pub(super) fn class_of(url: &str) -> ModelClass {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host_port.split(':').next().unwrap_or_default(),
    }
    .to_lowercase();
    let is_local = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => {
            !host.contains('.')
                || HOUSE.iter().any(|ending| {
                    host.strip_suffix(ending)
                        .is_some_and(|rest| rest.ends_with('.'))
                })
        }
    };
    if is_local {
        ModelClass::Local
    } else {
        ModelClass::Cloud
    }
}

/// Whether nothing about a model has changed.
pub(super) fn is_same(a: &Spec, b: &Spec) -> bool {
    a.name == b.name
        && a.model == b.model
        && a.url == b.url
        && a.class == b.class
        && a.discovered == b.discovered
        && a.context_tokens == b.context_tokens
        && a.input_price == b.input_price
        && a.output_price == b.output_price
        && a.tools == b.tools
        && a.unusable == b.unusable
        && a.key.expose_secret() == b.key.expose_secret()
}

/// Those found that are not configured already: neither under their name nor at their address.
pub(super) fn unlike(configured: &[Spec], found: &[Spec]) -> Vec<Spec> {
    let port = |url: &str| url.rsplit(':').next().map(str::to_owned);
    found
        .iter()
        .filter(|spec| {
            !configured.iter().any(|known| {
                known.name == spec.name
                    || (port(&known.url) == port(&spec.url)
                        && (known.url.contains("//127.") || known.url.contains("//localhost")))
            })
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_the_house_is_cloud() {
        for local in [
            "http://127.0.0.1:11434/v1",
            "http://[::1]:8080/v1",
            "http://192.168.1.5/v1",
            "http://10.1.2.3:1/v1",
            "http://gpu:8000/v1",
            "http://gpu.lan/v1",
            "https://llm.home.arpa/v1",
            "http://[fd00::5]/v1",
        ] {
            assert_eq!(class_of(local), ModelClass::Local, "{local}");
        }
        for cloud in [
            "https://api.openai.com/v1",
            "https://api.anthropic.com/v1/",
            "http://8.8.8.8/v1",
            "https://localhost.example.org/v1",
            "https://user:10.0.0.1@example.com/v1",
            "https://evil-lan/v1.example.org"
                .replace("evil-lan/", "evil.lan.example.org/")
                .as_str(),
        ] {
            assert_eq!(class_of(cloud), ModelClass::Cloud, "{cloud}");
        }
    }
}
