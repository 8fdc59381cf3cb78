//! What is done to the host.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Action, ActionName, Envelope, Event, Precondition, ResourceId, ResourceKind, Risk, TaskId,
    Verification,
};
use tempfile::TempDir;

use super::{super::HostActuator, config, program};
use crate::{
    config::Script,
    ports::{ActError, Actuator, Permit, Reading},
};

pub(super) fn permit(action: &Action) -> Permit {
    let entry = Envelope {
        seq: 1,
        node: "atlas".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        event: Event::ActionIntended {
            task: TaskId(1),
            step: 0,
            undo: false,
            action: action.name(),
            resource: action.target().clone(),
            problem: None,
        },
        hash: "00".to_owned(),
    };
    Permit::for_intent(&entry, action).unwrap()
}

fn unit_id(name: &str) -> ResourceId {
    ResourceId::new("atlas", ResourceKind::Unit, name)
}

pub(super) fn script(command: &[&str], timeout: SignedDuration) -> Script {
    Script {
        command: command.iter().map(|&part| part.to_owned()).collect(),
        risk: Risk::High,
        timeout,
    }
}

fn run_script(name: &str) -> Action {
    Action::RunScript {
        host: ResourceId::host("atlas"),
        script: name.to_owned(),
        risk: Risk::High,
    }
}

fn with_scripts(scripts: &[(&str, Script)]) -> HostActuator {
    let mut config = config();
    config.scripts = scripts
        .iter()
        .map(|(name, script)| ((*name).to_owned(), script.clone()))
        .collect::<BTreeMap<_, _>>();
    HostActuator::new(&config, None)
}

async fn apply(actuator: &HostActuator, action: &Action) -> Result<String, ActError> {
    actuator.apply(&permit(action)).await
}

#[tokio::test]
async fn a_script_runs_without_shell_environment_or_input() {
    let folder = TempDir::new().unwrap();
    let path = program(
        folder.path(),
        "tidy",
        "echo \"args: $*\"; env; pwd; cat; echo done",
    );
    let actuator = with_scripts(&[(
        "tidy",
        script(
            &[path.to_str().unwrap(), "a b", "$HOME; reboot"],
            SignedDuration::from_secs(20),
        ),
    )]);
    let told = apply(&actuator, &run_script("tidy")).await.unwrap();
    assert!(told.contains("args: a b $HOME; reboot"), "{told}");
    assert!(told.contains("ended with code 0") && told.contains("done"));
    assert!(told.contains("PATH=") && !told.contains("HOME=") && !told.contains("CARGO"));
}

#[tokio::test]
async fn a_script_that_is_not_allowed_is_refused() {
    let actuator = with_scripts(&[
        ("tidy", script(&["/bin/true"], SignedDuration::from_secs(5))),
        ("relative", script(&["true"], SignedDuration::from_secs(5))),
        ("empty", script(&[], SignedDuration::from_secs(5))),
    ]);
    let error = apply(&actuator, &run_script("/bin/reboot"))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ActError::Unsupported(ActionName::RunScript, _)
    ));
    assert!(
        error
            .to_string()
            .contains("it allows empty, relative, tidy"),
        "{error}"
    );
    for name in ["relative", "empty"] {
        let error = apply(&actuator, &run_script(name)).await.unwrap_err();
        assert!(error.to_string().contains("absolute path"), "{error}");
    }
    let elsewhere = Action::RunScript {
        host: ResourceId::host("other"),
        script: "tidy".to_owned(),
        risk: Risk::High,
    };
    assert!(apply(&actuator, &elsewhere).await.is_err());
    assert!(apply(&actuator, &run_script("tidy")).await.is_ok());
}

#[tokio::test]
async fn a_failing_scripts_output_is_told_without_its_secrets() {
    let folder = TempDir::new().unwrap();
    let path = program(
        folder.path(),
        "leaky",
        "i=0; while [ $i -lt 3000 ]; do echo \"line $i of a long story\"; i=$((i+1)); done; echo 'password=hunter2' >&2; exit 3",
    );
    let actuator = with_scripts(&[(
        "leaky",
        script(&[path.to_str().unwrap()], SignedDuration::from_secs(20)),
    )]);
    let error = apply(&actuator, &run_script("leaky"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("ended with code 3"), "{error}");
    assert!(error.contains("line 2999") && !error.contains("line 0 "));
    assert!(error.contains("password=") && !error.contains("hunter2"));
    assert!(error.len() < 9000, "{}", error.len());
}

/// Whether a process still does anything.
fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        let state = stat.rsplit(')').next().unwrap_or("").trim();
        !state.starts_with('Z') && !state.starts_with('X')
    })
}

