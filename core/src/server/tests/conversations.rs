//! Conversations over HTTP: read by whoever may read, said and stopped by whoever may ask, waited for without polling in vain.

use std::time::Duration;

use steward_api::{
    ConversationDetail, ConversationId, ErrorCode, Page, Progress, Role, Said, Working, Writing,
};
use tokio::time::{Instant, timeout};

use super::{
    World,
    world::{problem, token},
};

const ID: ConversationId = ConversationId(1);

fn writing(text: &str) -> Option<Writing> {
    Some(Writing {
        from: "Jarvis Prime".to_owned(),
        text: text.to_owned(),
    })
}

#[tokio::test]
async fn conversations_are_listed_and_shown() {
    let world = World::new().await;
    let page: Page<steward_api::Conversation> =
        serde_json::from_value(world.json("/api/conversations?limit=10").await).unwrap();
    assert_eq!(page.items.len(), 1);
    let none = world.json("/api/conversations?incident=99").await;
    assert_eq!(none["items"], serde_json::json!([]));
    let refused = world.get("/api/conversations?limit=0").await;
    assert_eq!(problem(refused).await, (400, ErrorCode::BadRequest));

    let detail: ConversationDetail =
        serde_json::from_value(world.json("/api/conversations/1").await).unwrap();
    assert_eq!(detail.conversation.id, ID);
    assert_eq!(detail.messages.len(), 2);
    assert_eq!((detail.progress.version, detail.progress.busy), (0, false));
    for path in ["/api/conversations/6", "/api/conversations/6/progress"] {
        let missing = world.get(path).await;
        assert_eq!(
            problem(missing).await,
            (404, ErrorCode::ConversationNotFound)
        );
    }
    let specialists = world.json("/api/specialists").await;
    assert!(specialists.is_array());
}

#[tokio::test]
async fn what_is_said_reaches_the_engine_with_who_says_it() {
    let world = World::new().await;
    let said: Said = world
        .post("/api/conversations", r#"{"text":"Why?","to":"Athena"}"#)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(said.conversation, ID);
    assert_eq!(
        world.post("/api/conversations/1/stop", "").await.status(),
        200
    );
    assert_eq!(
        world.post("/api/conversations/1/retry", "").await.status(),
        200
    );
    let busy = world.post("/api/conversations/6/retry", "").await;
    assert_eq!(problem(busy).await, (409, ErrorCode::NothingToDo));
    let asked = world.asked.lock().unwrap().clone();
    assert!(
        asked[0].starts_with("say \"Why?\" to Some(\"Athena\")") && asked[0].contains("Admin"),
        "{asked:?}"
    );
    assert_eq!(asked[1..], ["stop 1", "retry 1", "retry 6"]);

    // Who may only look says nothing.
    for path in [
        "/api/conversations",
        "/api/conversations/1/stop",
        "/api/conversations/1/retry",
    ] {
        let refused = world
            .request("POST", path, Some(Role::Viewer))
            .body(r#"{"text":"Why?"}"#)
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(refused).await,
            (403, ErrorCode::Forbidden),
            "{path}"
        );
    }
}

#[tokio::test]
async fn progress_comes_as_soon_as_there_is_something_else() {
    let world = World::new().await;
    let board = world.handle.progress.clone();
    let run = board.begin(ID, 1, None);
    let read =
        async |path: &str| -> Progress { serde_json::from_value(world.json(path).await).unwrap() };
    let first = read("/api/conversations/1/progress").await;
    assert!(first.busy && first.version == 1 && first.messages == 1);
    // What was not seen comes at once.
    let began = Instant::now();
    read("/api/conversations/1/progress?seen=0").await;
    assert!(began.elapsed() < Duration::from_secs(5));

    let change = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Another conversation's change is not this one's.
        board.begin(ConversationId(77), 1, None);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let working = Working {
            specialist: "Athena".to_owned(),
            doing: "reads the log of db".to_owned(),
            model: None,
            since: jiff::Timestamp::UNIX_EPOCH,
        };
        board.show(ID, run, vec![working], writing("It is"));
    };
    let (second, ()) = tokio::join!(read("/api/conversations/1/progress?seen=1"), change);
    assert_eq!(second.version, 2);
    assert_eq!(second.working[0].specialist, "Athena");
    assert_eq!(
        second.writing.map(|writing| writing.text).as_deref(),
        Some("It is")
    );
    board.end(ID, run, 2);
    assert!(!read("/api/conversations/1/progress?seen=2").await.busy);
}

#[tokio::test]
async fn a_reader_who_may_not_any_more_does_not_wait_on() {
    let world = World::new().await;
    world.handle.progress.begin(ID, 1, None);
    let made = world
        .post("/api/tokens", r#"{"name":"guest","role":"viewer"}"#)
        .await;
    let made: steward_api::NewToken = made.json().await.unwrap();
    let waiting = world
        .request("GET", "/api/conversations/1/progress?seen=1", None)
        .header("X-API-Key", &made.secret)
        .send();
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let revoked = world.post("/api/tokens/guest/revoke", "").await;
        assert_eq!(revoked.status(), 200);
    };
    let began = Instant::now();
    let (refused, ()) = tokio::join!(waiting, revoke);
    assert_eq!(
        problem(refused.unwrap()).await,
        (401, ErrorCode::Unauthorized)
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn an_agent_that_ends_lets_its_readers_go() {
    let mut world = World::new().await;
    world.handle.progress.begin(ID, 1, None);
    let waiting = reqwest::Client::new()
        .get(format!(
            "{}/api/conversations/1/progress?seen=1",
            world.address
        ))
        .header("X-API-Key", token(Role::Viewer))
        .send();
    let waiting = tokio::spawn(waiting);
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.stop();
    let ended = timeout(Duration::from_secs(10), &mut world.server).await;
    ended
        .expect("the server ends before the wait is over")
        .unwrap()
        .unwrap();
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
}
