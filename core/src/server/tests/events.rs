//! The event stream: resumes without gap or duplicate, survives slow readers, ends with the server.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::Response;
use steward_api::{Envelope, ErrorCode, Event, Role};
use tokio::time::timeout;

use super::world::{World, problem};

/// Longer than anything here takes; only a fault makes a test wait so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reader of the stream, as a browser's would be.
struct Reader {
    response: Response,
    buffer: String,
}

#[derive(Debug, Default)]
struct Message {
    id: Option<i64>,
    event: String,
    data: String,
}

impl Reader {
    async fn open(world: &World, last: Option<i64>) -> Self {
        let mut request = world.request("GET", "/api/events", Some(Role::Viewer));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            buffer: String::new(),
        }
    }

    /// The next message, with or without data; absent at the end of the stream.
    async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let mut message = Message::default();
                for line in block.lines() {
                    match line.split_once(": ").or_else(|| line.split_once(':')) {
                        Some(("id", id)) => message.id = Some(id.parse().unwrap()),
                        Some(("event", event)) => message.event = event.to_owned(),
                        Some(("data", data)) => message.data.push_str(data),
                        _ => {}
                    }
                }
                self.buffer = rest.to_owned();
                return Some(message);
            }
            let chunk = timeout(PATIENCE, self.response.chunk())
                .await
                .expect("the stream says nothing")
                .unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next event, checked against its own id and name.
    async fn envelope(&mut self) -> Option<Envelope> {
        loop {
            let message = self.message().await?;
            if message.data.is_empty() {
                continue;
            }
            assert_ne!(message.event, "reload");
            let envelope: Envelope = serde_json::from_str(&message.data).unwrap();
            assert_eq!(message.id, Some(envelope.seq));
            assert_eq!(message.event, envelope.event.name());
            return Some(envelope);
        }
    }

    async fn numbers(&mut self, count: usize) -> Vec<i64> {
        let mut all = Vec::new();
        while all.len() < count {
            all.push(self.envelope().await.expect("the stream ended").seq);
        }
        all
    }
}

fn up(source: &str) -> Event {
    Event::SourceUp {
        source: source.to_owned(),
    }
}

#[tokio::test]
async fn without_a_last_event_it_begins_now() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, None).await;
    let greeting = reader.message().await.unwrap();
    assert_eq!(
        (greeting.id, greeting.data.as_str()),
        (Some(3), ""),
        "a broken connection resumes from here"
    );
    world.publish(up("late\nwith a line"));
    let envelope = reader.envelope().await.unwrap();
    assert_eq!((envelope.seq, envelope.event), (4, up("late\nwith a line")));
}

#[tokio::test]
async fn with_a_last_event_it_resumes_after_it() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, Some(1)).await;
    world.publish(up("four"));
    assert_eq!(reader.numbers(3).await, [2, 3, 4]);
    let mut from_query = World::request(
        &world,
        "GET",
        "/api/events?last_event_id=2",
        Some(Role::Viewer),
    )
    .send()
    .await
    .unwrap();
    let first = timeout(PATIENCE, from_query.chunk())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(std::str::from_utf8(&first).unwrap().contains("id: 2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_more_is_appended() {
    let world = World::with_buffer(64).await;
    const TOTAL: i64 = 3000;
    let (store, events) = (world.store.clone(), world.events.clone());
    let writer = tokio::task::spawn_blocking(move || {
        for number in 4..=TOTAL {
            let envelope = store.push(up("docker"));
            assert_eq!(envelope.seq, number);
            let _ = events.send(std::sync::Arc::new(envelope));
            if number % 50 == 0 {
                std::thread::yield_now();
            }
        }
    });
    // Readers that come at different times, each breaking off and resuming again and again.
    let mut readers = Vec::new();
    for begin in [0_i64, 1, 3] {
        let world = &world;
        readers.push(async move {
            let mut last = begin;
            let mut chunk = 40;
            while last < TOTAL {
                let mut reader = Reader::open(world, Some(last)).await;
                for _ in 0..chunk {
                    if last == TOTAL {
                        break;
                    }
                    let seq = reader.envelope().await.unwrap().seq;
                    assert_eq!(seq, last + 1, "each entry once, in order");
                    last = seq;
                }
                chunk *= 2;
            }
        });
    }
    timeout(PATIENCE * 3, futures_util::future::join_all(readers))
        .await
        .unwrap();
    writer.await.unwrap();
}

#[tokio::test]
async fn a_reader_that_lags_gets_what_it_missed_from_the_journal() {
    let world = World::with_buffer(4).await;
    let mut reader = Reader::open(&world, None).await;
    // On one thread the stream can't run in between: the buffer of four overflows for certain.
    for _ in 0..500 {
        world.publish(up("docker"));
    }
    assert_eq!(reader.numbers(500).await, (4..=503).collect::<Vec<_>>());
}

#[tokio::test]
async fn entries_of_other_agents_are_filled_in() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, None).await;
    world.store.push(up("elsewhere"));
    world.store.push(up("elsewhere"));
    world.publish(up("here"));
    assert_eq!(reader.numbers(3).await, [4, 5, 6]);
}

