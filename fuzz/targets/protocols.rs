//! Answers of servers: the real client of each protocol is asked as the prober asks it, and hears the input. Where `<next>` stands
//! in it the server waits until it hears something more; after the last part it says nothing more, and listens to the end.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steadfast::model::probe::ProbeKind;
use steadfast::probe::{self, Handed, Limit, Probe, with_handed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::{JoinSet, yield_now};

use super::{Play, message};

/// The timeout of the probe.
const TIMEOUT: Duration = Duration::from_millis(250);
/// Turns of the loop that a library has to tidy up.
const TIDIES: usize = 8;

/// Stands between what is said now and what is said later.
const NEXT: &[u8] = b"<next>";

/// How the client comes to the server.
#[derive(Clone, Copy)]
enum Way {
    /// To a port of this host.
    Port,
    /// Over a connection that is handed over.
    Handed,
}

/// Who says something first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begins {
    Client,
    Server,
}

struct Server {
    listener: TcpListener,
    way: Way,
    begins: Begins,
    /// Whoever looks for what an input does sees it: `SHOW=1`.
    shows: bool,
}

/// What is left to say.
type Parts = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// Asks this probe; `PORT` in its keys is the server's.
fn asks(keys: &'static str, way: Way, begins: Begins) -> Box<dyn Play> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let kind = ProbeKind { keys: keys.replace("PORT", &port.to_string()), ..ProbeKind::default() };
    let probe = probe::of(&kind).map_err(|outcome| outcome.message).expect("a probe");
    let server = Server { listener, way, begins, shows: std::env::var_os("SHOW").is_some() };
    Box::new(move |input: &[u8]| runtime.block_on(one(&server, probe.as_ref(), input)))
}

async fn one(server: &Server, probe: &dyn Probe, input: &[u8]) -> Result<u64, String> {
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
    let handed = format!(
        r#"{{"password":{{"Ok":"secret"}},"authorities":null,"refused":null,"connections":{}}}"#,
        connections.len()
    );
    let handed: Handed = serde_json::from_str(&handed).map_err(|why| why.to_string())?;
    let serves = async {
        while let Ok((stream, _)) = server.listener.accept().await {
            says.spawn(say(stream, Arc::clone(&parts), server.begins));
        }
    };
    let outcome = tokio::select! {
        outcome = with_handed(handed, connections, probe.run(Limit::new(TIMEOUT))) => outcome,
        () = serves => return Err("the listener ended".to_owned()),
    };
    for _ in 0..TIDIES {
        yield_now().await;
    }
    says.abort_all();
    if server.shows {
        println!("{outcome:?}");
    }
    Ok(message(&outcome.message)? ^ outcome.status as u64)
}

fn parts(input: &[u8]) -> VecDeque<Vec<u8>> {
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
        // Whoever asks may hang up whenever they like.
        if !says_now && !stream.read(&mut heard).await.is_ok_and(|read| read > 0) {
            return;
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
        if last && stream.shutdown().await.is_err() {
            return;
        }
    }
}

pub const REDIS: &[&str] = &[
    "<next>",
    "+OK\r\n",
    "+PONG\r\n",
    "+string\r\n",
    "+list\r\n",
    "$4\r\nPONG\r\n",
    ":5\r\n",
    "$-1\r\n",
    "*2\r\n",
    "*-1\r\n",
    "%1\r\n",
    "~1\r\n",
    ">1\r\n",
    "|1\r\n",
    "(1\r\n",
    ",1.5\r\n",
    ",inf\r\n",
    "#t\r\n",
    "_\r\n",
    "=9\r\ntxt:a\r\n",
    "!1\r\n",
    "-ERR x\r\n",
    "-NOAUTH x\r\n",
    "-LOADING x\r\n",
    "-WRONGPASS x\r\n",
    "-NOPERM x\r\n",
    "-MOVED 1 h:1\r\n",
    "-ASK 1 h:1\r\n",
    "$9223372036854775807\r\n",
    "*2147483647\r\n",
    "*1\r\n*1\r\n*1\r\n",
    "\r\n",
    "$?\r\n",
    ";0\r\n",
];

