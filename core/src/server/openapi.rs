//! The OpenAPI document, made from the contract: every endpoint with its parameters, body, reply and the codes it can refuse with.
//!
//! What flows through: the contract's types in, one JSON document out. What it never does: describe an endpoint by hand that the contract
//! describes; only the three paths that are no JSON endpoints are written here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use steward_api::{
    EVENTS_PATH, Endpoint, ErrorCode, METRICS_PATH, Method, OPENAPI_PATH, ProblemDetails,
    REQUEST_HEADER, Role,
};
use utoipa::{PartialSchema, ToSchema};

use super::{bind::Answer, summary::VERSION};

/// The document. OpenAPI 3.1.
pub fn document() -> Value {
    let mut document = Document::default();
    macro_rules! describe {
        ($endpoint:ty) => {
            document.endpoint::<$endpoint>();
        };
    }
    steward_api::for_each_endpoint!(describe);
    document.others();
    document.finish()
}

#[derive(Default)]
struct Document {
    paths: BTreeMap<String, Map<String, Value>>,
    schemas: BTreeMap<String, Value>,
}

impl Document {
    fn endpoint<E: Answer>(&mut self) {
        let get = E::METHOD == Method::Get;
        let mut parameters: Vec<Value> = path_parameters(E::PATH);
        let mut operation = Map::new();
        let input = self.schema_of::<E::Input>();
        if get {
            parameters.extend(query_parameters(&input));
        } else {
            let required = input
                .get("required")
                .and_then(Value::as_array)
                .is_some_and(|fields| !fields.is_empty());
            operation.insert(
                "requestBody".to_owned(),
                json!({
                    "description": if required { "What is asked for." } else { "May be left out, which means `{}`." },
                    "required": required,
                    "content": {"application/json": {"schema": closed(input)}},
                }),
            );
        }
        let reply = self.schema_of::<E::Reply>();
        let mut codes = E::REFUSALS.to_vec();
        codes.extend([ErrorCode::BadRequest, ErrorCode::Internal]);
        if !get {
            codes.extend([ErrorCode::TooLarge, ErrorCode::Forbidden]);
        }
        operation.insert("parameters".to_owned(), Value::Array(parameters));
        self.add(
            E::PATH,
            E::METHOD,
            operation,
            &Described {
                id: operation_id::<E>(),
                summary: E::SUMMARY.trim().to_owned(),
                role: E::ROLE,
                reply: ("The reply.", "application/json", reply),
                codes,
            },
        );
    }

    /// The paths that are no JSON endpoints of the contract.
    fn others(&mut self) {
        let mut events = Map::new();
        events.insert("parameters".to_owned(), json!([
            {"name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "integer", "format": "int64", "minimum": 0},
             "description": "The last entry seen: everything after it comes first. Without it, the stream begins now."},
            {"name": "last_event_id", "in": "query", "required": false, "schema": {"type": "integer", "format": "int64", "minimum": 0},
             "description": "The same, for readers that can't set headers; the header wins."}
        ]));
        let envelope = self.schema_of::<steward_api::Envelope>();
        self.schemas
            .entry("Envelope".to_owned())
            .or_insert(envelope);
        self.add(EVENTS_PATH, Method::Get, events, &Described {
            id: "stream_events".to_owned(),
            summary: "Every event as it happens (Server-Sent Events).".to_owned(),
            role: Some(Role::Viewer),
            reply: (
                "A stream of messages: `id` is the journal entry's number, `event` its kind, `data` an Envelope as JSON. A message \
                 `event: reload` tells a reader that is more than 10,000 entries behind to read everything anew.",
                "text/event-stream",
                json!({"type": "string"}),
            ),
            codes: vec![ErrorCode::BadRequest, ErrorCode::TooManyRequests, ErrorCode::StoreUnavailable, ErrorCode::Internal],
        });
        self.add(METRICS_PATH, Method::Get, Map::new(), &Described {
            id: "get_prometheus_metrics".to_owned(),
            summary: "What the engine counts and shows, for Prometheus; as OpenMetrics where `Accept` asks for it.".to_owned(),
            role: Some(Role::Viewer),
            reply: ("Prometheus text.", "text/plain", json!({"type": "string"})),
            codes: vec![ErrorCode::Internal],
        });
        self.add(
            OPENAPI_PATH,
            Method::Get,
            Map::new(),
            &Described {
                id: "get_openapi".to_owned(),
                summary: "This document. Needs no token.".to_owned(),
                role: None,
                reply: (
                    "This document.",
                    "application/json",
                    json!({"type": "object"}),
                ),
                codes: vec![ErrorCode::Internal],
            },
        );
    }

