//! Vulnerabilities as one long list, by container or by package; only what is seen is drawn. One that is chosen is told in full below.

use std::sync::Arc;

use leptos::{ev::Event, prelude::*};
use steward_api::ScanPart;

use super::{Screen, deductions::whose, found, nothing, related};
use crate::{
    app::App,
    bridge::browser,
    components::{
        marks::{mark, shape, sign},
        text,
    },
    filter::SecurityFilter,
    format,
    marks::Shape,
    route::Route,
    scroll::{ROW, Window},
    security::{self, Group, Line, Row},
    words::security as words,
};

/// The list is never higher than this, pixels.
const HIGHEST: usize = 620;

type Lines = Arc<Vec<(u64, Line)>>;

/// The section.
pub(super) fn section(screen: Screen) -> AnyView {
    let app = screen.app;
    let filter = Memo::new(move |_| {
        app.route.with(|route| match route {
            Route::Security(filter) => filter.clone(),
            _ => SecurityFilter::default(),
        })
    });
    let images = Memo::new(move |_| screen.look(|report| Arc::new(report.images.clone())));
    let shown = Memo::new(move |_| {
        let (lines, number) =
            images.with(|images| filter.with(|filter| security::lines(images, filter)));
        (Arc::new(lines), number)
    });
    let is_any = Memo::new(move |_| {
        images.with(|images| images.iter().any(|image| !image.vulnerabilities.is_empty()))
    });
    let count = move || {
        let all = screen.look(security::vulnerability_count);
        if filter.with(SecurityFilter::is_open) {
            all
        } else {
            format!(
                "{} shown of {all}",
                format::grouped(shown.with(|(_, number)| *number as u64))
            )
        }
    };
    let inside = move || {
        if is_any.get() {
            untrack(|| whole(screen, filter, shown))
        } else {
            nothing(
                screen,
                ScanPart::Vulnerabilities,
                "No known vulnerability was found in the images that run.",
            )
        }
    };
    found(screen, ScanPart::Vulnerabilities, count, inside.into_any())
}

fn whole(screen: Screen, filter: Memo<SecurityFilter>, shown: Memo<(Lines, usize)>) -> AnyView {
    let chosen = RwSignal::new(None::<Arc<Row>>);
    view! {
        {filters(screen.app, filter)}
        {list(screen, filter, shown, chosen)}
        {move || in_full(chosen.get().as_deref())}
    }
    .into_any()
}

fn filters(app: App, filter: Memo<SecurityFilter>) -> AnyView {
    let change = move |change: &dyn Fn(&mut SecurityFilter)| {
        let mut changed = filter.get_untracked();
        change(&mut changed);
        app.refine(Route::Security(changed));
    };
    let by = move |by_package: bool, words: &'static str, id: &'static str| {
        let is_here = move || filter.with(|filter| filter.by_package == by_package);
        view! {
            <button
                type="button"
                class:here=is_here
                aria-pressed=move || is_here().to_string()
                on:click=move |_| change(&|filter| filter.by_package = by_package)
                data-testid=id
            >
                {words}
            </button>
        }
        .into_any()
    };
    let severities: Vec<AnyView> = SecurityFilter::SEVERITIES
        .into_iter()
        .map(|severity| {
            let is_chosen = move || filter.with(|filter| filter.severity == Some(severity));
            let words = match severity {
                steward_api::VulnerabilitySeverity::Critical => "Critical".to_owned(),
                other => format!("{} and worse", format::capital(other.as_str())),
            };
            view! {
                <option value=severity.as_str() selected=is_chosen prop:selected=is_chosen>
                    {words}
                </option>
            }
            .into_any()
        })
        .collect();
    view! {
        <form
            class="filters"
            role="search"
            on:submit=|event| event.prevent_default()
            aria-label="Filter vulnerabilities"
        >
            <div class="tabs" role="group" aria-label="Grouped">
                {by(false, "By container", "by-container")}
                {by(true, "By package", "by-package")}
            </div>
            <input
                type="search"
                placeholder="Search CVE, package, image or container"
                aria-label="Search"
                aria-keyshortcuts="/"
                autocomplete="off"
                spellcheck="false"
                prop:value=move || filter.with(|filter| filter.search.clone())
                on:input=move |event| {
                    let typed = event_target_value(&event);
                    change(&|filter| filter.search.clone_from(&typed));
                }
                data-testid="search"
            />
            <select
                aria-label="Severity"
                on:change=move |event| {
                    let value = event_target_value(&event);
                    change(&|filter| filter.severity = SecurityFilter::severity_of(&value));
                }
                data-testid="filter-severity"
            >
                <option value="">"Every severity"</option>
                {severities}
            </select>
            <button
                type="button"
                class="button plain"
                class:unseen=move || filter.with(SecurityFilter::is_open)
                on:click=move |_| {
                    change(
                        &|filter| {
                            *filter = SecurityFilter {
                                by_package: filter.by_package,
                                ..SecurityFilter::default()
                            };
                        },
                    );
                }
                data-testid="clear-filter"
            >
                "Show all"
            </button>
        </form>
    }
    .into_any()
}

