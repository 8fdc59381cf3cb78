//! `models`, `diagnose` and `choose`: language models, what they were asked, and their second opinions.
//!
//! What flows through: the Advisor's state, calls and opinions, as text or JSON. What it never does: ask a model itself; the agent does.

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use steward_api::{
    AdvisorStatus, CallQuery, ChooseDiagnosis, ChooseRequest, ConversationId, DiagnoseIncident,
    DiagnoseRequest, Event, GetAdvisor, GetModelCall, Incident, IncidentChange, IncidentId,
    ListModelCalls, ModelState, ModelStatus, NO_SECOND_OPINION, Nothing, RecordedCall, TryModel,
    TryModelRequest, is_of_model,
};

use super::{
    Context,
    failure::{Exit, Failure},
    output::{Screen, Tone, clean, units},
    story,
};
use crate::client::{Client, StreamEvent};

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models: where they run, how they do, what they cost. The default
    List,
    /// Ask a model for a word, to see whether it answers, how quickly, and what it can do
    Try {
        /// Its name
        name: String,
    },
    /// List the calls of models, newest first: what for, how they ended, what they cost
    Calls {
        /// Only those about this incident
        #[arg(long, value_name = "NUMBER")]
        incident: Option<i64>,
        /// Only those made for this conversation
        #[arg(long, value_name = "NUMBER")]
        conversation: Option<i64>,
        /// How many at most
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        limit: u32,
    },
    /// Show exactly what was sent in a call, and what came back
    Call {
        /// Its number, as `steward models calls` shows it
        id: i64,
    },
}

#[derive(Args, Debug)]
pub(crate) struct DiagnoseArgs {
    /// The incident's number
    pub(crate) incident: i64,
    /// Which model to ask; by default the one that suits best
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ChooseArgs {
    /// The incident's number
    pub(crate) incident: i64,
    /// Whose diagnosis: its source as `steward show incident` tells it, such as catalogue:… or model:…
    pub(crate) source: String,
}

pub(super) async fn models(
    context: &Context,
    command: Option<&ModelsCommand>,
) -> Result<Exit, Failure> {
    match command {
        None | Some(ModelsCommand::List) => list(context).await,
        Some(ModelsCommand::Try { name }) => try_model(context, name).await,
        Some(ModelsCommand::Calls {
            incident,
            conversation,
            limit,
        }) => {
            let query = CallQuery {
                incident: incident.map(IncidentId),
                conversation: conversation.map(ConversationId),
                before: None,
                limit: Some(*limit),
            };
            calls(context, query).await
        }
        Some(ModelsCommand::Call { id }) => call(context, *id).await,
    }
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    let status = context
        .connect()?
        .call::<GetAdvisor>(None, &Nothing {})
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&status)?;
    } else {
        screen.print(&render_status(screen, &status))?;
    }
    Ok(Exit::Done)
}

fn render_status(screen: &Screen, status: &AdvisorStatus) -> String {
    let mut out = String::new();
    if !status.models.is_empty() {
        let rows = status.models.iter().map(row).collect();
        out.push_str(&screen.table(
            &[
                "NAME",
                "MODEL",
                "RUNS",
                "STATE",
                "LAST ANSWER",
                "PRICE IN / OUT",
                "ADDRESS",
            ],
            rows,
        ));
        for model in &status.models {
            if let Some(error) = &model.error {
                out.push_str(&screen.field(&clean(&model.name), error));
            }
        }
    }
    if status.daily_budget_micro_usd > 0 || status.spent_today_micro_usd > 0 {
        out.push_str(&screen.field(
            "spent today",
            &format!(
                "{} of {}",
                units::dollars(status.spent_today_micro_usd),
                units::dollars(status.daily_budget_micro_usd)
            ),
        ));
    }
    if let Some(advice) = &status.advice {
        out.push_str(&format!("{}\n", clean(advice)));
    }
    out
}

