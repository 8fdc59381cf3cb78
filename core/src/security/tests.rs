//! Tests of what decides about security: scores, summaries, certificates, sweeps.

mod certificates;
mod rules;
mod score;
mod sweep;
