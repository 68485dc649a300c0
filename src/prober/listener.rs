//! The process that listens for the daemon at the address of `listen`: one of those that ask, which serves instead.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::api::server::{Fronts, HEARD, Opened};
use crate::frames::{Reader, frame, send};
use crate::probe::Handed;

use super::door::{Door, End};
use super::wire::{Asked, QUESTION, Question, Said};

/// Until it begins, the host may be busy.
const BEGINS: Duration = Duration::from_secs(20);

impl AsRef<UnixStream> for End {
    fn as_ref(&self) -> &UnixStream {
        &self.stream
    }
}

impl Fronts for Door {
    type End = End;

    async fn open(&self) -> Result<Opened<End>, String> {
        let end = Self::open(self).await?;
        let mut reader = Reader::new(HEARD, false);
        let begun = timeout(BEGINS, reader.next::<Said>(&end.stream)).await;
        if !matches!(begun, Ok(Ok(Some(Said::Hello { .. })))) {
            return Err("the process that listens did not begin".to_owned());
        }
        let (id, never) = (0, Duration::ZERO);
        let question =
            Question { id, asked: Asked::Listen, timeout: never, period: never, handed: Handed::default() };
        let sent = send(&end.stream, &frame(&question, QUESTION)?, &[]).await;
        sent.map_err(|why| format!("the process that listens is gone ({why})"))?;
        Ok(Opened { end, reader })
    }
}
