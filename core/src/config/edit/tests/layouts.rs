//! Every layout that a file may have, each changed in its own way; and that no comment and no other line is touched.

use proptest::prelude::*;
use serde_json::json;

use super::{super::*, edits, revised};

/// (file, edits, the file then)
type Case = (
    &'static str,
    &'static [(&'static str, Option<&'static str>)],
    &'static str,
);

const LAYOUTS: &[Case] = &[
    // A value in its place, whatever stands around it.
    (
        "[thresholds]\n  disk_percent   =  85   # large\n",
        &[("thresholds.disk_percent", Some("80"))],
        "[thresholds]\n  disk_percent   =  80   # large\n",
    ),
    (
        "thresholds.disk_percent = 85\n",
        &[("thresholds.disk_percent", Some("80"))],
        "thresholds.disk_percent = 80\n",
    ),
    (
        "thresholds = { disk_percent = 85 } # one line\n",
        &[("thresholds.disk_percent", Some("80"))],
        "thresholds = { disk_percent = 80 } # one line\n",
    ),
    (
        "[\"thresholds\"]\r\n\"disk_percent\" = 85 # crlf\r\n",
        &[("thresholds.disk_percent", Some("80.5"))],
        "[\"thresholds\"]\r\n\"disk_percent\" = 80.5 # crlf\r\n",
    ),
    // The same value is no change, however it is written.
    (
        "[thresholds]\ndisk_percent = 85.0\n",
        &[("thresholds.disk_percent", Some("85"))],
        "[thresholds]\ndisk_percent = 85.0\n",
    ),
    // Several elements off the end of a line, in the middle of others, and off the end of several lines.
    (
        "[network]\ndns_names = [\"a.lan\", \"b.lan\", \"c.lan\"] # kept\n",
        &[("network.dns_names", Some("[\"d.lan\"]"))],
        "[network]\ndns_names = [\"d.lan\"] # kept\n",
    ),
    (
        "[network]\ndns_names = [ \"a.lan\", \"b.lan\", \"c.lan\", \"d.lan\" ]\n",
        &[("network.dns_names", Some("[\"a.lan\"]"))],
        "[network]\ndns_names = [ \"a.lan\" ]\n",
    ),
    (
        "[network]\ndns_names = [\"a.lan\", \"b.lan\", \"c.lan\", \"d.lan\"]\n",
        &[("network.dns_names", Some("[\"a.lan\", \"d.lan\"]"))],
        "[network]\ndns_names = [\"a.lan\", \"d.lan\"]\n",
    ),
    (
        "[network]\ndns_names = [\n  \"a.lan\", # first\n  \"b.lan\", \"c.lan\", \"d.lan\"\n]\n",
        &[("network.dns_names", Some("[\"a.lan\"]"))],
        "[network]\ndns_names = [\n  \"a.lan\" # first\n  \n]\n",
    ),
    // What is not there yet: below its example, below the last key, at the top, in a new section.
    (
        "[thresholds]\n# A file system's use.\n# disk_percent = 85\n# hysteresis = 5\n\n[network]\n",
        &[("thresholds.disk_percent", Some("80"))],
        "[thresholds]\n# A file system's use.\n# disk_percent = 85\ndisk_percent = 80\n# hysteresis = 5\n\n[network]\n",
    ),
    (
        "[thresholds]\nsustain = 3 # x\n# end\n[network]\n",
        &[("thresholds.disk_percent", Some("80"))],
        "[thresholds]\nsustain = 3 # x\ndisk_percent = 80\n# end\n[network]\n",
    ),
    (
        "[thresholds] # t\n\n[network]",
        &[("thresholds.disk_percent", Some("80"))],
        "[thresholds] # t\ndisk_percent = 80\n\n[network]",
    ),
    (
        "[network]",
        &[("network.timeout", Some("\"2s\""))],
        "[network]\ntimeout = \"2s\"\n",
    ),
    (
        "# only this",
        &[("thresholds.disk_percent", Some("80"))],
        "# only this\n\n[thresholds]\ndisk_percent = 80\n",
    ),
    (
        "",
        &[("schedules.health_check.every", Some("\"1m\""))],
        "[schedules.health_check]\nevery = \"1m\"\n",
    ),
    (
        "thresholds.sustain = 2\n",
        &[("thresholds.disk_percent", Some("80"))],
        "thresholds.sustain = 2\nthresholds.disk_percent = 80\n",
    ),
    (
        "[schedules]\ncontainer_cycle.every = \"1m\"\n",
        &[("schedules.container_cycle.enabled", Some("true"))],
        "[schedules]\ncontainer_cycle.every = \"1m\"\ncontainer_cycle.enabled = true\n",
    ),
    (
        "thresholds = {}\n",
        &[("thresholds.disk_percent", Some("80"))],
        "thresholds = { disk_percent = 80 }\n",
    ),
    (
        "schedules = { health_check = { every = \"1m\" } }\n",
        &[("schedules.container_cycle.every", Some("\"1m\""))],
        "schedules = { health_check = { every = \"1m\" }, container_cycle = { every = \"1m\" } }\n",
    ),
    (
        "[autonomy.actions]\nstop_container = \"ask\"\n",
        &[
            ("autonomy.level", Some("\"ask\"")),
            ("autonomy.actions.start_container", Some("\"ask\"")),
        ],
        "[autonomy.actions]\nstop_container = \"ask\"\nstart_container = \"ask\"\n\n[autonomy]\nlevel = \"ask\"\n",
    ),
    // Back to the default: the key goes, every comment stays.
    (
        "[thresholds]\n# why\ndisk_percent = 80 # large\nsustain = 3\n",
        &[("thresholds.disk_percent", None)],
        "[thresholds]\n# why\n# large\nsustain = 3\n",
    ),
    (
        "[thresholds]\ndisk_percent = 80\nsustain = 3\n",
        &[("thresholds.disk_percent", None)],
        "[thresholds]\nsustain = 3\n",
    ),
    (
        "thresholds = { disk_percent = 80, sustain = 3 }\n",
        &[("thresholds.disk_percent", None)],
        "thresholds = { sustain = 3 }\n",
    ),
    (
        "thresholds = { sustain = 3, disk_percent = 80 }\n",
        &[("thresholds.disk_percent", None)],
        "thresholds = { sustain = 3 }\n",
    ),
    (
        "[network]\noutside = [\n  \"1.1.1.1:443\", # cloudflare\n  # quad nine\n  \"9.9.9.9:443\",\n]\n",
        &[("network.outside", None)],
        "[network]\n# cloudflare\n# quad nine\n",
    ),
    ("[network]\n", &[("network.timeout", None)], "[network]\n"),
    // Lists, by their elements.
    (
        "[network]\noutside = [\n  \"1.1.1.1:443\", # cloudflare\n  \"9.9.9.9:443\", # quad nine\n]\n",
        &[("network.outside", Some("[\"1.1.1.1:443\"]"))],
        "[network]\noutside = [\n  \"1.1.1.1:443\", # cloudflare\n  # quad nine\n]\n",
    ),
    (
        "[network]\noutside = [\n  \"1.1.1.1:443\", # cloudflare\n  \"9.9.9.9:443\" # quad nine\n]\n",
        &[(
            "network.outside",
            Some("[\"1.1.1.1:443\", \"9.9.9.9:443\", \"8.8.8.8:443\"]"),
        )],
        "[network]\noutside = [\n  \"1.1.1.1:443\", # cloudflare\n  \"9.9.9.9:443\",\n  \"8.8.8.8:443\" # quad nine\n]\n",
    ),
    (
        "[network]\ndns_names = [\"a.b\", \"c.d\"]\n",
        &[("network.dns_names", Some("[\"c.d\"]"))],
        "[network]\ndns_names = [\"c.d\"]\n",
    ),
    (
        "[network]\ndns_names = [\"a.b\", \"c.d\"]\n",
        &[("network.dns_names", Some("[\"a.b\"]"))],
        "[network]\ndns_names = [\"a.b\"]\n",
    ),
    (
        "[host]\nignore_disks = [] # none\n",
        &[("host.ignore_disks", Some("[\"/mnt/*\"]"))],
        "[host]\nignore_disks = [\"/mnt/*\"] # none\n",
    ),
    // Rows, as sections and in one line.
    (
        "# the NAS\n[[autonomy.resources]]\nmatches = \"nas\" # slow\nlevel = \"ask\"\n\n[host]\n",
        &[(
            "autonomy.resources",
            Some(
                "[{\"matches\":\"nas\",\"level\":\"observe\"},{\"matches\":\"tv\",\"level\":\"ask\"}]",
            ),
        )],
        "# the NAS\n[[autonomy.resources]]\nmatches = \"nas\" # slow\nlevel = \"observe\"\n\n[[autonomy.resources]]\nmatches = \"tv\"\nlevel = \"ask\"\n\n[host]\n",
    ),
    (
        "# the NAS\n[[autonomy.resources]]\nmatches = \"nas\" # slow\nlevel = \"ask\"\n[[autonomy.resources]]\nmatches = \"tv\"\nlevel = \"ask\"\n",
        &[(
            "autonomy.resources",
            Some("[{\"matches\":\"tv\",\"level\":\"ask\"}]"),
        )],
        "# the NAS\n# slow\n[[autonomy.resources]]\nmatches = \"tv\"\nlevel = \"ask\"\n",
    ),
    (
        "# the NAS\n[[autonomy.resources]]\nmatches = \"nas\" # slow\nlevel = \"ask\"\n",
        &[("autonomy.resources", Some("[]"))],
        "# the NAS\n# slow\n",
    ),
    (
        "[autonomy]\nlevel = \"ask\"\n",
        &[(
            "autonomy.windows",
            Some("[{\"days\":[\"monday\"],\"from\":\"22:00\",\"to\":\"06:00\"}]"),
        )],
        "[autonomy]\nlevel = \"ask\"\n\n[[autonomy.windows]]\ndays = [\"monday\"]\nfrom = \"22:00\"\nto = \"06:00\"\n",
    ),
    (
        "[[maintenance]]\nmatches = \"b\"\nfrom = 22:00:00\nto = \"06:00\"\n",
        &[(
            "maintenance",
            Some(
                "[{\"matches\":\"b\",\"from\":\"22:00:00\",\"to\":\"07:00\",\"days\":[\"friday\"]}]",
            ),
        )],
        "[[maintenance]]\nmatches = \"b\"\nfrom = 22:00:00\nto = \"07:00\"\ndays = [\"friday\"]\n",
    ),
    (
        "[strategies]\ndisk_filling = [{ action = \"prune_build_cache\" }] # first\n",
        &[
            ("strategies.disk_filling", Some("[]")),
            (
                "strategies.endpoint_slow",
                Some("[{\"action\":\"restart_container\",\"attempts\":2}]"),
            ),
        ],
        "[strategies]\ndisk_filling = [] # first\nendpoint_slow = [{ action = \"restart_container\", attempts = 2 }]\n",
    ),
    (
        "[[strategies.disk_filling]]\naction = \"prune_build_cache\"\n",
        &[("strategies.disk_filling", Some("[]"))],
        "[strategies]\ndisk_filling = []\n",
    ),
];