    fn add(
        &mut self,
        path: &str,
        method: Method,
        mut operation: Map<String, Value>,
        described: &Described,
    ) {
        let mut codes = described.codes.clone();
        if described.role.is_some() {
            codes.extend([
                ErrorCode::Unauthorized,
                ErrorCode::Forbidden,
                ErrorCode::TooManyRequests,
            ]);
        }
        let (description, media, schema) = &described.reply;
        let mut responses = problems(&codes);
        responses.insert(
            "200".to_owned(),
            json!({"description": description, "content": {*media: {"schema": schema}}}),
        );
        operation.insert("operationId".to_owned(), json!(described.id));
        operation.insert("summary".to_owned(), json!(described.summary));
        operation.insert("responses".to_owned(), Value::Object(responses));
        operation.insert(
            "security".to_owned(),
            match described.role {
                Some(_) => json!([{"api_key": []}, {"bearer": []}, {"session": []}]),
                None => json!([]),
            },
        );
        if let Some(role) = described.role {
            operation.insert(
                "description".to_owned(),
                json!(format!("Wants the role {role} or higher.")),
            );
            operation.insert("x-steward-role".to_owned(), json!(role.as_str()));
        }
        self.paths.entry(path.to_owned()).or_default().insert(
            method.as_str().to_ascii_lowercase(),
            Value::Object(operation),
        );
    }

    /// A type's schema; those it refers to are kept aside.
    fn schema_of<T: ToSchema>(&mut self) -> Value {
        let mut referred = Vec::new();
        T::schemas(&mut referred);
        for (name, schema) in referred {
            let schema = serde_json::to_value(schema).unwrap_or(Value::Bool(true));
            self.schemas.entry(name).or_insert(schema);
        }
        serde_json::to_value(<T as PartialSchema>::schema()).unwrap_or(Value::Bool(true))
    }

    fn finish(mut self) -> Value {
        let problem = self.schema_of::<ProblemDetails>();
        self.schemas.insert("ProblemDetails".to_owned(), problem);
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Steward",
                "version": VERSION,
                "description": "An autonomous control center for homelabs. Times are RFC 3339 in UTC. Every error is `application/problem+json` with a stable `code`.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "paths": self.paths,
            "components": {
                "schemas": self.schemas,
                "securitySchemes": {
                    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "session": {
                        "type": "apiKey", "in": "cookie", "name": "steward-…",
                        "description": format!(
                            "The cookie that signing in sets; its name ends with a mark of the agent. It counts for pages of the agent's own, \
                             and changes need the header `{REQUEST_HEADER}: 1`. A token in a header decides where both come."
                        ),
                    },
                },
            },
        })
    }
}

struct Described {
    id: String,
    summary: String,
    role: Option<Role>,
    /// In words, its media type and its schema.
    reply: (&'static str, &'static str, Value),
    codes: Vec<ErrorCode>,
}

/// The endpoint's own name, in snake case.
fn operation_id<E: Endpoint>() -> String {
    let name = std::any::type_name::<E>()
        .rsplit("::")
        .next()
        .unwrap_or_default();
    let mut id = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !id.is_empty() {
            id.push('_');
        }
        id.push(letter.to_ascii_lowercase());
    }
    id
}

fn path_parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = if name == "id" {
                json!({"type": "integer", "format": "int64"})
            } else {
                json!({"type": "string", "minLength": 1})
            };
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect()
}

/// One parameter for each field of a query. A query has no null: a field that is absent is left out.
fn query_parameters(input: &Value) -> Vec<Value> {
    let required = |name: &str| {
        input
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|fields| fields.iter().any(|field| field == name))
    };
    let Some(fields) = input.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    fields
        .iter()
        .map(|(name, schema)| {
            let mut schema = without_null(schema.clone());
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"))
                .unwrap_or_else(|| json!(""));
            json!({"name": name, "in": "query", "required": required(name), "description": description, "schema": schema})
        })
        .collect()
}

fn without_null(mut schema: Value) -> Value {
    let Some(object) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    for word in ["oneOf", "anyOf"] {
        if let Some(Value::Array(mut choices)) = object.remove(word) {
            choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
            match choices.pop() {
                Some(Value::Object(only)) if choices.is_empty() => {
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
                Some(last) => {
                    choices.push(last);
                    object.insert(word.to_owned(), Value::Array(choices));
                }
                None => {}
            }
        }
    }
    schema
}

/// A body's schema that allows no other fields, as the server does not.
fn closed(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    schema
}

/// The problem replies for these codes, one for each status.
fn problems(codes: &[ErrorCode]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        let same = by_status.entry(code.status()).or_default();
        if !same.contains(code) {
            same.push(*code);
        }
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let titles: Vec<_> = codes
                .iter()
                .map(|code| format!("`{code}`: {}.", code.title()))
                .collect();
            let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
            let response = json!({
                "description": titles.join(" "),
                "content": {"application/problem+json": {"schema": {"allOf": [
                    {"$ref": "#/components/schemas/ProblemDetails"},
                    {"type": "object", "properties": {"status": {"const": status}, "code": {"enum": words}}},
                ]}}},
            });
            (status.to_string(), response)
        })
        .collect()
}
