//! One question, put to the models in their order until one gives an answer that stands.
//!
//! What flows through: the question as it is put to each model, and a judge; out comes what the judge made of the first answer that it let
//! through, with the model's name. An answer that will not do goes back once with what is wrong with it. What it never does: let an
//! answer through that the judge refused, or hold more rounds than two with one model.

use std::sync::Arc;

use steward_api::{CallResult, ConversationId, IncidentId, Purpose};

use super::{
    Advisor, HOW_TO_HAVE_ONE, Setup,
    asking::{Manner, ask},
    model::{Hearer, Model, Spec},
    protocol::{Answer, Message, Request, Speaker},
    route::{Candidate, Need, Route, route},
    stand_ins::StandIns,
};
use crate::ports::AdvisorError;

/// The longest part of an answer that is sent back to be mended, characters.
const LONGEST_SENT_BACK: usize = 2000;

/// The question as it is put to one model.
pub(super) struct Put<S> {
    pub(super) request: Request,
    /// What the judge needs to know of what was shown.
    pub(super) shown: S,
    /// For a model outside of the house.
    pub(super) stand_ins: Option<StandIns>,
}

impl<S> Put<S> {
    /// The question with stand-ins for what must not leave.
    pub(super) fn hidden(mut request: Request, shown: S, stand_ins: Option<StandIns>) -> Self {
        let stand_ins = stand_ins.map(|mut stand_ins| {
            for message in &mut request.messages {
                message.text = stand_ins.hide(&message.text);
                for call in &mut message.calls {
                    call.arguments = stand_ins.hide(&call.arguments);
                }
            }
            stand_ins
        });
        Self {
            request,
            shown,
            stand_ins,
        }
    }
}

/// How a question is to be put.
#[derive(Clone, Copy)]
pub(super) struct Rounds<'a> {
    pub(super) purpose: Purpose,
    pub(super) incident: Option<IncidentId>,
    pub(super) conversation: Option<ConversationId>,
    /// The one model that is to be asked, as a person wishes.
    pub(super) wish: Option<&'a str>,
    /// The model that is asked first, where it can be.
    pub(super) first: Option<&'a str>,
    /// Hears the answer while it is written, with the real names put back.
    pub(super) hear: Option<Hearer<'a>>,
    /// Ends the words by which an answer is asked for again.
    pub(super) again: &'a str,
}

/// An answer before its judge.
pub(super) struct Given<'a, S> {
    /// The text with the real names put back.
    pub(super) text: &'a str,
    pub(super) answer: &'a Answer,
    pub(super) shown: &'a S,
    pub(super) stand_ins: Option<&'a StandIns>,
    pub(super) model: &'a str,
    /// Whether there is no further round with this model.
    pub(super) is_last: bool,
}

