//! The score over 30 days, and the numbers of the day before.

use leptos::prelude::*;

use super::Screen;
use crate::{
    bridge::browser,
    components::{
        chart::{Figure, figure},
        marks::mark,
        text,
    },
    format, marks, security,
};

/// The score over time.
pub(super) fn section(screen: Screen) -> AnyView {
    view! {
        <section aria-label="Trend">
            {text::heading("Trend, 30 days", None)} <div class="card">{chart(screen)}</div>
        </section>
    }
    .into_any()
}

fn chart(screen: Screen) -> AnyView {
    let points = Memo::new(move |_| screen.look(|report| report.trend.clone()));
    let trend = Memo::new(move |_| {
        let now = browser::now();
        points.with(|points| security::trend(points, now, browser::offset_at(now)))
    });
    let pointed = RwSignal::new(None::<f64>);
    let meant = Memo::new(move |_| {
        let wanted = pointed.get()?;
        points.with(|points| trend.with(|trend| security::trend_at(points, trend, wanted)))
    });
    let told = move || match (meant.get(), pointed.get()) {
        (Some(point), _) => {
            let now = trend.with(|trend| trend.to);
            let at = format::clock(point.at, now, browser::offset_at(point.at));
            format!("{} since {at}", point.score)
        }
        (None, Some(_)) => "Not read then".to_owned(),
        (None, None) => points
            .with(|points| points.last().map(|point| point.score))
            .map_or_else(
                || "No score yet".to_owned(),
                |score| format!("{score} of 100"),
            ),
    };
    figure(Figure {
        name: "Score",
        test_id: "chart-security".to_owned(),
        drawing: Memo::new(move |_| Some(trend.with(|trend| trend.drawing.clone()))),
        told: Signal::derive(told),
        label: Signal::derive(move || trend.with(|trend| format!("Score: {}.", trend.words))),
        pointed,
        // Where the pointer itself is: the score holds from one reading to the next.
        pointer: Signal::derive(move || {
            meant
                .get()
                .and_then(|_| pointed.get())
                .map(|place| place * 100.0)
        }),
        legend: (move || trend.with(|trend| format::capital(&trend.words))).into_any(),
    })
}

/// The last day that was summed up.
pub(super) fn day(screen: Screen) -> AnyView {
    let day = Memo::new(move |_| screen.look(|report| report.day.clone()));
    let inside = move || match day.get() {
        None => text::empty(
            "No day was summed up yet.",
            "The numbers of a day stand here from the next morning on, at 3:00 unless it is set otherwise.",
        ),
        Some(day) => {
            let level = marks::level(day.summary.security_level);
            let lines: Vec<AnyView> = day
                .lines
                .iter()
                .map(|line| view! { <li>{line.clone()}</li> }.into_any())
                .collect();
            view! {
                <p class="strong">{day.title.clone()}</p>
                <p class="meta">
                    {mark(level)} <span>{format!("as {} ended", day.day)}</span>
                </p>
                <ul class="day-lines">{lines}</ul>
            }
            .into_any()
        }
    };
    view! {
        <section aria-label="The day before" data-testid="security-day">
            {text::heading("The day before", None)} <div class="card">{inside}</div>
        </section>
    }
    .into_any()
}
