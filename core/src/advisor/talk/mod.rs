//! A talk: a person asks, specialists look at the house, and one of them answers.
//!
//! What flows in: a question with what was said before ([`Talk`]), the house to look at ([`House`]). What flows out, to the [`Scribe`]:
//! messages between specialists, the answer as it is written, and what is proposed. In the order of the files: `looks` (what is looked at),
//! `sights` (how it is shown), `questions` (what models are asked), `read` (what of their answers is let through), `names` (whether what
//! they name is there), `investigation` (one specialist's part), and this file: who is asked, and the answer.
//!
//! What it never does: act, or look at anything that is no [`Lookup`](crate::ports::Lookup). Where models fail, what was looked at is
//! still shown.

mod desk;
mod investigation;
mod looks;
mod names;
mod questions;
mod read;
mod sights;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::join_all;
use steward_api::{
    JARVIS_PRIME, Message as Said, MessageKind, ModelClass, OfferedAction, Purpose, ResourceId,
};

use self::{
    desk::Desk,
    investigation::Reported,
    names::Known,
    questions::{AGAIN_FORM, AGAIN_WORDS, Ground, MOST_DELEGATES},
    read::Delegation,
};
use super::{
    Advisor, Setup,
    model::{Hearer, Spec},
    protocol::Request,
    rounds::{Put, Rounds},
    specialists::{self, Who},
};
use crate::ports::{AdvisorError, Draft, House, Inventory, Proposed, Scribe, Talk};

/// An action that may be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// By which a model names it, such as `O2`.
    pub(super) reference: String,
    pub(super) resource: ResourceId,
    pub(super) action: OfferedAction,
}

/// One answer in the making.
pub(super) struct Turn<'a> {
    advisor: &'a Advisor,
    setup: Arc<Setup>,
    talk: &'a Talk,
    house: &'a dyn House,
    desk: Desk<'a>,
    inventory: Inventory,
    roster: Vec<Who>,
}

impl Advisor {
    /// Answers a person.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn answer(
        &self,
        talk: &Talk,
        house: &dyn House,
        scribe: &dyn Scribe,
    ) -> Result<(), AdvisorError> {
        let setup = self.setup();
        let turn = Turn {
            advisor: self,
            roster: specialists::roster(&setup.config),
            desk: Desk::new(scribe, self.shared.clock.as_ref()),
            inventory: house.inventory(),
            setup,
            talk,
            house,
        };
        let asked = specialists::by_name(&turn.roster, &talk.question.to);
        let jarvis = specialists::by_name(&turn.roster, JARVIS_PRIME);
        match asked.or(jarvis) {
            Some(who) if who.is_jarvis() => turn.by_jarvis(who).await,
            Some(who) => turn.by_one(who).await,
            None => Err(AdvisorError::NoAnswer(
                "there are no specialists".to_owned(),
            )),
        }
    }
}

