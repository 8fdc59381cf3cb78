//! The server over real TCP: a world with a hand-made picture, a store in memory and an engine that a test answers for.

mod archive;
mod browser;
mod config;
mod contract;
mod conversations;
mod engine;
mod events;
pub(super) mod fixture;
mod fuzz;
mod mcp;
mod refusals;
mod robustness;
mod world;

pub(super) use world::{World, token};
