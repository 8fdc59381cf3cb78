//! `demo`: Steward at work within a minute, on containers of its own.

pub(super) mod workload;

use super::{
    Context,
    args::DemoArgs,
    failure::{Exit, Failure},
};

pub(super) async fn demo(_context: &Context, _args: &DemoArgs) -> Result<Exit, Failure> {
    Err(Failure::failed("not yet"))
}
