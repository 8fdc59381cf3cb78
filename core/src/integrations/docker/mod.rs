//! stub
pub mod catalogue;
pub mod rules;
