//! Tests of changes to the configuration's text: every layout, every comment kept, and nothing that is not offered.

mod layouts;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::*;

fn inputs(file: &std::path::Path) -> Inputs {
    Inputs {
        path: Some(file.to_path_buf()),
        env: BTreeMap::from([
            ("HOME".to_owned(), "/nonexistent/home".to_owned()),
            (
                "STEWARD_DATA_DIR".to_owned(),
                "/nonexistent/data".to_owned(),
            ),
        ]),
    }
}

fn edits(all: &[(&str, Option<Json>)]) -> Vec<ConfigEdit> {
    all.iter()
        .map(|(key, value)| ConfigEdit {
            key: (*key).to_owned(),
            value: value.clone(),
        })
        .collect()
}

/// Revises a text as if it were in a file, with that text in force.
fn revised(text: &str, all: &[ConfigEdit]) -> Result<Revision, Vec<ConfigProblem>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("steward.toml");
    std::fs::write(&file, text).unwrap();
    let inputs = inputs(&file);
    let in_force = load::load(&inputs).unwrap();
    let disk = OnDisk::read(&inputs).unwrap();
    revise(&inputs, &in_force, &disk, all)
}

#[test]
fn every_offered_setting_is_known_and_none_is_dangerous() {
    let fixed: Vec<&str> = offer::FIXED
        .iter()
        .flat_map(|all| all.iter().map(|words| words.0))
        .collect();
    for key in &fixed {
        assert!(
            offer::find(key).is_some(),
            "{key} is not known to the loader"
        );
    }
    let all: Vec<Offer> = offer::groups()
        .into_iter()
        .flat_map(|group| group.settings)
        .collect();
    assert_eq!(
        all.len(),
        fixed.len() + ActionName::ALL.len() + Problem::ALL.len()
    );
    for offer in &all {
        for never in [
            "scripts",
            "database",
            "server",
            "node",
            "log",
            "services",
            "docker.host",
            "docker.only_label",
            "databases.postgres",
            "mcp",
            "advisor.models",
        ] {
            let below = offer.key.strip_prefix(never);
            assert!(
                !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
                "{}",
                offer.key
            );
        }
        assert!(!offer.help.is_empty() && !offer.title.is_empty());
    }
    let config = load::load(&inputs("/nonexistent/steward.toml".as_ref()));
    assert!(config.is_err(), "a named file must be there");
    let defaults = load::defaults().unwrap();
    let shown = settings(&defaults);
    let shown: usize = shown.iter().map(|group| group.settings.len()).sum();
    assert_eq!(shown, all.len(), "each has a kind that can be shown");
}

#[test]
fn what_is_not_offered_cannot_be_reached_by_any_spelling() {
    let text =
        "[scripts.tidy]\ncommand = [\"/bin/true\"]\n[docker]\nhost = \"unix:///run/docker.sock\"\n";
    for key in [
        "scripts.tidy.command",
        "scripts",
        "scripts.tidy",
        "scripts.new.command",
        "database.url",
        "database",
        "server.listen",
        "server",
        "docker.host",
        "docker",
        "node.name",
        "docker.only_label",
        "services",
        "databases.postgres",
        "databases",
        "mcp.servers",
        "mcp",
        "log.level",
        "",
        ".",
        "*",
        "thresholds",
        "thresholds.",
        ".thresholds.disk_percent",
        "thresholds..disk_percent",
        "Thresholds.disk_percent",
        "thresholds.DISK_PERCENT",
        "thresholds.\"disk_percent\"",
        "\"thresholds\".disk_percent",
        "'scripts'.tidy.command",
        "thresholds.disk_percent.x",
        "thresholds.disk_percent\n[scripts.x]\ncommand",
        "thresholds.disk_percent ",
        " thresholds.disk_percent",
        "thresholds.disk_percent = 1 #",
        "autonomy.actions",
        "autonomy.actions.format_disk",
        "autonomy.resources[0].level",
        "strategies",
        "strategies.nothing",
        "ｓcripts.tidy.command",
        "scripts\u{200b}.tidy.command",
        "thresholds.dısk_percent",
        "thresholds\u{0}.disk_percent",
        "docker.Host",
        "docker.hos",
        "docker.hostname",
        "__proto__",
        "docker\\u002ehost",
    ] {
        for value in [
            None,
            Some(json!("x")),
            Some(json!(["/bin/sh", "-c", "x"])),
            Some(json!({"command": ["/bin/sh"]})),
        ] {
            let problems = revised(text, &edits(&[(key, value)])).unwrap_err();
            assert_eq!(problems.len(), 1, "{key}: {problems:?}");
            assert!(
                problems[0].wrong.contains("can't be changed here"),
                "{key}: {problems:?}"
            );
        }
    }
    // Values that try to break out of their place stay texts, or are refused by type.
    let sly = "x\"]\n[scripts.evil]\ncommand = [\"/bin/sh\"]\n#";
    for (key, value) in [
        ("host.ignore_disks", json!([sly])),
        ("host.ignore_disks", json!([{"command": "x"}])),
        (
            "autonomy.resources",
            json!([{"matches": "a", "level": "ask", "command": ["/bin/sh"]}]),
        ),
        (
            "autonomy.resources",
            json!([{"matches": "a", "level": "ask", "level.x": 1}]),
        ),
        (
            "autonomy.resources",
            json!([{"matches": sly, "level": "ask"}]),
        ),
        (
            "autonomy.resources",
            json!({"matches": "a", "level": "ask"}),
        ),
        ("thresholds.disk_percent", json!({"x": 1})),
        ("thresholds.disk_percent", json!("80\n[scripts.x]")),
        ("network.dns_names", json!(["a.b\"]\nurl = \"x"])),
        (
            "maintenance",
            json!([{"matches": "a", "from": "01:00", "to": "02:00", "scripts": {}}]),
        ),
        ("autonomy.level", json!(null)),
    ] {
        match revised(text, &edits(&[(key, Some(value.clone()))])) {
            Err(problems) => assert!(
                problems.iter().all(|one| one.key.starts_with(key)),
                "{problems:?}"
            ),
            Ok(revision) => {
                assert_eq!(revision.config.scripts.len(), 1, "{}", revision.text);
                assert!(
                    revision.changed.iter().all(|changed| changed == key),
                    "{:?}",
                    revision.changed
                );
            }
        }
    }
}

