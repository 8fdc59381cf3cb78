//! What may be asked to be done to a resource: each action with its risk and exactly what it would be.
//!
//! What flows through: the agent's offers in, a person's wish for one of them out. What it never does: have anything done by one click alone,
//! or offer what the agent does not.

use std::sync::Arc;

use leptos::{prelude::*, task::spawn_local};
use steward_api::{
    ListOffers, OfferedAction, Offers, ResourceId, ResourceIdQuery, ResourceKind, Role,
};

use crate::{
    app::App,
    components::{loaded::Loaded, marks::mark, text},
    deeds,
    failure::Failure,
    marks,
    route::Route,
};

/// The section. `changes` is looked at for when to read the offers anew.
pub(super) fn section(
    app: App,
    id: &ResourceId,
    changes: impl Fn() + Copy + Send + Sync + 'static,
) -> AnyView {
    let offers: Loaded<Offers> = Loaded::new();
    let is_container = id.kind == ResourceKind::Container;
    let id = StoredValue::new(id.clone());
    let read = move || {
        offers.read(async move {
            let query = ResourceIdQuery { id: id.get_value() };
            app.call::<ListOffers>(None, &query).await
        });
    };
    Effect::new(move |_| {
        changes();
        read();
    });
    let shown = offers.show(read, move || {
        (move || offers.value.get().map(|offers| list(app, &offers))).into_any()
    });
    view! {
        <section class="offers" class:many=is_container aria-label="What may be asked for" data-testid="offers">
            {text::heading("What may be asked for", None)} <div class="card rows">{shown}</div>
        </section>
    }
    .into_any()
}

fn list(app: App, offers: &Offers) -> AnyView {
    if offers.actions.is_empty() {
        return text::empty(
            "Nothing, as it is now.",
            "Steward knows no action that could be done to it.",
        );
    }
    let chosen = RwSignal::new(None::<usize>);
    offers
        .actions
        .iter()
        .enumerate()
        .map(|(place, offer)| row(app, &offers.resource, offer, place, chosen))
        .collect::<Vec<_>>()
        .into_any()
}

/// An action's name as people write it.
fn name_of(offer: &OfferedAction) -> String {
    let mut words = offer.action.as_str().replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// How often it was done here, in words.
fn record_of(offer: &OfferedAction) -> String {
    let record = &offer.record;
    let done = record.successes_here + record.failures_here;
    match done {
        0 => "not done here yet".to_owned(),
        _ => format!("worked here {} of {done} times", record.successes_here),
    }
}

fn row(
    app: App,
    id: &ResourceId,
    offer: &OfferedAction,
    place: usize,
    chosen: RwSignal<Option<usize>>,
) -> AnyView {
    let store = app.store;
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let wish = Arc::new((id.clone(), offer.action));
    let is_chosen = move || chosen.get() == Some(place);
    let ask = move |_| {
        if busy.get_untracked() {
            return;
        }
        if chosen.get_untracked() != Some(place) {
            chosen.set(Some(place));
            return;
        }
        busy.set(true);
        failure.set(None);
        let wish = Arc::clone(&wish);
        spawn_local(async move {
            let asked = deeds::ask_for(app, wish.0.clone(), wish.1).await;
            // The screen may be gone by now.
            busy.try_set(false);
            chosen.try_set(None);
            match asked {
                Ok(reply) => app.go(&Route::Task(reply.task)),
                Err(refused) => {
                    failure.try_set(Some(refused));
                }
            }
        });
    };
    let words = move || {
        if busy.get() {
            "Asking…"
        } else if is_chosen() {
            "Yes, ask for it"
        } else {
            "Ask for it"
        }
    };
    view! {
        <div class="offer" data-testid="offer" data-action=offer.action.as_str()>
            <div>
                <strong>{name_of(offer)}</strong>
                " "
                {mark(marks::risk(offer.risk))}
                <p>{offer.plan.clone()}</p>
                <p class="quiet">{record_of(offer)}</p>
                {move || failure.get().map(|failure| text::failed(&failure))}
            </div>
            <div class:hidden=move || !store.may(Role::Operator)>
                <button
                    class="button"
                    class:go=is_chosen
                    disabled=move || busy.get() || !store.is_live()
                    on:click=ask
                    title="Guards and approvals hold as always"
                    data-testid="ask-for"
                >
                    {words}
                </button>
            </div>
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use steward_api::{ActionName, RemedyRecord, Risk};

    use super::*;

    #[test]
    fn an_offer_is_told_in_words() {
        let offer = OfferedAction {
            action: ActionName::StopContainer,
            risk: Risk::Medium,
            plan: "Stop web".to_owned(),
            record: RemedyRecord {
                successes_here: 2,
                failures_here: 1,
                ..RemedyRecord::default()
            },
        };
        assert_eq!(name_of(&offer), "Stop container");
        assert_eq!(record_of(&offer), "worked here 2 of 3 times");
    }
}
