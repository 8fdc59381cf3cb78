//! The screens, one file each.
//!
//! What flows through: a place in, its screen out. A screen reads the store, reads besides what no event tells, and hands on what a person
//! asks. What it never does: keep a state of the world of its own.

mod activity;
mod connection_forms;
pub(crate) mod connections;
mod incident;
mod incidents;
mod map;
mod nowhere;
mod overview;
mod resource;
mod resource_facts;
mod resource_parts;
mod resources;
mod settings;
pub(crate) mod sign_in;
mod task;
mod tasks;

use leptos::prelude::*;

use crate::{app::App, bridge, route::Route};

/// The screen of a place.
pub(crate) fn page(app: App, route: &Route) -> AnyView {
    match route {
        Route::Overview => overview::page(app),
        Route::Resources(_) => resources::page(app),
        Route::Map(_) => map::page(app),
        Route::Resource(id) => resource::page(app, id),
        Route::Incidents { past } => incidents::page(app, *past),
        Route::Incident(id) => incident::page(app, *id),
        Route::Tasks { past } => tasks::page(app, *past),
        Route::Task(id) => task::page(app, *id),
        Route::Activity(_) => activity::page(app),
        Route::Settings => settings::page(app),
        Route::Connections if bridge::is_desktop() => connections::page(app),
        Route::Connections => nowhere::page("connections"),
        Route::Nowhere(hash) => nowhere::page(hash),
    }
}
