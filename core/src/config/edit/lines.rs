//! What becomes of a file's lines: the preview of a change.

use steward_api::{ConfigLine, LineChange};

use crate::redact::secrets;

/// Beyond so many pairs of lines that would have to be compared, everything between the first and the last change is shown as changed.
const MOST_PAIRS: usize = 4_000_000;

/// The lines that go and come, each change headed by the section that it stands in. Secrets are struck out.
pub(super) fn preview(before: &str, after: &str) -> Vec<ConfigLine> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let least = old.len().min(new.len());
    let ahead = (0..least).take_while(|&at| old[at] == new[at]).count();
    let behind = (1..=least - ahead)
        .take_while(|&back| old[old.len() - back] == new[new.len() - back])
        .count();
    let (old_end, new_end) = (old.len() - behind, new.len() - behind);
    let mut shown = Shown {
        new: &new,
        lines: Vec::new(),
        header: None,
    };
    for step in steps(&old[ahead..old_end], &new[ahead..new_end]) {
        match step {
            (LineChange::Removed, at, below) => {
                shown.push(
                    LineChange::Removed,
                    ahead + at,
                    old[ahead + at],
                    ahead + below,
                );
            }
            (change, at, _) => shown.push(change, ahead + at, new[ahead + at], ahead + at),
        }
    }
    shown.lines
}

struct Shown<'t> {
    new: &'t [&'t str],
    lines: Vec<ConfigLine>,
    /// The line of the new text that holds the header shown last.
    header: Option<usize>,
}

impl Shown<'_> {
    fn push(&mut self, change: LineChange, at: usize, text: &str, in_new: usize) {
        let is_header = |line: &&str| line.trim_start().starts_with('[');
        let header = (0..in_new.min(self.new.len()))
            .rev()
            .find(|&at| is_header(&self.new[at]));
        if let Some(at) = header.filter(|_| header != self.header && !is_header(&text)) {
            let already = self
                .lines
                .iter()
                .any(|line| line.change == LineChange::Added && line.number as usize == at + 1);
            if !already {
                self.line(LineChange::Kept, at, self.new[at]);
            }
        }
        self.header = header;
        self.line(change, at, text);
    }

    fn line(&mut self, change: LineChange, at: usize, text: &str) {
        self.lines.push(ConfigLine {
            change,
            number: u32::try_from(at + 1).unwrap_or(u32::MAX),
            text: secrets(text),
        });
    }
}

/// What goes (its number in the old lines, and where in the new ones) and comes, in order, by the longest common subsequence.
fn steps(old: &[&str], new: &[&str]) -> Vec<(LineChange, usize, usize)> {
    let mut found = Vec::new();
    if old.len() * new.len() > MOST_PAIRS {
        found.extend((0..old.len()).map(|at| (LineChange::Removed, at, 0)));
        found.extend((0..new.len()).map(|at| (LineChange::Added, at, at)));
        return found;
    }
    let width = new.len() + 1;
    // How many lines the rests from here on have in common.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for a in (0..old.len()).rev() {
        for b in (0..new.len()).rev() {
            common[a * width + b] = if old[a] == new[b] {
                common[(a + 1) * width + b + 1] + 1
            } else {
                common[(a + 1) * width + b].max(common[a * width + b + 1])
            };
        }
    }
    let (mut a, mut b) = (0, 0);
    while a < old.len() || b < new.len() {
        if a < old.len() && b < new.len() && old[a] == new[b] {
            (a, b) = (a + 1, b + 1);
        } else if b == new.len()
            || (a < old.len() && common[(a + 1) * width + b] >= common[a * width + b + 1])
        {
            found.push((LineChange::Removed, a, b));
            a += 1;
        } else {
            found.push((LineChange::Added, b, b));
            b += 1;
        }
    }
    found
}
