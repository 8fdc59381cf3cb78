//! The one place that builds concrete parts and hands them to the engine. Nothing else knows what stands behind the ports.

mod advisor;
mod certificates;
mod consult;
mod embedded;
mod images;
mod scan;
mod watch;
mod web;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, bail};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use steward_api::{ContainerStatus, Resource, Role};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, Inputs, Watcher},
    engine::{self, Board, Handle, Integrations, MakeIntegrations, Parts, Settings, ViewReceiver},
    integrations::{docker, host, http, mcp, network, postgres, tls},
    ports::{Archive, Clock, Documents, Pattern, Probes, Rule, Store, StoreError},
    security,
    server::{self, Tls, Tokens, Web},
    store,
};

pub use self::certificates::{published_ports, scan_certificates};
pub use self::consult::{Consultant, Suspicion};
pub use self::embedded::Embedded;
pub use self::images::{image_scanner, image_scanner_with};
pub use self::scan::{host_addresses, own_facts, own_places, scan_edges};
pub use self::web::{TlsLook, is_misconfigured, look_at_tls};
pub use crate::ports::ScanError;

/// How the agent is to be run, besides its configuration.
#[derive(Clone, Debug, Default)]
pub struct UpOptions {
    /// Ends the agent in good order when cancelled, besides SIGINT and SIGTERM.
    pub shutdown: CancellationToken,
    /// Whether it runs inside another command, which has the terminal and handles signals itself.
    pub embedded: bool,
    /// What the configuration was loaded from, to load it anew when its file changes. Absent: it is not watched.
    pub inputs: Option<Inputs>,
}

/// The wall clock of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the clock behind the port"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What the configuration is loaded from, for this process.
pub fn inputs(file: Option<&Path>) -> Inputs {
    Inputs {
        path: file.map(Path::to_path_buf),
        env: config::variables(std::env::vars_os()),
    }
}

/// Where Steward keeps its own files.
pub fn data_dir() -> PathBuf {
    inputs(None).data_dir().unwrap_or_default()
}

/// The token of the highest role in a data directory's token file, for a command line on the same machine.
///
/// # Errors
/// Where the file can't be read or understood; never with a token in it.
pub fn local_token(dir: &Path) -> Result<Option<SecretString>, server::TokenError> {
    for role in [Role::Admin, Role::Operator, Role::Viewer] {
        if let Some(token) = server::local_token(dir, role)? {
            return Ok(Some(token));
        }
    }
    Ok(None)
}

/// Opens the database of a configuration without running an agent.
///
/// # Errors
/// Where it can't be opened as configured.
pub async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let url = database_url(config);
    let store: Arc<dyn Store> = store::open(&url, &config.data_dir).await?;
    Ok(store)
}

fn database_url(config: &Config) -> String {
    match &config.database.url {
        Some(url) => url.expose_secret().to_owned(),
        None => format!("sqlite://{}", config.data_dir.join("steward.db").display()),
    }
}

/// Runs the agent until it is told to stop.
///
/// # Errors
/// Where it can't begin: the data directory, the database, the tokens or the port; says which and what to do.
pub async fn run(config: Config, options: UpOptions) -> anyhow::Result<()> {
    let dir = config.data_dir.clone();
    make_private_dir(&dir)?;
    let _lock = lock_data_dir(&dir)?;
    let tokens =
        Tokens::open(&dir, config.admin_token.clone()).context("the API tokens can't be used")?;
    let web = web::web(&config, &tokens)?;
    let listener = TcpListener::bind(&config.server.listen).await.with_context(|| {
        format!(
            "can't listen on {}: is another program there? Choose another with STEWARD_LISTEN or `listen` under [server]",
            config.server.listen
        )
    })?;
    let address = listener.local_addr()?;
    let Started {
        handle,
        running,
        stopping,
        store,
    } = start(&config, options.inputs.clone()).await?;
    let tls = web.tls();
    let at = web::addresses(address, tls.is_some());
    let agent_file = AgentFile::write(&dir, &at.local, tls.map(Tls::cert_file))?;
    let listening = if tls.is_some() { "https" } else { "http" };
    greet(
        &config,
        &options,
        &handle,
        &format!("{listening}://{address}"),
        &web,
        || web::invitation(&web, tokens.highest(), &at.open),
    );

    let server_stop = stopping.clone();
    let serving = tokio::spawn(server::serve(listener, handle, tokens, web, async move {
        server_stop.cancelled().await
    }));
    let ended_by = wait_for_end(&options, running, &stopping).await;
    stopping.cancel();
    let served = serving.await;
    store.close().await;
    drop(agent_file);
    ended_by?;
    served
        .context("the server ended by a fault")?
        .context("the server failed")
}

