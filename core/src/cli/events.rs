//! `events` and `journal`: what happened, what happens, and whether the record of it is whole.

use futures_util::StreamExt as _;
use steward_api::{
    Envelope, JournalPage, JournalQuery, JournalVerification, ListJournal, VerifyJournal,
};

use super::{
    Context,
    args::{EventsArgs, JournalCommand},
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, units},
    story,
};
use crate::client::{Client, StreamEvent};

/// Entries asked for at once.
const PAGE: u32 = 500;
/// A long journal takes its time to check.
const VERIFY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn events(context: &Context, args: &EventsArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    if args.follow {
        return tokio::select! {
            ended = follow(context, &client, args) => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(
                Exit::Interrupted,
                "interrupted",
                "No longer following. The agent goes on.",
            )),
        };
    }
    let page = match args.since_seq {
        Some(after) => all_after(&client, after).await?,
        None => last(&client, args.last.unwrap_or(20)).await?,
    };
    if context.screen.json {
        context.screen.print_json(&page)?;
    } else {
        let lines: String = page
            .items
            .iter()
            .map(|entry| story::event_line(&context.screen, entry))
            .collect();
        context.screen.print(&lines)?;
    }
    Ok(Exit::Done)
}

async fn follow(context: &Context, client: &Client, args: &EventsArgs) -> Result<Exit, Failure> {
    let screen = &context.screen;
    let mut after = args.since_seq;
    if let Some(count) = args.last.filter(|_| after.is_none()) {
        let page = last(client, count.max(1)).await?;
        after = Some(page.items.last().map_or(0, |entry| entry.seq));
        for entry in page.items.iter().filter(|_| count > 0) {
            print_entry(screen, entry)?;
        }
    }
    let mut stream = client.events(after);
    while let Some(item) = stream.next().await {
        match item? {
            StreamEvent::Entry(entry) => print_entry(screen, &entry)?,
            // The agent sends no more of what this reader was too slow for; the journal has it all.
            StreamEvent::Reload { after, until } => {
                let mut position = after;
                while position < until {
                    let page = page_after(client, position).await?;
                    let Some(newest) = page.items.last() else {
                        break;
                    };
                    position = newest.seq;
                    for entry in page.items.iter().filter(|entry| entry.seq <= until) {
                        print_entry(screen, entry)?;
                    }
                }
            }
            StreamEvent::Lost { reason, retry_in } => screen.say(&format!(
                "connection lost ({}); trying again in {:.1} s",
                clean(&reason),
                retry_in.as_secs_f64()
            )),
            StreamEvent::Connected => tracing::debug!("following the events"),
        }
    }
    Ok(Exit::Done)
}

fn print_entry(screen: &Screen, entry: &Envelope) -> Result<(), Failure> {
    if screen.json {
        screen.print_json_line(entry)
    } else {
        screen.print(&story::event_line(&screen.later(), entry))
    }
}

async fn page_after(client: &Client, after: i64) -> Result<JournalPage, Failure> {
    let query = JournalQuery {
        after: Some(after),
        before: None,
        limit: Some(PAGE),
    };
    let mut page = client.call::<ListJournal>(None, &query).await?;
    page.items.sort_by_key(|entry| entry.seq);
    page.items.retain(|entry| entry.seq > after);
    Ok(page)
}

/// All entries after a number, oldest first.
async fn all_after(client: &Client, after: i64) -> Result<JournalPage, Failure> {
    let mut items: Vec<Envelope> = Vec::new();
    let mut position = after;
    loop {
        let page = page_after(client, position).await?;
        let Some(newest) = page.items.last() else {
            return Ok(JournalPage { items, next: None });
        };
        position = newest.seq;
        items.extend(page.items);
    }
}

