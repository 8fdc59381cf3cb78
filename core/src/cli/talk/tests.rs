//! What is typed of an answer that is being written, and how conversations are shown.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    http::Uri,
    routing::{get, post},
};
use clap::Parser as _;
use steward_api::{
    Accepted, AtWork, ConversationDetail, ConversationId, Page, Progress, Said, Working,
};

use super::{
    ask::{Typed, news},
    render, samples,
};
use crate::cli::{
    Context,
    args::{Cli, Command},
    failure::Exit,
    golden::{NARROW, golden, screen},
    output::Screen,
};

const SAID: Said = Said {
    conversation: ConversationId(12),
    number: 1,
};

#[test]
fn an_answer_is_typed_once_however_it_comes() {
    let mut typed = Typed::default();
    assert_eq!(typed.more("The "), "The ");
    assert_eq!(typed.more("The database"), "database");
    assert_eq!(typed.more("The database"), "");
    assert_eq!(typed.rest("The database is slow."), " is slow.\n");

    // All of it was typed already.
    let mut typed = Typed::default();
    typed.more("Yes.\n");
    assert_eq!(typed.rest("Yes."), "");
    let mut typed = Typed::default();
    typed.more("Yes.");
    assert_eq!(typed.rest("Yes."), "\n");

    // It goes on otherwise than it began: as where a secret was struck out.
    let mut typed = Typed::default();
    typed.more("The password is hun");
    assert_eq!(
        typed.rest("The password is •••"),
        "\n\nThe password is •••\n"
    );

    // Nothing was typed, as in a pipe.
    assert_eq!(
        Typed::default().rest("Yes.\n\nAnd no."),
        "Yes.\n\nAnd no.\n"
    );
    assert_eq!(Typed::default().rest(""), "\n");
}

#[test]
fn who_works_on_what_is_told_once() {
    let working = |who: &str, doing: &str| Working {
        specialist: who.to_owned(),
        doing: doing.to_owned(),
        model: Some("small\u{1b}[2J".to_owned()),
        since: samples::at(0, 0),
    };
    let mut progress = Progress {
        working: vec![working("Athena", "reads the log of db")],
        ..samples::detail().progress
    };
    let mut told = BTreeSet::new();
    let lines = news(&progress, &mut told);
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("Athena reads the log of db (small"),
        "{lines:?}"
    );
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
    progress.working.push(working("Atlas", "looks at web"));
    assert_eq!(news(&progress, &mut told).len(), 1);
    assert!(news(&progress, &mut told).is_empty());
}

#[test]
fn the_last_word_is_the_answer_or_why_there_is_none() {
    let mut detail = samples::detail();
    assert_eq!(detail.last_word(SAID.number).unwrap().number, 4);
    // An answer to an earlier question is none to this one.
    assert!(detail.last_word(4).is_none());
    detail.messages.pop();
    assert!(detail.last_word(1).is_none());
    // That Athena could not look is told to Jarvis Prime, who may still answer; a failure told to the person is the end.
    let last = detail.messages.last_mut().unwrap();
    last.kind = steward_api::MessageKind::Failure;
    assert!(detail.last_word(1).is_none());
    detail.messages.last_mut().unwrap().to = "ada".to_owned();
    assert_eq!(detail.last_word(1).unwrap().number, 3);
}

#[test]
fn an_answer_with_what_belongs_to_it() {
    let detail = samples::detail();
    let screen = screen(NARROW, false);
    golden(
        "answer.txt",
        &render::aftermath(&screen, &detail, SAID, false),
    );
    golden(
        "answer-sources.txt",
        &render::aftermath(&screen, &detail, SAID, true),
    );
}

