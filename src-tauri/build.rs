//! Makes what tauri needs at build time: the configuration, the permissions of the window's commands, the icons.
//!
//! What flows through: `tauri.conf.json`, `capabilities/` and the list of commands in. What it never does: build the page; `xtask` does
//! that first.

/// Every command that the window may be given; `capabilities/` says which it has.
const COMMANDS: &[&str] = &[
    "request",
    "follow",
    "unfollow",
    "desktop_state",
    "use_own_engine",
    "use_agent",
    "test_connection",
    "add_connection",
    "remove_connection",
    "set_start_at_login",
    "quit",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest))?;
    Ok(())
}
