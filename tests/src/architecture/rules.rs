//! The rules themselves, each a function from a source to its violations.
//!
//! What flows through: tokens and paths in, violations out. The tables at the top are the house's plan (DESIGN §2) in short.

use super::{
    Source, Violation,
    lexer::{Token, paths, tokens, without_tests},
};

/// Lines that a file may have at most.
const LONGEST_FILE: usize = 600;

/// Which part of `core/src` may know which others. A part always knows itself and the contract.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("lib", &[]),
    ("main", &["cli", "wire", "config"]),
    ("ports", &["config"]),
    ("redact", &[]),
    ("config", &["redact"]),
    ("flow", &["ports", "config", "redact"]),
    ("security", &["ports", "config", "redact"]),
    ("integrations", &["ports", "config", "redact"]),
    ("advisor", &["ports", "config", "redact"]),
    ("notify", &["ports", "config", "redact"]),
    ("engine", &["flow", "ports", "config", "redact", "security"]),
    ("store", &["ports"]),
    ("mcp", &[]),
    ("server", &["engine", "ports", "config", "redact", "mcp"]),
    ("client", &[]),
    (
        "wire",
        &[
            "config",
            "engine",
            "flow",
            "security",
            "integrations",
            "ports",
            "redact",
            "security",
            "server",
            "store",
            "advisor",
            "notify",
            "client",
        ],
    ),
    (
        "cli",
        &["wire", "client", "config", "redact", "mcp", "security"],
    ),
];

/// Files of the flow that do I/O; all others of it are pure.
const FLOW_WITH_IO: &[&str] = &["mod", "observe", "act", "advice"];

/// Words that a pure stage must not hold, with what to do instead.
const IMPURE_WORDS: &[(&str, &str)] = &[
    ("async", "it decides, so it is not async"),
    ("await", "it decides, so it waits for nothing"),
    ("tokio", "it decides, so it does no I/O"),
    ("SystemTime", "time is an input"),
    ("Instant", "time is an input"),
    ("rand", "chance is an input"),
    ("println", "it says nothing by itself"),
];

/// Paths of the standard library that a pure stage must not hold.
const IMPURE_STD: &[&str] = &["fs", "net", "process", "thread", "env", "io"];

/// Checks sources against every rule.
pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    let read: Vec<Read<'_>> = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs"))
        .map(Read::new)
        .collect();
    let test_files: Vec<String> = read.iter().flat_map(Read::test_files).collect();
    for one in &read {
        one.shape(&mut found);
        let for_tests = test_files.iter().any(|test| {
            one.source.path == *test
                || one
                    .source
                    .path
                    .starts_with(&format!("{}/", test.trim_end_matches(".rs")))
        });
        if for_tests {
            continue;
        }
        one.imports(&mut found);
        one.purity(&mut found);
        one.deeds(&mut found);
    }
    for source in sources
        .iter()
        .filter(|source| source.path.ends_with("Cargo.toml"))
    {
        found.extend(check_manifest(source));
    }
    found.sort();
    found.dedup();
    found
}

/// Checks which of our packages a manifest depends on.
pub fn check_manifest(source: &Source) -> Vec<Violation> {
    let allowed: &[&str] = match source.path.as_str() {
        "core/api/Cargo.toml" | "xtask/Cargo.toml" => &[],
        "core/Cargo.toml" | "ui/Cargo.toml" => &["steward-api"],
        _ => return Vec::new(),
    };
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        if let Some(section) = text.trim().strip_prefix('[') {
            in_dependencies = section.contains("dependencies");
        }
        let name = text.split(['=', '.', ' ']).next().unwrap_or_default();
        if in_dependencies && name.starts_with("steward") && !allowed.contains(&name) {
            found.push(Violation {
                path: source.path.clone(),
                line,
                rule: format!("this package must not depend on {name}"),
            });
        }
    }
    found
}

/// A source with its code read.
struct Read<'a> {
    source: &'a Source,
    all: Vec<Token<'a>>,
    code: Vec<Token<'a>>,
    test_modules: Vec<&'a str>,
    /// Where it stands in `core/src`: `flow`, `detect`, `containers`.
    module: Option<Vec<&'a str>>,
}

