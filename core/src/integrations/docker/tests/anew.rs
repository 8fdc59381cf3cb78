//! Containers made anew on a real engine, from images that it really pulls from a registry of the test's own.

mod bad_ends;

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::json;
use steward_api::{Action, ContainerRef, Precondition};

use super::{
    registry::Registry,
    support::{Cli, World, eventually, now, permit, resource_id},
};
use crate::ports::{ActError, Actuator as _, Depth, Reading, Source as _};

/// A container and what may stand in its place, an image and a network; all of it goes when the test does.
struct Anew {
    cli: Cli,
    name: String,
    image: String,
    id: String,
    label: String,
    volumes: Vec<String>,
}

/// Serves what is in `/data`.
const SERVE: &str = "exec /bin/busybox httpd -f -p 80 -h /data";

impl Anew {
    /// Runs version 1 of an image that the engine pulls first.
    fn run(world: &World, registry: &Registry, options: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let image = registry.name("app");
        registry.publish("app", &version(1, SERVE));
        let name = format!("steward-test-anew-{}-{number}", std::process::id());
        let mut made = Self {
            cli: world.cli.clone(),
            name,
            image,
            id: String::new(),
            label: registry.label(),
            volumes: Vec::new(),
        };
        let mut args = vec![
            "run",
            "-d",
            "--name",
            &made.name,
            "--label",
            "steward.test=docker",
        ];
        args.extend(options);
        args.push(&made.image);
        // The engine tells of the pull as well.
        let told = world.cli.must(&args);
        made.id = told.lines().last().unwrap_or_default().to_owned();
        let mounts = made.inspect(&made.id, "{{range .Mounts}}{{.Name}} {{end}}");
        made.volumes = mounts.split_whitespace().map(str::to_owned).collect();
        made
    }

    fn reference(&self) -> ContainerRef {
        ContainerRef::new(resource_id(&self.name), self.id.as_str()).unwrap()
    }

    fn update(&self) -> Action {
        Action::UpdateImage {
            container: self.reference(),
            image: self.image.clone(),
            from_image_id: self.inspect(&self.id, "{{.Image}}"),
            grace_seconds: 1,
        }
    }

    fn restore(&self) -> Action {
        Action::RestorePrevious {
            container: self.reference(),
            grace_seconds: 1,
        }
    }

    fn remove(&self) -> Action {
        Action::RemovePrevious {
            container: self.reference(),
        }
    }

    fn kept(&self) -> Precondition {
        Precondition::PreviousKept {
            resource: resource_id(&self.name),
            container_id: self.id.clone(),
        }
    }

    fn inspect(&self, which: &str, format: &str) -> String {
        self.cli.must(&["inspect", "--format", format, which])
    }

