//! The desktop as a person has it: a real window on a display without a screen, a real bus, a real keyring, a real agent.
//!
//! What flows through: clicks and what is seen. What it never does: pass where a part is missing; it then reports that it was skipped, and
//! what to install.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests are all edge: they start programs and wait on purpose"
)]

mod driver;
mod notifier;
mod session;
mod tray;

use std::time::Duration;

use anyhow::{Context as _, Result};
use driver::Window;
use notifier::{Notifier, speak};
use session::{Session, program};
use steward_api::{
    Channel, GetTask, Nothing, RejectRequest, RejectTask, Resource, Task, TaskState,
};
use steward_tests::{
    agent::{ADMIN_TOKEN, Agent},
    docker::{Container, Lab},
    lab_or_skip,
    process::which,
    skip, wait,
};

const SOON: Duration = Duration::from_secs(90);

macro_rules! session_or_skip {
    () => {
        match session::missing() {
            None => Session::begin().await?,
            Some(what) => skip!("{what}"),
        }
    };
}

// After the macro, which it uses.
mod locked;

/// An agent without anything to look after.
async fn lonely_agent() -> Result<Agent> {
    Agent::for_host("unix:///nowhere/docker.sock")
        .set("docker.enabled", false)
        .set("node.name", "atlas")
        .start()
        .await
}

