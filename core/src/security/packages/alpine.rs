//! Packages of Alpine and of what else uses apk, from its `installed` data base: lines of `letter:value`.

use super::{Found, lines};

/// The installed packages by their origins, for that is how vulnerabilities are recorded.
pub(super) fn installed(text: &str) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    lines::stanzas(text, |pairs| {
        // The letters count: `p` is what it provides, `v` is not in use.
        let value = |key: &str| {
            let pair = pairs.iter().find(|(known, _)| *known == key);
            pair.map(|(_, value)| *value)
                .filter(|value| !value.is_empty())
        };
        if let (Some(package), Some(version)) = (value("P"), value("V")) {
            found.push(Found {
                installed_as: Some(package.to_owned()),
                ..Found::new(value("o").unwrap_or(package), version)
            });
        }
    });
    if found.is_empty() && !text.trim().is_empty() {
        return Err("it names no package".to_owned());
    }
    Ok(found)
}
