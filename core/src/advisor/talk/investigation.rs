//! One specialist's part of a talk: it looks, asks for more where its model can, perhaps asks another one, and reports.
//!
//! What flows through: a task in words in; what was seen, what follows from it and what is proposed out. What it never does: fail because
//! a model does. Then it says so, and what was looked at is its report.

use std::collections::BTreeSet;

use futures_util::{FutureExt as _, future::BoxFuture, future::join_all};
use steward_api::{MessageKind, ModelClass, Purpose, ResourceId};

use super::{
    super::{
        protocol::{Message, Speaker, ToolCall, object_in},
        specialists::{self, Who},
    },
    Offer, Turn, looks,
    names::Known,
    questions::{self, AGAIN_FORM, ReportQuestion},
    read::{self, Report, ReportBounds},
    sights::{self, Seen},
};
use crate::ports::{AdvisorError, Draft, Lookup, Proposed};

/// Rounds in which a model may call tools, at most.
const MOST_ROUNDS: usize = 3;
/// Calls of tools in one round, at most.
const MOST_CALLS: usize = 6;
/// Resources for which actions are offered, at most.
const MOST_OFFERED: usize = 4;
/// Actions that are offered, at most.
const MOST_OFFERS: usize = 12;

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub(super) who: String,
    pub(super) text: String,
    /// Percent.
    pub(super) confidence: u8,
    pub(super) seen: Vec<Seen>,
    pub(super) proposals: Vec<Proposed>,
    pub(super) unchecked: Vec<String>,
    /// The model that wrote it; absent where none did.
    pub(super) model: Option<String>,
}

impl Reported {
    /// Whether there is something in it for a person.
    pub(super) fn is_of_use(&self) -> bool {
        self.model.is_some() || self.seen.iter().any(|one| one.looked.is_ok())
    }

    /// All text of it, for finding names.
    pub(super) fn all_text(&self) -> String {
        let seen = self.seen.iter().map(|one| one.shown());
        let seen: Vec<String> = seen
            .map(|one| format!("{}\n{}", one.what, one.text))
            .collect();
        format!("{}\n{}", self.text, seen.join("\n"))
    }
}

/// A round in which a model called tools.
struct Round {
    calls: Vec<ToolCall>,
    /// For each call the place of what was seen, or why it can't be.
    results: Vec<Result<usize, String>>,
}

