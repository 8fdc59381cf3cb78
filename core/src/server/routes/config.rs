//! The settings: read by anybody who may read, checked and written by an administrator.

use steward_api::{
    CheckConfig, ConfigCheckReply, ConfigCheckRequest, ConfigReply, ConfigWriteRequest,
    ConfigWritten, GetConfig, Nothing, WriteConfig,
};

use crate::server::{
    bind::{Answer, Call, Written, from_engine},
    error::Refusal,
};

impl Answer for GetConfig {
    async fn answer(call: Call, _: Nothing) -> Result<Written<ConfigReply>, Refusal> {
        let settings = call.app.handle.settings();
        let (file, groups) = settings.shown().await;
        Written::of(&ConfigReply {
            file,
            error: call.app.handle.view().config_error.clone(),
            groups: groups.to_vec(),
            tokens: call.app.tokens.names(),
            token_file: call
                .app
                .tokens
                .file()
                .map(|file| file.display().to_string())
                .unwrap_or_default(),
        })
    }
}

impl Answer for CheckConfig {
    async fn answer(
        call: Call,
        input: ConfigCheckRequest,
    ) -> Result<Written<ConfigCheckReply>, Refusal> {
        let settings = call.app.handle.settings();
        Written::of(&from_engine(settings.check(input.edits)).await?)
    }
}

impl Answer for WriteConfig {
    async fn answer(
        call: Call,
        input: ConfigWriteRequest,
    ) -> Result<Written<ConfigWritten>, Refusal> {
        let handle = call.app.handle.clone();
        let caller = call.caller()?;
        // A task of its own: a caller that hangs up must not leave the file written and the change not in force.
        let writing = tokio::spawn(async move {
            let settings = handle.settings();
            settings
                .write(&handle, input.hash, input.edits, caller)
                .await
        });
        let written = async {
            writing.await.unwrap_or_else(|error| {
                tracing::error!(%error, "writing the configuration ended by a fault");
                Err(Refusal::internal().problem)
            })
        };
        Written::of(&from_engine(written).await?)
    }
}
