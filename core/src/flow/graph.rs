//! The graph of resources: what runs on what, what depends on what. Pure.
//!
//! Made from a set of resources, then only asked. It never holds more than the edges.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use steward_api::{DependencyCondition, Resource, ResourceId};

/// The edges between resources, both ways.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// What each needs: its dependencies (but jobs that ran to their end), then what it runs on.
    needs: BTreeMap<ResourceId, Vec<ResourceId>>,
    /// Who needs each.
    needed_by: BTreeMap<ResourceId, Vec<ResourceId>>,
    /// Jobs that others wait for.
    awaited_jobs: BTreeSet<ResourceId>,
}

impl Graph {
    /// The graph of these resources.
    pub fn of(resources: &BTreeMap<ResourceId, Arc<Resource>>) -> Self {
        let mut graph = Self::default();
        for resource in resources.values() {
            for dependency in &resource.depends_on {
                if dependency.condition == DependencyCondition::Completed {
                    graph.awaited_jobs.insert(dependency.on.clone());
                } else {
                    graph.edge(&resource.id, &dependency.on);
                }
            }
            if let Some(base) = &resource.runs_on {
                graph.edge(&resource.id, base);
            }
        }
        graph
    }

    fn edge(&mut self, from: &ResourceId, to: &ResourceId) {
        if from != to {
            self.needs.entry(from.clone()).or_default().push(to.clone());
            self.needed_by
                .entry(to.clone())
                .or_default()
                .push(from.clone());
        }
    }

    /// What a resource needs directly.
    pub fn needs(&self, resource: &ResourceId) -> &[ResourceId] {
        self.needs.get(resource).map_or(&[], Vec::as_slice)
    }

    /// Who needs a resource directly.
    pub fn needed_by(&self, resource: &ResourceId) -> &[ResourceId] {
        self.needed_by.get(resource).map_or(&[], Vec::as_slice)
    }

    /// Whether others wait for it to run to its end.
    pub fn is_awaited_job(&self, resource: &ResourceId) -> bool {
        self.awaited_jobs.contains(resource)
    }

    /// All that a resource needs, nearest first; itself not included. Circles are walked once.
    pub fn upstream(&self, resource: &ResourceId) -> Vec<ResourceId> {
        Self::walk(resource, |id| self.needs(id))
    }

    /// All that need a resource, nearest first; itself not included. Circles are walked once.
    pub fn downstream(&self, resource: &ResourceId) -> Vec<ResourceId> {
        Self::walk(resource, |id| self.needed_by(id))
    }

    fn walk<'a>(
        start: &ResourceId,
        next: impl Fn(&ResourceId) -> &'a [ResourceId],
    ) -> Vec<ResourceId> {
        let mut seen = BTreeSet::from([start.clone()]);
        let mut queue: VecDeque<_> = next(start).iter().collect();
        let mut found = Vec::new();
        while let Some(id) = queue.pop_front() {
            if seen.insert(id.clone()) {
                found.push(id.clone());
                queue.extend(next(id));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ResourceId {
        ResourceId::container("n", name)
    }

    #[test]
    fn circles_end() {
        let mut graph = Graph::default();
        graph.edge(&id("a"), &id("b"));
        graph.edge(&id("b"), &id("c"));
        graph.edge(&id("c"), &id("a"));
        assert_eq!(graph.upstream(&id("a")), [id("b"), id("c")]);
        assert_eq!(graph.downstream(&id("a")), [id("c"), id("b")]);
    }
}