/// An engine that has begun.
struct Started {
    handle: Handle,
    running: tokio::task::JoinHandle<()>,
    /// Ends it in good order when cancelled.
    stopping: CancellationToken,
    store: Arc<store::SqlStore>,
}

/// Builds the parts of a configuration and starts the engine with them. Its data directory must be locked.
async fn start(config: &Config, inputs: Option<Inputs>) -> anyhow::Result<Started> {
    let store = store::open(&database_url(config), &config.data_dir).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stopping = CancellationToken::new();
    let board = Board::new(&config.node.name, clock.now(), config.autonomy.level);
    let (config_sender, config_changes) = mpsc::channel(4);
    let (rules, patterns) = knowledge();
    let settings = Arc::new(Settings::new(config.clone(), inputs.clone()));
    let (finished_calls, model_calls) = mpsc::unbounded_channel();
    let advisor = advisor::advisor(
        config,
        Arc::clone(&clock),
        store.as_ref(),
        finished_calls,
        board.reader(),
        stopping.clone(),
    )
    .await?;
    let parts = Parts {
        settings: Arc::clone(&settings),
        integrations: integrations(
            Arc::clone(&clock),
            board.reader(),
            Arc::clone(&store) as Arc<dyn Documents>,
        ),
        clock,
        store: Arc::clone(&store) as Arc<dyn Store>,
        advisor,
        archive: Arc::clone(&store) as Arc<dyn Archive>,
        documents: Arc::clone(&store) as Arc<dyn Documents>,
        model_calls,
        rules,
        patterns,
        board,
        config_changes,
        stopping: stopping.clone(),
        config: config.clone(),
    };
    let (handle, running) = engine::start(parts)
        .await
        .map_err(|error| anyhow::Error::new(error).context("the journal can't be used"))?;
    if let Some(path) = inputs.as_ref().and_then(Inputs::file) {
        tokio::spawn(watch_config(
            path,
            settings,
            config_sender,
            stopping.clone(),
        ));
    }
    Ok(Started {
        handle,
        running,
        stopping,
        store,
    })
}

/// Waits until somebody ends the agent, then until the engine has ended in good order.
async fn wait_for_end(
    options: &UpOptions,
    mut running: tokio::task::JoinHandle<()>,
    stopping: &CancellationToken,
) -> anyhow::Result<()> {
    let embedded = options.embedded;
    tokio::select! {
        () = options.shutdown.cancelled() => {}
        signal = ended_by_signal(), if !embedded => {
            tracing::info!(signal = signal?, "told to stop; a second time ends at once");
        }
        ended = &mut running => {
            ended.context("the engine ended by a fault")?;
            bail!("the engine ended by itself");
        }
    }
    stopping.cancel();
    tokio::select! {
        ended = running => ended.context("the engine ended by a fault"),
        signal = ended_by_signal(), if !embedded => {
            bail!("ended at once by a second {}; what was under way is checked at the next start", signal?)
        }
    }
}

async fn ended_by_signal() -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" })
}

/// The rules and patterns of all integrations.
type Knowledge = (Vec<Box<dyn Rule>>, Vec<Box<dyn Pattern>>);

/// What all integrations know of their own kinds.
fn knowledge() -> Knowledge {
    let rules: Vec<Box<dyn Rule>> = vec![
        Box::new(docker::rules::EngineRule),
        Box::new(docker::rules::ContainerRule),
        Box::new(host::rules::HostRule),
        Box::new(host::rules::DiskRule),
        Box::new(host::rules::UnitRule),
        Box::new(network::rules::NetworkRule),
        Box::new(http::rules::ServiceRule),
        Box::new(postgres::rules::DatabaseRule),
        Box::new(mcp::rules::McpServerRule),
        Box::new(security::rules::ImageRule),
        Box::new(security::rules::CertificateRule),
        Box::new(security::rules::SignInRule),
        Box::new(security::rules::PortRule),
    ];
    let mut patterns = docker::catalogue::catalogue();
    patterns.extend(security::catalogue::catalogue());
    (rules, patterns)
}

