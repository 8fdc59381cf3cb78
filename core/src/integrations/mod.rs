//! One folder for each thing that Steward can look after. None knows another.

pub mod docker;
pub mod host;
pub mod http;
pub mod mcp;
pub mod network;
pub mod postgres;
pub mod tls;
