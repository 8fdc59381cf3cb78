//! Takes a log apart into lines, as its bytes come.
//!
//! What flows through: pieces of any size in, one line at a time out. What it never does: keep more than [`LONGEST_LINE`] bytes of a line, or
//! hold more than one line; the rest of a longer one goes by and is counted.

/// No more of a line is looked at than this. Longer than what any of the known programs writes of an attempt.
pub const LONGEST_LINE: usize = 16 * 1024;

/// Splits bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
    /// Whether the open line was longer than what is kept of it.
    is_cut: bool,
    /// Lines that were longer than what is looked at.
    cut: u64,
}

impl Lines {
    /// Takes a piece; gives each line that it ends to `line`, without its end.
    pub fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part {
                [whole @ .., b'\n'] if self.open.is_empty() && whole.len() <= LONGEST_LINE => {
                    give(whole, &mut line);
                }
                [rest @ .., b'\n'] => {
                    self.keep(rest);
                    self.end(&mut line);
                }
                rest => self.keep(rest),
            }
        }
    }

    /// Gives the last line, where the log does not end with a line's end.
    pub fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.open.is_empty() {
            self.end(&mut line);
        }
    }

    /// Lines that were longer than what is looked at, up to now.
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.open.len());
        let kept = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.is_cut |= kept.len() < bytes.len();
        self.open.extend_from_slice(kept);
    }

    fn end(&mut self, line: &mut impl FnMut(&str)) {
        give(&self.open, line);
        self.open.clear();
        self.cut += u64::from(std::mem::take(&mut self.is_cut));
    }
}

/// What is no UTF-8 is replaced; programs may write what an attacker sent them.
fn give(bytes: &[u8], line: &mut impl FnMut(&str)) {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    line(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8], step: usize) -> (Vec<String>, u64) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(step) {
            lines.take(piece, |line| found.push(line.to_owned()));
            assert!(lines.open.len() <= LONGEST_LINE);
        }
        lines.finish(|line| found.push(line.to_owned()));
        (found, lines.cut())
    }

    #[test]
    fn lines_come_whole_however_the_bytes_are_cut() {
        for step in [1, 2, 3, 5, 100] {
            let (found, cut) = split(b"one\r\ntwo\n\nlast", step);
            assert_eq!(found, ["one", "two", "", "last"], "{step}");
            assert_eq!(cut, 0);
        }
        assert_eq!(split(b"", 1).0, Vec::<String>::new());
    }

    #[test]
    fn a_line_of_a_mebibyte_is_cut_and_what_follows_is_read() {
        let mut bytes = vec![b'x'; 1024 * 1024];
        bytes.extend_from_slice(b"\nafter\n\xff\xfe\n");
        for step in [4096, 65_536, bytes.len()] {
            let (found, cut) = split(&bytes, step);
            assert_eq!(found[0].len(), LONGEST_LINE);
            assert_eq!(found[1..], ["after", "\u{fffd}\u{fffd}"]);
            assert_eq!(cut, 1);
        }
    }
}
