//! god's configuration: Ruby, read as text. What Ruby would have to work out stays behind.

mod condition;
mod ruby;

use std::collections::BTreeMap;

use crate::model::adopt::{Entry, Foreign, Left};

use super::values::budget;
use ruby::{Said, assigned, call, literal, seconds, symbol};

pub use ruby::{closes, opens};

/// Blocks in blocks.
const DEPTH: usize = 16;

/// What a block is for.
#[derive(Clone, Debug, PartialEq)]
enum Block {
    Watch,
    /// `w.start_if`, `w.restart_if`, `w.transition(:up, :restart)`, `w.lifecycle`: what a condition in it leads to.
    Leads(String),
    /// `on.condition(:memory_usage)`.
    Condition(condition::Asked),
    /// A loop, an `if`, anything else of Ruby.
    Other,
}

/// What `w.name = "…"` names in this line.
pub fn name(line: &str) -> Option<String> {
    let (receiver, attribute, value) = assigned(line)?;
    let plain = !receiver.is_empty() && attribute == "name";
    match literal(value, &BTreeMap::new()) {
        Said::Text(text) if plain => Some(text),
        Said::Text(_) | Said::Number(_) | Said::Other => None,
    }
}

/// Reads the file.
pub fn read(text: &str) -> Foreign {
    let mut reader = Reader::default();
    let mut embedded = false;
    for (number, raw) in (1..).zip(text.lines()) {
        if raw.starts_with("=begin") || raw.starts_with("=end") {
            embedded = raw.starts_with("=begin");
            continue;
        }
        if raw.trim() == "__END__" {
            break;
        }
        let line = ruby::uncommented(raw).trim();
        if !embedded && !line.is_empty() {
            for line in ruby::lines(line) {
                reader.line(number, &line);
            }
        }
    }
    if let Some(entry) = reader.entry.take() {
        reader.foreign.left.push(Left::new(entry.line, "God.watch do", "its `end` is missing"));
        reader.foreign.entries.push(entry);
    }
    reader.foreign
}

#[derive(Default)]
struct Reader {
    foreign: Foreign,
    blocks: Vec<Block>,
    entry: Option<Entry>,
    /// Plain texts that were given a name at the top.
    known: BTreeMap<String, String>,
    /// `n.times`, `%w{…}.each`: how the watch below comes to be several.
    looped: Option<(usize, String)>,
    /// `c.times` and `c.within` of a flapping condition come one by one.
    flapping: (Option<u64>, Option<u64>),
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        if closes(line) {
            self.close();
            return;
        }
        if opens(line) {
            self.open(number, line);
            return;
        }
        if self.entry.is_some() {
            self.inside(number, line);
        } else {
            self.outside(number, line);
        }
    }

    fn open(&mut self, number: usize, line: &str) {
        let called = call(line);
        let block = match &called {
            Some((receiver, "watch", _)) if *receiver == "God" && self.entry.is_none() => {
                let entry = Entry { line: number, kind: "God.watch".to_owned(), ..Entry::default() };
                self.entry = Some(entry);
                Block::Watch
            }
            Some((_, "start_if", _)) => Block::Leads("start".to_owned()),
            Some((_, "restart_if", _)) => Block::Leads("restart".to_owned()),
            Some((_, "stop_if", _)) => Block::Leads("stop".to_owned()),
            Some((_, "lifecycle", _)) => Block::Leads("lifecycle".to_owned()),
            Some((_, "transition", arguments)) => {
                let target = arguments.rsplit([',', '>', '(']).find_map(symbol);
                Block::Leads(target.unwrap_or("transition").to_owned())
            }
            Some((_, "condition", arguments)) => {
                let kind = symbol(arguments).unwrap_or_default();
                self.flapping = (None, None);
                Block::Condition(condition::Asked::new(number, line, kind, self.leads_to()))
            }
            Some(("God", "contact", _)) => {
                let why = "alert receivers are set in steadfast.toml, [alert.NAME]";
                self.foreign.left.push(Left::new(number, line, why));
                Block::Other
            }
            Some(_) | None => {
                if self.entry.is_none() && (line.contains(".each") || line.contains(".times")) {
                    self.looped = Some((number, line.to_owned()));
                } else if let Some(entry) = &mut self.entry {
                    entry.leave(number, line, "it is Ruby that would have to be run");
                }
                Block::Other
            }
        };
        if self.blocks.len() < DEPTH {
            self.blocks.push(block);
        }
    }

    fn close(&mut self) {
        match self.blocks.pop() {
            Some(Block::Condition(asked)) => {
                if let Some(entry) = &mut self.entry {
                    asked.end(entry);
                }
            }
            Some(Block::Watch) => {
                if let Some(mut entry) = self.entry.take() {
                    if let Some((at, line)) = &self.looped {
                        let why = "the watch stands in a loop that Ruby would have to run: each of its processes needs a unit of its own";
                        entry.leave(*at, line, why);
                    }
                    self.foreign.entries.push(entry);
                }
            }
            Some(Block::Other) if self.blocks.is_empty() => self.looped = None,
            Some(Block::Leads(_) | Block::Other) | None => {}
        }
    }

    fn leads_to(&self) -> String {
        let leads = self.blocks.iter().rev().find_map(|block| match block {
            Block::Leads(to) => Some(to.clone()),
            Block::Watch | Block::Condition(_) | Block::Other => None,
        });
        leads.unwrap_or_default()
    }

    /// Names at the top, contacts, loads.
    fn outside(&mut self, number: usize, line: &str) {
        if let Some((receiver, name, value)) = assigned(line) {
            match literal(value, &self.known) {
                Said::Text(text) if receiver.is_empty() => {
                    self.known.insert(name.to_owned(), text);
                }
                _ if receiver == "God" => {
                    self.foreign.left.push(Left::new(number, line, "a setting of god itself"));
                }
                Said::Text(_) | Said::Number(_) | Said::Other => {}
            }
            return;
        }
        match call(line) {
            Some(("God", "load", _)) | Some(("", "load", _)) => {
                let why =
                    "it includes other files, which are not followed: read each with `adopt --from god FILE`";
                self.foreign.left.push(Left::new(number, line, why));
            }
            Some(_) | None => {}
        }
    }

    /// A line of a watch.
    fn inside(&mut self, number: usize, line: &str) {
        let Some(entry) = &mut self.entry else {
            return;
        };
        if let Some(Block::Condition(asked)) = self.blocks.last_mut() {
            if asked.is_flapping() {
                flapping(&mut self.flapping, entry, number, line);
            } else {
                asked.line(line, &self.known);
            }
            return;
        }
        if let Some((_, name, value)) = assigned(line) {
            attribute(entry, number, line, name, value, &self.known);
        } else if let Some((_, name, arguments)) = call(line) {
            called(entry, number, line, name, arguments);
        } else {
            entry.leave(number, line, "it is not understood");
        }
    }
}

