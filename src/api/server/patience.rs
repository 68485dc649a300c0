//! How long a reader may take. What is written and not taken for a while ends the connection, and so does an answer that is
//! read for too long: it holds megabytes.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Nothing is taken for this long.
pub const STANDSTILL: Duration = Duration::from_secs(10);
/// A long answer is read within this time.
const ANSWER: Duration = Duration::from_secs(60);
/// Bytes that are handed on at one time.
const PIECE: usize = 64 * 1024;

/// A body that is handed on in pieces, and no longer than it may be read.
pub fn in_pieces(text: Bytes) -> Body {
    let end = Instant::now() + ANSWER;
    Body::from_stream(stream::unfold(text, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        if Instant::now() > end {
            rest.clear();
            return Some((Err(late()), rest));
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        Some((Ok(piece), rest))
    }))
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it was read too slowly")
}

/// A connection that ends where its reader stands still.
#[derive(Debug)]
pub struct Patient<S> {
    stream: S,
    standstill: Duration,
    /// While something waits to be taken.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub fn new(stream: S, standstill: Duration) -> Self {
        Self { stream, standstill, waits: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = None;
            return polled;
        }
        let standstill = self.standstill;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(standstill)));
        match waits.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(late())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn row_8_a_reader_who_stands_still_is_cut_off() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut stream = Patient::new(ours, Duration::from_millis(20));
        let cut = stream.write_all(&[0; 1000]).await.expect_err("it is not taken");
        assert_eq!(cut.kind(), io::ErrorKind::TimedOut);
        // Who takes what is there, however little at a time, is not.
        let (ours, mut slow) = tokio::io::duplex(64);
        let mut stream = Patient::new(ours, Duration::from_secs(60));
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            slow.read_to_end(&mut all).await.map(|_| all.len())
        });
        stream.write_all(&[0; 1000]).await.expect("taken");
        stream.shutdown().await.expect("over");
        assert_eq!(reader.await.expect("a reader").expect("read"), 1000);
        assert_eq!(theirs.read(&mut [0; 64]).await.expect("what was taken"), 64);
    }
}
