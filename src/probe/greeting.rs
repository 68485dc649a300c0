//! `smtp`, `imap`, `pop3`, `ssh`: servers that speak first. The greeting is read, and a goodbye is said as a client would say
//! it, so that the server does not take the question for a lost connection.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::keys::HostPort;
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::failure::Failure;
use super::{Limit, Probe, server, tcp, text};

/// Bytes of one connection that are read: a greeting of several lines, and the answer to the goodbye.
const BYTES: u64 = 16 * 1024;
/// Lines before the one that counts.
const LINES: usize = 64;
/// After a greeting in time, the answer to the goodbye is not worth more.
const GOODBYE: Duration = Duration::from_millis(500);

/// `smtp = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// "host:port" greets with 220; then QUIT is said.
    smtp: HostPort,
}

/// `imap = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    /// "host:port" greets with * OK; then LOGOUT is said.
    imap: HostPort,
}

/// `pop3 = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pop3 {
    /// "host:port" greets with +OK; then QUIT is said.
    pop3: HostPort,
}

/// `ssh = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    /// "host:port" names its version of SSH; then the connection is ended as SSH does. OpenSSH logs each connection.
    ssh: HostPort,
}

impl Probe for Smtp {
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.smtp, &SMTP, limit))
    }
}

impl Probe for Imap {
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.imap, &IMAP, limit))
    }
}

impl Probe for Pop3 {
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.pop3, &POP3, limit))
    }
}

impl Probe for Ssh {
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.ssh, &SSH, limit))
    }
}

/// What a line of a greeting means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// It serves.
    Greets,
    /// More lines follow.
    More,
    /// It speaks the language, and turns us away.
    Refuses,
    Stranger,
}

/// A protocol in which the server speaks first.
struct Language {
    name: &'static str,
    judge: fn(&str) -> Line,
    goodbye: &'static [u8],
}

const SMTP: Language = Language { name: "SMTP", judge: smtp, goodbye: b"QUIT\r\n" };
const IMAP: Language = Language { name: "IMAP", judge: imap, goodbye: b"a1 LOGOUT\r\n" };
const POP3: Language = Language { name: "POP3", judge: pop3, goodbye: b"QUIT\r\n" };
/// Our version, and SSH_MSG_DISCONNECT (1) by the application (11) with an empty text: 13 bytes of 20, 6 of them padding.
const SSH: Language = Language {
    name: "SSH",
    judge: ssh,
    goodbye: b"SSH-2.0-steadfast\r\n\x00\x00\x00\x14\x06\x01\x00\x00\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
};

fn smtp(line: &str) -> Line {
    match (line.get(..3), line.get(3..4)) {
        (Some("220"), Some("-")) => Line::More,
        (Some("220"), _) => Line::Greets,
        (Some(code), _) if code.starts_with(['4', '5']) && code.parse::<u16>().is_ok() => Line::Refuses,
        _ => Line::Stranger,
    }
}

fn imap(line: &str) -> Line {
    let word = line.strip_prefix("* ").map(|rest| rest.split(' ').next().unwrap_or_default());
    match word.map(str::to_ascii_uppercase).as_deref() {
        Some("OK" | "PREAUTH") => Line::Greets,
        Some("BYE") => Line::Refuses,
        _ => Line::Stranger,
    }
}

fn pop3(line: &str) -> Line {
    if line.starts_with("+OK") {
        Line::Greets
    } else if line.starts_with("-ERR") {
        Line::Refuses
    } else {
        Line::Stranger
    }
}

/// A server may say other lines before the one with its version.
fn ssh(line: &str) -> Line {
    if line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-") {
        Line::Greets
    } else if line.starts_with("SSH-") {
        Line::Stranger
    } else {
        Line::More
    }
}

async fn run(address: &str, language: &Language, limit: Limit) -> ProbeOutcome {
    let asked = format!("{} greeting of {}", language.name, text::name(address));
    match ask(address, language, limit).await {
        Ok((greeting, latency)) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!(
                "{asked}: {} in {}",
                text::quoted(greeting.as_bytes()),
                text::figure(latency)
            )),
            latency: Some(latency),
        },
        Err(failure) => failure.of(&asked),
    }
}

