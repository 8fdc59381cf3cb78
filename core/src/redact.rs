//! Clears secrets from text that others wrote (log lines, health output, error texts) before it is kept or shown.
//!
//! Text in, text out: without terminal escapes and control characters, each line at most [`LINE`] characters long (prose may have longer
//! ones, see [`redact_prose`]), and [`MARK`] in the
//! place of what looks like a password, a token or a key. It looks at the *shape* of text, so it can miss a secret that nothing
//! announces, and it rather strikes out a harmless word than leave a secret; it does not touch words that only speak of secrets
//! (`password authentication failed for user "app"`). It never fails and never panics, takes time in proportion to the text, and
//! clearing twice gives the same as clearing once.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Stands where a secret was.
pub const MARK: &str = "•••";
/// Stands where a private key was.
const KEY_MARK: &str = "[private key •••]";
/// The longest line that is kept, characters; one that was shortened ends in `…`.
pub const LINE: usize = 500;
/// The most lines that [`redact`] keeps of one text.
pub const LINES: usize = 200;
/// So much of a line is looked at, characters: enough that what is struck out before does not bring unseen text into what is kept.
const LOOKED_AT: usize = 8 * LINE;
/// A private key has no more lines than this.
const KEY_LINES: usize = 200;

/// Clears one text. Line breaks stay but for those at its end; at most [`LINES`] lines are kept.
pub fn redact(text: &str) -> String {
    let mut lines = redact_lines(text.lines().take(LINES));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

/// Clears what people and specialists write to each other: a paragraph may be one long line, so it is the whole text that is cut, to
/// `most` characters.
pub fn redact_prose(text: &str, most: usize) -> String {
    let looked_at: String = text.chars().take(2 * most).collect();
    let lines = clear(looked_at.lines(), most, 2 * most);
    shorten(lines.join("\n").trim_end(), most)
}

/// Clears the lines of a log. Private keys that go over several lines become one line, also where the log begins or ends in their middle.
pub fn redact_lines<I>(lines: I) -> Vec<String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    clear(lines, LINE, LOOKED_AT)
}

/// Clears lines; each is cut to `longest` characters, of `looked_at` that are looked at.
fn clear<I>(lines: I, longest: usize, looked_at: usize) -> Vec<String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut cleared: Vec<String> = Vec::new();
    // The lines of a private key that went by; none outside of one.
    let mut inside_key: Option<usize> = None;
    for raw in lines {
        let plain = plain(raw.as_ref(), looked_at);
        let mut text = plain.as_str();
        if let Some(went_by) = inside_key {
            if let Some(end) = KEY_END.find(text) {
                text = text.get(end.end()..).unwrap_or_default();
                // Quotes and commas that closed the key's text say nothing by themselves.
                if !text.chars().any(char::is_alphanumeric) {
                    inside_key = None;
                    continue;
                }
            } else if went_by < KEY_LINES && is_key_line(text) {
                inside_key = Some(went_by + 1);
                continue;
            }
            inside_key = None;
        }
        let first_end = KEY_END.find(text).map(|end| end.start());
        let first_begin = KEY_BEGIN.find(text).map(|begin| begin.start());
        let last_begin = KEY_BEGIN.find_iter(text).last().map(|begin| begin.end());
        if let Some(begin) = last_begin
            && !text.get(begin..).is_some_and(|rest| KEY_END.is_match(rest))
        {
            inside_key = Some(0);
        }
        if let Some(end) = first_end
            && first_begin.is_none_or(|begin| begin > end)
        {
            // The key began before this piece of the log, so what stands above its end belongs to it.
            if cleared.last().is_some_and(|above| is_key_line(above)) {
                cleared.pop();
            }
            while cleared
                .last()
                .is_some_and(|above| above.len() >= 40 && is_key_line(above))
            {
                cleared.pop();
            }
        }
        cleared.push(finish(text, longest));
    }
    cleared
}