fn row(model: &ModelStatus) -> Vec<(String, Tone)> {
    let tone = match model.state {
        ModelState::Up => Tone::Good,
        ModelState::Unknown => Tone::Quiet,
        ModelState::Failing | ModelState::Resting => Tone::Bad,
    };
    let found = if model.discovered { ", found here" } else { "" };
    let price = if model.input_micro_usd_per_million == 0 && model.output_micro_usd_per_million == 0
    {
        "free".to_owned()
    } else {
        format!(
            "{} / {} per million tokens",
            units::dollars(model.input_micro_usd_per_million),
            units::dollars(model.output_micro_usd_per_million)
        )
    };
    vec![
        (clean(&model.name), Tone::Strong),
        (
            if model.model.is_empty() {
                "the first offered".to_owned()
            } else {
                // llama.cpp calls its models by their files.
                let name = model.model.rsplit_once('/');
                let file = name.filter(|_| model.model.starts_with('/'));
                clean(file.map_or(model.model.as_str(), |(_, file)| file))
            },
            Tone::Plain,
        ),
        (format!("{}{found}", model.class), Tone::Plain),
        (model.state.to_string(), tone),
        (
            model.latency_ms.map_or("—".to_owned(), |took| {
                format!("{:.1} s", took as f64 / 1000.0)
            }),
            Tone::Plain,
        ),
        (price, Tone::Plain),
        (clean(&model.url), Tone::Quiet),
    ]
}

async fn try_model(context: &Context, name: &str) -> Result<Exit, Failure> {
    let tried = context
        .connect()?
        .call::<TryModel>(
            None,
            &TryModelRequest {
                model: name.to_owned(),
            },
        )
        .await?;
    let screen = &context.screen;
    let exit = if tried.error.is_none() {
        Exit::Done
    } else {
        Exit::Failed
    };
    if screen.json {
        screen.print_json(&tried)?;
        return Ok(exit);
    }
    let mut out = String::new();
    match &tried.error {
        None => {
            let took = tried.status.latency_ms.unwrap_or_default() as f64 / 1000.0;
            out.push_str(&format!(
                "{} answers, in {took:.1} s.\n",
                clean(&tried.status.name)
            ));
        }
        Some(error) => out.push_str(&format!(
            "{}: {}\n",
            clean(&tried.status.name),
            clean(error)
        )),
    }
    let abilities = &tried.status.abilities;
    for (what, can) in [
        ("keeps to a schema", abilities.schema),
        ("calls tools", abilities.tools),
        ("streams", abilities.streaming),
    ] {
        let said = match can {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        out.push_str(&screen.field(what, said));
    }
    if !tried.offered.is_empty() {
        out.push_str(&screen.field("its server has", &tried.offered.join(", ")));
    }
    screen.print(&out)?;
    Ok(exit)
}

async fn calls(context: &Context, query: CallQuery) -> Result<Exit, Failure> {
    let page = context
        .connect()?
        .call::<ListModelCalls>(None, &query)
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&page)?;
        return Ok(Exit::Done);
    }
    if page.items.is_empty() {
        screen.print("No model was called yet.\n")?;
        return Ok(Exit::Done);
    }
    let rows = page
        .items
        .iter()
        .map(|recorded: &RecordedCall| {
            let call = &recorded.call;
            let about = match (call.conversation, call.incident) {
                (Some(conversation), _) => format!(" in conversation {conversation}"),
                (None, Some(incident)) => format!(" of incident {incident}"),
                (None, None) => String::new(),
            };
            vec![
                (recorded.id.to_string(), Tone::Strong),
                (
                    units::clock(recorded.at, screen.now, &screen.zone),
                    Tone::Plain,
                ),
                (clean(&call.model), Tone::Plain),
                (format!("{}{about}", call.purpose), Tone::Plain),
                (call.result.to_string(), Tone::Plain),
                (
                    format!("{} / {}", call.prompt_tokens, call.completion_tokens),
                    Tone::Plain,
                ),
                (units::dollars(call.cost_micro_usd), Tone::Plain),
                (
                    format!("{:.1} s", call.took_ms as f64 / 1000.0),
                    Tone::Plain,
                ),
            ]
        })
        .collect();
    screen.print(&screen.table(
        &[
            "CALL",
            "AT",
            "MODEL",
            "WHAT FOR",
            "ENDED",
            "TOKENS IN / OUT",
            "COST",
            "TOOK",
        ],
        rows,
    ))?;
    Ok(Exit::Done)
}

async fn call(context: &Context, id: i64) -> Result<Exit, Failure> {
    let texts = context
        .connect()?
        .call::<GetModelCall>(Some(&id.to_string()), &Nothing {})
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&texts)?;
        return Ok(Exit::Done);
    }
    let call = &texts.recorded.call;
    let mut out = screen.field("model", &format!("{} ({})", call.model, call.class));
    out.push_str(&screen.field("ended", &call.result.to_string()));
    if let Some(error) = &call.error {
        out.push_str(&screen.field("why", error));
    }
    for (what, text) in [("sent", &texts.sent), ("came back", &texts.received)] {
        out.push_str(&format!("\n{}\n", screen.paint(Tone::Strong, what)));
        match text {
            Some(text) => out.push_str(&readable(text)),
            None => out.push_str("nothing, or it is no longer kept"),
        }
        out.push('\n');
    }
    screen.print(&out)?;
    Ok(Exit::Done)
}