/// `c.times = 5` and `c.within = 5.minutes` of `:flapping` are the budget.
fn flapping(seen: &mut (Option<u64>, Option<u64>), entry: &mut Entry, number: usize, line: &str) {
    let Some((_, name, value)) = assigned(line) else {
        return;
    };
    match name {
        "times" => seen.0 = value.trim().parse().ok(),
        "within" => seen.1 = seconds(value),
        "to_state" | "transition" => return,
        // With `retry_times` and `retry_within`, which say how often.
        "retry_in" => {
            entry.leave(number, line, "after its budget a unit is quarantined; `steadfast resume` ends that");
            return;
        }
        _ => return,
    }
    if let (Some(times), Some(within)) = *seen {
        let known = entry.tables.iter().any(|table| table.name == "recovery");
        if !known {
            entry.take(number, line, budget(times, within, &format!("flapping, line {number}")));
        }
    }
}

/// `w.name = …` and its kin.
fn attribute(
    entry: &mut Entry,
    number: usize,
    line: &str,
    name: &str,
    value: &str,
    known: &BTreeMap<String, String>,
) {
    let text = literal(value, known);
    let ruby = "its value is worked out by Ruby";
    match (name, text) {
        ("name", Said::Text(text)) => entry.name = text,
        ("start", Said::Text(text)) => entry.start = Some(text),
        ("dir", Said::Text(text)) => entry.directory = Some(text),
        ("pid_file", Said::Text(text)) => entry.pidfile = Some(text),
        ("uid", Said::Text(text)) => entry.user = Some(text),
        ("gid", Said::Text(text)) => entry.group = Some(text),
        ("env", _) => match ruby::pairs(value, known) {
            Some(pairs) => entry.environment = pairs,
            None => entry.leave(number, line, ruby),
        },
        ("name", _) => {
            entry.name = value.trim_matches(['"', '\'']).to_owned();
            entry.leave(number, line, ruby);
        }
        ("start" | "dir" | "pid_file" | "uid" | "gid", _) => entry.leave(number, line, ruby),
        ("stop" | "restart", _) => {
            entry.leave(number, line, "systemd stops and restarts it: KillSignal=, ExecStop= of the unit");
        }
        ("log" | "log_cmd" | "err_log" | "err_log_cmd", _) => {
            entry.leave(number, line, "the journal keeps what it writes");
        }
        ("interval", _) => {
            entry.leave(number, line, "each probe has its own period, 10s where nothing is said")
        }
        ("start_grace" | "restart_grace" | "grace", _) => {
            entry.leave(
                number,
                line,
                "a service says when it is ready (Type=notify), or write initial_delay for a probe",
            );
        }
        ("stop_grace" | "stop_timeout" | "stop_signal", _) => {
            entry.leave(number, line, "TimeoutStopSec= and KillSignal= of the unit");
        }
        ("group" | "keepalive" | "autostart" | "umask" | "chroot" | "unix_socket", _) => {
            entry.leave(number, line, other(name));
        }
        _ => entry.leave(number, line, "Steadfast has nothing like it"),
    }
}

fn other(name: &str) -> &'static str {
    match name {
        "group" => "systemd groups units by targets and slices",
        "autostart" => "`systemctl enable` decides what boot starts",
        "umask" => "UMask= of the unit",
        "chroot" => "RootDirectory= of the unit",
        _ => "it is a matter of the unit",
    }
}

/// `w.behavior(:clean_pid_file)`, `w.keepalive(…)`.
fn called(entry: &mut Entry, number: usize, line: &str, name: &str, arguments: &str) {
    match (name, symbol(arguments)) {
        ("condition", Some(kind)) => condition::Asked::new(number, line, kind, String::new()).end(entry),
        ("behavior", Some("clean_pid_file" | "clean_unix_socket")) => {
            entry.took(
                number,
                line,
                "systemd knows the processes of a unit by its control group: nothing to clean",
            );
        }
        ("behavior", _) => entry.leave(number, line, "Steadfast has nothing like it"),
        ("keepalive", _) => {
            entry.took(number, line, "the condition Active");
            if arguments.contains("memory_max") || arguments.contains("cpu_max") {
                entry.leave(number, line, condition::RESOURCES);
            }
        }
        _ => entry.leave(number, line, "it is not understood"),
    }
}
