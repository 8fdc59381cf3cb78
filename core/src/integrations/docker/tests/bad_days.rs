//! An engine that is missing, hangs, or answers oddly; played by a false one on a socket of its own.

use std::{path::Path, sync::Arc, time::Duration};

use steward_api::{Health, Metric, Precondition};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use super::support::{engine_at, engine_id, now, resource_id, scratch};
use crate::ports::{Actuator as _, Depth, Reading, Source as _, SourceError};

/// What a false engine answers to a path.
enum Answer {
    Json(String),
    Status(u16, &'static str),
    Never,
}

/// A false engine. It answers each request by `answer` and closes.
fn false_engine(socket: &Path, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&answer)));
        }
    });
}

async fn serve(mut stream: UnixStream, answer: Arc<impl Fn(&str) -> Answer>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body) = match answer(&path) {
        Answer::Json(body) => (200, body),
        Answer::Status(status, message) => (status, format!(r#"{{"message":"{message}"}}"#)),
        Answer::Never => std::future::pending().await,
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

const VERSION: &str = r#"{"Version":"99.0","ApiVersion":"1.99","Platform":null}"#;

fn summary(id: usize) -> String {
    format!(
        r#"{{"Id":"{id:064x}","Names":["/c{id}"],"Image":"app:1","ImageID":"sha256:aa","Command":"x","Created":1767225600,"State":"running","Status":"Up 3 hours","Ports":[{{"IP":"::","PrivatePort":80,"Type":"sctp-new"}}],"Labels":{{"com.docker.compose.project":"p","com.docker.compose.service":"s{id}","maintainer":"somebody","org.opencontainers.image.description":"a long text that nobody looks at"}},"Mounts":[],"NetworkSettings":{{"Networks":{{}}}}}}"#
    )
}

fn inspection(id: usize) -> String {
    let env: Vec<String> = (0..30)
        .map(|n| format!(r#""VARIABLE_{n}=some value of some length""#))
        .collect();
    format!(
        r#"{{"Id":"{id:064x}","Name":"/c{id}","Created":"2026-01-01T00:00:00Z","State":{{"Status":"running","Pid":5,"StartedAt":"{}","FinishedAt":"0001-01-01T00:00:00Z"}},"HostConfig":{{"Memory":1000000}},"Config":{{"Image":"app:1","Env":[{}],"Labels":{{}}}}}}"#,
        now() - Duration::from_secs(3 * 3600),
        env.join(",")
    )
}

const STATS: &str = r#"{"read":"2026-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","pids_stats":{"current":5},"blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":1}]},"num_procs":0,"cpu_stats":{"cpu_usage":{"total_usage":500,"percpu_usage":[1,2,3,4],"usage_in_kernelmode":1},"system_cpu_usage":5,"online_cpus":2},"memory_stats":{"usage":400000,"max_usage":5,"stats":{"active_anon":1,"total_inactive_file":100000,"cache":3,"pgfault":1,"rss":4},"limit":1},"networks":{"eth0":{"rx_bytes":1,"rx_packets":1,"tx_bytes":1}}}"#;

#[tokio::test]
async fn a_missing_engine_is_told_in_words_and_found_when_it_comes() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let error = engine.observe(Depth::Cycle).await.unwrap_err();
    let text = error.to_string();
    for part in [
        "the Docker engine at unix://",
        "there is no socket",
        "apt-get install",
        "systemctl start docker",
        "DOCKER_HOST",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let stands_for_it = engine.representative(Some(&error), now()).unwrap();
    assert_eq!(
        (stands_for_it.id, stands_for_it.health),
        (engine_id(), Health::Unknown),
        "one that never was there is not broken"
    );
    assert!(engine.watch(None).await.is_err());
    assert_eq!(
        engine
            .check(&Precondition::EngineSilent {
                engine: engine_id()
            })
            .await
            .unwrap(),
        Reading::Holds
    );
    assert!(matches!(
        engine
            .check(&Precondition::EngineAnswers {
                engine: engine_id()
            })
            .await
            .unwrap(),
        Reading::Broken(_)
    ));

    // A socket that a daemon left behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let text = engine.observe(Depth::Cycle).await.unwrap_err().to_string();
    assert!(
        text.contains("nobody listens on") && text.contains("systemctl start docker"),
        "{text}"
    );

    std::fs::remove_file(&socket).unwrap();
    false_engine(&socket, |path| match path {
        "/version" => Answer::Json(VERSION.to_owned()),
        // Its newest version is above what this integration knows, so that one is spoken.
        "/v1.51/containers/json?all=1" => Answer::Json("[]".to_owned()),
        _ => Answer::Status(404, "page not found"),
    });
    let observation = engine.observe(Depth::Cycle).await.unwrap();
    assert_eq!(observation.resources.len(), 1, "the engine itself");
    assert_eq!(observation.versions["docker"], "99.0");
    assert_eq!(observation.versions["docker_api"], "1.51");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_never_answers_ends_in_an_error() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    false_engine(&socket, |_| Answer::Never);
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let error = engine.observe(Depth::Cycle).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::TimedOut { limit, .. } if *limit == Duration::from_secs(5)),
        "{error}"
    );
    assert_eq!(
        engine
            .check(&Precondition::EngineSilent {
                engine: engine_id()
            })
            .await
            .unwrap(),
        Reading::Holds
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_stops_to_answer_ends_in_an_error() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    false_engine(&socket, |path| match path {
        "/version" => Answer::Json(VERSION.to_owned()),
        _ => Answer::Never,
    });
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let error = engine.observe(Depth::Cycle).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::TimedOut { limit, .. } if *limit == Duration::from_secs(10)),
        "{error}"
    );
    let mut events = engine.watch(None).await.unwrap().unwrap();
    let error = futures_util::StreamExt::next(&mut events)
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, SourceError::TimedOut { .. }), "{error}");
    assert!(
        futures_util::StreamExt::next(&mut events).await.is_none(),
        "an error is the last item"
    );
}

