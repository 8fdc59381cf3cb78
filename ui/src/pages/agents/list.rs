//! The list of conversations, filtered by words, the one spoken in last first.

use std::{collections::BTreeMap, sync::Arc};

use leptos::prelude::*;
use steward_api::{Conversation, ConversationId, ConversationQuery, ListConversations};

use super::Roster;
use crate::{
    app::App,
    components::{conversation, pages::Pages, text},
    filter::ConversationFilter,
    route::Route,
    store::Part,
};

/// So many are read at once.
const PAGE: u32 = 50;

/// The section.
pub(super) fn conversations(app: App, roster: Roster) -> AnyView {
    let store = app.store;
    let filter = Memo::new(move |_| {
        app.route.with(|route| match route {
            Route::Agents(filter) => filter.clone(),
            _ => ConversationFilter::default(),
        })
    });
    let pages: Pages<Conversation> = Pages::new();
    let read = move |first: bool| {
        let before = if first {
            None
        } else {
            pages.next.get_untracked()
        };
        pages.read(first, async move {
            let query = ConversationQuery {
                before,
                limit: Some(PAGE),
                ..ConversationQuery::default()
            };
            let page = app.call::<ListConversations>(None, &query).await?;
            // Known to the palette, too.
            app.store
                .change(|world| world.merge_conversations(page.items.iter().cloned()));
            Ok(page)
        });
    };
    Effect::new(move |_| {
        store.readings.track();
        read(true);
    });
    // What was read, and what came through the stream since.
    let all = Memo::new(move |_| {
        let mut all: BTreeMap<ConversationId, Arc<Conversation>> = BTreeMap::new();
        pages.items.with(|items| {
            for one in items {
                all.insert(one.id, Arc::clone(one));
            }
        });
        let oldest = all.keys().next().copied();
        store.read(&[Part::Conversations], |world| {
            for one in &world.conversations {
                if oldest.is_none_or(|oldest| one.id >= oldest) {
                    all.insert(one.id, Arc::clone(one));
                }
            }
        });
        filter.with(|filter| filter.apply(all.values()))
    });
    let busy = roster.busy();
    let nothing = move || {
        (all.with(Vec::is_empty) && pages.reading.value.with(Option::is_some)).then(|| {
            if filter.with(|filter| filter.search.trim().is_empty()) {
                text::empty(
                    "No conversation yet.",
                    "What people ask and what specialists answer stands here, with what each answer rests on.",
                )
            } else {
                text::empty(
                    "None that was read fits.",
                    "Show older ones below, or search for less.",
                )
            }
        })
    };
    view! {
        <section aria-label="Conversations" data-testid="conversations">
            {text::heading("Conversations", None)}
            {search(app, filter)}
            <div class="card rows">
                <For
                    each=move || all.get()
                    key=|one| (one.id, one.messages, one.last_at)
                    children=move |one| {
                        let id = one.id;
                        conversation::row(
                            app,
                            &one,
                            move || busy.with(|busy| busy.contains(&id)),
                        )
                    }
                />
                {nothing}
                {pages.state(move || read(true))}
            </div>
            {pages.more(move || read(false))}
        </section>
    }
    .into_any()
}

fn search(app: App, filter: Memo<ConversationFilter>) -> AnyView {
    view! {
        <form
            class="filters"
            role="search"
            on:submit=|event| event.prevent_default()
            aria-label="Filter the conversations"
        >
            <input
                type="search"
                placeholder="Search words, a name, an incident or a task"
                aria-label="Search"
                aria-keyshortcuts="/"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || filter.with(|filter| filter.search.clone())
                on:input=move |event| {
                    let search = event_target_value(&event);
                    app.refine(Route::Agents(ConversationFilter { search }));
                }
                data-testid="search"
            />
        </form>
    }
    .into_any()
}
