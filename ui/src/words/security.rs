//! Security in words: what is said of it in short, on the overview, in the journal and on the page of a resource.
//!
//! What flows through: values of the contract in, texts for a person out. What it never does: call something well that was not read.

use std::net::IpAddr;

use steward_api::{
    ImageFacts, SecurityLevel, SecuritySummary, SignInPattern, SignInSource, VulnerabilityBrief,
};

use crate::{
    format,
    marks::{self, Mark, Tone},
};

/// Where the score of security stands, in a few words.
pub fn score(summary: &SecuritySummary) -> String {
    match (summary.security_score, summary.security_level) {
        (Some(score), Some(level)) => format!("the score is {score} of 100 ({})", level.as_str()),
        _ => "the score is not known yet".to_owned(),
    }
}

/// How a score looks. While a part was never read, even a high one is no green one.
pub const fn score_mark(level: Option<SecurityLevel>, is_whole: bool) -> Mark {
    let mark = marks::level(level);
    if is_whole {
        return mark;
    }
    Mark {
        tone: Tone::Unsure,
        word: match level {
            None => mark.word,
            Some(SecurityLevel::Excellent) => "excellent so far",
            Some(SecurityLevel::Good) => "good so far",
            Some(SecurityLevel::Warning) => "warning",
            Some(SecurityLevel::Critical) => "critical",
        },
        ..mark
    }
}

/// What takes points off, and what could not be read, in short lines; what there is none of is left out.
pub fn in_short(summary: &SecuritySummary) -> Vec<String> {
    let mut lines = Vec::new();
    let mut some = |number: u64, text: String| {
        if number > 0 {
            lines.push(text);
        }
    };
    some(
        summary.vulnerabilities_found,
        format!(
            "{} in {}",
            if summary.vulnerabilities_found == 1 {
                "1 vulnerability".to_owned()
            } else {
                format!(
                    "{} vulnerabilities",
                    format::grouped(summary.vulnerabilities_found)
                )
            },
            format::count(summary.vulnerable_containers.len() as u64, "container")
        ),
    );
    some(
        summary.certificates_expired,
        format!(
            "{} over",
            format::count(summary.certificates_expired, "certificate")
        ),
    );
    some(
        summary.certificates_expiring,
        match summary.certificates_expiring {
            1 => "1 certificate ends soon".to_owned(),
            many => format!("{} end soon", format::count(many, "certificate")),
        },
    );
    some(
        summary.suspicious_sources,
        match summary.suspicious_sources {
            1 => "1 source of sign-ins looks like an attack".to_owned(),
            many => format!(
                "{} of sign-ins look like attacks",
                format::count(many, "source")
            ),
        },
    );
    if summary.security_score.is_some() {
        some(
            summary.gaps.len() as u64,
            format!(
                "{} not or not wholly read",
                format::count(summary.gaps.len() as u64, "thing")
            ),
        );
    }
    lines
}

/// `2 critical, 1 high; 1 known to be used in attacks`, or that none is known.
pub fn by_severity(image: &ImageFacts) -> String {
    let parts: Vec<String> = [
        (image.critical, "critical"),
        (image.high, "high"),
        (image.medium, "medium"),
        (image.low, "low"),
        (image.unknown, "of unknown severity"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{} {word}", format::grouped(u64::from(number))))
    .collect();
    if parts.is_empty() {
        return if image.scanned_at.is_some() {
            "none known".to_owned()
        } else {
            "not known".to_owned()
        };
    }
    let mut text = parts.join(", ");
    if image.known_exploited > 0 {
        text.push_str(&format!(
            "; {} known to be used in attacks",
            image.known_exploited
        ));
    }
    text
}

/// A vulnerability in a line.
pub fn brief(one: &VulnerabilityBrief) -> String {
    let fixed = fixed(one.fixed_version.as_deref());
    let attacked = if one.known_exploited {
        ", known to be used in attacks"
    } else {
        ""
    };
    format!(
        "{} ({}) in {}: {fixed}{attacked}",
        one.id,
        one.severity.as_str(),
        one.package
    )
}

/// From which version on a vulnerability is gone.
pub fn fixed(version: Option<&str>) -> String {
    version.map_or_else(
        || "no fixed version known".to_owned(),
        |version| format!("fixed in {version}"),
    )
}

/// What a source of failed attempts looks like.
pub const fn pattern(pattern: SignInPattern) -> &'static str {
    match pattern {
        SignInPattern::Few => "a few failures, below every threshold",
        SignInPattern::BruteForce => "brute force: many failures for few names",
        SignInPattern::Spraying => "spraying: many names, few failures for each",
        SignInPattern::Distributed => "distributed: one name, from many addresses",
        SignInPattern::SuccessAfterFailures => "came in after many failures",
    }
}

/// From where an attempt came.
pub fn from(source: &SignInSource) -> String {
    source
        .address
        .map_or_else(|| "no address told".to_owned(), |from| from.to_string())
}

/// A source of failed attempts in a line.
pub fn source_in_short(source: &SignInSource) -> String {
    format!(
        "{}: {}, {}",
        from(source),
        pattern(source.pattern),
        format::count(source.failures, "failure")
    )
}

/// An address of the host on which a port is open.
pub fn address(address: &IpAddr) -> String {
    if address.is_unspecified() {
        let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        format!("all addresses ({family})")
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_summary_in_short_leaves_out_what_there_is_none_of() {
        assert_eq!(in_short(&samples::summary(Some(100))), [""; 0]);
        let summary = SecuritySummary {
            vulnerabilities_found: 1203,
            vulnerable_containers: vec!["db".to_owned(), "web".to_owned()],
            certificates_expired: 1,
            certificates_expiring: 2,
            suspicious_sources: 1,
            gaps: vec!["ports: why".to_owned()],
            ..samples::summary(Some(40))
        };
        assert_eq!(
            in_short(&summary),
            [
                "1,203 vulnerabilities in 2 containers",
                "1 certificate over",
                "2 certificates end soon",
                "1 source of sign-ins looks like an attack",
                "1 thing not or not wholly read"
            ]
        );
    }

    #[test]
    fn what_was_not_read_is_neither_green_nor_none() {
        assert_eq!(score(&samples::summary(None)), "the score is not known yet");
        assert_eq!(
            score(&samples::summary(Some(85))),
            "the score is 85 of 100 (good)"
        );
        for level in [SecurityLevel::Excellent, SecurityLevel::Good] {
            assert_eq!(score_mark(Some(level), true).tone, Tone::Good);
            assert_eq!(score_mark(Some(level), false).tone, Tone::Unsure);
        }
        assert_eq!(by_severity(&ImageFacts::default()), "not known");
        let read = ImageFacts {
            scanned_at: Some(samples::at("12:00:00")),
            ..ImageFacts::default()
        };
        assert_eq!(by_severity(&read), "none known");
        let bad = ImageFacts {
            critical: 2,
            low: 1,
            known_exploited: 1,
            ..read
        };
        assert_eq!(
            by_severity(&bad),
            "2 critical, 1 low; 1 known to be used in attacks"
        );
    }

    #[test]
    fn all_addresses_are_said_in_words() {
        assert_eq!(address(&"0.0.0.0".parse().unwrap()), "all addresses (IPv4)");
        assert_eq!(address(&"::".parse().unwrap()), "all addresses (IPv6)");
        assert_eq!(address(&"10.0.0.2".parse().unwrap()), "10.0.0.2");
    }
}