async fn add_agent(window: &Window, url: &str, token: &str, this_run_only: bool) -> Result<()> {
    window.fill("connection-url", url).await?;
    window.fill("connection-token", token).await?;
    window.fill("connection-name", "atlas").await?;
    if this_run_only {
        window.click("connection-this-run").await?;
    }
    window.click("add-connection").await
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_first_run_it_asks_and_its_own_engine_then_looks_after_this_machine() -> Result<()> {
    let session = session_or_skip!();
    let window = Window::open(&session, &[]).await?;
    window.see("page-connections").await?;
    window.picture("first-run").await?;
    window.click("use-own").await?;
    window.see("page-overview").await?;
    window.live().await?;
    window.read("node", "workstation").await?;
    window.picture("own-engine").await?;
    let kept = std::fs::read_to_string(session.path("config/steward/desktop.toml"))?;
    assert!(kept.contains("use = \"own\""), "{kept}");

    // A second start shows this window at the place of its link, and ends.
    let second = session.command(program()).arg("steward://tasks").output()?;
    assert!(second.status.success(), "{second:?}");
    window.see("page-tasks").await?;

    // The data is this engine's alone.
    let mut other = session.command(&steward_tests::agent::program("steward", "steward")?);
    let other = other
        .arg("up")
        .env("STEWARD_LISTEN", "127.0.0.1:0")
        .output()?;
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        !other.status.success() && said.contains("another agent"),
        "{said}"
    );

    window.quit().await?;
    // It ended in good order: the next one begins where it was left, without asking.
    let window = Window::open(&session, &["steward://incident/7"]).await?;
    window.live().await?;
    let place = window.script("return location.hash").await?;
    assert_eq!(place, "#/incidents/7");
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_shown_and_its_token_comes_back_from_the_keyring() -> Result<()> {
    let mut session = session_or_skip!();
    if let Err(what) = session.keyring().await? {
        skip!("{what}");
    }
    let agent = lonely_agent().await?;
    let window = Window::open(&session, &[]).await?;

    // Each kind of failure says what is wrong.
    add_agent(&window, "http://127.0.0.1:9", ADMIN_TOKEN, false).await?;
    window.read("trouble", "can't be reached").await?;
    add_agent(
        &window,
        agent.url(),
        "stw_not_the_token_of_this_agent",
        false,
    )
    .await?;
    window.read("trouble", "does not know the token").await?;
    window.picture("token-refused").await?;

    add_agent(&window, agent.url(), ADMIN_TOKEN, false).await?;
    window.see("page-overview").await?;
    window.live().await?;
    window.read("node", "atlas").await?;
    window.picture("agent").await?;
    let kept = std::fs::read_to_string(session.path("config/steward/desktop.toml"))?;
    assert!(
        kept.contains("agent:atlas") && !kept.contains(ADMIN_TOKEN),
        "{kept}"
    );
    let page = window
        .script("return document.documentElement.outerHTML + JSON.stringify(localStorage)")
        .await?;
    assert!(
        !page.to_string().contains(ADMIN_TOKEN),
        "the page holds the token"
    );
    assert!(
        !window.output().contains(ADMIN_TOKEN),
        "the log holds the token"
    );
    window.quit().await?;

    // A new start has nothing but the file and the keyring.
    let window = Window::open(&session, &[]).await?;
    window.live().await?;
    window.read("node", "atlas").await?;

    // Removed, it is gone from the keyring too.
    window.click("open-connections").await?;
    window.click("remove-connection").await?;
    window.read("shown", "Welcome").await?;
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_a_certificate_of_its_own_is_trusted_by_its_file_alone() -> Result<()> {
    let session = session_or_skip!();
    let agent = Agent::for_host("unix:///nowhere/docker.sock")
        .set("docker.enabled", false)
        .set("node.name", "atlas")
        .set("server.tls", "generated")
        .start()
        .await?;
    assert!(agent.url().starts_with("https://"), "{}", agent.url());
    let window = Window::open(&session, &[]).await?;
    add_agent(&window, agent.url(), ADMIN_TOKEN, true).await?;
    window.read("trouble", "is not trusted").await?;
    let certificate = agent.data_dir().join("tls-cert.pem");
    let certificate = certificate.to_str().context("a path that is no text")?;
    window.fill("connection-ca", certificate).await?;
    window.click("add-connection").await?;
    window.see("page-overview").await?;
    window.live().await?;
    window.read("node", "atlas").await?;
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_at_login_where_that_is_wanted() -> Result<()> {
    let session = session_or_skip!();
    std::fs::create_dir_all(session.path("config/steward"))?;
    std::fs::write(
        session.path("config/steward/desktop.toml"),
        "use = \"own\"\n",
    )?;
    let entry = session.path("config/autostart/steward-desktop.desktop");
    let window = Window::open(&session, &[]).await?;
    window.live().await?;
    window.click("open-connections").await?;
    window.click("start-at-login").await?;
    let is_there = || async { Ok(entry.is_file()) };
    wait::until("the entry", SOON, is_there, |there| *there).await?;
    let text = std::fs::read_to_string(&entry)?;
    let exec = text
        .lines()
        .find_map(|line| line.strip_prefix("Exec="))
        .context("it starts nothing")?;
    assert_eq!(exec, format!("\"{}\" --hidden", program().display()));
    window.click("start-at-login").await?;
    wait::until("it to be gone", SOON, is_there, |there| !there).await?;
    // In the settings there is no session to sign out of, but another connection to choose.
    window.click("nav-settings").await?;
    window.click("other-connection").await?;
    window.see("page-connections").await?;
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keyring_the_token_can_be_used_for_this_run() -> Result<()> {
    let session = session_or_skip!();
    let agent = lonely_agent().await?;
    let window = Window::open(&session, &[]).await?;
    add_agent(&window, agent.url(), ADMIN_TOKEN, false).await?;
    window.read("trouble", "this run only").await?;
    window.click("connection-this-run").await?;
    window.click("add-connection").await?;
    window.live().await?;
    window.quit().await?;

    let window = Window::open(&session, &[]).await?;
    window.read("standing-trouble", "keyring").await?;
    window.fill("token-again", ADMIN_TOKEN).await?;
    window.click("token-this-run").await?;
    window.click("use-token").await?;
    window.live().await?;
    window.quit().await
}

/// An agent that asks before everything, in the desktop, and a container of it that has died.
struct Asked {
    agent: Agent,
    web: Container,
    window: Window,
}

impl Asked {
    async fn begin(session: &Session, lab: &Lab) -> Result<Self> {
        let web = lab.container("web").serve().start().await?;
        web.wait_ready().await?;
        let agent = Agent::for_lab(lab)
            .set("autonomy.level", "ask")
            .start()
            .await?;
        let known = |resource: &Resource| resource.health == steward_api::Health::Healthy;
        agent
            .wait_for_container(&web.name, "to be well", SOON, known)
            .await?;
        let window = Window::open(session, &[]).await?;
        add_agent(&window, agent.url(), ADMIN_TOKEN, true).await?;
        window.live().await?;
        Ok(Self { agent, web, window })
    }

    /// The question after a death.
    async fn question(&self) -> Result<Task> {
        self.web.crash(1).await?;
        let open = |task: &Task| task.status == TaskState::Pending && task.requires_approval;
        let tasks = self
            .agent
            .wait_for_tasks("the question", SOON, |tasks| tasks.iter().any(open))
            .await?;
        tasks.into_iter().find(open).context("no question")
    }

    async fn ended(&self, task: &Task) -> Result<Task> {
        let read = || self.agent.call_at::<GetTask>(task.id, &Nothing {});
        let over = |task: &Task| task.status.is_final();
        self.agent
            .wait("the task to be over", SOON, read, over)
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_by_the_button_of_a_notification() -> Result<()> {
    let session = session_or_skip!();
    let lab = lab_or_skip!("desktop-yes");
    let notifier = Notifier::begin(&session).await?;
    let it = Asked::begin(&session, &lab).await?;

    let task = it.question().await?;
    let shown = notifier.wait("Steward asks", false).await?;
    let keys: Vec<_> = shown
        .actions
        .iter()
        .step_by(2)
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["default", "approve", "reject"]);
    assert_eq!(shown.urgency, Some(1), "a restart is not of high risk");
    for words in ["risk", "Will do:", it.web.name.as_str(), "Lapses"] {
        assert!(shown.body.contains(words), "`{words}` in {}", shown.body);
    }

    // Somebody else on the bus is not the server, even where they speak to the desktop alone.
    let stranger = session.connect().await?;
    speak(&stranger, shown.id, "approve", None).await?;
    let names = zbus::fdo::DBusProxy::new(&stranger)
        .await?
        .list_names()
        .await?;
    for name in names.iter().filter(|name| name.starts_with(':')) {
        let _ = speak(&stranger, shown.id, "approve", Some(name.as_str())).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = it.agent.call_at::<GetTask>(task.id, &Nothing {}).await?;
    assert_eq!(
        now.status,
        TaskState::Pending,
        "a stranger's answer counted"
    );

    notifier.click(shown.id, "approve").await?;
    let done = it.ended(&task).await?;
    assert_eq!(done.status, TaskState::Completed, "{:?}", done.result);
    let approval = done.approval.context("no approval")?;
    assert_eq!(
        (approval.channel, approval.by.as_str()),
        (Channel::Desktop, "evin")
    );
    assert_eq!(approval.plan_hash, task.plan_hash);
    it.web.wait("to run again", SOON, |now| now.running).await?;
    it.window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_server_of_others_takes_the_question_and_its_button_answers() -> Result<()> {
    let mut session = session_or_skip!();
    let (Some(dunst), Some(dunstctl)) = (which("dunst"), which("dunstctl")) else {
        skip!("dunst not found; on Debian: apt-get install dunst");
    };
    let lab = lab_or_skip!("desktop-dunst");
    // Its menu is given the buttons as lines, and answers with the one that was picked.
    let pick = session.path("pick");
    std::fs::write(&pick, "#!/bin/sh\nexec grep -m1 Approve\n")?;
    std::fs::set_permissions(&pick, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let config = session.path("dunstrc");
    std::fs::write(&config, format!("[global]\ndmenu = {}\n", pick.display()))?;
    let mut command = session.command(&dunst);
    command.arg("-conf").arg(&config);
    session.run("dunst", &command)?;
    session.named("org.freedesktop.Notifications").await?;

    let it = Asked::begin(&session, &lab).await?;
    let task = it.question().await?;
    let control = |arguments: &[&str]| {
        let output = session.command(&dunstctl).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let shown = || async { Ok(control(&["count", "displayed"])?) };
    wait::until("the notification", SOON, shown, |count| count == "1").await?;
    control(&["context"])?;
    let done = it.ended(&task).await?;
    assert_eq!(
        done.status,
        TaskState::Completed,
        "{:?}\n{}",
        done.result,
        session.said()
    );
    it.window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_was_answered_elsewhere_is_withdrawn_and_a_click_opens_it() -> Result<()> {
    let session = session_or_skip!();
    let lab = lab_or_skip!("desktop-gone");
    let notifier = Notifier::begin(&session).await?;
    let it = Asked::begin(&session, &lab).await?;
    let task = it.question().await?;
    let shown = notifier.wait("Steward asks", false).await?;
    let no = RejectRequest {
        rejected_by: "Evin".to_owned(),
        reason: "not now".to_owned(),
        plan_hash: Some(task.plan_hash.clone()),
    };
    it.agent.call_at::<RejectTask>(task.id, &no).await?;
    let withdrawn = notifier.wait("Steward asks", true).await?;
    assert_eq!(withdrawn.id, shown.id);

    // The next one is opened by a click on its body, and stays to be answered there.
    it.web.start().await?;
    it.web.wait_ready().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let task = it.question().await?;
    let shown = notifier.wait("Steward asks", false).await?;
    notifier.click(shown.id, "default").await?;
    it.window.see("page-task").await?;
    let place = it.window.script("return location.hash").await?;
    assert_eq!(place, format!("#/tasks/{}", task.id));
    let now = it.agent.call_at::<GetTask>(task.id, &Nothing {}).await?;
    assert_eq!(now.status, TaskState::Pending);
    it.window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tray_says_how_everything_is_and_what_quitting_stops() -> Result<()> {
    let session = session_or_skip!();
    let tray = tray::Tray::begin(&session).await?;
    let agent = lonely_agent().await?;
    let window = Window::open(&session, &[]).await?;
    add_agent(&window, agent.url(), ADMIN_TOKEN, true).await?;
    window.live().await?;
    let menu = tray.menu("goes on watching by itself").await?;
    assert!(
        menu.contains("Nothing waits for you") && menu.contains("Quit"),
        "{menu}"
    );
    tray.activate().await?;
    window.live().await?;
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_window_keeps_it_watching_and_says_so_where_no_tray_shows_it() -> Result<()> {
    let mut session = session_or_skip!();
    // Who closes windows is their manager.
    let (Some(xdotool), Some(openbox)) = (which("xdotool"), which("openbox")) else {
        skip!("xdotool or openbox not found; on Debian: apt-get install xdotool openbox");
    };
    let command = session.command(&openbox);
    session.run("openbox", &command)?;
    let seen = || async {
        let output = session
            .command(&xdotool)
            .args(["search", "--onlyvisible", "--name", "^Steward$"])
            .output()?;
        let ids = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(ids.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let notifier = Notifier::begin(&session).await?;
    let window = Window::open(&session, &[]).await?;
    window.click("use-own").await?;
    window.live().await?;
    let there = |ids: &Vec<String>| !ids.is_empty();
    wait::until("the window", SOON, seen, there).await?;
    let closed = || async {
        let ids = seen().await?;
        for id in &ids {
            // The manager's own keys for it: the window is asked to close, as by its button.
            session
                .command(&xdotool)
                .args(["windowfocus", "--sync", id, "key", "alt+F4"])
                .output()?;
            // Pressed again only where that did nothing.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(ids)
    };
    wait::until("the window to be hidden", SOON, closed, Vec::is_empty).await?;
    notifier.wait("goes on watching", false).await?;
    // Its page goes on: it was hidden, not ended.
    window.live().await?;
    let again = session.command(program()).output()?;
    assert!(again.status.success(), "{again:?}");
    wait::until("the window again", SOON, seen, there).await?;
    window.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_begin_without_its_window() -> Result<()> {
    let mut session = session_or_skip!();
    let Some(xdotool) = which("xdotool") else {
        skip!("xdotool not found; on Debian: apt-get install xdotool");
    };
    std::fs::create_dir_all(session.path("config/steward"))?;
    std::fs::write(
        session.path("config/steward/desktop.toml"),
        "use = \"own\"\n",
    )?;
    let tray = tray::Tray::begin(&session).await?;
    let mut command = session.command(program());
    command.arg("--hidden");
    session.run("steward-desktop", &command)?;
    // The engine runs and the tray says so, and there is no window until one is wanted.
    tray.menu("workstation is not watched until Steward is started again")
        .await?;
    let seen = || async {
        let output = session
            .command(&xdotool)
            .args(["search", "--onlyvisible", "--name", "^Steward$"])
            .output()?;
        Ok(!output.stdout.is_empty())
    };
    assert!(!seen().await?, "there is a window");
    tray.activate().await?;
    wait::until("the window", SOON, seen, |there| *there).await?;
    Ok(())
}

#[test]
fn without_a_display_it_says_so() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let output = std::process::Command::new(program())
        .env_clear()
        .env("HOME", dir.path())
        .env("XDG_RUNTIME_DIR", dir.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("there is no display") && said.contains("steward up"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");

    let output = std::process::Command::new(program())
        .env_clear()
        .env("HOME", dir.path())
        .env("XDG_RUNTIME_DIR", dir.path())
        .env("DISPLAY", ":4711")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the display can't be used"), "{said}");
    Ok(())
}

#[test]
fn help_and_version_need_no_display() -> Result<()> {
    for (argument, words) in [
        ("--help", "steward://task/12"),
        ("--version", "steward-desktop 0."),
    ] {
        let output = std::process::Command::new(program())
            .env_clear()
            .arg(argument)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(words), "{said}");
    }
    let output = std::process::Command::new(program())
        .env_clear()
        .arg("steward://nonsense")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("is not a place in Steward"),
        "{said}"
    );
    Ok(())
}
