//! That secrets go nowhere, that every deed stands in the record before it was done, and that observing only looks.

use super::*;

fn holds(dir: &Path, needle: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            holds(&path, needle, found)?;
        } else if path.file_name().is_some_and(|name| name != "tokens.toml") {
            let content = std::fs::read(&path)?;
            if content
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
            {
                found.push(format!("{needle} is in {}", path.display()));
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_nowhere() -> Result<()> {
    let lab = lab_or_skip!("secrets");
    let secrets = [
        "hunter2-in-the-log",
        "s3cr3t-of-the-url",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzdGV3YXJkIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY0",
        "pa55-of-the-label",
        "q-token-of-the-label",
    ];
    let lines = format!(
        "starting with password={}\nDATABASE_URL=postgres://app:{}@db:5432/app\nAuthorization: Bearer {}\nAWS_SECRET_ACCESS_KEY={}\ndial tcp: connection refused",
        secrets[0], secrets[1], secrets[2], secrets[3]
    );
    let web = lab
        .container("web")
        .env("LOG", &lines)
        .env("LAST_WORDS", &lines)
        .label(
            "steward.health_url",
            format!(
                "http://admin:{}@127.0.0.1:1/health?token={}",
                secrets[4], secrets[5]
            ),
        )
        .start()
        .await?;
    web.wait_ready().await?;
    let mut agent = Agent::for_lab(&lab)
        .set("log.level", "trace,hyper=info,bollard=info")
        .set("schedules.health_check.every", "1s")
        .start()
        .await?;
    known(&agent, &[&web]).await?;
    web.crash(1).await?;
    web.wait("to be healed", SOON, |now| now.running).await?;
    idle(&agent).await?;
    agent
        .wait_for("the endpoint to be looked at", SOON, |list| {
            list.resources.iter().any(|one| {
                one.id.kind == steward_api::ResourceKind::Service && one.health != Health::Unknown
            })
        })
        .await?;
    let mut seen = Vec::new();
    let resource = format!("test/container/{}", web.name);
    for path in [
        "/status".to_owned(),
        "/metrics".to_owned(),
        "/api/incidents".to_owned(),
        "/monitor/incidents?hours=24".to_owned(),
        "/api/agents/tasks".to_owned(),
        "/api/journal?limit=1000&after=0".to_owned(),
        "/api/resources".to_owned(),
        format!("/monitor/metrics/container/{}", web.name),
        format!("/api/resource?id={resource}"),
        format!("/api/resource/log?id={resource}"),
    ] {
        let admin = format!("X-API-Key: {ADMIN_TOKEN}\r\n");
        let (status, text) = raw(&agent, &format!("GET {path}"), &admin, "").await?;
        assert_eq!(status, 200, "{path}: {text}");
        for secret in secrets.iter().copied().chain([ADMIN_TOKEN]) {
            if text.contains(secret) {
                seen.push(format!("{secret} is in {path}"));
            }
        }
        if path.contains("/log") {
            ensure!(
                text.contains("starting with"),
                "the log itself is there: {text}"
            );
        }
    }
    for arguments in [
        vec!["show", web.name.as_str()],
        vec!["status"],
        vec!["incidents", "--json"],
        vec!["journal", "--json"],
    ] {
        let output = agent.cli(&arguments).await?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        for secret in secrets {
            if text.contains(secret) {
                seen.push(format!("{secret} is in the output of {arguments:?}"));
            }
        }
    }
    let (_, words) = agent.terminate().await?;
    for secret in secrets.iter().copied().chain([ADMIN_TOKEN]) {
        if words.contains(secret) {
            seen.push(format!("{secret} is in the agent's log"));
        }
        holds(&agent.data_dir(), secret, &mut seen)?;
    }
    assert!(seen.is_empty(), "{seen:#?}");
    Ok(())
}

/// The witness is Docker's own event log: nothing was done that was not written down before, and its end after.
#[tokio::test(flavor = "multi_thread")]
async fn every_restart_has_its_intent_before_and_its_conclusion_after() -> Result<()> {
    let lab = lab_or_skip!("witness");
    let health = steward_tests::docker::Health::default();
    let sick = lab.container("sick").health(&health).start().await?;
    let dies = lab.container("dies").serve().start().await?;
    let hopeless = lab
        .container("hopeless")
        .workload(&Workload::End {
            code: 1,
            seconds: 2,
        })
        .start()
        .await?;
    let stopped = lab.container("stopped").serve().start().await?;
    for one in [&sick, &dies, &stopped] {
        one.wait_ready().await?;
    }
    let engine = lab.watch().await?;
    let agent = Agent::for_lab(&lab)
        .set("autonomy.level", "autopilot")
        .set("docker.stabilisation", "3s")
        .toml("[strategies]\ncontainer_stopped = [{ action = \"restart_container\", attempts = 2, back_off = \"1s\" }]")?
        .start()
        .await?;
    known(&agent, &[&sick, &dies, &hopeless, &stopped]).await?;
    dies.crash(7).await?;
    sick.sicken("not well").await?;
    stopped.stop().await?;
    let is_stopped = |one: &steward_api::Resource| one.health == Health::Stopped;
    agent
        .wait_for_container(&stopped.name, "to be stopped", SOON, is_stopped)
        .await?;
    agent
        .call_at::<HealContainer>(&stopped.name, &Nothing {})
        .await?;
    for one in [&sick, &dies, &stopped] {
        engine
            .wait("the restart", SOON, |event| {
                event.container == one.name && event.action == "restart"
            })
            .await?;
    }
    agent
        .wait_for_incidents("the hopeless one to be given up", SOON, |all| {
            all.iter()
                .any(|one| one.resource.name == hopeless.name && one.tasks.len() >= 2)
        })
        .await?;
    idle(&agent).await?;
    let entries = agent.journal(0).await?;
    let mut restarts: Vec<_> = engine
        .all()
        .into_iter()
        .filter(|event| event.action == "restart")
        .collect();
    restarts.sort_by_key(|event| event.at);
    ensure!(restarts.len() >= 5, "{restarts:#?}");
    let mut used = BTreeSet::new();
    for restart in &restarts {
        let intent = entries.iter().find(|entry| {
            !used.contains(&entry.seq)
                && matches!(&entry.event, Event::ActionIntended { resource, .. } if resource.name == restart.container)
        });
        let Some(intent) = intent else {
            bail!("nobody meant {restart:?}");
        };
        used.insert(intent.seq);
        let Event::ActionIntended { task, step, .. } = &intent.event else {
            bail!("it is none");
        };
        ensure!(intent.at <= restart.at, "{intent:?} is after {restart:?}");
        let concluded = entries.iter().find(|entry| {
            matches!(&entry.event, Event::ActionConcluded { task: t, step: s, .. } if t == task && s == step)
        });
        let concluded = concluded.with_context(|| format!("{intent:?} has no end"))?;
        ensure!(
            concluded.seq > intent.seq && concluded.at >= restart.at,
            "{concluded:?} is before {restart:?}"
        );
    }
    // Nor is there a start, stop or change that no intent explains: what Docker did is the restarts and the test's own stop.
    let others: Vec<_> = engine
        .all()
        .into_iter()
        .filter(|event| ["update", "destroy", "pause", "rename"].contains(&event.action.as_str()))
        .collect();
    ensure!(others.is_empty(), "{others:#?}");
    for one in [&sick, &dies, &hopeless, &stopped] {
        assert_eq!(
            engine.count(&one.name, "start"),
            engine.count(&one.name, "restart"),
            "{:?}",
            engine.actions(&one.name)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn observe_only_looks_whatever_happens() -> Result<()> {
    let lab = lab_or_skip!("observe");
    let health = steward_tests::docker::Health::default();
    let sick = lab
        .container("sick")
        .label("steward.auto_restart", "true")
        .health(&health)
        .start()
        .await?;
    let dies = lab
        .container("dies")
        .label("autoheal", "true")
        .label("steward.critical", "true")
        .start()
        .await?;
    let loops = lab
        .container("loops")
        .workload(&Workload::End {
            code: 1,
            seconds: 0,
        })
        .restart("always")
        .start()
        .await?;
    let eats = lab
        .container("eats")
        .workload(&Workload::Oom { seconds: 8 })
        .memory(16 << 20)
        .start()
        .await?;
    for one in [&sick, &dies] {
        one.wait_ready().await?;
    }
    let engine = lab.watch().await?;
    let agent = Agent::for_lab(&lab)
        .set("autonomy.level", "observe")
        .toml("[[autonomy.resources]]\nmatches = \"*\"\nlevel = \"autopilot\"\n")?
        .set("autonomy.level", "observe")
        .start()
        .await?;
    known(&agent, &[&sick, &dies, &loops, &eats]).await?;
    sick.sicken("not well").await?;
    dies.crash(1).await?;
    agent
        .wait_for_incidents("all to be seen and decided", SOON, |all| {
            [&sick, &dies, &loops, &eats].iter().all(|one| {
                all.iter().any(|incident| {
                    incident.resource.name == one.name && incident.decision.is_some()
                })
            })
        })
        .await?;
    let refused = agent
        .try_call_at::<HealContainer>(&dies.name, &Nothing {})
        .await?
        .expect_err("it only looks");
    assert_eq!(refused.code.as_str(), "withheld", "{refused:?}");
    let read = || async { Ok(engine.all()) };
    wait::holds("nothing is done", Duration::from_secs(4), read, |_| true).await?;
    for event in engine.all() {
        let by_itself = ["die", "oom"].contains(&event.action.as_str())
            || event.action.starts_with("health_status")
            || event.action.starts_with("exec_")
            // The engine's own restart policy.
            || event.container == loops.name && event.action == "start";
        ensure!(by_itself, "somebody did this: {event:?}");
    }
    let entries = agent.journal(0).await?;
    ensure!(
        !entries
            .iter()
            .any(|entry| matches!(entry.event, Event::ActionIntended { .. }))
    );
    assert!(
        agent.tasks().await?.is_empty(),
        "{:#?}",
        agent.tasks().await?
    );
    let all = agent
        .call::<ListResources>(&ResourceQuery::default())
        .await?;
    ensure!(all.resources.len() >= 4);
    Ok(())
}
