//! A case: containers in which something is really wrong (or nothing is), what is then right to say, and what would do harm.
//!
//! Plain data, read from the tables in `cases/`. It decides nothing and runs nothing; `score` judges by it, `run` sets it up.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use steward_api::{ActionName, Problem};

use super::{
    super::stage::{Part, PartCheck, PartFile, Restart, image},
    actor::{CHECK, PLAY},
    script,
};

/// What a case is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Something is wrong, and the log or the state tells what.
    Fault,
    /// The log also tells of something else that is not the cause.
    Herring,
    /// The log tries to give orders.
    Orders,
    /// Nothing is wrong, whatever it looks like.
    Well,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Fault, Self::Herring, Self::Orders, Self::Well];

    /// In words, of several cases.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Fault => "plain faults",
            Self::Herring => "red herrings",
            Self::Orders => "logs that give orders",
            Self::Well => "nothing wrong",
        }
    }
}

/// Something that may be recommended: an action, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Choice(pub(super) Option<ActionName>);

impl TryFrom<String> for Choice {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self(None)),
            other => other.parse().map(|action| Self(Some(action))),
        }
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.map_or("none", ActionName::as_str))
    }
}

/// How a container must be, by the engine's own word, for the case to be set up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Becomes {
    Running,
    Healthy,
    Unhealthy,
    /// Ended with this code, not for memory.
    Exited(i64),
    /// Ended by the kernel for memory.
    OutOfMemory,
    /// The engine could not start it.
    NotStarted,
    /// Restarted by its engine so often at least.
    Restarted(i64),
    /// Answers HTTP with this status at the port that leads to it.
    Answers(u16),
}

impl TryFrom<String> for Becomes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (word, number) = text.split_once(' ').unwrap_or((&text, ""));
        let wrong = || format!("`{text}` is no state of a container");
        let number = || i64::from_str(number).map_err(|_| wrong());
        Ok(match word {
            "exited" => Self::Exited(number()?),
            "restarted" => Self::Restarted(number()?),
            "answers" => Self::Answers(u16::try_from(number()?).map_err(|_| wrong())?),
            _ => match text.as_str() {
                "running" => Self::Running,
                "healthy" => Self::Healthy,
                "unhealthy" => Self::Unhealthy,
                "out of memory" => Self::OutOfMemory,
                "not started" => Self::NotStarted,
                _ => return Err(wrong()),
            },
        })
    }
}

/// One container of a case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CasePart {
    /// Its name, to which what makes it unique is added.
    pub(super) name: String,
    /// The last part of its image's name.
    #[serde(default)]
    pub(super) image: Option<String>,
    /// What its process does, see [`script`].
    #[serde(default)]
    pub(super) play: String,
    /// What its health check does, likewise.
    #[serde(default)]
    pub(super) check: Option<String>,
    /// Its health check's command, instead.
    #[serde(default)]
    pub(super) check_command: Option<Vec<String>>,
    /// Its command, instead of playing a script.
    #[serde(default)]
    pub(super) command: Option<Vec<String>>,
    #[serde(default)]
    pub(super) files: Vec<PartFile>,
    #[serde(default)]
    pub(super) restart: Restart,
    #[serde(default)]
    pub(super) ports: Vec<u16>,
    /// A port that is published, and asked for over HTTP as the label `steward.health_url` says.
    #[serde(default)]
    pub(super) asked_at: Option<u16>,
    #[serde(default)]
    pub(super) networked: bool,
    #[serde(default)]
    pub(super) memory_mib: Option<u32>,
    /// In thousandths of a core.
    #[serde(default)]
    pub(super) cpu_millicores: Option<u32>,
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) read_only: bool,
    #[serde(default)]
    pub(super) tmpfs: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) open_files: Option<u32>,
    /// Other parts that it depends on.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// Whether a person stops it once it runs.
    #[serde(default)]
    pub(super) stopped: bool,
    pub(super) becomes: Becomes,
}

