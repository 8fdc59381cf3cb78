//! The conversations about an incident or a task, with a way to begin one.
//!
//! What flows through: the agent's list in, kept current by the event stream. What it never does: begin one by itself.

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;
use steward_api::{
    Conversation, ConversationId, ConversationQuery, GetIncident, IncidentId, JARVIS_PRIME,
    ListConversations, Nothing, Role, TaskId,
};

use crate::{
    app::App,
    components::{conversation, pages::Pages, text},
    failure::Failure,
    filter::ConversationFilter,
    route::Route,
    store::Part,
};

/// So many are read at once.
const AT_ONCE: u32 = 10;

/// What conversations are about.
#[derive(Clone, Copy)]
pub(super) enum About {
    /// An incident.
    Incident(IncidentId),
    /// A task, which they are about or which came of them.
    Task(TaskId),
}

impl About {
    const fn query(self) -> ConversationQuery {
        let (incident, task) = match self {
            Self::Incident(id) => (Some(id), None),
            Self::Task(id) => (None, Some(id)),
        };
        ConversationQuery {
            incident,
            task,
            before: None,
            limit: Some(AT_ONCE),
        }
    }

    fn is_of(self, one: &Conversation) -> bool {
        match self {
            Self::Incident(id) => one.incident == Some(id),
            Self::Task(id) => one.task == Some(id) || one.tasks.contains(&id),
        }
    }

    const fn begin(self) -> Route {
        match self {
            Self::Incident(id) => Route::NewConversation {
                incident: Some(id),
                task: None,
            },
            Self::Task(id) => Route::NewConversation {
                incident: None,
                task: Some(id),
            },
        }
    }
}

/// Reads one incident into the world.
///
/// # Errors
/// Why it could not be read.
pub(super) async fn read_incident(app: App, id: IncidentId) -> Result<(), Failure> {
    let incident = app
        .call::<GetIncident>(Some(&id.to_string()), &Nothing {})
        .await?;
    app.store.change(|world| world.merge_incident(incident));
    Ok(())
}

/// The link that begins one; nothing for whoever may only read.
pub(super) fn ask(app: App, about: About) -> AnyView {
    let may_ask = Memo::new(move |_| app.store.may(Role::Operator));
    (move || {
        may_ask.get().then(|| {
            view! {
                <a class="button" href=about.begin().hash() data-testid="ask-jarvis">
                    {format!("Ask {} about this", JARVIS_PRIME.split(' ').next().unwrap_or(JARVIS_PRIME))}
                </a>
            }
        })
    })
    .into_any()
}

/// The section; nothing while there is none.
pub(super) fn section(app: App, about: About) -> AnyView {
    let store = app.store;
    let pages: Pages<Conversation> = Pages::new();
    let page = move |before: Option<i64>| async move {
        let query = ConversationQuery {
            before,
            ..about.query()
        };
        app.call::<ListConversations>(None, &query).await
    };
    let read = move || pages.read(true, page(None));
    let older = move || pages.read(false, page(pages.next.get_untracked()));
    Effect::new(move |_| {
        store.readings.track();
        read();
    });
    let all = Memo::new(move |_| {
        let mut all: BTreeMap<ConversationId, Arc<Conversation>> = BTreeMap::new();
        pages.items.with(|items| {
            for one in items {
                all.insert(one.id, Arc::clone(one));
            }
        });
        store.read(&[Part::Conversations], |world| {
            for one in world.conversations.iter().filter(|one| about.is_of(one)) {
                all.insert(one.id, Arc::clone(one));
            }
        });
        ConversationFilter::default().apply(all.values())
    });
    // A lost line is told once, by the frame; that the agent refused is told here.
    let is_refused = move || {
        pages
            .reading
            .failure
            .with(|failure| matches!(failure, Some(Failure::Refused(_))))
    };
    view! {
        <section
            class="conversations-about"
            class:hidden=move || all.with(Vec::is_empty) && !is_refused()
            aria-label="Conversations about it"
            data-testid="conversations-about"
        >
            {text::heading("Conversations about it", None)}
            <div class="card rows">
                <For
                    each=move || all.get()
                    key=|one| (one.id, one.messages)
                    children=move |one| conversation::row(app, &one, || false)
                /> {pages.state(read)}
            </div>
            {pages.more(older)}
        </section>
    }
    .into_any()
}
