//! Which rows of a long list are drawn.
//!
//! What flows through: how far a list is scrolled in, a range of rows and their place out. What it never does: measure; every row is of the
//! same height.

/// The height of a row of the list of resources, pixels; the style sheet has the same.
pub const ROW: usize = 52;

/// The rows that are drawn, and where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first row that is drawn.
    pub first: usize,
    /// The row behind the last that is drawn.
    pub end: usize,
    /// How far down the first row stands, pixels.
    pub top: usize,
    /// How high the whole list is, pixels.
    pub height: usize,
}

/// So many rows are drawn above and below what is seen, so that quick scrolling and the keyboard find them there.
const BEYOND: usize = 12;

impl Window {
    /// The rows to draw of `count`, each `row` pixels high, where `seen` pixels are seen from `scrolled` on.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "pixels of a page; negative and broken ones are cut off first"
    )]
    pub fn of(scrolled: f64, seen: f64, row: usize, count: usize) -> Self {
        let row = row.max(1);
        let whole = |pixels: f64| {
            if pixels.is_finite() {
                pixels.max(0.0) as usize
            } else {
                0
            }
        };
        let height = row.saturating_mul(count);
        // A list that became shorter is still scrolled to where it was.
        let scrolled = whole(scrolled).min(height.saturating_sub(whole(seen)));
        let first = (scrolled / row).saturating_sub(BEYOND);
        let end = ((scrolled + whole(seen)).div_ceil(row) + BEYOND).min(count);
        Self {
            first: first.min(end),
            end,
            top: first.min(end) * row,
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_seen_and_a_little_more_is_drawn() {
        let window = Window::of(10_000.0, 600.0, 50, 1000);
        assert_eq!((window.first, window.end), (200 - BEYOND, 212 + BEYOND));
        assert_eq!(window.top, (200 - BEYOND) * 50);
        assert_eq!(window.height, 50_000);
    }

    #[test]
    fn the_ends_are_cut_off() {
        let begin = Window::of(0.0, 600.0, 50, 1000);
        assert_eq!((begin.first, begin.top), (0, 0));
        let end = Window::of(1e9, 600.0, 50, 1000);
        assert_eq!(end.end, 1000);
        assert!(end.first < 1000 && end.first > 900);
    }

    #[test]
    fn an_empty_or_shrunk_list_is_no_trouble() {
        assert_eq!(Window::of(500.0, 600.0, 50, 0), Window::default());
        let shrunk = Window::of(5000.0, 600.0, 50, 3);
        assert_eq!((shrunk.first, shrunk.end), (0, 3));
        assert_eq!(Window::of(f64::NAN, -5.0, 0, 5).end, 5.min(BEYOND));
    }
}
