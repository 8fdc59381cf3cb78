//! Conversations as they are shown: data in, text out.
//!
//! What models and programs wrote is cleaned of what could steer a terminal, and names that could not be checked are marked as such.

use steward_api::{
    Conversation, ConversationDetail, LookedAt, Message, MessageKind, Page, Proposal, Said,
    Specialist,
};

use crate::cli::output::{Screen, Tone, clean, units};

/// A text of several lines without what could steer a terminal.
pub(super) fn plain(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(clean).collect();
    let mut out = lines.join("\n");
    if text.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// What belongs to an answer that is on the screen already: what was looked at, what is doubtful, what is proposed, how to go on.
pub(super) fn aftermath(
    screen: &Screen,
    detail: &ConversationDetail,
    said: Said,
    sources: bool,
) -> String {
    let since: Vec<_> = detail
        .messages
        .iter()
        .filter(|message| message.number > said.number)
        .collect();
    let mut out = String::from("\n");
    let looks = detail.looked_at_since(said.number);
    out.push_str(&looked_at(screen, &looks, sources));
    for message in &since {
        out.push_str(&unchecked(screen, message));
    }
    for message in &since {
        out.push_str(&proposals(screen, &message.proposals));
    }
    if let Some(answer) = detail.last_word(said.number) {
        let by = answer.model.as_ref().map_or_else(
            || clean(&answer.from),
            |model| format!("{}, by the model {}", clean(&answer.from), clean(model)),
        );
        out.push_str(&screen.field("said by", &by));
    }
    let id = detail.conversation.id;
    out.push_str(&screen.painted_field(
        "go on",
        &screen.paint(Tone::Quiet, format!("steward ask --conversation {id} …")),
    ));
    out
}

/// What was looked at: in short on a line, or each with what was seen.
fn looked_at(screen: &Screen, looks: &[&LookedAt], full: bool) -> String {
    if looks.is_empty() {
        return String::new();
    }
    if !full {
        let short: Vec<_> = looks
            .iter()
            .map(|look| {
                format!(
                    "{} {}{}",
                    look.reference,
                    look.what,
                    if look.failed {
                        " (could not be seen)"
                    } else {
                        ""
                    }
                )
            })
            .collect();
        return screen.field("looked at", &short.join(" · "));
    }
    let mut out = screen.heading("Looked at");
    for look in looks {
        let failed = if look.failed {
            screen.paint(Tone::Warn, ", could not be seen")
        } else {
            String::new()
        };
        out.push_str(&format!(
            "  {} {}, {}, {}{failed}\n",
            screen.paint(Tone::Strong, clean(&look.reference)),
            clean(&look.what),
            clean(&look.tool),
            units::clock(look.at, screen.now, &screen.zone),
        ));
        out.push_str(&screen.wrapped(6, &look.text));
    }
    out
}

fn unchecked(screen: &Screen, message: &Message) -> String {
    if message.unchecked.is_empty() {
        return String::new();
    }
    screen.painted_field(
        "not checked",
        &screen.paint(
            Tone::Unsure,
            format!(
                "? {}: nothing here is called so, as far as could be told",
                clean(&message.unchecked.join(", "))
            ),
        ),
    )
}

fn proposals(screen: &Screen, proposals: &[Proposal]) -> String {
    let mut out = String::new();
    for proposal in proposals {
        let what = format!(
            "{} on {}",
            proposal.action,
            clean(&proposal.resource.to_string())
        );
        match (proposal.task, &proposal.refused) {
            (Some(task), _) => {
                out.push_str(&screen.painted_field(
                    "proposed",
                    &format!(
                        "{} {what}",
                        screen.paint(Tone::Ask, format!("◇ task {task}:"))
                    ),
                ));
                out.push_str(&screen.wrapped(14, &proposal.reason));
                out.push_str(&format!(
                    "{}{}\n",
                    " ".repeat(14),
                    screen.paint(Tone::Ask, format!("waits for you: steward approve {task}"))
                ));
            }
            (None, refused) => {
                let why = refused.as_deref().unwrap_or("it could not be planned");
                out.push_str(&screen.painted_field(
                    "proposed",
                    &format!("{} {what}", screen.paint(Tone::Quiet, "⊘ not a task:")),
                ));
                out.push_str(&screen.wrapped(14, why));
            }
        }
    }
    out
}

/// A whole conversation.
pub(super) fn conversation(screen: &Screen, detail: &ConversationDetail, sources: bool) -> String {
    let known = &detail.conversation;
    let mut out = format!(
        "{} {}\n",
        screen.paint(Tone::Strong, format!("Conversation {}", known.id)),
        clean(&known.title)
    );
    out.push_str(&screen.field(
        "begun",
        &format!("{} by {}", screen.when(known.started_at), known.by),
    ));
    let about: Vec<_> = [
        known.incident.map(|id| format!("incident {id}")),
        known.task.map(|id| format!("task {id}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !about.is_empty() {
        out.push_str(&screen.field("about", &about.join(", ")));
    }
    let left_out = usize::try_from(known.messages)
        .unwrap_or(usize::MAX)
        .saturating_sub(detail.messages.len());
    if left_out > 0 {
        out.push_str(&screen.field(
            "earlier",
            &format!("{left_out} messages that are not shown"),
        ));
    }
    for message in &detail.messages {
        out.push('\n');
        out.push_str(&self::message(screen, message, sources));
    }
    if detail.progress.busy {
        out.push('\n');
        let at_work: Vec<_> = detail
            .progress
            .working
            .iter()
            .map(|working| format!("{} {}", clean(&working.specialist), clean(&working.doing)))
            .collect();
        out.push_str(&screen.field(
            "under way",
            &if at_work.is_empty() {
                "an answer".to_owned()
            } else {
                at_work.join(", ")
            },
        ));
    }
    out
}

fn message(screen: &Screen, message: &Message, sources: bool) -> String {
    let tone = match message.kind {
        MessageKind::Question | MessageKind::Answer => Tone::Strong,
        MessageKind::Failure => Tone::Warn,
        MessageKind::Delegation | MessageKind::Consultation | MessageKind::Report => Tone::Plain,
    };
    let model = message.model.as_ref().map_or_else(String::new, |model| {
        format!(", by the model {}", clean(model))
    });
    let head = format!(
        "{} {} → {}: {}",
        message.number,
        clean(&message.from),
        clean(&message.to),
        message.kind
    );
    let mut out = format!(
        "{} {}\n",
        screen.paint(tone, head),
        screen.paint(
            Tone::Quiet,
            format!(
                "{}{model}",
                units::clock(message.at, screen.now, &screen.zone)
            )
        )
    );
    out.push_str(&screen.wrapped(2, &message.text));
    let looks: Vec<_> = message.looked_at.iter().collect();
    out.push_str(&looked_at(screen, &looks, sources));
    out.push_str(&unchecked(screen, message));
    out.push_str(&proposals(screen, &message.proposals));
    out
}

/// The list of conversations.
pub(super) fn conversations(screen: &Screen, page: &Page<Conversation>) -> String {
    if page.items.is_empty() {
        return "Nobody has asked anything yet: steward ask \"How is the house?\"\n".to_owned();
    }
    let rows = page
        .items
        .iter()
        .map(|one| {
            let about = match (one.incident, one.task) {
                (Some(incident), _) => format!("incident {incident}"),
                (None, Some(task)) => format!("task {task}"),
                (None, None) => "—".to_owned(),
            };
            let tasks: Vec<_> = one.tasks.iter().map(ToString::to_string).collect();
            vec![
                (one.id.to_string(), Tone::Strong),
                (units::relative(one.last_at, screen.now), Tone::Plain),
                (clean(&one.by), Tone::Plain),
                (one.messages.to_string(), Tone::Plain),
                (about, Tone::Plain),
                (
                    if tasks.is_empty() {
                        "—".to_owned()
                    } else {
                        tasks.join(", ")
                    },
                    Tone::Plain,
                ),
                (clean(&one.title), Tone::Plain),
            ]
        })
        .collect();
    let mut out = screen.table(
        &["NO", "LAST", "BY", "MESSAGES", "ABOUT", "TASKS", "WHAT"],
        rows,
    );
    if page.next.is_some() {
        out.push_str("\nThere are more: --limit\n");
    }
    out
}

/// The specialists.
pub(super) fn specialists(screen: &Screen, known: &[Specialist]) -> String {
    if known.is_empty() {
        return "There are no specialists here. `steward models` says what is missing.\n"
            .to_owned();
    }
    let rows = known
        .iter()
        .map(|one| {
            let at_work: Vec<_> = one
                .at_work
                .iter()
                .map(|at| format!("{} ({})", clean(&at.working.doing), at.conversation))
                .collect();
            vec![
                (clean(&one.name), Tone::Strong),
                (clean(&one.field), Tone::Plain),
                (
                    if at_work.is_empty() {
                        "—".to_owned()
                    } else {
                        at_work.join(", ")
                    },
                    Tone::Plain,
                ),
                (
                    one.model.as_deref().map_or("the best".to_owned(), clean),
                    Tone::Plain,
                ),
                (one.tools.join(", "), Tone::Quiet),
            ]
        })
        .collect();
    format!(
        "{}\nTo ask one: steward ask --to NAME \"…\"\n",
        screen.table(
            &["NAME", "FIELD", "WORKS ON (CONVERSATION)", "MODEL", "TOOLS"],
            rows
        )
    )
}
