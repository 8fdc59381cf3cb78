//! Whom the desktop shows: its own engine, or one of several agents; and how it starts and ends. Not in a browser.
//!
//! What flows through: how the desktop stands in, what a person chooses out, to the shell. What it never does: keep a token; once it was handed
//! to the shell, the field is empty.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{Chosen, DesktopState, SavedConnection, TestedConnection, Trouble};

use super::connection_forms;
use crate::{
    app::App,
    bridge::{browser, desktop},
    components::text,
    connect::{self, Draft},
    marks::Tone,
    route::Route,
    sync,
};

/// Between two looks at what passes by itself, milliseconds.
const LOOK_AGAIN: i32 = 1_000;

/// What the screen holds.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    app: App,
    pub(super) state: RwSignal<Option<DesktopState>>,
    /// What was tried and did not work.
    trouble: RwSignal<Option<Trouble>>,
    /// What a test showed.
    tested: RwSignal<Option<TestedConnection>>,
    pub(super) busy: RwSignal<bool>,
    pub(super) draft: RwSignal<Draft>,
    /// A token for the connection that is chosen and lacks one.
    pub(super) token: RwSignal<String>,
    pub(super) this_run_only: RwSignal<bool>,
}

impl Screen {
    fn new(app: App) -> Self {
        let screen = Self {
            app,
            state: RwSignal::new(None),
            trouble: RwSignal::new(None),
            tested: RwSignal::new(None),
            busy: RwSignal::new(false),
            draft: RwSignal::new(Draft::default()),
            token: RwSignal::new(String::new()),
            this_run_only: RwSignal::new(false),
        };
        screen.look();
        screen
    }

    /// Reads how the desktop stands; again and again, as long as it stands in a way that passes by itself.
    fn look(self) {
        spawn_local(async move {
            match desktop::state().await {
                Ok(state) => {
                    let waited = self
                        .state
                        .try_get_untracked()
                        .flatten()
                        .is_some_and(|before| connect::passes(&before));
                    let waits = connect::passes(&state);
                    let is_over = waited && state.trouble.is_none();
                    let is_gone = self.state.try_set(Some(state)).is_some();
                    if is_over {
                        sync::connect(self.app);
                    } else if waits && !is_gone {
                        browser::after(LOOK_AGAIN, move || self.look());
                    }
                }
                Err(trouble) => {
                    self.trouble.try_set(Some(trouble));
                }
            }
        });
    }

    /// Does something that takes a while, one at a time; says what did not work.
    fn busy_with<T: 'static>(
        self,
        deed: impl Future<Output = Result<T, Trouble>> + 'static,
        then: impl FnOnce(T) + 'static,
    ) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.trouble.set(None);
        self.tested.set(None);
        spawn_local(async move {
            let done = deed.await;
            self.busy.try_set(false);
            match done {
                Ok(value) => then(value),
                Err(trouble) => {
                    self.trouble.try_set(Some(trouble));
                }
            }
            self.look();
            // What came of it may stand above what is seen of the page.
            browser::after(0, || {
                browser::reveal("[data-testid='trouble'], [data-testid='tested']");
            });
        });
    }

    /// Somebody else is shown now: everything is read anew from them.
    fn shows(self, words: String) {
        self.draft.try_set(Draft::default());
        self.token.try_set(String::new());
        self.app.say(Tone::Good, words);
        self.app.go(&Route::Overview);
        sync::signed_out(self.app, None);
        sync::connect(self.app);
    }

    fn use_own(self) {
        self.busy_with(desktop::use_own(), move |()| {
            self.shows("Steward looks after this machine now.".to_owned());
        });
    }

    pub(super) fn use_agent(self, name: String) {
        let deed = {
            let name = name.clone();
            async move { desktop::use_agent(&name, None, false).await }
        };
        self.busy_with(deed, move |tested| self.shows(now_shown(&name, &tested)));
    }

    pub(super) fn use_agent_with_token(self, name: String) {
        let token = self.token.get_untracked();
        if token.trim().is_empty() {
            browser::focus("#token-again");
            return;
        }
        let keep = !self.this_run_only.get_untracked();
        let deed = {
            let name = name.clone();
            async move { desktop::use_agent(&name, Some(token.trim()), keep).await }
        };
        self.busy_with(deed, move |tested| self.shows(now_shown(&name, &tested)));
    }

    pub(super) fn add(self) {
        let connection = match self.draft.with_untracked(Draft::connection) {
            Ok(connection) => connection,
            Err(missing) => {
                browser::focus(&format!("#{}", missing.id()));
                return;
            }
        };
        let name = connection.name.clone();
        let deed = async move { desktop::add(&connection).await };
        self.busy_with(deed, move |tested| self.shows(now_shown(&name, &tested)));
    }

    pub(super) fn test_draft(self) {
        match self.draft.with_untracked(Draft::connection) {
            Ok(connection) => self.test(connection),
            Err(missing) => {
                browser::focus(&format!("#{}", missing.id()));
            }
        }
    }

    fn test(self, connection: steward_api::NewConnection) {
        let deed = async move { desktop::test(&connection).await };
        self.busy_with(deed, move |tested| {
            self.tested.try_set(Some(tested));
        });
    }

    fn remove(self, name: String) {
        let was_shown = self.state.with_untracked(|state| {
            state.as_ref().is_some_and(
                |state| matches!(&state.chosen, Chosen::Agent { name: shown } if *shown == name),
            )
        });
        let app = self.app;
        let words = format!("Removed {name}, and its token from the keyring.");
        let deed = async move { desktop::remove(&name).await };
        self.busy_with(deed, move |()| {
            app.say(Tone::Good, words);
            if was_shown {
                sync::signed_out(app, None);
            }
        });
    }
}

