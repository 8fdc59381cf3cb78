//! The configuration as a form: groups of settings, and what stands in the way of changing anything.
//!
//! What flows through: the agent's settings in, read anew whenever its configuration has changed; a draft of changes, checked by the
//! agent as it grows. What it never does: throw typed changes away because the file changed meanwhile.

use std::{collections::BTreeSet, sync::Arc};

use leptos::{prelude::*, task::spawn_local};
use steward_api::{
    CheckConfig, ConfigCheckReply, ConfigCheckRequest, ConfigReply, Event, GetConfig, Nothing,
    Role, SettingGroup,
};

use super::{bar, fields, tokens};
use crate::{
    app::App,
    bridge::browser,
    components::{loaded::Loaded, text},
    failure::Failure,
    settings::{self, Draft},
    store::Part,
};

/// The agent is asked so long after the last key, milliseconds.
const CHECK_AFTER: i32 = 400;
/// The group that is unfolded at first.
const FIRST: &str = "autonomy";

/// What the form works on. Copies are the same.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) app: App,
    /// The settings as the agent gave them last.
    pub(super) loaded: Loaded<ConfigReply>,
    /// The changes made here.
    pub(super) draft: RwSignal<Draft>,
    /// What the agent says of them.
    pub(super) checked: RwSignal<Option<Arc<ConfigCheckReply>>>,
    /// Why it could say nothing.
    pub(super) check_failure: RwSignal<Option<Failure>>,
    /// Whether they are being written.
    pub(super) saving: RwSignal<bool>,
    /// Why they were not written.
    pub(super) save_failure: RwSignal<Option<Failure>>,
    /// Whether the changes were written, and are over once the settings have been read again.
    pub(super) written: StoredValue<bool>,
    /// Which groups are unfolded, so that they stay so when the settings are read again.
    unfolded: StoredValue<BTreeSet<String>>,
    turn: StoredValue<u32>,
}

impl Form {
    fn new(app: App) -> Self {
        Self {
            app,
            loaded: Loaded::new(),
            draft: RwSignal::new(Draft::default()),
            checked: RwSignal::new(None),
            check_failure: RwSignal::new(None),
            saving: RwSignal::new(false),
            save_failure: RwSignal::new(None),
            written: StoredValue::new(false),
            unfolded: StoredValue::new(BTreeSet::from([FIRST.to_owned()])),
            turn: StoredValue::new(0),
        }
    }

    /// Reads the settings; changes made here stay where they still are some.
    pub(super) fn read(self) {
        let app = self.app;
        self.loaded
            .read(async move { app.call::<GetConfig>(None, &Nothing {}).await });
    }

    /// Whether a person could change anything now.
    pub(super) fn may_change(self) -> bool {
        let is_writable = self
            .loaded
            .value
            .with(|reply| reply.as_ref().is_some_and(|reply| reply.file.writable));
        is_writable && self.app.store.may(Role::Admin) && self.app.store.is_live()
    }

    /// Changes the draft, and has it checked a little later.
    pub(super) fn change(self, change: impl FnOnce(&mut Draft)) {
        self.draft.update(change);
        self.save_failure.set(None);
        self.check_soon();
    }

    /// Has the agent look at the changes, once no further one comes.
    pub(super) fn check_soon(self) {
        self.turn.update_value(|turn| *turn = turn.wrapping_add(1));
        let turn = self.turn.get_value();
        if self.draft.with_untracked(Draft::count) == 0 {
            self.checked.set(None);
            self.check_failure.set(None);
            return;
        }
        browser::after(CHECK_AFTER, move || {
            if self.turn.try_get_value() == Some(turn) {
                spawn_local(self.check(turn));
            }
        });
    }

    async fn check(self, turn: u32) {
        let Some(edits) = self.draft.try_with_untracked(Draft::edits) else {
            return;
        };
        let request = ConfigCheckRequest { edits };
        let reply = self.app.call::<CheckConfig>(None, &request).await;
        // The screen may be gone by now, or a later change be on its way.
        if self.turn.try_get_value() != Some(turn) {
            return;
        }
        match reply {
            Ok(reply) => {
                self.check_failure.set(None);
                self.checked.set(Some(Arc::new(reply)));
            }
            Err(failure) => {
                self.checked.set(None);
                self.check_failure.set(Some(failure));
            }
        }
    }
}

