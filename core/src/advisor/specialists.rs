//! The specialists: who they are, what they know, what they may look at, and who suits a question. Pure.
//!
//! What flows through: the configuration in, the roster out; a question in words, those whom it concerns out. What it never does: give
//! anybody a tool that changes something. There is none.

use steward_api::{Incident, JARVIS_PRIME, ResourceKind, Specialist};

use crate::{
    config,
    ports::{Inventory, Tool},
};

/// One specialist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) name: String,
    /// In a few words.
    pub(super) field: String,
    pub(super) instructions: String,
    pub(super) tools: Vec<Tool>,
    /// The model that is asked first.
    pub(super) model: Option<String>,
    pub(super) built_in: bool,
    /// Kinds of resources that it knows.
    kinds: &'static [ResourceKind],
    /// Beginnings of words that are of its field, lower case.
    words: &'static [&'static str],
}

impl Who {
    /// Whether it answers people and has the others look.
    pub(super) fn is_jarvis(&self) -> bool {
        self.name == JARVIS_PRIME
    }

    /// Whether a kind of resource is of its field.
    pub(super) fn knows(&self, kind: ResourceKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// How many of these words, lower case, are of its field.
    fn hits(&self, words: &[&str]) -> usize {
        let field = self.field.to_lowercase();
        let of_field = |word: &&&str| {
            self.words.iter().any(|known| word.starts_with(known))
                || field
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|known| known.len() > 3 && **word == known)
        };
        words.iter().filter(of_field).count()
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> Specialist {
        Specialist {
            name: self.name.clone(),
            field: self.field.clone(),
            instructions: self.instructions.clone(),
            tools: self
                .tools
                .iter()
                .map(|tool| tool.as_str().to_owned())
                .collect(),
            model: self.model.clone(),
            built_in: self.built_in,
            at_work: Vec::new(),
        }
    }
}

/// What comes with Steward.
struct BuiltIn {
    field: &'static str,
    instructions: &'static str,
    tools: &'static [Tool],
    kinds: &'static [ResourceKind],
    words: &'static [&'static str],
}

const JARVIS: BuiltIn = BuiltIn {
    field: "the whole house: has the others look, and answers",
    instructions: "You speak with the person who runs this house. You have specialists look at what a question is about, put together what \
                   they found, and answer plainly: first the answer, then why, then what can be done.",
    tools: &[
        Tool::Resource,
        Tool::Log,
        Tool::Metrics,
        Tool::Incidents,
        Tool::Tasks,
    ],
    kinds: &[],
    words: &[],
};

const ATHENA: BuiltIn = BuiltIn {
    field: "databases",
    instructions: "You know database servers: whether they answer, how quickly, how many connections are in use and who holds them, locks, \
                   slow queries, memory and disk that they need, what their logs say. Tell a slow database from a slow disk, a full pool or \
                   a client that asks too much.",
    tools: &[
        Tool::Resource,
        Tool::Log,
        Tool::Metrics,
        Tool::Incidents,
        Tool::Database,
        Tool::Processes,
    ],
    kinds: &[ResourceKind::Database],
    words: &[
        "database",
        "postgres",
        "mysql",
        "mariadb",
        "sql",
        "quer",
        "redis",
        "mongo",
        "connection",
        "transaction",
        "table",
        "lock",
    ],
};

const MERCURY: BuiltIn = BuiltIn {
    field: "network",
    instructions: "You know networks: names and whether they resolve, what can be reached, latency, ports, certificates, proxies. Tell a \
                   service that is down from one that can't be reached, and a name that does not resolve from a server that does not answer.",
    tools: &[
        Tool::Resource,
        Tool::Log,
        Tool::Metrics,
        Tool::Incidents,
        Tool::Names,
        Tool::Certificates,
        Tool::Ports,
    ],
    kinds: &[ResourceKind::Network, ResourceKind::Service],
    words: &[
        "network",
        "dns",
        "name",
        "resolv",
        "reach",
        "internet",
        "outside",
        "latency",
        "port",
        "proxy",
        "http",
        "tls",
        "certificate",
        "url",
        "website",
        "timeout",
    ],
};