pub fn redis() -> Box<dyn Play> {
    asks(
        "[redis]\nredis = \"redis://127.0.0.1:PORT/1\"\ncredential = \"x\"\n[redis.keys]\nq = \"< 1000\"\nt = \"ready\"\n",
        Way::Port,
        Begins::Client,
    )
}

pub const MEMCACHED: &[&str] = &[
    "<next>",
    "STAT ",
    "version 1.6\r\n",
    "uptime 5\r\n",
    "END\r\n",
    "ERROR\r\n",
    "\r\n",
    " ",
    "curr_items ",
    "SERVER_ERROR x\r\n",
];

pub fn memcached() -> Box<dyn Play> {
    asks(
        "[memcached]\nmemcached = \"127.0.0.1:PORT\"\n[memcached.stats]\nuptime = \"> 1\"\nversion = \"1.6\"\n",
        Way::Port,
        Begins::Client,
    )
}

pub const POSTGRES: &[&str] = &[
    "<next>",
    "R\0\0\0\u{8}\0\0\0\0",
    "Z\0\0\0\u{5}I",
    "T\0\0\0",
    "D\0\0\0\u{b}\0\u{1}\0\0\0\u{1}1",
    "C\0\0\0\u{d}SELECT 1\0",
    "E\0\0\0",
    "SFATAL\0C28P01\0Mx\0\0",
    "N\0\0\0",
    "S\0\0\0",
    "K\0\0\0\u{c}",
    "A\0\0\0",
    "SCRAM-SHA-256\0\0",
    "r=",
    ",s=",
    ",i=4096",
    "v=",
    "e=other-error",
    "G\0\0\0",
    "H\0\0\0",
    "W\0\0\0",
    "c\0\0\0\u{4}",
    "I\0\0\0\u{4}",
    "v\0\0\0",
    "3\0\0\0\u{4}",
    "\0\0\0\0",
];

pub fn postgres() -> Box<dyn Play> {
    asks(
        "[postgres]\npostgres = \"postgres://u@%2Frun/d\"\nquery = \"SELECT 1\"\nexpect = \"> 0\"\ncredential = \"x\"\n",
        Way::Handed,
        Begins::Client,
    )
}

pub const MYSQL: &[&str] = &[
    "<next>",
    "\u{7}\0\0\u{2}\0\0\0\u{2}\0\0\0",
    "\u{7}\0\0\u{1}\0\0\0\u{2}\0\0\0",
    "mysql_native_password\0",
    "caching_sha2_password\0",
    "mysql_clear_password\0",
    "mysql_old_password\0",
    "sha256_password\0",
    "\u{1}\0\0\u{1}\u{1}",
    "\u{5}\0\0\u{3}",
    "#28000",
    "\u{1}\u{3}",
    "\u{1}\u{4}",
    "-----BEGIN PUBLIC KEY-----\n",
    "-----END PUBLIC KEY-----\n",
    "\0\0\0",
    "client_ed25519\0",
    "def",
    "8.0.36\0",
    "5.5.5-10.11.6-MariaDB\0",
];

pub fn mysql() -> Box<dyn Play> {
    asks(
        "[mysql]\nmysql = \"mysql://u@localhost/d?socket=/run/x.sock\"\nquery = \"SELECT 1\"\nexpect = \"> 0\"\ncredential = \"x\"\n",
        Way::Handed,
        Begins::Server,
    )
}

/// Without a socket of this host the library proves its password by the server's key.
pub fn mysql_tcp() -> Box<dyn Play> {
    asks("[mysql]\nmysql = \"mysql://u@127.0.0.1:PORT/d\"\ncredential = \"x\"\n", Way::Port, Begins::Server)
}

pub const HTTP: &[&str] = &[
    "<next>",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 ",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "204 No Content\r\n",
    "301 x\r\n",
    "location: /\r\n",
    "content-type: application/json\r\n",
    "content-length: ",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "connection: upgrade\r\n",
    "content-encoding: gzip\r\n",
    "\r\n\r\n",
    "\r\n",
    "5\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    ";ext=1",
    "{\"a\":{\"b\":5}}",
    "{\"a\":",
    "[",
    "]",
    "null",
    "1e999",
    "\"x\"",
    "set-cookie: a=b\r\n",
    " \t",
    "trailer: x\r\n",
    "refresh: 0\r\n",
];

