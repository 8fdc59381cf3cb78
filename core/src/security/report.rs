//! The report as parts of the scan are read, one after the other. Pure.
//!
//! What flows through: a report and what one part found, or why it could not be read, in; the report after it out. What it never does: weigh
//! (that is [`super::score`]), or drop what was read before because it could not be read again.

use jiff::Timestamp;
use steward_api::{PartState, ScanPart, SecurityReport};

use crate::ports::{Found, PartFound};

/// Has a report tell of these parts, each with its state. One that is no longer scanned goes, with what was found of it.
pub fn keep_to(report: &mut SecurityReport, parts: &[ScanPart]) {
    let known = std::mem::take(&mut report.parts);
    for part in ScanPart::ALL {
        if parts.contains(&part) {
            let state = known.iter().find(|state| state.part == part).cloned();
            report.parts.push(state.unwrap_or(PartState {
                part,
                read_at: None,
                tried_at: None,
                next_at: None,
                gaps: Vec::new(),
            }));
            continue;
        }
        match part {
            ScanPart::Vulnerabilities => report.images.clear(),
            ScanPart::Certificates => report.certificates.clear(),
            ScanPart::Authentication => report.sign_ins.clear(),
            ScanPart::Ports => report.ports.clear(),
            ScanPart::Configuration => report.risks.clear(),
        }
    }
}

/// Takes over what a part found at a time, and when it is read next.
pub fn take(report: &mut SecurityReport, found: PartFound, at: Timestamp, next_at: Timestamp) {
    if let Some(state) = state(report, found.found.part()) {
        state.read_at = Some(at);
        state.tried_at = Some(at);
        state.next_at = Some(next_at);
        state.gaps = found.gaps;
    }
    match found.found {
        Found::Images(images) => report.images = images,
        Found::Certificates(certificates) => report.certificates = certificates,
        Found::SignIns(sign_ins) => report.sign_ins = sign_ins,
        Found::Ports(ports) => report.ports = ports,
        Found::Risks(risks) => report.risks = risks,
    }
}

/// Notes why a part could not be read at all at a time. What was read of it before stays, with its time. Says whether that is news.
pub fn failed(report: &mut SecurityReport, part: ScanPart, reason: &str, at: Timestamp) -> bool {
    let Some(state) = state(report, part) else {
        return false;
    };
    state.tried_at = Some(at);
    let is_news = state.gaps != [reason];
    state.gaps = vec![reason.to_owned()];
    is_news
}

fn state(report: &mut SecurityReport, part: ScanPart) -> Option<&mut PartState> {
    report.parts.iter_mut().find(|state| state.part == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_fails_keeps_what_was_read_and_one_that_is_switched_off_goes() {
        let at: Timestamp = "2026-03-10T10:00:00Z".parse().unwrap();
        let mut report = SecurityReport::default();
        keep_to(&mut report, &[ScanPart::Ports, ScanPart::Certificates]);
        // In the order in which they are shown.
        let parts: Vec<ScanPart> = report.parts.iter().map(|state| state.part).collect();
        assert_eq!(parts, [ScanPart::Certificates, ScanPart::Ports]);
        let port = steward_api::OpenPort {
            transport: "tcp".to_owned(),
            address: "0.0.0.0".parse().unwrap(),
            port: 8080,
            program: None,
            container: None,
            is_exposed: true,
            expected: None,
            first_seen: None,
        };
        let found = PartFound {
            found: Found::Ports(vec![port]),
            gaps: Vec::new(),
        };
        take(&mut report, found, at, at);
        let later: Timestamp = "2026-03-10T11:00:00Z".parse().unwrap();
        assert!(failed(&mut report, ScanPart::Ports, "nobody answers", at));
        assert!(!failed(
            &mut report,
            ScanPart::Ports,
            "nobody answers",
            later
        ));
        assert_eq!(report.parts[1].tried_at, Some(later));
        assert_eq!(report.ports.len(), 1);
        assert_eq!(report.parts[1].read_at, Some(at));
        assert_eq!(report.parts[1].gaps, ["nobody answers"]);
        keep_to(&mut report, &[ScanPart::Certificates]);
        assert!(report.ports.is_empty() && report.parts.len() == 1);
    }
}
