//! Security: what the parts of the scan found becomes one report with its score, each reading is journaled in short, and each day is summed up.
//!
//! What flows through: findings of parts in; a report for the picture, events for the journal out. What it never does: scan (the sources
//! do), or count what was never read as clean.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use steward_api::{
    ErrorCode, Event, Facts, PartState, ProblemDetails, ResourceId, Role, ScanPart, SecurityDay,
    SecurityReport, SecuritySummary,
};

use super::{
    handle::Caller,
    requests::{need, store_unavailable},
    state::State,
};
use crate::{
    ports::{Found, PartFound, later, words},
    security::{
        ACCEPTED_PORTS,
        ports::PortMemory,
        score::of_report,
        summary::{daily, summary},
    },
};

/// Gaps of one reading that are journaled with it, at most.
const MOST_GAPS: usize = 10;

/// What is known of security.
#[derive(Default)]
pub(super) struct Security {
    report: Arc<SecurityReport>,
    summary: Arc<SecuritySummary>,
    /// The day that was last summed up, or found to have nothing to sum up.
    summed_up: Option<civil::Date>,
    /// When that is looked at again.
    look_at: Option<Timestamp>,
}

impl Security {
    /// The report without its trend.
    pub(super) fn report(&self) -> Arc<SecurityReport> {
        Arc::clone(&self.report)
    }

    /// The same in numbers.
    pub(super) fn summary(&self) -> Arc<SecuritySummary> {
        Arc::clone(&self.summary)
    }
}

impl State {
    /// Takes over what a part of the scan found.
    pub(super) async fn scanned(&mut self, found: PartFound, now: Timestamp) {
        let PartFound { found, gaps } = found;
        let part = found.part();
        let weights = self.config.security.weights;
        let next_at = later(now, self.config.security.scan_every);
        let mut report = SecurityReport::clone(&self.security.report);
        report.node.clone_from(&self.node);
        match found {
            Found::Images(images) => report.images = images,
            Found::Certificates(certificates) => report.certificates = certificates,
            Found::SignIns(sign_ins) => report.sign_ins = sign_ins,
            Found::Ports(ports) => report.ports = ports,
            Found::Risks(risks) => report.risks = risks,
        }
        self.name_parts(&mut report);
        if let Some(state) = report.parts.iter_mut().find(|state| state.part == part) {
            state.read_at = Some(now);
            state.gaps = gaps;
            state.next_at = Some(next_at);
        }
        report.score = of_report(&report, &weights);
        let mut short = summary(&report);
        self.security.summary = Arc::new(short.clone());
        self.security.report = Arc::new(report);
        self.is_dirty = true;
        if short.gaps.len() > MOST_GAPS {
            let more = short.gaps.len() - MOST_GAPS;
            short.gaps.truncate(MOST_GAPS);
            short.gaps.push(format!("and {more} more"));
        }
        self.commit(vec![Event::SecurityScanned {
            part,
            summary: Box::new(short),
        }])
        .await;
    }

    /// A part that could not be read at all says so; what was read of it before stays.
    pub(super) fn scan_failed(&mut self, part: ScanPart, reason: &str) {
        let mut report = SecurityReport::clone(&self.security.report);
        report.node.clone_from(&self.node);
        self.name_parts(&mut report);
        if let Some(state) = report.parts.iter_mut().find(|state| state.part == part) {
            state.gaps = vec![reason.to_owned()];
        }
        self.security.summary = Arc::new(summary(&report));
        self.security.report = Arc::new(report);
        self.is_dirty = true;
    }

    /// The parts that are scanned here, each with its state; one that is no longer scanned goes, with what was found of it.
    fn name_parts(&self, report: &mut SecurityReport) {
        let scanned = &self.config.security.parts;
        report.parts = ScanPart::ALL
            .into_iter()
            .filter(|part| scanned.contains(part))
            .map(|part| {
                let known = report.parts.iter().find(|state| state.part == part);
                known.cloned().unwrap_or(PartState {
                    part,
                    read_at: None,
                    next_at: None,
                    gaps: Vec::new(),
                })
            })
            .collect();
        for part in ScanPart::ALL {
            if scanned.contains(&part) {
                continue;
            }
            match part {
                ScanPart::Vulnerabilities => report.images.clear(),
                ScanPart::Certificates => report.certificates.clear(),
                ScanPart::Authentication => report.sign_ins.clear(),
                ScanPart::Ports => report.ports.clear(),
                ScanPart::Configuration => report.risks.clear(),
            }
        }
    }