const ATLAS: BuiltIn = BuiltIn {
    field: "containers and the host",
    instructions: "You know containers and the machine that carries them: exit codes, restarts, health checks, memory and processor limits, \
                   images, volumes, disks, load. Tell a program's own fault from a limit that is too low and from a machine that is full.",
    tools: &[
        Tool::Resource,
        Tool::Log,
        Tool::Metrics,
        Tool::Incidents,
        Tool::Tasks,
        Tool::Processes,
        Tool::Ports,
    ],
    kinds: &[
        ResourceKind::Container,
        ResourceKind::Engine,
        ResourceKind::Host,
        ResourceKind::Disk,
        ResourceKind::Unit,
        ResourceKind::McpServer,
    ],
    words: &[
        "container",
        "docker",
        "compose",
        "image",
        "volume",
        "restart",
        "crash",
        "memory",
        "cpu",
        "processor",
        "load",
        "disk",
        "space",
        "slow",
        "host",
        "machine",
        "server",
        "process",
        "service",
    ],
};

const SENTINEL: BuiltIn = BuiltIn {
    field: "security",
    instructions: "You know security: what is open to whom, certificates and their expiry, failed sign-ins, rights that are wider than they \
                   need to be. Say what is a danger now and what is only untidy, and never that something is safe because nothing was found.",
    tools: &[
        Tool::Resource,
        Tool::Log,
        Tool::Incidents,
        Tool::Ports,
        Tool::Certificates,
        Tool::Processes,
    ],
    kinds: &[
        ResourceKind::Image,
        ResourceKind::Certificate,
        ResourceKind::SignIn,
        ResourceKind::Port,
    ],
    words: &[
        "secur",
        "attack",
        "hack",
        "login",
        "sign",
        "password",
        "certificate",
        "expos",
        "open",
        "port",
        "vulnerab",
        "permission",
        "firewall",
        "brute",
    ],
};

/// All specialists of a configuration, Jarvis Prime first.
pub(super) fn roster(config: &config::Advisor) -> Vec<Who> {
    let built_in = [&JARVIS, &ATHENA, &MERCURY, &ATLAS, &SENTINEL];
    let mut roster: Vec<Who> = config::BUILT_IN_SPECIALISTS
        .into_iter()
        .zip(built_in)
        .map(|(name, known)| Who {
            name: name.to_owned(),
            field: known.field.to_owned(),
            instructions: known.instructions.to_owned(),
            tools: known.tools.to_vec(),
            model: None,
            built_in: true,
            kinds: known.kinds,
            words: known.words,
        })
        .collect();
    for given in &config.specialists {
        let tools = given.tools.as_ref().map(|names| {
            Tool::ALL
                .into_iter()
                .filter(|tool| names.iter().any(|name| name == tool.as_str()))
                .collect::<Vec<_>>()
        });
        let model = (!given.model.is_empty()).then(|| given.model.clone());
        if let Some(known) = roster.iter_mut().find(|who| who.name == given.name) {
            if !given.field.is_empty() {
                given.field.clone_into(&mut known.field);
            }
            if !given.instructions.is_empty() {
                known.instructions = format!("{}\n{}", known.instructions, given.instructions);
            }
            known.tools = tools.unwrap_or_else(|| known.tools.clone());
            known.model = model;
        } else {
            roster.push(Who {
                name: given.name.clone(),
                field: given.field.clone(),
                instructions: given.instructions.clone(),
                tools: tools.unwrap_or_else(|| Tool::ALL.to_vec()),
                model,
                built_in: false,
                kinds: &[],
                words: &[],
            });
        }
    }
    roster
}

/// The specialist of a name, however it is spelled; `Jarvis` is enough for the first.
pub(super) fn by_name<'a>(roster: &'a [Who], name: &str) -> Option<&'a Who> {
    let name = name.trim().to_lowercase();
    roster.iter().find(|who| {
        let own = who.name.to_lowercase();
        own == name || (who.is_jarvis() && name == "jarvis")
    })
}

/// Who has an incident in its field: by the kind of its resource, and by the words of its title and of its problem. Nobody, where none does.
pub(super) fn for_incident<'a>(incident: &Incident, roster: &'a [Who]) -> Option<&'a Who> {
    let text = format!("{} {}", incident.title, incident.problem).to_lowercase();
    let words = words(&text);
    roster
        .iter()
        .filter(|who| !who.is_jarvis())
        .map(|who| {
            (
                who.hits(&words) + 3 * usize::from(who.knows(incident.resource.kind)),
                who,
            )
        })
        .filter(|(score, _)| *score > 0)
        // Among equals the first of the roster.
        .rev()
        .max_by_key(|(score, _)| *score)
        .map(|(_, who)| who)
}

