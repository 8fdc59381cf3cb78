//! Says in words why a request failed.
//!
//! What flows through: the client's error in, one short reason out. What it never does: show the address, which may hold a secret.

use std::{error::Error, io, time::Duration};

use crate::{
    ports::{of_connection, of_tls},
    redact::redact,
};

/// Why a request that was given `limit` failed.
pub(super) fn reason(error: reqwest::Error, limit: Duration) -> String {
    if error.is_timeout() {
        return format!("timed out after {} s", limit.as_secs_f64());
    }
    if error.is_redirect() {
        return format!(
            "it redirects more than {} times, most likely in a loop",
            super::observe::REDIRECTS
        );
    }
    let error = error.without_url();
    let mut last = error.to_string();
    let mut next: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = next {
        if let Some(words) = known(error) {
            return words;
        }
        last = error.to_string();
        next = error.source();
    }
    if error.is_dns() {
        return "its name can't be resolved".to_owned();
    }
    redact(&last)
}

fn known(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    let error = error.downcast_ref::<io::Error>()?;
    // An I/O error passes over what it wraps when it is asked for its source.
    if let Some(inner) = error.get_ref() {
        return known(inner);
    }
    of_connection(error).map(str::to_owned)
}
