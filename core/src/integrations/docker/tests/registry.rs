//! A registry on this machine: enough of the Registry API v2 that a real engine pulls from it. An engine speaks plain HTTP to 127.0.0.0/8.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::busybox_archive;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

type Shelf = Arc<Mutex<HashMap<String, (&'static str, Vec<u8>)>>>;

/// A registry that ends with its test.
pub(super) struct Registry {
    address: String,
    shelf: Shelf,
    /// Dropped, it ends the thread.
    _end: tokio::sync::oneshot::Sender<()>,
}

impl Registry {
    /// In a thread of its own: a test that waits for the engine's command line holds up its own.
    pub(super) fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shelf = Shelf::default();
        let on = Arc::clone(&shelf);
        let app = Router::new().fallback(move |request: Request<Body>| {
            let on = Arc::clone(&on);
            async move { answer(&on, &request) }
        });
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serving = axum::serve(listener, app).with_graceful_shutdown(async {
                    let _ = ended.await;
                });
                serving.await.unwrap();
            });
        });
        Self {
            address,
            shelf,
            _end: end,
        }
    }

    /// The name by which an engine pulls.
    pub(super) fn name(&self, repository: &str) -> String {
        format!("{}/{repository}:1", self.address)
    }

    /// What tells this registry's images from others.
    pub(super) fn label(&self) -> String {
        format!("label=registry={}", self.address)
    }

    /// Puts an image under a repository's tag `1`: busybox with this configuration.
    pub(super) fn publish(&self, repository: &str, config: &Value) {
        let layer = busybox_archive();
        // An image is what it holds: without this, two tests would share one, and the first to end would remove it.
        let mut config = config.clone();
        config["Labels"]["registry"] = json!(self.address);
        let image = serde_json::to_vec(&json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        }))
        .unwrap();
        let blob = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "size": bytes.len(), "digest": digest(bytes) });
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": blob(CONFIG, &image),
            "layers": [blob(LAYER, &layer)],
        }))
        .unwrap();
        let mut shelf = self.shelf.lock().unwrap();
        let mut put = |path: String, kind, bytes| shelf.insert(path, (kind, bytes));
        let at = format!("/v2/{repository}");
        put(
            format!("{at}/blobs/{}", digest(&image)),
            "application/octet-stream",
            image,
        );
        put(
            format!("{at}/blobs/{}", digest(&layer)),
            "application/octet-stream",
            layer,
        );
        put(
            format!("{at}/manifests/{}", digest(&manifest)),
            MANIFEST,
            manifest.clone(),
        );
        put(format!("{at}/manifests/1"), MANIFEST, manifest);
    }
}

fn answer(shelf: &Shelf, request: &Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    let made = Response::builder().header("Docker-Distribution-Api-Version", "registry/2.0");
    if path == "/v2/" {
        return made.body(Body::from("{}")).unwrap();
    }
    match shelf.lock().unwrap().get(path) {
        Some((kind, bytes)) => made
            .header("Content-Type", *kind)
            .header("Docker-Content-Digest", digest(bytes))
            .body(Body::from(bytes.clone()))
            .unwrap(),
        None => made
            .status(StatusCode::NOT_FOUND)
            .body(Body::from(
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            ))
            .unwrap(),
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
