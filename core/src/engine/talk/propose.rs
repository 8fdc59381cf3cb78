//! What specialists propose: each becomes a task that waits for a person, or is refused with the reason in words.
//!
//! What flows in: an action's name and a resource's. What flows out: a task like that of a person's wish, weighed by the same policy and
//! guards, but one that always asks. What it never does: begin anything, or touch the question that Steward itself asks about an incident.

use std::collections::BTreeSet;

use steward_api::{
    ConversationId, Diagnosis, PlanHash, Proposal, Requester, Task, TaskId, TaskState, Urgency,
    Verdict,
};

use super::{LONGEST_TEXT, cut, is_proposal};
use crate::{engine::state::State, ports::Proposed, redact::redact};

/// Proposals that one message may hold.
const MOST_PROPOSALS: usize = 5;
/// Proposals that may wait for people at the same time.
const MOST_WAITING: usize = 20;
/// Characters of a proposal's reason.
const LONGEST_REASON: usize = 500;
/// What stands for a refusal's text at most.
const LONGEST_REFUSAL: usize = LONGEST_TEXT / 8;
/// After what Steward itself asks and what people ask for.
const PRIORITY: u8 = 4;

impl State {
    /// What becomes of proposals. The tasks are made but not yet among the others: they are once they are journaled.
    pub(super) fn propose(
        &mut self,
        conversation: ConversationId,
        from: &str,
        asker: &str,
        proposed: Vec<Proposed>,
    ) -> (Vec<Proposal>, Vec<Task>) {
        let mut proposals = Vec::new();
        let mut tasks: Vec<Task> = Vec::new();
        let mut seen = BTreeSet::new();
        for one in proposed {
            if !seen.insert((one.resource.clone(), one.action)) {
                continue;
            }
            let reason = cut(
                redact(&one.reason).replace('\n', " ").trim(),
                LONGEST_REASON,
            );
            let requester = Requester::Specialist {
                name: from.to_owned(),
                conversation,
                identity: asker.to_owned(),
            };
            let outcome = if proposals.len() >= MOST_PROPOSALS {
                Err(format!(
                    "one message proposes at most {MOST_PROPOSALS} things"
                ))
            } else {
                self.propose_one(&one, &reason, requester, &mut tasks)
            };
            let (task, refused) = match outcome {
                Ok(task) => (Some(task), None),
                Err(refused) => (None, Some(cut(&refused, LONGEST_REFUSAL))),
            };
            proposals.push(Proposal {
                resource: one.resource,
                action: one.action,
                reason,
                task,
                refused,
            });
            // A message that proposes without end is not kept whole either.
            if proposals.len() > 2 * MOST_PROPOSALS {
                break;
            }
        }
        (proposals, tasks)
    }

    fn propose_one(
        &mut self,
        proposed: &Proposed,
        reason: &str,
        requester: Requester,
        made: &mut Vec<Task>,
    ) -> Result<TaskId, String> {
        let asked = self
            .plan_asked(&proposed.resource, proposed.action)
            .map_err(|problem| problem.detail)?;
        if let Some(same) = self.waiting_for(asked.plan.hash(), made) {
            return Ok(same);
        }
        let waiting = self
            .tasks
            .values()
            .filter(|task| is_proposal(task) && task.status == TaskState::Pending)
            .count();
        if waiting + made.len() >= MOST_WAITING {
            return Err(format!(
                "{MOST_WAITING} proposals wait for an answer; answer some of them first"
            ));
        }
        let now = self.clock.now();
        let diagnosis = asked
            .subject
            .diagnoses
            .first()
            .cloned()
            .unwrap_or_else(|| proposed_diagnosis(&requester));
        let answer = self.weigh_plan(&asked.subject, &diagnosis, asked.plan, now);
        let Some(plan) = answer.plan else {
            return Err(answer.decision.reason);
        };
        let because = match answer.decision.verdict {
            // Steward would do it by itself; what a specialist wants is another matter.
            Verdict::ActNow | Verdict::Withhold => String::new(),
            Verdict::Ask => format!(" {}.", answer.decision.reason.trim_end_matches('.')),
        };
        let who = match &requester {
            Requester::Specialist {
                name, conversation, ..
            } => format!("{name} proposes it in conversation {conversation}"),
            Requester::Steward | Requester::Person { .. } => "It was proposed".to_owned(),
        };
        let why = format!(
            "{who}: {reason}{} What specialists propose waits for a person.{because}",
            if reason.ends_with(['.', '!', '?', '…']) {
                ""
            } else {
                "."
            }
        );
        let incident = asked.incident;
        let mut task = self
            .new_task(
                plan,
                incident,
                proposed.resource.clone(),
                PRIORITY,
                why,
                true,
                requester,
                now,
            )
            .ok_or_else(|| "no number for a new task could be had".to_owned())?;
        task.record = answer.record;
        let id = task.id;
        made.push(task);
        Ok(id)
    }

    /// A task that waits with the same plan.
    fn waiting_for(&self, plan: &PlanHash, made: &[Task]) -> Option<TaskId> {
        self.tasks
            .values()
            .filter(|task| task.status != TaskState::InProgress)
            .chain(made)
            .find(|task| task.plan_hash == *plan)
            .map(|task| task.id)
    }
}

fn proposed_diagnosis(requester: &Requester) -> Diagnosis {
    let source = match requester {
        Requester::Specialist { name, .. } => format!("specialist:{name}"),
        Requester::Person { identity, .. } => format!("person:{identity}"),
        Requester::Steward => "steward".to_owned(),
    };
    Diagnosis {
        diagnosis: "A specialist proposed it".to_owned(),
        recommended_action: None,
        withheld: None,
        urgency: Urgency::Medium,
        confidence: 0,
        reasoning: String::new(),
        evidence: Vec::new(),
        source,
        advice: String::new(),
    }
}
