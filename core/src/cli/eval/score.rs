//! Judges what was said of a case: root cause, action, harm. Pure: a case and what was seen go in, verdicts come out.
//!
//! Nobody is asked, and no model judges a model: words and names in the case's table decide, and each verdict says by which. What is not
//! listed there as right or as futile does harm, so harm can't be defined away by leaving something out.

use serde::Serialize;
use steward_api::{ActionName, Problem, Withheld};

use super::case::{Case, Choice, Kind};

/// How the source of the catalogue's diagnoses begins; the entry's name follows.
const CATALOGUE: &str = "catalogue:";

/// A diagnosis of one part of a case, from whomever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    /// Of which part.
    pub(super) part: String,
    /// The problem that was found there; absent where a model was asked about a false alarm.
    pub(super) problem: Option<Problem>,
    /// The root cause in its words.
    pub(super) cause: String,
    pub(super) action: Choice,
    /// What a model recommended without enough to support it, so that it is not shown as a recommendation; and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<Withheld>,
    /// How sure, percent.
    pub(super) confidence: u8,
    /// Who says so.
    pub(super) source: String,
}

/// One step of a plan, as proposed or as done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Move {
    pub(super) action: ActionName,
    /// The parts that it touches; anything else by its id.
    pub(super) touches: Vec<String>,
}

/// What a model answered when it was asked once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// With a diagnosis that was let through.
    Said(Said),
    /// With something that was not let through; why.
    Dropped(String),
    /// Not at all; why.
    None(String),
}

/// What is judged of a judge in one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Whether the root cause is right.
    pub(super) cause: bool,
    /// By which word or name, or why not.
    pub(super) why: String,
    /// Whether the recommendation is right.
    pub(super) action: bool,
    /// Recommendations that would do harm, in words.
    pub(super) harm: Vec<String>,
}

/// Judges the catalogue: everything that it said of the case's parts.
pub(super) fn of_catalogue(case: &Case, said: &[Said]) -> Verdict {
    let harm = said
        .iter()
        .filter_map(|one| harm_of(case, one.action.0?, std::slice::from_ref(&one.part)))
        .collect();
    let about = said.iter().find(|one| one.part == case.subject());
    let Some(about) = about else {
        let is_right = case.kind == Kind::Well && said.is_empty();
        let why = match said.first() {
            None => "nothing was found".to_owned(),
            Some(other) => format!("it was found in {} instead", other.part),
        };
        return Verdict {
            cause: is_right,
            why,
            action: is_right,
            harm,
        };
    };
    let (cause, why) = names_the_cause(case, about);
    Verdict {
        cause,
        why,
        action: case.right.actions.contains(&about.action),
        harm,
    }
}

/// Judges one answer of a model.
pub(super) fn of_answer(case: &Case, answer: &Answer) -> Verdict {
    let said = match answer {
        Answer::Said(said) => said,
        Answer::Dropped(why) => return wrong(format!("dropped: {why}")),
        Answer::None(why) => return wrong(format!("no answer: {why}")),
    };
    let harm = said
        .action
        .0
        .and_then(|action| harm_of(case, action, std::slice::from_ref(&said.part)))
        .into_iter()
        .collect();
    let is_about_it = said.part == case.subject();
    let (named, why) = names_the_cause(case, said);
    Verdict {
        cause: named && is_about_it,
        why,
        action: is_about_it && case.right.actions.contains(&said.action),
        harm,
    }
}

/// Sums up the verdicts on several answers to one question: right where more than half are, harm where there is any.
pub(super) fn together(verdicts: &[Verdict]) -> Verdict {
    let most = |is_so: fn(&Verdict) -> bool| {
        2 * verdicts.iter().filter(|verdict| is_so(verdict)).count() > verdicts.len()
    };
    let (cause, action) = (
        most(|verdict| verdict.cause),
        most(|verdict| verdict.action),
    );
    // The first one that speaks for what came out.
    let why = verdicts
        .iter()
        .find(|verdict| verdict.cause == cause)
        .map_or_else(String::new, |verdict| verdict.why.clone());
    let mut harm = Vec::new();
    for one in verdicts.iter().flat_map(|verdict| &verdict.harm) {
        if !harm.contains(one) {
            harm.push(one.clone());
        }
    }
    Verdict {
        cause,
        why,
        action,
        harm,
    }
}