/// Makes what observes and acts, for a configuration. One line here for each integration.
fn integrations(
    clock: Arc<dyn Clock>,
    view: ViewReceiver,
    documents: Arc<dyn Documents>,
) -> MakeIntegrations {
    // The engine's address can't change without a restart, so its caches outlive a change of the rest of the configuration.
    let engine: Mutex<Option<(config::Docker, Arc<docker::DockerEngine>)>> = Mutex::new(None);
    // Connections, and the programs behind some, outlive a change of the rest too.
    let servers: Mutex<Option<(config::Mcp, Arc<mcp::McpSource>)>> = Mutex::new(None);
    Box::new(move |config| {
        let mut made = Integrations {
            sources: Vec::new(),
            actuators: Vec::new(),
            probes: Probes::default(),
        };
        let mut connected_engine = None;
        if config.docker.enabled {
            let mut known = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let same = known
                .as_ref()
                .filter(|(before, _)| *before == config.docker)
                .map(|(_, engine)| Arc::clone(engine));
            let connected = match same {
                Some(engine) => Ok(engine),
                None => docker::connect(&config.docker, &config.node.name, Arc::clone(&clock)),
            };
            match connected {
                Ok(engine) => {
                    *known = Some((config.docker.clone(), Arc::clone(&engine)));
                    made.sources
                        .push(Arc::clone(&engine) as Arc<dyn crate::ports::Source>);
                    made.actuators
                        .push(Arc::clone(&engine) as Arc<dyn crate::ports::Actuator>);
                    connected_engine = Some(engine);
                }
                Err(error) => {
                    tracing::error!(error = %error, "the container engine is not watched")
                }
            }
        }
        if config.host.enabled {
            made.probes.host = Some(Arc::new(host::HostLook::default()));
            made.sources
                .push(Arc::new(host::HostSource::new(config, Arc::clone(&clock))));
        }
        if config.network.enabled {
            let network = Arc::new(network::NetworkSource::new(config, Arc::clone(&clock)));
            made.probes.names = Some(Arc::clone(&network) as Arc<dyn crate::ports::NameProbe>);
            made.sources.push(network);
        }
        let chains = Arc::new(tls::TlsProbe::default());
        made.probes.certificates =
            Some(Arc::clone(&chains) as Arc<dyn crate::ports::CertificateProbe>);
        made.actuators.push(Arc::new(host::HostActuator::new(
            config,
            Some(Arc::clone(&chains) as Arc<dyn crate::ports::ChainReader>),
        )));
        made.probes.chains = Some(chains);
        made.sources.push(Arc::new(http::HttpSource::new(
            config,
            Arc::clone(&clock),
            http_targets(view.clone()),
        )));
        let candidates = if config.databases.discover {
            postgres_candidates(view.clone())
        } else {
            Arc::new(Vec::new)
        };
        made.sources.push(Arc::new(postgres::PostgresSource::new(
            config,
            Arc::clone(&clock),
            candidates,
        )));
        let mut known = servers.lock().unwrap_or_else(PoisonError::into_inner);
        if config.mcp.servers.is_empty() {
            *known = None;
        } else {
            let same = known.take().filter(|(before, _)| *before == config.mcp);
            let source = same.map_or_else(
                || Arc::new(mcp::McpSource::new(config, Arc::clone(&clock))),
                |(_, source)| source,
            );
            *known = Some((config.mcp.clone(), Arc::clone(&source)));
            made.sources.push(source);
        }
        let chains = made.probes.chains.clone();
        made.sources.extend(watch::security_sources(
            config,
            &clock,
            &documents,
            connected_engine,
            chains,
        ));
        made
    })
}

fn containers(view: &ViewReceiver) -> Vec<Arc<Resource>> {
    view.borrow()
        .resources
        .values()
        .filter(|resource| resource.container().is_some())
        .cloned()
        .collect()
}