/// Strikes out secrets and nothing else: no shortening, no cleaning. For the configuration's own text.
pub(crate) fn secrets(text: &str) -> String {
    let mut text = text.to_owned();
    // To strike one out can bring a second into view; it settles at once or after one more round.
    for _ in 0..4 {
        let next = strike(&text);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Strikes out and shortens until nothing changes any more: a cut can fall into a mark.
fn finish(plain: &str, longest: usize) -> String {
    let mut text = shorten(&secrets(plain), longest);
    for _ in 0..4 {
        let next = shorten(&secrets(&text), longest);
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Without terminal escapes, control and invisible direction characters; no longer than what is looked at.
fn plain(raw: &str, looked_at: usize) -> String {
    let cut = match raw.char_indices().nth(looked_at) {
        None => raw,
        Some((at, _)) => {
            let head = raw.get(..at).unwrap_or_default();
            // A word that is cut could be half a secret whose other half would have told.
            head.rfind(char::is_whitespace)
                .and_then(|blank| head.get(..blank))
                .unwrap_or(head)
        }
    };
    let without_escapes = ESCAPE.replace_all(cut, "");
    let mut text = String::with_capacity(without_escapes.len());
    for c in without_escapes.trim_end().chars() {
        match c {
            '\t' | '\r' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                text.push(' ');
            }
            c if c.is_control() => {}
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {}
            c => text.push(c),
        }
    }
    text.trim_end().to_owned()
}

fn shorten(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    format!("{}…", kept.trim_end())
}

/// One round over the whole text. Each pattern runs only where a word that it needs is there: most lines have none.
fn strike(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let mut text = text.to_owned();
    let mut apply = |pattern: &Regex, with: &dyn Fn(&Captures<'_>) -> String| {
        text = pattern.replace_all(&text, with).into_owned();
    };
    if has(&["private key"]) {
        apply(&WHOLE_KEY, &|_| KEY_MARK.to_owned());
        apply(&KEY_TAIL, &|_| KEY_MARK.to_owned());
    }
    if has(&["://"]) {
        apply(&URL, &|found| {
            format!("{}{}", &found[1], clear_authority(&found[1], &found[2]))
        });
    }
    if has(&["cookie"]) {
        apply(&COOKIE, &|found| format!("{}{MARK}", &found[1]));
    }
    if has(&["authorization", "bearer"]) {
        apply(&SCHEME, &|found| {
            // "bearer authentication failed" speaks of it only.
            let is_word = found[2].bytes().all(|byte| byte.is_ascii_lowercase());
            if is_word && !found[1].to_ascii_lowercase().contains("authorization") {
                found[0].to_owned()
            } else {
                format!("{}{MARK}", &found[1])
            }
        });
    }
    if has(&["identified", "password"]) {
        apply(&SQL, &|found| format!("{}'{MARK}'", &found[1]));
    }
    if has(&[" -u", "--user"]) {
        apply(&USER, &|found| format!("{}{MARK}", &found[1]));
    }
    if has(&[
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "credential",
        "auth",
    ]) {
        text = named_values(&text);
    }
    if !has_long_word(&text) {
        return text;
    }
    let mut apply = |pattern: &Regex, with: &dyn Fn(&Captures<'_>) -> String| {
        text = pattern.replace_all(&text, with).into_owned();
    };
    apply(&TOKEN, &|_| MARK.to_owned());
    apply(&LONG, &|found| {
        if looks_random(&found[2]) {
            format!("{}{MARK}", &found[1])
        } else {
            found[0].to_owned()
        }
    });
    text
}

/// What follows `scheme://`, up to the next blank or quote: without the password before the host.
fn clear_authority(scheme: &str, rest: &str) -> String {
    let first_slash = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(first_slash);
    // A password with an unescaped slash or the like is not valid, but is logged exactly when it does not work.
    let at = authority.rfind('@').or_else(|| {
        let (_, after_colon) = authority.split_once(':')?;
        let can_be_port = after_colon.bytes().all(|byte| byte.is_ascii_digit());
        // http://host:80?mail=a@b has a port; nobody writes a database's address so.
        let is_port = can_be_port && (path.starts_with('/') || scheme.starts_with("http"));
        (!is_port && !authority.starts_with('[')).then(|| rest.find('@'))?
    });
    let Some(at) = at else {
        return rest.to_owned();
    };
    let (user_and_password, host) = rest.split_at(at);
    match user_and_password.split_once(':') {
        Some((_, "")) => rest.to_owned(),
        Some((user, _)) => format!("{user}:{MARK}{host}"),
        // A name alone is no secret; a long one is a token.
        None if user_and_password.len() >= 20 => format!("{MARK}{host}"),
        None => rest.to_owned(),
    }
}

/// Strikes out the values of keys that are named after a secret: `password=…`, `api_key: …`, `"token":"…"`, `--secret …`.
fn named_values(text: &str) -> String {
    let mut cleared = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = NAMED.captures_at(text, at) {
        let (Some(whole), Some(name), Some(separator)) = (found.get(0), found.get(1), found.get(2))
        else {
            break;
        };
        let rest = text.get(whole.end()..).unwrap_or_default();
        let (before, value, length) = value_of(rest);
        let up_to_separator = text.get(at..name.end()).unwrap_or_default();
        cleared.push_str(text.get(at..whole.end()).unwrap_or_default());
        let named = Named {
            name: last_word(up_to_separator),
            separator: separator.as_str(),
            value,
            is_quoted: !before.is_empty(),
        };
        at = whole.end();
        if !named.is_harmless() {
            cleared.push_str(before);
            cleared.push_str(MARK);
            at += before.len() + length;
        }
    }
    cleared.push_str(text.get(at..).unwrap_or_default());
    cleared
}

/// The word that a text ends with, as keys are written: `DB_PASSWORD`, `db.password`, `--password`.
fn last_word(text: &str) -> &str {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let before = text.trim_end_matches(is_of_word);
    text.get(before.len()..).unwrap_or(text)
}

/// The quote that a value begins with (none for a bare one), the value, and its length in bytes. A value whose quote is not closed
/// goes on to the end.
fn value_of(rest: &str) -> (&str, &str, usize) {
    for quote in ["\\\"", "\\'", "\"", "'", "`"] {
        if let Some(inner) = rest.strip_prefix(quote) {
            let length = if quote.len() == 2 {
                inner.find(quote).unwrap_or(inner.len())
            } else {
                closing(inner, quote)
            };
            let before = rest.get(..quote.len()).unwrap_or_default();
            return (before, inner.get(..length).unwrap_or(inner), length);
        }
    }
    let length = bare_length(rest);
    ("", rest.get(..length).unwrap_or(rest), length)
}

/// Where a quoted text ends: at the next quote that is not escaped.
fn closing(inner: &str, quote: &str) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if quote.starts_with(c) {
            return at;
        }
    }
    inner.len()
}

/// Where a bare value ends: at a blank or quote, or at a sign that separates it from the next key.
fn bare_length(rest: &str) -> usize {
    for (at, c) in rest.char_indices() {
        let after = rest.get(at + c.len_utf8()..).unwrap_or_default();
        let ends = match c {
            c if c.is_whitespace() => true,
            '"' | '\'' | '`' | '<' | '>' => true,
            // Passwords have these in them too: only where a next key or nothing follows they end the value.
            ',' | ';' | '&' | '|' => begins_key(after),
            ')' | ']' | '}' => after
                .trim_start_matches([')', ']', '}', ',', ';', '.', '"', '\''])
                .chars()
                .next()
                .is_none_or(char::is_whitespace),
            _ => false,
        };
        if ends && at > 0 {
            return at;
        }
        if ends {
            return 0;
        }
    }
    rest.len()
}

/// Whether after any more separators a text goes on with a blank, a quote, nothing at all, or a word and `=` or `:`.
fn begins_key(text: &str) -> bool {
    let head = text
        .char_indices()
        .nth(40)
        .and_then(|(at, _)| text.get(..at))
        .unwrap_or(text)
        .trim_start_matches(['&', '|', ';', ',']);
    match head.chars().next() {
        None => true,
        Some(c) if c.is_whitespace() || c == '"' || c == '\'' => true,
        Some(_) => {
            let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            let after_word = head.trim_start_matches(is_of_word);
            after_word.len() < head.len() && after_word.starts_with(['=', ':'])
        }
    }
}

/// A value after a secret's name.
struct Named<'t> {
    name: &'t str,
    /// What stands between, with the quote that closes the name.
    separator: &'t str,
    value: &'t str,
    is_quoted: bool,
}