fn now_shown(name: &str, tested: &TestedConnection) -> String {
    format!(
        "{name} is shown now: {}, version {}.",
        tested.node, tested.version
    )
}

/// The screen inside of the frame.
pub(crate) fn page(app: App) -> AnyView {
    let screen = Screen::new(app);
    view! {
        <div class="page" data-testid="page-connections">
            <div class="heading">{text::title("Connections")}</div>
            {content(screen)}
        </div>
    }
    .into_any()
}

/// The screen alone: before anybody was chosen, or while whoever was chosen can't be shown.
pub(crate) fn alone(app: App) -> AnyView {
    browser::set_title("Connections · Steward");
    let screen = Screen::new(app);
    view! {
        <main class="alone wide" id="main" data-testid="page-connections">
            <h1 class="brand-large">"Steward"</h1>
            {content(screen)}
        </main>
    }
    .into_any()
}

fn content(screen: Screen) -> AnyView {
    let kept = Memo::new(move |_| screen.state.get());
    view! {
        {move || {
            kept.get()
                .map(|state| {
                    let words = if connect::is_first_run(&state) {
                        "Welcome. Choose what this window shows; it can be changed at any time."
                            .to_owned()
                    } else {
                        connect::shown(&state)
                    };
                    view! {
                        <p data-testid="shown">{words}</p>
                        {state.trouble.as_ref().map(|trouble| said(trouble, "standing-trouble"))}
                        {connection_forms::missing_token(screen, &state)}
                    }
                })
        }}
        {move || screen.trouble.get().map(|trouble| said(&trouble, "trouble"))}
        {move || screen.tested.get().map(|tested| found(&tested))}
        {move || {
            kept.get()
                .map(|state| {
                    view! { {own(screen, &state)} {saved(screen, &state)} }
                })
        }}
        {connection_forms::form(screen)}
        {move || kept.get().map(|state| desktop_itself(screen, &state))}
    }
    .into_any()
}

fn said(trouble: &Trouble, test_id: &'static str) -> AnyView {
    view! {
        <div class="failed" role="alert" data-testid=test_id>
            <p class="strong">{trouble.title.clone()}</p>
            <p>{trouble.advice.clone()}</p>
        </div>
    }
    .into_any()
}

fn found(tested: &TestedConnection) -> AnyView {
    let notes: Vec<AnyView> = tested
        .notes
        .iter()
        .map(|note| view! { <p>{note.clone()}</p> }.into_any())
        .collect();
    view! {
        <div class="said" role="status" data-testid="tested">
            <p>
                {format!("It works: {} answers, Steward {}.", tested.node, tested.version)}
            </p>
            {notes}
        </div>
    }
    .into_any()
}