#[test]
fn a_strategy_keeps_its_scripts_and_gets_no_further_one() {
    let text = "[scripts.tidy]\ncommand = [\"/bin/true\"]\n[scripts.other]\ncommand = [\"/bin/true\"]\n[strategies]\ndisk_filling = [{ action = \"run_script\", script = \"tidy\" }]\n";
    let step = |script: &str| json!({"action": "run_script", "script": script, "attempts": 2});
    let kept = revised(
        text,
        &edits(&[("strategies.disk_filling", Some(json!([step("tidy")])))]),
    )
    .unwrap();
    assert!(
        kept.text
            .contains("{ action = \"run_script\", script = \"tidy\", attempts = 2 }]"),
        "{}",
        kept.text
    );
    for (key, steps) in [
        (
            "strategies.disk_filling",
            json!([step("tidy"), step("other")]),
        ),
        ("strategies.endpoint_slow", json!([step("tidy")])),
        (
            "strategies.endpoint_slow",
            json!([{"action": "run_script"}]),
        ),
    ] {
        let problems = revised(text, &edits(&[(key, Some(steps))])).unwrap_err();
        assert!(problems[0].wrong.contains("script"), "{problems:?}");
    }
}

#[test]
fn the_preview_shows_what_goes_and_comes_below_its_section() {
    let text = "# head\n[database]\nurl = \"postgres://u:hunter2@h/x\"\n\n[thresholds]\nsustain = 2\ndisk_percent = 85 # large\n";
    let revision = revised(
        text,
        &edits(&[
            ("thresholds.disk_percent", Some(json!(80))),
            ("network.timeout", Some(json!("2s"))),
        ]),
    )
    .unwrap();
    let shown: Vec<String> = revision
        .lines
        .iter()
        .map(|line| format!("{:?} {} {}", line.change, line.number, line.text))
        .collect();
    assert_eq!(
        shown,
        [
            "Kept 5 [thresholds]",
            "Removed 7 disk_percent = 85 # large",
            "Added 7 disk_percent = 80 # large",
            "Added 8 ",
            "Added 9 [network]",
            "Added 10 timeout = \"2s\""
        ]
    );
    assert_eq!(
        revision.changed,
        ["network.timeout", "thresholds.disk_percent"]
    );
}

#[test]
fn a_comment_that_would_be_lost_refuses_the_change() {
    // A value that is no list any more can't keep what stood between its brackets.
    let text = "[strategies]\ndisk_filling = [ { action = \"prune_build_cache\", # why\n attempts = 2, back_off = \"1s\" } ]\n";
    match revised(
        text,
        &edits(&[("strategies.disk_filling", Some(json!([])))]),
    ) {
        Ok(revision) => assert!(revision.text.contains("# why"), "{}", revision.text),
        Err(problems) => assert!(problems[0].right.contains("steward.toml"), "{problems:?}"),
    }
}

#[test]
fn a_change_of_the_file_that_waits_for_a_restart_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("steward.toml");
    std::fs::write(&file, "").unwrap();
    let inputs = inputs(&file);
    let in_force = load::load(&inputs).unwrap();
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let disk = OnDisk::read(&inputs).unwrap();
    let problems = revise(
        &inputs,
        &in_force,
        &disk,
        &edits(&[("guards.blast_radius", Some(json!(9)))]),
    )
    .unwrap_err();
    assert_eq!(problems[0].key, "server.listen");
    assert!(problems[0].wrong.contains("starts anew"), "{problems:?}");
}
