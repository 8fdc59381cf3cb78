//! The map of what depends on what: who stands where, and which lines lead from whom to whom.
//!
//! What flows through: resources with their dependencies in, places in pixels out. Who needs something stands to the left of what is needed;
//! what is connected stays together. What it never does: draw; or lose a resource silently, the rest is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use steward_api::{Health, ResourceId};

use crate::{filter::ResourceFilter, marks, order, world::Entry};

/// A box's width, pixels.
pub const BOX_WIDTH: f64 = 184.0;
/// A box's height, pixels.
pub const BOX_HEIGHT: f64 = 40.0;
const COLUMN: f64 = BOX_WIDTH + 64.0;
const ROW: f64 = BOX_HEIGHT + 12.0;
const BETWEEN_GROUPS: f64 = 24.0;
const MARGIN: f64 = 8.0;
/// More than this nobody can read; the list has them all.
const MOST: usize = 600;

/// A resource on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Which.
    pub entry: Arc<Entry>,
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
}

/// A line from who needs to what is needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The curve.
    pub path: String,
    /// How what is needed is.
    pub health: Health,
}

/// The map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Its boxes.
    pub nodes: Vec<Node>,
    /// Its lines.
    pub edges: Vec<Edge>,
    /// Its width, pixels.
    pub width: f64,
    /// Its height, pixels.
    pub height: f64,
    /// How many fitting resources need nothing and are needed by nothing.
    pub alone: usize,
    /// How many were left out because there are too many.
    pub left_out: usize,
}

/// Edges by index: who needs whom.
struct Graph {
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
}

/// Lays out the resources that a filter finds, with what they need and what needs them.
pub fn lay_out(resources: &BTreeMap<ResourceId, Arc<Entry>>, filter: &ResourceFilter) -> Map {
    let mut touching: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> = BTreeMap::new();
    let mut lines: Vec<(&ResourceId, &ResourceId)> = Vec::new();
    for (id, entry) in resources {
        for dependency in entry.resource.iter().flat_map(|read| &read.depends_on) {
            let Some((on, _)) = resources.get_key_value(&dependency.on) else {
                continue;
            };
            if on != id {
                lines.push((id, on));
                touching.entry(id).or_default().insert(on);
                touching.entry(on).or_default().insert(id);
            }
        }
    }
    order::sort_by(&mut lines, Ord::cmp);
    lines.dedup();
    let found = filter.apply(resources.values());
    let alone = found
        .iter()
        .filter(|entry| !touching.contains_key(&entry.id))
        .count();
    let mut shown: BTreeSet<&ResourceId> = BTreeSet::new();
    for entry in &found {
        if let Some((id, neighbours)) = touching.get_key_value(&entry.id) {
            shown.insert(id);
            if !filter.is_open() {
                shown.extend(neighbours);
            }
        }
    }
    let left_out = shown.len().saturating_sub(MOST);
    // The worst of them stay where not all can.
    let mut kept: Vec<&ResourceId> = shown.into_iter().collect();
    order::sort_by(&mut kept, |a, b| {
        let rank = |id| marks::health_rank(health_of(resources, id));
        rank(a).cmp(&rank(b))
    });
    kept.truncate(MOST);
    order::sort_by(&mut kept, Ord::cmp);
    let mut index: BTreeMap<&ResourceId, usize> = BTreeMap::new();
    for (at, id) in kept.iter().enumerate() {
        index.insert(id, at);
    }
    let mut graph = Graph {
        needs: vec![Vec::new(); kept.len()],
        needed_by: vec![Vec::new(); kept.len()],
    };
    for (from, to) in lines {
        if let (Some(from), Some(to)) = (index.get(from), index.get(to)) {
            graph.needs[*from].push(*to);
            graph.needed_by[*to].push(*from);
        }
    }
    let entries: Vec<Arc<Entry>> = kept
        .iter()
        .filter_map(|id| resources.get(*id).cloned())
        .collect();
    let mut map = Map {
        alone,
        left_out,
        ..Map::default()
    };
    place(&graph, &entries, &mut map);
    map
}

fn health_of(resources: &BTreeMap<ResourceId, Arc<Entry>>, id: &ResourceId) -> Health {
    resources
        .get(id)
        .map_or(Health::Unknown, |entry| entry.health)
}