/// What is right to say of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Right {
    /// Entries of the catalogue that name the cause; any of them.
    #[serde(default)]
    pub(super) entries: Vec<String>,
    /// What names the cause in free words: any of these, each of words that must all be there, in any case and order.
    #[serde(default)]
    pub(super) words: Vec<Vec<String>>,
    /// What names something that is not the cause, likewise. Where a text names both, what it names first counts.
    #[serde(default)]
    pub(super) not: Vec<Vec<String>>,
    /// What may be recommended.
    pub(super) actions: Vec<Choice>,
    /// What does not help and does not hurt either. Everything else does harm.
    #[serde(default)]
    pub(super) futile: Vec<Choice>,
    /// Parts that an action may touch besides the one that it is about.
    #[serde(default)]
    pub(super) touch: Vec<String>,
}

/// A case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// What is really the matter, in a sentence.
    pub(super) truth: String,
    /// The part that it is about; the first where absent.
    #[serde(default)]
    pub(super) about: Option<String>,
    /// The problem that must have been found before anybody is asked; any where absent.
    #[serde(default)]
    pub(super) problem: Option<Problem>,
    /// Whether PostgreSQL servers are looked for among its containers.
    #[serde(default)]
    pub(super) databases: bool,
    #[serde(rename = "part")]
    pub(super) parts: Vec<CasePart>,
    pub(super) right: Right,
}

impl Case {
    /// The name of the part that it is about.
    pub(super) fn subject(&self) -> &str {
        match &self.about {
            Some(name) => name,
            None => self.parts.first().map_or("", |part| &part.name),
        }
    }
}

impl CasePart {
    /// The container that the stage is to make. `name_of` gives the full name of another part; `published` is the free port of this
    /// machine that is to lead to it.
    pub(super) fn on_stage(
        &self,
        name_of: &dyn Fn(&str) -> String,
        published: Option<u16>,
    ) -> Part {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let mut environment = BTreeMap::from([(PLAY.to_owned(), self.play.clone())]);
        let mut check = None;
        if let Some(script) = &self.check {
            environment.insert(CHECK.to_owned(), script.clone());
            check = Some(own(&["CMD", image::EXECUTABLE, "eval-workload", "check"]));
        }
        let mut labels = BTreeMap::new();
        if !self.needs.is_empty() {
            let names: Vec<_> = self.needs.iter().map(|name| name_of(name)).collect();
            labels.insert("steward.depends_on".to_owned(), names.join(","));
        }
        if let Some(port) = published {
            labels.insert(
                "steward.health_url".to_owned(),
                format!("http://127.0.0.1:{port}/"),
            );
        }
        Part {
            command: self
                .command
                .clone()
                .unwrap_or_else(|| own(&[image::EXECUTABLE, "eval-workload", "play"])),
            environment,
            labels,
            image: self.image.clone(),
            memory: self.memory_mib.map(|mib| i64::from(mib) * 1024 * 1024),
            nano_cpus: self
                .cpu_millicores
                .map(|milli| i64::from(milli) * 1_000_000),
            restart: self.restart,
            ports: self.ports.clone(),
            published: self.asked_at.zip(published),
            is_networked: self.networked || self.asked_at.is_some(),
            check: self
                .check_command
                .clone()
                .or(check)
                .map(|test| PartCheck { test, timeout: 2 }),
            user: self.user.clone(),
            is_read_only: self.read_only,
            tmpfs: self.tmpfs.clone(),
            open_files: self.open_files.map(i64::from),
            files: self.files.clone(),
        }
    }

    /// Whether its scripts can be played.
    pub(super) fn scripts_are_sound(&self) -> Result<(), String> {
        for script in [Some(&self.play), self.check.as_ref()]
            .into_iter()
            .flatten()
        {
            script::parse(script).map_err(|error| format!("{}: {error}", self.name))?;
        }
        Ok(())
    }
}
