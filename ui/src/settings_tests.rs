//! Tests of changes before they are written.

use serde_json::json;
use steward_api::{ConfigFile, SettingGroup};

use super::*;

const PERCENT: fn() -> ValueKind = || ValueKind::Number {
    unit: "%".to_owned(),
    from: 1.0,
    to: 100.0,
};

fn setting(key: &str, kind: SettingKind, default: Value, value: Value) -> Setting {
    let origin = if default == value {
        SettingOrigin::Default
    } else {
        SettingOrigin::File { line: 7 }
    };
    Setting {
        key: key.to_owned(),
        title: key.to_owned(),
        help: String::new(),
        kind,
        default,
        value,
        origin,
        needs_restart: false,
        locked: None,
    }
}

fn disk(value: i64) -> Setting {
    setting(
        "thresholds.disk_percent",
        SettingKind::One { of: PERCENT() },
        json!(85),
        json!(value),
    )
}

fn rows() -> Setting {
    let field = |name: &str, kind, list, required| RowField {
        name: name.to_owned(),
        title: name.to_owned(),
        kind,
        list,
        required,
        default: String::new(),
    };
    let days = ["monday", "tuesday", "friday"].map(str::to_owned).to_vec();
    let fields = vec![
        field("days", ValueKind::Choice { choices: days }, true, false),
        field("from", ValueKind::TimeOfDay, false, true),
        field("to", ValueKind::TimeOfDay, false, true),
    ];
    setting(
        "autonomy.windows",
        SettingKind::Rows { fields },
        json!([]),
        json!([]),
    )
}

fn reply(settings: Vec<Setting>) -> ConfigReply {
    ConfigReply {
        file: ConfigFile {
            path: None,
            hash: "a".to_owned(),
            writable: true,
            reason: None,
        },
        error: None,
        groups: vec![SettingGroup {
            name: "x".to_owned(),
            title: String::new(),
            help: String::new(),
            settings,
        }],
        tokens: Vec::new(),
        token_file: String::new(),
    }
}

#[test]
fn what_is_in_force_is_no_change() {
    let (setting, mut draft) = (disk(80), Draft::default());
    draft.type_in(&setting, &Place::Whole, &PERCENT(), "70");
    assert_eq!((draft.count(), draft.value(&setting)), (1, json!(70)));
    draft.type_in(&setting, &Place::Whole, &PERCENT(), "80");
    assert_eq!(draft.count(), 0);
    draft.to_default(&setting);
    assert_eq!(
        draft.edits(),
        [ConfigEdit {
            key: setting.key.clone(),
            value: None
        }]
    );
    assert_eq!(draft.shown(&setting, &Place::Whole), "85");
    draft.to_default(&disk(85));
    assert_eq!(draft.count(), 0, "the default is in force already");
}

#[test]
fn what_is_typed_stays_as_typed() {
    let (setting, mut draft) = (disk(80), Draft::default());
    for (typed, value) in [
        ("7.", json!(7)),
        ("7.5", json!(7.5)),
        ("7,5", json!(7.5)),
        (" 9 ", json!(9)),
        ("much", json!("much")),
    ] {
        draft.type_in(&setting, &Place::Whole, &PERCENT(), typed);
        assert_eq!(draft.shown(&setting, &Place::Whole), typed);
        assert_eq!(draft.value(&setting), value, "{typed}");
    }
    assert_eq!(
        problem(&draft, &setting, &[]).unwrap(),
        "It should be a number from 1 to 100 %."
    );
    draft.type_in(&setting, &Place::Whole, &PERCENT(), "");
    assert_eq!(
        draft.edits()[0].value,
        None,
        "an emptied field is the default"
    );
}

#[test]
fn rows_are_added_filled_and_taken_out() {
    let (setting, mut draft) = (rows(), Draft::default());
    draft.add_row(&setting);
    draft.add_row(&setting);
    let field = |row, name: &str| Place::Field(row, name.to_owned());
    draft.type_in(&setting, &field(1, "from"), &ValueKind::TimeOfDay, "22:00");
    let SettingKind::Rows { fields } = &setting.kind else {
        unreachable!()
    };
    let choices = is_ticked(&fields[0]).unwrap();
    for day in ["friday", "monday"] {
        draft.toggle(&setting, &field(1, "days"), choices, day);
    }
    assert_eq!(
        draft.value(&setting),
        json!([{"from": "00:00", "to": "00:00"}, {"from": "22:00", "to": "00:00", "days": ["monday", "friday"]}])
    );
    draft.toggle(&setting, &field(1, "days"), choices, "monday");
    draft.toggle(&setting, &field(1, "days"), choices, "friday");
    draft.remove_row(&setting, 0);
    assert_eq!(
        draft.value(&setting),
        json!([{"from": "22:00", "to": "00:00"}])
    );
    assert_eq!(draft.shown(&setting, &field(0, "from")), "22:00");
    draft.remove_row(&setting, 0);
    assert_eq!((draft.count(), draft.rows(&setting)), (0, 0));
}

#[test]
fn after_a_conflict_changes_are_kept_where_they_still_are_some() {
    let mut draft = Draft::default();
    draft.type_in(&disk(85), &Place::Whole, &PERCENT(), "70");
    draft.add_row(&rows());
    let mut held = rows();
    held.locked = Some("held".to_owned());
    draft.rebase(&reply(vec![disk(60), held]));
    assert_eq!(draft.count(), 1);
    draft.rebase(&reply(vec![disk(70)]));
    assert_eq!(draft, Draft::default());
}

#[test]
fn the_agents_words_stand_with_their_setting() {
    let (setting, mut draft) = (rows(), Draft::default());
    draft.add_row(&setting);
    let said = |key: &str| ConfigProblem {
        key: key.to_owned(),
        line: None,
        wrong: "is missing".to_owned(),
        right: "it should be a time of day".to_owned(),
    };
    let problems = [
        said("autonomy.windows[0].to"),
        said("autonomy.windowsill"),
        said(""),
    ];
    assert_eq!(
        problem(&draft, &setting, &problems).unwrap(),
        "Row 1: is missing: it should be a time of day"
    );
    assert_eq!(other_problems(&draft, &problems).len(), 2);
    assert_eq!(problem(&draft, &disk(80), &problems), None);
}

#[test]
fn defaults_are_said_in_words() {
    assert_eq!(default_words(&disk(80)), "85 %");
    assert_eq!(default_words(&rows()), "none");
    let flag = setting(
        "host.enabled",
        SettingKind::One {
            of: ValueKind::Flag,
        },
        json!(true),
        json!(true),
    );
    assert_eq!(default_words(&flag), "on");
    let steps = json!([{"action": "restart_container", "attempts": 3}, {"action": "clear_tmp", "attempts": 1}]);
    let strategy = setting(
        "strategies.x",
        SettingKind::Rows { fields: Vec::new() },
        steps.clone(),
        steps,
    );
    assert_eq!(
        default_words(&strategy),
        "restart container up to 3 times, then clear tmp"
    );
    assert_eq!(changes(1), "1 change");
}