impl Named<'_> {
    /// Whether the value is none: a word about the secret, a placeholder, a count, the path of a file.
    fn is_harmless(&self) -> bool {
        let Self { value, .. } = *self;
        if value == MARK || !value.chars().any(char::is_alphanumeric) {
            return true;
        }
        // `Bearer •••`
        if value
            .strip_suffix(MARK)
            .is_some_and(|scheme| is_word(scheme.trim_end()))
        {
            return true;
        }
        let is_lowercase = value.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_assignment = self.separator.contains('=');
        let separator = self.separator.trim();
        if separator.is_empty() && !self.name.starts_with("--") {
            return true;
        }
        if separator == "is" || separator == "was" {
            // Prose: a plain word there is about the secret far more often than it is one.
            return is_lowercase || is_word(value);
        }
        let name = self.name.to_ascii_lowercase();
        let last = name.rsplit(['_', '.', '-']).next().unwrap_or_default();
        // `auth: user logged in`, `pass: 12`: these two mean a secret only in an assignment or in JSON.
        let is_vague = last == "auth" || name == "pass";
        if is_vague && !is_assignment && !self.separator.contains(['"', '\'']) {
            return true;
        }
        // auth::token::verify
        if separator == ":" && value.starts_with(':') {
            return true;
        }
        // max_tokens=2048, secrets: 3
        let is_plural = last.ends_with('s') && last != "pass";
        if is_plural && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return true;
        }
        if value.starts_with("/run/secrets/") || (is_plural && value.starts_with('/')) {
            return true;
        }
        if value.starts_with("${") || value.starts_with("{{") || value.starts_with("%(") {
            return true;
        }
        // The next level of a structure: its own keys are looked at by themselves.
        !self.is_quoted && (value.starts_with(['{', '[', '(']) || is_word(value))
    }
}

