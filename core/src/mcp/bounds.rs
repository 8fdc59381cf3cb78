//! Keeps answers to a size that a model can read, and says where something was left out.
//!
//! What flows through: an answer in; the same out where it fits, else one with long texts and long lists cut in their middle, and what was
//! cut in words. What it never does: cut without saying so, or cut the items of a page (their number is chosen so that they fit).

use serde::Serialize;
use serde_json::Value;

/// An answer has so many bytes of JSON at most.
pub(super) const LARGEST: usize = 40 * 1024;
/// So many cuts are named one by one.
const NAMED: usize = 12;
/// Longest text (characters) and longest list, tried one after the other until the whole fits.
const TRIES: [(usize, usize); 6] = [
    (4000, 500),
    (2000, 200),
    (1000, 100),
    (400, 40),
    (200, 12),
    (80, 4),
];

/// An answer that fits, and what had to be left out for it.
pub(super) fn fit(value: Value) -> (Value, Vec<String>) {
    if size(&value) <= LARGEST {
        return (value, Vec::new());
    }
    for (text, items) in TRIES {
        let mut cuts = Cuts::default();
        let shorter = shorten(value.clone(), "", text, items, &mut cuts);
        if size(&shorter) <= LARGEST {
            return (shorter, cuts.words());
        }
    }
    let nothing = Value::Object(serde_json::Map::new());
    let why = format!("all of it: it has more than {LARGEST} bytes however it is shortened");
    (nothing, vec![why])
}

/// As many items of a page as fit, and the cursor of the next page. `next` is the cursor that came with the whole page, `cursor` that
/// behind one item.
pub(super) fn page<T: Serialize, C>(
    items: Vec<T>,
    next: Option<C>,
    cursor: impl Fn(&T) -> C,
) -> (Vec<Value>, Option<C>) {
    /// Room for what stands around the items.
    const AROUND: usize = 4 * 1024;
    const LONGEST_TEXT: usize = 600;
    const LONGEST_LIST: usize = 20;
    let mut filled = Vec::with_capacity(items.len());
    let mut last: Option<C> = None;
    let mut used = AROUND;
    for item in items {
        let value = serde_json::to_value(&item).unwrap_or_default();
        let value = shorten(value, "", LONGEST_TEXT, LONGEST_LIST, &mut Cuts::default());
        used += size(&value) + 1;
        if used > LARGEST && last.is_some() {
            return (filled, last);
        }
        last = Some(cursor(&item));
        filled.push(value);
    }
    (filled, next)
}

#[derive(Default)]
struct Cuts {
    named: Vec<String>,
    more: usize,
}

impl Cuts {
    fn add(&mut self, cut: String) {
        if self.named.len() < NAMED {
            self.named.push(cut);
        } else {
            self.more += 1;
        }
    }

    fn words(mut self) -> Vec<String> {
        if self.more > 0 {
            self.named.push(format!("and {} more", self.more));
        }
        self.named
    }
}

fn size(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

fn shorten(value: Value, place: &str, text: usize, items: usize, cuts: &mut Cuts) -> Value {
    match value {
        Value::String(whole) => {
            let length = whole.chars().count();
            if length <= text {
                return Value::String(whole);
            }
            cuts.add(format!("{place}: {} of {length} characters", length - text));
            let half = text / 2;
            let head: String = whole.chars().take(half).collect();
            let tail: String = whole.chars().skip(length - half).collect();
            Value::String(format!("{head} […] {tail}"))
        }
        Value::Array(mut all) => {
            let length = all.len();
            if length > items {
                cuts.add(format!(
                    "{place}: {} of {length}, from the middle",
                    length - items
                ));
                let head = items / 2;
                all.drain(head..length - (items - head));
            }
            let place = format!("{place}[]");
            all.into_iter()
                .map(|value| shorten(value, &place, text, items, cuts))
                .collect()
        }
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let place = if place.is_empty() {
                    name.clone()
                } else {
                    format!("{place}.{name}")
                };
                let value = shorten(value, &place, text, items, cuts);
                (name, value)
            })
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_is_left_as_it_is() {
        let value = json!({"lines": ["a", "b"]});
        assert_eq!(fit(value.clone()), (value, Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_cut_in_the_middle_and_says_so() {
        let lines: Vec<_> = (0..5000).map(|n| format!("line {n}")).collect();
        let (shorter, cuts) = fit(json!({"lines": lines, "name": "web"}));
        assert!(size(&shorter) <= LARGEST);
        let kept = shorter["lines"].as_array().unwrap();
        assert_eq!(kept.first().unwrap(), "line 0");
        assert_eq!(kept.last().unwrap(), "line 4999");
        assert_eq!(shorter["name"], "web");
        assert!(
            cuts[0].starts_with("lines: ") && cuts[0].contains("of 5000"),
            "{cuts:?}"
        );
    }

    #[test]
    fn nothing_is_too_large_to_answer() {
        let wide: serde_json::Map<String, Value> = (0..20_000)
            .map(|n| (format!("field {n}"), json!(n)))
            .collect();
        let (shorter, cuts) = fit(Value::Object(wide));
        assert!(size(&shorter) <= LARGEST);
        assert!(cuts[0].starts_with("all of it"), "{cuts:?}");
        // A character may take many bytes.
        let (shorter, _) = fit(json!({"text": "\u{0}\u{1F600}".repeat(100_000)}));
        assert!(size(&shorter) <= LARGEST);
    }

    #[test]
    fn a_page_ends_where_its_room_does_and_the_next_begins_there() {
        let rows: Vec<_> = (0..1000_i64)
            .map(|n| json!({"id": n, "text": "x".repeat(500)}))
            .collect();
        let id = |row: &Value| row["id"].as_i64().unwrap();
        let (first, next) = page(rows.clone(), Some(999), id);
        assert!(!first.is_empty() && first.len() < 1000);
        assert_eq!(next, Some(id(first.last().unwrap())));
        assert!(size(&Value::Array(first)) <= LARGEST);
        let (all, next) = page(rows[..3].to_vec(), None, id);
        assert_eq!((all.len(), next), (3, None));
    }
}
