//! Tests of what stands beside the code: the page and its style hold what the code and the reader's eyes count on.

use std::collections::BTreeMap;

use crate::{marks::Tone, scroll};

const PAGE: &str = include_str!("../index.html");
const STYLE: &str = include_str!("../assets/style.css");
const START: &str = include_str!("../assets/start.js");

/// A colour as red, green and blue, 0 to 1.
type Colour = [f64; 3];

fn colour(text: &str) -> Option<Colour> {
    let digits = text.trim().strip_prefix('#')?;
    let part = |at: usize| {
        u8::from_str_radix(digits.get(at..at + 2)?, 16)
            .ok()
            .map(|value| f64::from(value) / 255.0)
    };
    Some([part(0)?, part(2)?, part(4)?])
}

/// The palette: each name with its light and its dark colour.
fn palette() -> BTreeMap<&'static str, [Colour; 2]> {
    STYLE
        .lines()
        .filter_map(|line| {
            let (name, value) = line
                .trim()
                .strip_prefix("--")?
                .split_once(": light-dark(")?;
            let (light, dark) = value.strip_suffix(");")?.split_once(',')?;
            Some((name, [colour(light)?, colour(dark)?]))
        })
        .collect()
}

/// WCAG 2.2, relative luminance.
fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// WCAG 2.2, contrast ratio.
fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn at_least(ratio: f64, fore: &[&str], back: &[&str]) {
    let palette = palette();
    for fore in fore {
        for back in back {
            for (scheme, number) in [("light", 0), ("dark", 1)] {
                let found = contrast(palette[fore][number], palette[back][number]);
                assert!(
                    found >= ratio,
                    "{fore} on {back} in {scheme}: {found:.2}, {ratio} is needed"
                );
            }
        }
    }
}

#[test]
fn text_is_readable_in_light_and_dark() {
    let texts = [
        "ink", "dim", "accent", "good", "warn", "bad", "critical", "unsure",
    ];
    at_least(4.5, &texts, &["bg", "panel", "raised"]);
    at_least(4.5, &["on-accent"], &["accent"]);
    at_least(4.5, &["on-critical"], &["critical"]);
}

#[test]
fn the_edges_of_fields_are_seen() {
    at_least(3.0, &["edge"], &["bg", "panel"]);
}

#[test]
fn every_tone_has_its_colour() {
    for tone in [
        Tone::Good,
        Tone::Warn,
        Tone::Bad,
        Tone::Critical,
        Tone::Unsure,
        Tone::Quiet,
        Tone::Ask,
    ] {
        assert!(STYLE.contains(&format!(".{}", tone.class())), "{tone:?}");
    }
}

#[test]
fn a_row_is_as_high_as_the_scrolling_thinks() {
    for list in ["resource", "line"] {
        assert!(STYLE.contains(&format!(".row.{list} {{ height: {}px;", scroll::ROW)));
    }
}

#[test]
fn a_lost_line_leaves_nothing_green() {
    assert!(STYLE.contains(r#":root[data-link="lost"] #main { filter: grayscale(1);"#));
}

#[test]
fn the_page_loads_nothing_from_elsewhere_and_holds_no_script_or_style() {
    for text in [PAGE, STYLE, START] {
        assert!(
            !text.contains("http://") && !text.contains("https://") && !text.contains("@import")
        );
    }
    assert!(!PAGE.contains("style=") && !PAGE.contains("<style") && !PAGE.contains("onload"));
    assert_eq!(
        PAGE.matches("<script").count(),
        PAGE.matches("<script type=\"module\" src=\"/assets/")
            .count()
    );
}
