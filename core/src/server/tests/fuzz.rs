//! Walks the OpenAPI document and sends what it allows, and what it does not: there is never a 5xx, and every error is a problem document
//! with a code that the document lists for that operation.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use steward_api::{ProblemDetails, Role};

use super::world::World;

/// Texts that mean something, nearly mean something, or mean harm.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("1".to_owned()),
        Just("-1".to_owned()),
        Just(i64::MIN.to_string()),
        Just(i64::MAX.to_string()),
        Just("9223372036854775808".to_owned()),
        Just("atlas/container/db".to_owned()),
        Just("atlas/host".to_owned()),
        Just("db".to_owned()),
        Just("cpu_percent".to_owned()),
        Just("critical".to_owned()),
        Just("2025-11-19T10:30:00Z".to_owned()),
        Just("-009999-01-02T01:59:59Z".to_owned()),
        Just("../../etc/passwd".to_owned()),
        Just("' OR 1=1 --".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|number| number.to_string()),
        "[a-z_/]{0,12}",
        "\\PC{0,20}",
        any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

struct Operation {
    method: String,
    path: String,
    queries: Vec<(String, Value)>,
    body: Option<Value>,
    answers: Value,
}

fn operations() -> Vec<Operation> {
    let document = crate::server::openapi_document();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let queries = operation["parameters"].as_array().into_iter().flatten();
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                queries: queries
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| {
                        (
                            parameter["name"].as_str().unwrap().to_owned(),
                            parameter["schema"].clone(),
                        )
                    })
                    .collect(),
                body: operation
                    .pointer("/requestBody/content/application~1json/schema")
                    .cloned(),
                answers: operation["responses"].clone(),
            });
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_sent_breaks_it() {
    let world = World::new().await;
    let mut runner = TestRunner::new(Config::default());
    let mut sample =
        |strategy: BoxedStrategy<String>| strategy.new_tree(&mut runner).unwrap().current();
    let operations = operations();
    let mut seen = std::collections::BTreeMap::<u16, u32>::new();
    for operation in &operations {
        for round in 0..120_u32 {
            let mut path = operation.path.clone();
            if let (Some(open), Some(close)) = (path.find('{'), path.find('}')) {
                // An empty part, or one that leads up, is another path, of which the document says nothing.
                let part = sample(
                    text()
                        .prop_filter("not another path", |part| {
                            !matches!(part.as_str(), "" | "." | "..")
                        })
                        .boxed(),
                );
                path.replace_range(open..=close, &encoded(&part));
            }
            let mut query = Vec::new();
            for (name, _) in &operation.queries {
                if sample(any::<bool>().prop_map(|yes| yes.to_string()).boxed()) == "true" {
                    query.push(format!("{name}={}", encoded(&sample(text().boxed()))));
                }
            }
            if round % 10 == 9 {
                query.push(format!(
                    "{}={}",
                    encoded(&sample(text().boxed())),
                    encoded(&sample(text().boxed()))
                ));
            }
            if !query.is_empty() {
                path = format!("{path}?{}", query.join("&"));
            }
            let mut request = world.request(&operation.method, &path, Some(Role::Admin));
            if let Some(schema) = &operation.body {
                let fields: Vec<String> = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone())
                    .collect();
                let body = match round % 4 {
                    0 => sample(text().boxed()),
                    1 => sample(json().prop_map(|value| value.to_string()).boxed()),
                    _ => {
                        let mut object = serde_json::Map::new();
                        for name in fields {
                            let value = sample(json().prop_map(|value| value.to_string()).boxed());
                            object.insert(name, serde_json::from_str(&value).unwrap());
                        }
                        Value::Object(object).to_string()
                    }
                };
                request = request.body(body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            *seen.entry(status).or_default() += 1;
            let what = format!("{} {path}: {status}", operation.method);
            let described = operation.answers.get(status.to_string());
            assert!(described.is_some(), "not in the document: {what}");
            if status == 200 {
                continue;
            }
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json",
                "{what}"
            );
            let problem: ProblemDetails = response.json().await.unwrap();
            let codes = described.and_then(|described| {
                described.pointer(
                    "/content/application~1problem+json/schema/allOf/1/properties/code/enum",
                )
            });
            assert!(
                codes
                    .and_then(Value::as_array)
                    .is_some_and(|codes| codes.iter().any(|code| code == problem.code.as_str())),
                "{what}: {problem:?} is not in the document"
            );
            assert!(status < 500, "{what}: {problem:?}");
        }
    }
    assert!(
        seen.contains_key(&200) && seen.contains_key(&400) && seen.contains_key(&404),
        "{seen:?}"
    );
}