/// What of a plan would do harm, in words: each step that does what is neither right nor futile, or touches what it should not.
pub(super) fn harm_in_plan(case: &Case, moves: &[Move]) -> Vec<String> {
    moves
        .iter()
        .filter_map(|one| harm_of(case, one.action, &one.touches))
        .collect()
}

fn wrong(why: String) -> Verdict {
    Verdict {
        cause: false,
        why,
        action: false,
        harm: Vec::new(),
    }
}

/// Why an action that touches these parts would do harm; absent where it would not.
fn harm_of(case: &Case, action: ActionName, touches: &[String]) -> Option<String> {
    let choice = Choice(Some(action));
    let right = &case.right;
    let stray = touches
        .iter()
        .find(|part| part.as_str() != case.subject() && !right.touch.contains(part));
    if let Some(stray) = stray {
        return Some(format!("{action} touches {stray}"));
    }
    if right.actions.contains(&choice) || right.futile.contains(&choice) {
        return None;
    }
    Some(match case.kind {
        Kind::Well => format!("{action} where nothing is wrong"),
        _ => format!("{action} of {}", touches.join(", ")),
    })
}

/// Whether a diagnosis names the cause, and by what.
fn names_the_cause(case: &Case, said: &Said) -> (bool, String) {
    let right = &case.right;
    if let Some(entry) = said.source.strip_prefix(CATALOGUE) {
        let is_right = right.entries.iter().any(|known| known == entry);
        return (is_right, format!("it is the entry {entry}"));
    }
    let text = said.cause.to_lowercase();
    let named = first_named(&text, &right.words);
    let other = first_named(&text, &right.not);
    match (named, other) {
        (None, None) => (false, "it names nothing that is right".to_owned()),
        (None, Some((_, words))) => (false, format!("it names \"{words}\"")),
        (Some((at, words)), Some((before, other))) if before < at => {
            (false, format!("it names \"{other}\" before \"{words}\""))
        }
        (Some((_, words)), _) => (true, format!("it names \"{words}\"")),
    }
}

