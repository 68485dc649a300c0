//! What comes from the daemon and the journal, as it comes; a daemon that is away is tried again.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::api::client::Client;
use crate::api::render::text::{clean, cleaned};
use crate::api::wire::{Event, Reply, ReplyResult, Status, Unit};

use super::ask::Order;

/// Messages that wait.
pub const WAITING: usize = 64;
/// A daemon that is away is tried again after this, doubled up to that.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// Lines of the journal to begin with.
const LINES: &str = "100";

/// What comes.
#[derive(Debug)]
pub enum Came {
    /// The stream of events is open: what was shown may be old.
    Connected,
    Event(Event),
    Away(String),
    Status(Box<Status>),
    Unit(Box<Unit>),
    /// The picture could not be read.
    Unread(String),
    /// What became of an order.
    Done(String),
    /// A line of the journal of this unit.
    Line(String, String),
}

/// Follows the events until nobody listens.
pub async fn follow(client: Client, tell: mpsc::Sender<Came>) {
    let (mut last, mut pause) = (Some(0), AGAIN);
    loop {
        let why = match client.events(None, last).await {
            Err(why) => why.to_string(),
            Ok(mut events) => {
                pause = AGAIN;
                if tell.send(Came::Connected).await.is_err() {
                    return;
                }
                loop {
                    match events.next().await {
                        Ok(Some(event)) => {
                            last = Some(event.id);
                            let Ok(event) = cleaned(&event) else {
                                continue;
                            };
                            if tell.send(Came::Event(event)).await.is_err() {
                                return;
                            }
                        }
                        Ok(None) => break "the supervisor has stopped".to_owned(),
                        Err(why) => break why.to_string(),
                    }
                }
            }
        };
        if tell.send(Came::Away(clean(&why))).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Reads the whole picture, and the chosen unit.
pub async fn read(client: Client, unit: Option<String>, tell: mpsc::Sender<Came>) {
    let came = match client.status().await.map(|status| cleaned(&status)) {
        Ok(Ok(status)) => Came::Status(Box::new(status)),
        Ok(Err(why)) => Came::Unread(clean(&why.to_string())),
        Err(why) => Came::Unread(clean(&why.to_string())),
    };
    drop(tell.send(came).await);
    if let Some(unit) = unit {
        look(client, unit, tell).await;
    }
}

/// Reads the chosen unit.
pub async fn look(client: Client, unit: String, tell: mpsc::Sender<Came>) {
    // One that is gone is gone from the picture as well.
    if let Ok(Ok(unit)) = client.unit(&unit).await.map(|unit| cleaned(&unit)) {
        drop(tell.send(Came::Unit(Box::new(unit))).await);
    }
}

/// Gives an order and says what became of it.
pub async fn give(client: Client, order: Order, tell: mpsc::Sender<Came>) {
    let said = match order.give(&client).await {
        Ok(Reply { result: ReplyResult::Done, message, .. }) => format!("{}: {message}", order.said()),
        Ok(Reply { message, .. }) => format!("{} did not work: {message}", order.said()),
        Err(why) => format!("cannot {}: {why}", order.said()),
    };
    drop(tell.send(Came::Done(clean(&said))).await);
}

/// Follows the journal of a unit; it ends with what is returned.
#[must_use]
pub fn journal(user: bool, unit: String, tell: mpsc::Sender<Came>) -> Option<Child> {
    let mut command = Command::new("journalctl");
    if user {
        command.arg("--user");
    }
    command.args([
        "--unit",
        &unit,
        "--follow",
        "--lines",
        LINES,
        "--output",
        "short",
        "--quiet",
        "--no-pager",
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => {
            drop(tell.try_send(Came::Line(unit, format!("cannot run journalctl: {why}"))));
            return None;
        }
    };
    let (out, err) = (child.stdout.take()?, child.stderr.take()?);
    let both = [tokio::spawn(lines(out, unit.clone(), tell.clone())), tokio::spawn(lines(err, unit, tell))];
    drop(both);
    Some(child)
}

async fn lines(from: impl tokio::io::AsyncRead + Unpin, unit: String, tell: mpsc::Sender<Came>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let text = clean(String::from_utf8_lossy(&line).trim_end());
        if tell.send(Came::Line(unit.clone(), text)).await.is_err() {
            return;
        }
    }
}
