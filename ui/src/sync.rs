//! The line to the agent: made, watched, lost, got back; and what keeps the world current through it.
//!
//! What flows through: the session, the event stream and whole readings in, changes of the store out. The stream is opened before anything is
//! read and its events are held until the reading is in, so that nothing falls between the two. What it never does: show what may be old as
//! current. The line counts as live only after everything was read through it.

use futures_util::future;
use leptos::{prelude::*, task::spawn_local};
use steward_api::{
    Envelope, GetSecuritySummary, GetStatus, Incident, IncidentQuery, IncidentState, ListIncidents,
    ListResources, ListTasks, Nothing, ResourceKind, ResourceQuery, Task, TaskQuery, TaskState,
};

use crate::{
    app::App,
    bridge::{self, Heard, Stream, browser},
    failure::Failure,
    route::Route,
    session::{Link, Presence, SignIn},
    world::{Touched, World},
};

/// Between two looks at the agent's status, milliseconds; also the longest time in which a silent break goes unseen.
const PULSE: i32 = 10_000;
/// Events that come together are shown together, milliseconds.
const GATHER: i32 = 25;
/// After an event the rest of what it is about is read, milliseconds later: the longer the list is, the later.
const READ_AFTER_EVENT: i32 = 1_000;
/// So much later for each resource, milliseconds.
const READ_LATER_FOR_EACH: i32 = 4;
/// But never later than this, milliseconds.
const READ_LATEST: i32 = 10_000;
/// So many incidents or tasks are read at once.
const MOST: u32 = 1000;
/// So many tasks of lately are read, whatever became of them.
const LATELY: u32 = 50;

/// The line to the agent.
#[derive(Default)]
pub(crate) struct Line {
    stream: Option<Stream>,
    /// Rises with each attempt: what belongs to an earlier one is no longer heard.
    attempt: u32,
    /// Events that are not shown yet.
    held: Vec<Envelope>,
    /// Whether everything is being read.
    reading: bool,
    /// Whether the held events are about to be shown.
    gathering: bool,
    /// Whether the resources are about to be read.
    reading_resources: bool,
    /// Whether the status is being asked for.
    checking: bool,
    pulses: u32,
}

/// Watches the line for as long as the page lives.
pub(crate) fn watch(app: App) {
    browser::every(1_000, move || app.store.now.set(browser::now()));
    browser::every(PULSE, move || pulse(app));
    browser::on_wake(move || {
        app.store.now.set(browser::now());
        if app.store.link.with_untracked(Link::is_live) {
            check(app);
        } else if is_in(app) {
            connect(app);
        }
    });
    browser::on_offline(move || {
        if is_in(app) {
            lost(app, Failure::Unreachable);
        }
    });
}

fn is_in(app: App) -> bool {
    app.store
        .presence
        .with_untracked(|presence| presence.session().is_some())
}

/// Begins a new attempt; what is left of the one before is closed.
fn begin(app: App) -> u32 {
    let mut old = None;
    let mut attempt = 0;
    app.line.update_value(|line| {
        old = line.stream.take();
        line.attempt = line.attempt.wrapping_add(1);
        line.held.clear();
        line.reading = false;
        attempt = line.attempt;
    });
    if let Some(old) = old {
        old.close();
        // Its listener may be the one that is running.
        browser::after(0, move || drop(old));
    }
    attempt
}

fn is_current(app: App, attempt: u32) -> bool {
    app.line.with_value(|line| line.attempt == attempt)
}

/// Asks who is signed in, then listens and reads.
pub(crate) fn connect(app: App) {
    let attempt = begin(app);
    spawn_local(async move {
        let session = bridge::session().await;
        if !is_current(app, attempt) {
            return;
        }
        match session {
            Ok(session) => {
                let presence = Presence::In(session);
                if app
                    .store
                    .presence
                    .with_untracked(|known| *known != presence)
                {
                    app.store.presence.set(presence);
                }
                listen(app, attempt);
            }
            Err(Failure::SignedOut) => {
                let had_session = is_in(app);
                signed_out(app, had_session.then_some("Your session has ended."));
            }
            Err(failure) => lost(app, failure),
        }
    });
}

/// Signs in by the code of a link, then connects. Whoever is signed in already stays so where the link is over.
pub(crate) fn enter(app: App, code: String) {
    let attempt = begin(app);
    spawn_local(async move {
        let entered = bridge::sign_in(SignIn::Link(&code)).await;
        if !is_current(app, attempt) {
            return;
        }
        let why = match entered {
            Ok(_) => return connect(app),
            Err(Failure::SignedOut) => {
                "This sign-in link was used already, or its time is over. Sign in with a token, or ask for another link with “steward sign-in” on the agent's machine.".to_owned()
            }
            Err(failure) => format!(
                "{}. {} Then open the link again.",
                failure.title(),
                failure.advice()
            ),
        };
        let session = bridge::session().await;
        if !is_current(app, attempt) {
            return;
        }
        if session.is_ok() {
            connect(app);
        } else {
            signed_out(app, Some(&why));
        }
    });
}

