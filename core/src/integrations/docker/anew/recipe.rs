//! How a container is made anew: what the engine tells of the one that is there, as a request for another like it. Pure.
//!
//! What flows through: an inspection, its image's own configuration and the one change in; the request and the networks to join out.
//! What it never does: pin what came from the old image, so that a newer image's own defaults apply; leave behind an anonymous volume;
//! or drop a setting in silence: what can't be carried over is an error before anything is touched.

use std::net::IpAddr;

use bollard::models::{ContainerCreateBody, EndpointSettings};
use serde_json::{Map, Value, json};

/// Says of a container from which one it was made: the engine's full id of the one that is kept.
pub(in super::super) const MADE_FROM: &str = "steward.made_from";
/// Compose notes the image's id, to see whether a container is up to date.
const COMPOSE_IMAGE: &str = "com.docker.compose.image";
/// From this version of the API on, a hardware address belongs to an endpoint.
pub(super) const ADDRESS_OF_ENDPOINT: (u32, u32) = (1, 44);
/// What an engine's short id is long.
const SHORT_ID: usize = 12;
/// Defaults of images that a container's configuration repeats, apart from those with rules of their own.
const DEFAULTS: [&str; 4] = ["WorkingDir", "User", "StopSignal", "Shell"];

/// What is to be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Change {
    /// A newer image under the same name.
    Image { name: String, from_image_id: String },
    /// A port for this machine alone.
    Bind { transport: String, port: u16 },
    /// A port no more.
    Close { transport: String, port: u16 },
}

/// A request for a container, and what it joins beyond its first network.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) body: ContainerCreateBody,
    pub(super) further: Vec<(String, EndpointSettings)>,
}

/// What the request is made from.
pub(super) struct Ingredients<'a> {
    /// The inspection of the container that is there.
    pub(super) container: &'a Value,
    /// The inspection of the image that it runs.
    pub(super) image: &'a Value,
    /// What the new one is made of: a name, or an id.
    pub(super) from: &'a str,
    /// The engine's id of that.
    pub(super) from_id: &'a str,
    /// The version of the API that is spoken.
    pub(super) api: (u32, u32),
}

