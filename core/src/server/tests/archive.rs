//! An archive with one call of a language model.

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::{
    CallQuery, CallResult, CallTexts, ModelCall, ModelClass, Page, Purpose, RecordedCall,
};

use crate::ports::{Archive, StoreError};

pub(in crate::server) struct Shelf;

fn recorded() -> RecordedCall {
    RecordedCall {
        id: 1,
        node: "atlas".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        call: ModelCall {
            model: "small".to_owned(),
            class: ModelClass::Local,
            purpose: Purpose::Diagnosis,
            incident: None,
            result: CallResult::Answered,
            error: None,
            prompt_tokens: 10,
            completion_tokens: 2,
            cost_micro_usd: 0,
            took_ms: 5,
            sent: "aa".to_owned(),
            received: "bb".to_owned(),
        },
    }
}

#[async_trait]
impl Archive for Shelf {
    async fn keep_texts(&self, _: Timestamp, _: &[(String, String)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn calls(&self, query: &CallQuery) -> Result<Page<RecordedCall>, StoreError> {
        let is_on_it = query.before.is_none_or(|before| before > 1);
        Ok(Page {
            items: if is_on_it {
                vec![recorded()]
            } else {
                Vec::new()
            },
            next: None,
        })
    }

    async fn call(&self, id: i64) -> Result<Option<CallTexts>, StoreError> {
        Ok((id == 1).then(|| CallTexts {
            recorded: recorded(),
            sent: Some("{}".to_owned()),
            received: None,
        }))
    }

    async fn spent_since(&self, _: &str, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn forget_texts(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}