fn listen(app: App, attempt: u32) {
    app.line.update_value(|line| line.reading = true);
    match bridge::follow(move |heard| hear(app, attempt, heard)) {
        Ok(stream) => app.line.update_value(|line| line.stream = Some(stream)),
        Err(failure) => lost(app, failure),
    }
}

fn hear(app: App, attempt: u32, heard: Heard) {
    if !is_current(app, attempt) {
        return;
    }
    match heard {
        Heard::Open => read_all(app, attempt),
        Heard::Event(envelope) => {
            app.line.update_value(|line| line.held.push(*envelope));
            gather(app);
        }
        Heard::Reload => connect(app),
        Heard::Lost(failure) => lost(app, failure),
        Heard::Strange(what) => lost(
            app,
            Failure::Unreadable(format!("An event is not of this version: {what}")),
        ),
    }
}

/// Shows the held events a moment later, all together.
fn gather(app: App) {
    let mut due = false;
    app.line.update_value(|line| {
        due = !line.reading && !line.gathering && !line.held.is_empty();
        line.gathering |= due;
    });
    if due {
        browser::after(GATHER, move || {
            app.line.update_value(|line| line.gathering = false);
            show(app);
        });
    }
}

fn show(app: App) {
    let mut events = Vec::new();
    app.line.update_value(|line| {
        if !line.reading {
            events = std::mem::take(&mut line.held);
        }
    });
    if events.is_empty() {
        return;
    }
    let touched = app.store.apply(events);
    app.store.heard_at.set(Some(browser::now()));
    if touched.read_resources {
        read_resources_soon(app);
    }
    if touched.read_status {
        check(app);
    }
}

/// The line is lost: said at once, and tried again.
pub(crate) fn lost(app: App, failure: Failure) {
    let attempt = begin(app);
    let link = app
        .store
        .link
        .with_untracked(|link| link.lost(browser::now(), failure));
    let wait = link.retry_after();
    app.store.link.set(link);
    browser::after(wait, move || {
        if is_current(app, attempt) {
            connect(app);
        }
    });
}

/// Nobody is signed in (any more): what was read is forgotten.
pub(crate) fn signed_out(app: App, why: Option<&str>) {
    begin(app);
    app.store.change(|world| {
        *world = World::default();
        Touched {
            resources: true,
            incidents: true,
            tasks: true,
            journal: true,
            conversations: true,
            status: true,
            security: true,
            ..Touched::default()
        }
    });
    app.store.link.set(Link::Connecting);
    app.store.presence.set(Presence::Out {
        why: why.map(str::to_owned),
    });
}

/// What only the store of the agent can tell; it may be out of order while the agent watches on.
struct FromStore {
    incidents: Vec<Incident>,
    tasks: Vec<Task>,
}

fn read_all(app: App, attempt: u32) {
    app.line.update_value(|line| line.reading = true);
    spawn_local(async move {
        let (status, resources, stored, security) = future::join4(
            bridge::call::<GetStatus>(None, &Nothing {}),
            bridge::call::<ListResources>(None, &ResourceQuery::default()),
            from_store(),
            bridge::call::<GetSecuritySummary>(None, &Nothing {}),
        )
        .await;
        if !is_current(app, attempt) {
            return;
        }
        let (status, resources, stored) = match (status, resources, stored) {
            (Ok(status), Ok(resources), Err(refused @ Failure::Refused(_))) => {
                (status, resources, Err(refused))
            }
            (Ok(status), Ok(resources), Ok(stored)) => (status, resources, Ok(stored)),
            (Err(failure), _, _) | (_, Err(failure), _) | (_, _, Err(failure)) => {
                match failure {
                    Failure::SignedOut => signed_out(app, Some("Your session has ended.")),
                    failure => lost(app, failure),
                }
                return;
            }
        };
        app.store.unread.set(stored.as_ref().err().cloned());
        app.store.change(|world| {
            world.begin_stream();
            let mut touched = world
                .load_status(status)
                .and(world.load_resources(resources))
                // Where the agent does not tell it, it is not known, and all else is there.
                .and(world.load_security(security.ok()));
            if let Ok(stored) = stored {
                touched = touched
                    .and(world.load_incidents(stored.incidents))
                    .and(world.load_tasks(stored.tasks));
            }
            Touched {
                journal: true,
                ..touched
            }
        });
        app.line.update_value(|line| line.reading = false);
        app.store.heard_at.set(Some(browser::now()));
        show(app);
        app.store.link.set(Link::Live);
        app.store
            .readings
            .update(|readings| *readings = readings.wrapping_add(1));
    });
}

