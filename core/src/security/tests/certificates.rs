//! Tests of certificates: each fault is found, none is invented, and nothing that others made brings it down.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use steward_api::{CertificateFault, CertificateScan};

use crate::{
    ports::{CertificatePlace, ShownChain, TlsEndpoint, Verdict},
    security::certificates::{CertificateError, OwnName, Reached, is_for, scan},
};

type Made = CertifiedIssuer<'static, KeyPair>;

fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn parameters(name: &str, names: &[&str], until: (i32, u8, u8)) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params
}

fn authority(name: &str, until: i32) -> Made {
    let mut params = parameters(name, &[], (until, 1, 1));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn below(name: &str, until: i32, above: &Issuer<'_, KeyPair>) -> Made {
    let mut params = parameters(name, &[], (until, 1, 1));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), above).unwrap()
}

fn leaf(names: &[&str], until: (i32, u8, u8), by: &Issuer<'_, KeyPair>) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let params = parameters("leaf", names, until);
    params.signed_by(&key, by).unwrap().der().to_vec()
}

fn by_itself(names: &[&str]) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let params = parameters("alone", names, (2027, 1, 1));
    params.self_signed(&key).unwrap().der().to_vec()
}

fn at(name: &str) -> Reached {
    Reached {
        place: CertificatePlace::Endpoint(TlsEndpoint {
            host: name.to_owned(),
            port: 443,
        }),
        resource: None,
        name: Some(name.to_owned()),
    }
}

fn in_file() -> Reached {
    Reached {
        place: CertificatePlace::File {
            path: "/etc/a.pem".into(),
            number: None,
        },
        resource: None,
        name: None,
    }
}

fn look(certificates: Vec<Vec<u8>>, trust: Verdict, reached: &Reached) -> CertificateScan {
    let chain = ShownChain {
        certificates,
        here: trust.clone(),
        trust,
    };
    scan(&chain, reached, now(), SignedDuration::from_hours(24 * 30)).unwrap()
}

fn kinds(scan: &CertificateScan) -> Vec<CertificateFault> {
    scan.faults.iter().map(|(kind, _)| *kind).collect()
}

#[test]
fn a_good_certificate_is_told_as_it_is_and_has_no_fault() {
    let house = authority("The House", 2036);
    let der = leaf(&["wiki.home", "192.168.1.2"], (2027, 1, 1), &house);
    let seen = look(vec![der], Verdict::Accepted, &at("wiki.home"));
    assert_eq!(seen.faults, []);
    assert_eq!(seen.place, "wiki.home:443");
    assert_eq!(seen.subject, "CN=leaf");
    assert_eq!(seen.issuer, "CN=The House");
    assert_eq!(seen.names, ["wiki.home", "192.168.1.2"]);
    assert_eq!(seen.key, "ECDSA P-256");
    assert_eq!(seen.fingerprint.len(), 64);
    assert_eq!(seen.not_after, "2027-01-01T00:00:00Z".parse().unwrap());
}

#[test]
fn dates_are_judged_by_the_time_that_is_given() {
    let house = authority("The House", 2036);
    let sentence = |until: (i32, u8, u8)| {
        let der = leaf(&["a.home"], until, &house);
        look(vec![der], Verdict::Accepted, &at("a.home")).faults
    };
    use CertificateFault::{Expired, Expiring};
    let said = |kind, text: &str| vec![(kind, text.to_owned())];
    assert_eq!(sentence((2026, 3, 7)), said(Expired, "it ended 3 d ago"));
    assert_eq!(sentence((2026, 3, 20)), said(Expiring, "it ends in 9 d"));
    assert_eq!(sentence((2026, 4, 9)), said(Expiring, "it ends in 29 d"));
    assert_eq!(sentence((2026, 4, 10)), []);

    let mut params = parameters("leaf", &["a.home"], (2028, 1, 1));
    params.not_before = date_time_ymd(2026, 3, 13);
    let early = params
        .signed_by(&KeyPair::generate().unwrap(), &house)
        .unwrap();
    let seen = look(vec![early.der().to_vec()], Verdict::Accepted, &at("a.home"));
    assert_eq!(
        seen.faults,
        said(CertificateFault::NotYetValid, "it begins only in 2 d")
    );

    // Both its ends belong to its time (RFC 5280 §4.1.2.5).
    let chain = ShownChain {
        certificates: vec![leaf(&["a.home"], (2027, 1, 1), &house)],
        here: Verdict::Accepted,
        trust: Verdict::Accepted,
    };
    for (time, is_over) in [
        ("2027-01-01T00:00:00Z", false),
        ("2027-01-01T00:00:01Z", true),
    ] {
        let seen = scan(
            &chain,
            &at("a.home"),
            time.parse().unwrap(),
            SignedDuration::ZERO,
        )
        .unwrap();
        let over = kinds(&seen).contains(&Expired);
        assert_eq!(over, is_over, "{time}");
    }
}

