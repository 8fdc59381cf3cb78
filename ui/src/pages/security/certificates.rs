//! Certificates, the first to end first: for whom, where, who shows it, and what is wrong with it.

use leptos::prelude::*;
use steward_api::{CertificateScan, ScanPart};

use super::{Screen, deductions::whose, found, nothing, related};
use crate::{
    bridge::browser,
    components::{
        marks::{mark, sign},
        text,
    },
    format, security,
};

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let all = Memo::new(move |_| screen.look(security::certificates));
    let count = move || format::count(all.with(Vec::len) as u64, "certificate");
    let is_any = Memo::new(move |_| !all.with(Vec::is_empty));
    let rows = move || {
        if !is_any.get() {
            return nothing(screen, ScanPart::Certificates, "No certificate was found.");
        }
        view! {
            <div class="card rows">
                {move || all.get().iter().map(|one| row(screen, one)).collect::<Vec<_>>()}
            </div>
        }
        .into_any()
    };
    found(screen, ScanPart::Certificates, count, rows.into_any())
}

fn row(screen: Screen, scan: &CertificateScan) -> AnyView {
    let store = screen.app.store;
    let look = security::certificate_mark(scan);
    let node = untrack(|| screen.node());
    let not_after = scan.not_after;
    let ends = Memo::new(move |_| security::ends(not_after, store.now.get()));
    let by = scan
        .resource
        .as_ref()
        .map(|by| view! { <span>"shown by " {whose(by)}</span> });
    let faults: Vec<AnyView> = scan
        .faults
        .iter()
        .map(|(_, words)| view! { <li>{words.clone()}</li> }.into_any())
        .collect();
    let more = view! {
        <details>
            <summary>"All of it"</summary>
            <dl class="facts">
                {text::fact("Names", listed(&scan.names))} {text::fact("Subject", scan.subject.clone())}
                {text::fact("Signed by", scan.issuer.clone())}
                {text::fact("From", browser::exact(scan.not_before))}
                {text::fact("Until", browser::exact(scan.not_after))}
                {text::fact("Key", scan.key.clone())}
                {text::fact("SHA-256", view! { <code class="hash">{scan.fingerprint.clone()}</code> })}
            </dl>
        </details>
    };
    view! {
        <div class="row seen" data-testid="certificate" data-state=look.word>
            {sign(look)}
            <div class="words">
                <span class="main-words">{security::certificate_names(scan)}</span>
                <span class="meta">
                    <span>{scan.place.clone()}</span>
                    {by}
                    {related::links(
                        screen.app,
                        Some(security::certificate_id(&node, &scan.place)),
                    )}
                </span>
                <ul class="faults">{faults}</ul>
                {more}
            </div>
            <span class="when" title=browser::exact(not_after)>
                {mark(look)}
                <span>{move || ends.get()}</span>
            </span>
        </div>
    }
    .into_any()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
