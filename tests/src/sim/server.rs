//! The simulated engine's two sockets: the engine's interface over HTTP, and commands as lines of JSON.
//!
//! What flows through: requests in, the answers of `answers` over the state of `state` out. One thread serves everything, as it never waits.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::{
    Command, Mood, Reply, answers, now_ns,
    state::{Engine, LABEL, SimEvent, index_of},
};

type Shared = Arc<Mutex<Engine>>;
type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The newest version of the interface that it knows.
const API: (u32, u32) = (1, 41);

/// Serves until the process ends.
///
/// # Errors
/// Where a socket can't be bound.
pub async fn serve(engine: &Path, control: &Path, count: u32) -> Result<()> {
    let shared: Shared = Arc::new(Mutex::new(Engine::new(count)));
    let requests = UnixListener::bind(engine)?;
    let commands = UnixListener::bind(control)?;
    loop {
        tokio::select! {
            accepted = requests.accept() => {
                tokio::spawn(one_client(accepted?.0, Arc::clone(&shared)));
            }
            accepted = commands.accept() => {
                tokio::spawn(one_commander(accepted?.0, Arc::clone(&shared)));
            }
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Engine> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn one_client(stream: UnixStream, shared: Shared) {
    if lock(&shared).mood == Mood::Refusing {
        return;
    }
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, shared).await }
    });
    // A client that goes away in the middle of an answer is everyday life.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn one_commander(stream: UnixStream, shared: Shared) {
    let (read, mut write) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str(&line) {
            Ok(command) => obey(&mut lock(&shared), command),
            Err(error) => Reply::Refused(error.to_string()),
        };
        let mut text = serde_json::to_string(&reply).unwrap_or_default();
        text.push('\n');
        if write.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn obey(engine: &mut Engine, command: Command) -> Reply {
    let done = |result: Result<i64, String>| match result {
        Ok(at) => Reply::Done(at),
        Err(reason) => Reply::Refused(reason),
    };
    match command {
        Command::Die { index, code, oom } => done(engine.die(index, code, oom)),
        Command::Health { index, healthy } => done(engine.set_health(index, healthy)),
        Command::StartsFail { index, code } => done(engine.get(index).map(|one| {
            one.fails_with = code;
            now_ns()
        })),
        Command::Use {
            index,
            memory_percent,
            cpu_percent,
        } => {
            // What was used so far was used at the old pace.
            let used = engine.cpu_used(index);
            done(used.and_then(|_| engine.get(index)).map(|one| {
                one.memory_percent = u8::try_from(memory_percent).unwrap_or(u8::MAX);
                one.cpu_percent = u16::try_from(cpu_percent).unwrap_or(u16::MAX);
                now_ns()
            }))
        }
        Command::Mood(mood) => {
            engine.mood = mood;
            if mood != Mood::Well {
                engine.disconnect();
            }
            Reply::Done(now_ns())
        }
        Command::DropEvents(drop_them) => {
            engine.drop_events = drop_them;
            Reply::Done(now_ns())
        }
        Command::Disconnect => {
            engine.disconnect();
            Reply::Done(now_ns())
        }
        Command::RestartTakes(milliseconds) => {
            engine.restart_takes_ms = milliseconds;
            Reply::Done(now_ns())
        }
        Command::Deeds { since } => {
            Reply::Deeds(engine.deeds.get(since..).unwrap_or_default().to_vec())
        }
        Command::Look { index } => match engine.look(index) {
            Ok(look) => Reply::Look(look),
            Err(reason) => Reply::Refused(reason),
        },
        Command::Counts => Reply::Counts(engine.counts),
    }
}

fn reply(shared: &Shared, status: StatusCode, kind: &str, text: String) -> Response<Body> {
    lock(shared).counts.bytes += text.len() as u64;
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", kind),
        ("api-version", "1.41"),
        ("ostype", "linux"),
        ("server", "Docker/20.10.24 (linux)"),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    response
}

fn json(shared: &Shared, text: String) -> Response<Body> {
    reply(shared, StatusCode::OK, "application/json", text)
}

fn refuse(shared: &Shared, status: StatusCode, message: &str) -> Response<Body> {
    let text = serde_json::json!({ "message": message }).to_string();
    reply(shared, status, "application/json", text)
}

