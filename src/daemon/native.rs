//! The journal's own protocol: each event of `tracing` becomes one datagram of fields, harmless to whoever reads it.

use std::fmt::{Debug, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::writer::Writer;
use crate::escape;

/// Where journald takes them.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Bytes of one field: all of an entry fit into one datagram. Longer ones are cut, and say so.
const FIELD: usize = 32 * 1024;
/// What stands for the rest.
const CUT: &str = "… (cut)";

/// Hands each event in as an entry.
#[derive(Debug)]
pub struct Native(Writer);

impl Native {
    /// `None`: there is no journal here.
    pub fn start() -> Option<Self> {
        let socket = UnixDatagram::unbound().ok()?;
        // An empty entry is ignored; this tells whether anybody takes it. It must not wait for that.
        socket.set_nonblocking(true).ok()?;
        let asked = socket.send_to(&[], JOURNAL).map(drop);
        if asked.or_else(full).is_err() {
            return None;
        }
        socket.set_nonblocking(false).ok()?;
        let put = move |entry: &[u8]| socket.send_to(entry, JOURNAL).map(drop);
        Writer::start(put, notice).ok().map(Self)
    }

    /// Where entries are handed in.
    pub fn writer(&self) -> &Writer {
        &self.0
    }
}

/// It is there, and takes nothing just now.
fn full(why: io::Error) -> io::Result<()> {
    if why.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(why) }
}

impl<S: Subscriber> Layer<S> for Native {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::of(event.metadata());
        event.record(&mut entry);
        self.0.hand_in(entry.0);
    }
}

/// A warning of the log itself.
fn notice(sentence: &str) -> Vec<u8> {
    let mut entry = Entry::default();
    entry.begin(&Level::WARN);
    entry.put("MESSAGE", sentence);
    entry.0
}

/// The fields of one entry, each with its length before its value.
#[derive(Debug, Default)]
struct Entry(Vec<u8>);

impl Entry {
    fn of(metadata: &Metadata<'_>) -> Self {
        let mut entry = Self::default();
        entry.begin(metadata.level());
        entry.put("TARGET", metadata.target());
        if let Some(file) = metadata.file() {
            entry.put("CODE_FILE", file);
        }
        if let Some(line) = metadata.line() {
            entry.put("CODE_LINE", &line.to_string());
        }
        entry
    }

    fn begin(&mut self, level: &Level) {
        let priority = match *level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "5",
            Level::DEBUG => "6",
            Level::TRACE => "7",
        };
        self.put("PRIORITY", priority);
        self.put("SYSLOG_IDENTIFIER", "steadfast");
    }

    fn put(&mut self, name: &str, value: &str) {
        let mut value = escape::lines(value);
        if value.len() > FIELD {
            let mut end = FIELD;
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            value.truncate(end);
            value.push_str(CUT);
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Of names of ours there are no others than these; journald takes capitals, digits and underscores.
        let name = field.name().to_ascii_uppercase().replace('.', "_");
        self.put(name.trim_start_matches('_'), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _infallible = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_12_an_entry_steers_no_terminal_and_is_of_bounded_length() {
        let mut entry = Entry::default();
        entry.put("MESSAGE", "a\u{1b}[31m\u{9b}b\u{202e}");
        let value = b"a\\u{1b}[31m\\u{9b}b\\u{202e}";
        let mut wanted = b"MESSAGE\n".to_vec();
        wanted.extend_from_slice(&(value.len() as u64).to_le_bytes());
        wanted.extend_from_slice(value);
        wanted.push(b'\n');
        assert_eq!(entry.0, wanted);
        let mut long = Entry::default();
        long.put("MESSAGE", &"ü".repeat(FIELD));
        assert!(long.0.len() < FIELD + 64 && long.0.ends_with("ü… (cut)\n".as_bytes()));
    }
}
