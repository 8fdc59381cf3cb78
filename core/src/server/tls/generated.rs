//! A certificate that Steward makes for itself, and makes anew when it ends soon or is for other names.
//!
//! What flows through: names and the time in, two files in the data directory out. Nobody but those who are told its fingerprint can know
//! that it is Steward's: it encrypts, and a person has to trust it once. What it never does: replace one that still serves.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

use super::TlsError;

const CERT_FILE: &str = "tls-cert.pem";
const KEY_FILE: &str = "tls-key.pem";
/// How long it is good: browsers take none that are good for much longer.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24 * 365);
/// It is renewed when it ends within this time.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Clocks of other machines may be behind by so much.
const BACK_DATED: SignedDuration = SignedDuration::from_hours(24);

const NAMES: &str = "# names: ";
const UNTIL: &str = "# until: ";

/// The certificate's and the key's file in a data directory.
pub(super) fn files(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join(CERT_FILE), dir.join(KEY_FILE))
}

/// Makes them where they are not there, end soon, or are not for all of these names.
///
/// # Errors
/// Where that fails, or others can read the key.
pub(super) fn ensure(dir: &Path, names: &[String], now: Timestamp) -> Result<(), TlsError> {
    let (cert, key) = files(dir);
    if cert.exists() && key.exists() {
        match super::load(&cert, &key) {
            Ok(_) if serves(&cert, names, now) => return Ok(()),
            Ok(_) => tracing::info!("the TLS certificate ends soon or is for other names"),
            // Whoever read the key could pass for Steward: that is for a person to know.
            Err(error @ TlsError::Exposed { .. }) => return Err(error),
            Err(error) => tracing::warn!(%error, "the TLS certificate made before can't be used"),
        }
    }
    make(&cert, &key, names, now)?;
    tracing::info!(file = %cert.display(), "made a TLS certificate");
    Ok(())
}

/// Whether a certificate made here is for all of these names and lasts. What it is for stands in words before it in its file.
fn serves(cert: &Path, names: &[String], now: Timestamp) -> bool {
    let Ok(text) = std::fs::read_to_string(cert) else {
        return false;
    };
    let line = |head: &str| text.lines().find_map(|line| line.strip_prefix(head));
    let has: BTreeSet<&str> = line(NAMES).unwrap_or_default().split(", ").collect();
    let lasts = line(UNTIL)
        .and_then(|until| until.parse::<Timestamp>().ok())
        .is_some_and(|until| until.duration_since(now) > RENEWED_BEFORE);
    lasts && names.iter().all(|name| has.contains(name.as_str()))
}

fn make(cert: &Path, key: &Path, names: &[String], now: Timestamp) -> Result<(), TlsError> {
    let failed = |reason: String| TlsError::Make {
        names: names.join(", "),
        reason,
    };
    let until = now
        .checked_add(GOOD_FOR)
        .map_err(|error| failed(error.to_string()))?;
    let since = now
        .checked_sub(BACK_DATED)
        .map_err(|error| failed(error.to_string()))?;
    let (cert_text, key_text) =
        write(names, since, until).map_err(|error| failed(error.to_string()))?;
    let mut head = String::from(
        "# Steward's certificate for itself. To trust it on another machine, copy this file there: steward --ca tls-cert.pem …\n",
    );
    // Writing to a String can't fail. The certificate itself ends with the day before.
    let _ = writeln!(head, "{NAMES}{}\n{UNTIL}{until}", names.join(", "));
    // The key first: a certificate without its key is noticed at the next look, and made anew.
    put(key, "key", 0o600, &key_text)?;
    put(cert, "certificate", 0o644, &format!("{head}{cert_text}"))
}

fn write(
    names: &[String],
    since: Timestamp,
    until: Timestamp,
) -> Result<(String, String), rcgen::Error> {
    let day = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        // Months and days are never negative.
        let part = |number: i8| number.unsigned_abs();
        rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    let mut params = CertificateParams::new(names)?;
    params.not_before = day(since);
    params.not_after = day(until);
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Steward, for itself");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file whole or not at all, with its mode from its first byte on.
fn put(path: &Path, what: &'static str, mode: u32, text: &str) -> Result<(), TlsError> {
    let draft = path.with_extension("pem.new");
    let written = || -> io::Result<()> {
        // One that a crash left behind may have another mode.
        match std::fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    written().map_err(|source| TlsError::File {
        what,
        path: path.to_owned(),
        deed: "made",
        right: "Steward's data directory should be writable and its disk have room",
        source,
    })
}