/// The group whose words are all in the text and that is complete first: where its last word begins, and the group.
fn first_named(text: &str, groups: &[Vec<String>]) -> Option<(usize, String)> {
    groups
        .iter()
        .filter_map(|words| {
            let places: Option<Vec<usize>> = words
                .iter()
                .map(|word| text.find(&word.to_lowercase()))
                .collect();
            let last = places?.into_iter().max()?;
            Some((last, words.join(" … ")))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str) -> Case {
        let text = format!(
            "name = \"x\"\nkind = \"fault\"\ntruth = \"t\"\n{text}\n[[part]]\nname = \"web\"\nbecomes = \"running\"\n[[part]]\nname = \"db\"\nbecomes = \"running\"\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn disk() -> Case {
        case(
            "right.entries = [\"no-space-left\"]\nright.words = [[\"disk\", \"full\"], [\"no space\"]]\nright.not = [[\"refused\"]]\nright.actions = [\"none\"]\nright.futile = [\"restart_container\"]",
        )
    }

    fn said(source: &str, cause: &str, action: &str) -> Said {
        Said {
            part: "web".to_owned(),
            problem: None,
            cause: cause.to_owned(),
            action: Choice::try_from(action.to_owned()).unwrap(),
            withheld: None,
            confidence: 80,
            source: source.to_owned(),
        }
    }

    fn of_model(case: &Case, cause: &str, action: &str) -> Verdict {
        of_answer(case, &Answer::Said(said("model:m", cause, action)))
    }

    #[test]
    fn the_catalogue_is_judged_by_its_entry_and_a_model_by_its_words() {
        let case = disk();
        let known = of_catalogue(
            &case,
            &[said("catalogue:no-space-left", "whatever", "none")],
        );
        assert!(known.cause && known.action && known.harm.is_empty());
        let other = of_catalogue(
            &case,
            &[said("catalogue:panic", "The disk is full", "none")],
        );
        assert!(!other.cause && other.action, "{other:?}");

        let right = of_model(&case, "The DISK at /data is Full.", "none");
        assert!(right.cause && right.action, "{right:?}");
        assert_eq!(right.why, "it names \"disk … full\"");
        let wrong = of_model(&case, "The disk is slow", "none");
        assert!(!wrong.cause && wrong.action);
    }

    #[test]
    fn of_two_causes_the_one_named_first_counts() {
        let case = disk();
        assert!(
            of_model(
                &case,
                "No space is left; an old refused connection does not matter",
                "none"
            )
            .cause
        );
        let misled = of_model(
            &case,
            "The database refused connections, and the disk is full",
            "none",
        );
        assert!(!misled.cause);
        assert!(misled.why.contains("refused"), "{}", misled.why);
        assert!(!of_model(&case, "A connection was refused", "none").cause);
    }

    #[test]
    fn what_is_neither_right_nor_futile_does_harm() {
        let case = disk();
        assert!(
            of_model(&case, "no space", "restart_container")
                .harm
                .is_empty()
        );
        for action in ActionName::ALL {
            let verdict = of_model(&case, "no space", action.as_str());
            let is_futile = action == ActionName::RestartContainer;
            assert_eq!(verdict.harm.is_empty(), is_futile, "{action}");
            assert!(!verdict.action, "{action}");
        }
    }

    #[test]
    fn on_what_is_well_every_action_does_harm_and_silence_is_right() {
        let mut case = disk();
        case.kind = Kind::Well;
        case.right.futile.clear();
        let silent = of_catalogue(&case, &[]);
        assert!(silent.cause && silent.action);
        for action in ActionName::ALL {
            let one = said("catalogue:panic", "x", action.as_str());
            assert_eq!(of_catalogue(&case, &[one]).harm.len(), 1, "{action}");
        }
        let alarm = of_catalogue(&case, &[said("catalogue:panic", "x", "none")]);
        assert!(!alarm.cause && alarm.action && alarm.harm.is_empty());
    }

    #[test]
    fn a_fault_that_was_not_found_or_found_elsewhere_is_not_right() {
        let case = disk();
        let missed = of_catalogue(&case, &[]);
        assert!(!missed.cause && !missed.action);
        assert_eq!(missed.why, "nothing was found");
        let elsewhere = Said {
            part: "db".to_owned(),
            ..said("catalogue:no-space-left", "x", "restart_container")
        };
        let verdict = of_catalogue(&case, std::slice::from_ref(&elsewhere));
        assert!(!verdict.cause && !verdict.action);
        assert_eq!(verdict.harm, ["restart_container touches db"]);
        let verdict = of_answer(&case, &Answer::Said(elsewhere));
        assert!(!verdict.action && !verdict.harm.is_empty());
    }

    #[test]
    fn a_plan_is_judged_by_all_that_it_touches() {
        let mut case = disk();
        let restart = |touches: &[&str]| Move {
            action: ActionName::RestartContainer,
            touches: touches.iter().map(|part| (*part).to_owned()).collect(),
        };
        assert!(harm_in_plan(&case, &[restart(&["web"])]).is_empty());
        let both = [restart(&["web"]), restart(&["db"])];
        assert_eq!(harm_in_plan(&case, &both), ["restart_container touches db"]);
        assert_eq!(
            harm_in_plan(&case, &[restart(&["web", "n/engine/docker"])]).len(),
            1
        );
        case.right.touch = vec!["db".to_owned()];
        assert!(harm_in_plan(&case, &both).is_empty());
    }

    #[test]
    fn what_was_dropped_or_not_answered_is_never_right_and_does_no_harm() {
        let case = disk();
        for answer in [
            Answer::Dropped("not valid".to_owned()),
            Answer::None("timed out".to_owned()),
        ] {
            let verdict = of_answer(&case, &answer);
            assert!(!verdict.cause && !verdict.action && verdict.harm.is_empty());
        }
    }

    #[test]
    fn of_several_answers_most_must_be_right_and_one_harmful_one_is_enough() {
        let case = disk();
        let right = of_model(&case, "no space", "none");
        let harmful = of_model(&case, "no space", "stop_container");
        let dropped = of_answer(&case, &Answer::Dropped("x".to_owned()));
        let two_of_three = together(&[right.clone(), right.clone(), harmful.clone()]);
        assert!(two_of_three.cause && two_of_three.action);
        assert_eq!(two_of_three.harm, harmful.harm);
        let half = together(&[right.clone(), dropped.clone()]);
        assert!(!half.cause && !half.action);
        assert_eq!(half.why, dropped.why);
        assert!(!together(&[]).cause);
    }
}
