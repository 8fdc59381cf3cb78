//! Files: what paths, directories and patterns mean, what is read of a file, and hostile ones.

use std::{fs, os::unix::fs::symlink, path::Path};

use rcgen::{CertifiedIssuer, KeyPair};
use rustls::pki_types::CertificateDer;

use super::house::{House, alone, of_authority};
use crate::{
    integrations::tls::pem::{self, PemError},
    ports::{ChainReader as _, FileChains, Verdict},
};

fn pem_of(certificates: &[CertificateDer<'_>]) -> String {
    certificates.iter().map(|der| one_pem(der)).collect()
}

fn one_pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in base64(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|three| {
            let number = (0..3).fold(0_usize, |sum, at| {
                sum << 8 | usize::from(three.get(at).copied().unwrap_or(0))
            });
            (0..4).map(move |at| {
                if at <= three.len() {
                    DIGITS[number >> (18 - 6 * at) & 63] as char
                } else {
                    '='
                }
            })
        })
        .collect()
}

async fn read(house: &House, patterns: &[String]) -> FileChains {
    house.probe().files(patterns).await
}

fn places(read: &FileChains, below: &Path) -> Vec<String> {
    read.chains
        .iter()
        .map(|(place, _)| place.to_string())
        .map(|place| place.replace(&format!("{}/", below.display()), ""))
        .collect()
}

#[tokio::test]
async fn paths_directories_and_patterns_lead_to_files() {
    let house = House::new();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    // As certbot lays them out: names that lead to numbered files elsewhere.
    for name in ["a.home", "b.home"] {
        for part in ["live", "archive"] {
            fs::create_dir_all(root.join(part).join(name)).unwrap();
        }
        let real = root.join("archive").join(name).join("fullchain1.pem");
        fs::write(&real, pem_of(&house.certificate_below(&[name], true).chain)).unwrap();
        symlink(real, root.join("live").join(name).join("fullchain.pem")).unwrap();
    }
    fs::write(root.join("live/README"), "no certificate").unwrap();
    let certs = root.join("certs");
    fs::create_dir(&certs).unwrap();
    fs::write(
        certs.join("one.crt"),
        pem_of(&house.certificate(&["x.home"], 2021).chain),
    )
    .unwrap();
    fs::write(
        certs.join("two.der"),
        &house.certificate(&["y.home"], 2090).chain[0],
    )
    .unwrap();
    fs::write(certs.join("notes.txt"), pem_of(&alone(&["z.home"]).chain)).unwrap();
    fs::write(
        certs.join("key.pem"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    // A pipe that nobody writes to must not hold the scan up.
    let pipe = certs.join("pipe.pem");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();

    let at = |pattern: &str| root.join(pattern).display().to_string();
    let found = read(&house, &[at("live/*/fullchain.pem"), at("certs")]).await;
    assert_eq!(found.gaps, Vec::<String>::new());
    assert_eq!(
        places(&found, &root),
        [
            "certs/one.crt",
            "certs/two.der",
            "live/a.home/fullchain.pem",
            "live/b.home/fullchain.pem"
        ]
    );
    assert_eq!(found.chains[2].1.certificates.len(), 2);
    assert_eq!(found.chains[2].1.here, Verdict::Accepted);
    assert!(matches!(found.chains[0].1.here, Verdict::Refused(_)));
    assert_eq!(found.chains[0].1.trust, Verdict::Accepted);

    let found = read(
        &house,
        &[
            at("live/*/cert.pem"),
            at("gone.pem"),
            at("certs/key.pem"),
            at("certs/pipe.pem"),
        ],
    )
    .await;
    assert_eq!(found.chains, []);
    let said: Vec<_> = found
        .gaps
        .iter()
        .map(|gap| gap.replace(&format!("{}/", root.display()), ""))
        .collect();
    assert_eq!(
        said,
        [
            "live/*/cert.pem: no such file",
            "gone.pem: no such file",
            "certs/key.pem: it holds no certificate in PEM or DER",
            "certs/pipe.pem: it is no file",
        ]
    );
}

#[tokio::test]
async fn a_file_may_hold_several_chains_and_a_key_that_nobody_looks_at() {
    let house = House::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.pem");
    let key = "-----BEGIN PRIVATE KEY-----\nnot even base64: hunter2\n-----END PRIVATE KEY-----\n";
    let text = format!(
        "{}{key}some words\n{}{}",
        pem_of(&house.certificate_below(&["a.home"], true).chain),
        pem_of(&house.certificate(&["b.home"], 2090).chain),
        pem_of(&[house.authority.der().clone()]),
    );
    fs::write(&file, text).unwrap();
    let found = read(&house, &[file.display().to_string()]).await;
    assert_eq!(found.gaps, Vec::<String>::new());
    assert_eq!(
        places(&found, directory.path()),
        ["all.pem (no. 1)", "all.pem (no. 2)"]
    );
    let lengths: Vec<_> = found
        .chains
        .iter()
        .map(|(_, chain)| chain.certificates.len())
        .collect();
    assert_eq!(lengths, [2, 2]);
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn authorities_alone_are_one_chain_only_where_one_has_signed_the_other() {
    let authority = |name: &str| {
        CertifiedIssuer::self_signed(of_authority(name), KeyPair::generate().unwrap()).unwrap()
    };
    let (root, other) = (authority("Root"), authority("Other"));
    let below =
        CertifiedIssuer::signed_by(of_authority("Below"), KeyPair::generate().unwrap(), &root)
            .unwrap();
    let all: Vec<Vec<u8>> = [&below, &root, &other].map(|one| one.der().to_vec()).into();
    let lengths: Vec<_> = pem::into_chains(all).iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1]);
}

#[test]
fn hostile_files_are_refused_or_bounded() {
    let of = |text: &str| pem::certificates_of_file(text.as_bytes());
    assert_eq!(of(""), Err(PemError::None));
    assert_eq!(of("hello"), Err(PemError::None));
    assert_eq!(
        of("-----BEGIN CERTIFICATE-----\n"),
        Err(PemError::Broken(1))
    );
    assert_eq!(
        of("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"),
        Err(PemError::Broken(1))
    );
    let nested = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n-----END CERTIFICATE-----\n";
    assert_eq!(of(nested), Err(PemError::Broken(1)));
    assert_eq!(pem::certificates_of_file(&[0x30; 64]), Err(PemError::None));
    assert_eq!(
        pem::certificates_of_file(&vec![b'A'; 10 * 1024 * 1024]),
        Err(PemError::TooLarge)
    );

    let one = one_pem(&alone(&["a.home"]).chain[0]);
    assert_eq!(of(&one.replace('\n', "\r\n")).unwrap().len(), 1);
    let cut = &one[..one.len() / 2];
    assert_eq!(of(cut), Err(PemError::Broken(1)));
    // More than are looked at: empty ones, so that they fit.
    let many = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(3000);
    let read = of(&many).unwrap();
    assert_eq!(read.len(), pem::MOST_CERTIFICATES);
    assert_eq!(pem::into_chains(read).len(), pem::MOST_CERTIFICATES);
}

#[tokio::test]
async fn a_file_of_ten_megabytes_is_not_read_through() {
    let house = House::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large.pem");
    fs::write(&file, vec![b'A'; 10 * 1024 * 1024]).unwrap();
    let found = read(&house, &[file.display().to_string()]).await;
    assert_eq!(
        found.gaps,
        [format!(
            "{}: it is larger than 1 MiB: no file of certificates",
            file.display()
        )]
    );
}