async fn ask(address: &str, language: &Language, limit: Limit) -> Result<(String, Duration), Failure> {
    let began = Instant::now();
    let stream = tcp::stream(address, limit).await?;
    let mut stream = BufReader::new(stream);
    let greeting = limit
        .within(greeting(&mut stream, language))
        .await
        .ok_or_else(|| Failure::late("no greeting", limit))?;
    let latency = began.elapsed();
    // Whoever turns us away hangs up by itself; how the goodbye fares says nothing of the server.
    if greeting.is_ok() {
        let bye = tokio::time::timeout(GOODBYE, goodbye(&mut stream, language));
        drop(limit.within(bye).await);
    }
    Ok((greeting?, latency))
}

async fn greeting(stream: &mut BufReader<TcpStream>, language: &Language) -> Result<String, Failure> {
    let mut bounded = stream.take(BYTES);
    for _ in 0..LINES {
        let mut line = Vec::new();
        bounded.read_until(b'\n', &mut line).await.map_err(|error| Failure::connection(&error))?;
        if line.is_empty() {
            return Err(Failure::unhealthy("the connection was closed without a greeting"));
        }
        let said = String::from_utf8_lossy(&line).trim_end().to_owned();
        match (language.judge)(&said) {
            Line::Greets => return Ok(said),
            Line::More => {}
            Line::Refuses => {
                return Err(Failure::unhealthy(format!("it turned us away: {}", text::quoted(&line))));
            }
            Line::Stranger => return Err(server::stranger(language.name, &line)),
        }
    }
    Err(server::stranger(language.name, b""))
}

async fn goodbye(stream: &mut BufReader<TcpStream>, language: &Language) -> std::io::Result<()> {
    stream.get_mut().write_all(language.goodbye).await?;
    stream.get_mut().flush().await?;
    // To the end of what it says: a server that is hung up on before may count a lost connection.
    let mut rest = Vec::new();
    stream.take(BYTES).read_to_end(&mut rest).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says this, and gives back what it was told.
    async fn says(greeting: &'static str) -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.write_all(greeting.as_bytes()).await.expect("said");
            let mut heard = vec![0; 256];
            let read = stream.read(&mut heard).await.unwrap_or(0);
            heard.truncate(read);
            heard
        });
        (address, heard)
    }

    #[tokio::test]
    async fn a_greeting_is_read_and_a_goodbye_is_said() {
        for (language, greeting) in [
            (&SMTP, "220-mx.example\r\n220 ESMTP\r\n"),
            (&IMAP, "* OK [CAPABILITY IMAP4rev1] ready\r\n"),
            (&POP3, "+OK ready\r\n"),
            (&SSH, "welcome\r\nSSH-2.0-OpenSSH_9.2p1\r\n"),
        ] {
            let (address, heard) = says(greeting).await;
            let outcome = run(&address, language, Limit::new(Duration::from_secs(3))).await;
            assert_eq!(outcome.status, ProbeStatus::Healthy, "{}", outcome.message);
            assert!(outcome.message.starts_with(&format!("{} greeting of {address}: \"", language.name)));
            assert_eq!(heard.await.expect("heard"), language.goodbye);
        }
    }

    #[tokio::test]
    async fn a_refusal_a_stranger_and_silence_are_unhealthy() {
        for (language, greeting, clause) in [
            (&SMTP, "554 no\r\n", "it turned us away: \"554 no\""),
            (&IMAP, "* BYE full\r\n", "it turned us away: \"* BYE full\""),
            (&POP3, "-ERR busy\r\n", "it turned us away: \"-ERR busy\""),
            (&SMTP, "+OK\r\n", "what listens there does not speak SMTP, it said \"+OK\""),
        ] {
            let (address, _) = says(greeting).await;
            let outcome = run(&address, language, Limit::new(Duration::from_secs(3))).await;
            assert_eq!(outcome.status, ProbeStatus::Unhealthy, "{}", outcome.message);
            assert!(outcome.message.ends_with(clause), "{}", outcome.message);
        }
        let (address, _) = says("").await;
        let outcome = run(&address, &IMAP, Limit::new(Duration::from_millis(200))).await;
        assert!(outcome.message.ends_with("no greeting within 200 ms"), "{}", outcome.message);
    }
}
