//! `steward mcp`: the Model Context Protocol over standard input and output, for a program that starts this one.
//!
//! What flows through: messages of the protocol in and out; calls of the contract to the agent, by the client that every command uses. What
//! it never does: write anything but messages to standard output, or decide anything: the agent authorises and records as for everybody.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rmcp::{ServiceExt as _, service::ServerInitializeError};
use steward_api::{Channel, Method};

use super::{
    Context,
    failure::{Exit, Failure},
};
use crate::{
    client::{Client, ClientError},
    mcp::{Carrier, Fault, Serve, Toolbox},
};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(35);

/// The agent, over HTTP.
struct OverHttp(Client);

#[async_trait]
impl Carrier for OverHttp {
    async fn carry(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Vec<u8>, Fault> {
        let answer = self.0.forward(method, path, body, PATIENCE).await;
        answer.map_err(|error| match error {
            ClientError::Problem(problem) => Fault::Refused(problem),
            other => Fault::NoAnswer(other.to_string()),
        })
    }
}

/// Speaks until the other side ends.
pub(super) async fn mcp(context: &Context) -> Result<Exit, Failure> {
    let client = context.connect_as(Channel::Mcp)?;
    let served = Serve::new(Arc::new(OverHttp(client)), Toolbox::new());
    let running = match served.serve(rmcp::transport::stdio()).await {
        Ok(running) => running,
        // Nobody spoke.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(Exit::Done),
        Err(error) => {
            return Err(Failure::failed(format!(
                "the other side does not speak the Model Context Protocol: {error}"
            )));
        }
    };
    match running.waiting().await {
        Ok(_) => Ok(Exit::Done),
        Err(error) => Err(Failure::failed(format!("it ended by a fault: {error}"))),
    }
}
