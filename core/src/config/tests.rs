//! Tests of the configuration's inner parts: the table of keys, durations, patterns, windows, places.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Time};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use steward_api::{ActionName, Autonomy, ResourceId, ResourceKind};

use super::{
    check, glob, human, load,
    matching::matches_resource,
    place::{Lines, Place},
    schema::{self, Kind},
    span, text, *,
};

fn home() -> BTreeMap<String, String> {
    BTreeMap::from([("HOME".to_owned(), "/nonexistent/home".to_owned())])
}

fn user(is_root: bool) -> load::User {
    load::User {
        is_root,
        host: "my host.lan".to_owned(),
    }
}

#[test]
fn the_built_in_values_pass_their_own_checks() {
    let root = load::defaults().unwrap();
    assert_eq!(check::tree(&root, None), []);
    assert_eq!(check::missing(&root, None), []);
    let config = Config::default();
    assert_eq!(rules::between(&config, &root, None, &[]), []);
}

/// Every key of the table, by its name in the file.
fn keys(kind: &Kind, path: &str, found: &mut BTreeSet<String>) {
    match kind {
        Kind::Table(all) => {
            for key in *all {
                let below = if path.is_empty() {
                    key.name.to_owned()
                } else {
                    format!("{path}.{}", key.name)
                };
                keys(&key.kind, &below, found);
            }
        }
        Kind::List(_, of) | Kind::Map(_, of) if matches!(of, Kind::Table(_) | Kind::List(..)) => {
            keys(of, path, found);
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_example_shows_every_key() {
    let example = include_str!("../../../steward.example.toml");
    let mut all = BTreeSet::new();
    keys(&schema::ROOT, "", &mut all);
    assert!(all.len() > 70, "{all:?}");
    let mut section = String::new();
    let mut shown = BTreeSet::new();
    for line in example.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            // The user's own names are no keys of the table.
            if section.starts_with("scripts.") {
                section = "scripts".to_owned();
            }
            shown.insert(section.clone());
        } else if let Some((key, value)) = line.split_once(" = ") {
            shown.insert(format!("{section}.{key}"));
            if section == "strategies" {
                for key in ["action", "script", "attempts", "back_off"] {
                    if value.contains(&format!("{key} = ")) {
                        shown.insert(format!("strategies.{key}"));
                    }
                }
            }
        }
    }
    let missing: Vec<_> = all.difference(&shown).collect();
    assert!(missing.is_empty(), "the example should show {missing:?}");
}

#[test]
fn places_of_files_depend_on_the_user() {
    let inputs = Inputs {
        path: None,
        env: home(),
    };
    let mine = load::load_as(&inputs, &user(false)).unwrap();
    assert_eq!(
        mine.data_dir.to_str(),
        Some("/nonexistent/home/.local/share/steward")
    );
    assert_eq!(mine.node.name, "my-host.lan");
    assert_eq!(mine.file, None);
    let root = Inputs {
        path: Some("/dev/null".into()),
        env: BTreeMap::new(),
    };
    let root = load::load_as(&root, &user(true)).unwrap();
    assert_eq!(root.data_dir.to_str(), Some("/var/lib/steward"));
    let mut xdg = inputs.clone();
    xdg.env
        .insert("XDG_DATA_HOME".into(), "/nonexistent/xdg".into());
    let xdg = load::load_as(&xdg, &user(false)).unwrap();
    assert_eq!(xdg.data_dir.to_str(), Some("/nonexistent/xdg/steward"));
    let lost = load::load_as(&Inputs::default(), &user(false)).unwrap_err();
    assert!(lost.to_string().starts_with("STEWARD_DATA_DIR: "), "{lost}");
    let mut given = Inputs::default();
    given
        .env
        .insert("STEWARD_DATA_DIR".into(), "/srv/steward".into());
    given
        .env
        .insert("STEWARD_ADMIN_TOKEN".into(), "0123456789abcdef".into());
    let given = load::load_as(&given, &user(false)).unwrap();
    assert_eq!(given.data_dir.to_str(), Some("/srv/steward"));
    assert_eq!(
        given.admin_token.unwrap().expose_secret(),
        "0123456789abcdef"
    );
}

#[test]
fn a_hosts_name_is_cleaned_to_a_nodes_name() {
    for (host, node) in [
        ("atlas", "atlas"),
        ("a b/c.lan", "a-b-c.lan"),
        ("-x-", "x"),
        ("", "node"),
        ("…", "node"),
    ] {
        assert_eq!(load::node_name(host), node);
    }
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [
        ("30s", 30),
        ("2m", 120),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        (" 5 minutes ", 300),
        ("0s", 0),
    ] {
        assert_eq!(
            span::parse(text).map(|span| span.as_secs()),
            Ok(seconds),
            "{text}"
        );
    }
    assert_eq!(span::parse("250ms").map(|span| span.as_millis()), Ok(250));
    for text in [
        "",
        " ",
        "30",
        "1.5",
        "soon",
        "-5s",
        "5s ago",
        "1 month",
        "1y",
        "5x",
        "99999999999999999w",
    ] {
        assert!(span::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn durations_survive_being_written(millis in 0_i64..10_000_000_000_000) {
        let span = Span::from_millis(millis);
        prop_assert_eq!(span::parse(&human(span)), Ok(span));
    }

    #[test]
    fn reading_never_panics(text in ".{0,40}") {
        let _ = span::parse(&text);
        let _ = text::split_host_port(&text);
        for rule in [text::LISTEN, text::HTTP_URL, text::POSTGRES_URL, text::DATABASE_URL, text::DOCKER_HOST, text::LOG_LEVEL, text::HOST_NAME] {
            let _ = (rule.holds)(&text);
        }
    }

    #[test]
    fn any_file_loads_or_is_refused_with_places(text in "(\\[?\\[?(docker|services|scripts\\.a|x)\\]?\\]?\n|(grace|name|enabled|url|\"\\p{L}\") ?= ?(\"[a-z:/@ ]{0,8}\"|-?[0-9]{1,3}|true|\\[|\\{\\})\n){0,8}") {
        let file = std::path::Path::new("f.toml");
        let faults = match tree::Node::from_file(&text, file) {
            Ok(node) => check::tree(&node, Some(file)),
            Err(faults) => { prop_assert!(!faults.is_empty()); faults }
        };
        for fault in faults {
            prop_assert!(fault.line.is_some_and(|line| line >= 1 && line <= text.lines().count() + 1), "{}", fault);
        }
    }

    #[test]
    fn a_pattern_without_stars_matches_itself_only(text in "[a-z/*]{0,8}", pattern in "[a-z/]{0,8}") {
        prop_assert_eq!(glob(&pattern, &text), pattern == text);
    }

    #[test]
    fn stars_match_what_a_regular_expression_would(pattern in "[ab*]{0,8}", text in "[ab]{0,12}") {
        let expression = format!("^{}$", pattern.replace('*', ".*"));
        let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
        prop_assert_eq!(glob(&pattern, &text), expected);
    }

    #[test]
    fn windows_are_open_where_counting_minutes_says_so(
        from in 0_u16..1440, to in 0_u16..1440, at in 0_u16..1440, day in 0_i8..7, days in proptest::collection::vec(0_usize..7, 0..4)
    ) {
        const WEEK: [Day; 7] = [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];
        let time = |minute: u16| Time::new((minute / 60) as i8, (minute % 60) as i8, 0, 0).unwrap();
        let window = Window { days: days.iter().map(|&d| WEEK[d]).collect(), from: time(from), to: time(to) };
        // 2024-01-01 was a Monday.
        let local = Date::new(2024, 1, 8 + day).unwrap().to_datetime(time(at));
        let length = if to > from { to - from } else { to + 1440 - from };
        let expected = [0_u16, 1].into_iter().any(|days_ago| {
            let began_on = WEEK[((day as usize) + 7 - days_ago as usize) % 7];
            let since = i32::from(at) + 1440 * i32::from(days_ago) - i32::from(from);
            (days.is_empty() || window.days.contains(&began_on)) && since >= 0 && since < i32::from(length)
        });
        prop_assert_eq!(window.contains(local), expected);
    }
}

#[test]
fn patterns_mean_names_or_full_ids() {
    let media = ResourceId::container("media-1", "jellyfin");
    let nginx = ResourceId::container("atlas", "nginx");
    let host = ResourceId::host("atlas");
    let var = ResourceId::new("atlas", ResourceKind::Disk, "/var/lib");
    for (pattern, id, expected) in [
        ("nginx", &nginx, true),
        ("ngin", &nginx, false),
        ("NGINX", &nginx, false),
        ("n*x", &nginx, true),
        ("*", &host, true),
        ("atlas", &host, true),
        ("atlas/host", &host, true),
        ("atlas/container/*", &nginx, true),
        ("*/container/nginx", &nginx, true),
        ("*/host", &nginx, false),
        ("/var/*", &var, true),
        ("atlas/disk//var/lib", &var, true),
        // A node called media-1 is not meant by a pattern for containers called media-….
        ("media-*", &media, false),
    ] {
        assert_eq!(matches_resource(pattern, id), expected, "{pattern} {id}");
    }
}

#[test]
fn the_most_careful_level_counts() {
    let policy = AutonomyPolicy {
        level: Autonomy::Assist,
        actions: BTreeMap::from([
            (ActionName::StopContainer, Autonomy::Observe),
            (ActionName::StartContainer, Autonomy::Autopilot),
        ]),
        resources: vec![
            ResourceAutonomy {
                matches: "media-*".into(),
                level: Autonomy::Autopilot,
            },
            ResourceAutonomy {
                matches: "media-db".into(),
                level: Autonomy::Observe,
            },
        ],
        windows: Vec::new(),
    };
    let media = ResourceId::container("atlas", "media-db");
    let other = ResourceId::container("atlas", "wiki");
    assert_eq!(
        policy.level_for_resource(&media),
        Autonomy::Autopilot,
        "the first that matches"
    );
    assert_eq!(
        policy.level_for(ActionName::StopContainer, &media),
        Autonomy::Observe
    );
    assert_eq!(
        policy.level_for(ActionName::StartContainer, &other),
        Autonomy::Assist
    );
    let night: DateTime = "2024-01-08T23:00".parse().unwrap();
    assert!(policy.is_open(night), "no windows, no limits");
}

#[test]
fn maintenance_needs_both_the_time_and_the_resource() {
    let maintenance = Maintenance {
        matches: "backup".into(),
        window: Window {
            days: vec![Day::Friday],
            from: "23:00".parse().unwrap(),
            to: "01:00".parse().unwrap(),
        },
    };
    let backup = ResourceId::container("atlas", "backup");
    let at = |text: &str| text.parse::<DateTime>().unwrap();
    // 2024-01-12 was a Friday.
    assert!(maintenance.covers(&backup, at("2024-01-12T23:00")));
    assert!(maintenance.covers(&backup, at("2024-01-13T00:59:59")));
    assert!(!maintenance.covers(&backup, at("2024-01-13T01:00")));
    assert!(!maintenance.covers(&backup, at("2024-01-12T00:30")));
    assert!(!maintenance.covers(
        &ResourceId::container("atlas", "wiki"),
        at("2024-01-12T23:30")
    ));
}

#[test]
fn lines_and_columns_count_from_one_in_characters() {
    let lines = Lines::new("a\nüb\n");
    let at = |line, column| Place::File { line, column };
    assert_eq!(lines.place(0), at(1, 1));
    assert_eq!(lines.place(2), at(2, 1));
    assert_eq!(lines.place(4), at(2, 2));
    assert_eq!(lines.place(6), at(3, 1));
    assert_eq!(lines.place(99), at(3, 1));
}

#[test]
fn a_secret_argument_is_not_described() {
    let mut config = Config::default();
    let command = [
        "/bin/x",
        "--password",
        "abc",
        "--token=def",
        "--user",
        "ghi",
    ];
    config.scripts.insert(
        "a".into(),
        Script {
            command: command.map(str::to_owned).to_vec(),
            risk: steward_api::Risk::High,
            timeout: Span::from_secs(1),
        },
    );
    let text = describe(&config);
    assert!(!text.contains("abc") && !text.contains("def"), "{text}");
    assert!(text.contains("\"ghi\""), "{text}");
}
