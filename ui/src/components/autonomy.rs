//! The autonomy switch: what each level does, in plain words.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{Autonomy, Role};

use super::text;
use crate::{app::App, deeds, failure::Failure, format};

/// The switch. Whoever may not change it sees what is in force.
pub(crate) fn switch(app: App) -> AnyView {
    let store = app.store;
    let busy = RwSignal::new(None::<Autonomy>);
    let failure = RwSignal::new(None::<Failure>);
    let choose = move |level: Autonomy| {
        if busy.get_untracked().is_some() {
            return;
        }
        busy.set(Some(level));
        failure.set(None);
        spawn_local(async move {
            let changed = deeds::set_autonomy(app, level).await;
            busy.try_set(None);
            if let Err(refused) = changed {
                failure.try_set(Some(refused));
            }
        });
    };
    let levels: Vec<AnyView> = Autonomy::ALL
        .into_iter()
        .map(|level| {
            let is_on = move || busy.get().or(store.autonomy()) == Some(level);
            view! {
                <label class="level" class:on=is_on>
                    <input
                        type="radio"
                        name="autonomy"
                        value=level.as_str()
                        prop:checked=is_on
                        disabled=move || {
                            !store.may(Role::Admin) || !store.is_live() || busy.get().is_some()
                        }
                        on:change=move |_| choose(level)
                        data-testid=format!("autonomy-{level}")
                    />
                    <span class="words">
                        <span class="main-words">{format::capital(level.as_str())}</span>
                        <span class="sub-words">{level.explanation()}</span>
                    </span>
                </label>
            }
            .into_any()
        })
        .collect();
    view! {
        <fieldset class="levels" data-testid="autonomy">
            <legend class="hidden-words">"How much Steward may do by itself"</legend>
            {levels}
            <p class="quiet small">
                {move || {
                    if store.may(Role::Admin) {
                        "Holds until the configuration changes or the agent starts anew."
                    } else {
                        "Only an admin can change this."
                    }
                }}
            </p>
            {move || failure.get().map(|failure| text::failed(&failure))}
        </fieldset>
    }
    .into_any()
}