#[test]
fn conversations_and_specialists() {
    let mut detail = samples::detail();
    detail.conversation.messages = 1004;
    let narrow = screen(NARROW, false);
    golden(
        "conversation.txt",
        &render::conversation(&narrow, &detail, false),
    );
    let page = Page {
        items: vec![samples::conversation()],
        next: Some(12),
    };
    let wide = screen(Some(110), false);
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    golden(
        "conversations.txt",
        &format!(
            "{}\n{}",
            render::conversations(&wide, &page),
            render::conversations(&wide, &none)
        ),
    );
    let mut athena = samples::specialist("Athena", "databases");
    athena.at_work = vec![AtWork {
        conversation: ConversationId(12),
        working: Working {
            specialist: "Athena".to_owned(),
            doing: "reads the log of db".to_owned(),
            model: None,
            since: samples::at(0, 0),
        },
    }];
    let known = [samples::specialist("Jarvis Prime", "everything"), athena];
    golden("specialists.txt", &render::specialists(&wide, &known));
}

// ------------------------------------------------------------------------------------------------------ a whole question

/// An agent whose answer takes three looks, and what it was asked.
async fn agent(detail: ConversationDetail) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = {
        let asked = Arc::clone(&asked);
        move |words: String| {
            let mut asked = asked.lock().unwrap();
            asked.push(words);
            asked.len()
        }
    };
    let (said, looked, stopped) = (note.clone(), note.clone(), note);
    let router = Router::new()
        .route(
            "/api/conversations",
            post(move |body: String| async move {
                said(format!("say {body}"));
                Json(SAID)
            }),
        )
        .route(
            "/api/conversations/12/progress",
            get(move |uri: Uri| async move {
                let count = looked(format!("look {}", uri.query().unwrap_or_default()));
                Json(Progress {
                    version: u64::try_from(count).unwrap(),
                    busy: count < 4,
                    ..samples::detail().progress
                })
            }),
        )
        .route(
            "/api/conversations/12",
            get(move || async move { Json(detail) }),
        )
        .route(
            "/api/conversations/12/stop",
            post(move || async move {
                stopped("stop".to_owned());
                Json(Accepted {
                    success: true,
                    message: String::new(),
                })
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn context(url: &str) -> (Context, super::AskArgs) {
    let line = [
        "steward", "ask", "--url", url, "--token", "t", "--json", "--to", "Athena", "Why", "so",
        "slow?",
    ];
    let cli = Cli::try_parse_from(line).unwrap();
    let Command::Ask(args) = cli.command else {
        panic!("another command");
    };
    let context = Context {
        screen: Screen {
            json: true,
            ..screen(None, false)
        },
        global: cli.global,
    };
    (context, args)
}

#[tokio::test]
async fn a_question_is_waited_for_and_the_exit_code_says_whether_there_is_an_answer() {
    let (url, asked) = agent(samples::detail()).await;
    let (context, args) = context(&url);
    let exit = super::ask(&context, &args).await.unwrap();
    assert_eq!(exit, Exit::Done);
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked[0].contains("\"Why so slow?\"") && asked[0].contains("\"to\":\"Athena\""),
        "{asked:?}"
    );
    assert_eq!(asked[1..], ["look ", "look seen=2", "look seen=3"]);

    let mut detail = samples::detail();
    detail.messages.last_mut().unwrap().kind = steward_api::MessageKind::Failure;
    let (url, _) = agent(detail).await;
    let (context, args) = self::context(&url);
    assert_eq!(super::ask(&context, &args).await.unwrap(), Exit::Failed);
}

#[tokio::test]
async fn an_interrupted_question_is_stopped_on_the_agent() {
    let (url, asked) = agent(samples::detail()).await;
    let (context, _) = context(&url);
    let client = context.connect().unwrap();
    let failure = super::ask::stopped(&client, SAID).await;
    assert_eq!(failure.exit_code(), 130);
    assert!(
        failure.to_string().contains("was stopped")
            && failure.to_string().contains("steward conversations 12"),
        "{failure}"
    );
    assert_eq!(*asked.lock().unwrap(), ["stop"]);
}
