//! What goes over the wire to an OpenAI-compatible server, and how its answers are read.
//!
//! What flows through: messages and a schema become the body of a request; the body of a reply becomes an [`Answer`]. Every field of a
//! reply is optional, since servers differ. What it never does: trust a field's type, fail on one that it does not know, or send marks by
//! which a server would take one message for several.

use serde_json::{Value, json};

use super::orders::without_marks;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    System,
    User,
    Assistant,
    /// What a tool gave, for the call of it by the assistant.
    Tool,
}

impl Speaker {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A call of a tool that a model wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolCall {
    /// By which its result is known.
    pub(super) id: String,
    pub(super) name: String,
    /// JSON, as the model wrote it.
    pub(super) arguments: String,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) speaker: Speaker,
    pub(super) text: String,
    /// The tools that the assistant calls with it.
    pub(super) calls: Vec<ToolCall>,
    /// The call whose result this is.
    pub(super) result_of: Option<String>,
}

impl Message {
    pub(super) fn new(speaker: Speaker, text: impl Into<String>) -> Self {
        Self {
            speaker,
            text: text.into(),
            calls: Vec::new(),
            result_of: None,
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({"role": self.speaker.as_str(), "content": without_marks(&self.text)});
        if !self.calls.is_empty() {
            let calls = self.calls.iter().map(|call| {
                json!({
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                })
            });
            body["tool_calls"] = calls.collect();
        }
        if let Some(id) = &self.result_of {
            body["tool_call_id"] = json!(id);
        }
        body
    }
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) messages: Vec<Message>,
    /// The shape that the answer must have: its name and its JSON schema.
    pub(super) schema: Option<(&'static str, Value)>,
    /// What it may call instead of answering, in the form of functions.
    pub(super) tools: Vec<Value>,
    /// Tokens of the answer, at most.
    pub(super) most_tokens: u32,
}

/// What of a request a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// It is asked to hold the model to the schema.
    pub(super) with_schema: bool,
    /// It is told of the tools.
    pub(super) with_tools: bool,
    /// It is asked to send the answer piece by piece.
    pub(super) streamed: bool,
    /// It wants OpenAI's newer name for the limit, and no temperature.
    pub(super) new_limit: bool,
}

impl Request {
    /// The body to send.
    pub(super) fn body(&self, model: &str, form: Form) -> Value {
        let messages: Vec<Value> = self.messages.iter().map(Message::body).collect();
        let mut body = json!({"messages": messages, "stream": form.streamed});
        if form.streamed {
            body["stream_options"] = json!({"include_usage": true});
        }
        if !model.is_empty() {
            body["model"] = json!(model);
        }
        if form.new_limit {
            body["max_completion_tokens"] = json!(self.most_tokens);
        } else {
            body["max_tokens"] = json!(self.most_tokens);
            // The same question shall get the same answer, as far as the server can.
            body["temperature"] = json!(0);
        }
        if form.with_tools && !self.tools.is_empty() {
            body["tools"] = json!(self.tools);
        }
        if form.with_schema
            && let Some((name, schema)) = &self.schema
        {
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
        let tools: usize = self.tools.iter().map(|tool| tool.to_string().len()).sum();
        let text: usize = self
            .messages
            .iter()
            .map(|message| {
                let calls = message.calls.iter();
                let calls: usize = calls.map(|call| call.arguments.len() + 40).sum();
                message.text.chars().count() + calls + 12
            })
            .sum();
        estimated_tokens(text + schema + tools)
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
    /// The tools that it calls.
    pub(super) calls: Vec<ToolCall>,
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
        return Err(error_in(error));
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
        calls: tool_calls(message.get("tool_calls")),
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

/// Calls of tools that can be understood; each without an id gets one, since some servers give none.
fn tool_calls(calls: Option<&Value>) -> Vec<ToolCall> {
    let calls = calls.and_then(Value::as_array).into_iter().flatten();
    calls
        .enumerate()
        .filter_map(|(index, call)| {
            let function = call.get("function")?;
            let arguments = match function.get("arguments") {
                Some(Value::String(text)) => text.clone(),
                // Some give an object where a text is meant.
                Some(other) => other.to_string(),
                None => String::new(),
            };
            let id = call.get("id").and_then(Value::as_str);
            Some(ToolCall {
                id: id.map_or_else(|| format!("call-{index}"), str::to_owned),
                name: function.get("name")?.as_str()?.to_owned(),
                arguments,
            })
        })
        .collect()
}

/// An answer that comes piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Growing {
    answer: Answer,
    refusal: String,
    finish: Option<String>,
}

impl Growing {
    /// Takes one piece in. Says whether the text has grown.
    ///
    /// # Errors
    /// What the server says went wrong.
    pub(super) fn take(&mut self, piece: &Value) -> Result<bool, String> {
        if let Some(error) = piece.get("error").filter(|error| !error.is_null()) {
            return Err(error_in(error));
        }
        let count = |name: &str| {
            piece
                .get("usage")
                .and_then(|usage| usage.get(name)?.as_u64())
        };
        self.answer.prompt_tokens = count("prompt_tokens").or(self.answer.prompt_tokens);
        self.answer.completion_tokens =
            count("completion_tokens").or(self.answer.completion_tokens);
        let choice = piece
            .get("choices")
            .and_then(Value::as_array)
            .and_then(|choices| choices.first());
        let Some(choice) = choice else {
            return Ok(false);
        };
        if let Some(finish) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(finish.to_owned());
        }
        // Some servers send the last piece as a whole message.
        let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) else {
            return Ok(false);
        };
        if let Some(refusal) = delta.get("refusal").and_then(Value::as_str) {
            self.refusal.push_str(refusal);
        }
        let more = content(delta.get("content"));
        self.answer.text.push_str(&more);
        Ok(!more.is_empty())
    }

