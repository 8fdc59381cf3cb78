//! Conversations in words: who says what to whom, and who looked into it.
//!
//! What flows through: conversations and messages of the contract in, lines for a person out. What it never does: take a message's text for
//! more than text.

use steward_api::{Channel, Conversation, Message, MessageKind, Working};

use crate::{
    format,
    marks::{Mark, Shape, Tone},
};

/// So much of a message stands in a line about it, characters.
const IN_A_LINE: usize = 140;

/// Who says something to whom, as the beginning of a line: `Athena reports to Jarvis Prime`.
pub fn said(message: &Message) -> String {
    let (from, to) = (&message.from, &message.to);
    match message.kind {
        MessageKind::Question | MessageKind::Consultation => format!("{from} asks {to}"),
        MessageKind::Delegation => format!("{from} has {to} look"),
        MessageKind::Report => format!("{from} reports to {to}"),
        MessageKind::Answer => format!("{from} answers {to}"),
        MessageKind::Failure => format!("{from} has no answer for {to}"),
    }
}

/// A message as an entry of the journal.
pub(super) fn event(message: &Message) -> (Mark, String) {
    let (shape, word, tone) = match message.kind {
        MessageKind::Question => (Shape::Bubble, "asked", Tone::Ask),
        MessageKind::Delegation | MessageKind::Consultation => {
            (Shape::Lens, "looked into", Tone::Quiet)
        }
        MessageKind::Report => (Shape::Pen, "reported", Tone::Quiet),
        MessageKind::Answer => (Shape::Bubble, "answered", Tone::Quiet),
        MessageKind::Failure => (Shape::Cross, "no answer", Tone::Bad),
    };
    (
        Mark { shape, word, tone },
        format!(
            "{}: {}",
            said(message),
            format::one_line(&message.text, IN_A_LINE)
        ),
    )
}

/// Who began a conversation, and where: `admin, over MCP`.
pub fn begun_by(one: &Conversation) -> String {
    match one.channel {
        Channel::Browser | Channel::Desktop => one.by.clone(),
        Channel::Http => format!("{}, over HTTP", one.by),
        Channel::Cli => format!("{}, on the command line", one.by),
        Channel::Mcp => format!("{}, over MCP", one.by),
    }
}

/// What is known of a conversation besides its title: `admin, over MCP · 4 messages · about incident 3 · tasks 5, 6`.
pub fn conversation(one: &Conversation) -> String {
    let mut parts = vec![begun_by(one)];
    parts.push(format::count(u64::from(one.messages), "message"));
    if let Some(incident) = one.incident {
        parts.push(format!("about incident {incident}"));
    }
    if let Some(task) = one.task {
        parts.push(format!("about task {task}"));
    }
    match one.tasks.as_slice() {
        [] => {}
        [task] => parts.push(format!("task {task} came of it")),
        tasks => {
            let tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
            parts.push(format!("tasks {} came of it", tasks.join(", ")));
        }
    }
    parts.join(" · ")
}

/// Who looked into a question, of what specialists said to each other about it: `Athena and Atlas looked into it`.
pub fn looked_into_it<'a>(
    messages: impl IntoIterator<Item = &'a Message>,
    is_over: bool,
) -> String {
    let mut names: Vec<&str> = Vec::new();
    for message in messages {
        let name = match message.kind {
            MessageKind::Report => &message.from,
            MessageKind::Delegation | MessageKind::Consultation => &message.to,
            _ => continue,
        };
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let who = match names.as_slice() {
        [] => return "Said between specialists".to_owned(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    };
    let verb = match (is_over, names.len()) {
        (true, _) => "looked",
        (false, 1) => "looks",
        (false, _) => "look",
    };
    format!("{who} {verb} into it")
}

/// Who is at work on what: `Athena reads the log of nginx`.
pub fn doing(working: &Working) -> String {
    format!("{} {}", working.specialist, working.doing)
}

#[cfg(test)]
mod tests {
    use steward_api::{IncidentId, TaskId};

    use super::*;
    use crate::samples;

    #[test]
    fn the_journal_says_who_said_what_in_one_line() {
        let mut message = samples::message(1, MessageKind::Question, "admin", "Jarvis Prime");
        message.text = "My database\nis slow".to_owned();
        assert_eq!(
            event(&message).1,
            "admin asks Jarvis Prime: My database is slow"
        );
        let report = samples::reply(3, MessageKind::Report, "Athena", "Jarvis Prime", 2);
        assert_eq!(event(&report).1, "Athena reports to Jarvis Prime: words 3");
        let failure = samples::message(4, MessageKind::Failure, "Jarvis Prime", "admin");
        assert_eq!(event(&failure).0.tone, Tone::Bad);
    }

    #[test]
    fn a_conversation_says_who_began_it_what_it_is_about_and_what_came_of_it() {
        let mut one = samples::conversation(1, "x");
        assert_eq!(conversation(&one), "admin · 1 message");
        one.channel = Channel::Mcp;
        one.messages = 4;
        one.incident = Some(IncidentId(3));
        one.tasks = vec![TaskId(5)];
        assert_eq!(
            conversation(&one),
            "admin, over MCP · 4 messages · about incident 3 · task 5 came of it"
        );
        one.tasks.push(TaskId(6));
        assert!(conversation(&one).ends_with("tasks 5, 6 came of it"));
    }

    #[test]
    fn who_looked_into_it_is_named_once() {
        let all = [
            samples::reply(2, MessageKind::Delegation, "Jarvis Prime", "Athena", 1),
            samples::reply(3, MessageKind::Consultation, "Athena", "Atlas", 2),
            samples::reply(4, MessageKind::Report, "Atlas", "Athena", 3),
            samples::reply(5, MessageKind::Report, "Athena", "Jarvis Prime", 2),
        ];
        assert_eq!(
            looked_into_it(&all, true),
            "Athena and Atlas looked into it"
        );
        assert_eq!(looked_into_it(&all[..1], false), "Athena looks into it");
        assert_eq!(
            looked_into_it(&all[..2], false),
            "Athena and Atlas look into it"
        );
    }
}