/// The last entries, oldest first.
async fn last(client: &Client, count: u32) -> Result<JournalPage, Failure> {
    let mut items: Vec<Envelope> = Vec::new();
    let mut before = None;
    while (items.len() as u64) < u64::from(count) {
        let left = count - u32::try_from(items.len()).unwrap_or(count);
        let query = JournalQuery {
            after: None,
            before,
            limit: Some(left.min(PAGE)),
        };
        let page = client.call::<ListJournal>(None, &query).await?;
        let Some(oldest) = page.items.iter().map(|entry| entry.seq).min() else {
            break;
        };
        items.extend(page.items);
        before = Some(oldest);
    }
    items.sort_by_key(|entry| entry.seq);
    Ok(JournalPage { items, next: None })
}

pub(super) async fn journal(context: &Context, command: &JournalCommand) -> Result<Exit, Failure> {
    let screen = &context.screen;
    match command {
        JournalCommand::List {
            since_seq,
            last: count,
        } => {
            let client = context.connect()?;
            let page = match since_seq {
                Some(after) => all_after(&client, *after).await?,
                None => last(&client, *count).await?,
            };
            if screen.json {
                screen.print_json(&page)?;
            } else {
                screen.print(&render_journal(screen, &page))?;
            }
            Ok(Exit::Done)
        }
        JournalCommand::Verify { offline } => {
            let verification = if *offline {
                verify_offline(context).await?
            } else {
                context
                    .connect()?
                    .with_timeout(VERIFY_TIMEOUT)
                    .call::<VerifyJournal>(None, &steward_api::Nothing {})
                    .await?
            };
            if screen.json {
                screen.print_json(&verification)?;
            } else {
                screen.print(&render_verification(screen, &verification))?;
            }
            Ok(if verification.intact {
                Exit::Done
            } else {
                Exit::Failed
            })
        }
    }
}

async fn verify_offline(context: &Context) -> Result<JournalVerification, Failure> {
    let config = context.config()?;
    let unavailable = |error: &dyn std::error::Error| {
        Failure::new(Exit::Unavailable, "store_unavailable", super::chain(error))
    };
    let store = crate::wire::open_store(&config)
        .await
        .map_err(|error| unavailable(&error))?;
    store
        .verify_journal()
        .await
        .map_err(|error| unavailable(&error))
}

pub(super) fn render_journal(screen: &Screen, page: &JournalPage) -> String {
    let rows = page
        .items
        .iter()
        .map(|entry| {
            let (symbol, tone, words) = story::event_words(&entry.event);
            vec![
                (entry.seq.to_string(), Tone::Strong),
                (
                    units::exact_clock(entry.at, screen.now, &screen.zone),
                    Tone::Quiet,
                ),
                (entry.node.clone(), Tone::Plain),
                (format!("{symbol} {}", entry.event.name()), tone),
                (words, Tone::Plain),
                (entry.hash.chars().take(12).collect(), Tone::Quiet),
            ]
        })
        .collect();
    let table = screen.table(&["SEQ", "WHEN", "NODE", "EVENT", "WHAT", "HASH"], rows);
    if table.is_empty() {
        "The journal holds nothing there.\n".to_owned()
    } else {
        table
    }
}

pub(super) fn render_verification(screen: &Screen, verification: &JournalVerification) -> String {
    let mut out = if verification.intact {
        screen.paint(Tone::Good, "✔ The journal is whole")
    } else {
        screen.paint(Tone::Bad, "✖ The journal is broken")
    };
    out.push_str(&format!(
        ": {} checked.\n",
        if verification.entries == 1 {
            "1 entry".to_owned()
        } else {
            format!("{} entries", verification.entries)
        }
    ));
    if let Some(fault) = &verification.fault {
        out.push_str(&screen.field("fault", fault));
    }
    out.push_str(&screen.field("last entry", &verification.head_seq.to_string()));
    out.push_str(&screen.field("its hash", &verification.head_hash));
    if verification.intact && verification.entries > 0 {
        out.push_str(
            "Note the hash elsewhere to prove later that nothing before it was changed.\n",
        );
    }
    out
}