fn own(screen: Screen, state: &DesktopState) -> AnyView {
    let is_shown = state.chosen == Chosen::Own && state.trouble.is_none();
    let button = if is_shown {
        view! {
            <p class="quiet" data-testid="own-in-use">
                "In use"
            </p>
        }
        .into_any()
    } else {
        view! {
            <button
                class="button go"
                disabled=move || screen.busy.get()
                on:click=move |_| screen.use_own()
                data-testid="use-own"
            >
                "Look after this machine"
            </button>
        }
        .into_any()
    };
    view! {
        <section aria-label="This machine">
            {text::heading("This machine", None)}
            <div class="card">
                <p>
                    "Steward's own engine watches and heals this machine and its containers, for as long as this program runs. Its files are in "
                    <code>{state.data_dir.clone()}</code> "."
                </p>
                <div class="buttons">{button}</div>
            </div>
        </section>
    }
    .into_any()
}

fn saved(screen: Screen, state: &DesktopState) -> AnyView {
    if state.connections.is_empty() {
        return ().into_any();
    }
    let rows: Vec<AnyView> = state
        .connections
        .iter()
        .map(|connection| row(screen, state, connection))
        .collect();
    view! {
        <section aria-label="Agents" data-testid="connections">
            {text::heading("Agents", None)}
            {rows}
        </section>
    }
    .into_any()
}

fn row(screen: Screen, state: &DesktopState, connection: &SavedConnection) -> AnyView {
    let name = connection.name.clone();
    let is_shown = matches!(&state.chosen, Chosen::Agent { name: shown } if *shown == name)
        && state.trouble.is_none();
    let (to_use, to_remove) = (name.clone(), name.clone());
    let to_test = connect::test_of(connection);
    let in_use = if is_shown {
        view! { <span class="quiet">"In use"</span> }.into_any()
    } else {
        view! {
            <button
                class="button go"
                disabled=move || screen.busy.get()
                on:click=move |_| screen.use_agent(to_use.clone())
                data-testid="use-agent"
            >
                "Show it"
            </button>
        }
        .into_any()
    };
    view! {
        <div class="card" data-testid="saved-connection">
            <p class="strong">{name}</p>
            <p class="quiet">{connection.url.clone()}</p>
            {connection
                .ca_file
                .clone()
                .map(|path| view! { <p class="quiet small">{format!("Trusts {path}")}</p> })}
            <div class="buttons">
                {in_use}
                <button
                    class="button"
                    disabled=move || screen.busy.get()
                    on:click=move |_| screen.test(to_test.clone())
                    data-testid="test-saved"
                >
                    "Test"
                </button>
                <button
                    class="button plain"
                    disabled=move || screen.busy.get()
                    on:click=move |_| screen.remove(to_remove.clone())
                    data-testid="remove-connection"
                >
                    "Remove"
                </button>
            </div>
        </div>
    }
    .into_any()
}

fn desktop_itself(screen: Screen, state: &DesktopState) -> AnyView {
    let at_login = state.starts_at_login.map(|on| {
        let changed = move |event| {
            let on = event_target_checked(&event);
            screen.busy_with(desktop::start_at_login(on), |()| {});
        };
        view! {
            <label class="check">
                <input
                    type="checkbox"
                    prop:checked=on
                    on:change=changed
                    data-testid="start-at-login"
                />
                "Start when I sign in to this computer, without the window"
            </label>
        }
    });
    view! {
        <section aria-label="This program">
            {text::heading("This program", None)}
            <div class="card">
                {at_login}
                <p>"Closing the window keeps it watching." " " {state.quitting.clone()}</p>
                <div class="buttons">
                    <button
                        class="button"
                        on:click=move |_| spawn_local(desktop::quit())
                        data-testid="quit"
                    >
                        "Quit Steward"
                    </button>
                </div>
                <p class="quiet small">{format!("Steward's desktop {}", state.version)}</p>
            </div>
        </section>
    }
    .into_any()
}
