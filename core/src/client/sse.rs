//! Server-Sent Events as text: bytes in, messages out. Pure; the field rules are those of the HTML standard, section 9.2.6.

/// One message of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The `event` field; empty for an ordinary message.
    pub event: String,
    /// The `data` lines, joined by line breaks.
    pub data: String,
    /// The `id` field, where the message has one.
    pub id: Option<String>,
}

/// A line or message above this is refused. Bytes; an incident with a full time line stays far below.
pub const LARGEST_MESSAGE: usize = 8 * 1024 * 1024;

/// The stream sent something too large to be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the event stream is far too large")]
pub struct TooLarge;

/// Cuts a byte stream into messages, wherever the network has cut it.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    message: Message,
    has_data: bool,
    skip_line_feed: bool,
    /// Milliseconds that the server asks to wait before a reconnect.
    pub retry_ms: Option<u64>,
}

impl Parser {
    /// Takes the next bytes; returns the messages that they complete.
    ///
    /// # Errors
    /// Where a line or message is too large to be one.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLarge> {
        let mut complete = Vec::new();
        for &byte in bytes {
            // Lines end in LF, CR or CRLF.
            let after_return = std::mem::take(&mut self.skip_line_feed);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.skip_line_feed = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    complete.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.message.data.len() > LARGEST_MESSAGE {
                return Err(TooLarge);
            }
        }
        Ok(complete)
    }

    fn end_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            let whole = std::mem::take(&mut self.has_data) || !message.event.is_empty();
            return whole.then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.has_data = true;
                self.message.data.push_str(value);
            }
            "id" => self.message.id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            // An empty field is a comment, sent to keep the connection alive; unknown ones are to be ignored.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "retry: 1500\n: hello\n\nid: 7\ndata: {\"a\":\ndata: 1}\n\nevent: reload\nid:9\ndata:\n\r\nid: 8\r\n\r\ndata: x\r\r";

    fn expected() -> Vec<Message> {
        vec![
            Message {
                event: String::new(),
                data: "{\"a\":\n1}".to_owned(),
                id: Some("7".to_owned()),
            },
            Message {
                event: "reload".to_owned(),
                data: String::new(),
                id: Some("9".to_owned()),
            },
            Message {
                event: String::new(),
                data: "x".to_owned(),
                id: None,
            },
        ]
    }

    #[test]
    fn messages_come_out_the_same_wherever_the_network_cuts() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let mut messages = Vec::new();
            for chunk in STREAM.as_bytes().chunks(size) {
                messages.extend(parser.feed(chunk).unwrap());
            }
            assert_eq!(messages, expected(), "cut every {size} bytes");
            assert_eq!(parser.retry_ms, Some(1500));
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1024 * 1024];
        let refused = (0..20).any(|_| parser.feed(&chunk).is_err());
        assert!(refused);
    }
}