async fn answer(
    request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Body>, std::io::Error> {
    let mood = lock(&shared).mood;
    match mood {
        Mood::Well => {}
        Mood::Refusing => return Err(std::io::Error::other("refusing")),
        Mood::Failing => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(refuse(&shared, status, "the simulated engine is failing"));
        }
        Mood::Hung => {
            while lock(&shared).mood == Mood::Hung {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let query = query_of(request.uri().query().unwrap_or_default());
    let path = request.uri().path().to_owned();
    let mut parts: VecDeque<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let version = parts.front().and_then(|part| part.strip_prefix('v'));
    if let Some(version) = version.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        let asked = version
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if asked.is_none_or(|asked: (u32, u32)| asked > API) {
            let message = format!(
                "client version {version} is too new. Maximum supported API version is {}.{}",
                API.0, API.1
            );
            return Ok(refuse(&shared, StatusCode::BAD_REQUEST, &message));
        }
        parts.pop_front();
    }
    let method = request.method().clone();
    let body = request.into_body().collect().await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let parts: Vec<&str> = parts.into();
    Ok(match (&method, parts.as_slice()) {
        (_, ["_ping"]) => reply(
            &shared,
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "OK".into(),
        ),
        (&Method::GET, ["version"]) => json(&shared, answers::VERSION.to_owned()),
        (&Method::GET, ["info"]) => {
            let text = {
                let engine = lock(&shared);
                let running = engine.containers.iter().filter(|one| one.running).count();
                answers::info(engine.containers.len(), running, now_ns())
            };
            json(&shared, text)
        }
        (&Method::GET, ["containers", "json"]) => list(&shared, &query),
        (&Method::GET, ["images", "json"]) => json(&shared, answers::IMAGES.to_owned()),
        (&Method::GET, ["system", "df"]) => {
            lock(&shared).counts.disk_usage += 1;
            json(&shared, answers::DISK_USAGE.to_owned())
        }
        (&Method::GET, ["volumes"]) => {
            json(&shared, r#"{"Volumes":[],"Warnings":null}"#.to_owned())
        }
        (&Method::GET, ["networks"]) => json(&shared, "[]".to_owned()),
        (&Method::GET, ["events"]) => events(&shared, &query),
        (_, ["containers", which, verb]) => {
            let known = lock(&shared).containers.len();
            match index_of(which).filter(|index| (*index as usize) < known) {
                Some(index) => one_container(&shared, &method, index, verb, &body).await,
                None => {
                    let message = format!("No such container: {which}");
                    refuse(&shared, StatusCode::NOT_FOUND, &message)
                }
            }
        }
        _ => {
            lock(&shared).counts.other += 1;
            refuse(&shared, StatusCode::NOT_FOUND, "page not found")
        }
    })
}

fn list(shared: &Shared, query: &HashMap<String, String>) -> Response<Body> {
    let filters = filters_of(query);
    let all = matches!(
        query.get("all").map(String::as_str),
        Some("1" | "true" | "True")
    );
    let text = {
        let mut engine = lock(shared);
        engine.counts.list += 1;
        let mut out = String::with_capacity(engine.containers.len() * 1600 + 2);
        out.push('[');
        for (index, one) in (0_u32..).zip(&engine.containers) {
            let state = if one.running { "running" } else { "exited" };
            let by = |key: &str, fits: &dyn Fn(&String) -> bool| {
                filters
                    .get(key)
                    .is_none_or(|wanted| wanted.iter().any(fits))
            };
            let wanted = (all || one.running || filters.contains_key("status"))
                && by("label", &|label| carries(label))
                && by("status", &|status| status == state)
                && by("id", &|id| super::state::id(index).starts_with(id.as_str()))
                && by("name", &|name| {
                    super::state::name(index).contains(name.as_str())
                });
            if wanted {
                if out.len() > 1 {
                    out.push(',');
                }
                answers::list_entry(&mut out, index, one);
            }
        }
        out.push(']');
        out
    };
    json(shared, text)
}

async fn one_container(
    shared: &Shared,
    method: &Method,
    index: u32,
    verb: &str,
    body: &Bytes,
) -> Response<Body> {
    let no_content = || reply(shared, StatusCode::NO_CONTENT, "text/plain", String::new());
    let fault = |message: &str| refuse(shared, StatusCode::INTERNAL_SERVER_ERROR, message);
    match (method, verb) {
        (&Method::GET, "json") => {
            let text = {
                let mut engine = lock(shared);
                engine.counts.inspect += 1;
                engine.get(index).map(|one| answers::inspect(index, one))
            };
            text.map_or_else(|reason| fault(&reason), |text| json(shared, text))
        }
        (&Method::GET, "stats") => {
            let text = {
                let mut engine = lock(shared);
                engine.counts.stats += 1;
                let used = engine.cpu_used(index).unwrap_or_default();
                let now = now_ns();
                engine
                    .get(index)
                    .map(|one| answers::stats(index, one, used, now))
            };
            text.map_or_else(|reason| fault(&reason), |text| json(shared, text))
        }
        (&Method::GET, "logs") => {
            lock(shared).counts.logs += 1;
            let line = b"2026-11-22T16:00:00.000000000Z error: simulated failure, giving up\n";
            let mut framed = vec![2_u8, 0, 0, 0, 0, 0, 0];
            framed.push(u8::try_from(line.len()).unwrap_or_default());
            framed.extend_from_slice(line);
            let text = String::from_utf8(framed).unwrap_or_default();
            reply(
                shared,
                StatusCode::OK,
                "application/vnd.docker.raw-stream",
                text,
            )
        }
        (&Method::POST, "restart" | "start") => {
            let (takes, running) = {
                let mut engine = lock(shared);
                engine.record(index, verb);
                let running = engine.get(index).is_ok_and(|one| one.running);
                (engine.restart_takes_ms, running)
            };
            if verb == "start" && running {
                return reply(
                    shared,
                    StatusCode::NOT_MODIFIED,
                    "text/plain",
                    String::new(),
                );
            }
            tokio::time::sleep(Duration::from_millis(takes)).await;
            let mut engine = lock(shared);
            if running && engine.get(index).is_ok_and(|one| one.running) {
                // It ran just now, so it can be stopped.
                let _ = engine.stop(index, 15);
            }
            let started = engine.start(index);
            if verb == "restart" {
                engine.publish(index, "restart", "", now_ns());
            }
            drop(engine);
            started.map_or_else(|reason| fault(&reason), |()| no_content())
        }
        (&Method::POST, "stop" | "kill") => {
            let stopped = {
                let mut engine = lock(shared);
                engine.record(index, verb);
                engine.stop(index, if verb == "stop" { 15 } else { 9 })
            };
            match stopped {
                Ok(()) => no_content(),
                Err(_) if verb == "stop" => reply(
                    shared,
                    StatusCode::NOT_MODIFIED,
                    "text/plain",
                    String::new(),
                ),
                Err(reason) => refuse(shared, StatusCode::CONFLICT, &reason),
            }
        }
        (&Method::POST, "update") => {
            let wanted: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let updated = {
                let mut engine = lock(shared);
                engine.record(index, verb);
                let updated = engine.get(index).map(|one| {
                    if let Some(memory) = wanted["Memory"].as_i64().filter(|m| *m > 0) {
                        one.memory_limit = memory;
                    }
                    if let Some(nano) = wanted["NanoCpus"].as_i64().filter(|n| *n > 0) {
                        one.nano_cpus = nano;
                    }
                });
                engine.publish(index, "update", "", now_ns());
                updated
            };
            match updated {
                Ok(()) => json(shared, r#"{"Warnings":null}"#.to_owned()),
                Err(reason) => fault(&reason),
            }
        }
        _ => {
            lock(shared).counts.other += 1;
            refuse(shared, StatusCode::NOT_FOUND, "page not found")
        }
    }
}

fn events(shared: &Shared, query: &HashMap<String, String>) -> Response<Body> {
    let filters = filters_of(query);
    let seconds = |key: &str| query.get(key).and_then(|text| nanoseconds(text));
    let until = seconds("until");
    let (past, receiver) = {
        let mut engine = lock(shared);
        engine.counts.events += 1;
        engine.subscribe(seconds("since"))
    };
    let wanted = move |event: &SimEvent| {
        let by = |key: &str, fits: &dyn Fn(&String) -> bool| {
            filters
                .get(key)
                .is_none_or(|wanted| wanted.iter().any(fits))
        };
        // As the real engine has it: `health_status` also means `health_status: unhealthy`.
        let word = event.action.split(':').next().unwrap_or_default();
        by("type", &|kind| kind == "container")
            && by("label", &|label| carries(label))
            && by("event", &|name| name == event.action || name == word)
            && until.is_none_or(|until| event.at_ns <= until)
    };
    let over = until.is_some_and(|until| until <= now_ns());
    let queue: VecDeque<SimEvent> = past.into();
    let frames = stream::unfold(
        (queue, receiver, wanted),
        move |(mut queue, mut receiver, wanted)| async move {
            loop {
                let event = match queue.pop_front() {
                    Some(event) => event,
                    None if over => return None,
                    None => receiver.recv().await?,
                };
                if wanted(&event) {
                    let frame = Ok::<_, Infallible>(Frame::data(Bytes::from(event.line)));
                    return Some((frame, (queue, receiver, wanted)));
                }
            }
        },
    );
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    if let Ok(kind) = "application/json".parse() {
        response.headers_mut().insert("content-type", kind);
    }
    response
}

/// Whether simulated containers carry a label, as a filter names it: `key` or `key=value`.
fn carries(filter: &str) -> bool {
    match filter.split_once('=') {
        Some(pair) => pair == LABEL || pair == ("steward.auto_restart", "true"),
        None => filter == LABEL.0 || filter == "steward.auto_restart",
    }
}

/// Seconds with up to nine decimals, as the engine takes times.
fn nanoseconds(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<9}");
    let nanos: i64 = part.get(..9)?.parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
}

/// Both shapes that clients send: `{"label":["a"]}` and `{"label":{"a":true}}`.
fn filters_of(query: &HashMap<String, String>) -> HashMap<String, Vec<String>> {
    let parsed: Option<HashMap<String, serde_json::Value>> = query
        .get("filters")
        .and_then(|text| serde_json::from_str(text).ok());
    let values = |value: serde_json::Value| match value {
        serde_json::Value::Array(all) => all
            .into_iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect(),
        serde_json::Value::Object(all) => all.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    };
    parsed
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, values(value)))
        .filter(|(_, all): &(String, Vec<String>)| !all.is_empty())
        .collect()
}

fn query_of(text: &str) -> HashMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                let code = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                out.push(code.unwrap_or(b'?'));
            }
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