impl Turn<'_> {
    /// Jarvis Prime has those look whom it concerns, and answers.
    async fn by_jarvis(&self, jarvis: &Who) -> Result<(), AdvisorError> {
        self.desk
            .works(&jarvis.name, "thinks about whom to have look");
        let delegation = self.delegation(jarvis).await?;
        if delegation.to.is_empty() && !delegation.ask.is_empty() {
            return self
                .send_answer(jarvis, delegation.ask, Vec::new(), &[], None)
                .await;
        }
        if !delegation.to.is_empty() {
            let names: Vec<&str> = delegation
                .to
                .iter()
                .map(|(name, _)| name.as_str())
                .collect();
            self.desk
                .works(&jarvis.name, format!("waits for {}", names.join(" and ")));
        }
        let parts = delegation.to.iter().filter_map(|(name, task)| {
            let who = specialists::by_name(&self.roster, name)?;
            Some(self.delegated(jarvis, who, task))
        });
        let reports: Vec<Reported> = join_all(parts)
            .await
            .into_iter()
            .collect::<Result<_, _>>()?;
        self.answer(jarvis, &reports).await
    }

    /// One specialist is asked directly.
    async fn by_one(&self, who: &Who) -> Result<(), AdvisorError> {
        let reported = self
            .investigate(
                who,
                &self.talk.question.text,
                self.talk.question.number,
                true,
            )
            .await?;
        self.answer(who, &[reported]).await
    }

    /// Whom Jarvis Prime has look: as a model says; by the words of the question where none says anything of use.
    async fn delegation(&self, jarvis: &Who) -> Result<Delegation, AdvisorError> {
        let others: Vec<&Who> = self.roster.iter().filter(|who| !who.is_jarvis()).collect();
        let asked = self
            .advisor
            .rounds(
                &self.setup,
                self.how(Purpose::Chat, jarvis, None, AGAIN_FORM),
                |spec| {
                    self.put(spec, (), |ground, _| {
                        questions::delegate(jarvis, &others, ground)
                    })
                },
                |given| read::delegation(given.text, &others),
            )
            .await;
        match asked {
            Ok((delegation, _)) => Ok(delegation),
            Err(AdvisorError::NoAnswer(why)) => {
                tracing::info!(why, "whom to ask is decided by the words of the question");
                Ok(self.by_words())
            }
            Err(error) => Err(error),
        }
    }

    fn by_words(&self) -> Delegation {
        let question = &self.talk.question.text;
        let kinds: Vec<_> = names::named_in(question, &self.inventory)
            .into_iter()
            .map(|id| id.kind)
            .collect();
        let suited = specialists::suited(
            question,
            &kinds,
            self.talk.incident.as_ref(),
            &self.inventory,
            &self.roster,
            MOST_DELEGATES,
        );
        let task: String = question.chars().take(questions::LONGEST_TASK).collect();
        Delegation {
            to: suited
                .into_iter()
                .map(|who| (who.name.clone(), task.clone()))
                .collect(),
            ask: String::new(),
        }
    }

    /// A specialist's part, with the messages of it.
    async fn delegated(
        &self,
        jarvis: &Who,
        who: &Who,
        task: &str,
    ) -> Result<Reported, AdvisorError> {
        let sent = self
            .send(Draft {
                reply_to: Some(self.talk.question.number),
                ..self.draft(jarvis, &who.name, MessageKind::Delegation, task)
            })
            .await?;
        let reported = self.investigate(who, task, sent.number, true).await?;
        self.send_report(who, &jarvis.name, sent.number, &reported)
            .await?;
        Ok(reported)
    }

    async fn send_report(
        &self,
        who: &Who,
        to: &str,
        reply_to: u32,
        reported: &Reported,
    ) -> Result<(), AdvisorError> {
        self.send(Draft {
            reply_to: Some(reply_to),
            looked_at: reported.seen.iter().map(sights::Seen::shown).collect(),
            unchecked: reported.unchecked.clone(),
            model: reported.model.clone(),
            ..self.draft(who, to, MessageKind::Report, &reported.text)
        })
        .await?;
        Ok(())
    }

    /// The answer to the person, out of what was reported.
    async fn answer(&self, who: &Who, reports: &[Reported]) -> Result<(), AdvisorError> {
        self.desk.works(&who.name, "writes the answer");
        let mut proposals: Vec<Proposed> = Vec::new();
        for proposed in reports.iter().flat_map(|reported| &reported.proposals) {
            let is_new = proposals.iter().all(|known| {
                known.resource != proposed.resource || known.action != proposed.action
            });
            if is_new {
                proposals.push(proposed.clone());
            }
        }
        let in_words: Vec<String> = proposals
            .iter()
            .map(|one| format!("{} on {}: {}", one.action, one.resource, one.reason))
            .collect();
        let nobody = names::unknown(&self.talk.question.text, &Known::of(&self.inventory, &[]));
        let texts: Vec<String> = reports.iter().map(Reported::all_text).collect();
        let mut shown: Vec<&str> = texts.iter().map(String::as_str).collect();
        shown.push(&self.talk.question.text);
        let before: Vec<&str> = self
            .talk
            .before
            .iter()
            .map(|said| said.text.as_str())
            .collect();
        shown.extend(before);
        let known = Known::of(&self.inventory, &shown);
        let name = who.name.clone();
        let hears = |text: &str| self.desk.writes(&name, text);
        let hear: Hearer<'_> = &hears;
        let how = Rounds {
            hear: Some(hear),
            ..self.how(Purpose::Chat, who, None, AGAIN_WORDS)
        };
        let written = self
            .advisor
            .rounds(
                &self.setup,
                how,
                |spec| {
                    self.put(spec, (), |ground, room| {
                        let reports = self.reports_for(reports, spec.class, room);
                        questions::answer(who, ground, &reports, &in_words, &nobody)
                    })
                },
                |given| read::answer(given.text, &known, given.is_last),
            )
            .await;
        self.desk.wrote();
        let (text, unchecked, model) = match written {
            Ok(((text, unchecked), model)) => (text, unchecked, Some(model)),
            // What was found out is worth more than nothing.
            Err(AdvisorError::NoAnswer(why)) if reports.iter().any(Reported::is_of_use) => {
                (without_model(reports, &why), Vec::new(), None)
            }
            Err(error) => return Err(error),
        };
        let seen: Vec<&sights::Seen> = reports.iter().flat_map(|one| &one.seen).collect();
        let draft = Draft {
            reply_to: Some(self.talk.question.number),
            looked_at: seen.iter().map(|one| one.shown()).collect(),
            proposals,
            unchecked,
            model,
            ..self.draft(who, &self.talk.question.from, MessageKind::Answer, &text)
        };
        self.send(draft).await?;
        self.desk.done(&who.name);
        Ok(())
    }

    async fn send_answer(
        &self,
        who: &Who,
        text: String,
        proposals: Vec<Proposed>,
        seen: &[&sights::Seen],
        model: Option<String>,
    ) -> Result<(), AdvisorError> {
        self.send(Draft {
            reply_to: Some(self.talk.question.number),
            looked_at: seen.iter().map(|one| one.shown()).collect(),
            proposals,
            model,
            ..self.draft(who, &self.talk.question.from, MessageKind::Answer, &text)
        })
        .await?;
        self.desk.done(&who.name);
        Ok(())
    }

    /// Reports as a model of this class may be shown them, in about so many characters.
    fn reports_for(&self, reports: &[Reported], class: ModelClass, room: usize) -> String {
        let privacy = self.setup.config.privacy;
        let each = room / reports.len().max(1);
        reports
            .iter()
            .map(|reported| {
                let seen: Vec<&sights::Seen> = reported.seen.iter().collect();
                let is_open = seen.iter().all(|one| one.may_be_shown(class, privacy));
                let report = if is_open || self.is_of_class(reported.model.as_deref(), class) {
                    reported.text.as_str()
                } else {
                    "(this report rests on what may not leave the house)"
                };
                format!(
                    "{} reports ({} % sure): {report}\n{}",
                    reported.who,
                    reported.confidence,
                    sights::for_model(&seen, class, privacy, each.saturating_sub(report.len()))
                )
            })
            .collect()
    }

    /// Whether what a model wrote may be shown to models of a class: to one in the house in any case, to one outside only what one outside
    /// has written, since one in the house was shown more.
    fn is_of_class(&self, model: Option<&str>, class: ModelClass) -> bool {
        class == ModelClass::Local
            || model.is_some_and(|name| {
                self.setup
                    .models
                    .iter()
                    .any(|known| known.spec.name == name && known.spec.class == class)
            })
    }

    /// How this turn's questions are put.
    fn how<'b>(
        &'b self,
        purpose: Purpose,
        who: &'b Who,
        first: Option<&'b str>,
        again: &'b str,
    ) -> Rounds<'b> {
        Rounds {
            purpose,
            incident: self.talk.incident.as_ref().map(|incident| incident.id),
            conversation: Some(self.talk.conversation.id),
            wish: self.talk.model.as_deref(),
            first: first.or(who.model.as_deref()),
            hear: None,
            again,
        }
    }

    /// A question as it is put to one model. `ask` makes it, and is told how many characters of sights fit.
    fn put<S>(
        &self,
        spec: &Spec,
        shown: S,
        ask: impl FnOnce(&Ground<'_>, usize) -> Request,
    ) -> Put<S> {
        let class = spec.class;
        let privacy = self.setup.config.privacy;
        let all_may_leave =
            privacy.logs_to_cloud && privacy.configuration_to_cloud && privacy.security_to_cloud;
        let may_see = |said: &Said| {
            said.kind == MessageKind::Question
                || all_may_leave
                || self.is_of_class(said.model.as_deref(), class)
        };
        // Three characters make about a token. A third of what fits is for the inventory, a half for what was seen.
        let room = usize::try_from(spec.context_tokens).unwrap_or(usize::MAX);
        let room = room.saturating_sub(2600).clamp(500, 12_000) * 3;
        let ground = Ground {
            talk: self.talk,
            inventory: &self.inventory,
            may_see: &may_see,
            room: room / 3,
        };
        let request = ask(&ground, room / 2);
        let stand_ins = (class == ModelClass::Cloud).then(|| {
            let nodes: BTreeSet<String> = self
                .inventory
                .resources
                .iter()
                .map(|resource| resource.id.node.clone())
                .chain([self.inventory.node.clone()])
                .filter(|node| !node.is_empty())
                .collect();
            self.advisor.stand_ins(&self.setup, nodes)
        });
        Put::hidden(request, shown, stand_ins)
    }

    fn draft(&self, from: &Who, to: &str, kind: MessageKind, text: &str) -> Draft {
        Draft {
            from: from.name.clone(),
            to: to.to_owned(),
            kind,
            text: text.to_owned(),
            reply_to: None,
            looked_at: Vec::new(),
            proposals: Vec::new(),
            unchecked: Vec::new(),
            model: None,
        }
    }

    async fn send(&self, draft: Draft) -> Result<Said, AdvisorError> {
        self.desk
            .scribe()
            .send(draft)
            .await
            .map_err(AdvisorError::NoAnswer)
    }
}

/// The answer where no model sums up what was reported.
fn without_model(reports: &[Reported], why: &str) -> String {
    let mut text = format!("No model could put an answer together ({why}). What was found out:");
    for reported in reports {
        text.push_str(&format!("\n\n{}: {}", reported.who, reported.text));
    }
    text
}
