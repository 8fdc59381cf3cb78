//! A conversation as it might have been, always the same.

use jiff::Timestamp;
use steward_api::*;

pub(super) fn at(minute: i8, second: i8) -> Timestamp {
    format!("2026-03-10T09:{minute:02}:{second:02}Z")
        .parse()
        .unwrap()
}

fn message(number: u32, from: &str, to: &str, kind: MessageKind, text: &str) -> Message {
    Message {
        conversation: ConversationId(12),
        number,
        at: at(12, i8::try_from(number).unwrap()),
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        text: text.to_owned(),
        reply_to: (number > 1).then_some(1),
        looked_at: Vec::new(),
        proposals: Vec::new(),
        unchecked: Vec::new(),
        model: (number > 1).then(|| "small".to_owned()),
    }
}

fn look(reference: &str, tool: &str, what: &str, text: &str, failed: bool) -> LookedAt {
    LookedAt {
        reference: reference.to_owned(),
        tool: tool.to_owned(),
        what: what.to_owned(),
        text: text.to_owned(),
        failed,
        at: at(12, 2),
    }
}

pub(super) fn detail() -> ConversationDetail {
    let mut report = message(
        3,
        "Athena",
        JARVIS_PRIME,
        MessageKind::Report,
        "db has 97 of 100 connections in use [A1]. Its log was not to be had [A2].",
    );
    report.looked_at = vec![
        look(
            "A1",
            "check_database",
            "atlas/database/db, read anew",
            "read anew: it is degraded\n97 of 100 connections in use",
            false,
        ),
        look(
            "A2",
            "get_log",
            "the log of atlas/container/db",
            "docker did not answer in time",
            true,
        ),
    ];
    let mut answer = message(
        4,
        JARVIS_PRIME,
        "ada",
        MessageKind::Answer,
        "The database is slow because nearly all of its connections are in use: 97 of 100.\n\nResetting the idle ones helps at once. In the \
         long run pgbouncer-7 should sit before it.",
    );
    answer.unchecked = vec!["pgbouncer-7".to_owned()];
    answer.proposals = vec![
        Proposal {
            resource: "atlas/database/db".parse().unwrap(),
            action: ActionName::ResetConnections,
            reason: "97 of 100 connections are in use, and most are idle.".to_owned(),
            task: Some(TaskId(31)),
            refused: None,
        },
        Proposal {
            resource: "atlas/container/db".parse().unwrap(),
            action: ActionName::StopContainer,
            reason: "To be sure.".to_owned(),
            task: None,
            refused: Some(
                "Steward would now: stop db; autonomy is observe, so it does not".to_owned(),
            ),
        },
    ];
    ConversationDetail {
        conversation: conversation(),
        messages: vec![
            message(
                1,
                "ada",
                JARVIS_PRIME,
                MessageKind::Question,
                "My database is slow",
            ),
            message(
                2,
                JARVIS_PRIME,
                "Athena",
                MessageKind::Delegation,
                "See how db does.",
            ),
            report,
            answer,
        ],
        progress: Progress {
            conversation: ConversationId(12),
            version: 9,
            busy: false,
            working: Vec::new(),
            writing: None,
            messages: 4,
        },
    }
}

pub(super) fn conversation() -> Conversation {
    Conversation {
        id: ConversationId(12),
        node: "atlas".to_owned(),
        title: "My database is slow".to_owned(),
        by: "ada".to_owned(),
        channel: Channel::Cli,
        incident: Some(IncidentId(4)),
        task: None,
        started_at: at(12, 1),
        last_at: at(12, 4),
        messages: 4,
        tasks: vec![TaskId(31)],
    }
}

pub(super) fn specialist(name: &str, field: &str) -> Specialist {
    Specialist {
        name: name.to_owned(),
        field: field.to_owned(),
        instructions: "Look closely.".to_owned(),
        tools: vec!["get_resource".to_owned(), "get_log".to_owned()],
        model: None,
        built_in: true,
        at_work: Vec::new(),
    }
}