fn list(
    screen: Screen,
    filter: Memo<SecurityFilter>,
    shown: Memo<(Lines, usize)>,
    chosen: RwSignal<Option<Arc<Row>>>,
) -> AnyView {
    let scrolled = RwSignal::new(0.0_f64);
    // Another filter is another list: it begins at its top.
    Effect::new(move |_| {
        filter.with(|_| ());
        browser::scroll_to_start(".list");
    });
    let count = move || shown.with(|(lines, _)| lines.len());
    #[allow(clippy::cast_precision_loss, reason = "pixels of a page")]
    let window = Memo::new(move |_| Window::of(scrolled.get(), HIGHEST as f64, ROW, count()));
    let drawn = move || {
        let window = window.get();
        shown.with(|(lines, _)| {
            lines
                .get(window.first..window.end.min(lines.len()))
                .unwrap_or_default()
                .to_vec()
        })
    };
    let nothing_fits = move || {
        (count() == 0).then(|| {
            text::empty(
                "Nothing fits this filter.",
                "Search for less, or choose “Show all”.",
            )
        })
    };
    // As high as what is in it, so that a short list leaves no hole; where nothing fits, high enough to say so.
    let height = move || format!("{}px", (count() * ROW).clamp(2 * ROW, HIGHEST));
    view! {
        <div class="card table">
            <div class="columns line" aria-hidden="true">
                <span></span>
                <span>"Vulnerability"</span>
                <span>"Package"</span>
                <span>"Installed → fixed"</span>
                <span class="number">"CVSS"</span>
            </div>
            <div
                class="list within"
                style:height=height
                on:scroll=move |event: Event| scrolled.set(browser::scrolled(&event))
                data-testid="vulnerability-list"
            >
                <ul
                    aria-label="Vulnerabilities"
                    style:height=move || format!("{}px", window.get().height)
                >
                    <div
                        class="shift"
                        style:transform=move || format!("translateY({}px)", window.get().top)
                        role="presentation"
                    >
                        <For
                            each=drawn
                            key=|(key, _)| *key
                            children=move |(_, line)| match line {
                                Line::Group(group) => head(screen, &group),
                                Line::Row(row) => row_of(row, chosen),
                            }
                        />
                    </div>
                </ul>
                {nothing_fits}
            </div>
        </div>
    }
    .into_any()
}

fn head(screen: Screen, group: &Group) -> AnyView {
    let about = group
        .image
        .as_ref()
        .map(|image| security::image_id(&untrack(|| screen.node()), image));
    view! {
        <li class="row line group" data-testid="vulnerability-group">
            <span class="words">
                <span class="main-words strong">{group.name.clone()}</span>
                <span class="sub-words" title=group.below.clone()>
                    {group.below.clone()}
                </span>
            </span>
            <span class="counts">
                <span>{group.counts.clone()}</span>
                {related::links(screen.app, about)}
            </span>
        </li>
    }
    .into_any()
}

fn row_of(row: Arc<Row>, chosen: RwSignal<Option<Arc<Row>>>) -> AnyView {
    let look = security::severity_mark(row.severity);
    let this = Arc::clone(&row);
    let is_chosen = Memo::new(move |_| {
        chosen.with(|chosen| chosen.as_ref().is_some_and(|chosen| **chosen == *this))
    });
    let exploited = row.known_exploited.then(exploited);
    let said = Arc::clone(&row);
    view! {
        <li>
            <button
                class="row line"
                class:here=move || is_chosen.get()
                aria-pressed=move || is_chosen.get().to_string()
                on:click=move |_| {
                    let next = (!is_chosen.get_untracked()).then(|| Arc::clone(&row));
                    chosen.set(next);
                }
                data-row=""
                data-testid="vulnerability-row"
                data-state=look.word
            >
                {sign(look)}
                <span class="words">
                    <span class="main-words">{said.id.clone()} " " {exploited}</span>
                    <span class="sub-words wide">{said.summary.clone()}</span>
                    <span class="sub-words slim">
                        {format!("{} {}", said.package, said.versions())}
                    </span>
                </span>
                <span class="package">{said.package.clone()}</span>
                <span class="quiet versions" title=said.versions()>
                    {said.versions()}
                </span>
                <span class="number">{said.cvss.clone().unwrap_or_else(|| "–".to_owned())}</span>
            </button>
        </li>
    }
    .into_any()
}

fn exploited() -> AnyView {
    view! {
        <span class="mark tone-critical exploited" title="It is known to have been used in attacks">
            {shape(Shape::Block)} <span>"exploited"</span>
        </span>
    }
    .into_any()
}

/// One vulnerability with all that is known of it.
fn in_full(row: Option<&Row>) -> AnyView {
    let Some(row) = row else {
        return view! { <p class="quiet small choose">"Choose one to see all of it."</p> }
            .into_any();
    };
    let package = if row.installed_as.is_empty() {
        row.package.clone()
    } else {
        format!("{} (as {})", row.package, row.installed_as.join(", "))
    };
    let aliases = (!row.aliases.is_empty()).then(|| text::fact("Also", row.aliases.join(", ")));
    let containers: Vec<AnyView> = row.containers.iter().map(whose).collect();
    view! {
        <div class="card in-full" data-testid="vulnerability">
            <h3>{row.id.clone()}</h3>
            <p class="meta">
                {mark(security::severity_mark(row.severity))}
                <span>
                    {row
                        .cvss
                        .as_ref()
                        .map_or_else(|| "no CVSS score".to_owned(), |score| format!("CVSS {score}"))}
                </span>
                {row.known_exploited.then(exploited)}
            </p>
            <p>{row.summary.clone()}</p>
            <dl class="facts">
                {aliases}
                {text::fact("Package", format!("{package} · {}", row.ecosystem))}
                {text::fact("Installed", row.installed.clone())}
                {text::fact("Mended", format::capital(&words::fixed(row.fixed.as_deref())))}
                {text::fact("Found in", row.found_in.clone())}
                {text::fact("Images", row.images.join(", "))}
                {text::fact("Run by", view! { <span class="related">{containers}</span> })}
            </dl>
        </div>
    }
    .into_any()
}
