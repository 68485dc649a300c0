//! Frames over the socket between daemon and prober, with the connections that are handed over.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::wire::Frames;

/// Connections that one frame brings, at most.
pub const CONNECTIONS: usize = 16;
/// Bytes that are read at once.
const READ: usize = 16 * 1024;

/// Sends a frame. What is handed over goes with its first byte.
///
/// # Errors
/// The other end is gone.
pub async fn send(stream: &UnixStream, frame: &[u8], handed: &[OwnedFd]) -> io::Result<()> {
    let handed: Vec<BorrowedFd<'_>> = handed.iter().take(CONNECTIONS).map(AsFd::as_fd).collect();
    let mut sent = 0;
    while let Some(rest) = frame.get(sent..).filter(|rest| !rest.is_empty()) {
        let handed = if sent == 0 { handed.as_slice() } else { &[] };
        sent += stream.async_io(Interest::WRITABLE, || send_some(stream, rest, handed)).await?;
    }
    Ok(())
}

fn send_some(stream: &UnixStream, bytes: &[u8], handed: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CONNECTIONS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !handed.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(handed)) {
        return Err(io::Error::other("there is no room for what is handed over"));
    }
    let bytes = [io::IoSlice::new(bytes)];
    Ok(sendmsg(stream, &bytes, &mut beside, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
}

/// Reads frames, and what comes beside them.
#[derive(Debug)]
pub struct Reader {
    frames: Frames,
    /// In the order in which it came.
    pub handed: VecDeque<OwnedFd>,
    /// The connections that come beside frames are kept.
    takes: bool,
}

impl Reader {
    /// Frames of at most this length. `takes`: connections may come with them; else what comes is closed.
    #[must_use]
    pub fn new(longest: usize, takes: bool) -> Self {
        Self { frames: Frames::new(longest), handed: VecDeque::new(), takes }
    }

    /// What the next frame says; `None`: the other end says nothing any more. May be given up and called again.
    ///
    /// # Errors
    /// The connection is broken, or what was said is not what was agreed.
    pub async fn next<T: DeserializeOwned>(&mut self, stream: &UnixStream) -> io::Result<Option<T>> {
        loop {
            if let Some(said) = self.frames.next().map_err(io::Error::other)? {
                return Ok(Some(said));
            }
            let mut bytes = [0; READ];
            let (read, handed) = stream.async_io(Interest::READABLE, || receive(stream, &mut bytes)).await?;
            if read == 0 {
                return Ok(None);
            }
            if self.takes {
                self.handed.extend(handed);
            }
            self.frames.push(bytes.get(..read).unwrap_or_default());
        }
    }
}

fn receive(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CONNECTIONS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(stream, &mut [io::IoSliceMut::new(bytes)], &mut beside, flags)?;
    let mut handed = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(connections) = message {
            handed.extend(connections);
        }
    }
    Ok((received.bytes, handed))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::wire::{ANSWER, Said, frame};
    use super::*;

    #[tokio::test]
    async fn what_is_handed_over_arrives_with_its_frame() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (mut near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let said = frame(&Said::Alive, ANSWER).expect("a short one");
        send(&ours, &said, &[]).await.expect("sent");
        send(&ours, &said, &[OwnedFd::from(far)]).await.expect("sent");
        drop(ours);
        let mut reader = Reader::new(ANSWER, true);
        let mut heard = 0;
        while let Some(said) = reader.next::<Said>(&theirs).await.expect("what was agreed") {
            assert_eq!(said, Said::Alive);
            heard += 1;
        }
        assert_eq!((heard, reader.handed.len()), (2, 1));
        let mut far = std::os::unix::net::UnixStream::from(reader.handed.pop_front().expect("one"));
        near.write_all(b"x").expect("written");
        let mut got = [0];
        far.read_exact(&mut got).expect("read");
        assert_eq!(&got, b"x");
    }

    #[tokio::test]
    async fn the_daemon_keeps_nothing_that_comes_beside_an_answer() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let said = frame(&Said::Alive, ANSWER).expect("a short one");
        send(&ours, &said, &[OwnedFd::from(far)]).await.expect("sent");
        let mut reader = Reader::new(ANSWER, false);
        assert_eq!(reader.next::<Said>(&theirs).await.expect("agreed"), Some(Said::Alive));
        assert!(reader.handed.is_empty());
        // Nobody holds the other end any more.
        assert_eq!((&near).read(&mut [0]).expect("an end"), 0);
    }
}
