//! Language models: which there are, what was asked of them, and what a person asks of them.
//!
//! What flows through: the Advisor's state and the archive's calls out; a wish for a second opinion, or a choice among diagnoses, in, to the
//! engine. What it never does: ask a model itself, but for a trial.

use std::sync::Arc;

use steward_api::{
    Accepted, AdvisorStatus, CallQuery, CallTexts, ChooseDiagnosis, ChooseRequest,
    DiagnoseIncident, DiagnoseRequest, ErrorCode, GetAdvisor, GetModelCall, Incident, IncidentId,
    ListModelCalls, Nothing, Page, RecordedCall, TriedModel, TryModel, TryModelRequest,
};

use super::page_size;
use crate::{
    ports::AdvisorError,
    server::{
        bind::{Answer, Call, Written, from_engine},
        error::Refusal,
    },
};

impl Answer for GetAdvisor {
    async fn answer(call: Call, _: Nothing) -> Result<Written<AdvisorStatus>, Refusal> {
        Written::of(&call.app.handle.advisor().status())
    }
}

impl Answer for TryModel {
    async fn answer(call: Call, input: TryModelRequest) -> Result<Written<TriedModel>, Refusal> {
        let advisor = Arc::clone(call.app.handle.advisor());
        match advisor.try_model(&input.model).await {
            Ok(tried) => Written::of(&tried),
            Err(
                error @ (AdvisorError::NoModel(_)
                | AdvisorError::UnknownModel { .. }
                | AdvisorError::NoAnswer(_)),
            ) => Err(Refusal::new(ErrorCode::NoModel, error.to_string())),
        }
    }
}

impl Answer for ListModelCalls {
    async fn answer(
        call: Call,
        mut query: CallQuery,
    ) -> Result<Written<Page<RecordedCall>>, Refusal> {
        query.limit = Some(page_size(query.limit)?);
        Written::of(&call.app.handle.archive().calls(&query).await?)
    }
}

impl Answer for GetModelCall {
    async fn answer(call: Call, _: Nothing) -> Result<Written<CallTexts>, Refusal> {
        let id = call.number("a call")?;
        match call.app.handle.archive().call(id).await? {
            Some(texts) => Written::of(&texts),
            None => Err(Refusal::new(
                ErrorCode::CallNotFound,
                format!("There is no call {id}; /api/advisor/calls lists them"),
            )),
        }
    }
}

impl Answer for DiagnoseIncident {
    async fn answer(call: Call, input: DiagnoseRequest) -> Result<Written<Accepted>, Refusal> {
        let id = IncidentId(call.number("an incident")?);
        let asked = call.app.handle.diagnose(id, input.model, call.caller()?);
        from_engine(asked).await?;
        Written::of(&Accepted {
            success: true,
            message: format!(
                "A model looks at incident {id}; its opinion comes as a change of the incident"
            ),
        })
    }
}

impl Answer for ChooseDiagnosis {
    async fn answer(call: Call, input: ChooseRequest) -> Result<Written<Incident>, Refusal> {
        let id = IncidentId(call.number("an incident")?);
        let asked = call.app.handle.choose(id, input, call.caller()?);
        Written::of(&from_engine(asked).await?)
    }
}
