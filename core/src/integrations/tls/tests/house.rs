//! An authority of the tests' own, and servers with its certificates.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

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

use crate::{integrations::tls::TlsProbe, ports::TlsEndpoint};

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// Who is believed in a test.
pub(super) struct House {
    pub(super) authority: Authority,
}

/// A certificate with what it leads to, and its key.
pub(super) struct Shown {
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// An authority's parameters.
pub(super) fn of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn of_server(names: &[&str], until: i32) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

impl House {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            authority: CertifiedIssuer::self_signed(of_authority("The House"), key).unwrap(),
        }
    }

    pub(super) fn probe(&self) -> TlsProbe {
        TlsProbe::believing(self.authority.der().clone())
    }

    /// A certificate of the house.
    pub(super) fn certificate(&self, names: &[&str], until: i32) -> Shown {
        let key = KeyPair::generate().unwrap();
        let made = of_server(names, until).signed_by(&key, &self.authority);
        Shown {
            chain: vec![made.unwrap().der().clone()],
            key,
        }
    }

    /// One of an authority below the house, with or without that one's own.
    pub(super) fn certificate_below(&self, names: &[&str], with_it: bool) -> Shown {
        let key = KeyPair::generate().unwrap();
        let below =
            CertifiedIssuer::signed_by(of_authority("The Floor"), key, &self.authority).unwrap();
        let key = KeyPair::generate().unwrap();
        let made = of_server(names, 2090).signed_by(&key, &below).unwrap();
        let mut chain = vec![made.der().clone()];
        if with_it {
            chain.push(below.der().clone());
        }
        Shown { chain, key }
    }
}

/// A certificate that signed itself.
pub(super) fn alone(names: &[&str]) -> Shown {
    let key = KeyPair::generate().unwrap();
    let made = of_server(names, 2090).self_signed(&key).unwrap();
    Shown {
        chain: vec![made.der().clone()],
        key,
    }
}

/// Serves TLS on a free port until the test's runtime ends.
pub(super) async fn serve(shown: Shown) -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            shown.chain,
            PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // A client that leaves is what is tested here.
            let _ = acceptor.accept(stream).await;
        }
    })
    .await
}

/// Answers each connection with these bytes, whatever it says, and holds it open.
pub(super) async fn say(bytes: Vec<u8>) -> SocketAddr {
    listen(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
    })
    .await
}

async fn listen<F, D>(answer: F) -> SocketAddr
where
    F: Fn(TcpStream) -> D + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

pub(super) fn at(host: &str, address: SocketAddr) -> TlsEndpoint {
    TlsEndpoint {
        host: host.to_owned(),
        port: address.port(),
    }
}
