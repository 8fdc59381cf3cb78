//! Small readers that several records share: stanzas of `Key: value`, and values in quotes.

/// Stanzas of `Key: value` lines, parted by empty lines. A line that begins with white space continues the one before and is left out,
/// for nothing that is looked at spans lines. `take` gets each stanza's pairs.
pub(super) fn stanzas<'t>(text: &'t str, mut take: impl FnMut(&[(&'t str, &'t str)])) {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !pairs.is_empty() {
                take(&pairs);
                pairs.clear();
            }
        } else if !line.starts_with([' ', '\t'])
            && let Some((key, value)) = line.split_once(':')
        {
            pairs.push((key, value.trim()));
        }
    }
    if !pairs.is_empty() {
        take(&pairs);
    }
}

/// The value of the first pair with a key.
pub(super) fn value<'t>(pairs: &[(&'t str, &'t str)], key: &str) -> Option<&'t str> {
    pairs
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(key))
        .map(|(_, value)| *value)
        .filter(|value| !value.is_empty())
}

/// Without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}
