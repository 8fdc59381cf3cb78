//! The journal: what happened, in order.

use serde::Deserialize;
use serde_json::{Value, json};
use steward_api::{JournalQuery, ListJournal as Journal};
use utoipa::ToSchema;

use super::{Tool, page_size};
use crate::mcp::{
    bounds,
    contract::{Contract, Fault},
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// The `next` of the page before, for the older entries after it.
    #[serde(default)]
    cursor: Option<i64>,
    /// How many at most; 30 by default, 200 at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Entries of the journal.
pub(super) struct ListJournal;

impl Tool for ListJournal {
    type Input = Input;
    const NAME: &'static str = "list_journal";
    const TITLE: &'static str = "Read the journal";
    const DESCRIPTION: &'static str = "The record of everything that happened, newest first: what was found, decided, asked, answered (by whom, through which channel), \
         intended, done and verified. Where `next` is given there are more: pass it as `cursor`.";
    const FOREIGN: Option<&'static str> = Some("evidence, names and quotations of logs");

    async fn call(contract: Contract, input: Input) -> Result<Value, Fault> {
        let query = JournalQuery {
            after: None,
            before: input.cursor,
            limit: Some(page_size(input.limit, 30, 200)?),
        };
        let found = contract.call::<Journal>(&query).await?;
        let (entries, next) = bounds::page(found.items, found.next, |entry| entry.seq);
        Ok(json!({"entries": entries, "next": next}))
    }
}
