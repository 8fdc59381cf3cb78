//! Tests of what decides about security: scores, summaries, certificates, sweeps.

mod certificates;
mod score;
mod sweep;
