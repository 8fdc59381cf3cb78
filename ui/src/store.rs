//! The world as signals: whoever shows a part of it looks again when that part has changed.
//!
//! What flows through: replies and events in, by the one reducer; signals out, one for each part and, as memos, one for each entity. What it
//! never does: I/O.

use std::sync::Arc;

use jiff::Timestamp;
use leptos::prelude::*;
use steward_api::{Autonomy, Envelope, Incident, IncidentId, ResourceId, Role, Task, TaskId};

use crate::{
    bridge::browser,
    failure::Failure,
    session::{Link, Presence},
    world::{Entry, Touched, World},
};

/// A part of the world that changes by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Resources,
    Incidents,
    Tasks,
    Journal,
    Conversations,
    Status,
    Security,
}

/// The world and its signals. A handle: copies show the same.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    world: StoredValue<World>,
    resources: RwSignal<u32>,
    incidents: RwSignal<u32>,
    tasks: RwSignal<u32>,
    journal: RwSignal<u32>,
    conversations: RwSignal<u32>,
    status: RwSignal<u32>,
    security: RwSignal<u32>,
    /// How the connection to the agent is.
    pub(crate) link: RwSignal<Link>,
    /// Who is signed in.
    pub(crate) presence: RwSignal<Presence>,
    /// The time, every second.
    pub(crate) now: RwSignal<Timestamp>,
    /// Why incidents and tasks could not be read, where the agent refused that.
    pub(crate) unread: RwSignal<Option<Failure>>,
    /// When the last sign of the agent came.
    pub(crate) heard_at: RwSignal<Option<Timestamp>>,
    /// Rises whenever everything was read anew: what pages have read by themselves is then old.
    pub(crate) readings: RwSignal<u32>,
    /// Rises every few seconds while the page is seen and the line is live, for what no event tells.
    pub(crate) pulse: RwSignal<u32>,
}

impl Store {
    /// An empty world.
    pub(crate) fn new() -> Self {
        Self {
            world: StoredValue::new(World::default()),
            resources: RwSignal::new(0),
            incidents: RwSignal::new(0),
            tasks: RwSignal::new(0),
            journal: RwSignal::new(0),
            conversations: RwSignal::new(0),
            status: RwSignal::new(0),
            security: RwSignal::new(0),
            link: RwSignal::new(Link::default()),
            presence: RwSignal::new(Presence::default()),
            now: RwSignal::new(browser::now()),
            unread: RwSignal::new(None),
            heard_at: RwSignal::new(None),
            readings: RwSignal::new(0),
            pulse: RwSignal::new(0),
        }
    }

    const fn version(self, part: Part) -> RwSignal<u32> {
        match part {
            Part::Resources => self.resources,
            Part::Incidents => self.incidents,
            Part::Tasks => self.tasks,
            Part::Journal => self.journal,
            Part::Conversations => self.conversations,
            Part::Status => self.status,
            Part::Security => self.security,
        }
    }

    /// Looks at the world; looks again whenever one of these parts has changed.
    pub(crate) fn read<T>(self, parts: &[Part], look: impl FnOnce(&World) -> T) -> T {
        for part in parts {
            self.version(*part).track();
        }
        self.world.with_value(look)
    }

    /// Looks at the world once.
    pub(crate) fn peek<T>(self, look: impl FnOnce(&World) -> T) -> T {
        self.world.with_value(look)
    }

    /// Changes the world, and tells whoever shows what was touched.
    pub(crate) fn change(self, change: impl FnOnce(&mut World) -> Touched) -> Touched {
        let mut touched = Touched::default();
        self.world.update_value(|world| touched = change(world));
        for (is, part) in [
            (touched.resources, Part::Resources),
            (touched.incidents, Part::Incidents),
            (touched.tasks, Part::Tasks),
            (touched.journal, Part::Journal),
            (touched.conversations, Part::Conversations),
            (touched.status, Part::Status),
            (touched.security, Part::Security),
        ] {
            if is {
                self.version(part)
                    .update(|version| *version = version.wrapping_add(1));
            }
        }
        touched
    }

    /// Takes in what happened, all at once: what shows it is drawn once.
    pub(crate) fn apply(self, events: impl IntoIterator<Item = Envelope>) -> Touched {
        self.change(|world| {
            events
                .into_iter()
                .fold(Touched::default(), |touched, event| {
                    touched.and(world.apply(event))
                })
        })
    }

    /// One resource.
    pub(crate) fn resource(self, id: ResourceId) -> Memo<Option<Arc<Entry>>> {
        Memo::new(move |_| {
            self.read(&[Part::Resources], |world| {
                world.resources.get(&id).cloned()
            })
        })
    }

    /// One incident.
    pub(crate) fn incident(self, id: IncidentId) -> Memo<Option<Arc<Incident>>> {
        Memo::new(move |_| {
            self.read(&[Part::Incidents], |world| {
                world.incidents.get(&id).cloned()
            })
        })
    }

    /// One task.
    pub(crate) fn task(self, id: TaskId) -> Memo<Option<Arc<Task>>> {
        Memo::new(move |_| self.read(&[Part::Tasks], |world| world.tasks.get(&id).cloned()))
    }

    /// The autonomy in force.
    pub(crate) fn autonomy(self) -> Option<Autonomy> {
        self.read(&[Part::Status], |world| world.autonomy)
    }

    /// Whether whoever is signed in has this role or a higher one.
    pub(crate) fn may(self, role: Role) -> bool {
        self.presence.with(|presence| {
            presence
                .session()
                .is_some_and(|session| session.role >= role)
        })
    }

    /// Whether what is shown is current.
    pub(crate) fn is_live(self) -> bool {
        self.link.with(Link::is_live)
    }

    /// The same, looked at once.
    pub(crate) fn is_live_now(self) -> bool {
        self.link.with_untracked(Link::is_live)
    }
}
