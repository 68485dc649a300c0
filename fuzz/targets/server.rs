//! Servers that say the input. Where `<next>` stands in it the server waits until it hears something more, or for a moment; after
//! the last part it says nothing more, and listens to the end. Whoever connects again hears the rest.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use steadfast::probe::{Handed, Limit, Probe, Source, with_handed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::{JoinSet, yield_now};

use super::{Play, message};

/// The timeout of what is asked.
pub const TIMEOUT: Duration = Duration::from_millis(250);
/// A server that hears nothing more for so long goes on: who waits for each other is not of interest.
const SILENCE: Duration = Duration::from_millis(4);
/// Turns of the loop that a library has to tidy up.
const TIDIES: usize = 8;

/// Stands between what is said now and what is said later.
const NEXT: &[u8] = b"<next>";

/// How the client comes to the server.
#[derive(Clone, Copy)]
pub enum Way {
    /// To a port of this host.
    Port,
    /// Over a connection that is handed over.
    Handed,
}

/// Who says something first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    Client,
    Server,
}

/// Sends something, and says in one clause why that failed.
pub type Send = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>>>;

/// What is asked of the server.
pub enum Question {
    Probe(Box<dyn Probe>),
    Sample(Box<dyn Source>),
    Letter(Send),
}

impl Question {
    /// What is told of the answer, and a number that stands for its kind.
    async fn ask(&self) -> (String, u64) {
        match self {
            Self::Probe(probe) => {
                let outcome = probe.run(Limit::new(TIMEOUT)).await;
                (outcome.message, outcome.status as u64)
            }
            Self::Sample(source) => match source.sample(Limit::new(TIMEOUT)).await {
                Ok(sample) => (format!("{sample:?}"), 0),
                Err(why) => (why, 1),
            },
            Self::Letter(send) => match send().await {
                Ok(()) => (String::new(), 0),
                Err(why) => (why, 1),
            },
        }
    }
}

/// The secret of whoever asks.
pub const SECRET: &str = "s3cretword";

struct Server {
    listener: TcpListener,
    way: Way,
    begins: Begins,
    /// Whoever looks for what an input does sees it: `SHOW=1`.
    shows: bool,
}

/// What is left to say.
type Parts = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// Asks what is made for this port.
pub fn asks(way: Way, begins: Begins, made: impl FnOnce(u16) -> Question) -> Box<dyn Play> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener");
    let question = made(listener.local_addr().expect("an address").port());
    let server = Server { listener, way, begins, shows: std::env::var_os("SHOW").is_some() };
    Box::new(move |input: &[u8]| runtime.block_on(one(&server, &question, input)))
}

async fn one(server: &Server, question: &Question, input: &[u8]) -> Result<u64, String> {
    let parts: Parts = Arc::new(Mutex::new(parts(input)));
    let mut says = JoinSet::new();
    let mut connections: Vec<OwnedFd> = Vec::new();
    if let Way::Handed = server.way {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|why| why.to_string())?;
        ours.set_nonblocking(true).map_err(|why| why.to_string())?;
        let ours = UnixStream::from_std(ours).map_err(|why| why.to_string())?;
        says.spawn(say(ours, Arc::clone(&parts), server.begins));
        connections.push(theirs.into());
    }
    let handed = serde_json::json!({
        "password": { "Ok": SECRET },
        "authorities": { "Ok": super::tls::AUTHORITY },
        "refused": null,
        "connections": connections.len(),
    });
    let handed: Handed = serde_json::from_value(handed).map_err(|why| why.to_string())?;
    let serves = async {
        while let Ok((stream, _)) = server.listener.accept().await {
            says.spawn(say(stream, Arc::clone(&parts), server.begins));
        }
    };
    let (told, kind) = tokio::select! {
        told = with_handed(handed, connections, question.ask()) => told,
        () = serves => return Err("the listener ended".to_owned()),
    };
    for _ in 0..TIDIES {
        yield_now().await;
    }
    says.abort_all();
    if server.shows {
        println!("{kind} {told}");
    }
    if told.contains(SECRET) {
        return Err(format!("a secret is told: {told:?}"));
    }
    Ok(message(&told)? ^ kind)
}

pub fn parts(input: &[u8]) -> VecDeque<Vec<u8>> {
    let mut parts = VecDeque::new();
    let (mut rest, mut from) = (input, 0);
    while let Some(at) = rest.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == NEXT[0])) {
        from += at;
        if rest.get(from..).is_some_and(|rest| rest.starts_with(NEXT)) {
            parts.push_back(rest.get(..from).unwrap_or_default().to_vec());
            rest = rest.get(from + NEXT.len()..).unwrap_or_default();
            from = 0;
        } else {
            from += 1;
        }
    }
    parts.push_back(rest.to_vec());
    parts
}

async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, parts: Parts, begins: Begins) {
    let mut heard = vec![0; 4096];
    let mut says_now = begins == Begins::Server;
    loop {
        if !says_now {
            // Whoever asks may hang up whenever they like.
            if let Ok(Ok(0) | Err(_)) = tokio::time::timeout(SILENCE, stream.read(&mut heard)).await {
                return;
            }
        }
        says_now = false;
        let (part, last) = {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            (parts.pop_front(), parts.is_empty())
        };
        if let Some(part) = part
            && stream.write_all(&part).await.is_err()
        {
            return;
        }
        if last {
            if stream.shutdown().await.is_err() {
                return;
            }
            while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
            return;
        }
    }
}
