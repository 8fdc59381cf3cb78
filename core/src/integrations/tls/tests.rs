//! Tests against real TLS servers, and ones that only seem to be, and against real files.

mod endpoints;
mod files;
mod house;
