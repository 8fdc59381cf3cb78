//! A plan as a preview of exactly what will change.

use leptos::prelude::*;

use crate::words::PlanLine;

/// The lines of a plan.
pub(crate) fn plan(lines: Vec<PlanLine>) -> AnyView {
    let lines: Vec<AnyView> = lines.into_iter().map(line).collect();
    view! {
        <dl class="plan" data-testid="plan">
            {lines}
        </dl>
    }
    .into_any()
}

fn line(line: PlanLine) -> AnyView {
    let change = line.change.map(|(before, after)| {
        view! {
            <del>{before}</del>
            <span class="arrow" aria-hidden="true">
                "→"
            </span>
            <ins>{after}</ins>
            " "
            <span class="quiet">{line.after}</span>
        }
    });
    let class = if matches!(line.label, "will do" | "then") {
        "step"
    } else {
        ""
    };
    view! {
        <div class=class>
            <dt>{line.label}</dt>
            <dd>{line.text} {change}</dd>
        </div>
    }
    .into_any()
}