/// The words of a text that may tell something.
fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() > 2)
        .collect()
}

/// The specialists whom a question concerns, the most concerned first, at most `most`: by the words of it, by the resources that it names,
/// and by the incident that it is about. Without a hint: who knows what is not well now; else who knows containers.
pub(super) fn suited<'a>(
    text: &str,
    named: &[ResourceKind],
    incident: Option<&Incident>,
    inventory: &Inventory,
    roster: &'a [Who],
    most: usize,
) -> Vec<&'a Who> {
    let text = text.to_lowercase();
    let words = words(&text);
    let score = |who: &Who| -> usize {
        let by_words = who.hits(&words);
        let by_name = usize::from(words.contains(&who.name.to_lowercase().as_str())) * 10;
        let by_kind = named.iter().filter(|kind| who.knows(**kind)).count() * 2;
        let by_incident =
            usize::from(incident.is_some_and(|incident| who.knows(incident.resource.kind))) * 3;
        by_words + by_name + by_kind + by_incident
    };
    let others = || roster.iter().filter(|who| !who.is_jarvis());
    let mut scored: Vec<(usize, &Who)> = others()
        .map(|who| (score(who), who))
        .filter(|(score, _)| *score > 0)
        .collect();
    // A stable sort: among equals the order of the roster stands.
    scored.sort_by_key(|(score, _)| usize::MAX - score);
    if scored.is_empty() {
        let unwell = |who: &&Who| {
            inventory
                .incidents
                .iter()
                .any(|incident| who.knows(incident.resource.kind))
        };
        let found = others().find(unwell);
        let containers = || others().find(|who| who.knows(ResourceKind::Container));
        return found.or_else(containers).into_iter().collect();
    }
    scored.into_iter().take(most).map(|(_, who)| who).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, named: &[ResourceKind]) -> Vec<String> {
        let roster = roster(&config::Advisor::default());
        suited(text, named, None, &Inventory::default(), &roster, 2)
            .into_iter()
            .map(|who| who.name.clone())
            .collect()
    }

    #[test]
    fn a_question_goes_to_whom_it_concerns() {
        assert_eq!(names("My database is slow", &[]), ["Athena", "Atlas"]);
        assert_eq!(names("Why can't I resolve names?", &[]), ["Mercury"]);
        assert_eq!(names("Is somebody attacking us?", &[]), ["Sentinel"]);
        assert_eq!(names("What's up?", &[ResourceKind::Database]), ["Athena"]);
        assert_eq!(names("hello", &[]), ["Atlas"]);
        assert_eq!(names("ask Mercury", &[]), ["Mercury"]);
    }

    #[test]
    fn the_configuration_adds_and_changes() {
        let own = |name: &str, tools: Option<Vec<&str>>| config::Specialist {
            name: name.to_owned(),
            field: "backups".to_owned(),
            instructions: "You know backups.".to_owned(),
            tools: tools.map(|tools| tools.into_iter().map(str::to_owned).collect()),
            model: "own".to_owned(),
        };
        let config = config::Advisor {
            specialists: vec![own("Chronos", Some(vec!["get_log"])), own("Athena", None)],
            ..config::Advisor::default()
        };
        let roster = roster(&config);
        assert_eq!(roster.len(), 6);
        let chronos = by_name(&roster, "chronos").unwrap();
        assert_eq!(
            (chronos.tools.as_slice(), chronos.built_in),
            (&[Tool::Log][..], false)
        );
        let athena = by_name(&roster, "Athena").unwrap();
        assert!(athena.built_in && athena.instructions.ends_with("You know backups."));
        assert_eq!(athena.model.as_deref(), Some("own"));
        assert!(by_name(&roster, " jarvis ").unwrap().is_jarvis());
        let found = suited(
            "did the backups run?",
            &[],
            None,
            &Inventory::default(),
            &roster,
            3,
        );
        assert!(found.iter().any(|who| who.name == "Chronos"));
    }

    #[test]
    fn every_built_in_specialist_has_its_part() {
        let roster = roster(&config::Advisor::default());
        for kind in ResourceKind::ALL {
            assert!(
                roster.iter().any(|who| who.knows(kind)),
                "{kind} is nobody's"
            );
        }
        for tool in Tool::ALL {
            assert!(
                roster.iter().any(|who| who.tools.contains(&tool)),
                "{tool:?} is nobody's"
            );
        }
    }
}
