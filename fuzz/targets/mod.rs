//! What is fuzzed: a row for each target, and what all of them need.

use std::fmt::{self, Debug, Write as _};

mod api;
mod protocols;
mod server;
mod sinks;
mod sources;
mod text;
mod tls;
mod tree;

/// Plays inputs, one after the other.
pub trait Play {
    /// Gives the input to the code. Returns what kind of outcome that was, as a hash: inputs with a new kind are kept.
    ///
    /// # Errors
    /// What must hold does not.
    fn play(&mut self, input: &[u8]) -> Result<u64, String>;
}

impl<F: FnMut(&[u8]) -> Result<u64, String>> Play for F {
    fn play(&mut self, input: &[u8]) -> Result<u64, String> {
        self(input)
    }
}

/// One target.
pub struct Target {
    pub name: &'static str,
    /// Longest input, in bytes.
    pub longest: usize,
    /// Inputs of the short run, besides the files of the corpus; 0: it has none.
    pub short: usize,
    /// Its part of the time, beside the others'.
    pub share: f64,
    /// Folders that have good inputs besides `fuzz/corpus/NAME`.
    pub seeds: &'static [&'static str],
    /// What stands in inputs.
    pub words: &'static [&'static str],
    /// What it asks runs in the prober alone.
    pub in_prober: bool,
    pub make: fn() -> Box<dyn Play>,
}

const fn target(name: &'static str, words: &'static [&'static str], make: fn() -> Box<dyn Play>) -> Target {
    Target { name, longest: 16 * 1024, short: 1000, share: 1.0, seeds: &[], words, in_prober: false, make }
}

const fn asked(name: &'static str, words: &'static [&'static str], make: fn() -> Box<dyn Play>) -> Target {
    Target { short: 150, in_prober: true, ..target(name, words, make) }
}

/// All targets.
pub static TARGETS: [Target; 45] = [
    Target {
        longest: 65_536,
        short: 500,
        seeds: &["config/recipes"],
        ..target("unit-file", text::UNIT, text::unit_file)
    },
    Target { longest: 65_536, short: 500, ..target("settings", text::SETTINGS, text::settings) },
    Target { longest: 65_536, ..target("monit", text::MONIT, text::monit) },
    Target { longest: 65_536, short: 300, ..target("supervisord", text::SUPERVISORD, text::supervisord) },
    Target { longest: 65_536, ..target("god", text::GOD, text::god) },
    Target { longest: 65_536, ..target("transcript", text::TRANSCRIPT, text::transcript) },
    target("mounts", text::MOUNTS, text::mounts),
    target("process", text::PROCESS, text::process),
    target("tables", text::TABLES, text::tables),
    target("groups", text::GROUPS, text::groups),
    target("journal", text::JOURNAL, text::journal),
    target("escape", text::ESCAPE, text::escape),
    Target { short: 150, ..target("redact", text::REDACT, text::redact) },
    target("heard", text::HEARD, text::heard),
    Target { short: 1000, ..target("asked", text::ASKED, text::asked) },
    Target { short: 300, ..target("links", tree::WORDS, tree::links) },
    Target { short: 300, ..target("api", api::WORDS, api::requests) },
    asked("redis", protocols::REDIS, protocols::redis),
    asked("memcached", protocols::MEMCACHED, protocols::memcached),
    asked("postgres", protocols::POSTGRES, protocols::postgres),
    asked("mysql", protocols::MYSQL, protocols::mysql),
    Target { seeds: &["fuzz/corpus/mysql"], ..asked("mysql-tcp", protocols::MYSQL, protocols::mysql_tcp) },
    asked("http", protocols::HTTP, protocols::http),
    asked("rabbitmq", protocols::RABBITMQ, protocols::rabbitmq),
    asked("amqp", protocols::AMQP, protocols::amqp),
    Target { short: 100, ..asked("amqp-greeting", protocols::AMQP, protocols::amqp_greeting) },
    asked("smtp", protocols::SMTP, protocols::smtp),
    asked("imap", protocols::IMAP, protocols::imap),
    asked("pop3", protocols::POP3, protocols::pop3),
    asked("ssh", protocols::SSH, protocols::ssh),
    Target { seeds: &["fuzz/corpus/http"], ..asked("depth-http", protocols::HTTP, sources::http) },
    Target { seeds: &["fuzz/corpus/redis"], ..asked("depth-redis", protocols::REDIS, sources::redis) },
    Target {
        seeds: &["fuzz/corpus/rabbitmq"],
        ..asked("depth-rabbitmq", protocols::RABBITMQ, sources::rabbitmq)
    },
    Target {
        seeds: &["fuzz/corpus/postgres"],
        ..asked("depth-postgres", protocols::POSTGRES, sources::postgres)
    },
    Target { seeds: &["fuzz/corpus/mysql"], ..asked("depth-mysql", protocols::MYSQL, sources::mysql) },
    target("depth-command", sources::SAMPLE, sources::sample),
    asked("mail", sinks::MAIL, sinks::mail),
    Target { short: 20, seeds: &["fuzz/corpus/tls"], ..asked("mail-tls", sinks::MAIL, sinks::mail_tls) },
    asked("webhook", sinks::POST, sinks::webhook),
    Target { seeds: &["fuzz/corpus/webhook"], ..asked("alertmanager", sinks::POST, sinks::alertmanager) },
    Target { seeds: &["fuzz/corpus/webhook"], ..asked("sentry", sinks::POST, sinks::sentry) },
    Target { seeds: &["fuzz/corpus/webhook"], ..asked("heartbeat", sinks::POST, sinks::heartbeat) },
    asked("tls", tls::HELLO, tls::hello),
    Target { short: 100, in_prober: true, ..target("certificate", tls::CERTIFICATE, tls::certificate) },
    Target { seeds: &["fuzz/corpus/http"], ..asked("page", protocols::HTTP, protocols::page) },
];

pub fn named(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Bytes of an outcome that tell its kind.
const TELLING: usize = 400;

/// The kind of an outcome: its text without figures and without what is quoted in it.
pub fn shape(told: &str) -> u64 {
    let mut quoted = false;
    let mut kind = Vec::with_capacity(TELLING);
    for byte in told.bytes().take(TELLING) {
        quoted ^= byte == b'"';
        if !quoted && !byte.is_ascii_digit() {
            kind.push(byte);
        }
    }
    hash(&kind)
}

/// The kind of what `{:?}` shows, of which no more is written than tells it.
pub fn shape_of(shown: &impl Debug) -> u64 {
    let mut beginning = Beginning(String::with_capacity(2 * TELLING));
    // It ends with an error where it is longer.
    let _whole = write!(beginning, "{shown:?}");
    shape(&beginning.0)
}

/// Takes the beginning of a text.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.push_str(part);
        if self.0.len() < TELLING { Ok(()) } else { Err(fmt::Error) }
    }
}

/// What people are shown has no character that steers a terminal.
pub fn harmless(shown: &str) -> Result<(), String> {
    match shown.chars().find(|character| character.is_control()) {
        Some(character) => Err(format!("{character:?} is shown: {shown:?}")),
        None => Ok(()),
    }
}

/// A message has no such character, and an end.
pub fn message(told: &str) -> Result<u64, String> {
    harmless(told)?;
    if told.chars().count() > 300 {
        return Err(format!("a message without end: {told:?}"));
    }
    Ok(shape(told))
}