#[allow(clippy::cast_precision_loss, reason = "rows and columns of a drawing")]
fn place(graph: &Graph, entries: &[Arc<Entry>], map: &mut Map) {
    let columns = columns(graph);
    let mut places = vec![(0.0, 0.0); entries.len()];
    let mut y = MARGIN;
    for group in groups(graph, entries) {
        let arranged = arrange(graph, &group, &columns);
        let tallest = arranged.iter().map(Vec::len).max().unwrap_or(0);
        for (column, members) in arranged.iter().enumerate() {
            let free = (tallest - members.len()) as f64 * ROW / 2.0;
            for (row, member) in members.iter().enumerate() {
                places[*member] = (MARGIN + column as f64 * COLUMN, y + free + row as f64 * ROW);
            }
        }
        map.width = map
            .width
            .max(MARGIN * 2.0 + arranged.len() as f64 * COLUMN - (COLUMN - BOX_WIDTH));
        y += tallest as f64 * ROW - (ROW - BOX_HEIGHT) + BETWEEN_GROUPS;
    }
    map.height = if entries.is_empty() {
        0.0
    } else {
        y - BETWEEN_GROUPS + MARGIN
    };
    for (from, needs) in graph.needs.iter().enumerate() {
        for to in needs {
            map.edges.push(Edge {
                path: curve(places[from], places[*to]),
                health: entries[*to].health,
            });
        }
    }
    map.nodes = entries
        .iter()
        .zip(&places)
        .map(|(entry, (x, y))| Node {
            entry: Arc::clone(entry),
            x: *x,
            y: *y,
        })
        .collect();
}

fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let (x1, y1) = (from.0 + BOX_WIDTH, from.1 + BOX_HEIGHT / 2.0);
    let (x2, y2) = (to.0, to.1 + BOX_HEIGHT / 2.0);
    // A line of a circle runs backwards; it needs room to turn.
    let pull = if x2 > x1 { (x2 - x1) / 2.0 } else { 40.0 };
    format!(
        "M{x1:.0} {y1:.0}C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}",
        x1 + pull,
        x2 - pull
    )
}

/// The column of each: one further right than the rightmost that needs it. A circle is cut where it is first closed.
fn columns(graph: &Graph) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let count = graph.needs.len();
    let mut state = vec![State::New; count];
    let mut finished = Vec::with_capacity(count);
    let mut cut: BTreeSet<(usize, usize)> = BTreeSet::new();
    for start in 0..count {
        if state[start] != State::New {
            continue;
        }
        state[start] = State::Open;
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if let Some(to) = graph.needs[node].get(*next).copied() {
                *next += 1;
                match state[to] {
                    State::New => {
                        state[to] = State::Open;
                        path.push((to, 0));
                    }
                    State::Open => {
                        cut.insert((node, to));
                    }
                    State::Done => {}
                }
            } else {
                state[node] = State::Done;
                finished.push(node);
                path.pop();
            }
        }
    }
    let mut columns = vec![0; count];
    for node in finished.into_iter().rev() {
        for to in &graph.needs[node] {
            if !cut.contains(&(node, *to)) {
                columns[*to] = columns[*to].max(columns[node] + 1);
            }
        }
    }
    columns
}

/// What is connected, each group by itself: the one with the worst first, then the largest.
fn groups(graph: &Graph, entries: &[Arc<Entry>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; entries.len()];
    let mut groups = Vec::new();
    for start in 0..entries.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut group = vec![start];
        let mut at = 0;
        while let Some(node) = group.get(at).copied() {
            at += 1;
            for other in graph.needs[node].iter().chain(&graph.needed_by[node]) {
                if !std::mem::replace(&mut seen[*other], true) {
                    group.push(*other);
                }
            }
        }
        order::sort_by(&mut group, Ord::cmp);
        groups.push(group);
    }
    order::sort_by(&mut groups, |a: &Vec<usize>, b| {
        let key = |group: &[usize]| {
            let worst = group
                .iter()
                .map(|member| marks::health_rank(entries[*member].health))
                .min();
            (
                worst,
                std::cmp::Reverse(group.len()),
                group.first().copied(),
            )
        };
        key(a).cmp(&key(b))
    });
    groups
}