/// JSON with its lines broken, and the lines within its texts too.
fn readable(text: &str) -> String {
    let pretty = serde_json::from_str::<serde_json::Value>(text)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| text.to_owned());
    pretty
        .replace("\\n", "\n")
        .lines()
        .map(clean)
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) async fn diagnose(context: &Context, args: &DiagnoseArgs) -> Result<Exit, Failure> {
    let client = context.connect()?;
    let screen = &context.screen;
    let id = IncidentId(args.incident);
    // The stream first, so that an answer that comes at once is not missed.
    let mut stream = client.events(None);
    let asked = DiagnoseRequest {
        model: args.model.clone(),
    };
    client
        .call::<DiagnoseIncident>(Some(&id.to_string()), &asked)
        .await?;
    if !screen.json {
        screen.say(&screen.paint(
            Tone::Quiet,
            "A model looks at it; this may take a minute or two.",
        ));
    }
    let incident = tokio::select! {
        incident = opinion(&client, &mut stream, id) => incident?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(
            Exit::Interrupted,
            "interrupted",
            format!("No longer waiting. The model goes on: `steward show incident {id}` tells what it said."),
        )),
    };
    if screen.json {
        screen.print_json(&incident)?;
    } else {
        screen.print(&render_opinions(screen, &incident))?;
    }
    let has_opinion = incident.diagnoses.iter().any(is_of_model);
    Ok(if has_opinion && no_opinion(&incident).is_none() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The incident as it stands when a model has spoken, or could not.
async fn opinion(
    client: &Client,
    stream: &mut crate::client::EventStream,
    id: IncidentId,
) -> Result<Incident, Failure> {
    loop {
        match stream.next().await {
            Some(Ok(StreamEvent::Entry(entry))) => {
                if let Event::IncidentChanged { change, incident } = entry.event
                    && incident.id == id
                    && (change == IncidentChange::Advised || !incident.is_active())
                {
                    return Ok(*incident);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "the event stream failed; it is taken up again");
            }
            None => {
                return Ok(client
                    .call::<steward_api::GetIncident>(Some(&id.to_string()), &Nothing {})
                    .await?);
            }
        }
    }
}

/// Why the model that was asked last gave no opinion. What others said before stands all the same.
fn no_opinion(incident: &Incident) -> Option<&str> {
    let last = &incident.timeline.last()?.text;
    last.starts_with(NO_SECOND_OPINION).then_some(last)
}

fn render_opinions(screen: &Screen, incident: &Incident) -> String {
    let mut out = String::new();
    for (index, diagnosis) in incident.diagnoses.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let standing = if index == 0 {
            "in force"
        } else {
            "second opinion"
        };
        out.push_str(&screen.field("standing", standing));
        out.push_str(&story::diagnosis(screen, diagnosis));
    }
    if let Some(why) = no_opinion(incident) {
        out.push_str(&format!("\n{}\n", clean(why)));
    } else if !incident.diagnoses.iter().any(is_of_model)
        && let Some(last) = incident.timeline.last()
    {
        out.push_str(&format!("\n{}\n", clean(&last.text)));
    }
    if incident.diagnoses.len() > 1 {
        out.push_str(&format!(
            "\nTo have another one in force: steward choose {} SOURCE\n",
            incident.id
        ));
    }
    out
}

pub(super) async fn choose(context: &Context, args: &ChooseArgs) -> Result<Exit, Failure> {
    let incident = context
        .connect()?
        .call::<ChooseDiagnosis>(
            Some(&args.incident.to_string()),
            &ChooseRequest {
                source: args.source.clone(),
                diagnosis: None,
            },
        )
        .await?;
    let screen = &context.screen;
    if screen.json {
        screen.print_json(&incident)?;
        return Ok(Exit::Done);
    }
    let decided = incident
        .decision
        .as_ref()
        .map_or_else(String::new, |decision| {
            format!(" {}", clean(&decision.reason))
        });
    screen.print(&format!(
        "{} is in force for incident {}.{decided}\n",
        clean(&args.source),
        incident.id
    ))?;
    Ok(Exit::Done)
}
