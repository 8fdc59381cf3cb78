//! The control center's files, as they stand in the binary.
//!
//! What flows through: a path in; the file, packed with gzip, out, with the headers that keep the page to this one origin. What it never does:
//! read a file of the machine, ask for a token (the files hold no secret and are the same for everybody), or let a browser mix two builds: the
//! page is asked for anew by its tag, and names the folder of its build, whose files a browser may keep for good.

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use steward_api::ErrorCode;

use super::error::Refusal;

/// One file of the control center.
#[derive(Debug)]
struct File {
    /// Such as `/assets/0123456789abcdef/style.css`.
    path: &'static str,
    /// The media type.
    kind: &'static str,
    /// The entity tag, with its quotes: a part of the content's SHA-256.
    tag: &'static str,
    /// The content.
    gzip: &'static [u8],
}

/// Made by `build.rs`; empty where the control center was not built.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

/// What the page may do: load and ask of its own origin alone, run no script and use no style but its own files, be framed by nobody.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the control center is in this binary.
pub fn has_ui() -> bool {
    !FILES.is_empty()
}

/// The routes of the control center: `/` and its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(index))
        .route("/assets/{build}/{file}", get(asset))
        .route("/favicon.ico", get(icon))
}

async fn index(headers: HeaderMap) -> Response {
    if has_ui() {
        serve("/index.html", &headers)
    } else {
        Refusal::new(
            ErrorCode::NotFound,
            "This build of Steward carries no control center: `cargo xtask up` builds one with it. The command line does the same: `steward status`",
        )
        .into_response()
    }
}

async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    serve(uri.path(), &headers)
}

async fn icon(headers: HeaderMap) -> Response {
    let icon = FILES.iter().find(|file| file.path.ends_with("/icon.svg"));
    let mut response = serve(icon.map_or("/favicon.ico", |icon| icon.path), &headers);
    // Under this name every build has its own.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return Refusal::new(
            ErrorCode::NotFound,
            format!("The control center has no file {path}; reload the page if it was open while Steward was updated"),
        )
        .into_response();
    };
    answer(file, headers)
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let mut response = if knows(headers, file.tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(headers) {
        let mut response = file.gzip.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        (
            StatusCode::NOT_ACCEPTABLE,
            "The control center's files are kept packed: ask for them with `Accept-Encoding: gzip`, as every browser does.\n",
        )
            .into_response()
    };
    // What stands in a build's folder never changes under its name.
    let keep = if file.path.starts_with("/assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ETAG, file.tag),
        (header::VARY, "accept-encoding"),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the browser has just this version of the file.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| {
            let one = one.trim();
            one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
        })
}

/// Whether the caller says that it understands gzip, and not with the weight 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| {
            let (name, weight) = one.split_once(';').unwrap_or((one, ""));
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .and_then(|weight| weight.trim().parse::<f32>().ok())
                .is_some_and(|weight| weight <= 0.0);
            matches!(name.trim(), "gzip" | "*") && !refused
        })
}

#[cfg(test)]
#[path = "tests/ui.rs"]
mod tests;
