//! Where in the control center one is: the hash of the page's address, read and written.
//!
//! What flows through: a hash such as `#/resources/atlas/container/nginx` in, a [`Route`] out, and back. What it never does: fail on an
//! address that it does not know; that is a place of its own, which says so.

use steward_api::{ConversationId, IncidentId, ResourceId, TaskId};

use crate::{
    filter::{ConversationFilter, JournalFilter, ResourceFilter, SecurityFilter},
    url,
};

/// A screen, with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// What needs a person, and how everything is.
    Overview,
    /// Everything that is watched, as a list.
    Resources(ResourceFilter),
    /// The same as a map of what depends on what.
    Map(ResourceFilter),
    /// One resource.
    Resource(ResourceId),
    /// Incidents: those that are over, or those that are not.
    Incidents {
        /// Whether those that are over are shown.
        past: bool,
    },
    /// One incident.
    Incident(IncidentId),
    /// Tasks: those that are over, or those that are not.
    Tasks {
        /// Whether those that are over are shown.
        past: bool,
    },
    /// One task.
    Task(TaskId),
    /// The score of security and what it rests on.
    Security(SecurityFilter),
    /// Specialists and conversations.
    Agents(ConversationFilter),
    /// A conversation that has not begun.
    NewConversation {
        /// The incident that it will be about.
        incident: Option<IncidentId>,
        /// The task that it will be about.
        task: Option<TaskId>,
    },
    /// One conversation.
    Conversation(ConversationId),
    /// The journal.
    Activity(JournalFilter),
    /// How Steward is set up.
    Settings,
    /// Whom the desktop shows.
    Connections,
    /// An address that leads nowhere.
    Nowhere(String),
}

/// The screens of the navigation, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the screens")]
pub enum Section {
    Overview,
    Resources,
    Incidents,
    Tasks,
    Security,
    Agents,
    Activity,
    Settings,
}

impl Section {
    /// All, in the order of the navigation.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Resources,
        Self::Incidents,
        Self::Tasks,
        Self::Security,
        Self::Agents,
        Self::Activity,
        Self::Settings,
    ];

    /// The name for a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Resources => "Resources",
            Self::Incidents => "Incidents",
            Self::Tasks => "Tasks",
            Self::Security => "Security",
            Self::Agents => "Agents",
            Self::Activity => "Activity",
            Self::Settings => "Settings",
        }
    }

    /// The name for tests, `nav-overview`.
    pub const fn test_id(self) -> &'static str {
        match self {
            Self::Overview => "nav-overview",
            Self::Resources => "nav-resources",
            Self::Incidents => "nav-incidents",
            Self::Tasks => "nav-tasks",
            Self::Security => "nav-security",
            Self::Agents => "nav-agents",
            Self::Activity => "nav-activity",
            Self::Settings => "nav-settings",
        }
    }

    /// The key that leads to it behind a `g`.
    pub const fn key(self) -> char {
        match self {
            Self::Overview => 'o',
            Self::Resources => 'r',
            Self::Incidents => 'i',
            Self::Tasks => 't',
            // Its last letter; `s` is the settings'.
            Self::Security => 'y',
            // Where one converses; `a` is the activity's.
            Self::Agents => 'c',
            Self::Activity => 'a',
            Self::Settings => 's',
        }
    }

    /// Its beginning.
    pub fn route(self) -> Route {
        match self {
            Self::Overview => Route::Overview,
            Self::Resources => Route::Resources(ResourceFilter::default()),
            Self::Incidents => Route::Incidents { past: false },
            Self::Tasks => Route::Tasks { past: false },
            Self::Security => Route::Security(SecurityFilter::default()),
            Self::Agents => Route::Agents(ConversationFilter::default()),
            Self::Activity => Route::Activity(JournalFilter::default()),
            Self::Settings => Route::Settings,
        }
    }
}

