//! Frames of AMQP 0-9-1 on channel 0, as far as a login needs them. What a broker says is read field by field, each of a length
//! that fits the frame; tables are stepped over, so that nothing nests. No frame is longer than a limit of ours, whatever the
//! broker names.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::probe::failure::Failure;
use crate::probe::secured::Connection;

/// What a client says first.
pub const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// The head of the answer: a method frame on channel 0, its length, and the method connection.start (10, 10).
pub const HEAD: usize = 11;
/// Longest text of the kind that has one byte for its length.
pub const SHORT: usize = 255;
/// Longest frame that is read, in bytes: a greeting of RabbitMQ has 500, and before the limits are agreed on 4,096 are allowed.
const LONGEST: usize = 64 * 1024;
/// The longest frame that we agree to, as RabbitMQ proposes it. Ours are much shorter.
const AGREED: u32 = 131_072;
/// Ends each frame.
const END: u8 = 0xce;

/// The class of methods about the connection, and its methods.
const CONNECTION: u16 = 10;
const START_OK: u16 = 11;
const SECURE: u16 = 20;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;
const BLOCKED: u16 = 60;
const UNBLOCKED: u16 = 61;

/// Kinds of frames.
const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;

/// Fields of a frame, one after the other. `None`: it ends too early.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn short(&mut self) -> Option<String> {
        let length = usize::from(*self.bytes(1)?.first()?);
        self.bytes(length).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    /// A long text, or a table, whose fields are of no interest.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }
}

/// What a broker begins with.
#[derive(Debug, PartialEq, Eq)]
pub struct Start {
    /// The ways to log in that it offers, with spaces between them.
    pub mechanisms: String,
}

impl Start {
    /// From what follows the number of the method, to the end of the frame.
    pub fn read(rest: &[u8]) -> Result<Self, Failure> {
        let fields = ended(rest)?;
        let mechanisms = || {
            let mut fields = Fields(fields);
            let _version = fields.bytes(2)?;
            let _properties = fields.long()?;
            fields.long()
        };
        let mechanisms = mechanisms().ok_or_else(broken)?;
        Ok(Self { mechanisms: String::from_utf8_lossy(mechanisms).into_owned() })
    }

    pub fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms.split(' ').any(|offered| offered == mechanism)
    }
}

/// The limits that a broker proposes; 0: it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tune {
    channels: u16,
    longest: u32,
}

/// Why a broker ends the connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed {
    pub code: u16,
    pub text: String,
}

/// What a broker says about the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Secure,
    Tune(Tune),
    OpenOk,
    Close(Closed),
    CloseOk,
    Other(u16, u16),
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Said(Said),
    /// It asks for nothing: a sign of life, or that it is short of memory.
    Aside,
}

pub async fn send(stream: &mut Connection, bytes: &[u8]) -> Result<(), Failure> {
    stream.write_all(bytes).await.map_err(|error| Failure::connection(&error))
}

pub async fn bytes(stream: &mut Connection, count: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.map_err(|error| Failure::connection(&error))?;
    Ok(bytes)
}

/// The length that a frame names, where that can be.
pub fn length(named: [u8; 4]) -> Result<usize, Failure> {
    let named = u32::from_be_bytes(named);
    let length = usize::try_from(named).ok().filter(|length| *length <= LONGEST);
    length.ok_or_else(|| Failure::unhealthy(format!("what listens there begins a frame of {named} bytes")))
}

/// The next frame.
pub async fn next(stream: &mut Connection) -> Result<Frame, Failure> {
    let head = bytes(stream, 7).await?;
    let [kind, 0, 0, a, b, c, d] = *head else {
        return Err(broken());
    };
    let rest = bytes(stream, length([a, b, c, d])? + 1).await?;
    let fields = ended(&rest)?;
    match kind {
        METHOD => said(fields).ok_or_else(broken),
        HEARTBEAT => Ok(Frame::Aside),
        _ => Err(broken()),
    }
}

fn said(fields: &[u8]) -> Option<Frame> {
    let mut fields = Fields(fields);
    let said = match (fields.u16()?, fields.u16()?) {
        (CONNECTION, BLOCKED | UNBLOCKED) => return Some(Frame::Aside),
        (CONNECTION, SECURE) => Said::Secure,
        (CONNECTION, TUNE) => Said::Tune(Tune { channels: fields.u16()?, longest: fields.u32()? }),
        (CONNECTION, OPEN_OK) => Said::OpenOk,
        (CONNECTION, CLOSE) => Said::Close(Closed { code: fields.u16()?, text: fields.short()? }),
        (CONNECTION, CLOSE_OK) => Said::CloseOk,
        (class, method) => Said::Other(class, method),
    };
    Some(Frame::Said(said))
}

/// What stands before the byte that ends a frame.
fn ended(rest: &[u8]) -> Result<&[u8], Failure> {
    match rest.split_last() {
        Some((&END, fields)) => Ok(fields),
        _ => Err(broken()),
    }
}

fn broken() -> Failure {
    Failure::unhealthy("what listens there said no frame of AMQP")
}

fn method(method: u16, fields: &[&[u8]]) -> Vec<u8> {
    let fields = [&CONNECTION.to_be_bytes()[..], &method.to_be_bytes(), &fields.concat()].concat();
    [&[METHOD, 0, 0], &long(&fields)[..], &[END]].concat()
}

/// With one byte for its length; what is longer was refused before.
fn short(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let text = text.get(..SHORT).unwrap_or(text);
    [&[u8::try_from(text.len()).unwrap_or(u8::MAX)], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes(), bytes].concat()
}

/// An entry of a table: its name, the letter of its type, and its value.
fn entry(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [&short(name), &[kind][..], value].concat()
}

/// Who we are, and how we log in. A broker that knows that we understand it says why it turns us away.
pub fn start_ok(user: &str, password: &str) -> Vec<u8> {
    let understood = entry("authentication_failure_close", b't', &[1]);
    let properties = [
        entry("product", b'S', &long(b"steadfast")),
        entry("version", b'S', &long(env!("CARGO_PKG_VERSION").as_bytes())),
        entry("connection_name", b'S', &long(b"steadfast")),
        entry("capabilities", b'F', &long(&understood)),
    ];
    let answer = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
    method(START_OK, &[&long(&properties.concat()), &short("PLAIN"), &long(&answer), &short("en_US")])
}

/// Agrees to the limits, and to no signs of life: the connection ends soon.
pub fn tune_ok(Tune { channels, longest }: Tune) -> Vec<u8> {
    let longest = if longest == 0 { AGREED } else { longest.min(AGREED) };
    method(TUNE_OK, &[&channels.to_be_bytes(), &longest.to_be_bytes(), &[0, 0]])
}

pub fn open(vhost: &str) -> Vec<u8> {
    method(OPEN, &[&short(vhost), &[0, 0]])
}

pub fn close() -> Vec<u8> {
    method(CLOSE, &[&200_u16.to_be_bytes(), &short("done"), &[0, 0, 0, 0]])
}

pub fn close_ok() -> Vec<u8> {
    method(CLOSE_OK, &[])
}
