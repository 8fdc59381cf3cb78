//! The engine with fakes at its edge: a source and an actuator that the test controls, and the real SQLite store in a folder of its own.
//!
//! Real time: what is waited for is waited for by its condition, with a generous limit.

mod advice;
mod asking;
mod fakes;
mod loops;
mod people;
mod talks;
