//! Requests to the status socket: the real server, on a real socket, with the picture of a host that has a unit in each state.

use std::path::PathBuf;
use std::time::Duration;

use steadfast::api::server::serve;
use steadfast::model::operator::Answer;
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;

use super::{Play, shape};
use crate::pictures::{self, Past, TEN_O_CLOCK};

/// Turns of the loop without a byte, after which nothing more is awaited.
const SILENCE: usize = 40;
/// Bytes of an answer that are read.
const MOST: usize = 4 << 20;

pub const WORDS: &[&str] = &[
    "GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "POST /v1/units/horizon.service/restart HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
    "GET ",
    "POST ",
    "DELETE ",
    "PUT ",
    "HEAD ",
    "OPTIONS ",
    "/v1/units",
    "/v1/units/horizon.service",
    "/v1/incidents",
    "/v1/incidents/1",
    "/v1/events",
    "/v1/history",
    "/v1/baseline",
    "/v1/openapi.json",
    "/metrics",
    "/v1/audit",
    "/hold",
    "/resume",
    "/recover",
    "/ack",
    "/restart",
    "/drill",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "host: localhost\r\n",
    "content-length: ",
    "content-type: application/json\r\n",
    "transfer-encoding: chunked\r\n",
    "0\r\n\r\n",
    "expect: 100-continue\r\n",
    "connection: close\r\n",
    "connection: upgrade\r\n",
    "last-event-id: 1\r\n",
    "\r\n",
    "\r\n\r\n",
    "?since=",
    "?limit=",
    "&",
    "%2f",
    "%00",
    "%ff",
    "..",
    "//",
    "{",
    "}",
    "\"reason\":\"x\"",
    "\"for\":\"1h\"",
    "\"until\":\"2027-01-01T00:00:00Z\"",
    "[",
    "]",
    ":",
    ",",
    "\"who\":\"x\"",
    "x-forwarded-for: a\r\n",
    "accept: text/event-stream\r\n",
];

struct Served {
    runtime: Runtime,
    socket: PathBuf,
    _folder: TempDir,
    _snapshots: watch::Sender<steadfast::model::snapshot::Snapshot>,
}

pub fn requests() -> Box<dyn Play> {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let guard = runtime.enter();
    let listener = UnixListener::bind(&socket).expect("a socket");
    let snapshot = pictures::only(&["horizon.service"], pictures::zoo(TEN_O_CLOCK));
    let (snapshots, receiver) = watch::channel(snapshot);
    let (ask, mut questions) = mpsc::channel(1);
    let (recall, history) = mpsc::channel(1);
    runtime.spawn(Past::default().answer(history));
    runtime.spawn(async move {
        while let Some((_, reply)) = questions.recv().await {
            let reply: tokio::sync::oneshot::Sender<Answer> = reply;
            drop(reply.send(Answer::Done { message: "done".to_owned(), steps: Vec::new() }));
        }
    });
    runtime.spawn(serve(listener, receiver, ask, recall));
    drop(guard);
    let served = Served { runtime, socket, _folder: folder, _snapshots: snapshots };
    Box::new(move |input: &[u8]| served.runtime.block_on(talk(&served, input)))
}

async fn talk(served: &Served, input: &[u8]) -> Result<u64, String> {
    let mut stream = UnixStream::connect(&served.socket).await.map_err(|why| why.to_string())?;
    let answer = tokio::time::timeout(Duration::from_secs(8), async {
        // A server that has heard enough hangs up.
        drop(stream.write_all(input).await);
        answer(&stream).await
    });
    let answer = answer.await.map_err(|_| "no end of the answer".to_owned())?;
    drop(stream);
    for _ in 0..4 {
        yield_now().await;
    }
    judge(&answer)
}

/// What is said, until nothing more comes. Other threads write pictures: they get a moment where nothing was said yet.
async fn answer(stream: &UnixStream) -> Vec<u8> {
    let (mut answer, mut silent) = (Vec::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    while silent < SILENCE && answer.len() < MOST {
        match stream.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
                silent = 0;
            }
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
                silent += 1;
                yield_now().await;
                if silent == SILENCE / 2 {
                    drop(
                        tokio::time::timeout(Duration::from_millis(1), stream.ready(Interest::READABLE))
                            .await,
                    );
                }
            }
            Err(_) => break,
        }
    }
    answer
}

/// Silence, or an answer of HTTP whose text steers nothing.
fn judge(answer: &[u8]) -> Result<u64, String> {
    if answer.is_empty() {
        return Ok(0);
    }
    let text = String::from_utf8_lossy(answer);
    let Some((first, _)) = text.split_once("\r\n").filter(|(first, _)| first.starts_with("HTTP/1.")) else {
        return Err(format!("no answer of HTTP: {text:?}"));
    };
    let steers =
        |character: &char| steadfast::escape::steers(*character) && !matches!(character, '\n' | '\r' | '\t');
    if let Some(character) = text.chars().find(steers) {
        return Err(format!("{character:?} in an answer: {text:?}"));
    }
    let body = text.rsplit("\r\n").next().unwrap_or_default();
    let status = first.bytes().rev().take(40).fold(0_u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(byte));
    Ok(shape(body) ^ status)
}
