//! The rules that tie keys together: what is above what, what must be named once, what must exist elsewhere in the configuration.
//!
//! They read the finished values and take each value's place from the tree.

use std::{collections::BTreeMap, path::Path};

use steward_api::ActionName;

use super::{
    BUILT_IN_SPECIALISTS, Config, Span, TlsMode, error::Fault, place::Place, span, tree::Node,
};

/// Everything that is wrong between keys. `earlier` are faults found before: what rests on a faulty key is not judged.
pub(super) fn between(
    config: &Config,
    root: &Node,
    file: Option<&Path>,
    earlier: &[Fault],
) -> Vec<Fault> {
    let mut rules = Rules {
        root,
        file,
        earlier,
        faults: Vec::new(),
    };
    rules.thresholds(config);
    rules.times(config);
    rules.names(config);
    rules.scripts(config);
    rules.mcp(config);
    rules.windows(config);
    rules.tls(config);
    rules.faults
}

struct Rules<'r> {
    root: &'r Node,
    file: Option<&'r Path>,
    earlier: &'r [Fault],
    faults: Vec<Fault>,
}

impl Rules<'_> {
    fn place(&self, key: &str) -> Place {
        self.root
            .at(key)
            .map_or(Place::Default, |node| node.place.clone())
    }

    /// A fault of the first of these keys that somebody has set: a default is never to blame.
    fn blame(&mut self, keys: &[&str], what: impl Fn(&str) -> (String, String)) {
        let faulty = |key: &&str| self.earlier.iter().any(|fault| fault.key == **key);
        if keys.iter().any(faulty) {
            return;
        }
        let key = keys
            .iter()
            .find(|key| self.place(key).is_given())
            .or_else(|| keys.first());
        if let Some(key) = key {
            let (wrong, right) = what(key);
            self.faults
                .push(self.place(key).fault(self.file, *key, wrong, right));
        }
    }

    /// `low` must be below `high`, or at most equal to it.
    fn order<T: PartialOrd>(
        &mut self,
        (low_key, low): (&str, T),
        (high_key, high): (&str, T),
        may_be_equal: bool,
        show: impl Fn(&T) -> String,
    ) {
        if low < high || (may_be_equal && low == high) {
            return;
        }
        self.blame(&[high_key, low_key], |key| {
            let (mine, other_key, other, relation) = if key == high_key {
                (
                    &high,
                    low_key,
                    &low,
                    if may_be_equal { "at least" } else { "above" },
                )
            } else {
                (
                    &low,
                    high_key,
                    &high,
                    if may_be_equal { "at most" } else { "below" },
                )
            };
            (
                format!(
                    "{} does not go with {other_key} ({})",
                    show(mine),
                    show(other)
                ),
                format!("it should be {relation} {}", show(other)),
            )
        });
    }

    fn thresholds(&mut self, config: &Config) {
        let t = &config.thresholds;
        self.order(
            ("thresholds.disk_percent", t.disk_percent),
            ("thresholds.disk_critical_percent", t.disk_critical_percent),
            false,
            f64::to_string,
        );
        self.order(
            ("thresholds.sustain", t.sustain),
            ("thresholds.of_last", t.of_last),
            true,
            u32::to_string,
        );
        // The lower threshold of every percentage must stay above nothing; for times, hysteresis is a share and always does.
        let lowest = [
            (
                "thresholds.container_memory_percent",
                t.container_memory_percent,
            ),
            ("thresholds.container_cpu_percent", t.container_cpu_percent),
            ("thresholds.host_cpu_percent", t.host_cpu_percent),
            ("thresholds.host_memory_percent", t.host_memory_percent),
            ("thresholds.disk_percent", t.disk_percent),
            (
                "thresholds.database_connections_percent",
                t.database_connections_percent,
            ),
        ]
        .into_iter()
        .min_by(|a, b| a.1.total_cmp(&b.1));
        if let Some(lowest) = lowest {
            self.order(
                ("thresholds.hysteresis", t.hysteresis),
                lowest,
                false,
                f64::to_string,
            );
        }
    }

    fn times(&mut self, config: &Config) {
        let show = |time: &Span| span::human(*time);
        let d = &config.docker;
        self.order(
            ("docker.stabilisation", d.stabilisation),
            ("docker.recovery", d.recovery),
            true,
            show,
        );
        let r = &config.retention;
        self.order(
            ("retention.fine", r.fine),
            ("retention.medium", r.medium),
            true,
            show,
        );
        self.order(
            ("retention.medium", r.medium),
            ("retention.coarse", r.coarse),
            true,
            show,
        );
    }

    fn names(&mut self, config: &Config) {
        let services: Vec<_> = config.services.iter().map(|s| s.name.as_str()).collect();
        self.unique("services", &services);
        let databases: Vec<_> = config
            .databases
            .postgres
            .iter()
            .map(|d| d.name.as_str())
            .collect();
        self.unique("databases.postgres", &databases);
        let models: Vec<_> = config
            .advisor
            .models
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        self.unique("advisor.models", &models);
        self.specialists(config);
        for (index, model) in config.advisor.models.iter().enumerate() {
            if model.api_key.is_some() && model.api_key_file.is_some() {
                self.blame(&[&format!("advisor.models[{index}].api_key_file")], |_| {
                    (
                        "there is an api_key, too".to_owned(),
                        "leave one of them out".to_owned(),
                    )
                });
            }
        }
    }

    fn specialists(&mut self, config: &Config) {
        let specialists = &config.advisor.specialists;
        let names: Vec<_> = specialists.iter().map(|one| one.name.as_str()).collect();
        self.unique("advisor.specialists", &names);
        for (index, one) in specialists.iter().enumerate() {
            let is_built_in = BUILT_IN_SPECIALISTS.contains(&one.name.as_str());
            for (key, value) in [("field", &one.field), ("instructions", &one.instructions)] {
                if value.is_empty() && !is_built_in {
                    self.blame(&[&format!("advisor.specialists[{index}].name")], |_| {
                        (
                            format!("\"{}\" has no `{key}`", one.name),
                            format!(
                                "a specialist of your own needs one; built in are {}",
                                BUILT_IN_SPECIALISTS.join(", ")
                            ),
                        )
                    });
                }
            }
        }
    }

    fn unique(&mut self, list: &str, names: &[&str]) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            let Some(first) = seen.get(name).copied() else {
                seen.insert(name, index);
                continue;
            };
            let before = match self.place(&format!("{list}[{first}].name")) {
                Place::File { line, .. } => format!("line {line}"),
                _ => format!("{list}[{first}]"),
            };
            self.blame(&[&format!("{list}[{index}].name")], |_| {
                (
                    format!("\"{name}\" is taken already ({before})"),
                    "it should be a name that no other has".to_owned(),
                )
            });
        }
    }

    fn scripts(&mut self, config: &Config) {
        let known = known_scripts(config);
        if let Some(script) = &config.security.certificates.renew
            && !config.scripts.contains_key(script)
        {
            self.blame(&["security.certificates.renew"], |_| {
                (format!("there is no script \"{script}\""), known.clone())
            });
        }
        for (problem, steps) in &config.strategies {
            for (index, step) in steps.iter().enumerate() {
                let step_key = format!("strategies.{problem}[{index}]");
                let script_key = format!("{step_key}.script");
                let takes_script = matches!(
                    step.action,
                    ActionName::RunScript | ActionName::RenewCertificate
                );
                let is_renewal = step.action == ActionName::RenewCertificate;
                let has_renewal = config.security.certificates.renew.is_some();
                match (&step.script, takes_script) {
                    (None, true) if is_renewal && has_renewal => {}
                    (None, true) if is_renewal => self.blame(&[&step_key], |_| {
                        (
                            "renew_certificate does not say by which script".to_owned(),
                            format!(
                                "add script = \"name\", or set security.certificates.renew: {known}"
                            ),
                        )
                    }),
                    (None, true) => self.blame(&[&step_key], |_| {
                        (
                            "run_script does not say which script".to_owned(),
                            format!("add script = \"name\": {known}"),
                        )
                    }),
                    (Some(_), false) => self.blame(&[&script_key], |_| {
                        (
                            format!("{} runs no script", step.action),
                            "leave it out, or make the action \"run_script\"".to_owned(),
                        )
                    }),
                    (Some(script), true) if !config.scripts.contains_key(script) => {
                        self.blame(&[&script_key], |_| {
                            (format!("there is no script \"{script}\""), known.clone())
                        });
                    }
                    _ => {}
                }
            }
        }
        for (name, script) in &config.scripts {
            let program = script.command.first().map_or("", String::as_str);
            if !Path::new(program).is_absolute() {
                let key = format!("scripts.{name}.command");
                self.blame(&[&format!("{key}[0]"), &key], |_| {
                    (
                        format!("\"{}\" is not an absolute path", crate::redact::redact(program)),
                        "it should be a list of the program's absolute path and its arguments, such as [\"/usr/local/bin/tidy\", \"--quick\"]".to_owned(),
                    )
                });
            }
        }
    }

    fn tls(&mut self, config: &Config) {
        let server = &config.server;
        if server.tls != TlsMode::Files {
            return;
        }
        for (key, file) in [
            ("server.cert_file", &server.cert_file),
            ("server.key_file", &server.key_file),
        ] {
            if file.is_none() {
                self.blame(&["server.tls"], |_| {
                    (
                        format!("\"files\" does not go without {key}"),
                        format!("add {key} = \"/…\", or make it \"generated\" to have Steward make a certificate for itself"),
                    )
                });
            }
        }
    }

    fn mcp(&mut self, config: &Config) {
        let servers: Vec<_> = config.mcp.servers.iter().map(|s| s.name.as_str()).collect();
        self.unique("mcp.servers", &servers);
        for (index, server) in config.mcp.servers.iter().enumerate() {
            let key = format!("mcp.servers[{index}]");
            match (&server.url, &server.command) {
                (Some(_), Some(_)) => self.blame(&[&format!("{key}.command"), &key], |_| {
                    (
                        "it has a url and a command".to_owned(),
                        "it should have one of the two: a url for a server over HTTP, a command for a program to start".to_owned(),
                    )
                }),
                (None, None) => self.blame(&[&format!("{key}.name"), &key], |_| {
                    (
                        format!("the server \"{}\" can't be reached by anything", server.name),
                        "add url = \"http://…/mcp\", or command = \"…\" for a program to start".to_owned(),
                    )
                }),
                (Some(_), None) => {
                    for (name, given) in [
                        ("args", !server.args.is_empty()),
                        ("env", !server.env.is_empty()),
                        ("pass_env", !server.pass_env.is_empty()),
                    ] {
                        if given {
                            self.blame(&[&format!("{key}.{name}"), &key], |_| {
                                (
                                    format!("{name} is for a program, and this server has a url"),
                                    "leave it out".to_owned(),
                                )
                            });
                        }
                    }
                }
                (None, Some(_)) => {
                    for (name, given) in [
                        ("token_file", server.token_file.is_some()),
                        ("token_env", server.token_env.is_some()),
                    ] {
                        if given {
                            self.blame(&[&format!("{key}.{name}"), &key], |_| {
                                (
                                    format!("{name} is for a url, and this server is a program"),
                                    "leave it out; a program gets its secrets by env or pass_env".to_owned(),
                                )
                            });
                        }
                    }
                }
            }
            if server.token_file.is_some() && server.token_env.is_some() {
                self.blame(&[&format!("{key}.token_env"), &key], |_| {
                    (
                        "it has a token_file and a token_env".to_owned(),
                        "it should have one of the two".to_owned(),
                    )
                });
            }
        }
    }

    fn windows(&mut self, config: &Config) {
        let windows = config
            .autonomy
            .windows
            .iter()
            .enumerate()
            .map(|(index, window)| (format!("autonomy.windows[{index}].days"), window));
        let maintenance = config
            .maintenance
            .iter()
            .enumerate()
            .map(|(index, entry)| (format!("maintenance[{index}].days"), &entry.window));
        for (key, window) in windows.chain(maintenance) {
            let twice = window
                .days
                .iter()
                .enumerate()
                .find(|(index, day)| window.days[..*index].contains(day));
            if twice.is_some() {
                self.blame(&[&key], |_| {
                    (
                        "a day stands there twice".to_owned(),
                        "each day should stand there once".to_owned(),
                    )
                });
            }
        }
    }
}

/// The scripts that there are, to stand after what is wrong.
fn known_scripts(config: &Config) -> String {
    let known: Vec<_> = config.scripts.keys().map(String::as_str).collect();
    if known.is_empty() {
        "there are no scripts yet: add a section [scripts.name] with a command".to_owned()
    } else {
        format!("it should be one of {}", known.join(", "))
    }
}
