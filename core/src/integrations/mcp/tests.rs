//! Against real servers: one over HTTP made with the protocol's library, and programs that are shell scripts.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, extract::Request, http::StatusCode, middleware::Next};
use jiff::Timestamp;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool},
    service::RequestContext,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService,
        streamable_http_server::session::local::LocalSessionManager,
    },
};
use steward_api::{Facts, Health, McpServerFacts, Metric, Problem, Resource, Severity};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{McpSource, rules::McpServerRule};
use crate::{
    config::{Config, McpServer},
    ports::{Clock, Depth, Observation, ResourceHistory, Rule as _, RuleInput, Source as _},
};

struct Now;

impl Clock for Now {
    #[allow(
        clippy::disallowed_methods,
        reason = "a test's clock may be the real one"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn source(server: McpServer) -> McpSource {
    let mut config = Config::default();
    config.node.name = "atlas".to_owned();
    config.mcp.servers.push(server);
    McpSource::new(&config, Arc::new(Now))
}

fn configured(text: &str) -> McpServer {
    toml::from_str(&format!("name = \"pantry\"\ntimeout = \"30s\"\n{text}")).unwrap()
}

async fn observed(source: &McpSource) -> Observation {
    source.observe(Depth::Cycle).await.unwrap()
}

async fn read(source: &McpSource) -> Resource {
    let mut observation = observed(source).await;
    assert_eq!(observation.resources.len(), 1);
    observation.resources.remove(0)
}

fn facts(resource: &Resource) -> &McpServerFacts {
    match &resource.facts {
        Facts::McpServer(facts) => facts,
        other => panic!("{other:?}"),
    }
}

// ---------------------------------------------------------------------------------------------------------------- over HTTP

/// A server with two tools, or one that can't list them.
#[derive(Clone, Default)]
struct Pantry {
    fails: Arc<AtomicBool>,
}

impl ServerHandler for Pantry {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(ErrorData::internal_error(
                "the shelf is\nlocked password=hunter2",
                None,
            ));
        }
        let tool = |name: &'static str| Tool::new(name, "", rmcp::model::JsonObject::new());
        // The longest that a client may keep an answer: it must not be taken for what is so now.
        Ok(
            ListToolsResult::with_all_items(vec![tool("find_jam"), tool("count_jars")])
                .with_ttl_ms(3_600_000),
        )
    }
}