#[test]
fn names_follow_the_rules_of_wildcards() {
    let dns = |name: &str| OwnName::Dns(name.to_owned());
    for (own, asked, holds) in [
        ("wiki.home", "wiki.home", true),
        ("wiki.home", "WIKI.home.", true),
        ("wiki.home", "a.wiki.home", false),
        ("*.example.org", "a.example.org", true),
        ("*.example.org", "A.EXAMPLE.ORG", true),
        ("*.example.org", "a.b.example.org", false),
        ("*.example.org", "example.org", false),
        ("*.example.org", ".example.org", false),
        ("*.org", "example.org", false),
        ("*", "example", false),
        ("a*.example.org", "ab.example.org", false),
        ("a.*.org", "a.b.org", false),
        ("*.*.example.org", "a.b.example.org", false),
        ("", "", false),
        ("10.0.0.1", "10.0.0.1", false),
        ("*.0.0.1", "10.0.0.1", false),
    ] {
        assert_eq!(is_for(&dns(own), asked), holds, "{own} for {asked}");
    }
    let address = OwnName::Address("2001:db8::1".parse::<IpAddr>().unwrap());
    assert!(is_for(&address, "2001:DB8:0:0::1"));
    assert!(!is_for(&address, "2001:db8::2"));
    assert!(!is_for(&address, "example.org"));
}

#[test]
fn a_wrong_name_is_told_with_those_that_it_is_for() {
    let house = authority("The House", 2036);
    let der = leaf(
        &["a.home", "b.home", "c.home", "d.home"],
        (2027, 1, 1),
        &house,
    );
    let seen = look(vec![der.clone()], Verdict::Accepted, &at("e.home"));
    assert_eq!(
        seen.faults,
        [(
            CertificateFault::WrongName,
            "it is for a.home, b.home, c.home and 1 more, not for e.home".to_owned()
        )]
    );
    // Nobody can tell by which name a file's certificate is reached.
    assert_eq!(look(vec![der], Verdict::Accepted, &in_file()).faults, []);
    let nameless = leaf(&[], (2027, 1, 1), &house);
    let seen = look(vec![nameless], Verdict::Accepted, &at("leaf"));
    assert_eq!(kinds(&seen), [CertificateFault::WrongName]);
}

#[test]
fn who_signed_itself_is_told_apart_from_who_leads_to_nobody() {
    let house = authority("The House", 2036);
    let own = by_itself(&["a.home"]);
    let seen = look(vec![own.clone()], Verdict::UnknownIssuer, &at("a.home"));
    assert_eq!(kinds(&seen), [CertificateFault::SelfSigned]);
    // One that this host was told to believe.
    assert_eq!(look(vec![own], Verdict::Accepted, &at("a.home")).faults, []);

    let der = leaf(&["a.home"], (2027, 1, 1), &house);
    let seen = look(vec![der.clone()], Verdict::UnknownIssuer, &at("a.home"));
    assert_eq!(
        seen.faults,
        [(
            CertificateFault::Chain,
            "it leads to CN=The House, whom this host does not trust".to_owned()
        )]
    );
    // Not judged is not accepted, but nothing is made up either.
    let unjudged = Verdict::Unjudged("no list".to_owned());
    assert_eq!(look(vec![der], unjudged, &at("a.home")).faults, []);
    // An authority's own certificate in a file is where trust begins.
    let root = house.der().to_vec();
    assert_eq!(
        look(vec![root.clone()], Verdict::UnknownIssuer, &in_file()).faults,
        []
    );
    let shown = look(vec![root], Verdict::UnknownIssuer, &at("a.home"));
    assert!(kinds(&shown).contains(&CertificateFault::SelfSigned));
}

