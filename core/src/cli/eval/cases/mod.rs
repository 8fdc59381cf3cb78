//! The table of cases. What is known of a program's wording stands here, away from what runs and judges.

use serde::Deserialize;

use super::case::Case;

/// The tables, in the order in which they are run.
const TABLES: [(&str, &str); 5] = [
    ("known.toml", include_str!("known.toml")),
    ("states.toml", include_str!("states.toml")),
    ("more.toml", include_str!("more.toml")),
    ("traps.toml", include_str!("traps.toml")),
    ("well.toml", include_str!("well.toml")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// All cases.
///
/// # Errors
/// Where a table can't be read; which, and where. A test holds that all can.
pub(super) fn all() -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for (name, text) in TABLES {
        let table: Table = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        for part in table.case.iter().flat_map(|case| &case.parts) {
            part.scripts_are_sound()
                .map_err(|error| format!("{name}: {error}"))?;
        }
        cases.extend(table.case);
    }
    Ok(cases)
}

#[cfg(test)]
mod tests;