#[tokio::test(start_paused = true)]
async fn what_one_container_fails_at_delays_and_hides_no_other() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    false_engine(&socket, |path| {
        let id = |n: usize| format!("{n:064x}");
        let of =
            |n: usize, what: &str| path.starts_with(&format!("/v1.51/containers/{}/{what}", id(n)));
        if path == "/version" {
            Answer::Json(VERSION.to_owned())
        } else if path.ends_with("/containers/json?all=1") {
            let all: Vec<String> = (1..=5).map(summary).collect();
            Answer::Json(format!("[{}]", all.join(",")))
        } else if of(1, "stats") || of(2, "json") {
            Answer::Never
        } else if of(3, "json") {
            Answer::Status(404, "No such container")
        } else if of(4, "json") {
            Answer::Status(500, "layer does not exist")
        } else if path.contains("/stats") {
            Answer::Json(STATS.to_owned())
        } else if of(1, "json") {
            Answer::Json(inspection(1))
        } else {
            Answer::Json(inspection(5))
        }
    });
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let begin = tokio::time::Instant::now();
    let observation = engine.observe(Depth::Cycle).await.unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "side by side, not one after the other: {:?}",
        begin.elapsed()
    );
    let health = |n: usize| {
        observation
            .resources
            .iter()
            .find(|resource| resource.id == resource_id(&format!("c{n}")))
            .map(|resource| (resource.health, resource.reason.clone()))
    };
    assert_eq!(health(1).unwrap().0, Health::Healthy);
    assert_eq!(
        health(2).unwrap(),
        (
            Health::Unknown,
            "it could not be inspected: no answer within 5 s".to_owned()
        )
    );
    assert_eq!(health(3), None, "it vanished in between");
    assert_eq!(health(4).unwrap().0, Health::Unknown);
    assert_eq!(health(5).unwrap().0, Health::Healthy);
    let well = observation
        .resources
        .iter()
        .find(|resource| resource.id == resource_id("c5"))
        .unwrap();
    assert_eq!(well.metrics[&Metric::MemoryPercent], 30.0);
    let mut parts: Vec<&str> = observation
        .unreadable
        .iter()
        .map(|part| part.what.as_str())
        .collect();
    parts.sort_unstable();
    assert_eq!(
        parts,
        ["container c2", "container c4", "stats of container c1"]
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_no_empty_list() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    false_engine(&socket, |path| match path {
        "/version" => Answer::Json(VERSION.to_owned()),
        _ => Answer::Json("{\"a\":1}".to_owned()),
    });
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let error = engine.observe(Depth::Cycle).await.unwrap_err();
    assert!(matches!(error, SourceError::Nonsense { .. }), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_told_so() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    false_engine(&socket, |_| {
        Answer::Json(r#"{"Version":"17.03","ApiVersion":"1.27"}"#.to_owned())
    });
    let engine = engine_at(Some(&format!("unix://{}", socket.display())));
    let text = engine.observe(Depth::Cycle).await.unwrap_err().to_string();
    assert!(text.contains("1.27") && text.contains("20.10"), "{text}");
}

/// Processor time of this thread so far.
fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or_default(),
    )
}

/// The false engine runs on a thread of its own, so that only the reading is measured.
#[test]
fn a_cycle_over_two_hundred_containers_is_cheap() {
    let (_guard, directory) = scratch();
    let socket = directory.join("d.sock");
    let (ready, is_ready) = std::sync::mpsc::channel();
    let at = socket.clone();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let list = format!("[{}]", (0..200).map(summary).collect::<Vec<_>>().join(","));
            false_engine(&at, move |path| {
                if path == "/version" {
                    Answer::Json(VERSION.to_owned())
                } else if path.ends_with("/containers/json?all=1") {
                    Answer::Json(list.clone())
                } else if path.contains("/stats") {
                    Answer::Json(STATS.to_owned())
                } else {
                    let id = path
                        .split('/')
                        .nth(3)
                        .and_then(|id| usize::from_str_radix(id, 16).ok());
                    Answer::Json(inspection(id.unwrap_or_default()))
                }
            });
            ready.send(()).unwrap();
            let _ = finished.await;
        });
    });
    is_ready.recv().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let used = runtime.block_on(async {
        let engine = engine_at(Some(&format!("unix://{}", socket.display())));
        assert_eq!(
            engine.observe(Depth::Cycle).await.unwrap().resources.len(),
            201
        );
        let begin = thread_time();
        for _ in 0..5 {
            assert_eq!(
                engine.observe(Depth::Cycle).await.unwrap().resources.len(),
                201
            );
        }
        (thread_time() - begin) / 5
    });
    println!("a cycle over 200 containers takes {used:?} of one core");
    // Unoptimised code with debug assertions may take several times as long as a release does.
    let most = if cfg!(debug_assertions) { 1000 } else { 150 };
    assert!(used < Duration::from_millis(most), "{used:?}");
    drop(finish);
    server.join().unwrap();
}
