//! Steward's desktop: a thin shell around the control center.
//!
//! What flows through: the window's requests go through `carrier` to the engine inside this program or to an agent; `desk` knows to whom;
//! `attention` watches what waits, and `notifications` and `tray` show it. What it never does: decide anything about what is looked after,
//! open a port, or load anything from elsewhere.

mod attention;
mod autostart;
mod carrier;
mod commands;
mod connections;
mod desk;
mod instance;
mod link;
mod notifications;
mod place;
mod tray;
mod window;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Parser;
use tauri::{AppHandle, Manager as _, RunEvent, WindowEvent};
use tokio::sync::{mpsc, watch};

use crate::{
    attention::Picture,
    desk::Desk,
    instance::{Claim, Start},
    link::Link,
    notifications::{Notifications, Words},
};

/// Steward's control center in a window of its own, with notifications and an icon in the tray.
#[derive(Parser)]
#[command(name = "steward-desktop", version, about, after_help = AFTER_HELP)]
struct Arguments {
    /// A place to open: steward://task/12, steward://incident/3 or steward://tasks
    #[arg(value_name = "LINK")]
    link: Option<Link>,
    /// Begin in the tray, without the window
    #[arg(long)]
    hidden: bool,
    /// The configuration of Steward's own engine, where it looks after this machine
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Closing the window keeps it watching; it is quit in the tray, or in the window under Connections.
A second start shows the window of the first.

Environment: STEWARD_DATA_DIR, STEWARD_CONFIG and the other variables of `steward up` hold for its own engine; RUST_LOG sets what is \
logged (such as `debug`).";

/// What the parts of the program want of it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Show the window, at a place where one is given.
    Show(Option<Link>),
    Quit,
}

/// What every command of the window needs.
struct Shell {
    desk: Arc<Desk>,
    /// Whether a tray shows the icon.
    in_tray: watch::Receiver<bool>,
    /// What is to be told beside the window.
    tell: mpsc::UnboundedSender<Words>,
    /// Whether it was said that closing does not end it.
    said: std::sync::atomic::AtomicBool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    // Installing twice is harmless; whoever was first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let session = place::session().context(
        "neither XDG_RUNTIME_DIR nor HOME is set, so there is no place for Steward's files",
    )?;
    let config = place::config().context(
        "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for Steward's files",
    )?;
    let claim = match instance::claim(&session, arguments.link)? {
        Start::First(claim) => claim,
        Start::Second => {
            tracing::info!("Steward's desktop runs already; its window is shown");
            return Ok(());
        }
    };
    look_for_a_display()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    tauri::async_runtime::set(runtime.handle().clone());
    let _entered = runtime.enter();
    let desk = Arc::new(Desk::new(
        config.join(connections::FILE),
        steward::wire::inputs(arguments.config.as_deref()),
    ));
    run(desk, claim, &arguments)
}

/// Says in words that there is no display, where the toolkit would only break.
fn look_for_a_display() -> anyhow::Result<()> {
    let named = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    anyhow::ensure!(
        named("DISPLAY") || named("WAYLAND_DISPLAY"),
        "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set. Start this in a graphical session; on a server, `steward up` runs the agent and shows the same in a browser"
    );
    gtk::init().map_err(|error| {
        anyhow::anyhow!(
            "the display can't be used ({error}): is it one of this session, and may this account use it? On a server, `steward up` runs the agent and shows the same in a browser"
        )
    })
}

