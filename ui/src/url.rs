//! Percent-encoding and query strings, for the hash of the page's address and for the queries of requests.
//!
//! What flows through: text in, text out. What it never does: panic on what somebody typed into the address line.

use serde_json::Value;

/// Encodes a part of an address. Slashes stay readable where `keep_slashes` says so.
fn encode_with(text: &str, keep_slashes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if keep_slashes => out.push('/'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// Encodes one value, slashes included.
pub fn encode(text: &str) -> String {
    encode_with(text, false)
}

/// Encodes a path, in which slashes stay.
pub fn encode_path(text: &str) -> String {
    encode_with(text, true)
}

/// Decodes what [`encode`] made; what is no valid encoding stays as it stands.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The pairs of a query string, decoded, in their order.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// A query string of these pairs, with its question mark; empty where there are none.
pub fn query_of(pairs: &[(&str, String)]) -> String {
    let joined: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    if joined.is_empty() {
        String::new()
    } else {
        format!("?{}", joined.join("&"))
    }
}

/// A request's input as a query string, with its question mark; empty where it has no fields. A field that is no plain value is left out:
/// the contract's queries have none.
pub fn query(input: &Value) -> String {
    let Value::Object(fields) = input else {
        return String::new();
    };
    let mut found = Vec::new();
    for (name, value) in fields {
        match value {
            Value::String(text) => found.push((name.as_str(), text.clone())),
            Value::Bool(_) | Value::Number(_) => found.push((name.as_str(), value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }
    query_of(&found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steward_api::{Metric, MetricQuery, Nothing, ResourceId, ResourceIdQuery};

    #[test]
    fn any_text_comes_back_from_its_encoding() {
        for text in [
            "nginx",
            "/var/lib data",
            "a&b=c%d",
            "größe?#",
            "%zz",
            "%+1",
            "%",
            "",
        ] {
            assert_eq!(decode(&encode(text)), text);
            assert_eq!(decode(&encode_path(text)), text);
        }
        assert_eq!(encode_path("atlas/disk//var lib"), "atlas/disk//var%20lib");
    }

    #[test]
    fn what_is_no_encoding_stays_as_it_stands() {
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%é1"), "%é1");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    fn value(input: &impl serde::Serialize) -> Value {
        serde_json::to_value(input).unwrap()
    }

    #[test]
    fn inputs_of_the_contract_become_queries() {
        let id: ResourceId = "atlas/disk//var lib".parse().unwrap();
        assert_eq!(
            query(&value(&ResourceIdQuery { id: id.clone() })),
            "?id=atlas%2Fdisk%2F%2Fvar%20lib"
        );
        assert_eq!(query(&value(&Nothing {})), "");
        let metrics = MetricQuery {
            resource: id,
            metric: Metric::DiskPercent,
            from: None,
            to: None,
            step: Some(60),
        };
        assert_eq!(
            query(&value(&metrics)),
            "?metric=disk_percent&resource=atlas%2Fdisk%2F%2Fvar%20lib&step=60"
        );
    }

    #[test]
    fn pairs_are_read_back() {
        assert_eq!(
            pairs("q=a%20b&kind=container&flag"),
            [
                ("q".to_owned(), "a b".to_owned()),
                ("kind".to_owned(), "container".to_owned()),
                ("flag".to_owned(), String::new())
            ]
        );
    }
}
