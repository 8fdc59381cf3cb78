//! Plans in words: exactly what will change, while what holds, when it is done, and how it is taken back.
//!
//! What flows through: a plan in, lines for a person out. What it never does: shorten an action; what is approved is what is read.

use steward_api::{Action, ContainerCondition, Limits, Plan, Precondition, Undo, Verification};

use crate::format;

/// One line of a plan's preview: what it says, and for a changed value what it was and what it will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// `will do`, `only while`, `done when`, `undo` …
    pub label: &'static str,
    /// The words; empty where the change says it all.
    pub text: String,
    /// From what to what.
    pub change: Option<(String, String)>,
    /// Words behind the change.
    pub after: &'static str,
}

fn line(label: &'static str, text: String) -> PlanLine {
    PlanLine {
        label,
        text,
        change: None,
        after: "",
    }
}

/// A plan as exactly what will change: the steps, and for the whole of it when it is done and how it is taken back.
pub fn plan(plan: &Plan) -> Vec<PlanLine> {
    let mut lines = Vec::new();
    let several = plan.steps().len() > 1;
    for (index, step) in plan.steps().iter().enumerate() {
        let label = if index == 0 { "will do" } else { "then" };
        let number = if several {
            format!("{}. ", index + 1)
        } else {
            String::new()
        };
        lines.push(line(label, format!("{number}{}", step.action)));
        lines.extend(changes(&step.action));
        lines.push(line("only while", precondition(&step.precondition)));
        lines.push(line("done when", verification(&step.verification)));
        lines.push(line(
            "undo",
            match &step.undo {
                Undo::Action { action } => action.to_string(),
                Undo::Impossible { reason } => format!("none: {reason}"),
            },
        ));
    }
    lines
}

/// The same in short: what will change and how it is taken back.
pub fn plan_in_short(whole: &Plan) -> Vec<PlanLine> {
    let mut lines = plan(whole);
    lines.retain(|line| line.label != "only while");
    lines
}

/// Old and new values, where an action changes values.
fn changes(action: &Action) -> Vec<PlanLine> {
    let Action::SetLimits { from, to, .. } = action else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut changed = |label, before: String, after: String| {
        if before != after {
            lines.push(PlanLine {
                label,
                text: String::new(),
                change: Some((before, after)),
                after: "live, without a restart",
            });
        }
    };
    changed("memory limit", memory(from), memory(to));
    changed("CPU limit", cores(from), cores(to));
    lines
}

fn memory(limits: &Limits) -> String {
    limits
        .memory_bytes
        .map_or_else(|| "unlimited".to_owned(), format::byte_count)
}

fn cores(limits: &Limits) -> String {
    limits.cpu_millicores.map_or_else(
        || "unlimited".to_owned(),
        |millis| format!("{}.{:02} cores", millis / 1000, millis % 1000 / 10),
    )
}

/// What must still be true right before a step.
pub fn precondition(precondition: &Precondition) -> String {
    match precondition {
        Precondition::Container {
            resource,
            condition,
            ..
        } => {
            let state = match condition {
                ContainerCondition::NotRunning => "does not run",
                ContainerCondition::Failing => "does not run or fails its health check",
                ContainerCondition::Running => "runs",
                ContainerCondition::Exists => "exists",
            };
            format!("it is the same container and {} {state}", resource.short())
        }
        Precondition::Limits { resource, .. } => format!(
            "it is the same container and the limits of {} are as shown",
            resource.short()
        ),
        Precondition::UnitFailed { unit } => format!("{} is failed", unit.short()),
        Precondition::EngineAnswers { engine } => format!("{} answers", engine.short()),
        Precondition::EngineSilent { engine } => format!("{} does not answer", engine.short()),
        Precondition::PreviousKept { resource, .. } => format!(
            "the {} from before is kept, and another runs in its place",
            resource.short()
        ),
        Precondition::CertificateIs { certificate, .. } => {
            format!("{} still shows the same certificate", certificate.short())
        }
        Precondition::AddressFree { address, .. } => {
            format!("this host can block addresses, and does not block {address}")
        }
        Precondition::Nothing => "always: it is safe at any time".to_owned(),
    }
}

/// How the success of a step is told.
pub fn verification(verification: &Verification) -> String {
    match verification {
        Verification::ContainersHealthy {
            containers,
            stable_seconds,
            within_seconds,
        } => {
            let names: Vec<_> = containers.iter().map(|id| id.short()).collect();
            let verb = if names.len() == 1 { "is" } else { "are" };
            format!(
                "{} {verb} well for {stable_seconds} s, beginning within {within_seconds} s",
                names.join(", ")
            )
        }
        Verification::ContainerStopped { container } => {
            format!("{} does not run", container.short())
        }
        Verification::LimitsAre {
            container,
            stable_seconds: 0,
            ..
        } => format!("{} has the new limits", container.short()),
        Verification::LimitsAre {
            container,
            stable_seconds,
            ..
        } => format!(
            "{} has the new limits and stays up for {stable_seconds} s",
            container.short()
        ),
        Verification::UnitActive {
            unit,
            stable_seconds,
        } => format!("{} is active for {stable_seconds} s", unit.short()),
        Verification::EngineAnswers {
            engine,
            within_seconds,
        } => format!("{} answers, within {within_seconds} s", engine.short()),
        Verification::CertificateRenewed {
            certificate,
            ended_at,
            within_seconds,
        } => format!(
            "{} shows a certificate that ends after {ended_at:.0}, within {within_seconds} s",
            certificate.short()
        ),
        Verification::AddressBlocked { address, .. } => {
            format!("what {address} sends is dropped")
        }
        Verification::ByReport => "it reports what it did".to_owned(),
    }
}
