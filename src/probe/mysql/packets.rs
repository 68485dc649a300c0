//! Packets of MySQL: each has its length and a number before it. No more is read of one session than a limit.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::probe::Limit;
use crate::probe::failure::Failure;
use crate::probe::secured::{self, Connection, Tls};
use crate::probe::server;

/// Bytes of one session that are read.
const SESSION: usize = 1 << 20;
/// Longest packet that we send.
const LONGEST: usize = 0xff_ffff - 1;

/// Bytes of a stranger's words that are quoted, and how long they are waited for.
const FIRST: usize = 64;
const SOON: Duration = Duration::from_millis(50);

/// What a packet begins with.
const OK: u8 = 0x00;
const MORE: u8 = 0x01;
const NULL: u8 = 0xfb;
const SWITCH: u8 = 0xfe;
const REFUSED: u8 = 0xff;
/// A packet that begins like a change of the login, and is shorter, ends columns or rows.
const END: usize = 9;

/// A connection to a server.
pub type Stream = Connection;

/// Packets of one session, both ways.
pub struct Packets {
    stream: Stream,
    /// The number of the next packet.
    number: u8,
    /// Bytes that may still be read.
    left: usize,
    over: bool,
}

/// What a server said that it will not.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    pub message: String,
}

/// One packet of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet(pub Vec<u8>);

impl Packet {
    fn first(&self) -> Option<u8> {
        self.0.first().copied()
    }

    pub fn is_ok(&self) -> bool {
        self.first() == Some(OK)
    }

    /// Columns or rows end.
    pub fn is_end(&self) -> bool {
        self.first() == Some(SWITCH) && self.0.len() < END
    }

    /// What a way to log in says beside.
    pub fn more(&self) -> Option<&[u8]> {
        self.0.split_first().filter(|(first, _)| **first == MORE).map(|(_, rest)| rest)
    }

    /// The server wants another way to log in.
    pub fn switch(&self) -> Option<&[u8]> {
        self.0.split_first().filter(|(first, _)| **first == SWITCH).map(|(_, rest)| rest)
    }

    /// Its bytes, if it is no refusal.
    pub fn or_refused(&self, told: impl FnOnce(Refusal) -> Failure) -> Result<&[u8], Failure> {
        match self.0.split_first() {
            Some((&REFUSED, rest)) => Err(told(Refusal::read(rest).ok_or_else(|| broken("no error"))?)),
            _ => Ok(&self.0),
        }
    }

    /// It must be agreement.
    pub fn ok(&self, told: impl FnOnce(Refusal) -> Failure) -> Result<(), Failure> {
        self.or_refused(told)?;
        if self.is_ok() { Ok(()) } else { Err(broken("neither yes nor no")) }
    }
}

impl Refusal {
    /// A number, a state that is of no interest, where there is one, and a text.
    fn read(rest: &[u8]) -> Option<Self> {
        let mut fields = Fields(rest);
        let code = fields.u16()?;
        if fields.0.first() == Some(&b'#') {
            fields.bytes(6)?;
        }
        Some(Self { code, message: String::from_utf8_lossy(fields.0).into_owned() })
    }
}

/// Fields of a packet, one after the other. `None`: it ends too early.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// To the next zero, which is stepped over, or to the end.
    pub fn before_zero(&mut self) -> &'a [u8] {
        let mut parts = self.0.splitn(2, |byte| *byte == 0);
        let text = parts.next().unwrap_or_default();
        self.0 = parts.next().unwrap_or_default();
        text
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// A number of up to eight bytes, the lowest first.
    fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.bytes(width)?;
        Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// A number whose first byte says how long it is.
    pub fn count(&mut self) -> Option<u64> {
        match *self.bytes(1)?.first()? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            NULL | REFUSED => None,
            small => Some(u64::from(small)),
        }
    }

    /// A text with its length; `Some(None)` is NULL.
    pub fn text(&mut self) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&NULL) {
            self.bytes(1)?;
            return Some(None);
        }
        let length = usize::try_from(self.count()?).ok()?;
        self.bytes(length).map(Some)
    }
}

impl Packets {
    /// From here on the session is encrypted.
    pub async fn secure(&mut self, host: &str, trusted: &Tls, limit: Limit) -> Result<(), Failure> {
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = secured::secure(plain, host, trusted, limit).await?;
        Ok(())
    }

    pub fn new(stream: Stream) -> Self {
        Self { stream, number: 0, left: SESSION, over: false }
    }

    /// More was said than is read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The first packet, with which a server of MySQL greets: version 10 of the protocol, or a refusal.
    pub async fn greeting(&mut self) -> Result<Packet, Failure> {
        let mut head = [0; 5];
        let mut read = 0;
        while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest).await.map_err(|error| Failure::connection(&error))? {
                0 if read == 0 => return Err(Failure::unhealthy("the connection was closed too early")),
                0 => break,
                more => read += more,
            }
        }
        let [a, b, c, 0, first @ (10 | REFUSED)] = head else {
            return Err(server::stranger("MySQL", &self.more(head.get(..read).unwrap_or_default()).await));
        };
        self.number = 1;
        let rest = self.rest(length([a, b, c]).saturating_sub(1)).await?;
        Ok(Packet([&[first], &rest[..]].concat()))
    }

    /// What a stranger said, with what comes soon after it.
    async fn more(&mut self, said: &[u8]) -> Vec<u8> {
        let mut more = [0; FIRST];
        let read = tokio::time::timeout(SOON, self.stream.read(&mut more)).await;
        let read = read.ok().and_then(Result::ok).unwrap_or(0);
        [said, more.get(..read).unwrap_or_default()].concat()
    }

    pub async fn next(&mut self) -> Result<Packet, Failure> {
        let [a, b, c, number] = self.head().await?;
        if number != self.number {
            return Err(broken("packets out of turn"));
        }
        self.number = number.wrapping_add(1);
        self.rest(length([a, b, c])).await.map(Packet)
    }

    async fn head(&mut self) -> Result<[u8; 4], Failure> {
        self.takes(4)?;
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).await.map_err(|error| Failure::connection(&error))?;
        Ok(head)
    }

    async fn rest(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        self.takes(length)?;
        let mut rest = vec![0; length];
        self.stream.read_exact(&mut rest).await.map_err(|error| Failure::connection(&error))?;
        Ok(rest)
    }

    fn takes(&mut self, count: usize) -> Result<(), Failure> {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => {
                self.over = true;
                return Err(Failure::unknown("it answered more than a megabyte"));
            }
        }
        Ok(())
    }

    /// A command begins the numbers anew.
    pub async fn ask(&mut self, parts: &[&[u8]]) -> Result<(), Failure> {
        self.number = 0;
        self.send(&parts.concat()).await
    }

    pub async fn send(&mut self, body: &[u8]) -> Result<(), Failure> {
        if body.len() > LONGEST {
            return Err(Failure::unknown("what is asked is too long"));
        }
        let [length @ .., _] = u32::try_from(body.len()).unwrap_or_default().to_le_bytes();
        let packet = [&length, &[self.number][..], body].concat();
        self.number = self.number.wrapping_add(1);
        self.stream.write_all(&packet).await.map_err(|error| Failure::connection(&error))
    }
}

fn length([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) | (usize::from(b) << 8) | (usize::from(c) << 16)
}

/// It speaks no MySQL after all.
pub fn broken(said: &str) -> Failure {
    Failure::unhealthy(format!("what listens there does not speak MySQL (it said {said})"))
}
