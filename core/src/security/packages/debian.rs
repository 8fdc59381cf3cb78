//! Debian's and Ubuntu's packages, from dpkg's `status` and the `status.d` of images without dpkg.

use super::{Found, lines};

/// The installed packages by the names and versions of their sources, for that is how vulnerabilities are recorded.
pub(super) fn installed(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut stanzas = 0_usize;
    lines::stanzas(text, |pairs| {
        stanzas += 1;
        // `want flag status`; in status.d there is none.
        let is_installed = lines::value(pairs, "Status")
            .is_none_or(|status| status.split_whitespace().nth(2) == Some("installed"));
        let (Some(package), Some(version)) = (
            lines::value(pairs, "Package"),
            lines::value(pairs, "Version"),
        ) else {
            return;
        };
        if !is_installed {
            return;
        }
        // `Source: name (version)`, where they differ from the package's own.
        let (name, version) = match lines::value(pairs, "Source") {
            None => (package, version),
            Some(source) => match source.split_once('(') {
                None => (source.trim(), version),
                Some((name, rest)) => (name.trim(), rest.trim_end().trim_end_matches(')').trim()),
            },
        };
        found.push(Found {
            installed_as: Some(package.to_owned()),
            ..Found::new(name, version)
        });
    });
    // Stanzas without any `Package` are none of dpkg's.
    if found.is_empty() && !text.trim().is_empty() && !text.contains("Package:") {
        return Err(format!("none of its {stanzas} stanzas names a package"));
    }
    Ok(found)
}
