//! One metric over time: the mean as a line, the band between lowest and highest, values where somebody points.
//!
//! The drawing stretches with its place; labels are text beside it, so that they never stretch.

use std::sync::Arc;

use jiff::Timestamp;
use leptos::{ev::PointerEvent, prelude::*};
use steward_api::{Metric, MetricSeries};

use crate::{
    bridge::browser,
    chart::{self, Drawing, Tick},
    format,
};

/// A series with the time that it covers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Covered {
    pub(crate) series: MetricSeries,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// A chart that follows its signal.
pub(crate) fn chart(
    metric: Metric,
    shown: impl Fn() -> Option<Arc<Covered>> + Copy + Send + Sync + 'static,
) -> AnyView {
    let pointed = RwSignal::new(None::<f64>);
    let drawing = Memo::new(move |_| {
        shown().map(|covered| {
            chart::draw(
                &covered.series,
                covered.from,
                covered.to,
                browser::offset_at(covered.to),
            )
        })
    });
    let at_pointer = Memo::new(move |_| {
        let place = pointed.get()?;
        let covered = shown()?;
        let point = chart::nearest(&covered.series, covered.from, covered.to, place)?;
        Some((
            chart::percent_of(point, covered.from, covered.to),
            *point,
            covered.to,
        ))
    });
    let told = move || match at_pointer.get() {
        Some((_, point, now)) => {
            let at = format::clock(point.at, now, browser::offset_at(point.at));
            let mut text = format!("{} at {at}", format::metric(metric, point.mean));
            if point.count > 1 && (point.max - point.min).abs() > f64::EPSILON {
                text.push_str(&format!(
                    " ({} to {})",
                    format::metric(metric, point.min),
                    format::metric(metric, point.max)
                ));
            }
            text
        }
        None if pointed.get().is_some() => "No reading then".to_owned(),
        None => shown()
            .and_then(|covered| covered.series.points.last().copied())
            .map_or_else(
                || "No readings".to_owned(),
                |point| format::metric(metric, point.mean),
            ),
    };
    let label = move || {
        shown()
            .map(|covered| {
                format!(
                    "{}: {} {}.",
                    chart::name(metric),
                    chart::in_words(&covered.series),
                    chart::normal_in_words(&covered.series),
                )
            })
            .unwrap_or_default()
    };
    let legend = move || {
        shown()
            .filter(|covered| !covered.series.points.is_empty())
            .map(|covered| {
                view! {
                    <span class="normal-mark" aria-hidden="true"></span>
                    {chart::normal_in_words(&covered.series)}
                }
            })
    };
    figure(Figure {
        name: chart::name(metric),
        test_id: format!("chart-{metric}"),
        drawing,
        told: Signal::derive(told),
        label: Signal::derive(label),
        pointed,
        pointer: Signal::derive(move || at_pointer.get().map(|(percent, ..)| percent)),
        legend: legend.into_any(),
    })
}

/// What a chart is drawn of.
pub(crate) struct Figure {
    /// What it shows, for a person.
    pub(crate) name: &'static str,
    /// Its name for tests.
    pub(crate) test_id: String,
    /// The drawing; absent while nothing was read.
    pub(crate) drawing: Memo<Option<Drawing>>,
    /// The value that is pointed at, else the newest.
    pub(crate) told: Signal<String>,
    /// The whole in words, for whoever listens.
    pub(crate) label: Signal<String>,
    /// Where somebody points, 0 to 1 from the left.
    pub(crate) pointed: RwSignal<Option<f64>>,
    /// Where the pointer's line stands, percent from the left.
    pub(crate) pointer: Signal<Option<f64>>,
    /// What stands below.
    pub(crate) legend: AnyView,
}

/// A chart as it stands on the page.
pub(crate) fn figure(figure: Figure) -> AnyView {
    let Figure {
        name,
        test_id,
        drawing,
        told,
        label,
        pointed,
        pointer,
        legend,
    } = figure;
    let part = move |pick: fn(&Drawing) -> String| {
        move || drawing.with(|drawing| drawing.as_ref().map(pick).unwrap_or_default())
    };
    let point_at = move |event: PointerEvent| {
        let place = event
            .current_target()
            .and_then(|target| browser::place_in(&target, f64::from(event.client_x())));
        pointed.set(place);
    };
    view! {
        <figure class="chart" data-testid=test_id>
            <figcaption>
                <span class="name">{name}</span>
                <span class="value">{move || told.get()}</span>
            </figcaption>
            <div class="plot">
                <div class="values" aria-hidden="true">
                    {move || {
                        ticks(drawing.with(|drawn| drawn.as_ref().map(|drawn| drawn.values.clone())), true)
                    }}
                </div>
                <div
                    class="drawing"
                    on:pointermove=point_at
                    on:pointerdown=point_at
                    on:pointerleave=move |_| pointed.set(None)
                >
                    <svg
                        viewBox="0 0 1000 100"
                        preserveAspectRatio="none"
                        role="img"
                        aria-label=move || label.get()
                    >
                        <path class="grid" d=part(|drawing| grid(&drawing.values))></path>
 <path class="normal" d=part(|drawing| drawing.normal.clone())></path>
                        <path class="band" d=part(|drawing| drawing.band.clone())></path>
                        <path class="line" d=part(|drawing| drawing.line.clone())></path>
                        <path class="dots" d=part(|drawing| drawing.dots.clone())></path>
                    </svg>
                    <span
                        class="pointer"
                        class:hidden=move || pointer.get().is_none()
                        style:left=move || format!("{:.2}%", pointer.get().unwrap_or_default())
                    ></span>
                </div>
                <div class="times" aria-hidden="true">
                    {move || {
                        ticks(drawing.with(|drawn| drawn.as_ref().map(|drawn| drawn.times.clone())), false)
                    }}
                </div>
            </div>
            <p class="legend quiet small" data-testid="chart-normal">
                {legend}
            </p>
        </figure>
    }
    .into_any()
}

/// The lines at the values.
fn grid(values: &[Tick]) -> String {
    values
        .iter()
        .map(|tick| format!("M0 {:.1}H1000", tick.percent))
        .collect()
}

fn ticks(ticks: Option<Vec<Tick>>, from_top: bool) -> Vec<AnyView> {
    ticks
        .unwrap_or_default()
        .into_iter()
        .map(|tick| {
            let place = format!("{:.2}%", tick.percent);
            if from_top {
                view! { <span style:top=place>{tick.label}</span> }.into_any()
            } else {
                view! { <span style:left=place>{tick.label}</span> }.into_any()
            }
        })
        .collect()
}
