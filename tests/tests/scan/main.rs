//! `steward scan` as people run it: the real program, without an agent, against real servers, files and containers.

mod certs;
mod servers;