    /// Has the report follow a configuration that has changed: other parts, other weights.
    pub(super) fn reweigh(&mut self) {
        let mut report = SecurityReport::clone(&self.security.report);
        report.node.clone_from(&self.node);
        self.name_parts(&mut report);
        report.score = of_report(&report, &self.config.security.weights);
        self.security.summary = Arc::new(summary(&report));
        self.security.report = Arc::new(report);
        self.is_dirty = true;
    }

    /// The report for the picture: each deduction with the incident and the task that see to it.
    pub(super) fn security_report(&self) -> Arc<SecurityReport> {
        let report = self.security.report();
        let Some(score) = &report.score else {
            return report;
        };
        let mut score = score.clone();
        for deduction in &mut score.deductions {
            let incident = deduction
                .about
                .as_ref()
                .and_then(|about| self.incidents.of(about));
            deduction.incident = incident.map(|incident| incident.id);
            deduction.task = incident.and_then(|incident| {
                incident
                    .tasks
                    .iter()
                    .rev()
                    .find(|task| self.tasks.contains_key(task))
                    .copied()
            });
        }
        if report.score.as_ref() == Some(&score) {
            return report;
        }
        Arc::new(SecurityReport {
            score: Some(score),
            ..SecurityReport::clone(&report)
        })
    }

    /// Has parts read now.
    pub(super) fn scan_security(
        &self,
        parts: Vec<ScanPart>,
        caller: &Caller,
    ) -> Result<Vec<ScanPart>, ProblemDetails> {
        need(caller, Role::Operator)?;
        let scanned = &self.config.security.parts;
        let mut wanted = if parts.is_empty() {
            scanned.clone()
        } else {
            parts
        };
        wanted.sort();
        wanted.dedup();
        let mut running = Vec::new();
        for part in &wanted {
            let source = self
                .sources
                .iter()
                .find(|running| running.source.name() == crate::security::source_name(*part))
                .ok_or_else(|| {
                    ProblemDetails::new(
                        ErrorCode::NothingToDo,
                        format!(
                            "{} is not scanned here; see `parts` under [security], and whether what it reads is switched on",
                            part.as_str()
                        ),
                    )
                })?;
            running.push(source);
        }
        if running.is_empty() {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                "no part of security is scanned here; see `parts` under [security]",
            ));
        }
        for source in running {
            source.refresh();
        }
        Ok(wanted)
    }

    /// Takes a person's word that a port is to be open: journaled, kept, and read again.
    pub(super) async fn accept_port(
        &mut self,
        port: &ResourceId,
        caller: &Caller,
    ) -> Result<(), ProblemDetails> {
        need(caller, Role::Operator)?;
        let resource = self.world.get(port).cloned();
        let Some(Facts::Port(facts)) = resource.as_deref().map(|resource| &resource.facts) else {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                format!("{port} is not open to other machines, as far as is known"),
            ));
        };
        if let Some(why) = &facts.expected {
            return Err(ProblemDetails::new(
                ErrorCode::NothingToDo,
                format!("{} is expected already: {why}", port.short()),
            ));
        }
        let now = self.clock.now();
        let kept = self.documents.kept(&self.node, ACCEPTED_PORTS).await;
        let mut memory = match kept {
            Ok(None) => PortMemory::default(),
            Ok(Some(text)) => serde_json::from_str(&text).map_err(|error| {
                ProblemDetails::new(
                    ErrorCode::Internal,
                    format!("the accepted ports can't be read: {error}"),
                )
            })?,
            Err(error) => return Err(store_unavailable(&words(&error))),
        };
        memory.accept_facts(facts, now);
        let text = serde_json::to_string(&memory)
            .map_err(|error| ProblemDetails::new(ErrorCode::Internal, error.to_string()))?;
        self.commit_now(vec![Event::PortAccepted {
            port: port.clone(),
            by: caller.identity.clone(),
        }])
        .await
        .map_err(|error| store_unavailable(&words(&error)))?;
        self.documents
            .keep(&self.node, ACCEPTED_PORTS, now, &text)
            .await
            .map_err(|error| {
                let detail = format!(
                    "your word is in the journal, but could not be kept for the scans, which go on asking; say it once more: {}",
                    words(&error)
                );
                ProblemDetails::new(ErrorCode::StoreUnavailable, detail)
            })?;
        if let Some(running) = self
            .sources
            .iter()
            .find(|running| running.source.name() == crate::security::source_name(ScanPart::Ports))
        {
            running.refresh();
        }
        Ok(())
    }

    /// Sums up the day before, once it is time. A day that no agent saw the end of is summed up when one is back within the next.
    pub(super) async fn summarize_day(&mut self, now: Timestamp) {
        if self.security.look_at.is_some_and(|at| now < at) || self.store_error.is_some() {
            return;
        }
        let zone = TimeZone::system();
        let due = day_due(now, self.config.security.daily_summary, &zone);
        self.security.look_at = Some(due.next_look);
        if self.security.summed_up == Some(due.day) || self.config.security.parts.is_empty() {
            return;
        }
        match self.day_of(&due).await {
            Ok(Some(day)) => {
                self.security.summed_up = Some(due.day);
                self.commit(vec![Event::SecurityDay { day: Box::new(day) }])
                    .await;
            }
            Ok(None) => self.security.summed_up = Some(due.day),
            Err(error) => {
                tracing::warn!(error = words(&error), "the day was not summed up");
                self.security.look_at = Some(later(now, SignedDuration::from_mins(1)));
            }
        }
    }

    /// The summary of a day; none where it was summed up already, or nothing was read on it.
    async fn day_of(&self, due: &DueDay) -> Result<Option<SecurityDay>, crate::ports::StoreError> {
        let name = due.day.to_string();
        let last = self.archive.last_security_day(&self.node).await?;
        if last.as_ref().is_some_and(|last| last.day >= name) {
            return Ok(None);
        }
        let (from, until) = (due.from, due.until);
        let Some(at_its_end) = self
            .archive
            .security_within(&self.node, from, until)
            .await?
        else {
            return Ok(None);
        };
        let before = self
            .archive
            .security_within(&self.node, due.from_before, from)
            .await?;
        let told = daily(due.day, &at_its_end, before.as_ref());
        Ok(Some(SecurityDay {
            day: name,
            title: told.title,
            lines: told.lines,
            summary: at_its_end,
        }))
    }
}

