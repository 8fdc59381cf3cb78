//! What goes over the wire to an OpenAI-compatible server, and how its answers are read.
//!
//! What flows through: messages and a schema become the body of a request; the body of a reply becomes an [`Answer`]. Every field of a
//! reply is optional, since servers differ. What it never does: trust a field's type, or fail on one that it does not know.

use serde_json::{Value, json};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
}

impl Speaker {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) speaker: Speaker,
    pub(super) text: String,
}

impl Message {
    pub(super) fn new(speaker: Speaker, text: impl Into<String>) -> Self {
        Self {
            speaker,
            text: text.into(),
        }
    }
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    /// The shape that the answer must have: its name and its JSON schema.
    pub(super) schema: Option<(&'static str, Value)>,
    /// Tokens of the answer, at most.
    pub(super) most_tokens: u32,
}

impl Request {
    /// The body to send. `with_schema`: whether the server is asked to hold the model to the schema; `new_limit`: whether it wants
    /// OpenAI's newer name for the limit, and no temperature.
    pub(super) fn body(&self, model: &str, with_schema: bool, new_limit: bool) -> Value {
        let messages: Vec<Value> = self
            .messages
            .iter()
            .map(|message| json!({"role": message.speaker.as_str(), "content": message.text}))
            .collect();
        let mut body = json!({"messages": messages, "stream": false});
        if !model.is_empty() {
            body["model"] = json!(model);
        }
        if new_limit {
            body["max_completion_tokens"] = json!(self.most_tokens);
        } else {
            body["max_tokens"] = json!(self.most_tokens);
            // The same question shall get the same answer, as far as the server can.
            body["temperature"] = json!(0);
        }
        if with_schema && let Some((name, schema)) = &self.schema {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": schema},
            });
        }
        body
    }

    /// A guess at its size in tokens, rather too high: three characters to a token.
    pub(super) fn estimated_tokens(&self) -> u64 {
        let schema = self
            .schema
            .as_ref()
            .map_or(0, |(_, schema)| schema.to_string().len());
        let text: usize = self
            .messages
            .iter()
            .map(|message| message.text.chars().count() + 12)
            .sum();
        estimated_tokens(text + schema)
    }
}

/// So many characters, in tokens, rather too many.
pub(super) fn estimated_tokens(characters: usize) -> u64 {
    u64::try_from(characters.div_ceil(3)).unwrap_or(u64::MAX)
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The text; empty where there is none.
    pub(super) text: String,
    /// Why the model refused, where it says that it did.
    pub(super) refusal: Option<String>,
    /// Whether it ended because it had said enough, as far as the server says.
    pub(super) was_cut_off: bool,
    /// Tokens sent, as the server counts them.
    pub(super) prompt_tokens: Option<u64>,
    /// Tokens that came back, likewise.
    pub(super) completion_tokens: Option<u64>,
}

/// Reads a reply; says what it lacks where it is none.
pub(super) fn read(reply: &Value) -> Result<Answer, String> {
    if let Some(error) = reply.get("error").filter(|error| !error.is_null()) {
        let said = error
            .get("message")
            .and_then(Value::as_str)
            .or_else(|| error.as_str())
            .unwrap_or("it says no more");
        return Err(format!("the server reports an error: {said}"));
    }
    let choice = reply
        .get("choices")
        .and_then(Value::as_array)
        .and_then(|choices| choices.first())
        .ok_or("the reply has no choices")?;
    let message = choice
        .get("message")
        .filter(|message| message.is_object())
        .ok_or("the reply has no message")?;
    let count = |name: &str| {
        reply
            .get("usage")
            .and_then(|usage| usage.get(name)?.as_u64())
    };
    let refusal = message
        .get("refusal")
        .and_then(Value::as_str)
        .filter(|refusal| !refusal.is_empty())
        .map(str::to_owned);
    let finish = choice.get("finish_reason").and_then(Value::as_str);
    Ok(Answer {
        text: content(message.get("content")),
        refusal: refusal.or_else(|| {
            (finish == Some("content_filter")).then(|| "the content was filtered".to_owned())
        }),
        was_cut_off: finish == Some("length"),
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
    })
}