pub fn http() -> Box<dyn Play> {
    asks(
        "[http]\nhttp = \"unix:/run/x.sock:/health\"\nstatus = \"200-299\"\ncontent_type = \"application/json\"\n[http.json]\n\"/a/b\" = \"< 10\"\n",
        Way::Handed,
        Begins::Client,
    )
}

pub const RABBITMQ: &[&str] = &[
    "<next>",
    "HTTP/1.1 200 OK\r\n",
    "content-type: application/json\r\n",
    "content-length: ",
    "connection: close\r\n",
    "\r\n\r\n",
    "{\"status\":\"ok\"}",
    "{\"status\":\"failed\",\"reason\":\"x\"}",
    "[{\"name\":\"rabbit@a\",\"running\":true,\"mem_alarm\":false,\"disk_free_alarm\":false}]",
    "\"messages\":5",
    "\"consumers\":1",
    "\"message_stats\":{\"ack\":1}",
    "401 x\r\n",
    "404 x\r\n",
    "503 x\r\n",
    "{",
    "}",
    "[",
    "]",
    "null",
    "-1",
    "1e999",
    "true",
];

pub fn rabbitmq() -> Box<dyn Play> {
    asks(
        "[rabbitmq]\nrabbitmq = \"http://u@127.0.0.1:PORT\"\ncredential = \"x\"\nqueue = \"q\"\nmax_depth = 10\n",
        Way::Port,
        Begins::Client,
    )
}

pub const AMQP: &[&str] = &[
    "<next>",
    "\u{1}\0\0\0\0\0",
    "\0\n\0\n",
    "\0\n\0\u{1e}",
    "\0\n\0\u{29}",
    "\0\n\0\u{32}",
    "\0\n\0\u{33}",
    "\0\n\0\u{3c}",
    "\0\n\0\u{3d}",
    "\0\n\0\u{14}",
    "\u{8}\0\0\0\0\0\0",
    "PLAIN AMQPLAIN",
    "en_US",
    "AMQP\0\0\u{9}\u{1}",
    "AMQP\u{3}\u{1}\0\0",
    "\u{1}aF\0\0\0\u{4}",
    "\u{1}aA\0\0\0\u{4}",
    "\u{1}aS\0\0\0\u{1}x",
    "\u{1}at\u{1}",
    "\u{1}aD\u{2}\0\0\0\u{1}",
    "\u{1}aV",
];

pub fn amqp() -> Box<dyn Play> {
    asks("[amqp]\namqp = \"amqp://u@127.0.0.1:PORT/v\"\ncredential = \"x\"\n", Way::Port, Begins::Client)
}

pub fn amqp_greeting() -> Box<dyn Play> {
    asks("[amqp]\namqp = \"amqp://127.0.0.1:PORT\"\n", Way::Port, Begins::Client)
}

pub const SMTP: &[&str] =
    &["<next>", "220 ", "220-", "221 bye\r\n", "554 no\r\n", "421 ", "\r\n", "\n", "ESMTP"];

pub fn smtp() -> Box<dyn Play> {
    asks("[smtp]\nsmtp = \"127.0.0.1:PORT\"\n", Way::Port, Begins::Server)
}

pub const IMAP: &[&str] =
    &["* OK ", "* PREAUTH ", "* BYE ", "* BAD ", "a1 OK\r\n", "[CAPABILITY IMAP4rev1]", "\r\n", "* "];

pub fn imap() -> Box<dyn Play> {
    asks("[imap]\nimap = \"127.0.0.1:PORT\"\n", Way::Port, Begins::Server)
}

pub const POP3: &[&str] = &["<next>", "+OK ", "-ERR ", "<1@h>", "\r\n", "+", "-"];

pub fn pop3() -> Box<dyn Play> {
    asks("[pop3]\npop3 = \"127.0.0.1:PORT\"\n", Way::Port, Begins::Server)
}

pub const SSH: &[&str] =
    &["SSH-2.0-", "SSH-1.99-", "SSH-1.5-", "OpenSSH_9.2p1 Debian\r\n", "welcome\r\n", "\r\n", "\n"];

pub fn ssh() -> Box<dyn Play> {
    asks("[ssh]\nssh = \"127.0.0.1:PORT\"\n", Way::Port, Begins::Server)
}
