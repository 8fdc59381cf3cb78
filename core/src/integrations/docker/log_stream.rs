//! A container's log since a time, line by line as it comes: for what is counted and not kept.
//!
//! What flows through: the engine's stream in, lines with the time at which the engine took each out. What it never does: hold more than one
//! line of each of the two streams, or read on beyond `MOST_BYTES` or `LONGEST_TIME`.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use steward_api::ResourceId;

use super::{
    DockerEngine,
    client::{Failure, LIST, QUICK},
    frames::Frames,
    models::{Summary, or_default},
};
use crate::ports::{ContainerLogRead, ContainerLogs, Lines, LoggedContainer, TakeLine};

/// No more of a log is read at once.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// No longer than this.
const LONGEST_TIME: Duration = Duration::from_secs(60);

/// What has to be known of a container to take its log apart.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Terminal {
    #[serde(deserialize_with = "or_default")]
    config: TerminalConfig,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TerminalConfig {
    tty: bool,
}

#[async_trait]
impl ContainerLogs for DockerEngine {
    async fn logged(&self) -> Result<Vec<LoggedContainer>, String> {
        let list: Vec<Summary> = self
            .client
            .get(&self.list_path(), LIST)
            .await
            .map_err(|failure| format!("{}: {failure}", self.client.who()))?;
        let mut found: Vec<LoggedContainer> = list
            .into_iter()
            .filter(|one| !self.passes_over(&one.labels))
            .filter_map(|one| {
                Some(LoggedContainer {
                    container: ResourceId::container(self.node.as_str(), one.name()?),
                    container_id: one.id,
                    image: one.image,
                })
            })
            .collect();
        found.sort_by(|a, b| a.container.cmp(&b.container));
        Ok(found)
    }

    async fn log_since(
        &self,
        container: &LoggedContainer,
        since: Timestamp,
        take: TakeLine<'_>,
    ) -> Result<ContainerLogRead, String> {
        let in_words =
            |failure: Failure| format!("the log of {}: {failure}", container.container.short());
        let id = &container.container_id;
        let known: Terminal = self
            .client
            .get(&format!("/containers/{id}/json"), QUICK)
            .await
            .map_err(in_words)?;
        let path = format!(
            "/containers/{id}/logs?stdout=1&stderr=1&timestamps=1&since={}",
            since.as_second()
        );
        let enough = tokio::sync::Notify::new();
        let mut streams = Streams::new(known.config.tty);
        let mut read = ContainerLogRead::default();
        let mut bytes = 0;
        let reading = self.client.stream(&path, LONGEST_TIME, |piece| {
            bytes += piece.len();
            if bytes > MOST_BYTES {
                enough.notify_one();
                return;
            }
            streams.take(piece, |line| {
                read.lines += 1;
                hand_over(line, take);
            });
        });
        let ended = tokio::select! {
            ended = reading => Some(ended),
            () = enough.notified() => None,
        };
        match ended {
            Some(Ok(())) => streams.finish(|line| {
                read.lines += 1;
                hand_over(line, take);
            }),
            None | Some(Err(Failure::TimedOut(_))) if read.lines > 0 => read.is_cut = true,
            Some(Err(failure)) => return Err(in_words(failure)),
            None => read.is_cut = true,
        }
        Ok(read)
    }
}

/// The engine writes its time before each line.
fn hand_over(line: &str, take: &mut (dyn FnMut(Option<Timestamp>, &str) + Send)) {
    let stamped = line
        .split_once(' ')
        .and_then(|(at, rest)| Some((at.parse::<Timestamp>().ok()?, rest)));
    match stamped {
        Some((at, rest)) => take(Some(at), rest),
        None => take(None, line),
    }
}

/// The lines of both streams of a log.
struct Streams {
    frames: Frames,
    lines: [Lines; 2],
}

impl Streams {
    fn new(tty: bool) -> Self {
        Self {
            frames: Frames::new(tty),
            lines: <[Lines; 2]>::default(),
        }
    }

    fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let lines = &mut self.lines;
        self.frames
            .take(bytes, |stream, text| lines[stream].take(text, &mut line));
    }

    fn finish(&mut self, mut line: impl FnMut(&str)) {
        for lines in &mut self.lines {
            lines.finish(&mut line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_their_times_however_the_bytes_are_cut() {
        let frame = |stream: u8, text: &str| {
            let mut frame = vec![stream, 0, 0, 0];
            frame.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
            frame.extend(text.as_bytes());
            frame
        };
        let bytes = [
            frame(
                1,
                "2026-11-28T03:03:31.123456789Z one\n2026-11-28T03:03:32Z tw",
            ),
            frame(2, "2026-11-28T03:03:33Z error\n"),
            frame(1, "o\nno time\n2026-11-28T03:03:34Z last"),
        ]
        .concat();
        for step in [1, 3, 8, 1000] {
            let mut streams = Streams::new(false);
            let mut found = Vec::new();
            let mut keep =
                |at: Option<Timestamp>, text: &str| found.push((at.is_some(), text.to_owned()));
            for piece in bytes.chunks(step) {
                streams.take(piece, |line| hand_over(line, &mut keep));
            }
            streams.finish(|line| hand_over(line, &mut keep));
            let shown: Vec<_> = found
                .iter()
                .map(|(timed, text)| (*timed, text.as_str()))
                .collect();
            assert_eq!(
                shown,
                [
                    (true, "one"),
                    (true, "error"),
                    (true, "two"),
                    (false, "no time"),
                    (true, "last")
                ],
                "{step}"
            );
        }
    }
}