impl<'a> Read<'a> {
    fn new(source: &'a Source) -> Self {
        let all = tokens(&source.text);
        let (code, test_modules) = without_tests(&all);
        let module = source.path.strip_prefix("core/src/").map(|path| {
            let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
            if parts.len() > 1 && parts.last() == Some(&"mod") {
                parts.pop();
            }
            parts
        });
        Self {
            source,
            all,
            code,
            test_modules,
            module,
        }
    }

    fn violation(&self, line: usize, rule: impl Into<String>) -> Violation {
        Violation {
            path: self.source.path.clone(),
            line,
            rule: rule.into(),
        }
    }

    /// The files of modules that are compiled for tests only.
    fn test_files(&self) -> Vec<String> {
        let path = &self.source.path;
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = match file {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            other => format!("{folder}/{}", other.trim_end_matches(".rs")),
        };
        self.test_modules
            .iter()
            .map(|name| format!("{folder}/{name}.rs"))
            .collect()
    }

    /// Rules that hold for every file, those of tests too.
    fn shape(&self, found: &mut Vec<Violation>) {
        let lines = self.source.text.lines().count();
        if lines > LONGEST_FILE {
            let rule = format!(
                "{lines} lines: split it by entity, none may have more than {LONGEST_FILE}"
            );
            found.push(self.violation(lines, rule));
        }
        let first = self
            .source
            .text
            .lines()
            .find(|line| !line.trim().is_empty());
        if !first.is_some_and(|line| line.starts_with("//!")) {
            found.push(self.violation(1, "a module begins with `//!`: what it is for, what flows through it, what it never does"));
        }
        for (at, token) in self.all.iter().enumerate() {
            if token.text == "unsafe" {
                found.push(self.violation(token.line, "`unsafe` is forbidden"));
            }
            let before: Vec<&str> = self.all[at.saturating_sub(2)..at]
                .iter()
                .map(|t| t.text)
                .collect();
            if token.text == "ignore" && before == ["#", "["] {
                found.push(self.violation(
                    token.line,
                    "no test is ignored: it runs, or it reports that it was skipped and why",
                ));
            }
        }
    }

    /// Who imports whom.
    fn imports(&self, found: &mut Vec<Violation>) {
        let path = &self.source.path;
        if path.starts_with("core/api/") {
            for used in paths(&self.code, &["steward", "steward_ui", "steward_tests"]) {
                found.push(self.violation(
                    used.line,
                    format!(
                        "the contract knows nobody of ours, not {}",
                        used.parts.join("::")
                    ),
                ));
            }
            return;
        }
        if path.starts_with("ui/") {
            for used in paths(&self.code, &["steward", "steward_tests"]) {
                found.push(self.violation(
                    used.line,
                    format!(
                        "the UI knows only the contract, not {}",
                        used.parts.join("::")
                    ),
                ));
            }
            return;
        }
        let Some(module) = &self.module else { return };
        let own = module[0];
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(part, _)| *part == own) else {
            found.push(self.violation(1, format!("the house has no part `{own}`: add it to the plan in DESIGN §2 and to this check")));
            return;
        };
        for used in paths(&self.code, &["crate", "super", "self", "steward"]) {
            let Some(target) = resolved(module, &self.source.path, &used.parts) else {
                continue;
            };
            let Some(part) = target.first().copied() else {
                continue;
            };
            if part == own {
                let integration =
                    |path: &[&'a str]| path.get(1).copied().filter(|_| own == "integrations");
                if let (Some(mine), Some(theirs)) = (integration(module), integration(&target))
                    && mine != theirs
                {
                    found.push(self.violation(
                        used.line,
                        format!("an integration never knows another: {mine} knows {theirs}"),
                    ));
                }
                continue;
            }
            let known = MAY_KNOW.iter().any(|(name, _)| *name == part);
            // What is no part of the house is an item of `lib.rs`, such as a macro.
            if known && !may_know.contains(&part) && own != "lib" {
                found.push(self.violation(
                    used.line,
                    format!(
                        "`{own}` must not know `{part}` (here {})",
                        used.parts.join("::")
                    ),
                ));
            }
        }
    }

