//! Questions and answers: their order, their end, and what happens when something goes wrong.

use std::{sync::Arc, time::Duration};

use steward_api::{ConversationId, ErrorCode, IncidentId, MessageKind, Role, SayRequest, TaskId};
use tokio::sync::Notify;

use super::{Act, Scripted, answer, ask, draft, say, stage, stage_with};
use crate::{
    engine::{
        Caller,
        tests::fakes::{caller, until},
    },
    ports::{Archive as _, Store as _},
};
use steward_api::{JARVIS_PRIME, LookedAt};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_numbered_in_their_order_and_name_what_they_answer() {
    let script = vec![
        say(
            JARVIS_PRIME,
            "Athena",
            MessageKind::Delegation,
            "Look at db.",
        ),
        say("Athena", JARVIS_PRIME, MessageKind::Report, "It is fine."),
        Act::Write("All"),
        answer("All is well."),
    ];
    let again = vec![answer("Still well.")];
    let stage = stage(vec![script, again], |_| {}).await;
    let said = stage
        .say(ask("  Is my password=hunter2 database slow? "))
        .await;
    assert_eq!(said.number, 1);
    let messages = stage.over(said.conversation).await;
    let seen: Vec<_> = messages
        .iter()
        .map(|one| (one.number, one.from.as_str(), one.to.as_str(), one.kind))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "ada", JARVIS_PRIME, MessageKind::Question),
            (2, JARVIS_PRIME, "Athena", MessageKind::Delegation),
            (3, "Athena", JARVIS_PRIME, MessageKind::Report),
            (4, JARVIS_PRIME, "ada", MessageKind::Answer),
        ]
    );
    assert!(
        !messages[0].text.contains("hunter2"),
        "{}",
        messages[0].text
    );
    assert_eq!(messages[0].model, None);
    assert!(messages[1..].iter().all(|one| one.reply_to == Some(1)));
    let conversation = stage.conversation(said.conversation).await;
    assert_eq!(conversation.messages, 4);
    assert_eq!(
        (conversation.by.as_str(), conversation.title),
        ("ada", messages[0].text.clone())
    );
    let progress = stage.rig.handle.progress(said.conversation).unwrap();
    assert_eq!((progress.messages, progress.writing), (4, None));

    // It goes on, and what was said before is put before whoever answers.
    let more = SayRequest {
        conversation: Some(said.conversation),
        to: Some("athena".to_owned()),
        ..ask("And now?")
    };
    let said = stage.say(more).await;
    assert_eq!(said.number, 5);
    let messages = stage.over(said.conversation).await;
    assert_eq!(messages[4].to, "Athena");
    assert_eq!(messages[5].reply_to, Some(5));
    let asked = stage.advisor.asked();
    assert_eq!(asked[0].before, []);
    assert_eq!(asked[1].before, messages[..4]);
    assert_eq!(asked[1].question, messages[4]);
    assert_eq!(stage.sent_events().await, 6);
    stage.rig.store.inner.rebuild().await.unwrap();
    assert_eq!(stage.messages(said.conversation).await, messages);
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_refused_with_what_could() {
    let stage = stage(vec![vec![answer("Yes.")]], |_| {}).await;
    let long = "x".repeat(4_001);
    for (request, code, words) in [
        (ask("  "), ErrorCode::BadRequest, "from 1 to 4000"),
        (ask(&long), ErrorCode::BadRequest, "4001 characters"),
        (
            SayRequest {
                to: Some("Zeus".to_owned()),
                ..ask("Hm?")
            },
            ErrorCode::BadRequest,
            "there are: Jarvis Prime, Athena",
        ),
        (
            SayRequest {
                model: Some("huge".to_owned()),
                ..ask("Hm?")
            },
            ErrorCode::NoModel,
            "there are: m",
        ),
        (
            SayRequest {
                conversation: Some(ConversationId(999)),
                ..ask("Hm?")
            },
            ErrorCode::ConversationNotFound,
            "999",
        ),
        (
            SayRequest {
                incident: Some(IncidentId(999)),
                ..ask("Hm?")
            },
            ErrorCode::IncidentNotFound,
            "999",
        ),
        (
            SayRequest {
                task: Some(TaskId(999)),
                ..ask("Hm?")
            },
            ErrorCode::TaskNotFound,
            "999",
        ),
    ] {
        let problem = stage.refused(request).await;
        assert_eq!(problem.code, code, "{}", problem.detail);
        assert!(problem.detail.contains(words), "{}", problem.detail);
    }
    let viewer = Caller {
        role: Role::Viewer,
        ..caller("eve")
    };
    let problem = stage.rig.handle.say(ask("Hm?"), viewer).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::Forbidden);
    assert_eq!(stage.sent_events().await, 0);
    stage.rig.stop().await;

    let off = Arc::new(Scripted {
        is_off: true,
        ..Scripted::default()
    });
    let stage = stage_with(off, |_| {}).await;
    let problem = stage.refused(ask("Hm?")).await;
    assert_eq!(
        (problem.code, problem.detail.as_str()),
        (ErrorCode::NoModel, "Models are switched off")
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_at_a_time_and_eight_on_the_agent() {
    let hang = || vec![Act::Hang];
    let stage = stage((0..9).map(|_| hang()).collect(), |_| {}).await;
    let first = stage.say(ask("One?")).await;
    let again = SayRequest {
        conversation: Some(first.conversation),
        ..ask("And?")
    };
    let problem = stage.refused(again).await;
    assert_eq!(problem.code, ErrorCode::NothingToDo);
    assert_eq!(problem.detail, "an answer is under way; stop it first");
    for _ in 0..7 {
        stage.say(ask("More?")).await;
    }
    let problem = stage.refused(ask("Too much?")).await;
    assert_eq!(problem.code, ErrorCode::TooManyRequests);
    let handle = &stage.rig.handle;
    handle
        .stop_answer(first.conversation, caller("bob"))
        .await
        .unwrap();
    stage.say(ask("Now?")).await;
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_answer_shows_what_was_written_and_can_be_had_once_more() {
    let script = vec![
        say("Athena", JARVIS_PRIME, MessageKind::Report, "Slow disk."),
        Act::Write("The disk is"),
        Act::Hang,
    ];
    let stage = stage(vec![script, vec![answer("The disk is slow.")]], |_| {}).await;
    let request = SayRequest {
        model: Some("m".to_owned()),
        ..ask("Why?")
    };
    let said = stage.say(request).await;
    let handle = stage.rig.handle.clone();
    until("something written", || {
        handle.progress(said.conversation)?.writing
    })
    .await;
    let at_work = handle.specialists();
    assert_eq!(at_work[0].at_work[0].conversation, said.conversation);
    assert_eq!(at_work[0].at_work[0].working.doing, "writes");

    handle
        .stop_answer(said.conversation, caller("bob"))
        .await
        .unwrap();
    assert!(!stage.is_busy(said.conversation), "it is over at once");
    assert!(handle.specialists()[0].at_work.is_empty());
    let messages = stage.messages(said.conversation).await;
    let last = messages.last().unwrap();
    assert_eq!(
        (last.number, last.kind, last.reply_to),
        (3, MessageKind::Failure, Some(1))
    );
    assert!(last.text.starts_with("Stopped by bob."), "{}", last.text);
    assert!(
        last.text.contains("not checked") && last.text.ends_with("The disk is"),
        "{}",
        last.text
    );
    assert_eq!(last.model.as_deref(), Some("m"));
    let problem = handle.stop_answer(said.conversation, caller("bob")).await;
    assert_eq!(problem.unwrap_err().code, ErrorCode::NothingToDo);
    let problem = handle.stop_answer(ConversationId(999), caller("bob")).await;
    assert_eq!(problem.unwrap_err().code, ErrorCode::ConversationNotFound);

    let again = handle
        .retry_answer(said.conversation, caller("ada"))
        .await
        .unwrap();
    assert_eq!(again, said, "the question is the same one");
    let messages = stage.over(said.conversation).await;
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[3].text, "The disk is slow.");
    assert_eq!(messages[3].reply_to, Some(1));
    let asked = stage.advisor.asked();
    assert_eq!(asked[1].question, messages[0]);
    assert_eq!(
        asked[1].before,
        [],
        "what came after the question is not put before them"
    );
    assert_eq!(
        asked[1].model.as_deref(),
        Some("m"),
        "the model that was chosen"
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_in_words_with_what_to_do() {
    let scripts = vec![
        vec![Act::Fail("it spoke in riddles")],
        vec![Act::Panic],
        vec![say("Athena", JARVIS_PRIME, MessageKind::Report, "Hm.")],
        vec![
            say("Athena", JARVIS_PRIME, MessageKind::Failure, "No log."),
            answer("Yes."),
            Act::Fail("too late"),
        ],
    ];
    let stage = stage(scripts, |_| {}).await;
    for words in [
        "it spoke in riddles",
        "a fault of Steward's",
        "ended without one",
    ] {
        let said = stage.say(ask("Well?")).await;
        let messages = stage.over(said.conversation).await;
        let last = messages.last().unwrap();
        assert_eq!(
            (last.kind, last.from.as_str()),
            (MessageKind::Failure, JARVIS_PRIME)
        );
        assert!(
            last.text.contains(words) && last.text.contains("steward models"),
            "{}",
            last.text
        );
    }
    let said = stage.say(ask("Well?")).await;
    let messages = stage.over(said.conversation).await;
    assert_eq!(
        messages.last().unwrap().kind,
        MessageKind::Answer,
        "an answer is one"
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_not_be_without_end() {
    let mut script: Vec<_> = (0..100)
        .map(|_| say("Athena", JARVIS_PRIME, MessageKind::Report, "More."))
        .collect();
    let mut huge = draft(
        JARVIS_PRIME,
        "ada",
        MessageKind::Answer,
        &"x".repeat(20_000),
    );
    huge.looked_at = (0..100)
        .map(|number| LookedAt {
            reference: format!("A{number}"),
            tool: "get_log".to_owned(),
            what: "the log".to_owned(),
            text: "y".repeat(9_000),
            failed: false,
            at: crate::engine::tests::fakes::now(),
        })
        .collect();
    script.push(say("Athena", "ada", MessageKind::Question, "Who are you?"));
    script.push(Act::Say(Box::new(huge)));
    script.push(answer("One more thing."));
    let stage = stage(vec![script], |_| {}).await;
    let said = stage.say(ask("Well?")).await;
    let messages = stage.over(said.conversation).await;
    assert_eq!(messages.len(), 61, "the question and sixty");
    let last = messages.last().unwrap();
    assert_eq!(
        last.kind,
        MessageKind::Answer,
        "there is room for the answer"
    );
    assert_eq!(last.text.chars().count(), 8_000);
    assert_eq!(last.looked_at.len(), 40);
    assert!(
        last.looked_at
            .iter()
            .all(|look| look.text.chars().count() == 4_000)
    );
    let refused = stage
        .advisor
        .heard()
        .iter()
        .filter(|one| one.is_err())
        .count();
    assert_eq!(
        refused,
        41 + 1 + 1,
        "reports without end, a question, a second answer"
    );
    stage.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_says_so_and_the_next_one_is_not_busy() {
    let stage = stage(vec![vec![Act::Write("I th"), Act::Hang]], |_| {}).await;
    let said = stage.say(ask("Why?")).await;
    let handle = stage.rig.handle.clone();
    until("something written", || {
        handle.progress(said.conversation)?.writing
    })
    .await;
    let folder = stage.folder;
    stage.rig.stop().await;
    let store = crate::store::open(
        &format!("sqlite://{}/steward.db", folder.path().display()),
        folder.path(),
    )
    .await
    .unwrap();
    let messages = store.messages(said.conversation, None, 10).await.unwrap();
    let last = messages.last().unwrap();
    assert_eq!(last.kind, MessageKind::Failure);
    assert!(
        last.text.contains("the agent ended") && last.text.ends_with("I th"),
        "{}",
        last.text
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_that_is_not_journaled() {
    let go_on = Arc::new(Notify::new());
    let script = vec![
        Act::Pause(Arc::clone(&go_on)),
        say("Athena", JARVIS_PRIME, MessageKind::Report, "Lost."),
        answer("Lost too."),
    ];
    let stage = stage(vec![script], |_| {}).await;
    let said = stage.say(ask("Why?")).await;
    until("the question", || stage.advisor.asked().pop()).await;
    stage
        .rig
        .store
        .fails
        .store(true, std::sync::atomic::Ordering::SeqCst);
    go_on.notify_one();
    until("the end", || {
        (!stage.is_busy(said.conversation)).then_some(())
    })
    .await;
    let heard = stage.advisor.heard();
    assert_eq!(heard.len(), 2);
    for one in heard {
        let error = one.unwrap_err();
        assert!(error.contains("takes no writes"), "{error}");
    }
    let problem = stage.refused(ask("And?")).await;
    assert_eq!(problem.code, ErrorCode::StoreUnavailable);
    let problem = stage
        .rig
        .handle
        .retry_answer(said.conversation, caller("ada"))
        .await
        .unwrap_err();
    assert_eq!(problem.code, ErrorCode::StoreUnavailable);
    assert_eq!(stage.advisor.asked().len(), 1);

    // That there is no answer is written once the journal takes writes again, and the conversation goes on after it.
    stage
        .rig
        .store
        .fails
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let mut messages = Vec::new();
    for _ in 0..200 {
        messages = stage.messages(said.conversation).await;
        if messages.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(messages[1].kind, MessageKind::Failure);
    let more = SayRequest {
        conversation: Some(said.conversation),
        ..ask("And now?")
    };
    until("the journal to be well", || {
        stage.rig.handle.view().store_error.is_none().then_some(())
    })
    .await;
    assert_eq!(stage.say(more).await.number, 3);
    stage.rig.stop().await;
}