/// The server at this address of loopback; port 0 takes a free one. Wants this token, where one is given.
async fn serving(
    pantry: Pantry,
    port: u16,
    token: Option<&'static str>,
) -> (SocketAddr, JoinHandle<()>) {
    let service = StreamableHttpService::new(
        move || Ok(pantry.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let guard = move |request: Request, next: Next| async move {
        let given = request.headers().get("authorization").cloned();
        let wanted = token.map(|token| format!("Bearer {token}"));
        match wanted {
            Some(wanted) if given.is_none_or(|given| given != wanted) => {
                Err((StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")]))
            }
            _ => Ok(next.run(request).await),
        }
    };
    let router = Router::new()
        .route_service("/mcp", service)
        .layer(axum::middleware::from_fn(guard));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, task)
}

#[tokio::test]
async fn a_server_over_http_is_known_lost_and_found_again() {
    let (address, task) = serving(Pantry::default(), 0, None).await;
    let source = source(configured(&format!(
        "url = \"http://user:pw@{address}/mcp?key=s3cret\"\ncontainer = \"kitchen\""
    )));
    let well = read(&source).await;
    assert_eq!(well.health, Health::Healthy, "{well:#?}");
    assert_eq!(well.id.to_string(), "atlas/mcp_server/pantry");
    assert_eq!(well.depends_on[0].on.to_string(), "atlas/container/kitchen");
    let known = facts(&well);
    assert_eq!(known.address, format!("http://{address}/mcp"));
    assert_eq!(known.reachable, Some(true));
    assert_eq!(
        (known.tool_count, known.tools.join(",")),
        (Some(2), "count_jars,find_jam".to_owned())
    );
    assert!(
        known
            .protocol
            .as_deref()
            .is_some_and(|version| version.starts_with("202"))
    );
    assert!(known.server_name.is_some());
    assert!(well.metrics[&Metric::LatencyMs] > 0.0);

    task.abort();
    let _ = task.await;
    let lost = read(&source).await;
    assert_eq!(lost.health, Health::Unhealthy, "{lost:#?}");
    assert_eq!(
        (facts(&lost).reachable, facts(&lost).tool_count),
        (Some(false), None)
    );
    assert!(
        !lost.reason.is_empty() && !lost.reason.contains("s3cret"),
        "{}",
        lost.reason
    );
    assert!(observed(&source).await.recheck_in.is_some());

    let (_, again) = serving(Pantry::default(), address.port(), None).await;
    let found = read(&source).await;
    assert_eq!(found.health, Health::Healthy, "{found:#?}");
    again.abort();
}

#[tokio::test]
async fn a_list_that_fails_is_told_apart_from_no_answer_and_not_taken_from_a_cache() {
    let pantry = Pantry::default();
    let (address, task) = serving(pantry.clone(), 0, None).await;
    let source = source(configured(&format!("url = \"http://{address}/mcp\"")));
    assert_eq!(read(&source).await.health, Health::Healthy);
    pantry.fails.store(true, Ordering::SeqCst);
    let failing = read(&source).await;
    assert_eq!(failing.health, Health::Unhealthy, "{failing:#?}");
    assert_eq!(facts(&failing).reachable, Some(true));
    assert!(
        failing.reason.contains("the shelf is locked"),
        "{}",
        failing.reason
    );
    assert!(!failing.reason.contains("hunter2"), "{}", failing.reason);
    pantry.fails.store(false, Ordering::SeqCst);
    assert_eq!(read(&source).await.health, Health::Healthy);
    task.abort();
}

#[tokio::test]
async fn a_token_is_read_from_its_file_each_time_and_never_shown() {
    let (address, task) = serving(Pantry::default(), 0, Some("s3cret-token")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let given = format!(
        "url = \"http://{address}/mcp\"\ntoken_file = \"{}\"",
        file.display()
    );
    let source = source(configured(&given));
    let observation = observed(&source).await;
    assert_eq!(observation.resources[0].health, Health::Unknown);
    assert!(
        observation.unreadable[0].error.contains("token"),
        "{observation:?}"
    );
    std::fs::write(&file, "an-old-one\n").unwrap();
    let refused = read(&source).await;
    assert_eq!(refused.health, Health::Unhealthy);
    assert!(refused.reason.contains("401"), "{}", refused.reason);
    std::fs::write(&file, "s3cret-token\n").unwrap();
    let well = read(&source).await;
    assert_eq!(well.health, Health::Healthy, "{well:#?}");
    assert!(!format!("{well:?}").contains("s3cret-token"));
    task.abort();
}

// ---------------------------------------------------------------------------------------------------------------- programs

/// A server in a shell: answers the handshake and lists one tool, whose name holds a variable of its environment.
const SCRIPT: &str = r#"
sleep 1000 &
echo "$$ $!" >> "$PIDS"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"shell\",\"version\":\"1\"}}}";;
    *'"tools/list"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"tool_$NAME$LEAK\",\"inputSchema\":{\"type\":\"object\"}}]}}";;
    *'"id":'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":-32601,\"message\":\"no such method\"}}";;
  esac
done
"#;

struct Shell {
    folder: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn pids(&self) -> PathBuf {
        self.folder.path().join("pids")
    }

    fn server(&self, script: &str) -> McpServer {
        let mut server = configured("command = \"sh\"");
        server.args = vec!["-c".to_owned(), script.to_owned()];
        let pids = self.pids().display().to_string();
        server.env.insert("PIDS".to_owned(), pids.into());
        server
            .env
            .insert("NAME".to_owned(), "jam".to_owned().into());
        server
    }

    /// Every process that was started so far.
    fn started(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.pids()).unwrap_or_default();
        text.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }
}

/// Whether a process runs; one that has ended and waits to be counted does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).is_ok_and(
        |stat| {
            !stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .trim_start()
                .starts_with('Z')
        },
    )
}

async fn ended(pids: &[u32]) {
    let begin = Instant::now();
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{pids:?} were left behind"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_started_once_again_after_its_end_and_never_left_behind() {
    let shell = Shell::new();
    let source = source(shell.server(SCRIPT));
    let well = read(&source).await;
    assert_eq!(well.health, Health::Healthy, "{well:#?}");
    let known = facts(&well);
    assert_eq!(
        (known.address.as_str(), known.tools.join(",").as_str()),
        ("sh", "tool_jam")
    );
    assert_eq!(
        (known.protocol.as_deref(), known.server_name.as_deref()),
        (Some("2025-06-18"), Some("shell"))
    );
    let first = shell.started();
    assert_eq!(read(&source).await.health, Health::Healthy);
    assert_eq!(shell.started(), first, "it is kept");

    let pid = rustix::process::Pid::from_raw(i32::try_from(first[0]).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let again = read(&source).await;
    assert_eq!(again.health, Health::Healthy, "{again:#?}");
    assert!(shell.started().len() > first.len());
    ended(&first).await;

    drop(source);
    ended(&shell.started()).await;
}

/// A server that ends as soon as it is asked for its tools for the second time, while what it started holds its output open.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_instead_of_answering_is_not_waited_for() {
    let shell = Shell::new();
    let script = SCRIPT.replace(
        "while read -r line; do",
        "while read -r line; do case \"$line\" in *tools/list*) [ -e \"$PIDS.asked\" ] && rm \"$PIDS.asked\" && kill -9 $$; touch \"$PIDS.asked\";; esac",
    );
    let source = source(shell.server(&script));
    assert_eq!(read(&source).await.health, Health::Healthy);
    let first = shell.started();
    let begin = Instant::now();
    let again = read(&source).await;
    assert_eq!(again.health, Health::Healthy, "{again:#?}");
    assert!(
        shell.started().len() > first.len() && begin.elapsed() < Duration::from_secs(25),
        "it was waited for until the limit"
    );
    drop(source);
    ended(&shell.started()).await;
}

#[test]
fn a_program_ends_with_the_runtime_too() {
    let shell = Shell::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let source = source(shell.server(SCRIPT));
    assert_eq!(runtime.block_on(read(&source)).health, Health::Healthy);
    // As at the end of the agent: first the tasks, then what they held.
    let held = runtime.spawn(async move {
        std::future::pending::<()>().await;
        drop(source);
    });
    runtime.shutdown_timeout(Duration::from_millis(500));
    drop(held);
    let begin = Instant::now();
    while shell.started().iter().any(|pid| runs(*pid)) {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "it was left behind"
        );
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_can_not_serve_says_why() {
    let missing = source(configured("command = \"steward-no-such-program\""));
    let missing = read(&missing).await;
    assert_eq!(missing.health, Health::Unhealthy);
    assert!(
        missing.reason.contains("steward-no-such-program"),
        "{}",
        missing.reason
    );

    let shell = Shell::new();
    let broken =
        source(shell.server("echo 'no module named pantry, password=hunter2' >&2; exit 3"));
    let broken = read(&broken).await;
    assert!(
        broken.reason.contains("code 3") && broken.reason.contains("no module named pantry"),
        "{}",
        broken.reason
    );
    assert!(!broken.reason.contains("hunter2"), "{}", broken.reason);

    let mut silent = shell.server("echo $$ >> \"$PIDS\"; exec sleep 1000");
    silent.timeout = crate::config::Span::from_millis(500);
    let silent_source = source(silent);
    let silent = read(&silent_source).await;
    assert!(
        silent.reason.contains("no answer within 0.5 s"),
        "{}",
        silent.reason
    );
    drop(silent_source);
    ended(&shell.started()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sees_nothing_of_the_agents_environment_but_what_it_is_given() {
    let shell = Shell::new();
    // Every test has CARGO_MANIFEST_DIR.
    let script = SCRIPT.replace("$LEAK", "${CARGO_MANIFEST_DIR:+_leaks}");
    let kept = read(&source(shell.server(&script))).await;
    assert_eq!(facts(&kept).tools, ["tool_jam"], "{kept:#?}");
    let mut passing = shell.server(&script);
    passing.pass_env = vec!["CARGO_MANIFEST_DIR".to_owned()];
    let passed = read(&source(passing)).await;
    assert_eq!(facts(&passed).tools, ["tool_jam_leaks"], "{passed:#?}");
    ended(&shell.started()).await;
}

// ---------------------------------------------------------------------------------------------------------------- rules

#[test]
fn one_lost_answer_is_no_incident_and_a_failing_list_is_the_milder_one() {
    let config = Config::default();
    let judge = |reachable, failing| {
        let resource = Resource {
            id: "atlas/mcp_server/pantry".parse().unwrap(),
            health: Health::Unhealthy,
            reason: "connection refused".to_owned(),
            depends_on: Vec::new(),
            runs_on: None,
            facts: Facts::McpServer(McpServerFacts {
                reachable: Some(reachable),
                ..McpServerFacts::default()
            }),
            metrics: Default::default(),
            read_at: Now.now(),
        };
        let history = ResourceHistory {
            failing_readings: failing,
            ..ResourceHistory::default()
        };
        McpServerRule.judge(&RuleInput {
            resource: &resource,
            history: &history,
            thresholds: &config.thresholds,
            is_needed: false,
            is_awaited_job: false,
            now: Now.now(),
        })
    };
    assert!(judge(false, 1).unknown && judge(false, 1).suspicions.is_empty());
    let lost = judge(false, 2).suspicions.remove(0);
    assert_eq!(
        (lost.problem, lost.severity),
        (Problem::McpServerUnreachable, Severity::Unhealthy)
    );
    assert!(
        lost.summary
            .contains("pantry does not answer: connection refused"),
        "{}",
        lost.summary
    );
    let failing = judge(true, 2).suspicions.remove(0);
    assert_eq!(
        (failing.problem, failing.severity),
        (Problem::McpToolsFailing, Severity::Degraded)
    );
}