    /// What has come so far.
    pub(super) fn text(&self) -> &str {
        &self.answer.text
    }

    /// The whole answer; none where the stream ended before the answer did.
    pub(super) fn end(mut self) -> Option<Answer> {
        let finish = self.finish?;
        self.answer.was_cut_off = finish == "length";
        self.answer.refusal = match (self.refusal.is_empty(), finish.as_str()) {
            (false, _) => Some(self.refusal),
            (true, "content_filter") => Some("the content was filtered".to_owned()),
            (true, _) => None,
        };
        Some(self.answer)
    }
}

fn error_in(error: &Value) -> String {
    let said = error
        .get("message")
        .and_then(Value::as_str)
        .or_else(|| error.as_str())
        .unwrap_or("it says no more");
    format!("the server reports an error: {said}")
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
            tools: Vec::new(),
            most_tokens: 7,
        };
        let form = Form {
            with_schema: true,
            with_tools: false,
            streamed: false,
            new_limit: false,
        };
        let body = request.body("m", form);
        assert_eq!(body["response_format"]["json_schema"]["name"], "diagnosis");
        assert_eq!(body["max_tokens"], 7);
        let body = request.body(
            "",
            Form {
                with_schema: false,
                new_limit: true,
                ..form
            },
        );
        assert!(body.get("response_format").is_none() && body.get("model").is_none());
        assert_eq!(body["max_completion_tokens"], 7);
    }

    #[test]
    fn calls_of_tools_go_there_and_come_back() {
        let reply = json!({"choices": [{"message": {"content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "get_log", "arguments": "{\"lines\": 5}"}},
            {"function": {"name": "list_ports", "arguments": {}}},
            {"function": {"arguments": "{}"}},
            7,
        ]}, "finish_reason": "tool_calls"}]});
        let calls = read(&reply).unwrap().calls;
        let names: Vec<_> = calls
            .iter()
            .map(|call| (call.id.as_str(), call.name.as_str()))
            .collect();
        assert_eq!(names, [("a", "get_log"), ("call-1", "list_ports")]);
        let mut said = Message::new(Speaker::Assistant, "");
        said.calls = calls;
        let mut result = Message::new(Speaker::Tool, "nothing");
        result.result_of = Some("a".to_owned());
        assert_eq!(said.body()["tool_calls"][0]["function"]["name"], "get_log");
        assert_eq!(result.body()["tool_call_id"], "a");
    }

    #[test]
    fn an_answer_grows_piece_by_piece_and_one_that_breaks_off_is_none() {
        let mut growing = Growing::default();
        for text in ["All ", "", "is well."] {
            let piece = json!({"choices": [{"delta": {"content": text}, "finish_reason": null}]});
            assert_eq!(growing.take(&piece), Ok(!text.is_empty()));
        }
        assert_eq!(growing.text(), "All is well.");
        assert_eq!(growing.clone().end(), None);
        let last = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
        growing.take(&last).unwrap();
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}});
        growing.take(&usage).unwrap();
        let answer = growing.clone().end().unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.prompt_tokens),
            ("All is well.", Some(9))
        );
        assert!(
            growing
                .take(&json!({"error": {"message": "out of memory"}}))
                .is_err()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reading_never_panics(text in "[{}\\[\\]\",:a-z0-9 ]{0,60}") {
            let _ = object_in(&text);
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let _ = (read(&value), offered(&value), Growing::default().take(&value));
            }
        }
    }
}
