//! Probes of servers: the real client of each protocol is asked as the prober asks it.

use steadfast::model::probe::ProbeKind;
use steadfast::probe;

use super::Play;
use super::server::{Begins, Question, TIMEOUT, Way, asks as asked};

/// Asks this probe; `PORT` in its keys is the server's.
fn asks(keys: &'static str, way: Way, begins: Begins) -> Box<dyn Play> {
    asked(way, begins, |port| {
        let kind = ProbeKind { keys: keys.replace("PORT", &port.to_string()), ..ProbeKind::default() };
        Question::Probe(probe::of(&kind).map_err(|outcome| outcome.message).expect("a probe"))
    })
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

/// The status of a page that depends on the service.
pub fn page() -> Box<dyn Play> {
    asked(Way::Port, Begins::Client, |port| {
        let url = &*format!("http://127.0.0.1:{port}/health").leak();
        Question::Letter(Box::new(move || {
            Box::pin(async move { probe::status(url, TIMEOUT).await.map(drop) })
        }))
    })
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