impl Route {
    /// The place that a hash names, with or without its `#`.
    pub fn parse(hash: &str) -> Self {
        let hash = hash.strip_prefix('#').unwrap_or(hash);
        let (path, query) = hash.split_once('?').unwrap_or((hash, ""));
        let path = path.trim_start_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let nowhere = || Self::Nowhere(url::decode(hash));
        match (first, rest) {
            ("" | "overview", "") => Self::Overview,
            ("resources", "") => Self::Resources(ResourceFilter::from_query(query)),
            ("resources", "map") => Self::Map(ResourceFilter::from_query(query)),
            ("resources", id) => url::decode(id)
                .parse()
                .map_or_else(|_| nowhere(), Self::Resource),
            ("incidents", "") => Self::Incidents { past: false },
            ("incidents", "past") => Self::Incidents { past: true },
            ("incidents", number) => number
                .parse()
                .map_or_else(|_| nowhere(), |number| Self::Incident(IncidentId(number))),
            ("tasks", "") => Self::Tasks { past: false },
            ("tasks", "past") => Self::Tasks { past: true },
            ("tasks", number) => number
                .parse()
                .map_or_else(|_| nowhere(), |number| Self::Task(TaskId(number))),
            ("security", "") => Self::Security(SecurityFilter::from_query(query)),
            ("agents", "") => Self::Agents(ConversationFilter::from_query(query)),
            ("agents", "new") => Self::new_conversation(query),
            ("agents", number) => number.parse().map_or_else(
                |_| nowhere(),
                |number| Self::Conversation(ConversationId(number)),
            ),
            ("activity", "") => Self::Activity(JournalFilter::from_query(query)),
            ("settings", "") => Self::Settings,
            ("connections", "") => Self::Connections,
            _ => nowhere(),
        }
    }

    fn new_conversation(query: &str) -> Self {
        let (mut incident, mut task) = (None, None);
        for (name, value) in url::pairs(query) {
            match name.as_str() {
                "incident" => incident = value.parse().ok().map(IncidentId),
                "task" => task = value.parse().ok().map(TaskId),
                _ => {}
            }
        }
        Self::NewConversation { incident, task }
    }

    /// The hash that names it, with its `#`.
    pub fn hash(&self) -> String {
        match self {
            Self::Overview => "#/".to_owned(),
            Self::Resources(filter) => format!("#/resources{}", filter.to_query()),
            Self::Map(filter) => format!("#/resources/map{}", filter.to_query()),
            Self::Resource(id) => format!("#/resources/{}", url::encode_path(&id.to_string())),
            Self::Incidents { past: false } => "#/incidents".to_owned(),
            Self::Incidents { past: true } => "#/incidents/past".to_owned(),
            Self::Incident(id) => format!("#/incidents/{id}"),
            Self::Tasks { past: false } => "#/tasks".to_owned(),
            Self::Tasks { past: true } => "#/tasks/past".to_owned(),
            Self::Task(id) => format!("#/tasks/{id}"),
            Self::Security(filter) => format!("#/security{}", filter.to_query()),
            Self::Agents(filter) => format!("#/agents{}", filter.to_query()),
            Self::NewConversation { incident, task } => {
                let mut pairs = Vec::new();
                if let Some(incident) = incident {
                    pairs.push(("incident", incident.to_string()));
                }
                if let Some(task) = task {
                    pairs.push(("task", task.to_string()));
                }
                format!("#/agents/new{}", url::query_of(&pairs))
            }
            Self::Conversation(id) => format!("#/agents/{id}"),
            Self::Activity(filter) => format!("#/activity{}", filter.to_query()),
            Self::Settings => "#/settings".to_owned(),
            Self::Connections => "#/connections".to_owned(),
            Self::Nowhere(hash) => format!("#{}", url::encode_path(hash)),
        }
    }

    /// The screen of the navigation to which it belongs.
    pub const fn section(&self) -> Option<Section> {
        match self {
            Self::Overview => Some(Section::Overview),
            Self::Resources(_) | Self::Map(_) | Self::Resource(_) => Some(Section::Resources),
            Self::Incidents { .. } | Self::Incident(_) => Some(Section::Incidents),
            Self::Tasks { .. } | Self::Task(_) => Some(Section::Tasks),
            Self::Security(_) => Some(Section::Security),
            Self::Agents(_) | Self::NewConversation { .. } | Self::Conversation(_) => {
                Some(Section::Agents)
            }
            Self::Activity(_) => Some(Section::Activity),
            Self::Settings => Some(Section::Settings),
            Self::Connections | Self::Nowhere(_) => None,
        }
    }

