//! The journal: its entries and its hash chain.

use steward_api::{
    Envelope, JournalPage, JournalQuery, JournalVerification, ListJournal, Nothing, Page,
    VerifyJournal,
};

use super::page_size;
use crate::server::{
    bind::{Answer, Call, Written},
    error::Refusal,
};

impl Answer for ListJournal {
    async fn answer(call: Call, query: JournalQuery) -> Result<Written<JournalPage>, Refusal> {
        let limit = page_size(query.limit)?;
        let (mut items, oldest_first): (Vec<Envelope>, bool) = match query.after {
            Some(after) => (call.store().journal_after(after.max(0), limit).await?, true),
            None => (
                call.store().journal_before(query.before, limit).await?,
                false,
            ),
        };
        let full = items.len() >= limit as usize;
        let mut next = items.last().map(|entry| entry.seq).filter(|_| full);
        if oldest_first {
            if let Some(before) = query.before {
                items.retain(|entry| entry.seq < before);
                next = next.filter(|next| next.saturating_add(1) < before);
            }
        } else {
            next = next.filter(|next| *next > 1);
        }
        Written::of(&Page { items, next })
    }
}

impl Answer for VerifyJournal {
    async fn answer(call: Call, _: Nothing) -> Result<Written<JournalVerification>, Refusal> {
        // It reads the whole journal: those who ask at the same time wait for one another.
        let _turn = call
            .app
            .verifying
            .acquire()
            .await
            .map_err(|_| Refusal::internal())?;
        Written::of(&call.store().verify_journal().await?)
    }
}
