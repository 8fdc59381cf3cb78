//! A server that answers as OSV does, with records in its schema, for the packages that a test names.
//!
//! What flows through: batches of packages in, counted; the ids and records of the test out. It compares no version: whoever is named is
//! concerned.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Result;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A vulnerability of a package.
#[derive(Clone, Debug)]
pub struct Hole {
    /// Its id, such as `CVE-2099-0001`.
    pub id: String,
    /// The ecosystem, such as `npm`.
    pub ecosystem: String,
    /// The package.
    pub package: String,
    /// The first version without it; absent where there is none yet.
    pub fixed: Option<String>,
    /// Its CVSS vector.
    pub vector: String,
}

impl Hole {
    /// A critical one of a package of npm.
    pub fn critical(id: &str, package: &str, fixed: &str) -> Self {
        Self {
            id: id.to_owned(),
            ecosystem: "npm".to_owned(),
            package: package.to_owned(),
            fixed: Some(fixed.to_owned()),
            vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".to_owned(),
        }
    }

    fn record(&self) -> Value {
        let mut events = vec![json!({"introduced": "0"})];
        if let Some(fixed) = &self.fixed {
            events.push(json!({"fixed": fixed}));
        }
        json!({
            "schema_version": "1.7.0",
            "id": self.id,
            "modified": "2025-01-01T00:00:00Z",
            "published": "2024-06-27T11:15:24Z",
            "summary": format!("{} in short", self.id),
            "severity": [{"type": "CVSS_V3", "score": self.vector}],
            "affected": [{
                "package": {"ecosystem": self.ecosystem, "name": self.package},
                "ranges": [{"type": "SEMVER", "events": events}],
            }],
        })
    }
}

/// The server, until it drops.
pub struct Osv {
    url: String,
    batches: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Osv {
    /// Starts one on a free port that knows of these.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(holes: Vec<Hole>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let batches: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&batches);
        let holes = Arc::new(holes);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (holes, counted) = (Arc::clone(&holes), Arc::clone(&counted));
                let service = service_fn(move |request| {
                    let (holes, counted) = (Arc::clone(&holes), Arc::clone(&counted));
                    async move { Ok::<_, Infallible>(answer(request, &holes, &counted).await) }
                });
                tokio::spawn(async move {
                    // A client that goes away in the middle of an answer is everyday life.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            url,
            batches,
            serving,
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many batches it was asked.
    pub fn batches(&self) -> usize {
        self.batches.load(Ordering::Relaxed)
    }
}

impl Drop for Osv {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    holes: &[Hole],
    batches: &AtomicUsize,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let reply = if path == "/v1/querybatch" {
        batches.fetch_add(1, Ordering::Relaxed);
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let results: Vec<Value> = asked["queries"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|query| {
                let of_package: Vec<Value> = holes
                    .iter()
                    .filter(|hole| {
                        query["package"]["name"] == hole.package.as_str()
                            && query["package"]["ecosystem"] == hole.ecosystem.as_str()
                    })
                    .map(|hole| json!({"id": hole.id, "modified": "2025-01-01T00:00:00Z"}))
                    .collect();
                if of_package.is_empty() {
                    json!({})
                } else {
                    json!({"vulns": of_package})
                }
            })
            .collect();
        Some(json!({"results": results}))
    } else {
        path.strip_prefix("/v1/vulns/")
            .and_then(|id| holes.iter().find(|hole| hole.id == id))
            .map(Hole::record)
    };
    let mut response = Response::new(Full::new(Bytes::from(
        reply.clone().unwrap_or_default().to_string(),
    )));
    if reply.is_none() {
        *response.status_mut() = hyper::StatusCode::NOT_FOUND;
    }
    response
}