fn chain_fault(certificates: Vec<Vec<u8>>) -> String {
    let seen = look(certificates, Verdict::UnknownIssuer, &at("a.home"));
    let (kind, why) = seen.faults.into_iter().next().unwrap();
    assert_eq!(kind, CertificateFault::Chain);
    why
}

#[test]
fn what_is_wrong_with_a_chain_is_told() {
    let root = authority("Root", 2036);
    let middle = below("Middle", 2036, &root);
    let other = authority("Other", 2036);
    let der = leaf(&["a.home"], (2027, 1, 1), &middle);
    let of = |one: &Made| one.der().to_vec();
    assert_eq!(
        chain_fault(vec![der.clone(), of(&other)]),
        "its chain is broken: CN=Middle has signed it, but what follows is CN=Other"
    );
    // Those that follow need not stand in order.
    assert_eq!(
        chain_fault(vec![der.clone(), of(&other), of(&middle)]),
        "it leads to CN=Root, whom this host does not trust"
    );
    assert_eq!(
        chain_fault(vec![der.clone(), b"garbage".to_vec()]),
        "a certificate of its chain can't be read"
    );
    let old = below("Old", 2026, &root);
    let of_old = leaf(&["a.home"], (2027, 1, 1), &old);
    assert!(chain_fault(vec![of_old, of(&old)]).starts_with("CN=Old, in its chain, ended"));
    // One that is no authority has signed.
    let params = parameters("Upstart", &["x.home"], (2027, 1, 1));
    let upstart = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let of_upstart = leaf(&["a.home"], (2027, 1, 1), &upstart);
    assert_eq!(
        chain_fault(vec![of_upstart, of(&upstart)]),
        "its chain is broken: CN=Upstart has signed it, but is no authority"
    );
}

#[test]
fn a_chain_that_goes_round_ends() {
    // Two authorities that have signed each other.
    let first = authority("First", 2036);
    let second = authority("Second", 2036);
    let first_by_second = below("First", 2036, &second);
    let second_by_first = below("Second", 2036, &first);
    let der = leaf(&["a.home"], (2027, 1, 1), &first);
    let why = chain_fault(vec![
        der,
        first_by_second.der().to_vec(),
        second_by_first.der().to_vec(),
    ]);
    assert!(why.starts_with("its chain goes round"), "{why}");
}

#[test]
fn a_thousand_certificates_take_no_time() {
    let root = authority("Root", 2036);
    let der = leaf(&["a.home"], (2027, 1, 1), &root);
    let mut chain = vec![der];
    chain.extend((0..1000).map(|_| root.der().to_vec()));
    let begun = std::time::Instant::now();
    let seen = look(chain, Verdict::UnknownIssuer, &at("a.home"));
    assert_eq!(kinds(&seen), [CertificateFault::Chain]);
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/tests/certificates/{name}.pem",
        env!("CARGO_MANIFEST_DIR")
    );
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}