/// A message's text: a string, or a list of parts.
fn content(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str).or(part.as_str()))
            .collect(),
        _ => String::new(),
    }
}

/// The names of the models that a server offers.
pub(super) fn offered(reply: &Value) -> Vec<String> {
    reply
        .get("data")
        .or_else(|| reply.get("models"))
        .and_then(Value::as_array)
        .map(|models| {
            models
                .iter()
                .filter_map(|model| model.get("id").or_else(|| model.get("name")))
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

/// The JSON object in an answer: the whole of it, or what stands between the first brace and its partner, as models like to add words or
/// fences around it.
pub(super) fn object_in(text: &str) -> Option<Value> {
    if let Ok(value @ Value::Object(_)) = serde_json::from_str(text.trim()) {
        return Some(value);
    }
    // What some models think aloud comes first and may hold braces of its own.
    let after_thought = text.rsplit_once("</think>").map_or(text, |(_, rest)| rest);
    after_thought
        .match_indices('{')
        .take(32)
        .find_map(|(start, _)| {
            let rest = after_thought.get(start..)?;
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            match values.next() {
                Some(Ok(value @ Value::Object(_))) => Some(value),
                _ => None,
            }
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reply_is_read_whatever_it_leaves_out() {
        let full = json!({"choices": [{"message": {"content": "hello", "extra": 1}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 2}});
        let answer = read(&full).unwrap();
        assert_eq!(answer.text, "hello");
        assert_eq!(answer.completion_tokens, Some(2));
        let bare = json!({"choices": [{"message": {"content": [{"type": "text", "text": "a"}, {"text": "b"}]}}]});
        assert_eq!(read(&bare).unwrap().text, "ab");
        assert_eq!(
            read(&json!({"choices": [{"message": {"content": null, "refusal": "no"}}]}))
                .unwrap()
                .refusal
                .as_deref(),
            Some("no")
        );
        assert!(
            read(&json!({"choices": [{"message": {"content": "x"}, "finish_reason": "length"}]}))
                .unwrap()
                .was_cut_off
        );
        for nothing in [
            json!({}),
            json!([]),
            json!(null),
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!({"choices": [{"message": "x"}]}),
        ] {
            assert!(read(&nothing).is_err(), "{nothing}");
        }
        assert!(
            read(&json!({"error": {"message": "model not loaded"}}))
                .unwrap_err()
                .contains("model not loaded")
        );
    }

    #[test]
    fn an_object_is_found_among_words_fences_and_thoughts() {
        for text in [
            r#"{"a": 1}"#,
            "Here it is:\n```json\n{\"a\": 1}\n```\nAnything else?",
            r#"<think>{maybe} {"b": 2}</think>{"a": 1}"#,
            r#"a { b {"a": 1} }"#,
        ] {
            assert_eq!(object_in(text), Some(json!({"a": 1})), "{text}");
        }
        assert_eq!(object_in(r#"{"a": 1"#), None);
        assert_eq!(object_in("[1]"), None);
    }

    #[test]
    fn the_schema_goes_along_only_where_the_server_takes_it() {
        let request = Request {
            messages: vec![Message::new(Speaker::User, "hi")],
            schema: Some(("diagnosis", json!({"type": "object"}))),
            most_tokens: 7,
        };
        let body = request.body("m", true, false);
        assert_eq!(body["response_format"]["json_schema"]["name"], "diagnosis");
        assert_eq!(body["max_tokens"], 7);
        let body = request.body("", false, true);
        assert!(body.get("response_format").is_none() && body.get("model").is_none());
        assert_eq!(body["max_completion_tokens"], 7);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reading_never_panics(text in "[{}\\[\\]\",:a-z0-9 ]{0,60}") {
            let _ = object_in(&text);
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = (read(&value), offered(&value));
            }
        }
    }
}
