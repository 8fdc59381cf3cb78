//! TLS servers with good and bad certificates, and what only seems to be one. All on free ports, until the test ends.

use std::{net::IpAddr, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// An authority that a test lets the program trust.
pub(crate) struct House(CertifiedIssuer<'static, KeyPair>);

/// A certificate with what it leads to, and its key.
pub(crate) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

impl Shown {
    /// The chain as a file holds it.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key as a file holds it.
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

fn of_authority(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// A server's parameters: valid from 2020 on and for so many days from now.
fn of_server(name: &str, days: i64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    let end = Timestamp::now().checked_add(SignedDuration::from_hours(24 * days))?;
    let end = end.to_zoned(jiff::tz::TimeZone::UTC).date();
    let part = |number: i8| u8::try_from(number);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(end.year().into(), part(end.month())?, part(end.day())?);
    Ok(params)
}

impl House {
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        Ok(Self(CertifiedIssuer::self_signed(
            of_authority("The House")?,
            key,
        )?))
    }

    /// Its own certificate, to be trusted.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of the house that ends in so many days.
    pub(crate) fn certificate(&self, name: &str, days: i64) -> Result<Shown> {
        let key = KeyPair::generate()?;
        let made = of_server(name, days)?.signed_by(&key, &self.0)?;
        Ok(Shown {
            chain: vec![made.der().clone()],
            pem: made.pem(),
            key,
        })
    }

    /// One of an authority below the house, without that one's own: what leads to the house is missing.
    pub(crate) fn certificate_without_its_chain(&self, name: &str) -> Result<Shown> {
        let below =
            CertifiedIssuer::signed_by(of_authority("The Floor")?, KeyPair::generate()?, &self.0)?;
        let key = KeyPair::generate()?;
        let made = of_server(name, 900)?.signed_by(&key, &below)?;
        Ok(Shown {
            chain: vec![made.der().clone()],
            pem: made.pem(),
            key,
        })
    }

    /// Authorities that have signed each other, below a certificate.
    pub(crate) fn chain_that_goes_round(&self) -> Result<String> {
        let own = |name| -> Result<_> {
            Ok(CertifiedIssuer::self_signed(
                of_authority(name)?,
                KeyPair::generate()?,
            )?)
        };
        let (one, other) = (own("One")?, own("Other")?);
        let key = KeyPair::generate()?;
        let one_by_other = of_authority("One")?.signed_by(&key, &other)?;
        let other_by_one = of_authority("Other")?.signed_by(&key, &one)?;
        let leaf = of_server("round.home", 900)?.signed_by(&key, &one)?;
        Ok([leaf.pem(), one_by_other.pem(), other_by_one.pem()].concat())
    }
}

/// A certificate that signed itself.
pub(crate) fn alone(name: &str) -> Result<Shown> {
    let key = KeyPair::generate()?;
    let made = of_server(name, 900)?.self_signed(&key)?;
    Ok(Shown {
        chain: vec![made.der().clone()],
        pem: made.pem(),
        key,
    })
}

/// Serves TLS; the port on which it does.
pub(crate) async fn serve(on: IpAddr, shown: Shown) -> Result<u16> {
    let key = PrivateKeyDer::try_from(shown.key.serialize_der()).map_err(|error| anyhow!(error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(shown.chain, key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(on, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // The client leaves in the middle of it, as it should.
            let _ = acceptor.accept(stream).await;
        }
    })
    .await
}

/// Says these bytes to everybody and holds the connection open; the port on which it does.
pub(crate) async fn say(on: IpAddr, bytes: Vec<u8>) -> Result<u16> {
    listen(on, move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    })
    .await
}

async fn listen<F, D>(on: IpAddr, answer: F) -> Result<u16>
where
    F: Fn(TcpStream) -> D + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((on, 0))
        .await
        .with_context(|| format!("can't listen on {on}"))?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(port)
}
