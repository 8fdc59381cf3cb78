//! A file system as a tar archive, taken piece by piece: the wanted files are kept, all else only passes.
//!
//! What flows through: bytes of any cut in, a few files out. What it never does: write anything, follow a link, believe a size before
//! the bytes are there, or hold more than its limits. The form is that of POSIX.1-2017 `pax`, with the GNU long names.

use std::collections::BTreeMap;

use crate::ports::{ImageFiles, ReadLimits, Want, WantedFiles};

const BLOCK: usize = 512;
/// What describes the next file: its long name, its extended attributes.
const LONGEST_DESCRIPTION: u64 = 1024 * 1024;
/// A path is no longer than the kernel's own limit.
const LONGEST_PATH: usize = 4096;
/// The most gaps that are told one by one.
const MOST_GAPS: usize = 20;

/// What the bytes to come are.
enum State {
    /// A head, as far as it has come.
    Head(Vec<u8>),
    /// A file's content, and the rest of its last block.
    Body { kept: Kept, left: u64, padding: u64 },
    /// Nothing more is wanted.
    Done,
}

/// What is done with a content.
enum Kept {
    No,
    File {
        path: String,
        content: Vec<u8>,
        most: u64,
    },
    /// What describes the next file.
    Description {
        kind: u8,
        content: Vec<u8>,
    },
}

/// What is known of the next file besides its head.
#[derive(Default)]
struct Next {
    path: Option<String>,
    size: Option<u64>,
    link: Option<String>,
}

/// An archive that is being read.
pub(super) struct Archive {
    wanted: WantedFiles,
    limits: ReadLimits,
    state: State,
    next: Next,
    files: BTreeMap<String, Vec<u8>>,
    kept: u64,
    gaps: Vec<String>,
    unmentioned: usize,
    /// Whether it came to its proper end.
    ended: bool,
}

impl Archive {
    pub(super) fn new(wanted: WantedFiles, limits: ReadLimits) -> Self {
        Self {
            wanted,
            limits,
            state: State::Head(Vec::new()),
            next: Next::default(),
            files: BTreeMap::new(),
            kept: 0,
            gaps: Vec::new(),
            unmentioned: 0,
            ended: false,
        }
    }