#[test]
fn each_layout_is_changed_in_its_own_way() {
    for (before, changes, after) in LAYOUTS {
        let changes: Vec<_> = changes
            .iter()
            .map(|(key, value)| (*key, value.map(|text| serde_json::from_str(text).unwrap())))
            .collect();
        match revised(before, &edits(&changes)) {
            Ok(revision) => assert_eq!(revision.text, *after, "from {before:?}"),
            Err(problems) => panic!("{before:?}: {problems:?}"),
        }
    }
}

/// The example with some of its examples made real, which is how people write theirs.
fn a_file() -> impl Strategy<Value = String> {
    let example = include_str!("../../../../../steward.example.toml");
    let keys = [
        "disk_percent",
        "sustain",
        "max_back_off",
        "blast_radius",
        "dns_names",
        "outside",
        "ignore_disks",
        "every",
        "fine",
        "level",
    ];
    (
        prop::collection::vec(any::<bool>(), example.lines().count()),
        any::<bool>(),
    )
        .prop_map(move |(real, crlf)| {
            let mut text = String::new();
            for (line, real) in example.lines().zip(real) {
                let key = line
                    .strip_prefix("# ")
                    .and_then(|line| line.split_once(" = "))
                    .map(|(key, _)| key);
                // Examples below a commented-out section would land in another one.
                let is_key = key.is_some_and(|key| keys.contains(&key))
                    && !line.contains("\"ask\"")
                    && !line.contains("/mnt");
                let line = if real && is_key {
                    format!("{} # kept here", &line[2..])
                } else {
                    line.to_owned()
                };
                text.push_str(&line);
                text.push_str(if crlf { "\r\n" } else { "\n" });
            }
            text
        })
}

