//! Takes secrets out of text before it is kept, shown or sent.

/// The text with what follows `password=`, `token=` and the like replaced.
pub fn redact(text: &str) -> String {
    const KEYS: [&str; 4] = ["password=", "token=", "secret=", "api_key="];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, key)) = KEYS
        .iter()
        .filter_map(|key| rest.find(key).map(|at| (at, key)))
        .min()
    {
        let value = at + key.len();
        out.push_str(&rest[..value]);
        out.push_str("***");
        rest = rest[value..].trim_start_matches(|c: char| !c.is_whitespace());
    }
    out.push_str(rest);
    out
}
