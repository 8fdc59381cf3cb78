//! What can be typed, and what is refused.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_teaches_with_a_purpose_and_an_example() {
    let mut command = Cli::command();
    command.build();
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        assert!(sub.get_about().is_some(), "{}", sub.get_name());
        let after = sub
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            after.contains(&format!("steward {}", sub.get_name())),
            "{}",
            sub.get_name()
        );
    }
    assert!(
        command
            .render_long_help()
            .to_string()
            .contains("Exit codes:")
    );
}

#[test]
fn global_options_stand_anywhere() {
    let cli = parse("steward --json tasks --url http://a:1 --color never").unwrap();
    assert!(cli.global.json);
    assert_eq!(cli.global.url.as_deref(), Some("http://a:1"));
    assert_eq!(cli.global.color, ColorWhen::Never);
}

#[test]
fn the_token_is_never_shown() {
    let cli = parse("steward status --token hunter2").unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
}

#[test]
fn times_and_numbers_are_read_as_people_write_them() {
    for (text, hours) in [("24h", 24), ("7d", 168), ("1d", 24)] {
        assert_eq!(parse_span(text).unwrap(), SignedDuration::from_hours(hours));
    }
    assert_eq!(parse_span("90m").unwrap(), SignedDuration::from_mins(90));
    for text in ["", "soon", "-1h", "0s", "999999999999d"] {
        assert!(parse_span(text).is_err(), "{text}");
    }
    assert!(matches!(
        parse("steward approve #3").unwrap().command,
        Command::Approve(ApproveArgs { task: 3, .. })
    ));
}

#[test]
fn what_is_wrong_names_what_would_be_right() {
    for (line, word) in [
        ("steward autonomy wild", "autopilot"),
        ("steward resources --health fine", "unhealthy"),
        ("steward tasks --state done", "completed"),
        ("steward incidents --severity bad", "critical"),
        ("steward resources --kind vm", "container"),
        ("steward incidents --since soon", "24h"),
        ("steward approve nginx", "number"),
        ("steward incidents --active --all", "--all"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(word), "{line}: {error}");
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in [
        clap_complete::Shell::Bash,
        clap_complete::Shell::Zsh,
        clap_complete::Shell::Fish,
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "steward", &mut text);
        let text = String::from_utf8(text).unwrap();
        for word in ["incidents", "approve", "completions"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
}
