//! Ports of containers on this machine: published on a free one of its own loopback, and found again.
//!
//! What flows through: a port of a container in, the machine's own out. What it never does: choose a number that another may want.

use anyhow::{Context as _, Result};
use bollard::{models::PortBinding, query_parameters::InspectContainerOptions};

use super::container::{Builder, Container};

impl Builder<'_> {
    /// Publishes one of its ports, such as `8443/tcp`. Needs a network: [`Self::network`].
    #[must_use]
    pub fn publish(self, port: &str) -> Self {
        self.publish_on("127.0.0.1", port)
    }

    /// The same on every address of this machine.
    #[must_use]
    pub fn publish_to_all(self, port: &str) -> Self {
        self.publish_on("0.0.0.0", port)
    }

    fn publish_on(mut self, address: &str, port: &str) -> Self {
        let free = PortBinding {
            host_ip: Some(address.to_owned()),
            host_port: None,
        };
        self.host
            .port_bindings
            .get_or_insert_default()
            .insert(port.to_owned(), Some(vec![free]));
        self.expose(port)
    }
}

impl Container {
    /// The port of this machine on which one of its ports, such as `8443/tcp`, is published.
    ///
    /// # Errors
    /// Where it is not, or the engine does not answer.
    pub async fn published(&self, port: &str) -> Result<u16> {
        self.docker
            .inspect_container(&self.id, None::<InspectContainerOptions>)
            .await?
            .network_settings
            .and_then(|settings| settings.ports)
            .and_then(|mut ports| ports.remove(port).flatten())
            .and_then(|bound| bound.first()?.host_port.as_ref()?.parse().ok())
            .with_context(|| format!("{port} of {} is not published", self.name))
    }
}
