//! Which resources, journal entries and conversations are shown, and in which order; and what the command palette finds.
//!
//! What flows through: the whole and a filter in, the part in its order out. What it never does: change anything, or know of the page.

use std::{cmp::Ordering, sync::Arc};

use steward_api::{Conversation, Envelope, Health, Metric, ResourceKind, VulnerabilitySeverity};

use crate::{
    marks, order, url,
    words::{self, Topic},
    world::Entry,
};

/// By what a list of resources is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What needs attention first, then by name.
    #[default]
    Worst,
    /// By name.
    Name,
    /// The busiest first.
    Cpu,
    /// The largest first.
    Memory,
}

impl Order {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Worst, Self::Name, Self::Cpu, Self::Memory];

    /// The word in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Name => "name",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// The words for a person.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Worst => "Worst first",
            Self::Name => "Name",
            Self::Cpu => "CPU, busiest first",
            Self::Memory => "Memory, largest first",
        }
    }
}

/// Which resources are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Only those whose id, reason or image holds each of these words, in any case.
    pub search: String,
    /// Only of this kind.
    pub kind: Option<ResourceKind>,
    /// Only in this health.
    pub health: Option<Health>,
    /// Only of this Compose project.
    pub project: Option<String>,
    /// In which order.
    pub order: Order,
}

impl ResourceFilter {
    /// Whether it leaves nothing out.
    pub fn is_open(&self) -> bool {
        self.search.trim().is_empty()
            && self.kind.is_none()
            && self.health.is_none()
            && self.project.is_none()
    }

    /// The filter that an address asks for. What is not understood is left out.
    pub fn from_query(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in url::pairs(query) {
            match name.as_str() {
                "q" => filter.search = value,
                "kind" => filter.kind = value.parse().ok(),
                "state" => {
                    filter.health = marks::HEALTH_ORDER
                        .into_iter()
                        .find(|health| health.as_str() == value);
                }
                "project" => filter.project = Some(value),
                "order" => {
                    filter.order = Order::ALL
                        .into_iter()
                        .find(|order| order.as_str() == value)
                        .unwrap_or_default();
                }
                _ => {}
            }
        }
        filter
    }

    /// The filter as the query of an address, with its question mark; empty where it is the default.
    pub fn to_query(&self) -> String {
        let mut pairs = Vec::new();
        if !self.search.is_empty() {
            pairs.push(("q", self.search.clone()));
        }
        if let Some(kind) = self.kind {
            pairs.push(("kind", kind.as_str().to_owned()));
        }
        if let Some(health) = self.health {
            pairs.push(("state", health.as_str().to_owned()));
        }
        if let Some(project) = &self.project {
            pairs.push(("project", project.clone()));
        }
        if self.order != Order::default() {
            pairs.push(("order", self.order.as_str().to_owned()));
        }
        url::query_of(&pairs)
    }

    /// Those that are shown, in their order.
    pub fn apply<'a>(&self, all: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<Arc<Entry>> {
        let wanted = wanted(&self.search);
        let mut found: Vec<Arc<Entry>> = all
            .filter(|entry| {
                self.kind.is_none_or(|kind| entry.id.kind == kind)
                    && self.health.is_none_or(|health| entry.health == health)
                    && (self.project.is_none() || entry.project() == self.project.as_deref())
                    && wanted.iter().all(|word| entry.search.contains(word))
            })
            .cloned()
            .collect();
        order::sort_by(&mut found, |a, b| self.compare(a, b));
        found
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let by_name = || a.id.short().cmp(b.id.short()).then_with(|| a.id.cmp(&b.id));
        match self.order {
            Order::Worst => marks::health_rank(a.health)
                .cmp(&marks::health_rank(b.health))
                .then_with(by_name),
            Order::Name => by_name(),
            Order::Cpu => most_first(a, b, Metric::CpuPercent).then_with(by_name),
            Order::Memory => most_first(a, b, Metric::MemoryBytes).then_with(by_name),
        }
    }
}

/// The larger value first; what has none comes last.
fn most_first(a: &Entry, b: &Entry, metric: Metric) -> Ordering {
    let value = |entry: &Entry| entry.metric(metric).unwrap_or(f64::NEG_INFINITY);
    value(b).total_cmp(&value(a))
}