    /// Whether both show the same screen, so that a change between them (of a filter) need not build it anew.
    pub fn same_screen(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Resources(_), Self::Resources(_))
            | (Self::Map(_), Self::Map(_))
            | (Self::Security(_), Self::Security(_))
            | (Self::Agents(_), Self::Agents(_))
            | (Self::Activity(_), Self::Activity(_)) => true,
            (one, two) => one == two,
        }
    }

    /// The name of the place, for the window's title.
    pub fn title(&self) -> String {
        match self {
            Self::Resource(id) => id.short().to_owned(),
            Self::Map(_) => "Dependency map".to_owned(),
            Self::Incident(id) => format!("Incident {id}"),
            Self::Task(id) => format!("Task {id}"),
            Self::NewConversation { .. } => "New conversation".to_owned(),
            Self::Conversation(id) => format!("Conversation {id}"),
            Self::Connections => "Connections".to_owned(),
            Self::Nowhere(_) => "Nothing here".to_owned(),
            other => other
                .section()
                .map_or_else(String::new, |section| section.name().to_owned()),
        }
    }
}

/// The code in the address of a sign-in link, `#/link/…`. It is no place: whoever opens it is led to the overview.
pub fn link_code(hash: &str) -> Option<&str> {
    let path = hash.strip_prefix('#').unwrap_or(hash);
    let code = path.strip_prefix("/link/")?;
    (!code.is_empty()
        && code
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/'))
    .then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::{Health, ResourceKind, VulnerabilitySeverity};

    fn comes_back(route: &Route) {
        assert_eq!(&Route::parse(&route.hash()), route, "{}", route.hash());
    }

    #[test]
    fn every_place_comes_back_from_its_address() {
        for section in Section::ALL {
            comes_back(&section.route());
            assert_eq!(section.route().section(), Some(section));
        }
        for id in [
            "atlas/host",
            "atlas/container/nginx",
            "atlas/disk//",
            "atlas/disk//mnt/a b%?#",
        ] {
            comes_back(&Route::Resource(id.parse().unwrap()));
        }
        comes_back(&Route::Incidents { past: true });
        comes_back(&Route::Incident(IncidentId(12)));
        comes_back(&Route::Tasks { past: true });
        comes_back(&Route::Task(TaskId(3)));
        comes_back(&Route::Conversation(ConversationId(5)));
        for (incident, task) in [
            (None, None),
            (Some(IncidentId(3)), None),
            (None, Some(TaskId(4))),
        ] {
            comes_back(&Route::NewConversation { incident, task });
        }
        comes_back(&Route::Agents(ConversationFilter {
            search: "slow & sad".to_owned(),
        }));
        comes_back(&Route::Security(SecurityFilter {
            search: "CVE-2026-1 & co".to_owned(),
            by_package: true,
            severity: Some(VulnerabilitySeverity::High),
        }));
        comes_back(&Route::Connections);
        comes_back(&Route::Map(ResourceFilter {
            kind: Some(ResourceKind::Service),
            health: Some(Health::Stopped),
            ..ResourceFilter::default()
        }));
    }

    #[test]
    fn an_empty_address_is_the_overview() {
        for hash in ["", "#", "#/", "/", "#/overview"] {
            assert_eq!(Route::parse(hash), Route::Overview);
        }
    }

    #[test]
    fn an_unknown_address_says_so_and_does_not_fail() {
        for hash in [
            "#/nonsense",
            "#/tasks/abc",
            "#/resources/atlas",
            "#/incidents/1/2",
            "#/agents/abc",
            "#/agents/1/2",
        ] {
            assert!(matches!(Route::parse(hash), Route::Nowhere(_)), "{hash}");
        }
    }

    #[test]
    fn a_sign_in_link_is_told_from_a_place() {
        assert_eq!(link_code("#/link/ab-12_x"), Some("ab-12_x"));
        for hash in ["", "#/", "#/link/", "#/link/a/b", "#/link/a b", "#/links/a"] {
            assert_eq!(link_code(hash), None, "{hash}");
        }
    }

    #[test]
    fn a_changed_filter_keeps_the_screen() {
        let open = Route::parse("#/resources");
        let narrow = Route::parse("#/resources?q=a");
        assert!(open.same_screen(&narrow));
        assert!(!open.same_screen(&Route::parse("#/resources/map")));
        assert!(Route::parse("#/security").same_screen(&Route::parse("#/security?by=package")));
        assert!(Route::parse("#/agents").same_screen(&Route::parse("#/agents?q=a")));
        assert!(!Route::parse("#/agents").same_screen(&Route::parse("#/agents/1")));
        assert!(!Route::Task(TaskId(1)).same_screen(&Route::Task(TaskId(2))));
    }
}
