//! Counts attempts by where they came from, within bounds that hold whatever comes.
//!
//! What flows through: attempts in, in any order; what each source of failures looks like out. What it never does: grow beyond
//! [`MOST_SOURCES`] sources, `MOST_NAMES` names and `MOST_HASHES` remembered names of sources, or hide that it had to let something
//! go: what it dropped is counted and told.
//!
//! Totals, names and the first and last time do not depend on the order. The peak within a window is exact while a source's failures lie in
//! at most `MOST_SECONDS` different seconds; beyond that it is exact for failures that come in order, and never said too high.

use core::net::IpAddr;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher as _},
};

use jiff::{SignedDuration, Timestamp};
use steward_api::{Evidence, ResourceId, SignInPattern, SignInSource};

use super::{Attempt, own::Own, patterns::Pair};

/// Sources that are remembered at once.
pub const MOST_SOURCES: usize = 4096;
/// Names that are remembered with the addresses that tried them.
const MOST_NAMES: usize = 2048;
/// Names of sources, and addresses of names, that are told apart in all.
const MOST_HASHES: usize = 200_000;
/// Connections of which several lines may tell.
const MOST_PAIRS: usize = 16_384;
/// Different seconds of a source's failures that are kept before those of past windows are summed up.
const MOST_SECONDS: usize = 128;
/// Services that are told apart; further ones are counted as one.
const MOST_SERVICES: usize = 512;
/// Characters of a name that are shown.
const LONGEST_NAME: usize = 64;
/// Names that are shown of a source.
const EXAMPLES: usize = 10;
/// Bytes of a line that are kept to show it.
const LONGEST_LINE: usize = 300;

/// From where on attempts look like an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// So many failures of one source within the window are brute force.
    pub failures: u64,
    /// How long the sliding window is.
    pub window: SignedDuration,
    /// So many names tried by one source are spraying, where there are few attempts for each.
    pub names: u64,
    /// So many addresses that tried one name are distributed.
    pub addresses: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    service: usize,
}

#[derive(Debug)]
struct Source {
    failures: u64,
    successes: u64,
    /// Failures since the last success.
    since_success: u64,
    /// The most failures that a success came after.
    before_success: u64,
    /// Failures by second, in order; those of past windows are summed up in `peak`.
    seconds: VecDeque<(i64, u64)>,
    /// Seconds that are counted as one.
    grain: i64,
    peak: u64,
    names: HashSet<u64>,
    examples: Vec<String>,
    first: Timestamp,
    last: Timestamp,
    /// The first and the last two lines.
    lines: Vec<(Timestamp, String)>,
}

#[derive(Debug, Default)]
struct Name {
    shown: String,
    addresses: HashSet<u64>,
    failures: u64,
}

/// A name that many addresses tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributedName {
    /// The name.
    pub user: String,
    /// At what.
    pub service: String,
    /// The resource whose log tells it.
    pub resource: ResourceId,
    /// From how many addresses.
    pub addresses: u64,
    /// How often.
    pub failures: u64,
}

/// What had to be let go, so that memory stays bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Sources that are no longer told of.
    pub sources: u64,
    /// Their failures.
    pub failures: u64,
    /// Names that were not told apart any more.
    pub names: u64,
}

