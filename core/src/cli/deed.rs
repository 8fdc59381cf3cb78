//! `do`: what may be asked to be done to something, and asking for it.
//!
//! What flows through: the offers of the agent out, a wish for one of them in. What it never does: decide whether it is done.

use clap::Args;
use steward_api::{ActionName, AskForAction, AskRequest, ListOffers, Offers, ResourceIdQuery};

use super::{
    Context, answer,
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, risk_mark},
    show::find_resource,
};

#[derive(Args, Debug)]
pub(crate) struct DoArgs {
    /// To what: a name, or a full id such as atlas/container/web
    pub(crate) what: String,
    /// Which action; without it, those are listed that may be asked for now
    #[arg(value_parser = parse_action)]
    pub(crate) action: Option<ActionName>,
    /// Why, for the record
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        value_name = "TEXT"
    )]
    pub(crate) reason: String,
    /// Wait for the end, showing what is done; exit with 1 when it fails
    #[arg(long)]
    pub(crate) wait: bool,
}

fn parse_action(text: &str) -> Result<ActionName, String> {
    let wanted = text.replace('-', "_");
    ActionName::ALL
        .into_iter()
        .find(|action| action.as_str() == wanted)
        .ok_or_else(|| {
            let known: Vec<_> = ActionName::ALL
                .iter()
                .map(|action| action.as_str())
                .collect();
            format!("it should be one of {}", known.join(", "))
        })
}

pub(super) async fn deed(context: &Context, args: &DoArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    let id = find_resource(&client, &args.what).await?;
    let Some(action) = args.action else {
        let offers = client
            .call::<ListOffers>(None, &ResourceIdQuery { id })
            .await?;
        if screen.json {
            screen.print_json(&offers)?;
        } else {
            screen.print(&render(screen, &offers))?;
        }
        return Ok(Exit::Done);
    };
    let asked = AskRequest {
        id,
        action,
        reason: args.reason.clone(),
    };
    let reply = client.call::<AskForAction>(None, &asked).await?;
    answer::made(context, &client, &reply, args.wait).await
}

fn render(screen: &Screen, offers: &Offers) -> String {
    if offers.actions.is_empty() {
        return format!(
            "There is nothing that Steward could do to {} now.\n",
            clean(offers.resource.short())
        );
    }
    let rows = offers
        .actions
        .iter()
        .map(|offer| {
            let mark = risk_mark(offer.risk);
            let record = &offer.record;
            let tried = record.successes_here + record.failures_here;
            let here = if tried == 0 {
                "never".to_owned()
            } else {
                format!("{} of {tried} worked", record.successes_here)
            };
            vec![
                (offer.action.to_string(), Tone::Strong),
                (format!("{} {}", mark.symbol, offer.risk), mark.tone),
                (here, Tone::Plain),
                (clean(&offer.plan), Tone::Plain),
            ]
        })
        .collect();
    format!(
        "{}\nTo ask for one: steward do {} ACTION\n",
        screen.table(&["ACTION", "RISK", "DONE HERE", "WHAT IT WOULD BE"], rows),
        clean(offers.resource.short())
    )
}
