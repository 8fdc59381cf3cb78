//! The two streams of a container's log, taken apart as they come.
//!
//! What flows through: pieces of the engine's answer in, cut anywhere; text with the stream it is of, out. What it never does: keep text.

/// Where in the answer one is. Without a terminal each frame has a head of eight bytes: the stream (1 out, 2 error), three zeros and the
/// length, big-endian (docs.docker.com, Engine API, attach); with one it is the plain output.
pub(super) struct Frames {
    tty: bool,
    head: Vec<u8>,
    /// Bytes left of the frame under way, and its stream.
    left: usize,
    stream: usize,
}

impl Frames {
    pub(super) fn new(tty: bool) -> Self {
        Self {
            tty,
            head: Vec::with_capacity(8),
            left: 0,
            stream: 0,
        }
    }

    /// Hands the text in a piece on, with its stream: 0 for output, 1 for errors.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut text: impl FnMut(usize, &[u8])) {
        if self.tty {
            text(0, bytes);
            return;
        }
        while !bytes.is_empty() {
            if self.left == 0 {
                let missing = 8 - self.head.len();
                let (head, rest) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend_from_slice(head);
                bytes = rest;
                if let [stream, _, _, _, a, b, c, d] = *self.head.as_slice() {
                    self.stream = usize::from(stream == 2);
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.head.clear();
                }
            } else {
                let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= part.len();
                text(self.stream, part);
                bytes = rest;
            }
        }
    }
}
