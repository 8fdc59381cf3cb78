//! Scanners of their own, where somebody has installed one and prefers it: Trivy and Grype, run as programs.
//!
//! What flows through: an image's name to the program, its report in JSON back, in the contract's terms. What it never does: run
//! anything but the configured program, give it Steward's own variables, or take an error for an empty report.

mod grype;
#[cfg(test)]
mod tests;
mod trivy;

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use steward_api::VulnerabilitySeverity;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::ports::{FoundImage, ScanError, Scanner, ScannerReport};

/// The largest report that is read, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;
/// So much of what a program says of its trouble is kept, in bytes.
const MOST_WORDS: usize = 4096;
/// The longest summary that is passed on, in characters.
const LONGEST_SUMMARY: usize = 300;

/// Which scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Aqua's Trivy.
    Trivy,
    /// Anchore's Grype.
    Grype,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Trivy => "Trivy",
            Self::Grype => "Grype",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Trivy => "trivy",
            Self::Grype => "grype",
        }
    }
}

/// A scanner that is run as a program.
#[derive(Clone, Debug)]
pub struct Program {
    kind: Kind,
    program: PathBuf,
    limit: Duration,
}

impl Program {
    /// The scanner of this kind, found on the path where no program is named; a scan may take so long.
    pub fn new(kind: Kind, program: Option<&Path>, limit: Duration) -> Self {
        Self {
            kind,
            program: program.map_or_else(|| PathBuf::from(kind.program()), Path::to_owned),
            limit,
        }
    }

    fn trouble(&self, reason: impl Into<String>) -> ScanError {
        ScanError::Knowledge {
            what: self.kind.name().to_owned(),
            reason: reason.into(),
        }
    }

    /// Runs it, and gives what it writes.
    #[allow(
        clippy::disallowed_methods,
        reason = "this adapter starts the scanner that the configuration names"
    )]
    async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, ScanError> {
        let mut command = tokio::process::Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STEWARD") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => ScanError::Absent {
                    what: format!("the scanner {}", self.program.display()),
                    reason: format!(
                        "{error}; install {}, name its program in security.vulnerabilities.program, or set security.vulnerabilities.scanner to \"osv\"",
                        self.kind.name()
                    ),
                },
                _ => self.trouble(format!("it can't be started: {error}")),
            })?;
        let (out, words) = (child.stdout.take(), child.stderr.take());
        let running = async {
            let (out, words) = tokio::join!(whole(out), tail(words));
            let status = child.wait().await;
            (out, words, status)
        };
        let (out, words, status) =
            tokio::time::timeout(self.limit, running)
                .await
                .map_err(|_| ScanError::TimedOut {
                    what: self.kind.name().to_owned(),
                    limit: self.limit,
                })?;
        let status = status.map_err(|error| self.trouble(error.to_string()))?;
        if !status.success() {
            let words = crate::redact::redact(words.trim());
            let last = words.lines().rev().find(|line| !line.trim().is_empty());
            return Err(self.trouble(format!(
                "{status}: {}",
                last.unwrap_or("it does not say why")
            )));
        }
        let out = out.map_err(|error| self.trouble(error.to_string()))?;
        if out.len() as u64 > LARGEST {
            return Err(self.trouble(format!("its report has more than {} MiB", LARGEST >> 20)));
        }
        Ok(out)
    }
}

async fn whole(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(LARGEST + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The last of what a program says.
async fn tail(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    let mut piece = [0_u8; 1024];
    if let Some(mut from) = from {
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            kept.extend_from_slice(&piece[..length]);
            let beyond = kept.len().saturating_sub(MOST_WORDS);
            kept.drain(..beyond);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[async_trait]
impl Scanner for Program {
    async fn scan(&self, image: &FoundImage) -> Result<ScannerReport, ScanError> {
        // What begins so would be taken for an option.
        if image.image.starts_with('-') {
            return Err(ScanError::NotFound(image.image.clone()));
        }
        match self.kind {
            Kind::Trivy => {
                let version = self.run(&["--version"]).await?;
                let report = self
                    .run(&[
                        "image",
                        "--quiet",
                        "--format",
                        "json",
                        "--scanners",
                        "vuln",
                        "--list-all-pkgs",
                        &image.image,
                    ])
                    .await?;
                let mut report = trivy::report(&report).map_err(|reason| self.trouble(reason))?;
                report.source = trivy::source(&String::from_utf8_lossy(&version));
                Ok(report)
            }
            Kind::Grype => {
                let name = format!("docker:{}", image.image);
                let report = self.run(&["--quiet", "--output", "json", &name]).await?;
                grype::report(&report).map_err(|reason| self.trouble(reason))
            }
        }
    }
}

/// A kind of package as both scanners name it, in OSV's terms.
fn ecosystem(kind: &str, distribution: Option<&str>) -> String {
    match kind {
        "npm" | "yarn" | "pnpm" | "node-pkg" | "bun" => "npm",
        "pip" | "pipenv" | "poetry" | "uv" | "python-pkg" | "python" => "PyPI",
        "cargo" | "rustbinary" | "rust-crate" => "crates.io",
        "composer" | "composer-vendor" | "php-composer" => "Packagist",
        "bundler" | "gemspec" | "gem" => "RubyGems",
        "gomod" | "gobinary" | "go-module" => "Go",
        "jar" | "pom" | "gradle" | "java-archive" => "Maven",
        "nuget" | "dotnet-core" | "dotnet" => "NuGet",
        other => distribution.unwrap_or(other),
    }
    .to_owned()
}

/// The word of a scanner.
fn severity(word: &str) -> VulnerabilitySeverity {
    match word.to_ascii_lowercase().as_str() {
        "critical" => VulnerabilitySeverity::Critical,
        "high" => VulnerabilitySeverity::High,
        "medium" => VulnerabilitySeverity::Medium,
        "low" | "negligible" => VulnerabilitySeverity::Low,
        _ => VulnerabilitySeverity::Unknown,
    }
}

/// One line of what it is.
fn summary(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_SUMMARY)
        .collect()
}

/// A score that is one.
fn score(value: f64) -> Option<f64> {
    (value > 0.0 && value <= 10.0).then_some(value)
}
