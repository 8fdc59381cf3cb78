//! Clears secrets out of text that leaves its place of origin: logs, script output, errors.
//!
//! What flows through: text in, the same text with secret-looking values replaced. What it never does: decide what to do with the text.

use std::sync::LazyLock;

use regex::Regex;

/// `password=…`, `"api_key": "…"`, `Authorization: Bearer …`.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|authorization)[\w-]*["']?\s*[:=]\s*)(?:bearer\s+|basic\s+)?("[^"]*"|'[^']*'|[^\s,;&"']+)"#).ok()
});

/// `scheme://user:password@host`.
static USERINFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@]+@").ok());

/// The text with what looks like a secret replaced by `[redacted]`.
pub fn redact(text: &str) -> String {
    let (Some(assignment), Some(userinfo)) = (ASSIGNMENT.as_ref(), USERINFO.as_ref()) else {
        return "[withheld]".to_owned();
    };
    let text = assignment.replace_all(text, "${1}[redacted]");
    userinfo.replace_all(&text, "${1}[redacted]@").into_owned()
}