    /// Every container of this name and of those made from it, by name.
    fn all(&self) -> Vec<String> {
        let filter = format!("name={}", self.name);
        let told = self
            .cli
            .must(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
        let mut names: Vec<_> = told.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Asserts that the very container of the beginning runs, and nothing else is left.
    fn is_as_it_was(&self) {
        assert_eq!(self.all().join(" "), self.name);
        assert_eq!(self.inspect(&self.name, "{{.Id}}"), self.id);
        assert_eq!(self.inspect(&self.name, "{{.State.Running}}"), "true");
    }
}

impl Drop for Anew {
    fn drop(&mut self) {
        for end in ["", "-steward-previous", "-steward-next"] {
            let name = format!("{}{end}", self.name);
            let _ = self.cli.run(&["rm", "-f", "-v", &name]);
        }
        let _ = self.cli.run(&["network", "rm", &self.name]);
        let _ = self.cli.run(&["volume", "rm", &self.name]);
        for volume in &self.volumes {
            let _ = self.cli.run(&["volume", "rm", volume]);
        }
        let ids = self
            .cli
            .run(&["images", "-q", "--no-trunc", "--filter", &self.label])
            .unwrap_or_default();
        for id in ids.lines() {
            let _ = self.cli.run(&["rmi", "-f", id]);
        }
    }
}

fn version(number: u32, script: &str) -> serde_json::Value {
    json!({
        "Env": ["PATH=/bin", format!("VERSION={number}")],
        "Cmd": ["/bin/sh", "-c", script],
        "Labels": { "steward.test": "docker", "version": number.to_string() },
        "Volumes": { "/data": {} },
        "ExposedPorts": { "80/tcp": {} },
    })
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An address of this machine that others can reach, by the route that a packet outward would take; nothing is sent.
fn outer_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip()).filter(|address| !address.is_loopback())
}

/// What a GET of `/x` answers; absent where nobody does.
fn get(address: IpAddr, port: u16) -> Option<String> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.write_all(b"GET /x HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

async fn apply(world: &World, action: &Action) -> Result<String, ActError> {
    world.engine.apply(&permit(action)).await
}

async fn check(world: &World, precondition: &Precondition) -> Reading {
    world.engine.check(precondition).await.unwrap()
}

#[tokio::test]
async fn an_update_keeps_what_a_person_set_and_takes_the_rest_from_the_new_image() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let network = format!("steward-test-anew-{}-0", std::process::id());
    let port = free_port();
    let published = format!("{port}:80");
    let named = format!("{network}-named:/named");
    let _ = world.cli.run(&["network", "rm", &network]);
    world.cli.must(&[
        "network",
        "create",
        "--label",
        "steward.test=docker",
        &network,
    ]);
    struct Net(Cli, String);
    impl Drop for Net {
        fn drop(&mut self) {
            let _ = self.0.run(&["network", "rm", &self.1]);
            let _ = self.0.run(&["volume", "rm", &format!("{}-named", self.1)]);
        }
    }
    let net = Net(world.cli.clone(), network.clone());
    let app = Anew::run(
        &world,
        &registry,
        &[
            "--network",
            &network,
            "--network-alias",
            "shop",
            "-p",
            &published,
            "-e",
            "TOKEN=mine",
            "--restart",
            "always",
            "-v",
            &named,
            "--memory",
            "64m",
        ],
    );
    world.cli.must(&["network", "connect", "bridge", &app.id]);
    world.cli.must(&[
        "exec",
        &app.id,
        "/bin/sh",
        "-c",
        "echo kept > /data/x; echo gone > /tmp/y",
    ]);
    let volume = app.inspect(
        &app.id,
        r#"{{range .Mounts}}{{if eq .Destination "/data"}}{{.Name}}{{end}}{{end}}"#,
    );

    registry.publish("app", &version(2, SERVE));
    let update = app.update();
    let preview = world.engine.preview(&update).await.unwrap().join("\n");
    for line in ["volumes kept", "outside of volumes", "-steward-previous"] {
        assert!(preview.contains(line), "{preview}");
    }
    app.is_as_it_was();
    let before = now();
    let done = apply(&world, &update).await.unwrap();
    assert!(done.contains("is kept as"), "{done}");
    let next = app.inspect(&app.name, "{{.Id}}");
    assert_ne!(next, app.id);
    let env = app.inspect(&next, "{{.Config.Env}}");
    assert!(
        env.contains("VERSION=2") && env.contains("TOKEN=mine") && !env.contains("VERSION=1"),
        "{env}"
    );
    assert_eq!(
        app.inspect(&next, r#"{{index .Config.Labels "version"}}"#),
        "2"
    );
    assert_eq!(
        app.inspect(
            &next,
            "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}}"
        ),
        "always 67108864"
    );
    assert_eq!(
        app.inspect(
            &app.id,
            "{{.HostConfig.RestartPolicy.Name}} {{.State.Running}}"
        ),
        "no false"
    );
    let networks = app.inspect(&next, "{{json .NetworkSettings.Networks}}");
    assert!(
        networks.contains(&network) && networks.contains("bridge") && networks.contains("shop"),
        "{networks}"
    );
    assert_ne!(
        app.inspect(&next, "{{.Config.Hostname}}"),
        app.inspect(&app.id, "{{.Config.Hostname}}")
    );
    let answer = eventually("it answers", 10, || async {
        get([127, 0, 0, 1].into(), port)
    })
    .await;
    assert!(
        answer.contains("kept"),
        "the anonymous volume went along: {answer}"
    );
    assert_eq!(
        world.engine.was_applied(&update, before).await.unwrap(),
        Some(true)
    );

    // What is kept is nobody's incident, and no scan's subject.
    let seen = world.engine.observe(Depth::Full).await.unwrap();
    let names: Vec<_> = seen
        .resources
        .iter()
        .map(|one| one.id.name.as_str())
        .filter(|name| name.starts_with(&app.name))
        .collect();
    assert_eq!(names, [app.name.as_str()]);
    assert_eq!(
        world
            .engine
            .read_one(&resource_id(&format!("{}-steward-previous", app.name)))
            .await
            .unwrap(),
        None
    );

    // Another update would take the kept one's name.
    let again = Action::UpdateImage {
        container: ContainerRef::new(resource_id(&app.name), next.as_str()).unwrap(),
        image: app.image.clone(),
        from_image_id: app.inspect(&next, "{{.Image}}"),
        grace_seconds: 1,
    };
    let why = apply(&world, &again).await.unwrap_err().to_string();
    assert!(why.contains("still there from before"), "{why}");

    assert_eq!(check(&world, &app.kept()).await, Reading::Holds);
    apply(&world, &app.remove()).await.unwrap();
    assert_eq!(app.all().join(" "), app.name);
    assert_eq!(
        world
            .engine
            .was_applied(&app.remove(), before)
            .await
            .unwrap(),
        Some(true)
    );
    assert_eq!(
        world
            .cli
            .must(&["volume", "inspect", "--format", "{{.Name}}", &volume]),
        volume
    );
    assert!(matches!(
        check(&world, &app.kept()).await,
        Reading::Hopeless(_)
    ));
    let why = apply(&world, &app.restore()).await.unwrap_err().to_string();
    assert!(why.contains("is gone") && why.contains(&app.name), "{why}");
    drop(app);
    let _ = world.cli.run(&["volume", "rm", &volume]);
    drop(net);
}

#[tokio::test]
async fn where_nothing_newer_came_nothing_is_touched() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(&world, &registry, &["--network", "none"]);
    let started = app.inspect(&app.id, "{{.State.StartedAt}}");
    let why = apply(&world, &app.update()).await.unwrap_err().to_string();
    assert!(
        why.contains("no newer image") && why.contains("not published yet"),
        "{why}"
    );
    app.is_as_it_was();
    // The executor takes back what failed: there is nothing to take back.
    let told = apply(&world, &app.restore()).await.unwrap();
    assert!(told.contains("runs as it did before"), "{told}");
    let gone = Action::UpdateImage {
        container: app.reference(),
        image: registry.name("nobody"),
        from_image_id: app.inspect(&app.id, "{{.Image}}"),
        grace_seconds: 1,
    };
    let why = apply(&world, &gone).await.unwrap_err().to_string();
    assert!(
        why.contains("could not be pulled, and nothing was changed"),
        "{why}"
    );
    app.is_as_it_was();
    assert_eq!(app.inspect(&app.id, "{{.State.StartedAt}}"), started);
}

#[tokio::test]
async fn what_can_not_be_made_anew_is_left_alone() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let app = Anew::run(&world, &registry, &["--network", "none", "--rm"]);
    registry.publish("app", &version(2, SERVE));
    let why = apply(&world, &app.update()).await.unwrap_err().to_string();
    assert!(why.contains("--rm"), "{why}");
    app.is_as_it_was();
    drop(app);
    let app = Anew::run(&world, &registry, &["--network", "bridge"]);
    let shared = format!("container:{}", app.id);
    let other = Anew::run(&world, &registry, &["--network", &shared]);
    registry.publish("app", &version(3, SERVE));
    let why = apply(&world, &app.update()).await.unwrap_err().to_string();
    assert!(
        why.contains(&format!("{} is on its network", other.name)),
        "{why}"
    );
    app.is_as_it_was();
}

