//! Steward's control center: what an operator looks at, and what asks for a yes or no.
//!
//! What flows through: replies and events of the agent come in by `bridge`, the one reducer ([`world::World`]) keeps them current, `store`
//! makes signals of them, and `pages` show them with the widgets of `components`; what a person does goes back through `bridge`.
//!
//! What it never does: know more of Steward than its contract, show what was not read as well, or set text from outside as mark-up.
//!
//! Everything above the line is pure: it builds on the host, and is tested there. Everything below it needs a browser.

pub mod format;
pub mod order;
pub mod url;
pub mod wire;

pub mod marks;
pub mod prose;
pub mod words;

pub mod connect;
pub mod conversation;
pub mod failure;
pub mod in_order;
pub mod session;
pub mod world;

pub mod advisor;
pub mod attention;
pub mod filter;
pub mod progress;
pub mod route;
pub mod security;

pub mod chart;
pub mod keys;
pub mod map;
pub mod scroll;
pub mod settings;

#[cfg(test)]
mod assets;
#[cfg(test)]
mod samples;

// ---------------------------------------------------------------------------------------------------------------------------------------

#[cfg(target_arch = "wasm32")]
mod app;
#[cfg(target_arch = "wasm32")]
mod bridge;
#[cfg(target_arch = "wasm32")]
mod components;
#[cfg(target_arch = "wasm32")]
mod deeds;
#[cfg(target_arch = "wasm32")]
mod pages;
#[cfg(target_arch = "wasm32")]
mod shell;
#[cfg(target_arch = "wasm32")]
mod store;
#[cfg(target_arch = "wasm32")]
mod sync;

#[cfg(target_arch = "wasm32")]
pub use app::start;
