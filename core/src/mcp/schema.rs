//! A tool's input schema, made from its input type.
//!
//! What flows through: a type's OpenAPI schema in, one JSON schema without references out, closed to fields that mean nothing. What it never
//! does: say `null`: a field that is not given is left out, which models get right more often.

use rmcp::model::JsonObject;
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

/// The schema of `T`.
pub(super) fn of<T: ToSchema>() -> JsonObject {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let named: Vec<(String, Value)> = named
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect();
    let own = serde_json::to_value(<T as PartialSchema>::schema()).unwrap_or_default();
    let mut object = match plain(own, &named, 0) {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    };
    object.entry("type").or_insert(json!("object"));
    object.entry("properties").or_insert(json!({}));
    object.insert("additionalProperties".to_owned(), json!(false));
    // The description of the whole is the tool's own.
    object.remove("description");
    object
}

/// Follows references, and drops `null` as a choice.
fn plain(schema: Value, named: &[(String, Value)], depth: u8) -> Value {
    /// The contract's inputs are flat; anything deeper would be a circle.
    const DEEPEST: u8 = 8;
    match schema {
        Value::Array(all) => all
            .into_iter()
            .map(|schema| plain(schema, named, depth))
            .collect(),
        Value::Object(mut object) => {
            if depth > DEEPEST {
                return json!({});
            }
            if let Some(target) = object.remove("$ref") {
                let name = target.as_str().and_then(|path| path.rsplit('/').next());
                let found = named.iter().find(|(known, _)| Some(known.as_str()) == name);
                if let Some((_, Value::Object(found))) = found {
                    for (key, value) in found.clone() {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|word| word != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            for word in ["oneOf", "anyOf"] {
                let Some(Value::Array(mut choices)) = object.remove(word) else {
                    continue;
                };
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if choices.len() == 1 {
                    let only = plain(choices.remove(0), named, depth + 1);
                    for (key, value) in only.as_object().cloned().unwrap_or_default() {
                        object.entry(key).or_insert(value);
                    }
                } else {
                    object.insert(word.to_owned(), Value::Array(choices));
                }
            }
            object
                .into_iter()
                .map(|(key, value)| (key, plain(value, named, depth + 1)))
                .collect()
        }
        other => other,
    }
}
