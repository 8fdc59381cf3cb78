//! The control center as a whole: its state besides the world, and how it starts.
//!
//! What flows through: the address line, keys and orders of the widgets in; the screen that is shown out. What it never does: know what is on
//! a screen.

use leptos::prelude::*;
use steward_api::Endpoint;

use crate::{
    bridge::{self, browser},
    failure::Failure,
    keys::{Command, Keys},
    marks::Tone,
    pages,
    route::{self, Route},
    shell,
    store::Store,
    sync,
};

/// Under which name the choice between light and dark is kept.
const THEME_KEPT: &str = "steward-theme";

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::System => "As the system",
            Self::Light => "Light",
            Self::Dark => "Dark",
        }
    }

    fn kept() -> Self {
        let kept = browser::kept(THEME_KEPT);
        Self::ALL
            .into_iter()
            .find(|theme| Some(theme.as_str()) == kept.as_deref())
            .unwrap_or_default()
    }

    /// The one that a switch leads to.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }
}

/// A short word about what was done, which goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) number: u32,
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// A notice is shown for so long, milliseconds.
const NOTICE_STAYS: i32 = 8_000;

/// Handles to everything. Copies show the same.
#[derive(Clone, Copy)]
pub(crate) struct App {
    /// The world.
    pub(crate) store: Store,
    /// The line to the agent.
    pub(crate) line: StoredValue<sync::Line, LocalStorage>,
    /// The place, with its filters.
    pub(crate) route: RwSignal<Route>,
    /// The place as far as it needs a new screen.
    pub(crate) screen: RwSignal<Route>,
    /// How high the window is, pixels.
    pub(crate) window_height: RwSignal<f64>,
    /// Light or dark.
    pub(crate) theme: RwSignal<Theme>,
    /// What was done lately.
    pub(crate) notices: RwSignal<Vec<Notice>>,
    /// Whether the command palette is open.
    pub(crate) palette: RwSignal<bool>,
    /// Whether the shortcuts are shown.
    pub(crate) help: RwSignal<bool>,
}

impl App {
    fn new() -> Self {
        let route = Route::parse(&browser::hash());
        Self {
            store: Store::new(),
            line: StoredValue::new_local(sync::Line::default()),
            route: RwSignal::new(route.clone()),
            screen: RwSignal::new(route),
            window_height: RwSignal::new(browser::window_height()),
            theme: RwSignal::new(Theme::kept()),
            notices: RwSignal::new(Vec::new()),
            palette: RwSignal::new(false),
            help: RwSignal::new(false),
        }
    }

    /// Calls an endpoint of the agent. A session that has ended, or a line that may be broken, is seen to besides.
    pub(crate) async fn call<E: Endpoint>(
        self,
        part: Option<&str>,
        input: &E::Input,
    ) -> Result<E::Reply, Failure> {
        let reply = bridge::call::<E>(part, input).await;
        match &reply {
            Err(Failure::SignedOut) => sync::signed_out(self, Some("Your session has ended.")),
            Err(failure) if failure.is_connection() => sync::check(self),
            _ => {}
        }
        reply
    }

    /// Goes to a place.
    pub(crate) fn go(self, route: &Route) {
        browser::go(&route.hash());
    }

    /// Changes the place's filters: the address follows, the screen stays.
    pub(crate) fn refine(self, route: Route) {
        browser::replace_hash(&route.hash());
        self.screen
            .update_untracked(|screen| screen.clone_from(&route));
        self.route.set(route);
    }

    /// Says a short word.
    pub(crate) fn say(self, tone: Tone, text: impl Into<String>) {
        let number = self
            .notices
            .with_untracked(|notices| notices.last().map_or(0, |last| last.number.wrapping_add(1)));
        let notice = Notice {
            number,
            tone,
            text: text.into(),
        };
        self.notices.update(|notices| {
            notices.push(notice);
            if notices.len() > 3 {
                notices.remove(0);
            }
        });
        browser::after(NOTICE_STAYS, move || {
            self.notices
                .update(|notices| notices.retain(|notice| notice.number != number));
        });
    }

    /// Chooses light or dark, for the next visit too.
    pub(crate) fn choose(self, theme: Theme) {
        browser::keep(THEME_KEPT, theme.as_str());
        browser::mark_page("data-theme", theme.as_str());
        self.theme.set(theme);
    }

    /// Whether the address is that of a sign-in link; then it is used, and wiped from the address at once.
    fn enters(self) -> bool {
        let hash = browser::hash();
        let Some(code) = route::link_code(&hash) else {
            return false;
        };
        browser::replace_hash(&Route::Overview.hash());
        self.route.set(Route::Overview);
        self.screen.set(Route::Overview);
        sync::enter(self, code.to_owned());
        true
    }

    fn moved(self) {
        if self.enters() {
            return;
        }
        let route = Route::parse(&browser::hash());
        let same = self
            .screen
            .with_untracked(|screen| screen.same_screen(&route));
        self.route.set(route.clone());
        self.palette.set(false);
        self.help.set(false);
        if !same {
            self.screen.set(route);
            browser::to_top();
            // Who listens to the page hears that it is another one.
            browser::after(0, || {
                browser::focus("main h1");
            });
        }
    }

    fn pressed(self, command: Command) {
        match command {
            Command::Palette => self.palette.update(|open| *open = !*open),
            _ if self.palette.get_untracked() || self.help.get_untracked() => {}
            Command::Go(section) => self.go(&section.route()),
            Command::Help => self.help.set(true),
            Command::Next => browser::step_row(1),
            Command::Previous => browser::step_row(-1),
            Command::Search => {
                if !browser::focus("main input[type=search]") {
                    self.palette.set(true);
                }
            }
        }
    }
}

/// Starts the control center in the page.
pub fn start() {
    browser::show_faults();
    leptos::mount::mount_to_body(root);
}

fn root() -> AnyView {
    let app = App::new();
    app.choose(app.theme.get_untracked());
    browser::on_hash_change(move || app.moved());
    browser::on_resize(move || app.window_height.set(browser::window_height()));
    let mut keys = Keys::default();
    browser::on_key(move |press| {
        let inside = app
            .store
            .presence
            .with_untracked(|presence| presence.session().is_some());
        let command = keys.press(press).filter(|_| inside);
        if let Some(command) = command {
            app.pressed(command);
        }
        command.is_some()
    });
    sync::watch(app);
    pages::parts::fetch_others();
    if !app.enters() {
        sync::connect(app);
    }
    shell::view(app)
}
