//! Golden scenarios: a short text tells what happens to a machine, and the flow's whole answer is compared with a golden text.
//!
//! What flows through: `tests/scenarios/<name>.scenario` in; every change of an incident, diagnosis, decision, plan, wake-up and task
//! out, compared with `<name>.golden` beside it. `UPDATE_GOLDEN=1 cargo test -p steward --lib scenarios` writes the golden texts anew;
//! read the difference as an operator would before it is kept. Nothing here waits or does I/O but for reading these files: the flow is
//! pure, so an hour of a scenario takes no time.
//!
//! # The words of a scenario
//!
//! One thing on a line; `#` begins a remark; what stands in `"…"` is one word. First how it is, then what happens:
//!
//! ```text
//! start 2026-01-05T12:00:00                # the local time at the beginning; this Monday noon by default
//! config guards.max_restarts_per_hour = 1  # a line of the configuration file, with its section before a dot
//! container db image=postgres:16 policy=always healthcheck port memory=256 cpu=1 depends_on=a,b:healthy,c:completed
//! container old exited=1:5m                # it ended with code 1 five minutes ago; or `created`
//! container web critical auto_restart=true max_restarts=1 rm
//! service shop container=web               # also: database, disk, unit, network; `host` and the engine are there by themselves
//! tasks ok after 11s                       # how tasks end from here on, see below; may stand in the middle too (`at 5m tasks …`)
//!
//! at 0s    db dies 1                       # `dies 137 oom`; `unseen db dies 1` happens without an event
//! at 1s    db starts                       # also with `unseen`; and `db restarting 1`: the engine waits before it starts it
//! at 2s    db killed 15                    # somebody sends it a signal through the engine
//! at 2.1s  db stopped                      # a stop through the engine has come to its end
//! at 3s    db unhealthy "no answer"        # its health check fails; `healthy`, `checking`
//! at 3s    db oom-child                    # a part of it is killed for memory, and it goes on
//! at 4s    db removed                      # `recreated`: removed, then made and started anew
//! at 5s    db memory=95 cpu=40             # gauges; `/var disk=91`, `shop latency=3000`, `pg connections=97`
//! at 5s    shop fails "no answer"          # readings of anything but containers; `answers`, `unreadable`
//! at 6s    log db "a line"                 # the last line of its log
//! at 7s    engine silent                   # `engine answers`
//! at 8s    approve                         # a person answers the open question; `reject`, `heal db`
//! at 9s    autonomy autopilot              # a person changes the level
//! at 9s    journal fails                   # `journal works`
//! at 5m    end
//! ```
//!
//! Tasks end as the word after `tasks` says, so long after they were begun as `after` says: `ok` (done, verified), `dies` (a restarted
//! container ends again after one second), `error` (the action returns an error), `skipped` (the precondition no longer holds),
//! `never` (they stay under way). Everything is read every 30 s, and the engine's events are known at once.

mod carry;
mod run;
mod script;
mod stage;
mod tell;

mod properties;

use std::{fmt::Write, fs, path::Path};

use run::Runner;
use script::Script;

/// The story of a scenario.
fn story(text: &str) -> String {
    Runner::new(Script::parse(text)).run()
}

/// Where they differ first, for a person.
fn difference(golden: &str, now: &str) -> String {
    let mut text = String::new();
    let (mut old, mut new) = (golden.lines(), now.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (before, after) if before == after => {}
            (before, after) => {
                let _ = write!(
                    text,
                    "  line {number}\n  - {}\n  + {}\n",
                    before.unwrap_or("(end)"),
                    after.unwrap_or("(end)")
                );
                break;
            }
        }
    }
    text
}

#[test]
fn scenarios_are_told_as_their_golden_texts_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "scenario"))
        .collect();
    names.sort();
    assert!(names.len() >= 25, "only {} scenarios", names.len());
    let mut wrong = String::new();
    for path in names {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let told = std::panic::catch_unwind(|| story(&fs::read_to_string(&path).unwrap()));
        let Ok(told) = told else {
            let _ = writeln!(wrong, "{name}: it could not be told; see above");
            continue;
        };
        let golden_path = path.with_extension("golden");
        if update {
            fs::write(&golden_path, &told).unwrap();
            continue;
        }
        let golden = fs::read_to_string(&golden_path).unwrap_or_default();
        if golden != told {
            let _ = write!(wrong, "{name}:\n{}", difference(&golden, &told));
        }
    }
    assert!(
        wrong.is_empty(),
        "told otherwise than before (UPDATE_GOLDEN=1 keeps what is told now):\n{wrong}"
    );
}

#[test]
fn a_scenario_is_told_the_same_way_twice() {
    let text = "container db port\ncontainer app depends_on=db port\nat 0s db dies 1\nat 0s app dies 1\nat 1h end";
    assert_eq!(story(text), story(text));
}
