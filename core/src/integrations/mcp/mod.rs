//! Servers of the Model Context Protocol: whether each answers, which version it speaks, and which tools it lists.
//!
//! What flows through: a connection to each configured server, kept open from reading to reading and made anew when it is lost; out comes
//! one [`Observation`](crate::ports::Observation). What it never does: call a tool, take a server's words for more than data, show a
//! token, follow a redirect (the token would go along), or leave a program behind that it has started.

mod connect;
mod observe;
mod program;
mod words;

pub mod rules;

pub use observe::McpSource;

#[cfg(test)]
mod tests;
