//! Asking one model: tried again where that may help, paid for, and recorded whatever happens.
//!
//! What flows through: a request goes to a model, its answer comes back with an open [`Record`], which whoever judges the answer closes.
//! A record that is dropped open says that the call was stopped; so nothing that was sent is ever unrecorded.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{civil::Date, tz::TimeZone};
use steward_api::{CallResult, ConversationId, IncidentId, ModelCall, Purpose};
use tokio::sync::mpsc;

use super::{
    budget::Budget,
    health::Patience,
    http::Failure,
    model::{CallFailure, Hearer, Model},
    protocol::{Answer, Request, estimated_tokens},
};
use crate::ports::{Clock, FinishedCall, sha256};

/// The longest that a server's wish to be left alone is waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The first wait before another try; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What is kept of an answer's text, characters.
const MOST_RECEIVED: usize = 200_000;

/// What all calls share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) zone: TimeZone,
    pub(super) budget: Mutex<Budget>,
    pub(super) calls: mpsc::UnboundedSender<FinishedCall>,
}

impl Shared {
    /// The day, by the host's calendar.
    pub(super) fn today(&self) -> Date {
        self.clock.now().to_zoned(self.zone.clone()).date()
    }

    /// The budget, to read or change.
    pub(super) fn with_budget<T>(&self, what: impl FnOnce(&mut Budget) -> T) -> T {
        what(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How a model is to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) purpose: Purpose,
    pub(super) incident: Option<IncidentId>,
    pub(super) conversation: Option<ConversationId>,
    /// How long one answer may take.
    pub(super) limit: Duration,
    /// How often a call that failed for a passing reason is tried again.
    pub(super) retries: u32,
    pub(super) patience: Patience,
    /// Whether it is asked also while it rests: a person wants this very one.
    pub(super) is_wished: bool,
}

/// Asks one model. The answer's record is open: who judges the answer closes it. `hear` hears the answer while it is written; where it is
/// asked once more, from the beginning.
///
/// # Errors
/// Why there is no answer, in words; recorded already.
#[allow(
    clippy::disallowed_methods,
    reason = "it waits for a server at the edge, never in the loop"
)]
pub(super) async fn ask(
    shared: &Arc<Shared>,
    model: &Model,
    request: &Request,
    manner: Manner,
    hear: Option<Hearer<'_>>,
) -> Result<(Answer, Record), String> {
    let mut wait = FIRST_WAIT;
    let mut tries_left = manner.retries;
    loop {
        let _turn = tokio::time::timeout(manner.limit, model.turn())
            .await
            .map_err(|_| "it had no hand free in time".to_owned())?;
        let began = shared.clock.now();
        // It may have failed too often while this one waited for its turn.
        if !manner.is_wished && !model.health().may_be_asked(began) {
            return Err("it failed too often and rests".to_owned());
        }
        let prepared = model.prepare(request, hear.is_some()).await;
        let form = prepared.form;
        let mut record = Record::open(shared, model, request, manner, prepared.body.to_string())
            .ok_or("what is left of today's budget does not suffice")?;
        // Kept with the record: what had come by then is known also of a call that is stopped.
        let so_far = Arc::clone(&record.so_far);
        let heard = |text: &str| {
            text.clone_into(&mut so_far.lock().unwrap_or_else(PoisonError::into_inner));
            if let Some(hear) = hear {
                hear(text);
            }
        };
        let hear_all: Hearer<'_> = &heard;
        let called = model
            .call(prepared, manner.limit, hear.map(|_| hear_all))
            .await;
        let charges = match &called.outcome {
            // It answered, though nothing could be made of it.
            Err(CallFailure::Failed(failure)) => !failure.is_passing && failure.status.is_none(),
            Err(CallFailure::TimedOut(_)) => true,
            Ok(_) => false,
        };
        record.came_back(&called.received, called.outcome.as_ref().ok(), charges);
        let now = shared.clock.now();
        let failure = match called.outcome {
            Ok(answer) => {
                let took = u64::try_from(called.took.as_millis()).unwrap_or(u64::MAX);
                model.note(|health| health.answered(now, took));
                if let Some(refusal) = &answer.refusal {
                    let why = format!("it refuses: {refusal}");
                    record.close(CallResult::Refused, Some(why.clone()));
                    return Err(why);
                }
                return Ok((answer, record));
            }
            Err(failure) => failure,
        };
        let why = failure.words();
        let result = match failure {
            CallFailure::TimedOut(_) => CallResult::TimedOut,
            CallFailure::Failed(_) => CallResult::Failed,
        };
        record.close(result, Some(why.clone()));
        // It was a part of the form that the server did not take: that is known now, and no failure of the model's.
        if model.takes_less_than(form) {
            continue;
        }
        let pause = match &failure {
            CallFailure::Failed(failure) => pause(failure, wait),
            CallFailure::TimedOut(_) => None,
        };
        match pause.filter(|_| tries_left > 0) {
            Some(pause) => {
                tries_left -= 1;
                wait *= 2;
                drop(_turn);
                tokio::time::sleep(pause).await;
            }
            None => {
                model.failed(began, now, why.clone(), manner.patience);
                return Err(why);
            }
        }
    }
}