/// Counts attempts.
#[derive(Debug)]
pub struct Tally {
    thresholds: Thresholds,
    services: Vec<(String, ResourceId)>,
    /// Where each stands, by the hash of both.
    service_at: HashMap<u64, usize>,
    sources: HashMap<Key, Source>,
    names: HashMap<(u64, usize), Name>,
    pairs: HashMap<u64, [u64; 3]>,
    /// Connections in the order in which they were first seen.
    pair_order: VecDeque<u64>,
    hashes: usize,
    dropped: Dropped,
    failures: u64,
    successes: u64,
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The begin of a text, at most so many bytes.
fn begin(text: &str, most: usize) -> &str {
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= most)
        .last()
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            services: Vec::new(),
            service_at: HashMap::new(),
            sources: HashMap::new(),
            names: HashMap::new(),
            pairs: HashMap::new(),
            pair_order: VecDeque::new(),
            hashes: 0,
            dropped: Dropped::default(),
            failures: 0,
            successes: 0,
        }
    }

    /// Failures counted.
    pub const fn failures(&self) -> u64 {
        self.failures
    }

    /// Successes counted.
    pub const fn successes(&self) -> u64 {
        self.successes
    }

    /// What had to be let go.
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Sources remembered now.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Counts an attempt that a line tells of, in the log of a resource.
    pub fn count(&mut self, attempt: &Attempt, resource: &ResourceId, line: &str) {
        let times = match attempt.pair {
            Some(pair) => self.fresh(pair, attempt.times),
            None => u64::from(attempt.times),
        };
        if times == 0 {
            return;
        }
        let service = self.service(&attempt.service, resource);
        let key = Key {
            address: attempt.address,
            service,
        };
        if !self.sources.contains_key(&key) && self.sources.len() >= MOST_SOURCES {
            self.let_go();
        }
        let source = self
            .sources
            .entry(key)
            .or_insert_with(|| Source::new(attempt.at));
        source.first = source.first.min(attempt.at);
        source.last = source.last.max(attempt.at);
        if attempt.success {
            self.successes = self.successes.saturating_add(times);
            source.successes = source.successes.saturating_add(times);
            source.before_success = source.before_success.max(source.since_success);
            source.since_success = 0;
            if source.before_success >= self.thresholds.failures {
                source.show(attempt.at, line);
            }
            return;
        }
        self.failures = self.failures.saturating_add(times);
        source.failures = source.failures.saturating_add(times);
        source.since_success = source.since_success.saturating_add(times);
        source.fail(attempt.at.as_second(), times, self.thresholds.window);
        source.show(attempt.at, line);
        if let Some(user) = &attempt.user {
            self.name(key, user, times);
        }
    }

    /// How many attempts a line adds to those that other lines of its connection told.
    fn fresh(&mut self, pair: Pair, times: u32) -> u64 {
        if !self.pairs.contains_key(&pair.key) {
            while self.pairs.len() >= MOST_PAIRS {
                match self.pair_order.pop_front() {
                    Some(oldest) => self.pairs.remove(&oldest),
                    None => break,
                };
            }
            self.pair_order.push_back(pair.key);
        }
        let counts = self.pairs.entry(pair.key).or_default();
        let before = counts.iter().copied().max().unwrap_or(0);
        if let Some(count) = counts.get_mut(usize::from(pair.kind)) {
            *count = count.saturating_add(u64::from(times));
        }
        counts.iter().copied().max().unwrap_or(0) - before
    }

    fn service(&mut self, name: &str, resource: &ResourceId) -> usize {
        let key = hash((name, &resource.node, resource.kind, &resource.name));
        if let Some(at) = self.service_at.get(&key) {
            return *at;
        }
        if self.services.len() >= MOST_SERVICES {
            return self.services.len() - 1;
        }
        let is_last = self.services.len() + 1 == MOST_SERVICES;
        let name = if is_last { "others" } else { name };
        self.services.push((name.to_owned(), resource.clone()));
        self.service_at.insert(key, self.services.len() - 1);
        self.services.len() - 1
    }

    fn name(&mut self, key: Key, user: &str, times: u64) {
        let user_hash = hash(user);
        let mut is_full = false;
        if let Some(source) = self.sources.get_mut(&key)
            && !source.names.contains(&user_hash)
        {
            if self.hashes < MOST_HASHES {
                source.names.insert(user_hash);
                self.hashes += 1;
                if source.examples.len() < EXAMPLES {
                    source.examples.push(begin(user, LONGEST_NAME).to_owned());
                }
            } else {
                is_full = true;
            }
        }
        let Some(address) = key.address else {
            self.dropped.names += u64::from(is_full);
            return;
        };
        let name_key = (user_hash, key.service);
        if !self.names.contains_key(&name_key) && self.names.len() >= MOST_NAMES {
            self.forget_names();
        }
        let name = self.names.entry(name_key).or_default();
        if name.shown.is_empty() {
            name.shown = begin(user, LONGEST_NAME).to_owned();
        }
        name.failures = name.failures.saturating_add(times);
        let address = hash(address);
        if !name.addresses.contains(&address) {
            if self.hashes < MOST_HASHES {
                name.addresses.insert(address);
                self.hashes += 1;
            } else {
                is_full = true;
            }
        }
        self.dropped.names += u64::from(is_full);
    }

    /// Lets a quarter of the sources go: first those that look harmless, of them those that were seen longest ago.
    fn let_go(&mut self) {
        let threshold = self.thresholds.failures;
        let mut order: Vec<(bool, Timestamp, Key)> = self
            .sources
            .iter()
            .map(|(key, source)| {
                let matters = source.failures >= threshold || source.before_success >= threshold;
                (matters, source.last, *key)
            })
            .collect();
        order.sort_by_key(|(matters, last, _)| (*matters, *last));
        for (_, _, key) in order.into_iter().take(MOST_SOURCES / 4) {
            if let Some(source) = self.sources.remove(&key) {
                self.hashes -= source.names.len();
                self.dropped.sources += 1;
                self.dropped.failures = self.dropped.failures.saturating_add(source.failures);
            }
        }
    }

    /// Lets half of the names go: those that the fewest addresses tried.
    fn forget_names(&mut self) {
        let mut order: Vec<(usize, u64, (u64, usize))> = self
            .names
            .iter()
            .map(|(key, name)| (name.addresses.len(), name.failures, *key))
            .collect();
        order.sort_unstable();
        for (_, _, key) in order.into_iter().take(MOST_NAMES / 2) {
            if let Some(name) = self.names.remove(&key) {
                self.hashes -= name.addresses.len();
                self.dropped.names += 1;
            }
        }
    }

    /// Names that many addresses tried, those of most addresses first.
    pub fn distributed(&self) -> Vec<DistributedName> {
        let mut found: Vec<DistributedName> = self
            .names
            .iter()
            .filter(|(_, name)| self.is_distributed(name))
            .filter_map(|((_, service), name)| {
                let (service, resource) = self.services.get(*service)?;
                Some(DistributedName {
                    user: name.shown.clone(),
                    service: service.clone(),
                    resource: resource.clone(),
                    addresses: name.addresses.len() as u64,
                    failures: name.failures,
                })
            })
            .collect();
        found.sort_by(|a, b| {
            (b.addresses, b.failures, &a.user, &a.service).cmp(&(
                a.addresses,
                a.failures,
                &b.user,
                &b.service,
            ))
        });
        found
    }

    fn is_distributed(&self, name: &Name) -> bool {
        name.addresses.len() as u64 >= self.thresholds.addresses
            && name.failures >= self.thresholds.failures
    }

    /// Every source with failures, the worst first. `own` knows which addresses may be the operator's.
    pub fn found(&self, own: &Own) -> Vec<SignInSource> {
        let distributed: HashSet<(u64, usize)> = self
            .names
            .iter()
            .filter(|(_, name)| self.is_distributed(name))
            .map(|(key, _)| *key)
            .collect();
        let mut found: Vec<SignInSource> = self
            .sources
            .iter()
            .filter(|(_, source)| source.failures > 0)
            .filter_map(|(key, source)| {
                let (service, resource) = self.services.get(key.service)?;
                let pattern = self.looks_like(*key, source, &distributed);
                Some(SignInSource {
                    address: key.address,
                    service: service.clone(),
                    resource: resource.clone(),
                    pattern,
                    failures: source.failures,
                    successes: source.successes,
                    peak: source.most(self.thresholds.window),
                    users: source.names.len() as u64,
                    user_examples: source.shown_names(),
                    first_at: source.first,
                    last_at: source.last,
                    own: key.address.and_then(|address| {
                        let got_in =
                            source.successes > 0 && pattern != SignInPattern::SuccessAfterFailures;
                        own.why(address, got_in)
                    }),
                    evidence: source.evidence(),
                })
            })
            .collect();
        found.sort_by(|a, b| {
            (
                rank(b.pattern),
                b.failures,
                a.address,
                &a.service,
                &a.resource,
            )
                .cmp(&(
                    rank(a.pattern),
                    a.failures,
                    b.address,
                    &b.service,
                    &b.resource,
                ))
        });
        found
    }

    fn looks_like(
        &self,
        key: Key,
        source: &Source,
        distributed: &HashSet<(u64, usize)>,
    ) -> SignInPattern {
        let names = source.names.len() as u64;
        if source.before_success >= self.thresholds.failures {
            SignInPattern::SuccessAfterFailures
        } else if names >= self.thresholds.names
            && source.failures < names.saturating_mul(self.thresholds.failures)
        {
            SignInPattern::Spraying
        } else if source.most(self.thresholds.window) >= self.thresholds.failures {
            SignInPattern::BruteForce
        } else if source
            .names
            .iter()
            .any(|name| distributed.contains(&(*name, key.service)))
        {
            SignInPattern::Distributed
        } else {
            SignInPattern::Few
        }
    }
}