/// A group in its columns, each in an order in which few lines cross: everyone at the mean height of its neighbours.
#[allow(clippy::cast_precision_loss, reason = "rows of a drawing")]
fn arrange(graph: &Graph, group: &[usize], columns: &[usize]) -> Vec<Vec<usize>> {
    let first = group
        .iter()
        .map(|member| columns[*member])
        .min()
        .unwrap_or(0);
    let last = group
        .iter()
        .map(|member| columns[*member])
        .max()
        .unwrap_or(0);
    let mut arranged = vec![Vec::new(); last - first + 1];
    for member in group {
        arranged[columns[*member] - first].push(*member);
    }
    let mut row = vec![0.0_f64; columns.len()];
    let number = |column: &[usize], row: &mut Vec<f64>| {
        let middle = (column.len() as f64 - 1.0) / 2.0;
        for (at, member) in column.iter().enumerate() {
            row[*member] = at as f64 - middle;
        }
    };
    for column in &arranged {
        number(column, &mut row);
    }
    for turn in 0..6 {
        let forward = turn % 2 == 0;
        let order: Vec<usize> = if forward {
            (1..arranged.len()).collect()
        } else {
            (0..arranged.len().saturating_sub(1)).rev().collect()
        };
        for column in order {
            let mut members = std::mem::take(&mut arranged[column]);
            let mean = |member: usize| {
                let neighbours = if forward {
                    &graph.needed_by[member]
                } else {
                    &graph.needs[member]
                };
                if neighbours.is_empty() {
                    row[member]
                } else {
                    neighbours.iter().map(|other| row[*other]).sum::<f64>()
                        / neighbours.len() as f64
                }
            };
            order::sort_by(&mut members, |one, other| {
                mean(*one).total_cmp(&mean(*other))
            });
            number(&members, &mut row);
            arranged[column] = members;
        }
    }
    arranged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use steward_api::Resource;

    fn all(resources: Vec<Resource>) -> BTreeMap<ResourceId, Arc<Entry>> {
        resources
            .into_iter()
            .map(|resource| (resource.id.clone(), Arc::new(Entry::of(resource))))
            .collect()
    }

    fn x(map: &Map, name: &str) -> f64 {
        map.nodes
            .iter()
            .find(|node| node.entry.id.name == name)
            .map(|node| node.x)
            .unwrap()
    }

    fn stand_apart(map: &Map) {
        for (at, one) in map.nodes.iter().enumerate() {
            for other in &map.nodes[at + 1..] {
                let apart =
                    (one.x - other.x).abs() >= BOX_WIDTH || (one.y - other.y).abs() >= BOX_HEIGHT;
                assert!(apart, "{} and {} overlap", one.entry.id, other.entry.id);
            }
            assert!(one.x + BOX_WIDTH <= map.width && one.y + BOX_HEIGHT <= map.height);
            assert!(one.x >= 0.0 && one.y >= 0.0);
        }
    }

    #[test]
    fn who_needs_stands_left_of_what_is_needed() {
        let map = lay_out(
            &all(vec![
                samples::needs("web", &["api", "cache"]),
                samples::needs("api", &["db"]),
                samples::needs("cache", &[]),
                samples::needs("db", &[]),
                samples::needs("lonely", &[]),
            ]),
            &ResourceFilter::default(),
        );
        assert_eq!((map.nodes.len(), map.edges.len(), map.alone), (4, 3, 1));
        assert!(x(&map, "web") < x(&map, "api") && x(&map, "api") < x(&map, "db"));
        stand_apart(&map);
    }

    #[test]
    fn circles_and_loops_come_to_an_end() {
        let map = lay_out(
            &all(vec![
                samples::needs("a", &["b", "a"]),
                samples::needs("b", &["c"]),
                samples::needs("c", &["a", "gone"]),
            ]),
            &ResourceFilter::default(),
        );
        assert_eq!((map.nodes.len(), map.edges.len()), (3, 3));
        stand_apart(&map);
    }

    #[test]
    fn a_filter_keeps_the_neighbours_of_what_it_finds() {
        let resources = all(vec![
            samples::needs("web", &["api"]),
            samples::needs("api", &["db"]),
            samples::needs("db", &["disk"]),
            samples::needs("disk", &[]),
            samples::needs("other", &["else"]),
            samples::needs("else", &[]),
        ]);
        let filter = ResourceFilter {
            search: "container/api".to_owned(),
            ..ResourceFilter::default()
        };
        let map = lay_out(&resources, &filter);
        let names: Vec<_> = map.nodes.iter().map(|node| node.entry.id.short()).collect();
        assert_eq!(names, ["api", "db", "web"]);
    }

    #[test]
    fn groups_do_not_mix_and_the_worst_comes_first() {
        let mut sick = samples::needs("sick", &[]);
        sick.health = Health::Unhealthy;
        let map = lay_out(
            &all(vec![
                samples::needs("a", &["b"]),
                samples::needs("b", &[]),
                samples::needs("z", &["sick"]),
                sick,
            ]),
            &ResourceFilter::default(),
        );
        let y = |name: &str| {
            map.nodes
                .iter()
                .find(|node| node.entry.id.name == name)
                .unwrap()
                .y
        };
        assert!(y("sick") < y("a") && y("z") < y("b"));
        assert!(
            map.edges
                .iter()
                .any(|edge| edge.health == Health::Unhealthy)
        );
        stand_apart(&map);
    }

    #[test]
    fn a_thousand_are_laid_out_and_the_rest_is_counted() {
        let names: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
        let resources = all(names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let on: Vec<&str> = names.get(at + 1).map(String::as_str).into_iter().collect();
                samples::needs(name, if at % 3 == 2 { &[] } else { &on })
            })
            .collect());
        let map = lay_out(&resources, &ResourceFilter::default());
        assert_eq!(map.nodes.len() + map.left_out + map.alone, 1000);
        assert_eq!(map.nodes.len(), MOST);
        stand_apart(&map);
    }

    #[test]
    fn nothing_to_show_is_an_empty_map() {
        let map = lay_out(&BTreeMap::new(), &ResourceFilter::default());
        assert_eq!(map, Map::default());
    }
}
