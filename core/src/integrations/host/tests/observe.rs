//! What is read of the host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use steward_api::{Facts, Health, Metric, Resource, ResourceId, ResourceKind};
use tempfile::TempDir;

use super::{
    super::{HostSource, disks::Space, gauges, systemd::Systemd},
    Now, config, program,
};
use crate::ports::{Coverage, Depth, Observation, Source};

fn source() -> HostSource {
    HostSource::new(&config(), Arc::new(Now))
}

fn of_kind(observation: &Observation, kind: ResourceKind) -> Vec<&Resource> {
    observation
        .resources
        .iter()
        .filter(|resource| resource.id.kind == kind)
        .collect()
}

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
        let top = gauges::top_processes(true, false).await.unwrap();
        assert_eq!(top.len(), 5);
        let found = top.iter().find(|process| process.pid == busy.0.id());
        if found.is_some_and(|found| found.cpu_percent > 5.0) {
            break top;
        }
        assert!(
            Instant::now() < deadline,
            "the busy one does not show: {top:?}"
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
    let systemd = Systemd::default();
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
