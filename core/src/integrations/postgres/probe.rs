//! Recognises a PostgreSQL server by the first words of its protocol, without credentials.
//!
//! What flows through: an address in; whether a PostgreSQL server answers there, how quickly, and what it says when it refuses, out.
//! What it never does: answer a request for a password, or take another kind of server for this one.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// "Do you speak TLS?": a length of 8 and the code 80877103 (PostgreSQL documentation, Message Formats, SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Protocol 3.0, as in a StartupMessage.
const PROTOCOL: [u8; 4] = [0, 3, 0, 0];
/// The longest message that is read.
const LONGEST: usize = 64 * 1024;

/// What a PostgreSQL server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Time to its first word, the connection included.
    pub(super) latency: Duration,
    /// Why it lets nobody in, where it said so instead of asking who is there.
    pub(super) refusal: Option<Refusal>,
}

/// An error that the server sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The SQLSTATE code; empty where the server could not even say that.
    pub(super) code: String,
    /// What it said, in its own words.
    pub(super) message: String,
}

/// Why nothing can be said of a server there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProbeError {
    /// Nobody answered.
    #[error("{0}")]
    Silent(String),
    /// Somebody answered, but not like PostgreSQL.
    #[error("what answers there does not speak PostgreSQL's protocol")]
    Other,
}

/// Speaks to whoever listens at an address, for `limit` at most.
///
/// # Errors
/// Where nobody answers, or somebody who is no PostgreSQL server.
pub(super) async fn probe(address: SocketAddr, limit: Duration) -> Result<Answer, ProbeError> {
    timeout(limit, talk(address)).await.unwrap_or_else(|_| {
        Err(ProbeError::Silent(format!(
            "no answer within {} s",
            limit.as_secs_f64()
        )))
    })
}

async fn talk(address: SocketAddr) -> Result<Answer, ProbeError> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.map_err(silent)?;
    stream.write_all(&SSL_REQUEST).await.map_err(silent)?;
    let word = stream.read_u8().await.map_err(ended)?;
    let latency = began.elapsed();
    let mut stream = match word {
        b'N' => stream,
        // Now it waits for a TLS handshake. A second connection without TLS is asked or refused, and either tells enough.
        b'S' => TcpStream::connect(address).await.map_err(silent)?,
        // It could not even read the question.
        b'E' => {
            return Ok(Answer {
                latency,
                refusal: Some(error(&mut stream).await?),
            });
        }
        _ => return Err(ProbeError::Other),
    };
    stream.write_all(&startup()).await.map_err(silent)?;
    let refusal = match stream.read_u8().await.map_err(ended)? {
        b'R' => {
            let length = stream.read_u32().await.map_err(ended)?;
            let request = stream.read_u32().await.map_err(ended)?;
            if !(8..=4096).contains(&length) || request > 64 {
                return Err(ProbeError::Other);
            }
            // 0: nobody is asked for a password here, so this is a session already; end it politely.
            if request == 0 {
                let _ = stream.write_all(&[b'X', 0, 0, 0, 4]).await;
            }
            None
        }
        b'E' => Some(error(&mut stream).await?),
        _ => return Err(ProbeError::Other),
    };
    Ok(Answer { latency, refusal })
}

fn startup() -> Vec<u8> {
    let body = b"user\0steward\0database\0postgres\0application_name\0steward\0\0";
    let length = u32::try_from(8 + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.extend(PROTOCOL);
    message.extend(body);
    message
}

/// Reads the rest of an ErrorResponse, whose first byte was read.
async fn error(stream: &mut TcpStream) -> Result<Refusal, ProbeError> {
    let head: [u8; 4] = {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.map_err(ended)?;
        head
    };
    let length = u32::from_be_bytes(head) as usize;
    if (5..=LONGEST).contains(&length) {
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await.map_err(ended)?;
        return fields(&body).ok_or(ProbeError::Other);
    }
    // A server that can't start a process for the connection sends a plain text, without length, that ends with a zero.
    let mut text = head.to_vec();
    while text.last() != Some(&0) {
        let mut chunk = [0; 128];
        let read = stream.read(&mut chunk).await.map_err(silent)?;
        text.extend(&chunk[..read]);
        if read == 0 || text.len() > 1024 || !text.is_ascii() {
            return Err(ProbeError::Other);
        }
    }
    let text = String::from_utf8_lossy(&text);
    Ok(Refusal {
        code: String::new(),
        message: text.trim_end_matches('\0').trim().to_owned(),
    })
}

/// The fields of an ErrorResponse: each a letter and a text that ends with a zero; a zero ends them all.
fn fields(mut body: &[u8]) -> Option<Refusal> {
    let mut refusal = Refusal::default();
    loop {
        let (&kind, rest) = body.split_first()?;
        if kind == 0 {
            break;
        }
        let end = rest.iter().position(|&byte| byte == 0)?;
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        match kind {
            b'C' => refusal.code = text,
            b'M' => refusal.message = text,
            _ => {}
        }
        body = &rest[end + 1..];
    }
    (refusal.code.len() == 5).then_some(refusal)
}

fn silent(error: io::Error) -> ProbeError {
    ProbeError::Silent(super::sql::io_words(&error))
}

/// The connection was taken and closed without a word: as a proxy does whose server is gone.
fn ended(error: io::Error) -> ProbeError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ProbeError::Silent("it closed the connection without an answer".to_owned())
    } else {
        silent(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_is_read_field_by_field() {
        let body = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0Fproc.c\0\0";
        assert_eq!(
            fields(body),
            Some(Refusal {
                code: "53300".to_owned(),
                message: "sorry, too many clients already".to_owned()
            })
        );
        for broken in [&b""[..], b"\0", b"SFATAL", b"C53300\0", b"C1\0\0"] {
            assert_eq!(fields(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange_for_the_parser(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&body);
        }
    }
}