/// The request for a container that differs by the change alone.
///
/// # Errors
/// In words, where it can't be made exactly so.
pub(super) fn recipe(of: &Ingredients<'_>, change: &Change) -> Result<Recipe, String> {
    let id = text(of.container, "/Id");
    let mut config = object(of.container, "/Config");
    let mut host = object(of.container, "/HostConfig");
    let mode = text(of.container, "/HostConfig/NetworkMode").to_owned();
    let is_shared = mode == "host" || mode.starts_with("container:");

    let short_id = id.get(..SHORT_ID).unwrap_or(id);
    if is_shared || config.get("Hostname").and_then(Value::as_str) == Some(short_id) {
        config.remove("Hostname");
    }
    if is_shared {
        config.remove("Domainname");
    }
    if mode.starts_with("container:") {
        config.remove("ExposedPorts");
    }
    unpin(&mut config, &object(of.image, "/Config"));
    keep_volumes(of.container, &mut config, &mut host);
    match change {
        Change::Image { .. } => {}
        Change::Bind { transport, port } => {
            narrow(of.container, &mut host, transport, *port, Narrow::Bind)?;
        }
        Change::Close { transport, port } => {
            narrow(of.container, &mut host, transport, *port, Narrow::Close)?;
        }
    }
    config.insert("Image".to_owned(), json!(of.from));
    label(&mut config, id, of.from_id);

    let (mut first, further) = networks(of.container, &mode, short_id)?;
    // Where it was set by a person, it is part of the configuration; else the engine chose it and chooses another.
    if let Some(address) = config
        .remove("MacAddress")
        .filter(|address| address.as_str().is_some_and(|text| !text.is_empty()))
    {
        match first.as_mut() {
            Some((_, endpoint)) if of.api >= ADDRESS_OF_ENDPOINT => {
                endpoint.insert("MacAddress".to_owned(), address);
            }
            _ => {
                return Err(
                    "it has a hardware address of its own, which can't be given to another here"
                        .to_owned(),
                );
            }
        }
    }

    let mut wanted = config;
    wanted.insert("HostConfig".to_owned(), Value::Object(host));
    if let Some((name, endpoint)) = first {
        wanted.insert(
            "NetworkingConfig".to_owned(),
            json!({ "EndpointsConfig": { name: endpoint } }),
        );
    }
    let wanted = Value::Object(wanted);
    // serde's messages name the field and the place, but may repeat a word; no value of a variable is an enumerated one.
    let body: ContainerCreateBody = serde_json::from_value(wanted.clone())
        .map_err(|error| format!("its configuration can't be carried over: {error}"))?;
    let carried = serde_json::to_value(&body).map_err(|error| error.to_string())?;
    let mut lost = Vec::new();
    missing(&wanted, &carried, "", &mut lost);
    if !lost.is_empty() {
        return Err(format!(
            "Steward does not know how to carry over {}; make it anew the way it was made",
            lost.join(", ")
        ));
    }
    let further = further
        .into_iter()
        .map(|(name, endpoint)| {
            serde_json::from_value(Value::Object(endpoint))
                .map(|endpoint| (name, endpoint))
                .map_err(|error| format!("its networks can't be carried over: {error}"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Recipe { body, further })
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn object(value: &Value, pointer: &str) -> Map<String, Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// Takes out what is as the image has it.
fn unpin(config: &mut Map<String, Value>, image: &Map<String, Value>) {
    for key in DEFAULTS {
        if config.get(key) == image.get(key) {
            config.remove(key);
        }
    }
    // A command goes with the entry point that it was set for.
    if config.get("Entrypoint") == image.get("Entrypoint") {
        config.remove("Entrypoint");
        if config.get("Cmd") == image.get("Cmd") {
            config.remove("Cmd");
        }
    }
    if let (Some(Value::Array(own)), Some(Value::Array(others))) =
        (config.get_mut("Env"), image.get("Env"))
    {
        own.retain(|variable| !others.contains(variable));
    }
    for key in ["Labels", "ExposedPorts", "Volumes", "Healthcheck"] {
        if let (Some(Value::Object(own)), Some(Value::Object(others))) =
            (config.get_mut(key), image.get(key))
        {
            own.retain(|name, value| others.get(name) != Some(value));
        }
        if key == "Healthcheck" && config.get(key).is_some_and(is_nothing) {
            config.remove(key);
        }
    }
    // What is built on an image is no matter of a container.
    config.remove("OnBuild");
}

/// Mounts anonymous volumes by the names that the engine gave them, where they are.
fn keep_volumes(container: &Value, config: &mut Map<String, Value>, host: &mut Map<String, Value>) {
    let bound: Vec<String> = host
        .get("Binds")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|bind| bind.as_str()?.split(':').nth(1).map(str::to_owned))
        .collect();
    let mut binds = Vec::new();
    let mounts = container.pointer("/Mounts").and_then(Value::as_array);
    for mount in mounts.into_iter().flatten() {
        let (name, place) = (text(mount, "/Name"), text(mount, "/Destination"));
        if text(mount, "/Type") != "volume" || name.is_empty() || bound.iter().any(|b| b == place) {
            continue;
        }
        let asked = host
            .get_mut("Mounts")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .find(|asked| text(asked, "/Target") == place);
        if let Some(asked) = asked {
            if text(asked, "/Source").is_empty()
                && let Some(asked) = asked.as_object_mut()
            {
                asked.insert("Source".to_owned(), json!(name));
            }
            continue;
        }
        let is_writable = mount.pointer("/RW").and_then(Value::as_bool) != Some(false);
        let only_read = if is_writable { "" } else { ":ro" };
        binds.push(json!(format!("{name}:{place}{only_read}")));
        if let Some(Value::Object(volumes)) = config.get_mut("Volumes") {
            volumes.remove(place);
        }
    }
    if !binds.is_empty() {
        match host.get_mut("Binds") {
            Some(Value::Array(known)) => known.extend(binds),
            _ => {
                host.insert("Binds".to_owned(), Value::Array(binds));
            }
        }
    }
}

fn label(config: &mut Map<String, Value>, made_from: &str, image_id: &str) {
    if !matches!(config.get("Labels"), Some(Value::Object(_))) {
        config.insert("Labels".to_owned(), json!({}));
    }
    if let Some(Value::Object(labels)) = config.get_mut("Labels") {
        labels.insert(MADE_FROM.to_owned(), json!(made_from));
        if labels.contains_key(COMPOSE_IMAGE) {
            labels.insert(COMPOSE_IMAGE.to_owned(), json!(image_id));
        }
    }
}

type Endpoint = (String, Map<String, Value>);

/// The network that it is made in, with what it asks of it, and those that it joins after that.
fn networks(
    container: &Value,
    mode: &str,
    short_id: &str,
) -> Result<(Option<Endpoint>, Vec<Endpoint>), String> {
    if mode == "host" || mode == "none" || mode.starts_with("container:") {
        return Ok((None, Vec::new()));
    }
    let all = object(container, "/NetworkSettings/Networks");
    let own = if mode == "default" || mode.is_empty() {
        "bridge"
    } else {
        mode
    };
    let is_first = |name: &str, network: &Value| {
        name == own || (own.len() >= SHORT_ID && text(network, "/NetworkID").starts_with(own))
    };
    let (mut first, mut further) = (None, Vec::new());
    for (name, network) in &all {
        // The engine's own network takes no wishes.
        let endpoint = if name == "bridge" {
            Map::new()
        } else {
            endpoint(network, short_id)
        };
        if is_first(name, network) {
            first = Some((name.clone(), endpoint));
        } else {
            further.push((name.clone(), endpoint));
        }
    }
    if first.is_none() {
        return Err(format!(
            "it is not on the network {own} any more, in which it was made"
        ));
    }
    Ok((first, further))
}

fn endpoint(network: &Value, short_id: &str) -> Map<String, Value> {
    let mut wanted = Map::new();
    for key in ["IPAMConfig", "Links", "Aliases", "DriverOpts", "GwPriority"] {
        if let Some(value) = network.get(key).filter(|value| !is_nothing(value)) {
            wanted.insert(key.to_owned(), value.clone());
        }
    }
    // The engine gives each its short id for an alias; the new one gets its own.
    if let Some(Value::Array(aliases)) = wanted.get_mut("Aliases") {
        aliases.retain(|alias| alias.as_str() != Some(short_id));
    }
    wanted
}

/// How a published port is narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Narrow {
    Bind,
    Close,
}

/// The container's own ports, as `80/tcp`, that are published at a port of the host now, each with the addresses.
pub(super) fn published(
    container: &Value,
    transport: &str,
    port: u16,
) -> Vec<(String, Vec<String>)> {
    let wanted = port.to_string();
    object(container, "/NetworkSettings/Ports")
        .into_iter()
        .filter(|(key, _)| {
            key.split_once('/')
                .is_some_and(|(_, kind)| kind == transport)
        })
        .filter_map(|(key, bindings)| {
            let addresses: Vec<String> = bindings
                .as_array()?
                .iter()
                .filter(|binding| text(binding, "/HostPort") == wanted)
                .map(|binding| match text(binding, "/HostIp") {
                    "" => "0.0.0.0".to_owned(),
                    address => address.to_owned(),
                })
                .collect();
            (!addresses.is_empty()).then_some((key, addresses))
        })
        .collect()
}

/// Whether an address can be reached from this machine alone.
pub(super) fn is_loopback(address: &str) -> bool {
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback())
}

fn narrow(
    container: &Value,
    host: &mut Map<String, Value>,
    transport: &str,
    port: u16,
    how: Narrow,
) -> Result<(), String> {
    let own = published(container, transport, port);
    if own.is_empty() {
        return Err(format!("it does not publish port {port}/{transport} now"));
    }
    let is_narrow = own
        .iter()
        .flat_map(|(_, addresses)| addresses)
        .all(|address| is_loopback(address));
    if how == Narrow::Bind && is_narrow {
        return Err(format!(
            "port {port}/{transport} is open on this machine alone already"
        ));
    }
    let wanted = port.to_string();
    // Where the engine chose the port, or one of a range, the request names no other.
    let is_it = |binding: &Value| {
        let asked = text(binding, "/HostPort");
        asked == wanted || asked.is_empty() || asked.contains('-')
    };
    for (key, _) in own {
        let bindings = host
            .get_mut("PortBindings")
            .and_then(|all| all.get_mut(&key))
            .and_then(Value::as_array_mut)
            .filter(|bindings| bindings.iter().any(is_it))
            .ok_or_else(|| {
                format!(
                    "port {port}/{transport} is published because all ports are (-P); publish by name those that are needed"
                )
            })?;
        bindings.retain(|binding| !is_it(binding));
        if how == Narrow::Bind {
            bindings.push(json!({ "HostIp": "127.0.0.1", "HostPort": wanted }));
        }
        if bindings.is_empty()
            && let Some(Value::Object(all)) = host.get_mut("PortBindings")
        {
            all.remove(&key);
        }
    }
    Ok(())
}

/// Whether a value says nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

/// The settings that say something and are not in what would be sent; by their names, never their values.
fn missing(wanted: &Value, carried: &Value, place: &str, lost: &mut Vec<String>) {
    let Value::Object(fields) = wanted else {
        return;
    };
    for (name, value) in fields.iter().filter(|(_, value)| !is_nothing(value)) {
        let place = if place.is_empty() {
            name.clone()
        } else {
            format!("{place}.{name}")
        };
        match carried.get(name) {
            Some(other) => missing(value, other, &place, lost),
            None => lost.push(place),
        }
    }
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