fn is_running(resource: &Resource) -> bool {
    resource
        .container()
        .is_some_and(|facts| facts.status == ContainerStatus::Running)
}

/// The containers of the newest picture, for those HTTP endpoints that belong to one.
fn http_targets(view: ViewReceiver) -> http::Targets {
    Arc::new(move || {
        containers(&view)
            .iter()
            .filter_map(|resource| {
                Some(http::Target {
                    container: resource.id.name.clone(),
                    health_url: resource.container()?.labels.health_url.clone(),
                    running: is_running(resource),
                })
            })
            .collect()
    })
}

/// Ports of containers behind which a PostgreSQL server may be.
fn postgres_candidates(view: ViewReceiver) -> postgres::Candidates {
    Arc::new(move || {
        let mut found = Vec::new();
        for resource in containers(&view) {
            let Some(facts) = resource.container() else {
                continue;
            };
            let ip = facts
                .addresses
                .first()
                .and_then(|address| address.parse().ok());
            let candidate = |port, published| postgres::Candidate {
                container: resource.id.name.clone(),
                image: facts.image.clone(),
                ip,
                port,
                published,
                running: is_running(&resource),
            };
            found.extend(
                facts
                    .ports
                    .iter()
                    .map(|port| candidate(port.container, port.published)),
            );
            if facts.ports.is_empty() {
                found.push(candidate(5432, None));
            }
        }
        found
    })
}

/// Has the configuration loaded anew when its file changes; the engine puts it in force or keeps the one before.
async fn watch_config(
    path: PathBuf,
    settings: Arc<Settings>,
    changes: mpsc::Sender<engine::ConfigChange>,
    stopping: CancellationToken,
) {
    let mut watcher = Watcher::new(path).await;
    loop {
        tokio::select! {
            () = watcher.changed() => {}
            () = stopping.cancelled() => return,
        }
        if !settings.reload(&changes).await {
            return;
        }
    }
}

fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| {
            format!(
                "can't make the data directory {}; choose another with STEWARD_DATA_DIR",
                dir.display()
            )
        })
}

/// One agent for one data directory: the lock is held until the file is dropped, and the kernel lets go of it even after `kill -9`.
fn lock_data_dir(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("can't open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&path).unwrap_or_default();
            bail!(
                "another agent (process {}) uses the data directory {}; stop it first, or choose another directory with STEWARD_DATA_DIR",
                pid.trim(),
                dir.display()
            )
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't lock {}", path.display()))
        }
    }
}

/// Tells the command line where the agent is; removed at its end.
struct AgentFile(PathBuf);

impl AgentFile {
    /// With the certificate's file, so that the command line on this machine knows the agent by it, whatever name it is for.
    fn write(dir: &Path, url: &str, certificate: Option<&Path>) -> anyhow::Result<Self> {
        let path = dir.join("agent.json");
        let pid = std::process::id();
        let text = match certificate {
            Some(file) => serde_json::json!({ "url": url, "pid": pid, "certificate": file }),
            None => serde_json::json!({ "url": url, "pid": pid }),
        }
        .to_string();
        let temporary = dir.join("agent.json.new");
        std::fs::write(&temporary, text)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| format!("can't write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for AgentFile {
    fn drop(&mut self) {
        // Left behind it would only lead to an address where nobody answers, which the command line says.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Says on the terminal where the agent is and what to do next.
#[allow(
    clippy::print_stdout,
    reason = "this is what a person who starts the agent reads, and scripts read the address from"
)]
fn greet(
    config: &Config,
    options: &UpOptions,
    handle: &Handle,
    url: &str,
    web: &Web,
    invitation: impl FnOnce() -> String,
) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    if options.embedded {
        return;
    }
    let autonomy = handle.view().autonomy;
    println!(
        "Steward {} looks after {}",
        env!("CARGO_PKG_VERSION"),
        config.node.name
    );
    println!("  listening  {url}");
    println!("  open       {}", invitation());
    if let Some(tls) = web.tls() {
        println!("  TLS        SHA-256 {}", tls.fingerprint());
    }
    println!("  data       {}", config.data_dir.display());
    println!("  autonomy   {autonomy}: {}", autonomy.explanation());
    println!("  look       steward status · steward incidents · steward events --follow");
    println!("  stop       Ctrl-C");
}