/// The words that are searched for.
pub(crate) fn wanted(search: &str) -> Vec<String> {
    search
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Which vulnerabilities are shown, and grouped by what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityFilter {
    /// Only those whose id, package, image or containers hold each of these words, in any case.
    pub search: String,
    /// Whether they stand by package rather than by container.
    pub by_package: bool,
    /// Only those as severe as this, or more.
    pub severity: Option<VulnerabilitySeverity>,
}

impl SecurityFilter {
    /// The severities by which is filtered, the worst first.
    pub const SEVERITIES: [VulnerabilitySeverity; 3] = [
        VulnerabilitySeverity::Critical,
        VulnerabilitySeverity::High,
        VulnerabilitySeverity::Medium,
    ];

    /// Whether it leaves nothing out.
    pub fn is_open(&self) -> bool {
        self.search.trim().is_empty() && self.severity.is_none()
    }

    /// The filter that an address asks for. What is not understood is left out.
    pub fn from_query(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in url::pairs(query) {
            match name.as_str() {
                "q" => filter.search = value,
                "by" => filter.by_package = value == "package",
                "severity" => filter.severity = Self::severity_of(&value),
                _ => {}
            }
        }
        filter
    }

    /// The severity of a word in an address, or in the choice.
    pub fn severity_of(word: &str) -> Option<VulnerabilitySeverity> {
        Self::SEVERITIES
            .into_iter()
            .find(|severity| severity.as_str() == word)
    }

    /// The filter as the query of an address.
    pub fn to_query(&self) -> String {
        let mut pairs = Vec::new();
        if !self.search.is_empty() {
            pairs.push(("q", self.search.clone()));
        }
        if self.by_package {
            pairs.push(("by", "package".to_owned()));
        }
        if let Some(severity) = self.severity {
            pairs.push(("severity", severity.as_str().to_owned()));
        }
        url::query_of(&pairs)
    }
}

/// Which entries of the journal are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalFilter {
    /// Only of this topic.
    pub topic: Option<Topic>,
    /// Only those whose words or resource hold each of these words, in any case.
    pub search: String,
}

impl JournalFilter {
    /// The filter that an address asks for.
    pub fn from_query(query: &str) -> Self {
        let mut filter = Self::default();
        for (name, value) in url::pairs(query) {
            match name.as_str() {
                "q" => filter.search = value,
                "topic" => {
                    filter.topic = Topic::ALL.into_iter().find(|topic| topic.as_str() == value);
                }
                _ => {}
            }
        }
        filter
    }

    /// The filter as the query of an address.
    pub fn to_query(&self) -> String {
        let mut pairs = Vec::new();
        if !self.search.is_empty() {
            pairs.push(("q", self.search.clone()));
        }
        if let Some(topic) = self.topic {
            pairs.push(("topic", topic.as_str().to_owned()));
        }
        url::query_of(&pairs)
    }

    /// Whether an entry is shown.
    pub fn shows(&self, entry: &Envelope) -> bool {
        if self
            .topic
            .is_some_and(|topic| words::topic(&entry.event) != topic)
        {
            return false;
        }
        let wanted = wanted(&self.search);
        if wanted.is_empty() {
            return true;
        }
        let (_, mut text) = words::event(&entry.event);
        if let Some(resource) = entry.event.resource() {
            text.push(' ');
            text.push_str(&resource.to_string());
        }
        text.push(' ');
        text.push_str(entry.event.name());
        let text = text.to_lowercase();
        wanted.iter().all(|word| text.contains(word))
    }
}

/// Which conversations are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Only those whose title, beginner or subject holds each of these words, in any case.
    pub search: String,
}

impl ConversationFilter {
    /// The filter that an address asks for.
    pub fn from_query(query: &str) -> Self {
        let search = url::pairs(query)
            .into_iter()
            .find_map(|(name, value)| (name == "q").then_some(value))
            .unwrap_or_default();
        Self { search }
    }

    /// The filter as the query of an address.
    pub fn to_query(&self) -> String {
        if self.search.is_empty() {
            return String::new();
        }
        url::query_of(&[("q", self.search.clone())])
    }

    /// Those that are shown, the one in which something was said last first.
    pub fn apply<'a>(
        &self,
        all: impl Iterator<Item = &'a Arc<Conversation>>,
    ) -> Vec<Arc<Conversation>> {
        let wanted = wanted(&self.search);
        let mut found: Vec<_> = all
            .filter(|one| {
                wanted.is_empty() || {
                    let text = format!("{} {}", one.title, words::conversation(one)).to_lowercase();
                    wanted.iter().all(|word| text.contains(word))
                }
            })
            .cloned()
            .collect();
        order::sort_by(&mut found, |a: &Arc<Conversation>, b| {
            (b.last_at, b.id).cmp(&(a.last_at, a.id))
        });
        found
    }
}

/// How well a text fits what was typed into the palette; absent where it does not. The beginning of a word counts more than its middle,
/// a whole run more than scattered letters, a short text more than a long one.
pub fn fit(text: &str, typed: &str) -> Option<i32> {
    let text = text.to_lowercase();
    let mut total = 0;
    for word in typed.to_lowercase().split_whitespace() {
        total += if let Some(at) = text.find(word) {
            let begins = at == 0
                || text[..at]
                    .chars()
                    .next_back()
                    .is_some_and(|before| !before.is_alphanumeric());
            if begins { 100 } else { 60 }
        } else {
            scattered(&text, word)?
        };
    }
    let length = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    Some(total - length.min(50) / 5)
}

