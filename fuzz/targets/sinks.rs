//! Answers of those whom alerts and the heartbeat are told to: the real sinks, sent as the prober sends them.

use std::time::Duration;

use futures_util::future::BoxFuture;
use steadfast::alert::{self, Carrier, HeartbeatKeys, Letter, Limit};
use steadfast::model::alert::{Alert, AlertStatus, Message, SinkKind, SinkSpec};
use steadfast::model::finding::Severity;
use steadfast::model::moment::Moment;

use super::Play;
use super::server::{Begins, Question, SECRET, TIMEOUT, Way, asks as asked};

/// Sends from here what a process of the prober would send.
#[derive(Debug)]
struct Here;

impl Carrier for Here {
    fn carry(&self, letter: Letter, _: Limit) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(alert::send(letter, Limit::new(TIMEOUT)))
    }
}

fn firing() -> Message {
    let now = Moment { boot_ms: 1_000_000, wall_ms: 1_795_168_800_007 };
    let alert = Alert {
        key: "web1/horizon.service#17".to_owned(),
        status: AlertStatus::Firing,
        repeats: 0,
        incident: 17,
        unit: Some("horizon.service".to_owned()),
        code: "release-outdated".to_owned(),
        severity: Severity::Critical,
        summary: "the main process 100 (php) runs 41".to_owned(),
        evidence: Vec::new(),
        done: Vec::new(),
        next: None,
        changes: Vec::new(),
        repair: None,
        affected: Vec::new(),
        owner: None,
        runbook: None,
        link: None,
        labels: Default::default(),
        started_at: now,
        ended_at: None,
    };
    Message { id: 7, host: "web1".to_owned(), user_instance: false, alerts: vec![alert] }
}

/// A file that holds this secret, for as long as the process lives.
fn file(secret: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder").keep();
    let file = folder.join("secret");
    std::fs::write(&file, secret).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a private file");
    file.to_string_lossy().into_owned()
}

/// Tells the sink that has this secret; `PORT` in both is the server's, and the file of the secret is the last key.
fn tells(kind: &'static str, keys: &'static str, secret: &str, begins: Begins) -> Box<dyn Play> {
    asked(Way::Port, begins, |port| {
        let file = file(&secret.replace("PORT", &port.to_string()));
        let keys = keys.replace("PORT", &port.to_string());
        let keys = format!("[{kind}]\n{keys}password_file = \"{file}\"\n");
        let spec = SinkSpec::usual("sink".to_owned(), SinkKind { keys, all: false });
        let sink: &'static dyn alert::Sink = Box::leak(alert::of(&spec).expect("a sink"));
        Question::Letter(Box::new(move || {
            Box::pin(async move { alert::deliver(sink, Duration::from_secs(5), &firing(), &Here).await })
        }))
    })
}

pub const MAIL: &[&str] = &[
    "<next>",
    "220 mail.example.org ESMTP\r\n",
    "250 ok\r\n",
    "250-mail.example.org\r\n",
    "250-AUTH PLAIN LOGIN\r\n",
    "250-STARTTLS\r\n",
    "250-8BITMIME\r\n",
    "250-SMTPUTF8\r\n",
    "250 SIZE 1000000\r\n",
    "235 welcome\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "334 \r\n",
    "354 go on\r\n",
    "421 bye\r\n",
    "451 later\r\n",
    "530 login first\r\n",
    "535 no\r\n",
    "550 5.1.1 <one@example.org> unknown\r\n",
    "221 bye\r\n",
    "220 go ahead\r\n",
    "s3cretword",
    "AGFsZXJ0cwBzM2NyZXR3b3Jk",
    "999",
    "25",
    "-",
    "\r\n",
    "\n",
];

pub fn mail() -> Box<dyn Play> {
    let keys = "host = \"127.0.0.1\"\nport = PORT\nencryption = \"none\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"\nuser = \"alerts\"\n";
    tells("smtp", keys, SECRET, Begins::Server)
}

pub fn mail_tls() -> Box<dyn Play> {
    let keys = "host = \"127.0.0.1\"\nport = PORT\nencryption = \"starttls\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"\nuser = \"alerts\"\n";
    tells("smtp", keys, SECRET, Begins::Server)
}

pub const POST: &[&str] = &[
    "<next>",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 301 Moved\r\nlocation: /\r\n",
    "HTTP/1.1 400 Bad Request\r\n",
    "HTTP/1.1 401 x\r\n",
    "HTTP/1.1 429 x\r\nretry-after: 60\r\n",
    "HTTP/1.1 500 x\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 x\r\n",
    "content-length: ",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "\r\n",
    "\r\n\r\n",
    "5\r\nwrong\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "s3cretword",
    "Bearer s3cretword",
    "/s3cretword/",
    "{\"error\":\"x\"}",
    "\u{1b}[31m",
    "\u{202e}",
];

pub fn webhook() -> Box<dyn Play> {
    let keys = "url = \"http://127.0.0.1:PORT/hook\"\nformat = \"json\"\n";
    tells("webhook", keys, SECRET, Begins::Client)
}

pub fn alertmanager() -> Box<dyn Play> {
    let keys = "urls = [\"http://127.0.0.1:PORT\", \"http://127.0.0.1:PORT\"]\nuser = \"u\"\n";
    tells("alertmanager", keys, SECRET, Begins::Client)
}

pub fn sentry() -> Box<dyn Play> {
    tells("sentry", "", &format!("http://{SECRET}@127.0.0.1:PORT/1"), Begins::Client)
}

pub fn heartbeat() -> Box<dyn Play> {
    asked(Way::Port, Begins::Client, |port| {
        let keys = format!("url = \"http://127.0.0.1:{port}/{SECRET}\"\n");
        let keys: HeartbeatKeys = toml::from_str(&keys).expect("keys");
        let heartbeat = &*Box::leak(Box::new(keys.heartbeat().expect("a heartbeat")));
        Question::Letter(Box::new(move || Box::pin(alert::beat(heartbeat, &Here))))
    })
}
