//! Certificates that a script renews: in a file, and behind a real TLS server that shows what is in it.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use steward_api::{Action, Precondition, ResourceId, ResourceKind, Risk, Verification};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{
    super::HostActuator,
    act::{permit, script},
    config, program,
};
use crate::{
    integrations::tls::TlsProbe,
    ports::{ActError, Actuator as _, Reading},
};

/// A certificate that ends with a year, with its key, in one file; its fingerprint.
fn write(path: &Path, until: i32) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let made = params.self_signed(&key).unwrap();
    fs::write(path, format!("{}{}", made.pem(), key.serialize_pem())).unwrap();
    Sha256::digest(made.der())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Shows what the file holds at that moment, to each who greets.
async fn serve(path: &Path) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let path = path.to_owned();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let chain = rustls::pki_types::CertificateDer::pem_file_iter(&path)
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let key = PrivateKeyDer::from_pem_file(&path).unwrap();
            let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
            let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        }
    });
    (address, serving)
}

fn actuator(folder: &TempDir, text: &str) -> HostActuator {
    let path = program(folder.path(), "renew", text);
    let mut config = config();
    let renew = script(&[path.to_str().unwrap()], SignedDuration::from_secs(20));
    config.scripts.insert("renew".to_owned(), renew);
    HostActuator::new(&config, Arc::new(TlsProbe::default()))
}

struct Case {
    actuator: HostActuator,
    certificate: ResourceId,
    fingerprint: String,
    ended_at: Timestamp,
}

impl Case {
    fn action(&self) -> Action {
        Action::RenewCertificate {
            certificate: self.certificate.clone(),
            script: "renew".to_owned(),
            risk: Risk::Medium,
        }
    }

    async fn is_still(&self) -> Result<Reading, ActError> {
        let precondition = Precondition::CertificateIs {
            certificate: self.certificate.clone(),
            fingerprint: self.fingerprint.clone(),
        };
        self.actuator.check(&precondition).await
    }

    async fn is_renewed(&self) -> Reading {
        let verification = Verification::CertificateRenewed {
            certificate: self.certificate.clone(),
            ended_at: self.ended_at,
            within_seconds: 60,
        };
        self.actuator.verify(&verification).await.unwrap()
    }
}

#[tokio::test]
async fn a_script_that_replaces_the_file_renews_what_the_file_and_the_server_show() {
    let folder = TempDir::new().unwrap();
    let (shown, newer) = (
        folder.path().join("shown.pem"),
        folder.path().join("newer.pem"),
    );
    write(&newer, 2040);
    let ended_at: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
    let text = format!("cp {} {} && echo renewed", newer.display(), shown.display());
    let (address, serving) = {
        write(&shown, 2025);
        serve(&shown).await
    };
    for place in [shown.display().to_string(), address.to_string()] {
        let fingerprint = write(&shown, 2025);
        let case = Case {
            actuator: actuator(&folder, &text),
            certificate: ResourceId::new("atlas", ResourceKind::Certificate, place.as_str()),
            fingerprint,
            ended_at,
        };
        assert_eq!(case.is_still().await.unwrap(), Reading::Holds, "{place}");
        assert!(matches!(case.is_renewed().await, Reading::Broken(_)));
        let preview = case.actuator.preview(&case.action()).await.unwrap();
        assert!(preview[1].starts_with("Run `"), "{preview:?}");
        let told = case.actuator.apply(&permit(&case.action())).await.unwrap();
        assert!(told.contains("renewed"), "{told}");
        assert_eq!(case.is_renewed().await, Reading::Holds, "{place}");
        let Reading::Broken(why) = case.is_still().await.unwrap() else {
            panic!("it is another one now")
        };
        assert!(why.contains("another certificate already"), "{why}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_script_that_does_nothing_renews_nothing() {
    let folder = TempDir::new().unwrap();
    let shown = folder.path().join("shown.pem");
    let case = Case {
        fingerprint: write(&shown, 2025),
        actuator: actuator(&folder, "exit 0"),
        certificate: ResourceId::new(
            "atlas",
            ResourceKind::Certificate,
            shown.display().to_string(),
        ),
        ended_at: "2025-01-01T00:00:00Z".parse().unwrap(),
    };
    case.actuator.apply(&permit(&case.action())).await.unwrap();
    let Reading::Broken(why) = case.is_renewed().await else {
        panic!("nothing was renewed")
    };
    assert!(why.contains("still has a certificate that ends"), "{why}");
    // What is not there any more is neither the same nor renewed.
    fs::remove_file(&shown).unwrap();
    assert!(case.is_still().await.is_err());
    assert!(matches!(case.is_renewed().await, Reading::Broken(_)));
    let elsewhere = Action::RenewCertificate {
        certificate: ResourceId::new("other", ResourceKind::Certificate, "/x"),
        script: "renew".to_owned(),
        risk: Risk::Medium,
    };
    assert!(case.actuator.apply(&permit(&elsewhere)).await.is_err());
}
