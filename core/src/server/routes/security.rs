//! Security: the score and what it rests on, in short and whole; scans on demand; ports that a person accepts.
//!
//! What flows through: the newest picture and the archive's trend out; wishes in, to the engine. What it never does: scan by itself.

use jiff::SignedDuration;
use steward_api::{
    AcceptPort, AcceptPortRequest, Accepted, GetSecurity, GetSecuritySummary, Nothing, ScanPart,
    ScanRequest, ScanSecurity, ScorePoint, SecurityReport, SecuritySummary,
};

use crate::{
    ports::later,
    server::{
        bind::{Answer, Call, Written, from_engine},
        error::Refusal,
    },
};

/// How far back the trend goes.
const TREND: SignedDuration = SignedDuration::from_hours(24 * 30);

impl Answer for GetSecuritySummary {
    async fn answer(call: Call, _: Nothing) -> Result<Written<SecuritySummary>, Refusal> {
        let view = call.app.handle.view();
        Written::of(&*view.security_summary)
    }
}

impl Answer for GetSecurity {
    async fn answer(call: Call, _: Nothing) -> Result<Written<SecurityReport>, Refusal> {
        let view = call.app.handle.view();
        let mut report = SecurityReport::clone(&view.security);
        let archive = call.app.handle.archive();
        let since = later(view.taken_at, -TREND);
        report.trend = archive
            .security_since(&view.node, since)
            .await?
            .into_iter()
            .filter_map(|(at, summary)| {
                summary.security_score.map(|score| ScorePoint { at, score })
            })
            .collect();
        report.day = archive.last_security_day(&view.node).await?;
        Written::of(&report)
    }
}

impl Answer for ScanSecurity {
    async fn answer(call: Call, input: ScanRequest) -> Result<Written<Accepted>, Refusal> {
        let handle = &call.app.handle;
        let parts = from_engine(handle.scan_security(input.parts, call.caller()?)).await?;
        let names: Vec<&str> = parts.iter().map(|part| ScanPart::as_str(*part)).collect();
        Written::of(&Accepted {
            success: true,
            message: format!("Scanning: {}", names.join(", ")),
        })
    }
}

impl Answer for AcceptPort {
    async fn answer(call: Call, input: AcceptPortRequest) -> Result<Written<Accepted>, Refusal> {
        let port = input.port;
        let name = port.short().to_owned();
        from_engine(call.app.handle.accept_port(port, call.caller()?)).await?;
        Written::of(&Accepted {
            success: true,
            message: format!("Port {name} is expected from now on"),
        })
    }
}