impl Advisor {
    /// Asks the models in their order.
    ///
    /// # Errors
    /// Where none can be asked, or none gave an answer that stands; with each one's reason.
    pub(super) async fn rounds<S, T>(
        &self,
        setup: &Setup,
        how: Rounds<'_>,
        put: impl Fn(&Spec) -> Put<S>,
        judge: impl Fn(&Given<'_, S>) -> Result<T, Vec<String>>,
    ) -> Result<(T, String), AdvisorError> {
        if !setup.config.enabled {
            return Err(AdvisorError::NoModel(
                "the Advisor is switched off (advisor.enabled)".to_owned(),
            ));
        }
        if let Some(name) = how.wish {
            self.find(setup, name)?;
        }
        if setup.models.is_empty() {
            return Err(AdvisorError::NoModel(HOW_TO_HAVE_ONE.to_owned()));
        }
        let (way, puts) = self.way(setup, how, &put);
        if way.order.is_empty() {
            return Err(AdvisorError::NoModel(way.reasons()));
        }
        let mut puts: Vec<Option<Put<S>>> = puts.into_iter().map(Some).collect();
        let mut tried = Vec::new();
        for index in way.order {
            let (Some(model), Some(put)) = (
                setup.models.get(index),
                puts.get_mut(index).and_then(Option::take),
            ) else {
                continue;
            };
            match self.with_one(setup, model, how, put, &judge).await {
                Ok(made) => return Ok((made, model.spec.name.clone())),
                Err(why) => tried.push(format!("{}: {why}", model.spec.name)),
            }
        }
        Err(AdvisorError::NoAnswer(tried.join("; ")))
    }

    /// The model that would be asked first.
    pub(super) fn first_model<S>(
        &self,
        setup: &Setup,
        how: Rounds<'_>,
        put: impl Fn(&Spec) -> Put<S>,
    ) -> Option<Arc<Model>> {
        let (way, _) = self.way(setup, how, &put);
        way.order
            .first()
            .and_then(|index| setup.models.get(*index))
            .cloned()
    }

    /// The models to ask, in their order, and the question as it is put to each.
    fn way<S>(
        &self,
        setup: &Setup,
        how: Rounds<'_>,
        put: &impl Fn(&Spec) -> Put<S>,
    ) -> (Route, Vec<Put<S>>) {
        let now = self.shared.clock.now();
        let puts: Vec<Put<S>> = setup.models.iter().map(|model| put(&model.spec)).collect();
        let candidates: Vec<Candidate<'_>> = setup
            .models
            .iter()
            .zip(&puts)
            .map(|(model, put)| {
                let tokens_in = put.request.estimated_tokens();
                let tokens_out = u64::from(put.request.most_tokens);
                let health = model.health();
                Candidate {
                    name: &model.spec.name,
                    class: model.spec.class,
                    context_tokens: u64::from(model.spec.context_tokens),
                    tokens: tokens_in + tokens_out,
                    unusable: model.spec.unusable.as_deref(),
                    most_micro_usd: model.spec.cost(tokens_in, tokens_out),
                    resting_until: health.resting_until(now),
                    latency_ms: health.latency_ms,
                }
            })
            .collect();
        let today = self.shared.today();
        let need = Need {
            wish: how.wish,
            left_micro_usd: self.shared.with_budget(|budget| budget.left(today)),
        };
        let mut way = route(need, &candidates);
        if let Some(first) = how.first {
            way.order
                .sort_by_key(|index| candidates.get(*index).is_none_or(|one| one.name != first));
        }
        (way, puts)
    }

    /// Asks one model, with one round to mend its answer.
    async fn with_one<S, T>(
        &self,
        setup: &Setup,
        model: &Model,
        how: Rounds<'_>,
        put: Put<S>,
        judge: &impl Fn(&Given<'_, S>) -> Result<T, Vec<String>>,
    ) -> Result<T, String> {
        let Put {
            mut request,
            shown,
            stand_ins,
        } = put;
        let manner = Manner {
            incident: how.incident,
            conversation: how.conversation,
            is_wished: how.wish.is_some(),
            ..setup.manner(how.purpose)
        };
        let put_back = |text: &str| match &stand_ins {
            Some(stand_ins) => stand_ins.put_back(text),
            None => text.to_owned(),
        };
        let heard = |text: &str| {
            if let Some(hear) = how.hear {
                hear(&put_back(text));
            }
        };
        let hear: Hearer<'_> = &heard;
        let mut is_last = false;
        loop {
            let (answer, record) = ask(
                &self.shared,
                model,
                &request,
                manner,
                how.hear.map(|_| hear),
            )
            .await?;
            let given = Given {
                text: &put_back(&answer.text),
                answer: &answer,
                shown: &shown,
                stand_ins: stand_ins.as_ref(),
                model: &model.spec.name,
                is_last,
            };
            let faults = match judge(&given) {
                Ok(made) => {
                    record.close(CallResult::Answered, None);
                    return Ok(made);
                }
                Err(mut faults) => {
                    if answer.was_cut_off {
                        faults.push("it was cut off: be shorter".to_owned());
                    }
                    faults
                }
            };
            let why = format!("the answer is not valid: {}", faults.join("; "));
            record.close(CallResult::Invalid, Some(why.clone()));
            if is_last {
                return Err(why);
            }
            is_last = true;
            // What the model wrote goes back to it as it wrote it, with its stand-ins.
            request = once_more(&request, &answer.text, &faults, how.again);
            if let (Some(message), Some(mut stand_ins)) =
                (request.messages.last_mut(), stand_ins.clone())
            {
                message.text = stand_ins.hide(&message.text);
            }
        }
    }
}

/// The question, with the answer that will not do and what is wrong with it.
pub(super) fn once_more(
    request: &Request,
    answer: &str,
    faults: &[String],
    again: &str,
) -> Request {
    let mut request = request.clone();
    // A huge answer is not sent back whole.
    let answer: String = answer.chars().take(LONGEST_SENT_BACK).collect();
    request
        .messages
        .push(Message::new(Speaker::Assistant, answer));
    request.messages.push(Message::new(
        Speaker::User,
        format!("This will not do: {}. {again}", faults.join("; ")),
    ));
    request
}
