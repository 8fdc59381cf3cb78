//! Sorting, written once for all types: what differs is only the comparison.
//!
//! What flows through: a list and a comparison in, the list in its order. What it never does: change the order of what compares as equal.
//! The standard library's own sort is built anew for each type, some kilobytes each, which a browser would have to fetch.

use std::cmp::Ordering;

/// Sorts; what compares as equal stays in its order.
pub fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = places(items.len(), &|one, other| {
        compare(&items[one], &items[other])
    });
    let mut slots: Vec<Option<T>> = items.drain(..).map(Some).collect();
    for place in order {
        items.extend(slots[place].take());
    }
}

fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|one, other| compare(*one, *other));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_stay_in_their_order() {
        let mut items = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        sort_by(&mut items, |one, other| one.0.cmp(&other.0));
        assert_eq!(items, [(0, 'e'), (1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
        let mut none: Vec<i32> = Vec::new();
        sort_by(&mut none, Ord::cmp);
        assert!(none.is_empty());
    }
}