    /// Takes the next piece. `false`: no more is wanted.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            match &mut self.state {
                State::Done => return false,
                State::Head(head) => {
                    let (now, rest) = piece.split_at(piece.len().min(BLOCK - head.len()));
                    head.extend_from_slice(now);
                    piece = rest;
                    if head.len() == BLOCK {
                        let head = std::mem::take(head);
                        self.begin(&head);
                    }
                }
                State::Body {
                    kept,
                    left,
                    padding,
                } => {
                    let length = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(piece.len());
                    let (now, rest) = piece.split_at(length);
                    piece = rest;
                    *left -= now.len() as u64;
                    kept.add(now);
                    if *left == 0 {
                        let skipped = usize::try_from(*padding).unwrap_or(BLOCK).min(piece.len());
                        piece = &piece[skipped..];
                        *padding -= skipped as u64;
                        if *padding == 0 {
                            self.end();
                        }
                    }
                }
            }
        }
        !matches!(self.state, State::Done)
    }

    /// What was kept.
    pub(super) fn finish(mut self) -> ImageFiles {
        if !self.ended && !matches!(self.state, State::Done) {
            self.gap(
                "the image's archive ends in the middle: what was to come after is not known"
                    .to_owned(),
            );
        }
        if self.unmentioned > 0 {
            self.gaps
                .push(format!("{} more files could not be read", self.unmentioned));
        }
        ImageFiles {
            files: self.files,
            gaps: self.gaps,
        }
    }

    fn gap(&mut self, gap: String) {
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(gap);
        } else {
            self.unmentioned += 1;
        }
    }

    /// A whole head is there.
    fn begin(&mut self, head: &[u8]) {
        if head.iter().all(|byte| *byte == 0) {
            // Blocks of zeros end an archive.
            self.ended = true;
            self.state = State::Done;
            return;
        }
        let Some((size, kind)) = numbers(head) else {
            self.gap(
                "the image's archive is damaged: what was to come after is not known".to_owned(),
            );
            self.state = State::Done;
            return;
        };
        let is_description = matches!(kind, b'x' | b'g' | b'L' | b'K');
        // A description's own size stands in its head; that of a file may stand in its description.
        let size = self.next.size.filter(|_| !is_description).unwrap_or(size);
        // Links and directories have no content, whatever their heads say.
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        let kept = if is_description {
            if size <= LONGEST_DESCRIPTION {
                Kept::Description {
                    kind,
                    content: Vec::new(),
                }
            } else {
                Kept::No
            }
        } else {
            let next = std::mem::take(&mut self.next);
            self.of_file(head, kind, size, next)
        };
        self.state = State::Body {
            kept,
            left: size,
            padding: (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64,
        };
        if size == 0 {
            self.end();
        }
    }

    fn of_file(&mut self, head: &[u8], kind: u8, size: u64, next: Next) -> Kept {
        let path = next.path.unwrap_or_else(|| name_in(head));
        let Some((path, want)) = normal(&path).and_then(|path| {
            let want = (self.wanted)(&path)?;
            Some((path, want))
        }) else {
            return Kept::No;
        };
        match kind {
            b'0' | 0 | b'7' => {}
            b'1' => {
                self.hard_link(path, &next.link.unwrap_or_else(|| text(&head[157..257])));
                return Kept::No;
            }
            // Symbolic links lead to files that have names of their own; the rest holds nothing.
            _ => return Kept::No,
        }
        let most = match want {
            Want::Whole(most) if size > most => {
                self.gap(format!(
                    "/{path} has {} MiB and was not read: more than {} MiB are not",
                    size >> 20,
                    most >> 20
                ));
                return Kept::No;
            }
            Want::Whole(most) | Want::Beginning(most) => most.min(size),
        };
        if !self.has_room(most) {
            self.gap(format!(
                "/{path} was not read: the image has more to read than {} MiB in {} files",
                self.limits.kept_bytes >> 20,
                self.limits.files
            ));
            return Kept::No;
        }
        Kept::File {
            path,
            content: Vec::new(),
            most,
        }
    }

    const fn has_room(&self, size: u64) -> bool {
        self.kept.saturating_add(size) <= self.limits.kept_bytes
    }

    /// Another name of a file that came before.
    fn hard_link(&mut self, path: String, target: &str) {
        let content = normal(target).and_then(|target| self.files.get(&target).cloned());
        match content {
            Some(content) if self.has_room(content.len() as u64) => self.keep(path, content),
            _ => self.gap(format!(
                "/{path} is another name of a file that was not read"
            )),
        }
    }

    fn keep(&mut self, path: String, content: Vec<u8>) {
        if self.files.len() >= self.limits.files && !self.files.contains_key(&path) {
            self.gap(format!(
                "/{path} was not read: the image has more than {} files to read",
                self.limits.files
            ));
            return;
        }
        self.kept = self.kept.saturating_add(content.len() as u64);
        if let Some(before) = self.files.insert(path, content) {
            self.kept = self.kept.saturating_sub(before.len() as u64);
        }
    }

    /// A content is complete.
    fn end(&mut self) {
        match std::mem::replace(&mut self.state, State::Head(Vec::new())) {
            State::Body {
                kept: Kept::File { path, content, .. },
                ..
            } => self.keep(path, content),
            State::Body {
                kept: Kept::Description { kind, content },
                ..
            } => match kind {
                b'L' => self.next.path = Some(text(&content)),
                b'K' => self.next.link = Some(text(&content)),
                b'x' => self.describe(&content),
                _ => {}
            },
            _ => {}
        }
    }

    /// Records of `length key=value\n`.
    fn describe(&mut self, mut records: &[u8]) {
        while let Some(space) = records.iter().take(20).position(|byte| *byte == b' ') {
            let length = text(&records[..space]).parse::<usize>().ok();
            let Some(record) = length
                .filter(|length| *length > space + 1)
                .and_then(|length| records.get(space + 1..length - 1))
            else {
                return;
            };
            if let Some(equals) = record.iter().position(|byte| *byte == b'=') {
                let value = String::from_utf8_lossy(&record[equals + 1..]);
                match &record[..equals] {
                    b"path" => self.next.path = Some(value.into_owned()),
                    b"linkpath" => self.next.link = Some(value.into_owned()),
                    b"size" => self.next.size = value.parse().ok(),
                    _ => {}
                }
            }
            records = &records[space + 1 + record.len() + 1..];
        }
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::No => {}
            Self::File { content, most, .. } => {
                let room = usize::try_from(*most).unwrap_or(usize::MAX) - content.len();
                content.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Self::Description { content, .. } => content.extend_from_slice(bytes),
        }
    }
}

/// The size and the kind that a head tells; `None` where its check sum is wrong.
fn numbers(head: &[u8]) -> Option<(u64, u8)> {
    let sum: u64 = head
        .iter()
        .enumerate()
        // The sum itself counts as spaces.
        .map(|(at, byte)| {
            u64::from(if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            })
        })
        .sum();
    (octal(&head[148..156])? == sum).then_some(())?;
    let size = &head[124..136];
    let size = if size[0] & 0x80 == 0 {
        octal(size)?
    } else {
        // Larger than eight octal digits can tell: as a number of 95 bits, of which 64 are looked at.
        u64::from_be_bytes(size[4..12].try_into().ok()?)
    };
    Some((size, head[156]))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = text(field);
    let text = text.trim();
    if text.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(text, 8).ok()
}

fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// The name in a head, with the part before it where it is a POSIX one.
fn name_in(head: &[u8]) -> String {
    let name = text(&head[..100]);
    let prefix = text(&head[345..500]);
    if head[257..262] == *b"ustar" && head[262] == 0 && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

/// A path without what means nothing. `None` for one that leads out, or is none.
fn normal(path: &str) -> Option<String> {
    if path.len() > LONGEST_PATH {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
