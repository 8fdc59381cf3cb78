//! The house's plan, checked against the sources; and each rule checked against a text that breaks it.

use anyhow::Result;
use steward_tests::{
    architecture::{Source, check, sources},
    workspace_root,
};

#[test]
fn the_sources_keep_to_the_plan() -> Result<()> {
    let sources = sources(&workspace_root())?;
    assert!(sources.iter().any(|one| one.path == "core/src/ports.rs"));
    assert!(sources.iter().any(|one| one.path == "core/api/Cargo.toml"));
    let found = check(&sources);
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "the house's rules are broken:\n{}",
        shown.join("\n")
    );
    Ok(())
}

/// What the check says of one source, in short.
fn said(path: &str, code: &str) -> String {
    let text = format!("//! A module.\n{code}");
    let found = check(&[Source::new(path, text)]);
    found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[track_caller]
fn breaks(path: &str, code: &str, rule: &str) {
    let said = said(path, code);
    assert!(
        said.contains(rule),
        "{path}: `{code}` should break the rule `{rule}`; said: `{said}`"
    );
}

#[track_caller]
fn keeps(path: &str, code: &str) {
    assert_eq!(said(path, code), "", "{path}: `{code}` is well");
}

#[test]
fn imports_against_the_plan_are_found_in_every_form() {
    let flow = "core/src/flow/decide/mod.rs";
    breaks(
        flow,
        "use crate::store::Sqlite;",
        "`flow` must not know `store`",
    );
    breaks(
        flow,
        "use crate::{ports::Store, server};",
        "`flow` must not know `server`",
    );
    breaks(
        flow,
        "use crate::{ports::{A, B}, engine::{Handle, metrics::M}};",
        "`flow` must not know `engine`",
    );
    breaks(
        flow,
        "fn a() { crate::wire::build() }",
        "`flow` must not know `wire`",
    );
    breaks(
        flow,
        "use super::super::integrations::docker;",
        "`flow` must not know `integrations`",
    );
    breaks(
        flow,
        "use crate::integrations::docker::X;",
        "`flow` must not know `integrations`",
    );
    keeps(
        flow,
        "use crate::{config::Config, ports::{A, B}, redact};\nuse super::detect; use steward_api::*;",
    );
    // Tests may know more, and comments and texts are no imports.
    keeps(
        flow,
        "#[cfg(test)] mod tests { use crate::store::Sqlite; }\n// use crate::store::X;\nconst A: &str = \"crate::store::X\";",
    );

    let docker = "core/src/integrations/docker/act.rs";
    breaks(
        docker,
        "use crate::integrations::host::X;",
        "docker knows host",
    );
    breaks(docker, "use super::super::host;", "docker knows host");
    breaks(
        docker,
        "use crate::flow::decide;",
        "`integrations` must not know `flow`",
    );
    keeps(
        docker,
        "use super::observe; use crate::integrations::docker::X; use crate::ports::Actuator;",
    );

    breaks(
        "core/src/engine/mod.rs",
        "use crate::store::Store;",
        "`engine` must not know `store`",
    );
    breaks(
        "core/src/engine/mod.rs",
        "use crate::cli;",
        "`engine` must not know `cli`",
    );
    keeps(
        "core/src/engine/mod.rs",
        "use crate::{flow::act, ports, config}; mod handle; pub use handle::A;",
    );
    breaks(
        "core/src/server/mod.rs",
        "use crate::integrations::docker;",
        "`server` must not know `integrations`",
    );
    breaks(
        "core/src/server/mod.rs",
        "use crate::store::sqlite;",
        "`server` must not know `store`",
    );
    breaks(
        "core/src/store/mod.rs",
        "use crate::engine::Handle;",
        "`store` must not know `engine`",
    );
    breaks(
        "core/src/client.rs",
        "use crate::config::Config;",
        "`client` must not know `config`",
    );
    breaks(
        "core/src/cli/mod.rs",
        "use crate::integrations::docker;",
        "`cli` must not know `integrations`",
    );
    breaks(
        "core/src/ports.rs",
        "use crate::engine::Handle;",
        "`ports` must not know `engine`",
    );
    keeps(
        "core/src/wire.rs",
        "use crate::{server, store, integrations::docker, engine};",
    );
    breaks(
        "core/src/main.rs",
        "fn main() { steward::store::open() }",
        "`main` must not know `store`",
    );
    breaks("core/src/attic/mod.rs", "", "the house has no part `attic`");
    breaks(
        "core/api/src/plan.rs",
        "use steward::ports::Store;",
        "the contract knows nobody",
    );
    breaks(
        "ui/src/lib.rs",
        "use steward::engine;",
        "the UI knows only the contract",
    );
    let manifest = Source::new(
        "core/api/Cargo.toml",
        "[dependencies]\nsteward = { path = \"..\" }",
    );
    assert_eq!(check(&[manifest]).len(), 1);
}

#[test]
fn a_stage_that_decides_does_nothing_else() {
    let detect = "core/src/flow/detect/containers.rs";
    breaks(detect, "async fn a() {}", "`async`");
    breaks(detect, "fn a() { b.await }", "`await`");
    breaks(detect, "use tokio::sync::mpsc;", "`tokio`");
    breaks(detect, "fn a() { Timestamp::now() }", "a clock");
    breaks(detect, "fn a() { jiff::Zoned::now() }", "a clock");
    breaks(detect, "use std::time::Instant;", "`Instant`");
    breaks(detect, "use std::{collections::BTreeMap, fs};", "std::fs");
    breaks(detect, "fn a() { std::process::exit(1) }", "std::process");
    breaks(
        "core/src/flow/correlate.rs",
        "use std::net::IpAddr;",
        "std::net",
    );
    breaks(
        "core/src/flow/diagnose/catalogue.rs",
        "async fn a() {}",
        "`async`",
    );
    breaks(
        "core/src/flow/learn/baseline.rs",
        "fn a() { rand::random() }",
        "`rand`",
    );
    breaks(
        "core/src/integrations/docker/rules.rs",
        "async fn a() {}",
        "`async`",
    );
    keeps(detect, "fn a(now: Timestamp) -> Timestamp { now }");
    keeps("core/src/flow/act/mod.rs", "async fn a() { b.await }");
    keeps("core/src/flow/observe.rs", "async fn a() { b.await }");
    keeps(
        "core/src/flow/diagnose/advice.rs",
        "async fn a() { b.await }",
    );
}

#[test]
fn the_world_is_changed_in_one_place() {
    let deed =
        "use crate::ports::Actuator; async fn a(x: &dyn Actuator) { x.apply(&permit).await; }";
    breaks(
        "core/src/engine/mod.rs",
        deed,
        "only flow/act has actions carried out",
    );
    breaks(
        "core/src/engine/mod.rs",
        "fn a() { Actuator::apply(&*x, &permit) }",
        "only flow/act has actions",
    );
    breaks(
        "core/src/engine/mod.rs",
        "fn a() { x.apply(&permit) }",
        "only flow/act has actions",
    );
    breaks(
        "core/src/engine/mod.rs",
        "fn a() { Permit::for_intent(&e, &a) }",
        "only flow/act makes permits",
    );
    keeps("core/src/flow/act/mod.rs", deed);
    keeps(
        "core/src/flow/act/run.rs",
        "fn a() { Permit::for_intent(&e, &a) }",
    );
    keeps("core/src/engine/state.rs", "fn a() { state.apply(&event) }");
    keeps("core/src/ports.rs", "impl Permit { fn for_intent() {} }");
    keeps(
        "core/src/integrations/docker/act.rs",
        "impl Actuator for X { async fn apply(&self, permit: &Permit) {} }",
    );
}

#[test]
fn every_file_is_short_says_what_it_is_for_and_hides_no_test() {
    let path = "xtask/src/main.rs";
    breaks(path, &"\n".repeat(700), "lines: split it");
    breaks(path, "fn a() { unsafe { b() } }", "`unsafe` is forbidden");
    breaks(
        path,
        "#[cfg(test)] mod tests { #[test] #[ignore = \"slow\"] fn a() {} }",
        "no test is ignored",
    );
    keeps(path, "const A: &str = \"unsafe #[ignore]\"; // unsafe");
    let silent = check(&[Source::new(path, "fn main() {}")]);
    assert!(
        silent
            .iter()
            .any(|one| one.rule.contains("begins with `//!`"))
    );

    // A test's module in a file of its own is a test's module, and so is what stands below it.
    let holder = Source::new("core/src/store/mod.rs", "//! A.\n#[cfg(test)]\nmod tests;");
    let tests = Source::new("core/src/store/tests.rs", "//! B.\nuse crate::engine::X;");
    let below = Source::new(
        "core/src/store/tests/faults.rs",
        "//! C.\nuse crate::engine::X;",
    );
    assert_eq!(check(&[holder, tests.clone(), below]), []);
    assert_eq!(check(&[tests]).len(), 1);
}
