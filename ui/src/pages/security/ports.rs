//! Ports that others can reach, those that nobody expects first; and a person's word that one is meant to be open.

use leptos::{prelude::*, task::spawn_local};
use steward_api::{ResourceId, Role, ScanPart};

use super::{Screen, deductions::whose, found, nothing, related};
use crate::{
    components::{
        marks::{mark, sign},
        text,
    },
    deeds,
    failure::Failure,
    format,
    security::{self, PortRow},
};

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let all = Memo::new(move |_| screen.look(|report| security::ports(&report.ports)));
    let exposed =
        Memo::new(move |_| all.with(|all| all.iter().filter(|row| row.is_exposed).count()));
    let count = move || {
        format!(
            "{} to others",
            format::count(exposed.get() as u64, "open port")
        )
    };
    let is_any = Memo::new(move |_| !all.with(Vec::is_empty));
    let rows = move || {
        if !is_any.get() {
            return nothing(screen, ScanPart::Ports, "Nothing listens.");
        }
        let open = move || {
            all.with(|all| {
                let open = all.iter().filter(|row| row.is_exposed);
                open.map(|one| row(screen, one)).collect::<Vec<_>>()
            })
        };
        let none_open = move || {
            (exposed.get() == 0).then(|| {
                text::empty(
                    "No port is open to other machines.",
                    "What listens does so for this machine alone.",
                )
            })
        };
        let local = move || {
            all.with(|all| {
                let local: Vec<AnyView> = all
                    .iter()
                    .filter(|row| !row.is_exposed)
                    .map(|one| row(screen, one))
                    .collect();
                (!local.is_empty()).then(|| {
                    view! {
                        <details class="local">
                            <summary>
                                {format!(
                                    "{} for this machine alone",
                                    format::count(local.len() as u64, "more port"),
                                )}
                            </summary>
                            {local}
                        </details>
                    }
                })
            })
        };
        view! {
            <div class="card rows">{open} {none_open} {local}</div>
        }
        .into_any()
    };
    found(screen, ScanPart::Ports, count, rows.into_any())
}

fn row(screen: Screen, port: &PortRow) -> AnyView {
    let store = screen.app.store;
    let look = port.mark();
    let id = port.id(&untrack(|| screen.node()));
    let by = match (&port.container, &port.program) {
        (Some((container, inside)), _) => view! {
            <span>"published by " {whose(container)} {format!(", its port {inside}")}</span>
        }
        .into_any(),
        (None, Some(program)) => view! { <span>{program.clone()}</span> }.into_any(),
        (None, None) if port.is_exposed => {
            view! { <span>"by a program that could not be told"</span> }.into_any()
        }
        (None, None) => ().into_any(),
    };
    let expected = match &port.expected {
        Some(why) if port.is_exposed => format!("expected: {why}"),
        _ => look.word.to_owned(),
    };
    let first = port
        .first_seen
        .map(|at| view! { <span>"first seen " {text::ago(store, at)}</span> });
    let about = port.is_exposed.then(|| id.clone());
    let accept = port.is_unexpected().then(|| accept(screen, id));
    view! {
        <div class="row seen" data-testid="port" data-port=port.port.to_string() data-state=look.word>
            {sign(look)}
            <div class="words">
                <span class="main-words">
                    {format!("{}/{}", port.port, port.transport)}
                    <span class="quiet">" on "</span>
                    {port.addresses.join(", ")}
                </span>
                <span class="meta">{by} <span>{expected}</span> {first} {related::links(screen.app, about)}</span>
                {accept}
            </div>
            <span class="when">{mark(look)}</span>
        </div>
    }
    .into_any()
}

/// The button by which a person says that a port is meant to be open.
fn accept(screen: Screen, id: ResourceId) -> AnyView {
    let app = screen.app;
    let busy = RwSignal::new(false);
    let failure = RwSignal::new(None::<Failure>);
    let id = StoredValue::new(id);
    let send = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            let accepted = deeds::accept_port(app, id.get_value()).await;
            // The row may be gone by now: the event of it may have come first.
            busy.try_set(false);
            if let Err(refused) = accepted {
                failure.try_set(Some(refused));
            }
        });
    };
    view! {
        <div class="buttons" class:hidden=move || !app.store.may(Role::Operator)>
            <button
                class="button"
                disabled=move || busy.get()
                on:click=send
                data-testid="accept-port"
            >
                {move || if busy.get() { "Noting it…" } else { "It is meant to be open" }}
            </button>
        </div>
        {move || failure.get().map(|failure| text::failed(&failure))}
    }
    .into_any()
}
