//! Servers of the official SDK as resources: watched over both transports, missed when they are gone, known again when they are back.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use steward_api::{
    Envelope, Event, Facts, Health, Incident, McpServerFacts, Problem, ResolutionKind, Resource,
    ResourceKind,
};
use steward_tests::{
    agent::Agent,
    process::{AtParentsDeath, Spawned},
    python::{Python, Sdk},
    skip, wait,
};

use crate::SOON;

/// A program that is a server, of which every start can be seen, and which can be taken away.
struct Program {
    folder: tempfile::TempDir,
    script: String,
}

impl Program {
    fn new(python: &Python) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (program, args) = python.stdio_server();
        let pids = folder.path().join("pids");
        let script = format!(
            "#!/bin/sh\necho $$ >> '{}'\nexec '{program}' '{}'\n",
            pids.display(),
            args.join("' '")
        );
        let made = Self { folder, script };
        made.put()?;
        Ok(made)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pantry")
    }

    fn put(&self) -> Result<()> {
        std::fs::write(self.path(), &self.script)?;
        let mode = std::fs::Permissions::from_mode(0o755);
        Ok(std::fs::set_permissions(self.path(), mode)?)
    }

    /// It is gone, and what runs of it ends.
    fn take_away(&self) -> Result<()> {
        std::fs::remove_file(self.path())?;
        for pid in self.started() {
            let pid = i32::try_from(pid)?;
            let pid = rustix::process::Pid::from_raw(pid).context("no process")?;
            // One that has ended before is no fault.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        Ok(())
    }

    fn started(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.folder.path().join("pids")).unwrap_or_default();
        text.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    async fn all_ended(&self) -> Result<()> {
        let read = || async {
            Ok(self
                .started()
                .into_iter()
                .filter(|pid| runs(*pid))
                .collect())
        };
        let none = |left: &Vec<u32>| left.is_empty();
        wait::until("nothing of it to be left", SOON, read, none).await?;
        Ok(())
    }
}

fn runs(pid: u32) -> bool {
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    std::fs::read_to_string(stat).is_ok_and(|stat| {
        let state = stat.rsplit(')').next().unwrap_or_default();
        !state.trim_start().starts_with('Z')
    })
}

fn http(python: &Python, port: u16) -> Result<Spawned> {
    Spawned::start(
        "an MCP server",
        &python.http_server(port),
        AtParentsDeath::Kill,
    )
}

/// What is known of a server, once it is so.
async fn server(
    agent: &Agent,
    name: &str,
    what: &str,
    ready: impl Fn(&Resource, &McpServerFacts) -> bool,
) -> Result<McpServerFacts> {
    let facts = |resource: &Resource| match &resource.facts {
        Facts::McpServer(facts) if resource.id.name == name => Some(facts.clone()),
        _ => None,
    };
    let fits = |resource: &Resource| facts(resource).is_some_and(|facts| ready(resource, &facts));
    let all = agent
        .wait_for(&format!("{name} {what}"), SOON, |list| {
            list.resources.iter().any(fits)
        })
        .await?;
    let found = all.resources.iter().find(|one| fits(one));
    found.and_then(facts).context("it is gone")
}

async fn is_well(agent: &Agent, name: &str) -> Result<McpServerFacts> {
    let well = |resource: &Resource, facts: &McpServerFacts| {
        resource.health == Health::Healthy && facts.reachable == Some(true)
    };
    let facts = server(agent, name, "to be well", well).await?;
    assert_eq!(facts.tools, ["count_jars", "find_jam"], "{facts:#?}");
    assert_eq!(facts.server_name.as_deref(), Some("pantry"));
    Ok(facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_watched_missed_and_known_again_and_nothing_is_left_behind() -> Result<()> {
    let older = match Python::with(Sdk::One).await? {
        Ok(python) => python,
        Err(reason) => skip!("{reason}"),
    };
    let newer = match Python::with(Sdk::Two).await? {
        Ok(python) => python,
        Err(reason) => skip!("{reason}"),
    };
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut served = http(&newer, port)?;
    let program = Program::new(&older)?;
    let watched = format!(
        "[[mcp.servers]]\nname = \"by-http\"\nurl = \"http://127.0.0.1:{port}/mcp\"\n\
         [[mcp.servers]]\nname = \"by-program\"\ncommand = \"{}\"\ntimeout = \"30s\"\n",
        program.path().display()
    );
    let mut agent = Agent::for_host("unix:///nonexistent/docker.sock")
        .set("docker.enabled", false)
        .toml(&watched)?
        .start()
        .await?;
    let by_http = is_well(&agent, "by-http").await?;
    let by_program = is_well(&agent, "by-program").await?;
    // Each speaks what it can.
    assert_eq!(
        by_http.protocol.as_deref(),
        Some("2026-07-28"),
        "{by_http:#?}"
    );
    assert_eq!(
        by_program.protocol.as_deref(),
        Some("2025-11-25"),
        "{by_program:#?}"
    );
    ensure!(agent.incidents().await?.is_empty());
    assert_eq!(program.started().len(), 1, "one is enough");
    // Nor is it started anew because something else in the configuration has changed.
    agent.edit_config(|settings| settings.set("thresholds.disk_percent", 80.0))?;
    let changed = |entry: &Envelope| matches!(entry.event, Event::ConfigReloaded { .. });
    agent
        .wait_for_entry("the change to be in force", SOON, changed)
        .await?;
    let read = || async { Ok(program.started().len()) };
    let while_read = Duration::from_secs(5);
    wait::holds("it goes on", while_read, read, |starts| *starts == 1).await?;

    served.kill()?;
    program.take_away()?;
    let both = |all: &Vec<Incident>| {
        ["by-http", "by-program"].iter().all(|name| {
            all.iter().any(|incident| {
                incident.resource.kind == ResourceKind::McpServer
                    && incident.resource.name == *name
                    && incident.problem == Problem::McpServerUnreachable
                    && !incident.diagnoses.is_empty()
                    && incident.decision.is_some()
            })
        })
    };
    let incidents = agent
        .wait_for_incidents("both to be missed", SOON, both)
        .await?;
    let title = |name: &str| {
        let of = incidents.iter().find(|one| one.resource.name == name);
        of.map(|one| one.title.clone()).unwrap_or_default()
    };
    assert!(
        title("by-http").contains("connection refused"),
        "{incidents:#?}"
    );
    assert!(
        title("by-program").contains("there is no program"),
        "{incidents:#?}"
    );

    let _served = http(&newer, port)?;
    program.put()?;
    is_well(&agent, "by-http").await?;
    is_well(&agent, "by-program").await?;
    let over = |all: &Vec<Incident>| {
        all.iter().all(|incident| {
            let end = incident.resolution.as_ref();
            end.is_some_and(|end| end.kind == ResolutionKind::Recovered)
        })
    };
    let incidents = agent
        .wait_for_incidents("both to be known again", SOON, over)
        .await?;
    assert_eq!(incidents.len(), 2, "{incidents:#?}");

    // What it started ends with it, in good order and by force.
    agent.terminate().await?;
    program.all_ended().await?;
    agent.start_again().await?;
    is_well(&agent, "by-program").await?;
    agent.kill_9().await?;
    tokio::time::timeout(Duration::from_secs(60), program.all_ended()).await?
}
