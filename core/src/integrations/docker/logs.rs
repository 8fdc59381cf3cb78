//! The end of a container's log: both streams of it, line by line, cleared of secrets and of control characters, bounded.

use super::{
    client::{Client, Failure, LIST},
    frames::Frames,
};

/// No more of a log is kept than this, whatever the number of lines.
const MOST_BYTES: usize = 64 * 1024;
/// No line is kept beyond this.
const MOST_LINE_BYTES: usize = 4 * 1024;
/// More lines than this are not asked for.
const MOST_LINES: u32 = 1000;

/// The last lines, oldest first.
pub(super) async fn tail(
    client: &Client,
    id: &str,
    tty: bool,
    lines: u32,
) -> Result<Vec<String>, Failure> {
    let lines = lines.min(MOST_LINES);
    let path = format!("/containers/{id}/logs?stdout=1&stderr=1&tail={lines}");
    let mut reader = Reader::new(tty, lines as usize);
    client
        .stream(&path, LIST, |piece| reader.take(piece))
        .await?;
    Ok(reader.finish())
}

/// Keeps the end of a log as it comes.
struct Reader {
    frames: Frames,
    kept: Kept,
}

/// The last lines, and what is open of each stream.
struct Kept {
    most_lines: usize,
    open: [Vec<u8>; 2],
    done: std::collections::VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Reader {
    fn new(tty: bool, most_lines: usize) -> Self {
        Self {
            frames: Frames::new(tty),
            kept: Kept {
                most_lines,
                open: [Vec::new(), Vec::new()],
                done: std::collections::VecDeque::new(),
                bytes: 0,
            },
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let kept = &mut self.kept;
        self.frames
            .take(bytes, |stream, text| kept.text(stream, text));
    }

    fn finish(self) -> Vec<String> {
        self.kept.finish()
    }
}

impl Kept {
    fn text(&mut self, stream: usize, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (line, ends) = match part {
                [line @ .., b'\n'] => (line, true),
                line => (line, false),
            };
            let open = &mut self.open[stream];
            let room = MOST_LINE_BYTES.saturating_sub(open.len());
            open.extend_from_slice(&line[..line.len().min(room)]);
            if ends {
                let line = std::mem::take(open);
                self.line(line);
            }
        }
    }

    fn line(&mut self, line: Vec<u8>) {
        self.bytes += line.len() + 1;
        self.done.push_back(line);
        while self.done.len() > self.most_lines || self.bytes > MOST_BYTES {
            let Some(oldest) = self.done.pop_front() else {
                break;
            };
            self.bytes -= oldest.len() + 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        for open in std::mem::take(&mut self.open) {
            if !open.is_empty() {
                self.line(open);
            }
        }
        let lines: Vec<String> = self
            .done
            .iter()
            .map(|line| {
                // A terminal's return to the line's begin shows what was written last.
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                crate::redact::redact(&plain(&String::from_utf8_lossy(line)))
            })
            .collect();
        if lines.is_empty() {
            return lines;
        }
        // Once more as a whole: a private key spans lines.
        crate::redact::redact(&lines.join("\n"))
            .split('\n')
            .map(str::to_owned)
            .collect()
    }
}

/// Text without escape sequences (colours and worse: a log is written by strangers and shown on terminals) and control characters other
/// than tabs and line ends.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next() == Some('[') {
                    // A control sequence ends with a character from @ to ~.
                    chars.by_ref().find(|c| ('@'..='~').contains(c));
                }
            }
            '\t' | '\n' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![stream, 0, 0, 0];
        frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend(text.as_bytes());
        frame
    }

    fn read(tty: bool, lines: usize, bytes: &[u8], step: usize) -> Vec<String> {
        let mut reader = Reader::new(tty, lines);
        bytes.chunks(step).for_each(|piece| reader.take(piece));
        reader.finish()
    }

    #[test]
    fn both_streams_come_apart_however_the_bytes_are_cut() {
        let bytes = [
            frame(1, "one\ntw"),
            frame(2, "error\n"),
            frame(1, "o\nlast"),
        ]
        .concat();
        for step in [1, 3, 7, 8, 1000] {
            assert_eq!(
                read(false, 10, &bytes, step),
                ["one", "error", "two", "last"],
                "{step}"
            );
        }
    }

    #[test]
    fn a_terminals_log_is_plain_and_its_escapes_do_not_reach_ours() {
        let bytes = b"\x1b[31mred\x1b[0m\r\n\x00\x01tab\there\x07\r\n";
        assert_eq!(read(true, 10, bytes, 2), ["red", "tab here"]);
    }

    #[test]
    fn only_the_end_is_kept() {
        let bytes: Vec<u8> = (0..100)
            .flat_map(|n| format!("{n}\n").into_bytes())
            .collect();
        assert_eq!(read(true, 3, &bytes, 10), ["97", "98", "99"]);
        let long = frame(1, &format!("{}\n", "x".repeat(100_000)));
        let kept = read(false, 3, &long, 1000);
        assert_eq!(kept[0].chars().count(), crate::redact::LINE);
        let many: Vec<u8> = (0..100)
            .flat_map(|_| [vec![b'y'; 3000], vec![b'\n']].concat())
            .collect();
        let kept = read(true, 1000, &many, 4096);
        assert!(kept.iter().map(String::len).sum::<usize>() <= MOST_BYTES);
        assert!(kept.len() > 15);
    }

    #[test]
    fn secrets_are_taken_out() {
        let log = read(
            false,
            10,
            &frame(2, "login failed: password=hunter2secret\n"),
            100,
        );
        assert_eq!(log.len(), 1);
        assert!(!log[0].contains("hunter2secret"), "{log:?}");
    }

    #[test]
    fn no_log_is_no_line() {
        assert!(read(false, 10, b"", 1).is_empty());
    }
}