async fn all_end(pids: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| alive(pid)) {
        assert!(Instant::now() < deadline, "{pids:?} are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pids(file: &Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let pids: Vec<_> = text.lines().map(str::to_owned).collect();
        if pids.len() == count && text.ends_with('\n') {
            return pids;
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A script that starts children, writes all process ids to a file, ignores the polite signal and hangs.
fn hanging(folder: &TempDir) -> (PathBuf, PathBuf) {
    let file = folder.path().join("pids");
    let path = program(
        folder.path(),
        "hang",
        &format!(
            "trap '' TERM; sleep 300 & a=$!; (sleep 300; :) & b=$!; echo started; printf '%s\\n%s\\n%s\\n' $$ $a $b > {}; wait",
            file.display()
        ),
    );
    (path, file)
}

#[tokio::test]
async fn a_script_that_hangs_is_killed_with_its_children() {
    let folder = TempDir::new().unwrap();
    let (path, file) = hanging(&folder);
    let actuator = with_scripts(&[(
        "hang",
        script(&[path.to_str().unwrap()], SignedDuration::from_secs(2)),
    )]);
    let action = run_script("hang");
    assert!(actuator.timeout(&action) > Duration::from_secs(2));
    let began = Instant::now();
    let error = apply(&actuator, &action).await.unwrap_err().to_string();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(error.contains("did not end within 2s"), "{error}");
    assert!(error.contains("it had printed: started"), "{error}");
    all_end(&pids(&file, 3).await).await;
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_any_more_is_killed_with_its_children() {
    let folder = TempDir::new().unwrap();
    let (path, file) = hanging(&folder);
    let actuator = with_scripts(&[(
        "hang",
        script(&[path.to_str().unwrap()], SignedDuration::from_secs(60)),
    )]);
    let waiting = tokio::spawn(async move { apply(&actuator, &run_script("hang")).await });
    let pids = pids(&file, 3).await;
    assert!(alive(&pids[1]));
    waiting.abort();
    all_end(&pids).await;
}

#[tokio::test]
async fn a_script_may_leave_something_running() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pid");
    let path = program(
        folder.path(),
        "starter",
        &format!("sleep 20 & echo $! > {}; echo begun", file.display()),
    );
    let actuator = with_scripts(&[(
        "starter",
        script(&[path.to_str().unwrap()], SignedDuration::from_secs(15)),
    )]);
    let began = Instant::now();
    let told = apply(&actuator, &run_script("starter")).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it waited for what was left"
    );
    assert!(told.contains("begun"), "{told}");
    let left = pids(&file, 1).await;
    assert!(alive(&left[0]));
    Command::new("kill").arg(&left[0]).status().unwrap();
}

#[tokio::test]
async fn the_journal_is_vacuumed_to_the_size_given() {
    let folder = TempDir::new().unwrap();
    let mut actuator = HostActuator::new(&config(), None);
    let action = Action::VacuumSystemdJournal {
        host: ResourceId::host("atlas"),
        keep_bytes: 500 * 1024 * 1024,
    };
    actuator.journalctl = program(
        folder.path(),
        "journalctl",
        "case \"$*\" in *--vacuum-size=500M) echo 'Vacuuming done, freed 1.2G of archived journals from /var/log/journal.' >&2 ;; \
         *--disk-usage) echo 'Archived and active journals take up 1.7G in the file system.' ;; *) exit 9 ;; esac",
    );
    assert_eq!(
        apply(&actuator, &action).await.unwrap(),
        "freed 1.2G of archived journals from /var/log/journal"
    );
    let preview = actuator.preview(&action).await.unwrap();
    assert_eq!(preview[0], "Shrink the systemd journal to 500 MiB");
    assert!(preview[1].contains("take up 1.7G"));

    actuator.journalctl = program(folder.path(), "broken", "echo 'No space left' >&2; exit 1");
    let error = apply(&actuator, &action).await.unwrap_err().to_string();
    assert!(
        error.contains("ended with code 1: No space left"),
        "{error}"
    );

    actuator.journalctl = PathBuf::from("/nonexistent/journalctl");
    let error = apply(&actuator, &action).await.unwrap_err().to_string();
    assert!(error.contains("can't be started"), "{error}");
}

#[tokio::test]
async fn the_real_journal_says_how_large_it_is() {
    let actuator = HostActuator::new(&config(), None);
    if !actuator.journalctl.is_absolute() {
        println!("skipped: there is no journalctl here");
        return;
    }
    let action = Action::VacuumSystemdJournal {
        host: ResourceId::host("atlas"),
        keep_bytes: u64::MAX,
    };
    let preview = actuator.preview(&action).await.unwrap();
    assert!(preview[1].contains("journals take up"), "{preview:?}");
}

/// An actuator whose systemctl keeps a unit's state in a file and writes what it was told to do into another.
fn with_unit(folder: &TempDir, state: &str) -> HostActuator {
    let mut actuator = HostActuator::new(&config(), None);
    let path = folder.path().join("state");
    fs::write(&path, state).unwrap();
    actuator.systemd.marker = folder.path().to_owned();
    actuator.systemd.systemctl = program(
        folder.path(),
        "systemctl",
        &format!(
            "case \"$1\" in show) cat {0} ;; \
             restart) echo \"$*\" >> {1}; printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nType=simple\\nActiveEnterTimestamp=Wed 2025-11-19 10:30:00 UTC\\n' > {0} ;; \
             *) exit 9 ;; esac",
            path.display(),
            folder.path().join("told").display()
        ),
    );
    actuator
}

#[tokio::test]
async fn a_failed_unit_is_restarted_and_verified() {
    let folder = TempDir::new().unwrap();
    let actuator = with_unit(
        &folder,
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nType=simple\nActiveEnterTimestamp=Wed 2025-11-19 09:00:00 UTC\n",
    );
    let unit = unit_id("nginx.service");
    let action = Action::RestartUnit { unit: unit.clone() };
    let failed = Precondition::UnitFailed { unit: unit.clone() };
    let active = Verification::UnitActive {
        unit: unit.clone(),
        stable_seconds: 10,
    };
    let since: Timestamp = "2025-11-19T10:29:59.9Z".parse().unwrap();
    assert_eq!(actuator.check(&failed).await.unwrap(), Reading::Holds);
    assert!(matches!(
        actuator.verify(&active).await.unwrap(),
        Reading::Broken(_)
    ));
    assert_eq!(
        actuator.was_applied(&action, since).await.unwrap(),
        Some(false)
    );
    assert_eq!(
        actuator.preview(&action).await.unwrap()[1],
        "nginx.service is failed (failed) now"
    );

    apply(&actuator, &action).await.unwrap();
    assert_eq!(
        fs::read_to_string(folder.path().join("told")).unwrap(),
        "restart --no-ask-password -- nginx.service\n"
    );
    assert_eq!(actuator.verify(&active).await.unwrap(), Reading::Holds);
    assert_eq!(
        actuator.was_applied(&action, since).await.unwrap(),
        Some(true)
    );
    assert_eq!(
        actuator.check(&failed).await.unwrap(),
        Reading::Broken("nginx.service is active (running), not failed".to_owned())
    );
}

#[tokio::test]
async fn a_unit_that_is_gone_or_none_is_refused() {
    let folder = TempDir::new().unwrap();
    let actuator = with_unit(&folder, "LoadState=not-found\nActiveState=inactive\n");
    let unit = unit_id("nginx.service");
    assert!(matches!(
        actuator
            .check(&Precondition::UnitFailed { unit })
            .await
            .unwrap(),
        Reading::Hopeless(_)
    ));
    for name in ["--force", "-H evil", "*.service", "nginx; reboot"] {
        let action = Action::RestartUnit {
            unit: unit_id(name),
        };
        let error = apply(&actuator, &action).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not the name of a systemd unit"),
            "{error}"
        );
    }
    assert!(
        !folder.path().join("told").exists(),
        "nothing was asked of systemd"
    );
    let foreign = Action::RestartUnit {
        unit: ResourceId::new("other", ResourceKind::Unit, "nginx.service"),
    };
    assert!(apply(&actuator, &foreign).await.is_err());
}

#[tokio::test]
async fn the_docker_daemon_is_restarted_by_what_there_is() {
    let folder = TempDir::new().unwrap();
    let action = Action::RestartDockerDaemon {
        engine: ResourceId::new("atlas", ResourceKind::Engine, "docker"),
    };
    let told = folder.path().join("told");
    let mut actuator = with_unit(&folder, "");
    apply(&actuator, &action).await.unwrap();
    assert_eq!(
        fs::read_to_string(&told).unwrap(),
        "restart --no-ask-password -- docker.service\n"
    );

    actuator.systemd.marker = PathBuf::from("/nonexistent");
    actuator.service = program(
        folder.path(),
        "service",
        &format!("echo \"$*\" > {}", told.display()),
    );
    actuator.docker_init_script = told.clone();
    apply(&actuator, &action).await.unwrap();
    assert_eq!(fs::read_to_string(&told).unwrap(), "docker restart\n");

    actuator.docker_init_script = PathBuf::from("/nonexistent");
    let error = apply(&actuator, &action).await.unwrap_err();
    assert!(matches!(
        error,
        ActError::Unsupported(ActionName::RestartDockerDaemon, _)
    ));
    assert!(error.to_string().contains("neither systemd nor"), "{error}");
}

#[tokio::test]
async fn what_is_docker_s_is_left_to_it() {
    let actuator = HostActuator::new(&config(), None);
    let engine = ResourceId::new("atlas", ResourceKind::Engine, "docker");
    assert!(matches!(
        actuator
            .check(&Precondition::EngineSilent {
                engine: engine.clone()
            })
            .await,
        Err(ActError::Unsupported(..))
    ));
    assert!(matches!(
        actuator
            .verify(&Verification::EngineAnswers {
                engine,
                within_seconds: 10
            })
            .await,
        Err(ActError::Unsupported(..))
    ));
    assert!(!actuator.handles(ActionName::RestartContainer));
    assert_eq!(
        actuator.check(&Precondition::Nothing).await.unwrap(),
        Reading::Holds
    );
    assert_eq!(
        actuator.verify(&Verification::ByReport).await.unwrap(),
        Reading::Holds
    );
}
