//! One structured journal entry per finding, decision and action; on a terminal the same to standard error.

use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::native::Native;
use super::writer::Writer;
use crate::model::incident::{Event, EventKind};
use crate::model::unit::UnitName;

/// What waits to be written when we end is given this long.
const LAST: Duration = Duration::from_secs(2);

/// Where the log goes, until it is dropped: then what waits is written.
#[derive(Debug)]
pub struct Log(Option<Writer>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(writer) = &self.0 {
            writer.finish(LAST);
        }
    }
}

/// Starts logging: to the journal, or to standard error where that is a terminal or there is no journal.
/// `STEADFAST_LOG` (such as `debug`) tells how much.
pub fn begin() -> Log {
    let filter = EnvFilter::try_from_env("STEADFAST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = if io::stderr().is_terminal() { None } else { Native::start() };
    let writer = match &journal {
        Some(journal) => Some(journal.writer().clone()),
        None => {
            Writer::start(|line| io::stderr().write_all(line), |said| format!("{said}\n").into_bytes()).ok()
        }
    };
    let stderr = writer.clone().filter(|_| journal.is_none());
    let stderr = stderr.map(|writer| tracing_subscriber::fmt::layer().with_writer(writer).with_target(false));
    // A second start in the same process keeps the first.
    drop(tracing_subscriber::registry().with(filter).with(journal).with(stderr).try_init());
    Log(writer)
}

/// Writes one event.
pub fn record(event: &Event) {
    let unit = event.unit.as_ref().map(UnitName::as_str);
    let code = event.code.map(|code| code.as_str());
    let message = match (event.kind, code) {
        (EventKind::Found, Some(code)) => format!("{code}: {}", event.message),
        _ => event.message.clone(),
    };
    let (kind, message_id, incident) = (event.kind.as_str(), message_id(event.kind), event.incident);
    match event.kind {
        EventKind::Found => tracing::warn!(
            object_systemd_unit = unit,
            steadfast_code = code,
            steadfast_incident = incident,
            steadfast_kind = kind,
            message_id,
            "{message}"
        ),
        EventKind::Cleared
        | EventKind::Decided
        | EventKind::Acted
        | EventKind::Outcome
        | EventKind::Notice
        | EventKind::Deployed
        | EventKind::Changed
        | EventKind::Operated
        | EventKind::Ran
        | EventKind::Measured
        | EventKind::Told => {
            tracing::info!(
                object_systemd_unit = unit,
                steadfast_code = code,
                steadfast_incident = incident,
                steadfast_kind = kind,
                message_id,
                "{message}"
            );
        }
    }
}

/// `MESSAGE_ID=` of each kind of event.
fn message_id(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Found => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f01",
        EventKind::Cleared => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f02",
        EventKind::Decided => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f03",
        EventKind::Acted => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f04",
        EventKind::Outcome => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f05",
        EventKind::Notice => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f06",
        EventKind::Deployed => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f07",
        EventKind::Changed => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f08",
        EventKind::Ran => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f09",
        EventKind::Measured => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f0a",
        EventKind::Operated => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f0c",
        EventKind::Told => "5d5f1c6e0a5b4d7e9f1a3c2b4e6d8f0b",
    }
}