#[test]
fn weak_keys_and_signatures_are_found() {
    for (name, key, weakness) in [
        (
            "rsa-1024",
            "RSA 1024 bit",
            Some("its key is weak: RSA with 1024 bits, where 2048 are the least"),
        ),
        (
            "p-192",
            "ECDSA P-192",
            Some("its key is weak: the curve P-192, where P-256 is the least"),
        ),
        (
            "p-224",
            "ECDSA P-224",
            Some("its key is weak: the curve P-224, where P-256 is the least"),
        ),
        (
            "rsa-2048-md5",
            "RSA 2048 bit",
            Some("its signature is weak: made with MD5"),
        ),
        (
            "rsa-2048-sha1",
            "RSA 2048 bit",
            Some("its signature is weak: made with SHA-1"),
        ),
        (
            "rsa-pss-sha1",
            "RSA 2048 bit",
            Some("its signature is weak: made with SHA-1"),
        ),
        (
            "p-256-sha1",
            "ECDSA P-256",
            Some("its signature is weak: made with SHA-1"),
        ),
        ("rsa-2048", "RSA 2048 bit", None),
        ("ed25519", "Ed25519", None),
    ] {
        let der = fixture(name);
        let chain = ShownChain {
            certificates: vec![der],
            here: Verdict::Accepted,
            trust: Verdict::Accepted,
        };
        let later = "2030-01-01T00:00:00Z".parse().unwrap();
        let seen = scan(&chain, &in_file(), later, SignedDuration::ZERO).unwrap();
        assert_eq!(seen.key, key, "{name}");
        let weak: Vec<_> = seen.faults.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(weak, Vec::from_iter(weakness), "{name}");
    }
    // The same of one in the chain.
    let root = authority("Root", 2036);
    let chain = vec![leaf(&["a.home"], (2027, 1, 1), &root), fixture("rsa-1024")];
    let seen = look(chain, Verdict::Accepted, &at("a.home"));
    assert!(
        seen.faults[0].1.starts_with("CN=rsa-1024, in its chain"),
        "{seen:?}"
    );
}

#[test]
fn what_only_the_judge_can_see_is_told_in_its_words() {
    let house = authority("The House", 2036);
    let chain = |here| ShownChain {
        certificates: vec![leaf(&["a.home"], (2026, 3, 20), &house)],
        here,
        trust: Verdict::Accepted,
    };
    let revoked = Verdict::Refused("the TLS certificate was revoked".to_owned());
    let within = SignedDuration::from_hours(24 * 30);
    let seen = scan(&chain(revoked), &at("a.home"), now(), within).unwrap();
    assert_eq!(
        kinds(&seen),
        [CertificateFault::Expiring, CertificateFault::Chain]
    );
}

#[test]
fn texts_of_strangers_are_cut_and_cleaned() {
    let mut params = parameters(
        &format!("x\u{1b}[2J\u{202e}{}", "y".repeat(5000)),
        &["a.home"],
        (2027, 1, 1),
    );
    params
        .distinguished_name
        .push(DnType::OrganizationName, "password=hunter2hunter2");
    let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let seen = look(
        vec![der.der().to_vec()],
        Verdict::UnknownIssuer,
        &at("a.home"),
    );
    for text in [&seen.subject, &seen.issuer] {
        assert!(text.chars().count() <= 201, "{text}");
        assert!(
            !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{text}"
        );
    }
}

#[test]
fn an_empty_chain_and_garbage_are_errors() {
    let chain = |certificates| ShownChain {
        certificates,
        here: Verdict::Accepted,
        trust: Verdict::Accepted,
    };
    let read = |certificates| {
        scan(
            &chain(certificates),
            &in_file(),
            now(),
            SignedDuration::ZERO,
        )
    };
    assert_eq!(read(Vec::new()), Err(CertificateError::Empty));
    assert!(matches!(
        read(vec![vec![0x30; 100]]),
        Err(CertificateError::Nonsense(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_certificate_with_any_byte_changed_is_read_or_refused(at_byte in 0_usize..600, value in any::<u8>(), cut in 0_usize..600) {
        let mut der = fixture("rsa-2048");
        let length = der.len();
        der[at_byte % length] = value;
        let whole = ShownChain { certificates: vec![der.clone(), der.clone()], here: Verdict::UnknownIssuer, trust: Verdict::UnknownIssuer };
        let _ = scan(&whole, &at("a.home"), now(), SignedDuration::ZERO);
        der.truncate(cut);
        let part = ShownChain { certificates: vec![der], here: Verdict::UnknownIssuer, trust: Verdict::UnknownIssuer };
        let _ = scan(&part, &at("a.home"), now(), SignedDuration::ZERO);
    }

    #[test]
    fn a_wildcard_never_stands_for_more_or_less_than_a_label(first in "[a-z]{0,4}(\\.[a-z]{1,3})?", rest in "[a-z]{1,4}\\.[a-z]{1,3}") {
        let own = OwnName::Dns(format!("*.{rest}"));
        let asked = format!("{first}.{rest}");
        prop_assert_eq!(is_for(&own, &asked), !first.is_empty() && !first.contains('.'));
    }
}