async fn from_store() -> Result<FromStore, Failure> {
    let incidents = |query: IncidentQuery| async move {
        bridge::call::<ListIncidents>(None, &query)
            .await
            .map(|page| page.items)
    };
    let tasks = |query: TaskQuery| async move {
        bridge::call::<ListTasks>(None, &query)
            .await
            .map(|page| page.items)
    };
    let in_state = |state| TaskQuery {
        state: Some(state),
        limit: Some(MOST),
        ..TaskQuery::default()
    };
    let ((mut active, over), (pending, waiting, running, lately)) = future::try_join(
        future::try_join(
            incidents(IncidentQuery {
                state: Some(IncidentState::Active),
                limit: Some(MOST),
                ..IncidentQuery::default()
            }),
            incidents(IncidentQuery {
                state: Some(IncidentState::Resolved),
                since: Some(browser::midnight()),
                limit: Some(MOST),
                ..IncidentQuery::default()
            }),
        ),
        future::try_join4(
            tasks(in_state(TaskState::Pending)),
            tasks(in_state(TaskState::Waiting)),
            tasks(in_state(TaskState::InProgress)),
            tasks(TaskQuery {
                limit: Some(LATELY),
                ..TaskQuery::default()
            }),
        ),
    )
    .await?;
    active.extend(over);
    // The ones asked for by state were asked for at the same time; where one stands in two lists, the newer list of all counts.
    let tasks = [pending, waiting, running, lately].concat();
    Ok(FromStore {
        incidents: active,
        tasks,
    })
}

/// Looks whether the agent still answers, and how it is.
pub(crate) fn check(app: App) {
    let mut begin = false;
    let mut attempt = 0;
    app.line.update_value(|line| {
        begin = !line.checking;
        line.checking = true;
        attempt = line.attempt;
    });
    if !begin {
        return;
    }
    spawn_local(async move {
        let status = bridge::call::<GetStatus>(None, &Nothing {}).await;
        app.line.update_value(|line| line.checking = false);
        if !is_current(app, attempt) {
            return;
        }
        match status {
            Ok(status) => {
                app.store.change(|world| world.load_status(status));
                app.store.heard_at.set(Some(browser::now()));
            }
            Err(Failure::SignedOut) => signed_out(app, Some("Your session has ended.")),
            Err(Failure::Refused(_)) => {}
            Err(failure) => lost(app, failure),
        }
    });
}

/// Looks again until when the session lasts; each request makes it last longer.
pub(crate) fn look_at_session(app: App) {
    spawn_local(async move {
        if let Ok(session) = bridge::session().await
            && is_in(app)
        {
            app.store.presence.set(Presence::In(session));
        }
    });
}

/// Every few seconds: a sign of the agent, and what no event tells on the screen that is seen.
fn pulse(app: App) {
    if !app.store.link.with_untracked(Link::is_live) {
        return;
    }
    check(app);
    if browser::is_hidden() {
        return;
    }
    let mut pulses = 0;
    app.line.update_value(|line| {
        line.pulses = line.pulses.wrapping_add(1);
        pulses = line.pulses;
    });
    app.store
        .pulse
        .update(|pulse| *pulse = pulse.wrapping_add(1));
    match app.screen.get_untracked() {
        Route::Overview => {
            read_kind(app, ResourceKind::Host);
            read_kind(app, ResourceKind::Disk);
        }
        Route::Resources(_) | Route::Map(_) if pulses % 2 == 0 => read_resources(app),
        _ => {}
    }
}

fn read_resources_soon(app: App) {
    let mut due = false;
    app.line.update_value(|line| {
        due = !line.reading_resources;
        line.reading_resources = true;
    });
    if due {
        let many = app.store.peek(|world| world.resources.len());
        let later = i32::try_from(many)
            .unwrap_or(i32::MAX)
            .saturating_mul(READ_LATER_FOR_EACH);
        let wait = READ_AFTER_EVENT.saturating_add(later).min(READ_LATEST);
        browser::after(wait, move || {
            app.line.update_value(|line| line.reading_resources = false);
            if app.store.link.with_untracked(Link::is_live) {
                read_resources(app);
            }
        });
    }
}

fn read_resources(app: App) {
    spawn_local(async move {
        if let Ok(list) = app
            .call::<ListResources>(None, &ResourceQuery::default())
            .await
            && is_in(app)
        {
            app.store.change(|world| world.load_resources(list));
        }
    });
}

fn read_kind(app: App, kind: ResourceKind) {
    spawn_local(async move {
        let query = ResourceQuery {
            kind: Some(kind),
            ..ResourceQuery::default()
        };
        if let Ok(list) = app.call::<ListResources>(None, &query).await
            && is_in(app)
        {
            app.store
                .change(|world| world.merge_resources(list.resources));
        }
    });
}
