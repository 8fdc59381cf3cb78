//! Reading what the agent writes.
//!
//! What flows through: JSON in, values of the contract out. What it never does: take a part for the whole; what does not fit is an error.

use serde::{Deserialize, de::DeserializeOwned};

/// A value in an envelope that is told by its tag.
///
/// The contract has tagged types, and what stands inside of those is read by other code than what stands alone: nearly everything would be
/// built twice. In this envelope everything stands inside, so all of it is built once, and a browser fetches a fifth less.
#[derive(Deserialize)]
#[serde(tag = "is")]
enum Inside<T> {
    #[serde(rename = "it")]
    It { value: T },
}

/// Reads a value.
///
/// # Errors
/// Where the text is no such value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    // Text that closed the envelope itself would not be the one value that was asked for.
    let enclosed = ["{\"is\":\"it\",\"value\":", text, "}"].concat();
    let Inside::It { value } = serde_json::from_str(&enclosed)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use steward_api::{
        Envelope, Health, IncidentChange, MetricPoint, Nothing, Page, ResourceList, StatusReply,
        TaskChange,
    };

    use super::*;
    use crate::samples;

    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&read::<T>(&text).unwrap(), value);
    }

    #[test]
    fn everything_is_read_as_it_was_written() {
        let task = samples::task(3, "web");
        let incident = samples::incident(7, "web");
        for entry in [
            samples::changed(1, "web", Health::Healthy, Health::Unknown),
            samples::task_event(2, TaskChange::Created, &task),
            samples::incident_event(3, IncidentChange::Detected, &incident),
            samples::agent_started(4),
        ] {
            comes_back::<Envelope>(&entry);
        }
        comes_back::<ResourceList>(&samples::list(vec![
            samples::host(),
            samples::container_of("web", Health::Degraded, "shop"),
        ]));
        comes_back::<StatusReply>(&samples::status());
        comes_back(&Page {
            items: vec![task],
            next: Some(3),
        });
        comes_back(&MetricPoint {
            at: samples::at("12:00:00"),
            min: 1.0,
            mean: 1.5,
            max: 2e9,
            count: 3,
        });
        comes_back(&Nothing {});
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in ["", "{", "[]", "null", "{}}", "{}, \"value\": {}", "<html>"] {
            assert!(read::<StatusReply>(text).is_err(), "{text}");
        }
        let error = read::<ResourceList>("{\"taken_at\":\"no time\"}").unwrap_err();
        assert!(error.to_string().contains("year"), "{error}");
    }
}
