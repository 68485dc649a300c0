//! `on.condition(:http_response_code)`: the question that it asks, as a probe.

use std::collections::BTreeMap;

use crate::model::adopt::{Entry, Key, Value};

use super::super::values::{address, probe};
use super::ruby::{Said, assigned, literal, seconds, size};
use crate::model::span::written;

/// Why limits of memory and processor stay behind.
pub const RESOURCES: &str = "Steadfast restarts what does not work, not what is big: MemoryMax= and CPUQuota= of the unit are the limits";

/// A condition, line by line.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    line: usize,
    written: String,
    kind: String,
    /// The state that it leads to.
    leads_to: String,
    said: BTreeMap<String, String>,
}

impl Asked {
    pub fn new(line: usize, written: &str, kind: &str, leads_to: String) -> Self {
        let written = written.split(" do").next().unwrap_or(written).to_owned();
        Self { line, written, kind: kind.to_owned(), leads_to, said: BTreeMap::new() }
    }

    pub fn is_flapping(&self) -> bool {
        self.kind == "flapping"
    }

    /// `c.above = 150.megabytes`; the plain text of it where it is one.
    pub fn line(&mut self, line: &str, known: &BTreeMap<String, String>) {
        if let Some((_, name, value)) = assigned(line) {
            let value = match literal(value, known) {
                Said::Text(text) => text,
                Said::Number(number) => number.to_string(),
                Said::Other => value.to_owned(),
            };
            self.said.insert(name.to_owned(), value);
        }
    }

    fn said(&self, name: &str) -> Option<&str> {
        self.said.get(name).map(String::as_str)
    }

    fn seen(&self) -> String {
        format!("condition {} of god, line {}", self.kind, self.line)
    }

    /// All of it was read: what it becomes.
    pub fn end(self, entry: &mut Entry) {
        let (line, written) = (self.line, self.written.as_str());
        match self.kind.as_str() {
            "process_running" | "process_exits" | "always" | "tries" => {
                entry.took(line, written, "the condition Active: systemd knows when it ends");
            }
            "memory_usage" | "cpu_usage" => {
                let limit = self.said("above").unwrap_or_default();
                let limit = match (self.kind.as_str(), size(limit)) {
                    ("memory_usage", Some(size)) => format!("{RESOURCES} (MemoryMax={size})"),
                    _ => RESOURCES.to_owned(),
                };
                entry.leave(line, written, limit);
            }
            "http_response_code" => self.http(entry),
            "socket_responding" => self.socket(entry),
            "disk_usage" => self.disk(entry),
            "file_touched" | "file_mtime" => self.file(entry),
            "flapping" if entry.tables.iter().any(|table| table.name == "recovery") => {}
            "lambda" | "complex" => entry.leave(line, written, "it is Ruby that would have to be run"),
            _ => entry.leave(line, written, "Steadfast has nothing like it"),
        }
    }

    /// How the answer leads to an order, and how often it must be wrong for that.
    fn common(&self, keys: &mut Vec<Key>, seen: &str) {
        let times = self.said("times").map(|times| times.trim_matches(['[', ']']));
        let times = times.and_then(|times| times.split(',').next()?.trim().parse::<i64>().ok());
        if let Some(times) = times.filter(|times| *times > 0) {
            keys.push(Key::number("failure_threshold", times, seen));
        }
        if let Some(seconds) = self.said("timeout").and_then(seconds) {
            keys.push(Key::text("timeout", written(seconds), seen));
            keys.push(Key::text("period", written(seconds.saturating_mul(3).max(10)), "above the timeout"));
        }
        if !matches!(self.leads_to.as_str(), "restart" | "start" | "") {
            keys.push(Key::text("on_failure", "alert", seen));
        }
    }

    fn http(self, entry: &mut Entry) {
        let seen = self.seen();
        let host = self.said("host").unwrap_or("127.0.0.1");
        let scheme = if self.said("ssl") == Some("true") { "https" } else { "http" };
        let path = self.said("path").unwrap_or("/");
        let port = self.said("port").map_or_else(String::new, |port| format!(":{port}"));
        let mut keys = vec![Key::text("http", format!("{scheme}://{host}{port}{path}"), &seen)];
        if let Some(code) = self.said("code_is_not").and_then(codes) {
            keys.push(Key { name: "status".to_owned(), value: code, seen: seen.clone() });
        } else if let Some(code) = self.said("code_is") {
            let why = format!(
                "code_is = {code} names what is wrong; a probe names what is right: write `status` yourself"
            );
            entry.leave(self.line, &self.written, why);
        }
        self.common(&mut keys, &seen);
        entry.take(self.line, &self.written, probe("page", keys));
    }

    fn socket(self, entry: &mut Entry) {
        let seen = self.seen();
        let mut keys = Vec::new();
        let named = match (self.said("path"), self.said("port")) {
            (Some(path), _) => {
                keys.push(Key::text("unix", path, &seen));
                "socket".to_owned()
            }
            (None, Some(port)) => {
                let host = self.said("addr").unwrap_or("127.0.0.1");
                keys.push(Key::text("tcp", address(host, port), &seen));
                format!("port-{port}")
            }
            (None, None) => {
                entry.leave(self.line, &self.written, "it names no port and no path");
                return;
            }
        };
        self.common(&mut keys, &seen);
        entry.take(self.line, &self.written, probe(&named, keys));
    }

    fn disk(self, entry: &mut Entry) {
        let seen = self.seen();
        let above: Option<i64> =
            self.said("above").and_then(|above| above.split('.').next()?.trim_end_matches('%').parse().ok());
        match (self.said("mount_point"), above.filter(|above| (1..100).contains(above))) {
            (Some(path), Some(above)) => {
                let free = format!("{}%", 100 - above);
                let keys = vec![Key::text("disk", path, &seen), Key::text("min_free", free, &seen)];
                entry.take(self.line, &self.written, probe("room", keys));
            }
            _ => entry.leave(self.line, &self.written, "it names no mount point and no percentage"),
        }
    }

    fn file(self, entry: &mut Entry) {
        let seen = self.seen();
        match (self.said("path"), self.said("max_age").and_then(seconds)) {
            (Some(path), Some(age)) => {
                let mut keys =
                    vec![Key::text("file", path, &seen), Key::text("max_age", written(age), &seen)];
                self.common(&mut keys, &seen);
                entry.take(self.line, &self.written, probe("heartbeat", keys));
            }
            _ if self.kind == "file_touched" => {
                entry.leave(
                    self.line,
                    &self.written,
                    "`systemctl restart` and releases take the place of a file that is touched",
                );
            }
            _ => entry.leave(self.line, &self.written, "it names no path and no age"),
        }
    }
}

/// `200`, `%w(200 304)`, `[200, 301]`: one status, or the range that holds them all.
fn codes(said: &str) -> Option<Value> {
    let codes: Vec<i64> =
        said.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let (first, last) = (codes.iter().min()?, codes.iter().max()?);
    Some(if first == last { Value::Number(*first) } else { Value::Text(format!("{first}-{last}")) })
}
