//! Resources as a map of what depends on what. Who needs something stands left of what is needed.

use leptos::{prelude::*, svg};

use super::resources;
use crate::{
    app::App,
    components::text,
    filter::ResourceFilter,
    format,
    map::{self, Edge, Map, Node},
    marks,
    route::Route,
    store::Part,
};

/// A name longer than this is cut; the whole of it is told on pointing.
const LONGEST_NAME: usize = 21;

/// The screen.
pub(super) fn page(app: App) -> AnyView {
    let store = app.store;
    let filter = Memo::new(move |_| {
        app.route.with(|route| match route {
            Route::Map(filter) => filter.clone(),
            _ => ResourceFilter::default(),
        })
    });
    let drawn = Memo::new(move |_| {
        let filter = filter.get();
        store.read(&[Part::Resources], |world| {
            map::lay_out(&world.resources, &filter)
        })
    });
    let is_read = Memo::new(move |_| store.read(&[Part::Resources], |world| world.resources_read));
    view! {
        <div class="page resources" data-testid="page-map">
            <div class="heading">{text::title("Dependency map")} {resources::views(app, true)}</div>
            {resources::filters(app, filter, Route::Map)}
            <p class="quiet small">
                "Lines lead from left to right, from who needs something to what is needed. "
                {move || drawn.with(rest)}
            </p>
            <div class="card map" data-testid="map">
                {move || {
                    drawn
                        .with(|map| {
                            if !map.nodes.is_empty() {
                                draw(map)
                            } else if is_read.get() {
                                nothing(map, filter.with(ResourceFilter::is_open))
                            } else {
                                text::reading()
                            }
                        })
                }}
            </div>
        </div>
    }
    .into_any()
}

/// What is not on the map.
fn rest(map: &Map) -> String {
    let mut words = String::new();
    if map.alone > 0 && !map.nodes.is_empty() {
        words = format!(
            "{} without dependencies {} in the list only. ",
            format::count(map.alone as u64, "resource"),
            if map.alone == 1 { "is" } else { "are" }
        );
    }
    if map.left_out > 0 {
        words.push_str(&format!(
            "{} more are left out: choose a project or search to see them.",
            format::grouped(map.left_out as u64)
        ));
    }
    words
}

fn nothing(map: &Map, open: bool) -> AnyView {
    if map.alone > 0 || open {
        text::empty(
            "No dependencies here.",
            "Steward knows them from Compose's depends_on and from the label steward.depends_on. The list has every resource.",
        )
    } else {
        text::empty(
            "Nothing fits this filter.",
            "Search for less, or choose “Show all”.",
        )
    }
}

fn draw(map: &Map) -> AnyView {
    let lines: Vec<AnyView> = map.edges.iter().map(line).collect();
    let boxes: Vec<AnyView> = map.nodes.iter().map(node).collect();
    view! {
        <svg
            width=map.width.to_string()
            height=map.height.to_string()
            viewBox=format!("0 0 {} {}", map.width, map.height)
            role="group"
            aria-label="What depends on what"
        >
            <g class="lines">{lines}</g>
            <g class="boxes">{boxes}</g>
        </svg>
    }
    .into_any()
}

fn line(edge: &Edge) -> AnyView {
    svg::path()
        .attr("d", edge.path.clone())
        .attr("class", marks::health(edge.health).tone.class())
        .into_any()
}

fn node(node: &Node) -> AnyView {
    let entry = &node.entry;
    let mark = marks::health(entry.health);
    let (path, filled) = mark.shape.path();
    let name = entry.id.short();
    let shown: String = if name.chars().count() > LONGEST_NAME {
        name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
    } else {
        name.to_owned()
    };
    let words = format!("{}: {}", entry.id, mark.word);
    svg::a()
        .attr("href", Route::Resource(entry.id.clone()).hash())
        .attr("class", format!("box {}", mark.tone.class()))
        .attr(
            "transform",
            format!("translate({:.0} {:.0})", node.x, node.y),
        )
        .attr("aria-label", words.clone())
        .attr("data-row", "")
        .attr("data-testid", "map-node")
        .attr("data-resource", entry.id.to_string())
        .attr("data-state", mark.word)
        .child((
            svg::title().child(words),
            svg::rect()
                .attr("width", map::BOX_WIDTH.to_string())
                .attr("height", map::BOX_HEIGHT.to_string())
                .attr("rx", "8"),
            svg::g()
                .attr("class", if filled { "filled" } else { "drawn" })
                .attr("transform", "translate(10 12)")
                .child(svg::path().attr("d", path).attr("fill-rule", "evenodd")),
            svg::text().attr("x", "34").attr("y", "25").child(shown),
        ))
        .into_any()
}
