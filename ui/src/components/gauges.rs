//! Bars: how full a host is, and how many of a kind are well.

use leptos::prelude::*;
use steward_api::{Health, ResourceKind};

use super::marks::shape;
use crate::{
    attention::{Gauge, HostGauges, KindHealth},
    filter::ResourceFilter,
    format, marks,
    route::Route,
    words,
};

/// A host with its gauges.
pub(crate) fn host(host: &HostGauges) -> AnyView {
    let bars: Vec<AnyView> = host.gauges.iter().map(gauge).collect();
    view! { <div class="card gauges" data-testid="gauges">{bars}</div> }.into_any()
}

fn gauge(gauge: &Gauge) -> AnyView {
    let tone = match gauge.health {
        Health::Healthy => "tone-plain",
        other => marks::health(other).tone.class(),
    };
    let percent = gauge.percent.unwrap_or(0.0).clamp(0.0, 100.0);
    view! {
        <a class="gauge" href=Route::Resource(gauge.resource.clone()).hash()>
            <span class="name">{gauge.label.clone()}</span>
            <span class=format!("track {tone}") aria-hidden="true">
                <i style:width=format!("{percent:.1}%")></i>
            </span>
            <span class="value">{gauge.text.clone()}</span>
        </a>
    }
    .into_any()
}

/// A kind of resource: how many, and how they are.
pub(crate) fn kind(of: &KindHealth) -> AnyView {
    let all = Route::Resources(ResourceFilter {
        kind: Some(of.kind),
        ..ResourceFilter::default()
    });
    let is_well = of
        .counts
        .iter()
        .all(|(health, _)| *health == Health::Healthy);
    let counts: Vec<AnyView> = of
        .counts
        .iter()
        .map(|(health, count)| count_link(of.kind, *health, *count))
        .collect();
    let bars: Vec<AnyView> = of
        .counts
        .iter()
        .rev()
        .map(|(health, count)| {
            view! {
                <i
                    class=marks::health(*health).tone.class()
                    style:flex-grow=count.to_string()
                ></i>
            }
            .into_any()
        })
        .collect();
    view! {
        <div class="card kind" data-testid=format!("kind-{}", of.kind)>
            <a class="all" href=all.hash()>
                <span class="name">{format::capital(words::kind(of.kind, of.total))}</span>
                <span class="total">{format::grouped(of.total)}</span>
            </a>
            <div class="counts">
                {if is_well {
                    view! { <span class="mark tone-good">"all well"</span> }.into_any()
                } else {
                    counts.into_any()
                }}
            </div>
            <div class="bar" aria-hidden="true">
                {bars}
            </div>
        </div>
    }
    .into_any()
}

fn count_link(kind: ResourceKind, health: Health, count: u64) -> AnyView {
    let mark = marks::health(health);
    let to = Route::Resources(ResourceFilter {
        kind: Some(kind),
        health: Some(health),
        ..ResourceFilter::default()
    });
    view! {
        <a
            class=format!("mark {}", mark.tone.class())
            href=to.hash()
            title=format!("{count} {}", mark.word)
            aria-label=format!("{count} {}", mark.word)
            data-state=mark.word
        >
            {shape(mark.shape)}
            <span>{count.to_string()}</span>
        </a>
    }
    .into_any()
}
