//! Tests of the formatting: what a person sees of a text, and what they must never.

use steward_api::{IncidentId, ResourceId};

use super::*;

fn with<T>(references: &[&str], unchecked: &[&str], look: impl FnOnce(&Known<'_>) -> T) -> T {
    let unchecked: Vec<String> = unchecked.iter().map(|name| (*name).to_owned()).collect();
    look(&Known {
        references,
        unchecked: &unchecked,
        resource: &|id| {
            (id == "atlas/container/web")
                .then(|| Route::Resource(ResourceId::container("atlas", "web")))
        },
    })
}

fn blocks(text: &str) -> Vec<Block> {
    with(&["A1", "A2"], &["ghost", "ghost-db"], |known| {
        pieces(text, known)
            .into_iter()
            .map(|piece| piece.block)
            .collect()
    })
}

fn line(text: &str) -> Vec<Span> {
    match blocks(text).as_slice() {
        [Block::Paragraph(spans)] => spans.clone(),
        other => panic!("{other:?}"),
    }
}

fn text(words: &str) -> Span {
    Span::Text(words.to_owned())
}

fn code(words: &str) -> Span {
    Span::Code(words.to_owned())
}

fn list(blocks: &[Block]) -> Vec<(usize, Option<u32>, String)> {
    match blocks {
        [Block::List(items)] => items
            .iter()
            .map(|item| {
                let mut words = String::new();
                say(&item.spans, &mut words);
                (item.depth, item.number, words)
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn paragraphs_keep_their_lines() {
    assert_eq!(
        blocks("One\ntwo.\n\n\nThree."),
        [
            Block::Paragraph(vec![text("One\ntwo.")]),
            Block::Paragraph(vec![text("Three.")])
        ]
    );
    assert!(blocks(" \n\n").is_empty());
}

#[test]
fn words_are_bold_or_code() {
    assert_eq!(
        line("Restart **the `web` one** now, `a  b`!"),
        [
            text("Restart "),
            Span::Bold(vec![text("the "), code("web"), text(" one")]),
            text(" now, "),
            code("a  b"),
            text("!"),
        ]
    );
    assert_eq!(line("``a ` b``"), [code("a ` b")]);
    // What is not closed, or never begun, stands as it was written.
    for plain in [
        "a ** b ** c",
        "2 * 3 * 4",
        "un`closed",
        "**open",
        "** a **",
        "``",
        "*a*",
    ] {
        assert_eq!(line(plain), [text(plain)], "{plain}");
    }
}

#[test]
fn lists_have_points_numbers_and_depth() {
    assert_eq!(
        list(&blocks("- one\n  goes on\n  - below\n* two\n\n- three")),
        [
            (0, None, "one\ngoes on".to_owned()),
            (1, None, "below".to_owned()),
            (0, None, "two".to_owned()),
            (0, None, "three".to_owned()),
        ]
    );
    assert_eq!(
        list(&blocks("1. one\n2) two\n10. ten")),
        [
            (0, Some(1), "one".to_owned()),
            (0, Some(2), "two".to_owned()),
            (0, Some(10), "ten".to_owned()),
        ]
    );
    let both = blocks("Look:\n- one\n\nThen.");
    assert_eq!(both.len(), 3, "{both:?}");
    assert_eq!(line("3.5 GiB are used"), [text("3.5 GiB are used")]);
    assert_eq!(line("-5 degrees"), [text("-5 degrees")]);
}

#[test]
fn code_blocks_are_kept_as_they_stand_closed_or_not() {
    let whole = "Do:\n```sh\n  **no** <b>x</b>\n\n- no\n```\nDone.";
    let shown = blocks(whole);
    assert_eq!(
        shown[1],
        Block::Code("  **no** <b>x</b>\n\n- no".to_owned())
    );
    assert_eq!(shown[2], Block::Paragraph(vec![text("Done.")]));
    assert_eq!(
        blocks("~~~~\na\n~~~\nb"),
        [Block::Code("a\n~~~\nb".to_owned())]
    );
    assert_eq!(line("```so```"), [code("so")]);
}

#[test]
fn headings_and_tables_are_plain_and_rules_are_nothing() {
    assert_eq!(
        blocks("## Why **now** ##\nIt is.\n---\n| a | b |\n|---|---|\n| 1 | 2 |"),
        [
            Block::Heading(vec![text("Why "), Span::Bold(vec![text("now")])]),
            Block::Paragraph(vec![text("It is.")]),
            Block::Code("| a | b |\n|---|---|\n| 1 | 2 |".to_owned()),
        ]
    );
    assert_eq!(line("#hash and #5"), [text("#hash and #5")]);
    assert_eq!(
        blocks("- a\n# B").len(),
        2,
        "a heading is no part of the list before it"
    );
}

#[test]
fn only_references_to_what_was_looked_at_are_buttons() {
    assert_eq!(
        line("Full [A1], [A2; A1] but [A3] and [x] and [A1](b) and [0]."),
        [
            text("Full "),
            Span::Reference("A1".to_owned()),
            text(", "),
            Span::Reference("A2".to_owned()),
            Span::Reference("A1".to_owned()),
            text(" but [A3] and [x] and [A1](b) and [0]."),
        ]
    );
    assert_eq!(references("[A1] [B2, A1] [c] [12] [A1"), ["A1", "B2"]);
}

#[test]
fn nothing_leads_out_of_the_house() {
    let incident = Span::Link {
        words: "#/incidents/3".to_owned(),
        route: Route::Incident(IncidentId(3)),
    };
    assert_eq!(
        line("See #/incidents/3, not #/nonsense."),
        [text("See "), incident, text(", not #/nonsense.")]
    );
    assert_eq!(
        line("[the incident](#/incidents/3)"),
        [Span::Link {
            words: "the incident".to_owned(),
            route: Route::Incident(IncidentId(3)),
        }]
    );
    for plain in [
        "[click](https://evil.example/#/incidents/3)",
        "https://evil.example",
        "https://evil.example#/incidents/3",
        "[a](javascript:alert(1))",
        "<a href=\"#/incidents/3x\">a</a><script>x</script>",
        "![x](http://evil.example/p.png)",
    ] {
        assert_eq!(line(plain), [text(plain)], "{plain}");
    }
}

#[test]
fn names_that_are_not_there_are_told_from_those_that_are() {
    let ghost = || Span::Unchecked("ghost".to_owned());
    assert_eq!(
        line("Restart ghost, not ghostly; `ghost` or ghost-db."),
        [
            text("Restart "),
            ghost(),
            text(", not ghostly; "),
            ghost(),
            text(" or "),
            Span::Unchecked("ghost-db".to_owned()),
            text("."),
        ]
    );
    let web = || Span::Link {
        words: "atlas/container/web".to_owned(),
        route: Route::Resource(ResourceId::container("atlas", "web")),
    };
    assert_eq!(
        line("Of atlas/container/web: `atlas/container/web`, a/b."),
        [text("Of "), web(), text(": "), web(), text(", a/b.")]
    );
}

#[test]
fn while_a_text_grows_only_its_end_becomes_another_piece() {
    let keys = |text: &str| -> Vec<u64> {
        with(&[], &[], |known| pieces(text, known))
            .iter()
            .map(|piece| piece.key)
            .collect()
    };
    let before = keys("One.\n\nTwo\n\n- a");
    let after = keys("One.\n\nTwo\n\n- a\n- b\n\nTwo");
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    let mut all = after.clone();
    all.sort_unstable();
    all.dedup();
    assert_eq!(
        all.len(),
        after.len(),
        "the same words twice are two pieces"
    );
}

#[test]
fn every_word_is_kept_wherever_the_text_is_cut_off() {
    let whole =
        "# Über **alles**\n\nEs [A1] `x` ghost **b\n- ä `ö\n  1. ü\n```\nß | [A2\n```\n| t |\n";
    for (cut, _) in whole.char_indices() {
        let shown = with(&["A1"], &["ghost"], |known| {
            spoken(&pieces(&whole[..cut], known))
        });
        for word in ["Über", "alles", "ghost", "ß"] {
            // The cut may be in the middle of the word.
            let is_whole = whole[..cut].contains(word);
            assert!(
                !is_whole || shown.contains(word),
                "{word} is lost at {cut}: {shown}"
            );
        }
    }
}

#[test]
fn what_is_heard_has_no_signs() {
    let shown = with(&["A1"], &[], |known| {
        spoken(&pieces("**It** is full [A1]:\n- `df`\n- more", known))
    });
    assert_eq!(shown, "It is full :\ndf\nmore\n");
}