impl Turn<'_> {
    /// A specialist looks into a task. `may_consult`: whether it may ask another one.
    pub(super) fn investigate<'b>(
        &'b self,
        who: &'b Who,
        task: &'b str,
        reply_to: u32,
        may_consult: bool,
    ) -> BoxFuture<'b, Result<Reported, AdvisorError>> {
        async move {
            // Whoever hands a task on may leave out what the person named.
            let about = format!("{task}\n{}", self.talk.question.text);
            let first = looks::first(who, &about, &self.inventory, self.talk.incident.as_ref());
            let mut seen = join_all(first.into_iter().map(|lookup| self.look(who, lookup))).await;
            self.look_further(who, task, &mut seen).await;
            let offers = self.offers(who, &seen).await;
            self.desk.works(&who.name, "thinks about what it has seen");
            let others: Vec<&Who> = self
                .roster
                .iter()
                .filter(|other| may_consult && !other.is_jarvis() && other.name != who.name)
                .collect();
            let mut report = self.report(who, task, &seen, &offers, &others, None).await;
            if let Ok((
                Report {
                    consult: Some((name, question)),
                    ..
                },
                _,
            )) = &report
                && let Some(other) = specialists::by_name(&self.roster, name)
            {
                let advice = self.consult(who, other, question, reply_to).await?;
                report = self
                    .report(who, task, &seen, &offers, &[], Some(&advice))
                    .await;
                seen.extend(advice.seen);
            }
            self.desk.done(&who.name);
            Ok(match report {
                Ok((report, model)) => Reported {
                    who: who.name.clone(),
                    text: report.text,
                    confidence: report.confidence,
                    seen,
                    proposals: report.proposals,
                    unchecked: report.unchecked,
                    model: Some(model),
                },
                Err(AdvisorError::NoAnswer(why)) => Reported {
                    who: who.name.clone(),
                    text: format!(
                        "No model could judge what was looked at ({why}). It stands beside this."
                    ),
                    confidence: 0,
                    seen,
                    proposals: Vec::new(),
                    unchecked: Vec::new(),
                    model: None,
                },
                Err(error) => return Err(error),
            })
        }
        .boxed()
    }

    async fn look(&self, who: &Who, lookup: Lookup) -> Seen {
        self.desk
            .works(&who.name, format!("looks at {}", lookup.what()));
        let looked = self.house.look(&lookup).await;
        Seen {
            reference: self.desk.reference(),
            at: self.desk.now(),
            lookup,
            looked,
        }
    }

    /// Lets a model that calls tools see what is still missing. One that doesn't has what was looked at beforehand.
    async fn look_further(&self, who: &Who, task: &str, seen: &mut Vec<Seen>) {
        let functions = looks::functions(who);
        let mut rounds: Vec<Round> = Vec::new();
        let mut first: Option<String> = None;
        for _ in 0..MOST_ROUNDS {
            let how = self.how(Purpose::Consultation, who, first.as_deref(), "");
            let put = |spec: &super::Spec| {
                self.put(spec, (), |ground, room| {
                    let before = seen.len() - rounds.iter().map(Round::seen).sum::<usize>();
                    let known: Vec<&Seen> = seen.iter().take(before).collect();
                    let privacy = self.setup.config.privacy;
                    let half = room / 2;
                    let shown = sights::for_model(&known, spec.class, privacy, half);
                    let messages = self.as_messages(&rounds, seen, spec.class, half);
                    questions::look(who, task, ground, &shown, messages, functions.clone())
                })
            };
            let Some(model) = self.advisor.first_model(&self.setup, how, put) else {
                return;
            };
            // Without tools, another question would bring nothing.
            if functions.is_empty() || model.health().abilities.tools == Some(false) {
                return;
            }
            self.desk
                .works(&who.name, "thinks about what else to look at");
            let answered = self
                .advisor
                .rounds(&self.setup, how, put, |given| {
                    let calls = given
                        .answer
                        .calls
                        .iter()
                        .take(MOST_CALLS)
                        .map(|call| ToolCall {
                            arguments: given.stand_ins.map_or_else(
                                || call.arguments.clone(),
                                |stand_ins| stand_ins.put_back(&call.arguments),
                            ),
                            ..call.clone()
                        });
                    Ok((calls.collect::<Vec<_>>(), given.text.to_owned()))
                })
                .await;
            // Why not stands in the record of the call; what is there suffices to report.
            let Ok(((calls, said), name)) = answered else {
                return;
            };
            if calls.is_empty() {
                let keeps_to_it =
                    said.to_lowercase().contains("done") || object_in(&said).is_some();
                if !keeps_to_it && model.spec.name == name {
                    // It neither calls tools nor says that it needs none: such a one is not asked again.
                    model.note(|health| {
                        health.abilities.tools.get_or_insert(false);
                    });
                }
                return;
            }
            let mut results = Vec::new();
            for call in &calls {
                let lookup = looks::called(&call.name, &call.arguments, who, &self.inventory);
                results.push(match lookup {
                    Ok(lookup) => match seen.iter().position(|one| one.lookup == lookup) {
                        Some(_) => Err("it was looked at already; see above".to_owned()),
                        None => {
                            seen.push(self.look(who, lookup).await);
                            Ok(seen.len() - 1)
                        }
                    },
                    Err(why) => Err(why),
                });
            }
            rounds.push(Round { calls, results });
            first = Some(name);
        }
    }

    /// The rounds so far as a model of this class may see them.
    fn as_messages(
        &self,
        rounds: &[Round],
        seen: &[Seen],
        class: ModelClass,
        most: usize,
    ) -> Vec<Message> {
        let results: usize = rounds.iter().map(|round| round.results.len()).sum();
        let each = most / results.max(1);
        let mut messages = Vec::new();
        for round in rounds {
            let mut called = Message::new(Speaker::Assistant, "");
            called.calls.clone_from(&round.calls);
            messages.push(called);
            for (call, result) in round.calls.iter().zip(&round.results) {
                let text = match result {
                    Ok(place) => seen.get(*place).map_or_else(String::new, |one| {
                        sights::for_model(&[one], class, self.setup.config.privacy, each)
                    }),
                    Err(why) => why.clone(),
                };
                let mut told = Message::new(Speaker::Tool, text);
                told.result_of = Some(call.id.clone());
                messages.push(told);
            }
        }
        messages
    }

    /// What may be proposed about what was looked at, or is what the conversation is about.
    async fn offers(&self, who: &Who, seen: &[Seen]) -> Vec<Offer> {
        let mut subjects: Vec<&ResourceId> = self
            .talk
            .incident
            .iter()
            .map(|incident| &incident.resource)
            .collect();
        for one in seen {
            if let Lookup::Resource(id) | Lookup::Log { id, .. } | Lookup::Database(id) =
                &one.lookup
            {
                subjects.push(id);
            }
        }
        let mut known = BTreeSet::new();
        subjects.retain(|id| known.insert(*id));
        let mut offers = Vec::new();
        for id in subjects.into_iter().take(MOST_OFFERED) {
            self.desk.works(
                &who.name,
                format!("looks at what may be done to {}", id.short()),
            );
            let offered = match self.house.offers(id).await {
                Ok(offered) => offered,
                Err(why) => {
                    tracing::debug!(%id, why, "nothing is offered");
                    continue;
                }
            };
            for action in offered {
                if offers.len() < MOST_OFFERS {
                    offers.push(Offer {
                        reference: format!("O{}", offers.len() + 1),
                        resource: id.clone(),
                        action,
                    });
                }
            }
        }
        offers
    }

    async fn report(
        &self,
        who: &Who,
        task: &str,
        seen: &[Seen],
        offers: &[Offer],
        others: &[&Who],
        advice: Option<&Reported>,
    ) -> Result<(Report, String), AdvisorError> {
        let all: Vec<&Seen> = seen
            .iter()
            .chain(advice.iter().flat_map(|advice| &advice.seen))
            .collect();
        let references: Vec<&str> = all.iter().map(|one| one.reference.as_str()).collect();
        let shown: Vec<String> = all
            .iter()
            .map(|one| one.shown())
            .map(|one| format!("{}\n{}", one.what, one.text))
            .chain(advice.map(|advice| advice.text.clone()))
            .chain([task.to_owned(), self.talk.question.text.clone()])
            .collect();
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        let known = Known::of(&self.inventory, &shown);
        self.advisor
            .rounds(
                &self.setup,
                self.how(Purpose::Consultation, who, None, AGAIN_FORM),
                |spec| {
                    self.put(spec, (), |ground, room| {
                        let privacy = self.setup.config.privacy;
                        let consulted = advice.map(|advice| {
                            self.reports_for(std::slice::from_ref(advice), spec.class, 1200)
                        });
                        let seen = sights::for_model(&all, spec.class, privacy, room);
                        questions::report(
                            &ReportQuestion {
                                who,
                                task,
                                seen: &seen,
                                references: &references,
                                offers,
                                others,
                                consulted: consulted.as_deref(),
                            },
                            ground,
                        )
                    })
                },
                |given| {
                    read::report(
                        given.text,
                        &ReportBounds {
                            references: &references,
                            offers,
                            others,
                            known: &known,
                            is_last: given.is_last,
                        },
                    )
                },
            )
            .await
    }

    /// Another specialist is asked, with the messages of it.
    async fn consult(
        &self,
        who: &Who,
        other: &Who,
        question: &str,
        reply_to: u32,
    ) -> Result<Reported, AdvisorError> {
        self.desk
            .works(&who.name, format!("asks {} for advice", other.name));
        let sent = self
            .send(Draft {
                reply_to: Some(reply_to),
                ..self.draft(who, &other.name, MessageKind::Consultation, question)
            })
            .await?;
        let mut advice = self
            .investigate(other, question, sent.number, false)
            .await?;
        // Whoever asked proposes.
        advice.proposals.clear();
        self.send_report(other, &who.name, sent.number, &advice)
            .await?;
        Ok(advice)
    }
}

impl Round {
    fn seen(&self) -> usize {
        self.results.iter().filter(|result| result.is_ok()).count()
    }
}
