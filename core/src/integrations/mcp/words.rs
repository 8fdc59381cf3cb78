//! Says in words why a server gave no answer, and makes a server's own words fit to be shown.
//!
//! What flows through: the library's error in, one short reason out. What it never does: show an address, which may hold a secret.

use std::{error::Error, io};

use rmcp::{
    service::ClientInitializeError,
    transport::{DynamicTransportError, streamable_http_client::StreamableHttpError},
};

use crate::{ports::of_connection, redact::redact};

/// Characters of a server's own words that are kept.
const LONGEST: usize = 200;

/// Why it failed.
pub(super) fn of(error: &(dyn Error + 'static)) -> String {
    let mut last = error.to_string();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(words) = known(error) {
            return words;
        }
        last = error.to_string();
        next = error.source();
    }
    plain(&last)
}

/// A server's own words, short, on one line, cleared of secrets. Still only data.
pub(super) fn plain(text: &str) -> String {
    let line: String = redact(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    line.trim().to_owned()
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    // These keep what caused them to themselves.
    match error.downcast_ref::<ClientInitializeError>() {
        Some(ClientInitializeError::TransportError { error, .. }) => {
            return Some(of(error.error.as_ref()));
        }
        Some(ClientInitializeError::LegacyFallbackFailed { fallback, .. }) => {
            return Some(of(fallback.as_ref()));
        }
        Some(ClientInitializeError::JsonRpcError(error)) => return Some(plain(&error.message)),
        Some(ClientInitializeError::ConnectionClosed(_)) => {
            return Some("it closed the connection before it had answered".to_owned());
        }
        _ => {}
    }
    if let Some(error) = error.downcast_ref::<DynamicTransportError>() {
        return known(error.error.as_ref());
    }
    if let Some(error) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        return match error {
            StreamableHttpError::Client(error) => Some(http(error)),
            StreamableHttpError::AuthRequired(_) => {
                Some("it wants a token, or another one (status 401)".to_owned())
            }
            StreamableHttpError::InsufficientScope(_) => {
                Some("the token does not allow it (status 403)".to_owned())
            }
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return Some(http(error));
    }
    let error = error.downcast_ref::<io::Error>()?;
    // An I/O error passes over what it wraps when it is asked for its source.
    if let Some(inner) = error.get_ref() {
        return known(inner);
    }
    of_connection(error).map(str::to_owned)
}

fn http(error: &reqwest::Error) -> String {
    if let Some(status) = error.status() {
        return format!("status {}", status.as_u16());
    }
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let mut last = "the request failed".to_owned();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(words) = known(cause) {
            return words;
        }
        last = cause.to_string();
        next = cause.source();
    }
    plain(&last)
}