/// The section: everything that can be set.
pub(super) fn configuration(app: App) -> AnyView {
    let form = Form::new(app);
    let store = app.store;
    // Read at first, and again whenever the agent has taken up or refused a file.
    let told = Memo::new(move |_| {
        store.read(&[Part::Journal], |world| {
            let is_of_it = |event: &Event| {
                matches!(
                    event,
                    Event::ConfigReloaded { .. }
                        | Event::ConfigRefused { .. }
                        | Event::TokenMade { .. }
                        | Event::TokenRevoked { .. }
                )
            };
            let told = world.journal.iter().filter(|one| is_of_it(&one.event));
            told.map(|one| one.seq).max()
        })
    });
    Effect::new(move |_| {
        told.with(|_| ());
        form.read();
    });
    Effect::new(move |_| {
        if let Some(reply) = form.loaded.value.get() {
            let is_written = form.written.get_value();
            form.written.set_value(false);
            form.draft.update(|draft| {
                if is_written {
                    draft.clear();
                } else {
                    draft.rebase(&reply);
                }
            });
            form.check_soon();
        }
    });
    // Built anew only where something has changed, for that takes the focus away.
    let reply = Memo::new(move |_| form.loaded.value.get());
    let shown = move || match reply.get() {
        Some(reply) => groups(form, &reply),
        None => match form.loaded.failure.get() {
            Some(failure) => text::failed(&failure),
            None => text::reading(),
        },
    };
    view! {
        <section
            class="configuration"
            aria-label="Configuration"
            data-testid="configuration"
        >
            {text::heading("Configuration", None)}
            {move || notes(form)}
            {shown}
            {tokens::section(form)}
            {bar::bar(form)}
        </section>
    }
    .into_any()
}

/// Where the file is, what is wrong with it, and why nothing can be changed, where that is so.
fn notes(form: Form) -> AnyView {
    let store = form.app.store;
    let refused = store.read(&[Part::Status], |world| {
        world
            .status
            .as_ref()
            .and_then(|status| status.config_error.clone())
    });
    let refused = refused.map(|error| {
        view! {
            <div class="failed" role="alert" data-testid="config-error">
                <p class="strong">
                    "The configuration on disk is refused; the one before goes on."
                </p>
                <p>{error}</p>
            </div>
        }
    });
    let Some(reply) = form.loaded.value.get() else {
        return refused.into_any();
    };
    let place = reply.file.path.clone().map(|path| {
        let there = if reply.file.hash == steward_api::NO_FILE {
            "There is no configuration file yet; the first change makes "
        } else {
            "Changes are written into "
        };
        view! {
            <p class="quiet" data-testid="config-file">
                {there} <code>{path}</code>
                ", and its comments stay. Changed there by hand it is read at once."
            </p>
        }
    });
    let held = if !reply.file.writable {
        reply.file.reason.clone()
    } else if !store.may(Role::Admin) {
        Some("You can look at the settings. Only an admin can change them.".to_owned())
    } else {
        None
    };
    let held = held.map(|why| view! { <p class="held" data-testid="config-held">{why}</p> });
    view! { {refused} {place} {held} }.into_any()
}

fn groups(form: Form, reply: &Arc<ConfigReply>) -> AnyView {
    let groups: Vec<AnyView> = reply.groups.iter().map(|one| group(form, one)).collect();
    view! { <div class="setting-groups">{groups}</div> }.into_any()
}

fn group(form: Form, group: &SettingGroup) -> AnyView {
    let keys: Vec<String> = group.settings.iter().map(|one| one.key.clone()).collect();
    let changed = move || {
        let count = form
            .draft
            .with(|draft| keys.iter().filter(|key| draft.is_changed(key)).count());
        (count > 0).then(|| view! { <span class="changed">{settings::changes(count)}</span> })
    };
    let name = group.name.clone();
    let fold = move || {
        form.unfolded.update_value(|all| {
            if !all.remove(&name) {
                all.insert(name.clone());
            }
        });
    };
    let fields: Vec<AnyView> = group
        .settings
        .iter()
        .map(|one| fields::setting(form, Arc::new(one.clone())))
        .collect();
    view! {
        <details
            class="card group"
            open=form.unfolded.with_value(|all| all.contains(&group.name))
            data-testid="setting-group"
            data-group=group.name.clone()
        >
            <summary on:click=move |_| fold()>
                <span class="strong">{group.title.clone()}</span>
                " "
                <span class="quiet">{group.help.clone()}</span>
                " "
                {changed}
            </summary>
            <div class="fields">{fields}</div>
        </details>
    }
    .into_any()
}
