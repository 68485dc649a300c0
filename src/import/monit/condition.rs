//! `if failed host H port P protocol http …`: the question that it asks, as a probe.

use crate::model::adopt::{Key, Table, Value};

use super::super::values::{address, probe, unit_seconds};
use super::tokens::Token;
use crate::model::span::written;

/// What the check is about.
#[derive(Clone, Debug)]
pub struct Place {
    pub entry_kind: String,
    /// The address of a host, the path of a file.
    pub subject: Option<String>,
}

/// Why a condition stays behind.
pub fn why_not(rest: &[&str]) -> &'static str {
    match rest.first().copied().unwrap_or_default() {
        "cpu" | "mem" | "memory" | "totalmem" | "totalmemory" | "totalcpu" | "children" | "threads"
        | "swap" => {
            "Steadfast restarts what does not work, not what is big: MemoryMax=, CPUQuota= and TasksMax= of the unit are the limits"
        }
        "loadavg" => "the load of the machine says nothing of a unit",
        "uptime" => "a young process is no trouble by itself; restarts are counted by [recovery]",
        "changed" | "pid" | "ppid" => {
            "a new process is what systemd's restarts make; they are counted by [recovery]"
        }
        "size" | "content" | "match" | "checksum" => {
            "Steadfast does not look into files; [probe.NAME] with journal reads the unit's log"
        }
        "disk" | "read" | "write" | "service" => "rates of a disk say nothing of whether the unit works",
        "link" | "saturation" | "upload" | "download" => "Steadfast does not watch network links",
        _ => "Steadfast has nothing like it",
    }
}

/// The words of one condition, asked by name.
struct Words<'t>(&'t [Token]);

impl Words<'_> {
    fn after(&self, names: &[&str]) -> Option<&str> {
        super::after(self.0, names)
    }

    fn has(&self, word: &str) -> bool {
        self.0.iter().any(|token| !token.quoted && token.lower == word)
    }

    /// `with timeout 15 seconds`
    fn seconds(&self, name: &str) -> Option<u64> {
        let at = self.0.iter().position(|token| token.lower == name)?;
        let number: u64 = self.0.get(at + 1)?.lower.parse().ok()?;
        let unit = self.0.get(at + 2).and_then(|token| unit_seconds(&token.lower)).unwrap_or(1);
        Some(number.saturating_mul(unit))
    }

    /// `for 3 cycles`, `3 times within 5 cycles`
    fn times(&self) -> Option<i64> {
        let at = self.0.iter().position(|token| matches!(token.lower.as_str(), "cycles" | "cycle"))?;
        let times = self.0.iter().position(|token| matches!(token.lower.as_str(), "times" | "time"));
        let number = self.0.get(times.unwrap_or(at).checked_sub(1)?)?;
        number.lower.parse().ok().filter(|times| *times > 0)
    }

    /// What monit does about it; `exec` cannot be done here.
    fn action(&self) -> &str {
        let then = self.0.iter().position(|token| token.lower == "then");
        then.and_then(|at| self.0.get(at + 1)).map_or("alert", |token| token.lower.as_str())
    }

    fn common(&self, keys: &mut Vec<Key>, seen: &str) {
        if let Some(times) = self.times() {
            keys.push(Key::number("failure_threshold", times, seen));
        }
        if let Some(timeout) = self.seconds("timeout").filter(|seconds| *seconds > 0) {
            keys.push(Key::text("timeout", written(timeout), seen));
            keys.push(Key::text("period", written(timeout.saturating_mul(3).max(10)), "above the timeout"));
        }
        if !matches!(self.action(), "restart" | "start") {
            keys.push(Key::text("on_failure", "alert", seen));
        }
    }
}

/// `if failed …`
///
/// # Errors
/// Why it cannot be taken over.
pub fn failed(statement: &[Token], line: usize, place: &Place) -> Result<Table, String> {
    let words = Words(statement);
    let seen = format!("monit, line {line}");
    if words.action() == "exec" {
        return Err(
            "it runs a command of its own: [alert.NAME] with type = \"command\" in steadfast.toml does"
                .to_owned(),
        );
    }
    for (word, why) in [
        ("ping", "an echo says nothing of a service"),
        ("icmp", "an echo says nothing of a service"),
        ("ping4", "an echo says nothing of a service"),
        ("ping6", "an echo says nothing of a service"),
        ("checksum", "Steadfast does not look into files"),
        ("permission", "Steadfast does not look after the rights of files"),
        ("perm", "Steadfast does not look after the rights of files"),
        ("udp", "UDP does not show whether anything listens"),
        ("send", "a conversation of one's own is a command: [probe.NAME] with command"),
    ] {
        if words.has(word) {
            return Err(why.to_owned());
        }
    }
    let mut keys = Vec::new();
    let name = if let Some(path) = words.after(&["unixsocket", "unix"]) {
        keys.push(Key::text("unix", path, &seen));
        "socket".to_owned()
    } else if let Some(url) = words.after(&["url"]).filter(|url| url.contains("://")) {
        http(&mut keys, &words, url.to_owned(), &seen)?;
        "page".to_owned()
    } else if let Some(port) = words.after(&["port"]).filter(|port| port.parse::<u16>().is_ok()) {
        let subject = place.subject.as_deref().filter(|_| place.entry_kind == "check host");
        let host = words.after(&["host"]).or(subject).unwrap_or("127.0.0.1");
        by_port(&mut keys, &words, host, port, &seen)?
    } else {
        return Err("Steadfast has nothing like it".to_owned());
    };
    words.common(&mut keys, &seen);
    Ok(probe(&name, keys))
}

