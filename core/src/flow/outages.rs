//! Outages of sources: from when until when one did not answer. Pure.
//!
//! What ended meanwhile was not stopped by a person through an engine that answered nobody.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// The last outage of each source: its beginning, and its end once it is over.
#[derive(Clone, Debug, Default)]
pub struct Outages(BTreeMap<String, (Timestamp, Option<Timestamp>)>);

impl Outages {
    /// A source does not answer; of an outage that goes on, the beginning stays.
    pub fn begin(&mut self, source: &str, at: Timestamp) {
        match self.0.get(source) {
            Some((_, None)) => {}
            _ => {
                self.0.insert(source.to_owned(), (at, None));
            }
        }
    }

    /// A source answers.
    pub fn end(&mut self, source: &str, at: Timestamp) {
        if let Some((_, end)) = self.0.get_mut(source) {
            end.get_or_insert(at);
        }
    }

    /// Whether a source did not answer at a time.
    pub fn covers(&self, source: &str, at: Timestamp) -> bool {
        self.0
            .get(source)
            .is_some_and(|(begin, end)| *begin <= at && end.is_none_or(|end| at < end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_from_its_first_sign_to_the_next_answer() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut outages = Outages::default();
        outages.end("docker", at(1));
        assert!(!outages.covers("docker", at(1)));
        outages.begin("docker", at(10));
        outages.begin("docker", at(12));
        assert!(outages.covers("docker", at(10)) && outages.covers("docker", at(99)));
        assert!(!outages.covers("docker", at(9)) && !outages.covers("host", at(10)));
        outages.end("docker", at(20));
        outages.end("docker", at(30));
        assert!(outages.covers("docker", at(19)) && !outages.covers("docker", at(20)));
        outages.begin("docker", at(40));
        assert!(!outages.covers("docker", at(15)) && outages.covers("docker", at(41)));
    }
}