/// Whether a text is one of the words with which logs go on after the name of a secret when they speak of it.
fn is_word(value: &str) -> bool {
    const WORDS: &str = " a absent an and are basic bearer cannot denied digest does empty error expected expired expires failed failure \
        false for found generated given has hidden if in incorrect invalid is malformed mismatch missing must needed nil no none \
        not null of off on or please present redacted refused rejected required revoked set should that the this to too true \
        unauthorized undefined unexpected unknown unset unsupported valid was with wrong yes you ";
    let word = value.trim_end_matches(['.', ',', ';', ':', '!', ')']);
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_alphabetic())
        && WORDS.contains(&format!(" {} ", word.to_ascii_lowercase()))
}

/// Whether there is a word as long as the shortest token.
fn has_long_word(text: &str) -> bool {
    const SHORTEST: usize = 14;
    let mut length = 0;
    text.bytes().any(|byte| {
        let is_of_word = byte.is_ascii_alphanumeric() || b"_-+/.:".contains(&byte);
        length = if is_of_word { length + 1 } else { 0 };
        length >= SHORTEST
    })
}

/// Whether a long text is made by chance rather than by a person: hex of 32 digits or more, or mixed letters and digits.
fn looks_random(text: &str) -> bool {
    let is_hex = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has = |test: fn(&u8) -> bool| text.as_bytes().iter().any(test);
    is_hex
        || (has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit))
}

/// Whether a line can be part of a private key: base64, a header of one, or nothing.
fn is_key_line(line: &str) -> bool {
    let line = line.trim();
    let is_base64 = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    };
    if is_base64(line) {
        return true;
    }
    if ["Proc-Type:", "DEK-Info:", "Version:", "Comment:"]
        .iter()
        .any(|header| line.starts_with(header))
    {
        return true;
    }
    // With a time or a name before it.
    line.rsplit(' ')
        .next()
        .is_some_and(|word| word.len() >= 40 && is_base64(word))
}

/// A pattern of this file. They are fixed, and a test compiles each; one that did not compile would match nothing.
#[allow(
    clippy::expect_used,
    reason = "the patterns are constants, compiled by the tests of this file"
)]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern compiles")
}

