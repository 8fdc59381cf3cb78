//! The screens, one file each.
//!
//! What flows through: a place in, its screen out. A screen reads the store, reads besides what no event tells, and hands on what a person
//! asks. What it never does: keep a state of the world of its own.

mod activity;
mod agents;
mod calls;
mod connection_forms;
mod connections;
mod conversations;
mod diagnoses;
mod incident;
mod incidents;
mod map;
mod nowhere;
mod overview;
pub(crate) mod parts;
mod resource;
mod resource_deeds;
mod resource_facts;
mod resource_parts;
mod resources;
mod security;
mod settings;
mod sign_in;
mod task;
mod tasks;

use leptos::prelude::*;

use crate::{app::App, bridge, route::Route};

/// The screen of a place.
pub(crate) fn page(app: App, route: &Route) -> AnyView {
    match route {
        Route::Overview => overview::page(app),
        Route::Resources(_) | Route::Map(_) | Route::Resource(_) => parts::inventory(app, route),
        Route::Incidents { .. }
        | Route::Incident(_)
        | Route::Tasks { .. }
        | Route::Task(_)
        | Route::Activity(_) => parts::story(app, route),
        Route::Security(_) => parts::security(app, route),
        Route::Agents(_) | Route::NewConversation { .. } | Route::Conversation(_) => {
            parts::agents(app, route)
        }
        Route::Settings => parts::settings(app),
        Route::Connections if bridge::is_desktop() => parts::connections(app),
        Route::Connections => nowhere::page("connections"),
        Route::Nowhere(hash) => nowhere::page(hash),
    }
}
