//! The timeline as it grows, read off the stream of server-sent events.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{Client, Error};
use crate::api::wire::Event;

/// Bytes of an event's lines.
const EVENT_MAX: usize = 1024 * 1024;
/// The server sends something at least every 15 s.
const SILENCE_TIME: Duration = Duration::from_secs(45);

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    client: Client,
    body: BodyDataStream,
    /// What was read and is not yet a whole event.
    buffer: Vec<u8>,
}

impl Events {
    pub(super) fn new(client: Client, body: Body) -> Self {
        Self { client, body: body.into_data_stream(), buffer: Vec::new() }
    }

    /// The next event; `None` when the daemon ended the stream.
    ///
    /// # Errors
    /// The connection broke or fell silent, or the daemon sends what is no event.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(end) = end_of_block(&self.buffer) {
                let block: Vec<u8> = self.buffer.drain(..end).collect();
                if let Some(data) = data_of(&block) {
                    let event = serde_json::from_str(&data);
                    return event.map(Some).map_err(|error| self.client.broken(error));
                }
            }
            if self.buffer.len() > EVENT_MAX {
                return Err(self.client.broken("an event is too long"));
            }
            let Ok(more) = timeout(SILENCE_TIME, self.body.next()).await else {
                return Err(self.client.broken("the stream fell silent"));
            };
            match more {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(self.client.broken(error)),
                None => return Ok(None),
            }
        }
    }
}

/// Where the first event or comment ends, its empty line included.
fn end_of_block(buffer: &[u8]) -> Option<usize> {
    let position = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    Some(position + 2)
}

/// The data lines of a block; `None` for a comment.
fn data_of(block: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(block);
    let data: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|data| data.strip_prefix(' ').unwrap_or(data))
        .collect();
    (!data.is_empty()).then(|| data.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_events_are_told_from_comments() {
        let buffer = b": keep-alive\n\nid: 7\ndata: {\"a\":\ndata: 1}\n\nid";
        let end = end_of_block(buffer).unwrap();
        assert_eq!(data_of(&buffer[..end]), None);
        let rest = &buffer[end..];
        let end = end_of_block(rest).unwrap();
        assert_eq!(data_of(&rest[..end]), Some("{\"a\":\n1}".to_owned()));
        assert_eq!(end_of_block(&rest[end..]), None);
    }
}
