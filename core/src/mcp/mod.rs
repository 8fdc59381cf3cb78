//! Steward as a server of the Model Context Protocol: what a model's program may read and ask here, as tools.
//!
//! What flows through: a tool's arguments in; calls of the contract out over a [`Carrier`], with the caller's own credentials; a structured
//! answer back, bounded in size, with the text that others wrote marked as data. What it never does: reach the engine or the journal but
//! through the contract, decide who may do what (the contract refuses), or take a word of a log or a label for an instruction.
//!
//! The server offers this at [`PATH`], in process; `steward mcp` offers the same over standard input and output, through the client. To add
//! a tool, write its [`tools::Tool`] and name it in [`tools::Toolbox::new`].

mod bounds;
mod contract;
mod library;
mod schema;
mod serve;
mod tools;

#[cfg(test)]
mod tests;

pub use contract::{Carrier, Fault};
pub use serve::Serve;
pub use tools::Toolbox;

/// The path at which an agent's own server speaks it (Streamable HTTP).
pub const PATH: &str = "/mcp";
