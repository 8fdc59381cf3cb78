//! Causes told by logs: said with advice, and no restart where none can help.

use anyhow::{Context as _, Result};
use steward_api::{Phase, Problem, Verdict};
use steward_tests::{docker::Workload, lab_or_skip};

use crate::common::{agent, deeds, journal, left_alone, wait_for_incident};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restart_can_not_mend_is_told_with_advice_and_not_restarted() -> Result<()> {
    let lab = lab_or_skip!("words");
    let agent = agent(&lab).start().await?;
    let events = lab.watch().await?;
    let cases = [
        (
            "arch",
            "/app/server: line 1: exec format error",
            "architecture",
            "image-architecture",
        ),
        (
            "port",
            "listen tcp 0.0.0.0:8080: bind: address already in use",
            "ss -ltnp",
            "address-in-use",
        ),
        (
            "variable",
            "fatal: missing required environment variable DATABASE_URL",
            "variable named in the log",
            "missing-environment-variable",
        ),
    ];
    let mut containers = Vec::new();
    for (name, words, ..) in cases {
        let one = lab
            .container(name)
            .workload(&Workload::End {
                code: 1,
                seconds: 1,
            })
            .env("LOG", "starting")
            .env("LAST_WORDS", words)
            .start()
            .await?;
        containers.push(one);
    }
    for (container, (_, words, advice, entry)) in containers.iter().zip(cases) {
        let one = wait_for_incident(&agent, container, "to be decided", |one| {
            one.decision.is_some()
        })
        .await?;
        assert_eq!(one.problem, Problem::ContainerStopped);
        assert_eq!(one.phase, Phase::Assessed);
        let diagnosis = one.diagnoses.first().context("a diagnosis")?;
        assert_eq!(
            diagnosis.source,
            format!("catalogue:{entry}"),
            "{diagnosis:#?}"
        );
        assert_eq!(diagnosis.recommended_action, None);
        assert!(diagnosis.confidence >= 80);
        assert!(diagnosis.advice.contains(advice), "{diagnosis:#?}");
        assert!(
            diagnosis
                .evidence
                .iter()
                .any(|evidence| evidence.source == "log" && evidence.text.contains(words)),
            "{diagnosis:#?}"
        );
        let decision = one.decision.as_ref().context("a decision")?;
        assert_eq!(decision.verdict, Verdict::Withhold, "{decision:#?}");
        assert!(
            decision.reason.contains(&diagnosis.diagnosis) && decision.reason.contains(advice),
            "{decision:#?}"
        );
        assert!(one.tasks.is_empty(), "{one:#?}");
    }
    left_alone(&events, &containers[0], 0).await?;
    for container in &containers {
        assert_eq!(events.count(&container.name, "restart"), 0);
        assert!(!container.state().await?.running);
    }
    assert!(deeds(&journal(&agent).await?).is_empty());

    // What the engine itself could not start is told from its own words.
    let absent = lab
        .container("absent")
        .workload(&Workload::Command(vec!["/bin/absent".into()]))
        .create()
        .await?;
    assert!(absent.start().await.is_err());
    let one = wait_for_incident(&agent, &absent, "to be decided", |one| {
        one.decision.is_some()
    })
    .await?;
    let decision = one.decision.as_ref().context("a decision")?;
    assert!(one.title.contains("could not be started"), "{one:#?}");
    assert_ne!(decision.verdict, Verdict::Ask, "{one:#?}");
    Ok(())
}
