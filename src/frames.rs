//! Frames over the socket between two processes of ours: a length of four bytes, and as many bytes, of JSON or as they are; with
//! the connections that are handed over.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The length in front of each.
const HEAD: usize = 4;
/// Connections that one frame brings, at most.
pub const CONNECTIONS: usize = 16;
/// Bytes that are read at once.
const READ: usize = 16 * 1024;

/// A frame with this in it.
///
/// # Errors
/// It is longer than that: one clause.
pub fn frame<T: Serialize>(said: &T, longest: usize) -> Result<Vec<u8>, String> {
    let body = serde_json::to_vec(said).map_err(|error| error.to_string())?;
    framed(&body, longest)
}

/// A frame of these bytes.
///
/// # Errors
/// They are more than that: one clause.
pub fn framed(body: &[u8], longest: usize) -> Result<Vec<u8>, String> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= longest);
    let length = length.ok_or_else(|| format!("{} bytes are more than {longest}", body.len()))?;
    Ok([&length.to_be_bytes()[..], body].concat())
}

/// The frames in what was read so far.
#[derive(Debug)]
pub struct Frames {
    read: Vec<u8>,
    longest: usize,
}

impl Frames {
    /// None may be longer than this.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { read: Vec::new(), longest }
    }

    /// More was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.read.len()
    }

    /// What the next whole frame says; `None`: it is not there yet.
    ///
    /// # Errors
    /// It is too long, or not what was agreed: one clause. Nothing that follows makes sense then.
    pub fn word<T: DeserializeOwned>(&mut self) -> Result<Option<T>, String> {
        let Some(body) = self.bytes()? else {
            return Ok(None);
        };
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| format!("a frame that makes no sense, {error}"))
    }

    /// The next whole frame as it is; `None`: it is not there yet.
    ///
    /// # Errors
    /// It is too long: one clause. Nothing that follows makes sense then.
    pub fn bytes(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(head) = self.read.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if length > self.longest {
            return Err(format!("a frame of {length} bytes, at most {} were agreed", self.longest));
        }
        if self.read.len() < HEAD + length {
            return Ok(None);
        }
        let rest = self.read.split_off(HEAD + length);
        let mut body = std::mem::replace(&mut self.read, rest);
        body.drain(..HEAD);
        Ok(Some(body))
    }
}

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
            if let Some(said) = self.frames.word().map_err(io::Error::other)? {
                return Ok(Some(said));
            }
            if !self.read(stream).await? {
                return Ok(None);
            }
        }
    }

    /// The next frame as it is; `None`: the other end says nothing any more. May be given up and called again.
    ///
    /// # Errors
    /// The connection is broken, or the frame is too long.
    pub async fn bytes(&mut self, stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(bytes) = self.frames.bytes().map_err(io::Error::other)? {
                return Ok(Some(bytes));
            }
            if !self.read(stream).await? {
                return Ok(None);
            }
        }
    }

    /// Reads what is there; whether anything more comes.
    async fn read(&mut self, stream: &UnixStream) -> io::Result<bool> {
        let mut bytes = [0; READ];
        let (read, handed) = stream.async_io(Interest::READABLE, || receive(stream, &mut bytes)).await?;
        if self.takes {
            self.handed.extend(handed);
        }
        self.frames.push(bytes.get(..read).unwrap_or_default());
        Ok(read > 0)
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

    use serde::Deserialize;

    use super::*;

    const LONGEST: usize = 100;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    enum Said {
        Alive,
    }

    #[tokio::test]
    async fn what_is_handed_over_arrives_with_its_frame() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (mut near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let said = frame(&Said::Alive, LONGEST).expect("a short one");
        send(&ours, &said, &[]).await.expect("sent");
        send(&ours, &said, &[OwnedFd::from(far)]).await.expect("sent");
        drop(ours);
        let mut reader = Reader::new(LONGEST, true);
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
    async fn bytes_come_between_words_as_they_are() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        for frame in
            [frame(&Said::Alive, LONGEST), framed(b"\xff\x00{", LONGEST), frame(&Said::Alive, LONGEST)]
        {
            send(&ours, &frame.expect("a short one"), &[]).await.expect("sent");
        }
        drop(ours);
        let mut reader = Reader::new(LONGEST, false);
        assert_eq!(reader.next::<Said>(&theirs).await.expect("agreed"), Some(Said::Alive));
        assert_eq!(reader.bytes(&theirs).await.expect("agreed").as_deref(), Some(&b"\xff\x00{"[..]));
        assert_eq!(reader.next::<Said>(&theirs).await.expect("agreed"), Some(Said::Alive));
        assert_eq!(reader.bytes(&theirs).await.expect("agreed"), None);
        assert!(framed(&[0; LONGEST + 1], LONGEST).is_err());
    }

    #[tokio::test]
    async fn the_daemon_keeps_nothing_that_comes_beside_an_answer() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let said = frame(&Said::Alive, LONGEST).expect("a short one");
        send(&ours, &said, &[OwnedFd::from(far)]).await.expect("sent");
        let mut reader = Reader::new(LONGEST, false);
        assert_eq!(reader.next::<Said>(&theirs).await.expect("agreed"), Some(Said::Alive));
        assert!(reader.handed.is_empty());
        // Nobody holds the other end any more.
        assert_eq!((&near).read(&mut [0]).expect("an end"), 0);
    }
}
