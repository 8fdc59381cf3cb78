//! What a person sees, compared to files in `golden/`: at a fixed width, time and zone, in colour and without.
//! `UPDATE_GOLDEN=1 cargo test -p steward --lib cli::golden` writes them anew; the difference is then to be read before it is kept.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use steward_api::{JournalVerification, Page};

use super::{answer, events, lists, output::Screen, samples, show, status, story};

fn screen(width: Option<u16>, color: bool) -> Screen {
    Screen {
        color,
        width,
        now: samples::NOW.parse().unwrap(),
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        json: false,
    }
}

#[track_caller]
pub(super) fn golden(name: &str, shown: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/cli/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; see golden.rs", path.display()));
    assert_eq!(shown, expected, "{} differs; see golden.rs", path.display());
}

const NARROW: Option<u16> = Some(80);

#[test]
fn status_on_a_bad_day() {
    let incidents = [samples::looping_incident()];
    let tasks = [samples::waiting_task()];
    let shown = status::render(
        &screen(NARROW, false),
        &samples::status(),
        &incidents,
        &tasks,
    );
    golden("status.txt", &shown);
    let coloured = status::render(
        &screen(NARROW, true),
        &samples::status(),
        &incidents,
        &tasks,
    );
    golden("status-colour.txt", &coloured);
}

#[test]
fn status_on_a_good_day_needs_nobody() {
    let mut reply = samples::status();
    reply.store.writable = true;
    reply.sources.truncate(1);
    reply.unreadable.clear();
    reply.config_error = None;
    let shown = status::render(&screen(NARROW, false), &reply, &[], &[]);
    golden("status-good.txt", &shown);
}

#[test]
fn resources_worst_first() {
    let list = samples::resources();
    golden(
        "resources.txt",
        &status::render_resources(&screen(NARROW, false), &list, false),
    );
    golden(
        "resources-piped.txt",
        &status::render_resources(&screen(None, false), &list, false),
    );
}

#[test]
fn incidents_and_tasks() {
    let page = Page {
        items: vec![samples::looping_incident(), samples::healed_incident()],
        next: Some(12),
    };
    golden(
        "incidents.txt",
        &lists::render_incidents(&screen(Some(110), false), &page, false),
    );
    let page = Page {
        items: vec![samples::waiting_task(), samples::done_task()],
        next: None,
    };
    golden(
        "tasks.txt",
        &lists::render_tasks(&screen(Some(110), false), &page, true),
    );
}

#[test]
fn whole_stories() {
    let screen = screen(NARROW, false);
    golden(
        "incident.txt",
        &show::render_incident(
            &screen,
            &samples::healed_incident(),
            &[samples::done_task()],
        ),
    );
    golden(
        "task.txt",
        &show::render_task(&screen, &samples::waiting_task()),
    );
    golden(
        "resource.txt",
        &show::render_resource(&screen, &samples::detail()),
    );
}

#[test]
fn events_and_journal() {
    let page = samples::journal();
    let lines: String = page
        .items
        .iter()
        .map(|entry| story::event_line(&screen(NARROW, false), entry))
        .collect();
    golden("events.txt", &lines);
    golden(
        "journal.txt",
        &events::render_journal(&screen(Some(120), false), &page),
    );
    let mut verification = JournalVerification {
        intact: true,
        entries: 4711,
        head_seq: 4711,
        head_hash: "ab".repeat(32),
        fault: None,
    };
    let whole = events::render_verification(&screen(NARROW, false), &verification);
    verification.intact = false;
    verification.fault = Some("entry 17 does not follow from entry 16".to_owned());
    let broken = events::render_verification(&screen(NARROW, false), &verification);
    golden("verify.txt", &format!("{whole}\n{broken}"));
}

#[test]
fn nothing_there_is_said() {
    let screen = screen(NARROW, false);
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    assert!(lists::render_incidents(&screen, &none, true).contains("No active incidents"));
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    assert!(lists::render_tasks(&screen, &none, true).contains("No open tasks"));
    let mut list = samples::resources();
    list.resources.clear();
    let shown = status::render_resources(&screen, &list, true);
    assert!(
        shown.contains("Nothing matches") && shown.contains("could not be read"),
        "{shown}"
    );
    assert!(!answer::is_yes(""));
}