fn an_edit() -> impl Strategy<Value = ConfigEdit> {
    prop_oneof![
        (10_i64..85).prop_map(|value| ("thresholds.disk_percent", json!(value))),
        (1_i64..4).prop_map(|value| ("thresholds.sustain", json!(value))),
        (1_i64..90).prop_map(|value| ("guards.max_back_off", json!(format!("{value}s")))),
        (1_i64..90).prop_map(|value| ("guards.blast_radius", json!(value))),
        (1_i64..90).prop_map(|value| ("schedules.health_check.every", json!(format!("{value}m")))),
        (1_i64..90).prop_map(|value| ("retention.fine", json!(format!("{value}m")))),
        prop::collection::vec("[a-z]{1,8}\\.lan", 1..6)
            .prop_map(|value| ("network.dns_names", json!(value))),
        prop::collection::vec("/[a-z\"\\\\#\u{e4}]{1,8}", 0..4)
            .prop_map(|value| ("host.ignore_disks", json!(value))),
        prop::collection::vec("[a-z#\"]{1,6}", 0..4).prop_map(|value| {
            let rows: Vec<_> = value
                .iter()
                .map(|name| json!({"matches": name, "level": "ask"}))
                .collect();
            ("autonomy.resources", json!(rows))
        }),
        prop::sample::select(vec!["observe", "ask", "assist"])
            .prop_map(|level| ("autonomy.level", json!(level))),
    ]
    .prop_flat_map(|(key, value)| {
        (
            Just(key),
            prop_oneof![4 => Just(Some(value)), 1 => Just(None)],
        )
    })
    .prop_map(|(key, value)| ConfigEdit {
        key: key.to_owned(),
        value,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn changes_keep_every_comment_and_every_other_line(file in a_file(), rounds in prop::collection::vec(an_edit(), 1..6)) {
        let mut text = file;
        for edit in &rounds {
            let revision = revised(&text, std::slice::from_ref(edit)).map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
            prop_assert!(comments::all_kept(&text, &revision.text));
            // Lines that are no part of the changed key are there, byte for byte and in order.
            let name = edit.key.rsplit('.').next().unwrap();
            let untouched = |text: &str| -> Vec<String> {
                text.split_inclusive('\n')
                    .filter(|line| !line.trim_start().starts_with(name) && !["matches", "level", "[["].iter().any(|own| line.starts_with(own)))
                    .filter(|line| !line.trim().is_empty() && !line.contains("# kept here"))
                    .map(str::to_owned)
                    .collect()
            };
            prop_assert_eq!(untouched(&text), untouched(&revision.text));
            // Only this key has changed, and it says what was asked for.
            prop_assert!(revision.changed.iter().all(|key| *key == edit.key), "{:?}", revision.changed);
            let new = Node::from_file(&revision.text, "x".as_ref()).unwrap();
            let there = new.at(&edit.key).map(wire::json);
            let wanted = edit.value.clone().filter(|value| *value != json!([]));
            prop_assert_eq!(there, wanted);
            text = revision.text;
        }
    }
}
