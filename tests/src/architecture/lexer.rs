//! Just enough of Rust's grammar to tell code from comments and text, and to read paths.
//!
//! What flows through: a source's text in, its words and signs with their lines out, without comments, literals and what is compiled for
//! tests only. It understands no more than the rules need.

/// A word or sign of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// A path as it stands in the code: `crate::flow::detect`, once for each leaf of a grouped import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CodePath<'a> {
    pub(super) parts: Vec<&'a str>,
    pub(super) line: usize,
}

/// The code's words and signs. Literals appear as `""`.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    let is_word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80;
    while at < bytes.len() {
        let begin = at;
        let begin_line = line;
        let rest = &bytes[at..];
        let length = if rest.starts_with(b"//") {
            length_of_line(rest)
        } else if rest.starts_with(b"/*") {
            length_of_block_comment(rest)
        } else if let Some(length) = length_of_raw_string(rest) {
            out.push(Token {
                text: "\"\"",
                line: begin_line,
            });
            length
        } else if rest[0] == b'"' || rest.starts_with(b"b\"") || rest.starts_with(b"c\"") {
            out.push(Token {
                text: "\"\"",
                line: begin_line,
            });
            length_of_string(rest)
        } else if rest[0] == b'\'' {
            length_of_char(rest)
        } else if rest[0].is_ascii_whitespace() {
            1
        } else {
            let length = if is_word(rest[0]) {
                rest.iter().take_while(|byte| is_word(**byte)).count()
            } else if rest.starts_with(b"::") {
                2
            } else {
                1
            };
            out.push(Token {
                text: &text[begin..begin + length],
                line: begin_line,
            });
            length
        };
        at += length.max(1);
        line += bytes[begin..at.min(bytes.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
    }
    out
}

fn length_of_line(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

fn length_of_block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn length_of_raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = [&b"br"[..], b"cr", b"r"]
        .into_iter()
        .find(|p| rest.starts_with(p))?
        .len();
    let hashes = rest[prefix..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let body = prefix + hashes + 1;
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let inner = rest[body..]
        .windows(end.len())
        .position(|window| window == end);
    Some(inner.map_or(rest.len(), |inner| body + inner + end.len()))
}

fn length_of_string(rest: &[u8]) -> usize {
    let mut at = rest.iter().position(|byte| *byte == b'"').unwrap_or(0) + 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A character, or only the sign of a lifetime.
fn length_of_char(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|byte| *byte == b'\'');
        return end.map_or(1, |end| end + 4);
    }
    // A character takes up to four bytes.
    let end = rest.iter().take(6).skip(2).position(|byte| *byte == b'\'');
    match end {
        Some(0) => 3,
        Some(more) if rest[1] >= 0x80 => more + 3,
        _ => 1,
    }
}

fn sequence(tokens: &[Token<'_>], wanted: &[&str]) -> bool {
    tokens.len() >= wanted.len()
        && tokens
            .iter()
            .zip(wanted)
            .all(|(token, wanted)| token.text == *wanted)
}

/// The tokens without items that are compiled for tests only, and the names of modules in other files that are.
pub(super) fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut test_modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let only_tests = sequence(rest, &["#", "[", "cfg", "(", "test", ")", "]"])
            || sequence(rest, &["#", "[", "cfg", "(", "all", "(", "test", ","])
            || sequence(rest, &["#", "[", "test", "]"]);
        if !only_tests {
            kept.push(rest[0]);
            at += 1;
            continue;
        }
        // The item goes to the end of its block, or to a `;` outside of any brackets.
        let mut depth = 0_usize;
        let mut end = at;
        for (offset, token) in rest.iter().enumerate() {
            end = at + offset;
            match token.text {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && token.text == "}" {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        let item = &tokens[at..=end];
        if item.last().is_some_and(|token| token.text == ";")
            && let Some(place) = item.iter().position(|token| token.text == "mod")
            && let Some(name) = item.get(place + 1)
        {
            test_modules.push(name.text);
        }
        at = end + 1;
    }
    (kept, test_modules)
}

/// Every path that begins with one of `roots`, grouped imports taken apart.
pub(super) fn paths<'a>(tokens: &[Token<'a>], roots: &[&str]) -> Vec<CodePath<'a>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_root = roots.contains(&tokens[at].text)
            && tokens.get(at + 1).is_some_and(|next| next.text == "::")
            && (at == 0 || tokens[at - 1].text != "::");
        if is_root {
            at = tree(tokens, at, &[], &mut out);
        } else {
            at += 1;
        }
    }
    out
}

/// Reads one tree of an import from `at` on, and returns where it ends.
fn tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    out: &mut Vec<CodePath<'a>>,
) -> usize {
    let mut parts = before.to_vec();
    let mut line = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" if !parts.is_empty() && at > 0 && tokens[at - 1].text == "::" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = tree(tokens, at, &parts, out);
                    // What stands behind a leaf, such as `as name`, is nothing to know.
                    while tokens
                        .get(at)
                        .is_some_and(|token| !matches!(token.text, "," | "}"))
                    {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "::" => at += 1,
            "*" => {
                line = token.line;
                parts.push("*");
                at += 1;
                break;
            }
            word if word.starts_with(|c: char| c == '_' || c.is_alphanumeric()) => {
                let after_sign = at > 0 && tokens[at - 1].text == "::";
                let begins = parts.len() == before.len();
                if !after_sign && !begins {
                    break;
                }
                line = token.line;
                parts.push(word);
                at += 1;
                if tokens.get(at).is_none_or(|next| next.text != "::") {
                    break;
                }
            }
            _ => break,
        }
    }
    if parts.len() > before.len() {
        out.push(CodePath { parts, line });
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        assert_eq!(texts("a // unsafe\n/* b /* c */ d */ e"), ["a", "e"]);
        assert_eq!(
            texts(r##"let x = "unsafe \" {"; r#"b " c"#; d"##).join(" "),
            "let x = \"\" ; \"\" ; d"
        );
        assert_eq!(texts("'a' '\\'' 'ä' &'static str"), ["&", "static", "str"]);
        assert_eq!(tokens("a\n\"x\ny\"\nb")[2].line, 4);
    }

    #[test]
    fn what_is_for_tests_only_is_left_out() {
        let code =
            tokens("mod a; #[cfg(test)] mod tests; #[cfg(test)] mod b { fn c() { d[0]; } } mod e;");
        let (kept, modules) = without_tests(&code);
        let kept: Vec<_> = kept.iter().map(|token| token.text).collect();
        assert_eq!(kept.join(" "), "mod a ; mod e ;");
        assert_eq!(modules, ["tests"]);
        let code = tokens("#[cfg(test)] #[path = \"x.rs\"] mod y; z");
        assert_eq!(without_tests(&code).1, ["y"]);
    }

    #[test]
    fn grouped_imports_are_taken_apart() {
        let code = tokens(
            "use crate::{a::{self, B as C}, d::*, e}; let x = crate::f::g::<h>(pub(crate) i);",
        );
        let found: Vec<String> = paths(&code, &["crate"])
            .iter()
            .map(|path| path.parts.join("::"))
            .collect();
        assert_eq!(
            found,
            [
                "crate::a::self",
                "crate::a::B",
                "crate::d::*",
                "crate::e",
                "crate::f::g"
            ]
        );
    }
}