#[tokio::test]
async fn a_port_is_bound_to_this_machine_then_closed() {
    let Some(world) = World::new() else { return };
    let registry = Registry::new();
    let port = free_port();
    let published = format!("{port}:80");
    let mut app = Anew::run(&world, &registry, &["-p", &published]);
    world
        .cli
        .must(&["exec", &app.id, "/bin/sh", "-c", "echo here > /data/x"]);
    let local: IpAddr = [127, 0, 0, 1].into();
    eventually("it answers", 10, || async { get(local, port) }).await;
    let outer = outer_address();
    if let Some(outer) = outer {
        assert!(get(outer, port).is_some(), "it is open to others at first");
    }
    let bind = Action::BindPort {
        container: app.reference(),
        transport: "tcp".to_owned(),
        port,
        grace_seconds: 1,
    };
    let preview = world.engine.preview(&bind).await.unwrap().join("\n");
    assert!(
        preview.contains("0.0.0.0") && preview.contains("→ 127.0.0.1"),
        "{preview}"
    );
    apply(&world, &bind).await.unwrap();
    let answer = eventually("it answers here", 10, || async { get(local, port) }).await;
    assert!(answer.contains("here"), "{answer}");
    if let Some(outer) = outer {
        assert_eq!(get(outer, port), None, "others can't reach it");
    }
    apply(&world, &app.remove()).await.unwrap();
    app.id = app.inspect(&app.name, "{{.Id}}");
    let bind = Action::BindPort {
        container: app.reference(),
        transport: "tcp".to_owned(),
        port,
        grace_seconds: 1,
    };
    let why = apply(&world, &bind).await.unwrap_err().to_string();
    assert!(why.contains("on this machine alone already"), "{why}");
    let close = Action::ClosePort {
        container: app.reference(),
        transport: "tcp".to_owned(),
        port,
        grace_seconds: 1,
    };
    apply(&world, &close).await.unwrap();
    assert_eq!(get(local, port), None);
    assert_eq!(app.inspect(&app.name, "{{.State.Running}}"), "true");
    // A person looks, and wants it back.
    apply(&world, &app.restore()).await.unwrap();
    app.is_as_it_was();
    eventually("it answers again", 10, || async { get(local, port) }).await;
}
