//! What was read of a resource, by its kind, as facts with names.

use leptos::prelude::*;
use steward_api::{
    CertificateFacts, ContainerFacts, ContainerHealth, ContainerStatus, DatabaseFacts, EngineFacts,
    Facts, HostFacts, ImageFacts, McpServerFacts, PortFacts, Resource, ResourceId, RestartPolicy,
    SignInFacts,
};

use crate::{
    app::App, bridge::browser, components::text, filter::SecurityFilter, format, route::Route,
    words::security,
};

/// A fact of plain text.
fn plain(name: &'static str, value: impl Into<String>) -> AnyView {
    text::fact(name, value.into())
}

/// A link to a resource.
pub(super) fn link(id: &ResourceId) -> AnyView {
    view! { <a href=Route::Resource(id.clone()).hash()>{id.short().to_owned()}</a> }.into_any()
}

/// Every fact of a resource.
pub(super) fn facts(app: App, resource: &Resource) -> Vec<AnyView> {
    let mut rows = vec![
        text::fact("Read", text::ago(app.store, resource.read_at)),
        plain("Node", resource.id.node.clone()),
    ];
    if let Some(on) = &resource.runs_on {
        rows.push(text::fact("Runs on", link(on)));
    }
    match &resource.facts {
        Facts::Host(host) => of_host(host, &mut rows),
        Facts::Engine(engine) => of_engine(engine, &mut rows),
        Facts::Container(container) => of_container(app, container, &mut rows),
        Facts::Disk(disk) => {
            rows.push(plain("File system", disk.file_system.clone()));
            rows.push(plain("Device", disk.device.clone()));
            rows.push(plain("Size", format::byte_count(disk.total_bytes)));
            rows.push(plain("Available", format::byte_count(disk.available_bytes)));
        }
        Facts::Unit { description } => rows.push(plain("Description", description.clone())),
        Facts::Network(network) => {
            rows.push(plain("Reached", listed(&network.reached)));
            rows.push(plain("Not reached", listed(&network.failed)));
        }
        Facts::Service(service) => {
            rows.push(plain("Address", service.url.clone()));
            rows.extend(
                service
                    .status
                    .map(|status| plain("HTTP status", status.to_string())),
            );
            rows.extend(service.error.clone().map(|error| plain("Error", error)));
            rows.extend(
                service
                    .container
                    .as_ref()
                    .map(|container| text::fact("Container", link(container))),
            );
        }
        Facts::Database(database) => of_database(database, &mut rows),
        Facts::McpServer(server) => of_mcp_server(server, &mut rows),
        Facts::Image(image) => of_image(app, image, &mut rows),
        Facts::Certificate(certificate) => of_certificate(certificate, &mut rows),
        Facts::SignIn(sign_in) => of_sign_in(sign_in, &mut rows),
        Facts::Port(port) => of_port(app, port, &mut rows),
    }
    rows
}

fn of_mcp_server(server: &McpServerFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Address", server.address.clone()));
    let answers = match server.reachable {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not known",
    };
    rows.push(plain("Answers", answers));
    let called = match (&server.server_name, &server.server_version) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        (Some(name), None) => Some(name.clone()),
        (None, _) => None,
    };
    rows.extend(called.map(|name| plain("Calls itself", name)));
    rows.extend(
        server
            .protocol
            .clone()
            .map(|version| plain("Protocol", version)),
    );
    let tools = server.tool_count.map_or_else(
        || "could not be listed".to_owned(),
        |number| format::count(number, "tool"),
    );
    rows.push(plain("Offers", tools));
    if !server.tools.is_empty() {
        rows.push(plain("Tools", listed(&server.tools)));
    }
    rows.extend(server.error.clone().map(|error| plain("Error", error)));
}

fn of_image(app: App, image: &ImageFacts, rows: &mut Vec<AnyView>) {
    let links = |ids: &[ResourceId]| ids.iter().map(link).collect::<Vec<_>>();
    rows.push(plain("Image", image.image.clone()));
    rows.push(plain(
        "Id",
        format::short_hash(image.image_id.trim_start_matches("sha256:")),
    ));
    rows.push(text::fact(
        "Run by",
        view! { <span class="tools">{links(&image.containers)}</span> },
    ));
    rows.push(text::fact(
        "Matched",
        image.scanned_at.map_or_else(
            || "not yet, or it failed".into_any(),
            |at| text::ago(app.store, at),
        ),
    ));
    rows.push(plain(
        "Packages",
        format::grouped(u64::from(image.packages)),
    ));
    rows.push(plain("Vulnerabilities", security::by_severity(image)));
    rows.extend(
        image
            .worst
            .iter()
            .map(|one| plain("Worst", security::brief(one))),
    );
    rows.extend(image.gaps.iter().map(|gap| plain("Not read", gap.clone())));
    rows.push(to_security());
}