#[tokio::test]
async fn one_that_is_too_far_behind_is_told_to_reload() {
    let world = World::new().await;
    *world.store.pretended_head.lock().unwrap() = Some(10_004);
    let mut reader = Reader::open(&world, Some(3)).await;
    reader.message().await.unwrap();
    let message = reader.message().await.unwrap();
    assert_eq!(
        (message.event.as_str(), message.id),
        ("reload", Some(10_004))
    );
    assert!(reader.message().await.is_none(), "and the stream ends");
    *world.store.pretended_head.lock().unwrap() = None;
    // A number that this journal never had, as after the database was made anew.
    let mut reader = Reader::open(&world, Some(4000)).await;
    reader.message().await.unwrap();
    assert_eq!(reader.message().await.unwrap().event, "reload");
    assert!(reader.message().await.is_none());
}

#[tokio::test]
async fn it_ends_when_the_journal_can_not_be_read_so_that_the_reader_resumes() {
    let world = World::new().await;
    let mut reader = Reader::open(&world, None).await;
    reader.message().await.unwrap();
    world.store.push(up("elsewhere"));
    world.store.broken.store(true, Ordering::SeqCst);
    world.publish(up("here"));
    assert!(reader.message().await.is_none());
    world.store.broken.store(false, Ordering::SeqCst);
    assert_eq!(Reader::open(&world, Some(3)).await.numbers(2).await, [4, 5]);
}

#[tokio::test]
async fn a_bad_last_event_is_refused() {
    let world = World::new().await;
    for bad in ["abc", "-1", "1.5", "99999999999999999999"] {
        let response = world
            .request("GET", "/api/events", Some(Role::Viewer))
            .header("Last-Event-ID", bad)
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(response).await,
            (400, ErrorCode::BadRequest),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn there_is_room_for_so_many_readers_and_room_is_given_back() {
    let world = World::new().await;
    let mut readers = Vec::new();
    for _ in 0..crate::server::MOST_STREAMS {
        readers.push(Reader::open(&world, None).await);
    }
    assert_eq!(
        problem(world.get("/api/events").await).await,
        (429, ErrorCode::TooManyRequests)
    );
    drop(readers);
    timeout(PATIENCE, async {
        while world.get("/api/events").await.status() != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("closed streams must make room");
}

#[tokio::test]
async fn open_streams_end_with_the_server() {
    let mut world = World::new().await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut reader = Reader::open(&world, None).await;
        reader.message().await.unwrap();
        readers.push(reader);
    }
    let begin = std::time::Instant::now();
    world.stop();
    for reader in &mut readers {
        assert!(reader.message().await.is_none());
    }
    timeout(PATIENCE, &mut world.server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
}