/// How long to wait before another try; none where it would not help.
fn pause(failure: &Failure, usual: Duration) -> Option<Duration> {
    if !failure.is_passing {
        return None;
    }
    let wanted = failure.retry_after.unwrap_or(usual);
    (wanted <= LONGEST_WAIT).then(|| wanted.max(Duration::from_millis(100)))
}

/// A call on its way into the record.
pub(super) struct Record {
    shared: Arc<Shared>,
    call: Option<ModelCall>,
    sent: String,
    received: String,
    /// What has come of an answer that is written piece by piece.
    so_far: Arc<Mutex<String>>,
    began: Instant,
    /// Tokens that it may have taken at most, sent and received.
    most_in: u64,
    most_out: u64,
    /// Whether its tokens are known.
    is_settled: bool,
    set_aside: u64,
    input_price: u64,
    output_price: u64,
}

impl Record {
    /// Opens the record of a call that is about to be made, and sets aside what it may cost; none where too little is left.
    fn open(
        shared: &Arc<Shared>,
        model: &Model,
        request: &Request,
        manner: Manner,
        sent: String,
    ) -> Option<Self> {
        let prompt_tokens = request.estimated_tokens();
        let set_aside = model
            .spec
            .cost(prompt_tokens, u64::from(request.most_tokens));
        let today = shared.today();
        if !shared.with_budget(|budget| budget.set_aside(set_aside, today)) {
            return None;
        }
        let call = ModelCall {
            model: model.spec.name.clone(),
            class: model.spec.class,
            purpose: manner.purpose,
            incident: manner.incident,
            conversation: manner.conversation,
            result: CallResult::Stopped,
            error: None,
            prompt_tokens,
            completion_tokens: 0,
            cost_micro_usd: 0,
            took_ms: 0,
            sent: sha256(&sent),
            received: String::new(),
        };
        Some(Self {
            shared: Arc::clone(shared),
            call: Some(call),
            sent,
            received: String::new(),
            so_far: Arc::default(),
            began: Instant::now(),
            most_in: prompt_tokens,
            most_out: u64::from(request.most_tokens),
            is_settled: false,
            set_aside,
            input_price: model.spec.input_price,
            output_price: model.spec.output_price,
        })
    }

    /// What came back, and how many tokens it was.
    ///
    /// `charges`: nothing is known of the tokens, but the server may charge for them; then the worst is counted, so that the budget holds.
    fn came_back(&mut self, received: &str, answer: Option<&Answer>, charges: bool) {
        self.received = received.chars().take(MOST_RECEIVED).collect();
        let Some(call) = &mut self.call else { return };
        self.is_settled = true;
        match answer {
            // What a server says of itself is believed within reason.
            Some(answer) => {
                let said = answer.prompt_tokens.unwrap_or(call.prompt_tokens);
                call.prompt_tokens = said.min(self.most_in.saturating_mul(8));
                let said = answer
                    .completion_tokens
                    .unwrap_or_else(|| estimated_tokens(answer.text.chars().count()));
                call.completion_tokens = said.min(self.most_out.saturating_mul(32));
            }
            None if charges => {
                call.prompt_tokens = self.most_in;
                call.completion_tokens = self.most_out;
            }
            // It was refused or could not be sent: servers charge for what they answer.
            None => call.prompt_tokens = 0,
        }
    }

    /// The call is over.
    pub(super) fn close(mut self, result: CallResult, error: Option<String>) {
        self.finish(result, error);
    }

    fn finish(&mut self, result: CallResult, error: Option<String>) {
        let Some(mut call) = self.call.take() else {
            return;
        };
        if !self.is_settled {
            // Broken off on its way: the server may go on and charge for it.
            call.completion_tokens = self.most_out;
            self.received =
                std::mem::take(&mut *self.so_far.lock().unwrap_or_else(PoisonError::into_inner));
        }
        call.result = result;
        call.error = error;
        call.took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        call.cost_micro_usd =
            super::budget::price(call.prompt_tokens, self.input_price).saturating_add(
                super::budget::price(call.completion_tokens, self.output_price),
            );
        if !self.received.is_empty() {
            call.received = sha256(&self.received);
        }
        let today = self.shared.today();
        let (set_aside, cost) = (self.set_aside, call.cost_micro_usd);
        self.shared
            .with_budget(|budget| budget.settle(set_aside, cost, today));
        let finished = FinishedCall {
            call,
            sent: std::mem::take(&mut self.sent),
            received: std::mem::take(&mut self.received),
        };
        // Nobody listens any more when the agent ends.
        let _ = self.shared.calls.send(finished);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(CallResult::Stopped, Some("it was stopped".to_owned()));
    }
}
