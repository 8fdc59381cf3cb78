//! Widgets: how things look, whatever screen they are on.
//!
//! What flows through: values and signals in, elements out; what a person does with one goes to whoever placed it. What it never does: ask
//! the agent for anything, or set text from outside as mark-up.

pub(crate) mod answer;
pub(crate) mod autonomy;
pub(crate) mod chart;
pub(crate) mod conversation;
pub(crate) mod gauges;
pub(crate) mod incident;
pub(crate) mod loaded;
pub(crate) mod marks;
pub(crate) mod pages;
pub(crate) mod plan;
pub(crate) mod prose;
pub(crate) mod score;
pub(crate) mod task;
pub(crate) mod text;