fn of_certificate(certificate: &CertificateFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Place", certificate.place.clone()));
    if !certificate.also_at.is_empty() {
        rows.push(plain("Also at", listed(&certificate.also_at)));
    }
    rows.extend(
        certificate
            .shown_by
            .as_ref()
            .map(|by| text::fact("Shown by", link(by))),
    );
    rows.push(plain("For", listed(&certificate.names)));
    rows.push(plain("Subject", certificate.subject.clone()));
    rows.push(plain("Ends", browser::exact(certificate.not_after)));
    rows.extend(
        certificate
            .faults
            .iter()
            .map(|(_, words)| plain("Wrong", words.clone())),
    );
    rows.push(plain("SHA-256", certificate.fingerprint.clone()));
    rows.push(to_security());
}

fn of_sign_in(sign_in: &SignInFacts, rows: &mut Vec<AnyView>) {
    rows.push(text::fact("Logged by", link(&sign_in.logged_by)));
    rows.push(plain(
        "Failures",
        format!("{} within the last day", format::grouped(sign_in.failures)),
    ));
    rows.push(plain("From", format::count(sign_in.sources, "source")));
    rows.extend(
        sign_in
            .worst
            .iter()
            .map(|source| plain("Source", security::source_in_short(source))),
    );
    rows.push(to_security());
}

fn of_port(app: App, port: &PortFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Port", format!("{}/{}", port.port, port.transport)));
    let addresses: Vec<String> = port.addresses.iter().map(security::address).collect();
    rows.push(plain("Open on", listed(&addresses)));
    rows.extend(
        port.program
            .clone()
            .map(|program| plain("Program", program)),
    );
    rows.extend(port.container.as_ref().map(|(container, inside)| {
        text::fact(
            "Published by",
            view! { {link(container)} {format!(", its port {inside}")} },
        )
    }));
    rows.push(plain(
        "Expected",
        port.expected.clone().unwrap_or_else(|| "no".to_owned()),
    ));
    rows.extend(
        port.first_seen
            .map(|at| text::fact("First seen", text::ago(app.store, at))),
    );
    rows.push(to_security());
}

/// Where the whole of what was found is to be seen.
fn to_security() -> AnyView {
    text::fact(
        "More",
        view! { <a href=Route::Security(SecurityFilter::default()).hash()>"Security"</a> },
    )
}

fn listed(all: &[String]) -> String {
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

fn of_host(host: &HostFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("System", host.system.clone()));
    rows.push(plain(
        "Processors",
        format::count(u64::from(host.cores), "core"),
    ));
    rows.push(plain("Memory", format::byte_count(host.memory_total_bytes)));
    let [one, five, fifteen] = host.load;
    rows.push(plain(
        "Load",
        format!("{one:.2} over 1 min, {five:.2} over 5 min, {fifteen:.2} over 15 min"),
    ));
    rows.push(plain("Up for", format::seconds(host.uptime_seconds)));
    if !host.top_processes.is_empty() {
        let rows_of: Vec<AnyView> = host
            .top_processes
            .iter()
            .map(|process| {
                view! {
                    <li>
                        {format!(
                            "{} ({}): {} CPU, {}",
                            process.name,
                            process.pid,
                            format::percent(process.cpu_percent),
                            format::byte_count(process.memory_bytes),
                        )}
                    </li>
                }
                .into_any()
            })
            .collect();
        rows.push(text::fact(
            "Heaviest",
            view! { <ul class="plain">{rows_of}</ul> }.into_any(),
        ));
    }
}

fn of_engine(engine: &EngineFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Version", engine.version.clone()));
    rows.push(plain("API", engine.api_version.clone()));
    rows.push(plain("Reached at", engine.endpoint.clone()));
    rows.extend(engine.error.clone().map(|error| plain("Error", error)));
    for (name, bytes) in [
        ("Images", engine.images_bytes),
        ("Images without a tag", engine.dangling_images_bytes),
        ("Volumes", engine.volumes_bytes),
        ("Build cache", engine.build_cache_bytes),
    ] {
        rows.push(plain(
            name,
            bytes.map_or_else(|| "not read yet".to_owned(), format::byte_count),
        ));
    }
}

const fn status(status: ContainerStatus) -> &'static str {
    match status {
        ContainerStatus::Created => "created",
        ContainerStatus::Running => "running",
        ContainerStatus::Paused => "paused",
        ContainerStatus::Restarting => "restarting",
        ContainerStatus::Removing => "being removed",
        ContainerStatus::Exited => "ended",
        ContainerStatus::Dead => "dead",
        ContainerStatus::Unknown => "unknown",
    }
}

const fn health_check(facts: &ContainerFacts) -> &'static str {
    match facts.health {
        ContainerHealth::None if facts.has_health_check => "not run yet",
        ContainerHealth::None => "it has none",
        ContainerHealth::Starting => "starting",
        ContainerHealth::Healthy => "passes",
        ContainerHealth::Unhealthy => "fails",
    }
}

