//! A keyring that asks for its password: the window goes on meanwhile, and the keyring's answer is taken whenever it comes.

use super::*;

/// Waits for the window in which the keyring asks, and types into it.
async fn answer(session: &Session, keys: &[&str]) -> Result<()> {
    let xdotool = which("xdotool").context("no xdotool")?;
    let run = |arguments: &[&str]| session.command(&xdotool).args(arguments).output();
    let seen = || async {
        let output = run(&["search", "--onlyvisible", "--class", "gcr-prompter"])?;
        let ids = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(ids.lines().next().map(str::to_owned))
    };
    let id = wait::until("the keyring's question", SOON, seen, Option::is_some)
        .await
        .with_context(|| session.said())?
        .context("no window")?;
    // A window takes keys once it is drawn; without a manager nobody gives it the focus.
    let gone = || async {
        if seen().await?.is_none() {
            return Ok(true);
        }
        run(&["windowfocus", "--sync", &id])?;
        run(&[&["key", "--clearmodifiers", "--delay", "60"], keys].concat())?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(seen().await?.is_none())
    };
    wait::until("the keyring to be answered", SOON, gone, |gone| *gone).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyring_that_asks_for_its_password_holds_up_nothing() -> Result<()> {
    let mut session = session_or_skip!();
    if let Err(what) = session.keyring().await? {
        skip!("{what}");
    }
    let prompter = std::path::Path::new("/usr/libexec/gcr-prompter");
    if which("xdotool").is_none() || !prompter.is_file() {
        skip!("xdotool or gcr-prompter not found; on Debian: apt-get install xdotool gcr");
    }
    let agent = lonely_agent().await?;
    let window = Window::open(&session, &[]).await?;
    add_agent(&window, agent.url(), ADMIN_TOKEN, false).await?;
    window.live().await?;
    window.quit().await?;

    session.locked_keyring().await?;
    let window = Window::open(&session, &[]).await?;
    window
        .read("standing-trouble", "waits to be unlocked")
        .await?;
    window.picture("keyring-waits").await?;
    // The page is no part of that: it can be read, written to, and another can be chosen.
    window.read("connections", "atlas").await?;
    window.fill("connection-name", "another").await?;
    window.see("use-own").await?;

    // Who does not want to is told so, and can have it asked again.
    answer(&session, &["Escape"]).await?;
    window.read("standing-trouble", "is locked").await?;
    window.click("keyring-again").await?;
    answer(&session, &["p", "w", "Return"]).await?;
    window.live().await?;
    window.read("node", "atlas").await?;
    window.quit().await?;

    // Unlocked in its own time, it is taken without a click.
    session.locked_keyring().await?;
    let window = Window::open(&session, &[]).await?;
    window
        .read("standing-trouble", "waits to be unlocked")
        .await?;
    answer(&session, &["p", "w", "Return"]).await?;
    window.live().await?;
    window.read("node", "atlas").await?;
    window.quit().await?;

    // Who does not want to wait types the token.
    session.locked_keyring().await?;
    let window = Window::open(&session, &[]).await?;
    window
        .read("standing-trouble", "waits to be unlocked")
        .await?;
    window.fill("token-again", ADMIN_TOKEN).await?;
    window.click("token-this-run").await?;
    window.click("use-token").await?;
    window.live().await?;
    window.quit().await
}
