//! Scores by the Common Vulnerability Scoring System, from vectors of versions 2.0, 3.0, 3.1 and 4.0.
//!
//! What flows through: a vector as text in, a score and its word out. What it never does: guess where a vector can't be understood.

use steward_api::VulnerabilitySeverity;

/// No vector is longer: one of version 4.0 with every metric has fewer than 200 characters.
const LONGEST: usize = 512;

/// What a base score needs, by version: a vector without one of them says nothing, though it can be read.
const BASE_V2: [&str; 6] = ["AV", "AC", "Au", "C", "I", "A"];
const BASE_V3: [&str; 8] = ["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const BASE_V4: [&str; 11] = [
    "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA",
];

/// The base score of a vector, 0.0–10.0. `None` where it can't be understood.
pub fn score(vector: &str) -> Option<f64> {
    let vector = vector.trim();
    if vector.len() > LONGEST {
        return None;
    }
    let vector = vector.trim_start_matches('(').trim_end_matches(')');
    let needed: &[&str] = match vector.as_bytes() {
        [b'C', b'V', b'S', b'S', b':', b'4', ..] => &BASE_V4,
        [b'C', b'V', b'S', b'S', b':', ..] => &BASE_V3,
        _ => &BASE_V2,
    };
    let has = |metric: &&str| {
        vector
            .split('/')
            .any(|part| part.split(':').next() == Some(metric))
    };
    if !needed.iter().all(has) {
        return None;
    }
    let score = vector.parse::<cvss::Cvss>().ok()?.score();
    (0.0..=10.0).contains(&score).then_some(score)
}

/// The word for a score, by the qualitative scale of CVSS v3.1 §5, which v4.0 §6 has unchanged. 0.0 ("none") counts as low.
pub fn severity(score: f64) -> VulnerabilitySeverity {
    match score {
        score if score >= 9.0 => VulnerabilitySeverity::Critical,
        score if score >= 7.0 => VulnerabilitySeverity::High,
        score if score >= 4.0 => VulnerabilitySeverity::Medium,
        score if score >= 0.0 => VulnerabilitySeverity::Low,
        _ => VulnerabilitySeverity::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_every_version_have_their_published_scores() {
        for (vector, expected) in [
            // CVE-2021-44228, CVE-2014-0160, CVE-2002-0392 (the example of the v2 guide §3.3.1).
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
            ("AV:N/AC:L/Au:N/C:N/I:N/A:C", 7.8),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                9.3,
            ),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H",
                10.0,
            ),
            ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
        ] {
            assert_eq!(score(vector), Some(expected), "{vector}");
        }
    }

    #[test]
    fn what_is_no_vector_has_no_score() {
        for text in ["", "7.5", "CVSS:9.9/AV:N", "CVSS:3.1/AV:N", "high"] {
            assert_eq!(score(text), None, "{text}");
        }
        assert_eq!(score(&"CVSS:3.1/".repeat(1000)), None);
    }

    #[test]
    fn the_scale_changes_where_it_says() {
        use VulnerabilitySeverity::*;
        for (score, word) in [
            (0.0, Low),
            (3.9, Low),
            (4.0, Medium),
            (6.9, Medium),
            (7.0, High),
            (8.9, High),
            (9.0, Critical),
            (10.0, Critical),
            (f64::NAN, Unknown),
        ] {
            assert_eq!(severity(score), word, "{score}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(CVSS:[2-4]\\.[01]/)?([A-Z]{1,2}:[A-Z]/?){0,12}|.{0,80}") {
            let _ = score(&text);
        }
    }
}
