//! Security: what the parts of the scan found becomes one report with its score, each reading is journaled in short, and each day is summed up.
//!
//! What flows through: findings of parts in; a report for the picture, events for the journal out. What it never does: scan (the sources
//! do), or count what was never read as clean.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use steward_api::{
    ErrorCode, Event, Facts, ProblemDetails, ResourceId, Role, ScanPart, SecurityDay,
    SecurityReport, SecuritySummary, TaskId,
};

use super::{
    handle::Caller,
    requests::{need, store_unavailable},
    state::State,
};
use crate::{
    ports::{PartFound, later, words},
    security::{
        ACCEPTED_PORTS,
        day::{DueDay, day_due},
        ports::PortMemory,
        report,
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
        let part = found.found.part();
        let next_at = later(now, self.config.security.scan_every);
        self.renew_report(|report| report::take(report, found, now, next_at));
        self.tell_of_scan(part, None).await;
    }

    async fn tell_of_scan(&mut self, part: ScanPart, failed: Option<String>) {
        let mut short = SecuritySummary::clone(&self.security.summary);
        if short.gaps.len() > MOST_GAPS {
            let more = short.gaps.len() - MOST_GAPS;
            short.gaps.truncate(MOST_GAPS);
            short.gaps.push(format!("and {more} more"));
        }
        self.commit(vec![Event::SecurityScanned {
            part,
            failed,
            summary: Box::new(short),
        }])
        .await;
    }

    /// A part that could not be read at all says so; what was read of it before stays. One that fails again and again as before is told once.
    pub(super) async fn scan_failed(&mut self, part: ScanPart, reason: &str, now: Timestamp) {
        let is_news = self.renew_report(|report| report::failed(report, part, reason, now));
        if is_news {
            self.tell_of_scan(part, Some(reason.to_owned())).await;
        }
    }

    /// Has the report follow a configuration that has changed: other parts, other weights.
    pub(super) fn reweigh(&mut self) {
        self.renew_report(|_| ());
    }

    fn renew_report<T>(&mut self, change: impl FnOnce(&mut SecurityReport) -> T) -> T {
        let security = &self.config.security;
        let report = Arc::make_mut(&mut self.security.report);
        report.node.clone_from(&self.node);
        report::keep_to(report, &security.parts);
        let outcome = change(report);
        report.score = of_report(report, &security.weights);
        self.security.summary = Arc::new(summary(report));
        self.is_dirty = true;
        outcome
    }

    /// The report for the picture: each deduction with the incident and the task that see to it. It may be large, so it is made anew only
    /// where one of these has changed.
    pub(super) fn security_report(&mut self) -> Arc<SecurityReport> {
        let Some(before) = &self.security.report.score else {
            return self.security.report();
        };
        let mut score = before.clone();
        for deduction in &mut score.deductions {
            let about = deduction.about.as_ref();
            let incident = about.and_then(|about| self.incidents.of(about));
            deduction.incident = incident.map(|incident| incident.id);
            deduction.task = incident.and_then(|incident| {
                let is_open = |task: &&TaskId| self.tasks.contains_key(*task);
                incident.tasks.iter().rev().find(is_open).copied()
            });
        }
        if score != *before {
            Arc::make_mut(&mut self.security.report).score = Some(score);
        }
        self.security.report()
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