fn run(desk: Arc<Desk>, claim: Claim, arguments: &Arguments) -> anyhow::Result<()> {
    let (orders, orders_in) = mpsc::unbounded_channel();
    let (tell, told) = mpsc::unbounded_channel();
    let (seen, in_tray) = watch::channel(false);
    let (picture, looks) = watch::channel(Picture::default());

    let (links, links_in) = mpsc::unbounded_channel();
    claim
        .listen(links.clone())
        .context("can't listen to later starts")?;
    tokio::spawn(attention::keep(desk.watch(), picture));
    tokio::spawn(tray::run(looks.clone(), orders.clone(), seen));
    let notifications = Notifications {
        picture: looks,
        open: links,
        told,
    };
    tokio::spawn(notifications.run());
    let beginning = Arc::clone(&desk);
    tokio::spawn(async move { Box::pin(beginning.begin()).await });

    let shell = Shell {
        desk: Arc::clone(&desk),
        in_tray,
        tell,
        said: std::sync::atomic::AtomicBool::new(false),
    };
    let (hidden, link) = (arguments.hidden, arguments.link);
    let app = tauri::Builder::default()
        .manage(shell)
        .manage(commands::Listening::default())
        .invoke_handler(tauri::generate_handler![
            commands::request,
            commands::follow,
            commands::unfollow,
            commands::desktop_state,
            commands::use_own_engine,
            commands::use_agent,
            commands::test_connection,
            commands::add_connection,
            commands::remove_connection,
            commands::set_start_at_login,
            commands::quit,
        ])
        .on_window_event(|window, event| {
            if let WindowEvent::CloseRequested { api, .. } = event {
                api.prevent_close();
                closed(window.app_handle());
            }
        })
        .setup(move |app| {
            let handle = app.handle().clone();
            tokio::spawn(follow_orders(handle.clone(), orders_in, links_in));
            if !hidden || link.is_some() {
                window::show(&handle, link);
            }
            Ok(())
        })
        .build(tauri::generate_context!())
        .context("can't begin the window")?;
    app.run(move |_, event| match event {
        // Without a window it goes on, in the tray.
        RunEvent::ExitRequested {
            api, code: None, ..
        } => api.prevent_exit(),
        RunEvent::Exit => tauri::async_runtime::block_on(desk.end()),
        _ => {}
    });
    Ok(())
}

/// The window was closed: it is hidden, and said once where a person would not see that it goes on.
fn closed(app: &AppHandle) {
    window::hide(app);
    let shell = app.state::<Shell>();
    let first = !shell.said.swap(true, std::sync::atomic::Ordering::Relaxed);
    if first && !*shell.in_tray.borrow() {
        let _ = shell.tell.send(Words {
            summary: "Steward goes on watching".to_owned(),
            body: "Start it again to see its window. It is quit there, under Connections."
                .to_owned(),
        });
    }
}

/// Shows and quits as the tray, the notifications, later starts and the session want it.
async fn follow_orders(
    app: AppHandle,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut links: mpsc::UnboundedReceiver<Option<Link>>,
) {
    let mut ended = std::pin::pin!(told_to_end());
    loop {
        let order = tokio::select! {
            Some(order) = orders.recv() => order,
            Some(link) = links.recv() => Order::Show(link),
            () = &mut ended => Order::Quit,
        };
        match order {
            Order::Quit => return app.exit(0),
            Order::Show(link) => {
                let there = app.clone();
                // Windows belong to the first thread.
                let done = app.run_on_main_thread(move || window::show(&there, link));
                if let Err(error) = done {
                    tracing::error!(%error, "can't show the window");
                }
            }
        }
    }
}

/// The session or a person ends the program.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "signals can't be listened to");
            std::future::pending::<()>().await;
        }
    }
}

fn start_log() {
    use std::io::IsTerminal as _;
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let level = if wanted.is_empty() { "info" } else { &wanted };
    // As the agent's own: these tell of every message, or of what servers answer.
    const QUIET: &str = "rmcp=off,async_openai=off";
    let filter = tracing_subscriber::EnvFilter::try_new(format!("{QUIET},{level}"))
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("{QUIET},info")));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .try_init();
}

#[allow(
    clippy::print_stderr,
    reason = "this is what a person who starts it reads"
)]
fn complain(text: &str) {
    eprintln!("steward-desktop: {text}");
}
