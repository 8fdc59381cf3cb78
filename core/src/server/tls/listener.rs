//! A listener whose connections have done their TLS handshake: each on its own, within a time limit, so that one that stalls holds up nobody.
//!
//! What flows through: TCP connections in, encrypted ones out. Who speaks plain HTTP here is told so in plain HTTP. What it never does: wait
//! for one connection before it takes the next.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::Listener;
use rustls::ServerConfig;
use steward_api::{ErrorCode, ProblemDetails};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::AbortHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A handshake takes this long at most.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// So many handshakes run at the same time at most. The one that began first gives way: it should long be done.
const MOST_HANDSHAKES: usize = 256;
/// Connections that wait to be taken.
const READY: usize = 64;
/// The first byte of a TLS handshake (RFC 8446, section 5.1: the content type `handshake`).
const TLS_HANDSHAKE: u8 = 22;
/// What a connection in plain HTTP still sends is thrown away, so that it reads the answer; for so long.
const THROWN_AWAY_WITHIN: Duration = Duration::from_secs(1);

type Ready = (TlsStream<TcpStream>, SocketAddr);

/// Connections that are encrypted.
pub(in crate::server) struct TlsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<Ready>,
    tasks: [AbortHandle; 2],
}

impl TlsListener {
    /// Takes connections from now on, with `beside` running as long.
    pub(super) fn new(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        beside: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(READY);
        let taking = tokio::spawn(take(listener, TlsAcceptor::from(config), done));
        Ok(Self {
            address,
            ready,
            tasks: [taking.abort_handle(), tokio::spawn(beside).abort_handle()],
        })
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // Nobody takes connections any more: the server is being dropped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Aborts what is left when the task that began them ends.
#[derive(Default)]
struct Handshakes(VecDeque<AbortHandle>);

impl Handshakes {
    fn add(&mut self, handshake: AbortHandle) {
        self.0.retain(|one| !one.is_finished());
        if self.0.len() >= MOST_HANDSHAKES
            && let Some(oldest) = self.0.pop_front()
        {
            oldest.abort();
        }
        self.0.push_back(handshake);
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        for one in &self.0 {
            one.abort();
        }
    }
}

async fn take(mut listener: TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<Ready>) {
    let mut handshakes = Handshakes::default();
    loop {
        let (stream, address) = Listener::accept(&mut listener).await;
        let (acceptor, done) = (acceptor.clone(), done.clone());
        let handshake = tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, encrypted(acceptor, stream)).await {
                Ok(Ok(Some(stream))) => {
                    // Nobody takes it at a shutdown.
                    let _ = done.send((stream, address)).await;
                }
                Ok(Ok(None)) => tracing::debug!(%address, "plain HTTP on the TLS port"),
                // Such as a browser that does not trust the certificate yet: nothing for the log of every day.
                Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake failed"),
                Err(_) => {
                    tracing::debug!(%address, limit = ?HANDSHAKE, "a TLS handshake took too long");
                }
            }
        });
        handshakes.add(handshake.abort_handle());
    }
}

/// The same connection encrypted; absent where it speaks something else, which it has then been told.
async fn encrypted(
    acceptor: TlsAcceptor,
    stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    send_at_once(&stream);
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first[0] == TLS_HANDSHAKE {
        return acceptor.accept(stream).await.map(Some);
    }
    if first[0].is_ascii_alphabetic() {
        refuse_plain(stream).await?;
    }
    Ok(None)
}

/// Says in plain HTTP that this is no place for it.
async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    let problem = ProblemDetails::new(
        ErrorCode::BadRequest,
        "Steward speaks HTTPS here: the address should begin with https:// and not with http://",
    );
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let rest = async {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it came to its end or not, it was told.
    let _ = tokio::time::timeout(THROWN_AWAY_WITHIN, rest).await;
    Ok(())
}

/// Small replies and events must not wait for more bytes to come.
pub(in crate::server) fn send_at_once(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "can't send small packets at once");
    }
}
