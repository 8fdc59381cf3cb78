//! stub
pub(crate) mod handle;
pub mod metrics;
pub use handle::{Caller, Handle, View};
