//! Exactly what making a container anew would change, and what it would cost. Reads, and changes nothing.

use serde_json::Value;
use steward_api::{Action, ContainerRef};

use super::{
    super::{
        DockerEngine,
        client::QUICK,
        probe::{runs, size},
        translate,
    },
    Change, Fit, change,
    names::previous,
    recipe::{is_loopback, published, text},
    short,
};
use crate::ports::ActError;

impl DockerEngine {
    /// The lines of one of these actions.
    pub(in super::super) async fn preview_anew(
        &self,
        action: &Action,
    ) -> Result<Vec<String>, ActError> {
        let mut lines = vec![action.to_string()];
        match action {
            Action::RestorePrevious { container, .. } | Action::RemovePrevious { container } => {
                lines.push(self.kept(container).await?);
            }
            _ => {
                if let Some((container, change, grace)) = change(action) {
                    let fit = self.fit(container, &change).await?;
                    // What can't be carried over is found now rather than when it was approved.
                    let image_id = text(&fit.container, "/Image").to_owned();
                    self.recipe(&fit, &fit.same_image, &image_id, &change)
                        .await?;
                    let name = container.name();
                    lines.extend(told(&fit, &change));
                    lines.push(self.lost(container).await?);
                    lines.push(format!(
                        "{name} is down from its stop (at most {grace} s) until the new one is up; the one before is kept as {} until the new one is well",
                        previous(name)
                    ));
                }
            }
        }
        Ok(lines)
    }

    async fn kept(&self, container: &ContainerRef) -> Result<String, ActError> {
        let found = self.inspect_present(container).await?;
        let (_, reason) = translate::judge(&translate::facts(&found));
        Ok(if runs(translate::status(&found.state.status)) {
            format!("{} runs: {reason}", found.name())
        } else {
            format!("{} is kept: {reason}", found.name())
        })
    }

    /// What is in the container and in no volume.
    async fn lost(&self, container: &ContainerRef) -> Result<String, ActError> {
        let path = format!("/containers/{}/json?size=true", container.container_id);
        let found: Value = self
            .client
            .get(&path, QUICK * 2)
            .await
            .map_err(|failure| self.act_error(failure, container.name()))?;
        let bytes = found
            .pointer("/SizeRw")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        Ok(if bytes == 0 {
            "nothing is lost: it wrote nothing outside of volumes".to_owned()
        } else {
            format!(
                "lost when the one before is removed: what it wrote outside of volumes, {}",
                size(bytes)
            )
        })
    }
}

fn told(fit: &Fit, change: &Change) -> Vec<String> {
    let container = &fit.container;
    let mut lines = Vec::new();
    match change {
        Change::Image {
            name,
            from_image_id,
        } => lines.push(format!(
            "image {name}: {} → what the registry has under that name then; nothing is changed where that is the same",
            short(from_image_id)
        )),
        Change::Bind { transport, port } => lines.push(format!(
            "port {port}/{transport}: {} → 127.0.0.1; other machines can't reach it any more",
            open(container, transport, *port)
        )),
        Change::Close { transport, port } => lines.push(format!(
            "port {port}/{transport}: {} → not published; nobody can reach it but other containers",
            open(container, transport, *port)
        )),
    }
    let mounts = container.pointer("/Mounts").and_then(Value::as_array);
    let volumes: Vec<String> = mounts
        .into_iter()
        .flatten()
        .map(|mount| {
            let from = if text(mount, "/Type") == "volume" {
                text(mount, "/Name")
            } else {
                text(mount, "/Source")
            };
            format!("{from} at {}", text(mount, "/Destination"))
        })
        .collect();
    lines.push(if volumes.is_empty() {
        "it has no volumes".to_owned()
    } else {
        format!("volumes kept: {}", volumes.join(", "))
    });
    let labels = container.pointer("/Config/Labels");
    if let Some(project) = labels
        .and_then(|labels| labels.get("com.docker.compose.project"))
        .and_then(Value::as_str)
    {
        let what = match change {
            Change::Image { .. } => "with an older image named there takes this back",
            _ => "takes this back: change its file as well",
        };
        lines.push(format!(
            "it belongs to the Compose project {project}; a later `docker compose up` {what}"
        ));
    }
    lines
}

/// On which addresses a port is open to others now.
fn open(container: &Value, transport: &str, port: u16) -> String {
    let mut addresses: Vec<String> = published(container, transport, port)
        .into_iter()
        .flat_map(|(_, addresses)| addresses)
        .filter(|address| !is_loopback(address))
        .collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        "open on this machine alone".to_owned()
    } else {
        addresses.join(", ")
    }
}
