//! stub
pub mod rules;
