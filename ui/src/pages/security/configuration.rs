//! Risks of configuration by resource, each with what to do about it.

use leptos::prelude::*;
use steward_api::{ConfigurationRisk, ResourceId, ScanPart};

use super::{Screen, deductions::whose, found, nothing};
use crate::{components::marks::mark, format, security, words};

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let groups = Memo::new(move |_| screen.look(security::risks));
    let count = move || {
        let number =
            groups.with(|groups| groups.iter().map(|(_, risks)| risks.len()).sum::<usize>());
        format::count(number as u64, "risk")
    };
    let is_any = Memo::new(move |_| !groups.with(Vec::is_empty));
    let inside = move || {
        if !is_any.get() {
            return nothing(
                screen,
                ScanPart::Configuration,
                "No risk was found in how things are configured.",
            );
        }
        view! {
            <div class="risks">
                {move || {
                    groups.get().iter().map(|(id, risks)| group(id, risks)).collect::<Vec<_>>()
                }}
            </div>
        }
        .into_any()
    };
    found(screen, ScanPart::Configuration, count, inside.into_any())
}

fn group(id: &ResourceId, risks: &[ConfigurationRisk]) -> AnyView {
    let rows: Vec<AnyView> = risks
        .iter()
        .map(|risk| {
            view! {
                <li data-testid="risk">
                    <p>{mark(security::risk_mark(risk.kind))}</p>
                    <p>{risk.what.clone()}</p>
                    <p class="quiet">{risk.advice.clone()}</p>
                </li>
            }
            .into_any()
        })
        .collect();
    view! {
        <article class="card risk-group" data-testid="risk-group">
            <h3>
                {whose(id)} " " <span class="quiet small">{words::kind(id.kind, 1)}</span>
            </h3>
            <ul>{rows}</ul>
        </article>
    }
    .into_any()
}