/// The letters in their order, not too far apart.
fn scattered(text: &str, word: &str) -> Option<i32> {
    let mut rest = text.char_indices();
    let mut first = None;
    let mut last = 0;
    for letter in word.chars() {
        let (at, _) = rest.find(|(_, other)| *other == letter)?;
        first.get_or_insert(at);
        last = at;
    }
    let span = last - first.unwrap_or(0) + 1;
    (span <= word.len() * 3).then_some(20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn names(found: &[Arc<Entry>]) -> Vec<&str> {
        found.iter().map(|entry| entry.id.short()).collect()
    }

    fn world() -> Vec<Arc<Entry>> {
        let mut web = samples::container("web", Health::Healthy);
        web.metrics.insert(Metric::CpuPercent, 40.0);
        let mut db = samples::container_of("db", Health::Unhealthy, "shop");
        db.metrics.insert(Metric::CpuPercent, 80.0);
        let cache = samples::container_of("cache", Health::Unknown, "shop");
        [web, db, cache, samples::host()]
            .into_iter()
            .map(|resource| Arc::new(Entry::of(resource)))
            .collect()
    }

    #[test]
    fn worst_comes_first_and_what_is_unknown_before_what_is_well() {
        let all = world();
        let found = ResourceFilter::default().apply(all.iter());
        assert_eq!(names(&found), ["db", "cache", "atlas", "web"]);
    }

    #[test]
    fn every_part_of_a_filter_narrows() {
        let all = world();
        let of = |query: &str| {
            let found = ResourceFilter::from_query(query).apply(all.iter());
            names(&found).join(" ")
        };
        assert_eq!(of("kind=host"), "atlas");
        assert_eq!(of("state=unknown"), "cache");
        assert_eq!(of("project=shop"), "db cache");
        assert_eq!(of("project=shop&q=CA"), "cache");
        assert_eq!(of("q=container%20web"), "web");
        assert_eq!(of("q=nothing"), "");
        assert_eq!(of("order=cpu"), "db web atlas cache");
        assert_eq!(of("order=name&kind=container"), "cache db web");
    }

    #[test]
    fn a_filter_comes_back_from_its_address() {
        let filter = ResourceFilter {
            search: "a b".to_owned(),
            kind: Some(ResourceKind::Container),
            health: Some(Health::Degraded),
            project: Some("shöp & co".to_owned()),
            order: Order::Memory,
        };
        let query = filter.to_query();
        assert_eq!(ResourceFilter::from_query(&query[1..]), filter);
        assert_eq!(ResourceFilter::default().to_query(), "");
        assert_eq!(
            ResourceFilter::from_query("kind=nonsense&order=nonsense"),
            ResourceFilter::default()
        );
    }

    #[test]
    fn the_journal_is_filtered_by_topic_and_words() {
        let changed = samples::changed(1, "web", Health::Healthy, Health::Unhealthy);
        let started = samples::agent_started(2);
        let of = |query: &str| {
            let filter = JournalFilter::from_query(query);
            [&changed, &started].map(|entry| filter.shows(entry))
        };
        assert_eq!(of(""), [true, true]);
        assert_eq!(of("topic=agent"), [false, true]);
        assert_eq!(of("q=atlas%2Fcontainer%2Fweb"), [true, false]);
        assert_eq!(of("q=UNHEALTHY"), [true, false]);
        assert_eq!(of("topic=tasks"), [false, false]);
    }

    #[test]
    fn conversations_are_found_by_title_beginner_and_subject_newest_word_first() {
        let mut old = samples::conversation(1, "My database is slow");
        old.last_at = samples::at("11:00:00");
        let mut about = samples::conversation(2, "What is this?");
        about.incident = Some(steward_api::IncidentId(7));
        about.by = "Evin".to_owned();
        let all = [Arc::new(old), Arc::new(about)];
        let of = |query: &str| {
            ConversationFilter::from_query(query)
                .apply(all.iter())
                .iter()
                .map(|one| one.id.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(""), [2, 1]);
        assert_eq!(of("q=SLOW+data"), [1]);
        assert_eq!(of("q=evin"), [2]);
        assert_eq!(of("q=incident+7"), [2]);
        assert!(of("q=nothing").is_empty());
    }

    #[test]
    fn the_palette_prefers_beginnings_to_middles_to_scattered_letters() {
        let begin = fit("nginx", "ngi").unwrap();
        let middle = fit("my-old-xnginx", "ngi").unwrap();
        let apart = fit("nextcloud-gateway-in", "ngi");
        assert!(begin > middle);
        assert_eq!(apart, None, "too far apart");
        assert!(fit("jellyfin", "jlf").is_some());
        assert!(fit("nginx", "").is_some());
        assert_eq!(fit("nginx", "zzz"), None);
    }
}