/// How bad a pattern is.
const fn rank(pattern: SignInPattern) -> u8 {
    match pattern {
        SignInPattern::Few => 0,
        SignInPattern::Distributed => 1,
        SignInPattern::Spraying => 2,
        SignInPattern::BruteForce => 3,
        SignInPattern::SuccessAfterFailures => 4,
    }
}

impl Source {
    fn new(at: Timestamp) -> Self {
        Self {
            failures: 0,
            successes: 0,
            since_success: 0,
            before_success: 0,
            seconds: VecDeque::new(),
            grain: 1,
            peak: 0,
            names: HashSet::new(),
            examples: Vec::new(),
            first: at,
            last: at,
            lines: Vec::new(),
        }
    }

    fn fail(&mut self, second: i64, times: u64, window: SignedDuration) {
        let second = second.div_euclid(self.grain) * self.grain;
        let at = self.seconds.partition_point(|(other, _)| *other < second);
        match self.seconds.get_mut(at) {
            Some((other, count)) if *other == second => *count = count.saturating_add(times),
            _ => self.seconds.insert(at, (second, times)),
        }
        if self.seconds.len() > MOST_SECONDS {
            self.sum_up(window);
        }
    }

    /// Sums up what lies before the newest window; where that is not enough, counts more seconds as one.
    fn sum_up(&mut self, window: SignedDuration) {
        self.peak = self.most(window);
        let newest = self.seconds.back().map_or(0, |(second, _)| *second);
        while self
            .seconds
            .front()
            .is_some_and(|(second, _)| newest - second > window.as_secs())
        {
            self.seconds.pop_front();
        }
        while self.seconds.len() > MOST_SECONDS / 2 {
            self.grain *= 2;
            let mut coarser: VecDeque<(i64, u64)> = VecDeque::new();
            for (second, count) in &self.seconds {
                let second = second.div_euclid(self.grain) * self.grain;
                match coarser.back_mut() {
                    Some((last, sum)) if *last == second => *sum = sum.saturating_add(*count),
                    _ => coarser.push_back((second, *count)),
                }
            }
            self.seconds = coarser;
        }
    }

    /// The most failures within any window; both its ends belong to it.
    fn most(&self, window: SignedDuration) -> u64 {
        // A coarser second stands for all that lie in it: without the last of them a window is never said to hold too many.
        let reach = window.as_secs() - (self.grain - 1);
        let mut most = self.peak;
        let mut sum: u64 = 0;
        let mut from = 0;
        for (second, count) in &self.seconds {
            sum = sum.saturating_add(*count);
            while let Some((first, left)) = self.seconds.get(from)
                && second - first > reach
                && first < second
            {
                sum = sum.saturating_sub(*left);
                from += 1;
            }
            most = most.max(sum);
        }
        most
    }

    /// Keeps the first line and the last two.
    fn show(&mut self, at: Timestamp, line: &str) {
        if self.lines.len() == 3 {
            self.lines.remove(1);
        }
        self.lines.push((at, begin(line, LONGEST_LINE).to_owned()));
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.lines
            .iter()
            .map(|(at, line)| Evidence::new("log", crate::redact::redact(line)).at(*at))
            .collect()
    }

    /// Some names, cleared: people type passwords into the wrong field.
    fn shown_names(&self) -> Vec<String> {
        self.examples
            .iter()
            .map(|name| crate::redact::redact(name))
            .collect()
    }
}
