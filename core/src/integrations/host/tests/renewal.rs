//! Renewals: the operator's script writes another certificate, or does not.

use std::{fs, path::Path, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use steward_api::{Action, Precondition, ResourceId, ResourceKind, Risk, Verification};

use super::{
    super::HostActuator,
    act::{permit, script},
    config,
};
use crate::{
    integrations::tls::TlsProbe,
    ports::{Actuator, Reading, of_certificate},
};

fn certificate(file: &Path, days: i64) -> Vec<u8> {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["wiki.lan".to_owned()]).unwrap();
    let end = Timestamp::now() + SignedDuration::from_hours(24 * days);
    let end = end.to_zoned(jiff::tz::TimeZone::UTC).date();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(
        end.year().into(),
        u8::try_from(end.month()).unwrap(),
        u8::try_from(end.day()).unwrap(),
    );
    let made = params.self_signed(&key).unwrap();
    fs::write(file, made.pem()).unwrap();
    made.der().to_vec()
}

#[tokio::test]
async fn a_renewal_is_believed_once_another_certificate_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().join("wiki.pem");
    let next = folder.path().join("next.pem");
    let der = certificate(&shown, 3);
    certificate(&next, 90);
    let (fingerprint, ended_at) = of_certificate(&der).unwrap();
    let mut config = config();
    let copy = ["/bin/cp", next.to_str().unwrap(), shown.to_str().unwrap()];
    let minute = SignedDuration::from_mins(1);
    config
        .scripts
        .insert("renew".to_owned(), script(&copy, minute));
    config
        .scripts
        .insert("idle".to_owned(), script(&["/bin/true"], minute));
    let actuator = HostActuator::new(&config, Some(Arc::new(TlsProbe::default())));
    let id = ResourceId::new(
        "atlas",
        ResourceKind::Certificate,
        shown.display().to_string(),
    );
    let renew = |name: &str| Action::RenewCertificate {
        certificate: id.clone(),
        script: name.to_owned(),
        risk: Risk::Medium,
    };
    let is_the_one = Precondition::CertificateIs {
        certificate: id.clone(),
        fingerprint,
    };
    let renewed = Verification::CertificateRenewed {
        certificate: id.clone(),
        ended_at,
        within_seconds: 5,
    };
    assert_eq!(actuator.check(&is_the_one).await.unwrap(), Reading::Holds);
    // A script that ends well and changes nothing has not renewed.
    actuator.apply(&permit(&renew("idle"))).await.unwrap();
    let reading = actuator.verify(&renewed).await.unwrap();
    assert!(matches!(reading, Reading::Broken(_)), "{reading:?}");
    actuator.apply(&permit(&renew("renew"))).await.unwrap();
    assert_eq!(actuator.verify(&renewed).await.unwrap(), Reading::Holds);
    // The one that was meant is no longer shown: nobody renews twice.
    let reading = actuator.check(&is_the_one).await.unwrap();
    assert!(matches!(reading, Reading::Hopeless(_)), "{reading:?}");
    // Unknown is not renewed.
    fs::remove_file(&shown).unwrap();
    assert!(actuator.verify(&renewed).await.is_err());
    // Nobody names a script that is not in the configuration.
    assert!(actuator.apply(&permit(&renew("other"))).await.is_err());
}
