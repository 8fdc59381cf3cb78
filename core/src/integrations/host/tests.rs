//! The host's part against the real host, and against small programs that stand in for systemctl and journalctl where a failure is
//! wanted or systemd is not there.
#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs to compare with, and wait for processes to end"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use steward_api::{
    Action, ActionName, Envelope, Event, Facts, Health, Metric, Precondition, Resource, ResourceId,
    ResourceKind, Risk, TaskId, Verification,
};
use tempfile::TempDir;

use super::{HostActuator, HostSource, disks::Space};
use crate::{
    config::{Config, Script},
    ports::{ActError, Actuator, Clock, Coverage, Depth, Observation, Permit, Reading, Source},
};

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config
}

fn source() -> HostSource {
    HostSource::new(&config(), Arc::new(Now))
}

/// Writes a program. Another process writes it, so that no child that some other test starts at this moment can hold it open for
/// writing, which would make it unrunnable.
fn program(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("#!/bin/sh\n{text}\n");
    writer
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(writer.wait().unwrap().success());
    path
}

fn permit(action: &Action) -> Permit {
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

fn of_kind(observation: &Observation, kind: ResourceKind) -> Vec<&Resource> {
    observation
        .resources
        .iter()
        .filter(|resource| resource.id.kind == kind)
        .collect()
}

// ------------------------------------------------------------------------------------------------------------------ observe

#[tokio::test]
async fn the_hosts_gauges_are_those_of_the_kernel() {
    let source = source();
    let first = source.observe(Depth::Cycle).await.unwrap();
    let host = of_kind(&first, ResourceKind::Host)[0].clone();
    assert_eq!(host.id.to_string(), "atlas/host");
    assert_eq!(host.health, Health::Healthy);
    assert!(
        !host.metrics.contains_key(&Metric::CpuPercent),
        "there is nothing to compare the first reading with"
    );

    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let kib = |field: &str| -> f64 {
        let line = meminfo
            .lines()
            .find(|line| line.starts_with(field))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let percent = (1.0 - kib("MemAvailable:") / kib("MemTotal:")) * 100.0;
    assert!(
        (host.metrics[&Metric::MemoryPercent] - percent).abs() < 5.0,
        "{} but the kernel says {percent}",
        host.metrics[&Metric::MemoryPercent]
    );
    let Facts::Host(facts) = &host.facts else {
        panic!("{:?}", host.facts)
    };
    assert_eq!(
        usize::try_from(facts.cores).unwrap(),
        fs::read_to_string("/proc/cpuinfo")
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count()
    );
    assert!(facts.uptime_seconds > 0 && !facts.system.is_empty());

    // Keep one core busy, so that the second reading has something to see.
    let until = Instant::now() + Duration::from_millis(700);
    tokio::task::spawn_blocking(move || while Instant::now() < until {})
        .await
        .unwrap();
    let second = source.observe(Depth::Cycle).await.unwrap();
    let cpu = of_kind(&second, ResourceKind::Host)[0].metrics[&Metric::CpuPercent];
    let floor = 50.0 / f64::from(facts.cores);
    assert!((floor..=100.0).contains(&cpu), "{cpu}");
}

#[tokio::test]
async fn the_heaviest_processes_are_named_without_arguments() {
    let busy = Command::new("sh")
        .args(["-c", "while :; do :; done; # --password=hunter2"])
        .spawn()
        .unwrap();
    let busy = Killed(busy);
    // A process is seen to be busy once it has been for at least one tick of the kernel's clock.
    let deadline = Instant::now() + Duration::from_secs(10);
    let top = loop {
        let top = super::gauges::top_processes(true, false).await.unwrap();
        assert_eq!(top.len(), 5);
        if let Some(found) = top.iter().find(|process| process.pid == busy.0.id()) {
            assert!(found.cpu_percent > 5.0, "{found:?}");
            break top;
        }
        assert!(
            Instant::now() < deadline,
            "the busy one is not among {top:?}"
        );
    };
    assert!(!format!("{top:?}").contains("hunter2"));
}

struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn disks_are_as_df_says() {
    let observation = source().observe(Depth::Cycle).await.unwrap();
    let disks = of_kind(&observation, ResourceKind::Disk);
    assert!(!disks.is_empty());
    for disk in disks {
        let Facts::Disk(facts) = &disk.facts else {
            panic!("{:?}", disk.facts)
        };
        let output = Command::new("df")
            .args(["-B1", "--output=size,avail,pcent", &disk.id.name])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = text
            .lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map(|field| field.trim_end_matches('%').parse().unwrap())
            .collect();
        #[allow(clippy::cast_precision_loss, reason = "compared with a tolerance")]
        let (total, available) = (facts.total_bytes as f64, facts.available_bytes as f64);
        assert!((total - numbers[0]).abs() < 1.0, "{disk:?} {text}");
        // Other tests write meanwhile.
        assert!((available - numbers[1]).abs() < 2e9, "{disk:?} {text}");
        assert!(
            (disk.metrics[&Metric::DiskPercent] - numbers[2]).abs() <= 2.0,
            "{disk:?} {text}"
        );
        assert_eq!(disk.runs_on, Some(ResourceId::host("atlas")));
    }
}

#[tokio::test]
async fn a_file_system_that_hangs_is_unknown_and_asked_once() {
    let folder = TempDir::new().unwrap();
    let table = folder.path().join("mountinfo");
    fs::write(
        &table,
        "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n47 27 0:60 / /media rw - cifs //nas/media rw\n",
    )
    .unwrap();
    let (release, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let mut source = source();
    source.disks.table = table;
    source.disks.limit = Duration::from_millis(300);
    source.disks.read_space = Arc::new(move |point| {
        if point == Path::new("/media") {
            counter.fetch_add(1, Ordering::SeqCst);
            // Returns when the other end is dropped.
            let _ = wait.lock().unwrap().recv();
        }
        Ok(Some(Space {
            total: 100,
            used: 50,
            available: 50,
        }))
    });
    for _ in 0..3 {
        let began = Instant::now();
        let observation = source.observe(Depth::Cycle).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(3));
        let disks = of_kind(&observation, ResourceKind::Disk);
        assert_eq!(disks[0].health, Health::Healthy);
        assert_eq!(disks[1].id.name, "/media");
        assert_eq!(disks[1].health, Health::Unknown);
        assert!(disks[1].metrics.is_empty());
        assert_eq!(observation.unreadable.len(), 1);
        assert!(observation.unreadable[0].what.contains("/media"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one at a time");
    drop(release);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let observation = source.observe(Depth::Cycle).await.unwrap();
        if of_kind(&observation, ResourceKind::Disk)[1].health == Health::Healthy {
            break;
        }
        assert!(Instant::now() < deadline, "it never came back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_unreadable_table_of_mounts_is_no_empty_list() {
    let mut source = source();
    source.disks.table = PathBuf::from("/nonexistent/mountinfo");
    let observation = source.observe(Depth::Full).await.unwrap();
    assert!(of_kind(&observation, ResourceKind::Disk).is_empty());
    assert_eq!(observation.coverage, Coverage::Partial);
    assert!(observation.unreadable[0].what.contains("mounted"));
}

/// A source that believes in systemd and asks a program of ours, which answers with the content of a file.
fn with_systemd(folder: &TempDir) -> (HostSource, PathBuf) {
    let answer = folder.path().join("answer");
    let mut source = source();
    let systemd = source.systemd.as_mut().unwrap();
    systemd.marker = folder.path().to_owned();
    systemd.systemctl = program(
        folder.path(),
        "systemctl",
        &format!(
            "if [ -e {0} ]; then cat {0}; else echo 'Failed to connect to bus: password=hunter2' >&2; exit 1; fi",
            answer.display()
        ),
    );
    (source, answer)
}

#[tokio::test]
async fn failed_units_appear_stay_and_disappear() {
    let folder = TempDir::new().unwrap();
    let (source, answer) = with_systemd(&folder);

    let cycle = source.observe(Depth::Cycle).await.unwrap();
    assert_eq!(cycle.coverage, Coverage::Partial, "units were never read");

    fs::write(
        &answer,
        r#"[{"unit":"nginx.service","load":"loaded","active":"failed","sub":"failed","description":"A web server"}]"#,
    )
    .unwrap();
    let full = source.observe(Depth::Full).await.unwrap();
    assert_eq!(full.coverage, Coverage::Complete);
    let unit = of_kind(&full, ResourceKind::Unit)[0];
    assert_eq!(unit.id.to_string(), "atlas/unit/nginx.service");
    assert_eq!(unit.health, Health::Unhealthy);
    assert_eq!(
        unit.facts,
        Facts::Unit {
            description: "A web server".to_owned()
        }
    );

    let cycle = source.observe(Depth::Cycle).await.unwrap();
    assert_eq!(of_kind(&cycle, ResourceKind::Unit).len(), 1, "still there");

    fs::remove_file(&answer).unwrap();
    let blind = source.observe(Depth::Full).await.unwrap();
    assert_eq!(blind.coverage, Coverage::Complete);
    assert_eq!(
        of_kind(&blind, ResourceKind::Unit)[0].health,
        Health::Unknown,
        "what can't be read is neither failed nor well"
    );
    assert!(
        blind
            .unreadable
            .iter()
            .any(|unreadable| unreadable.what.contains("systemd"))
    );
    assert!(!format!("{blind:?}").contains("hunter2"));

    fs::write(&answer, "[]").unwrap();
    let cycle = source.observe(Depth::Cycle).await.unwrap();
    assert_eq!(cycle.coverage, Coverage::Complete);
    assert!(of_kind(&cycle, ResourceKind::Unit).is_empty(), "recovered");
}

#[tokio::test]
async fn without_systemd_there_are_no_units_and_no_error() {
    let mut source = source();
    source.systemd.as_mut().unwrap().marker = PathBuf::from("/nonexistent");
    let observation = source.observe(Depth::Full).await.unwrap();
    assert!(of_kind(&observation, ResourceKind::Unit).is_empty());
    assert_eq!(observation.coverage, Coverage::Complete);
    assert_eq!(observation.unreadable, []);
}

#[tokio::test]
async fn the_real_systemd_answers_where_it_runs() {
    let systemd = super::systemd::Systemd::default();
    if !systemd.is_running() {
        println!("skipped: systemd is not the init system here");
        return;
    }
    systemd.failed().await.unwrap();
    let state = systemd.show("sysinit.target").await.unwrap();
    assert!(state.is_well(), "{state:?}");
    assert!(state.last_change().is_some());
    let none = systemd.show("steward-is-no-unit.service").await.unwrap();
    assert!(none.is_missing());
}

// ---------------------------------------------------------------------------------------------------------------------- act

fn script(command: &[&str], timeout: SignedDuration) -> Script {
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
    HostActuator::new(&config)
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
    let mut actuator = HostActuator::new(&config());
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
    let actuator = HostActuator::new(&config());
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
    let mut actuator = HostActuator::new(&config());
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
    let actuator = HostActuator::new(&config());
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