/// A port, by what is spoken there.
fn by_port(
    keys: &mut Vec<Key>,
    words: &Words<'_>,
    host: &str,
    port: &str,
    seen: &str,
) -> Result<String, String> {
    let protocol = words.after(&["protocol", "proto"]).unwrap_or("default").to_ascii_lowercase();
    let at = address(host, port);
    let tls = words.has("tcpssl") || words.has("ssl") || words.has("tls");
    match protocol.as_str() {
        "http" | "https" | "apache-status" => {
            let scheme = if protocol == "https" || tls { "https" } else { "http" };
            let path = words.after(&["request"]).unwrap_or("/");
            let slash = if path.starts_with('/') { "" } else { "/" };
            http(keys, words, format!("{scheme}://{at}{slash}{path}"), seen)?;
            return Ok("page".to_owned());
        }
        "redis" => keys.push(Key::text("redis", format!("redis://{at}"), seen)),
        "memcache" | "memcached" => keys.push(Key::text("memcached", at, seen)),
        "amqp" | "rabbitmq" => keys.push(Key::text("amqp", format!("amqp://{at}"), seen)),
        "default" => keys.push(Key::text("tcp", at, seen)),
        other => {
            let seen =
                format!("{seen}: only whether it accepts a connection, what {other} answers is not asked");
            keys.push(Key::text("tcp", at, seen));
        }
    }
    let name = if protocol == "default" { format!("port-{port}") } else { protocol };
    Ok(name)
}

fn http(keys: &mut Vec<Key>, words: &Words<'_>, url: String, seen: &str) -> Result<(), String> {
    if words.has("content") || words.has("hostheader") || words.has("checksum") {
        return Err("Steadfast compares no pages and sets no header: `json`, `content_type` and `status` are what a probe asks".to_owned());
    }
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if authority.contains('@') {
        return Err("a password stands in no unit file: others may read it".to_owned());
    }
    let secure = url.starts_with("https://");
    keys.push(Key::text("http", url, seen));
    let status = words.after(&["status"]).and_then(|status| status.parse::<i64>().ok());
    match status {
        Some(status) => keys.push(Key::number("status", status, seen)),
        None => {
            let seen = format!("{seen}: monit takes anything below 400 for right");
            keys.push(Key::text("status", "200-399", seen));
        }
    }
    let days = words
        .0
        .iter()
        .position(|token| token.lower == "valid")
        .and_then(|at| words.0.iter().skip(at).find_map(|token| token.lower.parse::<u64>().ok()));
    if let Some(days) = days.filter(|_| secure) {
        keys.push(Key::text("min_validity", format!("{days}d"), seen));
    }
    Ok(())
}

/// `if space usage > 90% …`, `if timestamp > 15 minutes …`
///
/// # Errors
/// Why it cannot be taken over.
pub fn figure(statement: &[Token], line: usize, path: Option<&str>) -> Result<Table, String> {
    let words = Words(statement);
    let seen = format!("monit, line {line}");
    let path = path.filter(|path| path.starts_with('/')).ok_or("it has no path")?;
    let number = statement.iter().find_map(|token| {
        let text = token.lower.trim_start_matches(['>', '=']).trim_end_matches('%');
        Some((token, text.parse::<i64>().ok()?))
    });
    let (token, number) = number.ok_or("it names no figure")?;
    let first = statement.get(1).map_or("", |token| token.lower.as_str());
    if matches!(first, "timestamp" | "mtime") {
        let at = statement.iter().position(|known| known == token).unwrap_or(0);
        let unit = statement.get(at + 1).and_then(|token| unit_seconds(&token.lower)).unwrap_or(1);
        if words.has("<") {
            return Err("only a file that is too old is unhealthy".to_owned());
        }
        let age = u64::try_from(number).unwrap_or(0).saturating_mul(unit);
        let mut keys = vec![Key::text("file", path, &seen), Key::text("max_age", written(age), &seen)];
        words.common(&mut keys, &seen);
        return Ok(probe("written", keys));
    }
    let percent = token.lower.ends_with('%') && (1..100).contains(&number);
    if !percent {
        return Err("only a percentage is taken over: write min_free yourself".to_owned());
    }
    if path.starts_with("/dev/") {
        return Err(format!("{path} is a device: a probe asks the directory where it is mounted"));
    }
    let key = if first == "space" { "disk" } else { "inodes" };
    let free = Value::Text(format!("{}%", 100 - number));
    let keys = vec![
        Key::text(key, path, &seen),
        Key { name: "min_free".to_owned(), value: free, seen: seen.clone() },
    ];
    Ok(probe(if first == "space" { "room" } else { "inodes" }, keys))
}
