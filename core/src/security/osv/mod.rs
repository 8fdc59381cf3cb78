//! Records of vulnerabilities in the Open Source Vulnerability format (<https://ossf.github.io/osv-schema/>), and whether they concern
//! a package.
//!
//! What flows through: records as JSON and packages in, the contract's vulnerabilities out, the worst first. What it never does:
//! believe a record more than its schema allows, or take one that can't be judged for one that does not concern.

mod findings;
mod matching;
mod record;
#[cfg(test)]
mod tests;

pub use findings::{Outcome, findings, in_order};
pub use matching::{Verdict, judge};
pub use record::{Affected, AffectedPackage, Event, Range, Record, Score};
