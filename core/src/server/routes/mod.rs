//! The contract's endpoints, each with its handler.
//!
//! What flows through: an authorised [`Call`](super::bind::Call) and a typed input in, a typed reply out. What it never does: change
//! anything but through the engine's handle, except who may sign in.

mod advisor;
mod config;
mod conversations;
mod health;
mod incidents;
mod journal;
mod metrics;
mod resources;
mod security;
mod session;
mod status;
mod tasks;
mod tokens;

pub(super) use resources::WholeList;

use std::sync::Arc;

use axum::Router;

use super::{App, bind::bind, error::Refusal};

/// A page has so many items where nothing is said.
const USUAL_PAGE: u32 = 100;
/// And so many at most.
const LARGEST_PAGE: u32 = 1000;

/// Every endpoint of the contract. One that has no handler does not compile.
pub(super) fn contract() -> Router<Arc<App>> {
    let mut routes = Router::new();
    macro_rules! add {
        ($endpoint:ty) => {
            routes = bind::<$endpoint>(routes);
        };
    }
    steward_api::for_each_endpoint!(add);
    routes
}

/// How many items a page is to have.
///
/// # Errors
/// `bad_request` outside of 1 to 1,000.
fn page_size(limit: Option<u32>) -> Result<u32, Refusal> {
    match limit.unwrap_or(USUAL_PAGE) {
        size @ 1..=LARGEST_PAGE => Ok(size),
        other => Err(Refusal::bad_request(format!(
            "limit: {other} is out of range; it should be from 1 to {LARGEST_PAGE}"
        ))),
    }
}