macro_rules! patterns {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* static $name: LazyLock<Regex> = LazyLock::new(|| pattern($text));)*
        /// Every pattern, for the test that compiles them.
        #[cfg(test)]
        fn all_patterns() -> Vec<&'static Regex> {
            vec![$(&$name),*]
        }
    };
}

patterns! {
    /// Terminal escapes: control sequences, titles and other strings, single ones; also one that the text's end cuts off.
    ESCAPE = r"(?:\x1b\[|\u{9b})[0-?]*[ -/]*(?:[@-~]|$)|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?";
    KEY_BEGIN = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";
    KEY_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";
    /// The rest of a key on its last line.
    KEY_TAIL = r"[A-Za-z0-9+/=\\]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----";
    /// A key on one line, as in JSON and in variables, or as much of it as there is.
    WHOLE_KEY = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)";
    URL = r#"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s"'<>`]+)"#;
    /// Headers of which all the rest is secret.
    COOKIE = r#"(?i)((?:\bset-cookie|\bcookie)["']?\s*:\s*["']?)[^"'\s][^"']*"#;
    /// What follows the name of a scheme of authentication.
    SCHEME = r#"(?i)(\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:bearer|basic|digest|token|negotiate|apikey)\s+|\bbearer\s+(?:token\s+)?)([A-Za-z0-9._~+/=|!@:-]*[A-Za-z0-9_=-]{8,})"#;
    /// A password in SQL.
    SQL = r"(?i)(\b(?:identified\s+by|password)\s+)'[^']*(?:'|$)";
    /// A user with a password on a command line.
    USER = r#"(\s(?:-u|--user)[ =]?["']?[^\s:"'/]+:)[^\s"'/][^\s"']*"#;
    /// A key that is named after a secret, up to where its value begins. 1: the end of the name; 2: what stands between.
    NAMED = r#"(?ix)
        (
            (?: passw(?:or)?d | passphrase | passcode | pwd | secret | token | credential | authorization | requirepass | masterauth
              | (?: api | access | private | secret | encryption | signing | master ) [_-]? key
            )
            (?: s | _?[0-9]{1,3} | [_-]?(?:base|hash|value|string|data|plain|id) )?
          | (?: [_.-] | \b ) (?: pass | auth )
        )
        ( \\?["'`]? \s* (?: => | := | [:=] ) \s* | \s+ (?: is | was ) \s+ | \s+ )
    "#;
    /// Forms that tell a secret by themselves: AWS, GitHub, GitLab, Slack, Stripe, Google, npm, Docker, Hugging Face, Telegram,
    /// OpenAI and the like, JSON web tokens.
    TOKEN = r"(?x)
        \b (?: AKIA | ASIA | AGPA | AIDA | AROA | ANPA | ANVA | AIPA ) [A-Z0-9]{16} \b
      | \b gh[pousr]_[A-Za-z0-9]{20,} | \b github_pat_[A-Za-z0-9_]{20,} | \b gl[a-z]{2,4}-[A-Za-z0-9_-]{20,}
      | \b xox[a-z]-[A-Za-z0-9-]{10,} | \b [rs]k_(?:live|test)_[A-Za-z0-9]{10,} | \b sk-[A-Za-z0-9_-]{20,}
      | \b AIza[A-Za-z0-9_-]{35} | \b npm_[A-Za-z0-9]{30,} | \b dckr_pat_[A-Za-z0-9_-]{20,} | \b hf_[A-Za-z0-9]{30,}
      | (?: \b | bot ) [0-9]{8,10}:[A-Za-z0-9_-]{35} \b
      | \b eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?
    ";
    /// Something long after a word that a key or a signature could follow.
    LONG = r#"(?ix)
        ( (?: key | signature | sig | hmac | session | sessionid | sid | salt | seed | nonce | code | credential | auth | dsn | jwt )
          (?: \\?["'`]? \s* [:=] \s* \\?["'`]? | \x20+ ) )
        ( [A-Za-z0-9+/_-]{24,}={0,2} )
    "#;
}

#[cfg(test)]
mod tests;