fn restart_policy(policy: RestartPolicy) -> String {
    match policy {
        RestartPolicy::No => "never".to_owned(),
        RestartPolicy::OnFailure { max_retries: 0 } => "on failure, without end".to_owned(),
        RestartPolicy::OnFailure { max_retries } => {
            format!(
                "on failure, at most {}",
                format::count(u64::from(max_retries), "time")
            )
        }
        RestartPolicy::Always => "always".to_owned(),
        RestartPolicy::UnlessStopped => "unless stopped".to_owned(),
    }
}

fn of_container(app: App, facts: &ContainerFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Image", facts.image.clone()));
    if let Some(compose) = &facts.compose {
        rows.push(plain(
            "Compose",
            format!("{}, service {}", compose.project, compose.service),
        ));
    }
    rows.push(plain("Engine says", status(facts.status)));
    rows.push(plain("Health check", health_check(facts)));
    rows.extend(
        facts
            .health_output
            .clone()
            .map(|said| plain("It said", said)),
    );
    rows.extend(
        facts
            .exit_code
            .map(|code| plain("Exit code", code.to_string())),
    );
    if facts.oom_killed {
        rows.push(plain(
            "Memory",
            "the kernel killed something in it for memory",
        ));
    }
    rows.extend(facts.error.clone().map(|error| plain("Start error", error)));
    rows.push(plain(
        "Restart policy",
        restart_policy(facts.restart_policy),
    ));
    if facts.restart_count > 0 {
        rows.push(plain(
            "Restarted",
            format!(
                "{} by the engine",
                format::count(facts.restart_count, "time")
            ),
        ));
    }
    for (name, at) in [
        ("Started", facts.started_at),
        ("Ended", facts.finished_at),
        ("Made", facts.created_at),
    ] {
        rows.extend(at.map(|at| text::fact(name, text::ago(app.store, at))));
    }
    rows.push(plain(
        "Memory limit",
        facts
            .memory_limit_bytes
            .map_or_else(|| "none".to_owned(), format::byte_count),
    ));
    rows.push(plain(
        "CPU limit",
        facts
            .cpu_limit_cores
            .map_or_else(|| "none".to_owned(), |cores| format!("{cores} cores")),
    ));
    if !facts.ports.is_empty() {
        let ports: Vec<String> = facts
            .ports
            .iter()
            .map(|port| match (&port.published_on, port.published) {
                (Some(on), Some(published)) => format!("{on}:{published} → {}", port.container),
                (None, Some(published)) => format!("{published} → {}", port.container),
                _ => port.container.to_string(),
            })
            .collect();
        rows.push(plain("Ports", ports.join(", ")));
    }
    if !facts.addresses.is_empty() {
        rows.push(plain("Addresses", facts.addresses.join(", ")));
    }
    rows.push(text::fact(
        "Engine id",
        view! { <code title=facts.container_id.clone()>{format::short_hash(&facts.container_id)}</code> }
            .into_any(),
    ));
}

fn of_database(database: &DatabaseFacts, rows: &mut Vec<AnyView>) {
    rows.push(plain("Engine", database.engine.clone()));
    rows.push(plain("Address", database.address.clone()));
    rows.extend(
        database
            .version
            .clone()
            .map(|version| plain("Version", version)),
    );
    rows.push(plain(
        "Answers",
        match database.connected {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        },
    ));
    if let (Some(used), Some(most)) = (database.connections_used, database.connections_max) {
        rows.push(plain("Connections", format!("{used} of {most} in use")));
    }
    rows.extend(database.error.clone().map(|error| plain("Error", error)));
    rows.extend(
        database
            .container
            .as_ref()
            .map(|container| text::fact("Container", link(container))),
    );
}

/// The labels that Steward heeds on a container, and those that it could not understand.
pub(super) fn labels(facts: &ContainerFacts) -> AnyView {
    let labels = &facts.labels;
    let mut rows = Vec::new();
    if labels.critical {
        rows.push(plain(
            "steward.critical",
            "its failure is critical and comes first",
        ));
    }
    if let Some(allowed) = labels.auto_restart {
        rows.push(plain(
            "steward.auto_restart",
            if allowed {
                "may be restarted without asking"
            } else {
                "is never restarted without asking"
            },
        ));
    }
    if let Some(most) = labels.max_restarts_per_hour {
        rows.push(plain("steward.max_restarts_per_hour", most.to_string()));
    }
    if let Some(url) = &labels.health_url {
        rows.push(plain("steward.health_url", url.clone()));
    }
    if !labels.depends_on.is_empty() {
        rows.push(plain("steward.depends_on", labels.depends_on.join(", ")));
    }
    if labels.ignore {
        rows.push(plain("steward.ignore", "is not looked after"));
    }
    for refused in &labels.refused {
        rows.push(
            view! {
                <div class="fact tone-warn">
                    <dt>"Not understood"</dt>
                    <dd>{refused.clone()}</dd>
                </div>
            }
            .into_any(),
        );
    }
    if rows.is_empty() {
        return text::empty(
            "No label of Steward's is set.",
            "Labels such as steward.critical or steward.auto_restart set what holds for this container alone.",
        );
    }
    view! { <dl class="facts" data-testid="labels">{rows}</dl> }.into_any()
}
