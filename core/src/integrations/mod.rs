//! One folder for each thing that Steward can look after, or asks. None knows another.

pub mod docker;
pub mod host;
pub mod http;
pub mod mcp;
pub mod network;
pub mod osv;
pub mod postgres;
pub mod scanners;
pub mod tls;
