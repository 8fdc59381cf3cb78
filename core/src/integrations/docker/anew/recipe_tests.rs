//! What a container is made anew with: its own settings, its volumes and its networks; not what its old image had set.

use serde_json::json;

use super::*;

const ID: &str = "aaaaaaaaaaaa1111111111111111111111111111111111111111111111111111";

fn inspected() -> Value {
    json!({
        "Id": ID, "Name": "/web", "Image": "sha256:old",
        "Config": {
            "Hostname": "aaaaaaaaaaaa", "User": "app", "WorkingDir": "/srv", "StopSignal": "SIGQUIT",
            "Env": ["PATH=/bin", "VERSION=1", "TOKEN=mine"], "Cmd": ["serve"], "Entrypoint": ["/entry"],
            "Labels": { "maintainer": "them", "mine": "yes", "com.docker.compose.image": "sha256:old" },
            "ExposedPorts": { "80/tcp": {}, "9000/tcp": {} }, "Volumes": { "/data": {} },
            "Healthcheck": { "Test": ["CMD", "x"], "Interval": 5_000_000_000_i64 },
            "Image": "nginx:1", "OnBuild": null
        },
        "HostConfig": {
            "NetworkMode": "house", "Binds": ["named:/named:ro"], "Memory": 67108864,
            "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }, { "HostIp": "10.0.0.1", "HostPort": "9090" }] }
        },
        "Mounts": [
            { "Type": "volume", "Name": "named", "Destination": "/named", "RW": false },
            { "Type": "volume", "Name": "0123", "Destination": "/data", "RW": true },
            { "Type": "bind", "Source": "/etc", "Destination": "/host", "RW": true }
        ],
        "NetworkSettings": {
            "Ports": { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "8080" }, { "HostIp": "::", "HostPort": "8080" }, { "HostIp": "10.0.0.1", "HostPort": "9090" }] },
            "Networks": {
                "house": { "IPAMConfig": { "IPv4Address": "10.5.0.9" }, "Aliases": ["shop", "aaaaaaaaaaaa"], "IPAddress": "10.5.0.9", "MacAddress": "02:42" },
                "back": { "IPAMConfig": null, "Aliases": null }
            }
        }
    })
}

fn image() -> Value {
    json!({ "Id": "sha256:old", "Config": {
        "User": "app", "WorkingDir": "/srv", "Env": ["PATH=/bin", "VERSION=1"], "Cmd": ["serve"], "Entrypoint": ["/entry"],
        "Labels": { "maintainer": "them" }, "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} },
        "Healthcheck": { "Test": ["CMD", "x"] }
    }})
}

fn made(container: &Value, change: &Change) -> Result<(Value, Vec<String>), String> {
    let image = image();
    let of = Ingredients {
        container,
        image: &image,
        from: "nginx:1",
        from_id: "sha256:new",
        api: (1, 41),
    };
    recipe(&of, change).map(|recipe| {
        let names = recipe.further.into_iter().map(|(name, _)| name).collect();
        (serde_json::to_value(recipe.body).unwrap(), names)
    })
}

fn update() -> Change {
    Change::Image {
        name: "nginx:1".to_owned(),
        from_image_id: "sha256:old".to_owned(),
    }
}

#[test]
fn what_the_image_had_set_is_not_pinned_and_what_a_person_set_is_kept() {
    let (body, further) = made(&inspected(), &update()).unwrap();
    for gone in ["Cmd", "Entrypoint", "User", "WorkingDir", "Hostname"] {
        assert!(body.get(gone).is_none(), "{gone} in {body}");
    }
    assert_eq!(body["Env"], json!(["TOKEN=mine"]));
    assert_eq!(body["StopSignal"], "SIGQUIT");
    assert_eq!(
        body["Labels"],
        json!({ "mine": "yes", "com.docker.compose.image": "sha256:new", MADE_FROM: ID })
    );
    assert_eq!(
        body["Healthcheck"],
        json!({ "Interval": 5_000_000_000_i64 })
    );
    assert_eq!(body["HostConfig"]["RestartPolicy"]["Name"], "always");
    assert_eq!(body["HostConfig"]["Memory"], 67_108_864);
    assert_eq!(
        body["HostConfig"]["Binds"],
        json!(["named:/named:ro", "0123:/data"]),
        "an anonymous volume goes along"
    );
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"],
        json!({ "house": { "IPAMConfig": { "IPv4Address": "10.5.0.9" }, "Aliases": ["shop"] } })
    );
    assert_eq!(further, ["back"]);
}

#[test]
fn another_entry_point_keeps_its_command() {
    let mut container = inspected();
    container["Config"]["Entrypoint"] = json!(["/mine"]);
    let (body, _) = made(&container, &update()).unwrap();
    assert_eq!(
        (&body["Entrypoint"], &body["Cmd"]),
        (&json!(["/mine"]), &json!(["serve"]))
    );
}

#[test]
fn a_port_is_bound_or_closed_and_others_stay() {
    let bind = Change::Bind {
        transport: "tcp".to_owned(),
        port: 8080,
    };
    let (body, _) = made(&inspected(), &bind).unwrap();
    assert_eq!(
        body["HostConfig"]["PortBindings"],
        json!({ "80/tcp": [{ "HostIp": "10.0.0.1", "HostPort": "9090" }, { "HostIp": "127.0.0.1", "HostPort": "8080" }] })
    );
    let close = |port| Change::Close {
        transport: "tcp".to_owned(),
        port,
    };
    let (body, _) = made(&inspected(), &close(8080)).unwrap();
    assert_eq!(
        body["HostConfig"]["PortBindings"],
        json!({ "80/tcp": [{ "HostIp": "10.0.0.1", "HostPort": "9090" }] })
    );
    assert!(
        made(&inspected(), &close(81))
            .unwrap_err()
            .contains("does not publish")
    );
    let mut all = inspected();
    all["HostConfig"]["PortBindings"] = json!({});
    all["HostConfig"]["PublishAllPorts"] = json!(true);
    assert!(made(&all, &bind).unwrap_err().contains("(-P)"));
    let mut narrow = inspected();
    narrow["NetworkSettings"]["Ports"] =
        json!({ "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] });
    assert!(made(&narrow, &bind).unwrap_err().contains("already"));
}

#[test]
fn a_shared_network_has_no_wishes_of_its_own() {
    let mut container = inspected();
    container["HostConfig"]["NetworkMode"] = json!("container:bbbb");
    container["HostConfig"]["PortBindings"] = json!({});
    let (body, further) = made(&container, &update()).unwrap();
    for gone in ["Hostname", "ExposedPorts", "NetworkingConfig"] {
        assert!(body.get(gone).is_none(), "{gone}");
    }
    assert_eq!(further, Vec::<String>::new());
}

#[test]
fn what_can_not_be_carried_over_is_refused_by_its_name_and_without_its_value() {
    let mut container = inspected();
    container["HostConfig"]["FromTheFuture"] = json!({ "Word": "hunter2" });
    let why = made(&container, &update()).unwrap_err();
    assert!(
        why.contains("HostConfig.FromTheFuture") && !why.contains("hunter2"),
        "{why}"
    );
    let mut container = inspected();
    container["Config"]["MacAddress"] = json!("02:42:00:00:00:01");
    assert!(
        made(&container, &update())
            .unwrap_err()
            .contains("hardware address")
    );
    let mut container = inspected();
    container["NetworkSettings"]["Networks"] = json!({});
    assert!(
        made(&container, &update())
            .unwrap_err()
            .contains("not on the network house")
    );
}