/// A day that is to be summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DueDay {
    day: civil::Date,
    /// When the day before it began.
    from_before: Timestamp,
    /// When it began.
    from: Timestamp,
    /// When it ended.
    until: Timestamp,
    /// When the next one is due.
    next_look: Timestamp,
}

/// The last day whose summary is due, for a time of day in a time zone: yesterday once it is past that time, else the day before.
fn day_due(now: Timestamp, at: civil::Time, zone: &TimeZone) -> DueDay {
    let local = zone.to_datetime(now);
    let day_before = |date: civil::Date| date.yesterday().unwrap_or(civil::Date::MIN);
    let beginning = |date: civil::Date| {
        zone.to_ambiguous_timestamp(date.to_datetime(civil::Time::midnight()))
            .compatible()
            .unwrap_or(now)
    };
    let moment = |date: civil::Date| {
        zone.to_ambiguous_timestamp(date.to_datetime(at))
            .compatible()
            .unwrap_or(now)
    };
    let today = local.date();
    let is_past = now >= moment(today);
    let day = if is_past {
        day_before(today)
    } else {
        day_before(day_before(today))
    };
    let tomorrow = today.tomorrow().unwrap_or(today);
    DueDay {
        day,
        from_before: beginning(day_before(day)),
        from: beginning(day),
        until: beginning(day.tomorrow().unwrap_or(day)),
        next_look: if is_past {
            moment(tomorrow)
        } else {
            moment(today)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_due_at_its_time_in_the_operators_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let three = civil::time(3, 0, 0, 0);
        // 02:59 in Berlin: the day before yesterday is the last that was due.
        let due = day_due(at("2026-01-10T01:59:00Z"), three, &zone);
        assert_eq!(due.day.to_string(), "2026-01-08");
        assert_eq!(due.next_look, at("2026-01-10T02:00:00Z"));
        let due = day_due(at("2026-01-10T02:00:00Z"), three, &zone);
        assert_eq!(due.day.to_string(), "2026-01-09");
        assert_eq!(due.from, at("2026-01-08T23:00:00Z"));
        assert_eq!(due.until, at("2026-01-09T23:00:00Z"));
        assert_eq!(due.from_before, at("2026-01-07T23:00:00Z"));
        assert_eq!(due.next_look, at("2026-01-11T02:00:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skips_is_due_all_the_same() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        // On 29 March 2026 there is no 02:30.
        let due = day_due(at("2026-03-29T00:30:00Z"), civil::time(2, 30, 0, 0), &zone);
        assert_eq!(due.next_look, at("2026-03-29T01:30:00Z"));
        // That day has 23 hours.
        let due = day_due(at("2026-03-30T12:00:00Z"), civil::time(2, 30, 0, 0), &zone);
        assert_eq!(due.day.to_string(), "2026-03-29");
        assert_eq!(
            due.until.duration_since(due.from),
            SignedDuration::from_hours(23)
        );
    }
}