    /// Whether it is a stage that decides.
    fn is_pure(&self) -> bool {
        match self.module.as_deref() {
            Some(["flow"]) | None => false,
            Some(["flow", "diagnose", file, ..]) => !FLOW_WITH_IO.contains(file),
            Some(["flow", stage, ..]) => !FLOW_WITH_IO.contains(stage),
            // The rest of it asks the ports, or judges what only the network's own words can hold.
            Some(
                [
                    "security",
                    "authentication" | "catalogue" | "cvss" | "day" | "names" | "osv" | "packages"
                    | "ports" | "report" | "risks" | "rules" | "score" | "summary" | "versions",
                    ..,
                ],
            ) => true,
            Some(["integrations", _, "rules", ..]) => true,
            Some(_) => false,
        }
    }

    /// Pure where it decides.
    fn purity(&self, found: &mut Vec<Violation>) {
        if !self.is_pure() {
            return;
        }
        for (at, token) in self.code.iter().enumerate() {
            if let Some((word, why)) = IMPURE_WORDS.iter().find(|(word, _)| *word == token.text) {
                found.push(self.violation(token.line, format!("`{word}` in a pure stage: {why}")));
            }
            let before = at.checked_sub(1).map(|at| self.code[at].text);
            let after = self.code.get(at + 1).map(|next| next.text);
            if token.text == "now" && before == Some("::") && after == Some("(") {
                found.push(self.violation(token.line, "a clock in a pure stage: time is an input"));
            }
        }
        for used in paths(&self.code, &["std"]) {
            if used
                .parts
                .get(1)
                .is_some_and(|part| IMPURE_STD.contains(part))
            {
                found.push(self.violation(
                    used.line,
                    format!(
                        "{} in a pure stage: it decides, so it does no I/O",
                        used.parts.join("::")
                    ),
                ));
            }
        }
    }

    /// Changes to the world are made in one place.
    fn deeds(&self, found: &mut Vec<Violation>) {
        let Some(module) = &self.module else { return };
        let is_act = module.starts_with(&["flow", "act"]);
        let names_deeds = self
            .code
            .iter()
            .any(|token| matches!(token.text, "Actuator" | "Permit"));
        for (at, token) in self.code.iter().enumerate() {
            let text = |offset: isize| {
                at.checked_add_signed(offset)
                    .and_then(|at| self.code.get(at))
                    .map(|token| token.text)
            };
            if token.text == "for_intent" && !is_act && text(-1) != Some("fn") {
                found.push(self.violation(token.line, "only flow/act makes permits"));
            }
            let called = token.text == "apply" && text(1) == Some("(");
            let on_actuator = match text(-1) {
                Some("::") => text(-2) == Some("Actuator"),
                Some(".") => names_deeds || text(2) == Some("permit") || text(3) == Some("permit"),
                _ => false,
            };
            if called && on_actuator && !is_act {
                found.push(self.violation(token.line, "only flow/act has actions carried out"));
            }
        }
    }
}

/// The path from the crate's root that a path in a module means; `None` where it leads elsewhere.
fn resolved<'a>(module: &[&'a str], path: &str, parts: &[&'a str]) -> Option<Vec<&'a str>> {
    // `super` in `a/mod.rs` and in `a.rs` is what holds `a`.
    let is_root = path.ends_with("/lib.rs") || path.ends_with("/main.rs");
    let mut base: Vec<&str> = if is_root { Vec::new() } else { module.to_vec() };
    let mut rest = parts;
    match parts.first().copied()? {
        "crate" | "steward" => {
            base.clear();
            rest = &parts[1..];
        }
        "self" => rest = &parts[1..],
        _ => {}
    }
    while let Some((&"super", after)) = rest.split_first() {
        base.pop()?;
        rest = after;
    }
    base.extend(rest.iter().filter(|part| **part != "*" && **part != "self"));
    Some(base)
}
