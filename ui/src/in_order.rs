//! Messages in the order in which they were sent, where they may arrive in another: the desktop's shell hands long ones over by another way
//! than short ones.
//!
//! What flows through: numbered messages in, those whose turn it is out. What it never does: lose one, or hold one whose turn it is.

use std::collections::BTreeMap;

/// A message with its number, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub index: u64,
    /// What it says; absent where it only says that it was the last.
    pub text: Option<String>,
}

/// Those that are early.
#[derive(Clone, Debug, Default)]
pub struct InOrder {
    next: u64,
    early: BTreeMap<u64, Option<String>>,
}

impl InOrder {
    /// Takes one; gives all whose turn it is now.
    pub fn take(&mut self, arrived: Arrived) -> Vec<String> {
        if arrived.index >= self.next {
            self.early.insert(arrived.index, arrived.text);
        }
        let mut ready = Vec::new();
        while let Some(text) = self.early.remove(&self.next) {
            self.next += 1;
            ready.extend(text);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_order_of_arrival_each_comes_once_and_in_turn() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 1, 3]] {
            let mut in_order = InOrder::default();
            let mut out = Vec::new();
            for index in order {
                let text = Some(index.to_string());
                out.extend(in_order.take(Arrived { index, text }));
            }
            assert_eq!(out, ["0", "1", "2", "3"]);
        }
    }

    #[test]
    fn the_end_and_a_second_copy_say_nothing() {
        let mut in_order = InOrder::default();
        let end = Arrived {
            index: 1,
            text: None,
        };
        let first = Arrived {
            index: 0,
            text: Some("a".to_owned()),
        };
        assert!(in_order.take(end).is_empty());
        assert_eq!(in_order.take(first.clone()), ["a"]);
        assert!(in_order.take(first).is_empty());
    }
}
