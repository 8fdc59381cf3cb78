//! A network cable that a test can pull out: a port of its own that hands everything on to an agent, until it is cut.
//!
//! What flows through: bytes, unchanged, both ways. What it never does: look at them, or let a connection live on that was cut.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A cable to an agent. Cut when dropped.
#[derive(Debug)]
pub struct Cable {
    url: String,
    to: Arc<Mutex<SocketAddr>>,
    /// Whether it is whole.
    whole: watch::Sender<bool>,
    carrier: JoinHandle<()>,
}

impl Cable {
    /// Lays a cable to the agent at this address.
    ///
    /// # Errors
    /// Where the address is none, or no port is free.
    pub async fn to(url: &str) -> Result<Self> {
        let to = Arc::new(Mutex::new(address(url)?));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (whole, is_whole) = watch::channel(true);
        let other_end = Arc::clone(&to);
        let carrier = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut is_whole = is_whole.clone();
                if !*is_whole.borrow_and_update() {
                    continue; // closed at once
                }
                let to = *other_end.lock().unwrap_or_else(PoisonError::into_inner);
                tokio::spawn(async move {
                    tokio::select! {
                        _ = carry(near, to) => {}
                        _ = is_whole.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Ok(Self {
            url,
            to,
            whole,
            carrier,
        })
    }

    /// Where the agent is reached through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Cuts it: every connection ends, and new ones are closed at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Leads to another address from now on.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn plug_into(&self, url: &str) -> Result<()> {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = address(url)?;
        Ok(())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.cut();
        self.carrier.abort();
    }
}

async fn carry(mut near: TcpStream, to: SocketAddr) -> std::io::Result<()> {
    let mut far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

fn address(url: &str) -> Result<SocketAddr> {
    url.strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok())
        .with_context(|| format!("{url} is no address of an agent"))
}
