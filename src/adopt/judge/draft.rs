//! From answers to a unit file.

use std::collections::BTreeSet;

use crate::model::adopt::{Draft, Entry, Key, Table, Value, Written};
use crate::model::host::Protocol;
use crate::model::span::written;
use crate::model::unit::{UnitFileState, UnitName};
use crate::policy::lists::listed;
use crate::policy::probe_manner::Manner;

use super::addresses::{self, join, reachable, split};
use super::candidates::{Candidate, greeting, lasting_ports, unix};
use super::live::Live;
use super::period::period;
use super::software::recognised;

/// Answers with these mean that the page itself is in trouble, or is no page.
const NO_PAGE: u16 = 400;
const TROUBLE: u16 = 500;
const BUSY: [u16; 3] = [408, 425, 429];
/// Names that one line lists.
const NAMED: usize = 3;
/// Characters of a log line that are shown.
const LINE: usize = 100;

/// What came of a question that was asked on the spot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub well: bool,
    /// Nothing is known of the service: what failed is the question itself.
    pub unknown: bool,
    pub message: String,
    /// Of a page.
    pub status: Option<u16>,
}

/// A way to ask, after it was tried on the spot.
#[must_use]
pub fn judged(candidate: &Candidate, answer: &Answer) -> Written {
    let mut table = candidate.table.clone();
    let mut well = answer.well;
    let mut remarks = Vec::new();
    match answer.status.filter(|_| candidate.page) {
        Some(NO_PAGE) => {
            well = false;
            remarks.push(
                "not in force: GET / answered 400; perhaps it wants TLS, or another language".to_owned(),
            );
        }
        Some(status) if status >= TROUBLE || BUSY.contains(&status) => {
            well = false;
            remarks.push(format!("not in force: GET / answered {status}"));
        }
        Some(status) => {
            // Another page there is no illness, and a restart no cure for it.
            let (range, better) = if status < NO_PAGE {
                ("200-399", "")
            } else {
                ("200-499", "; better ask a page that does some work")
            };
            table.keys.push(Key::text("status", range, format!("GET / answered {status}{better}")));
        }
        None if !answer.well => remarks.push(match table.text("disk").or(table.text("inodes")) {
            // How much is free changes each second, and so would the file.
            Some(path) if !answer.unknown => format!("not in force: less than that was free at {path}"),
            Some(_) | None => format!("not in force: {}", answer.message),
        }),
        None => {}
    }
    if let Some(why) = candidate.is_logged().filter(|_| well) {
        well = false;
        remarks.push(format!("not in force: {why}"));
    }
    Written { table, remarks, in_force: well }
}

/// A question that was answered well, and left this line in the unit's log: it would, every time.
#[must_use]
pub fn logged(written: Written, line: &str) -> Written {
    let line: String = line.chars().take(LINE).collect();
    let remark = format!("not in force: each question leaves a line in its log: {}", line.trim());
    Written { remarks: vec![remark], in_force: false, ..written }
}

/// What a foreign file says besides questions: its budget, in force as it was there.
#[must_use]
pub fn told(live: &Live) -> Vec<Written> {
    let tables = live.told.iter().flat_map(|entry| &entry.tables).filter(|table| table.kind() != "probe");
    tables.map(|table| Written { table: table.clone(), remarks: Vec::new(), in_force: true }).collect()
}

/// The whole file. `asked`: probes and queues, in order.
#[must_use]
pub fn drafted(live: &Live, requires: Vec<Written>, asked: Vec<Written>) -> Draft {
    let mut keys = watched_only(live);
    keys.extend(requires);
    let mut tables: Vec<Written> = release(live).into_iter().collect();
    tables.extend(recovery(live));
    tables.extend(asked.into_iter().map(|written| of_sockets(live, of_proxy(live, written))));
    tables.extend(unasked_ports(live));
    tables.extend(unasked(live, &tables));
    name_apart(&mut tables);
    Draft { head: head(live), unit: live.unit.clone(), keys, tables }
}

/// What is off is not started because it was adopted.
fn watched_only(live: &Live) -> Vec<Written> {
    let passive = live.told.iter().find(|entry| entry.passive);
    let why = match passive {
        Some(entry) => format!("so it was in the other file: {} {} starts nothing", entry.kind, entry.name),
        None if live.observe => {
            "adopted with --observe: nothing is started, enabled or restarted; without this line Steadfast acts"
                .to_owned()
        }
        None if live.managed_elsewhere().is_some() => {
            let manager = live.managed_elsewhere().unwrap_or_default();
            format!("{manager} starts and stops it: Steadfast only reports")
        }
        None if live.ended_at_once => {
            "it ended by itself and well, right after its start: its own configuration may say that it is not to run; without this line Steadfast starts and enables it".to_owned()
        }
        None if !live.active => {
            "it does not run; without this line Steadfast starts and enables it".to_owned()
        }
        None => return Vec::new(),
    };
    let table = Table { name: String::new(), keys: vec![Key::text("mode", "observe", why)] };
    vec![Written { table, remarks: Vec::new(), in_force: true }]
}

fn head(live: &Live) -> Vec<String> {
    let named = if live.needs.description.is_empty() {
        String::new()
    } else {
        format!(": {}", live.needs.description)
    };
    let mut head =
        vec![format!("{}{named}. Written by `steadfast adopt` from what the live unit shows.", live.unit)];
    if let Some(((recipe, seen), _)) = recognised(live) {
        head.push(format!("Known software, recipe {recipe}: {seen}."));
    }
    head.extend(live.told.iter().map(taken_over));
    head.push("What is in force was asked when this was written, and was well; the rest is a comment with the reason.".to_owned());
    for (link, target) in &live.links {
        head.push(format!(
            "Release: {link} leads to {target}, found by itself in WorkingDirectory=, ExecStart= or the environment: no key is needed."
        ));
    }
    head
}

/// It runs, and boot does not start it.
fn is_off(live: &Live) -> bool {
    let disabled = matches!(live.enablement, Some(UnitFileState::Disabled | UnitFileState::InitScriptOff));
    live.active && disabled && live.managed_elsewhere().is_none()
}

/// What the foreign file says of it; and that what is disabled stays so.
fn recovery(live: &Live) -> Vec<Written> {
    let mut tables = told(live);
    if !is_off(live) {
        return tables;
    }
    let key = |name: &str, seen: &str| Key {
        name: name.to_owned(),
        value: Value::Boolean(false),
        seen: seen.to_owned(),
    };
    let why = "it runs and is disabled: something else starts it (a person, a script, another manager); without this line Steadfast starts it";
    let keys = [key("start", why), key("enable", "without this line Steadfast enables it")];
    match tables.iter_mut().find(|written| written.table.name == "recovery") {
        Some(written) => written.table.keys.extend(keys),
        None => {
            let table = Table { name: "recovery".to_owned(), keys: keys.into() };
            tables.insert(0, Written { table, remarks: Vec::new(), in_force: true });
        }
    }
    tables
}

/// The page of a proxy may be the answer of another: no restart of the proxy puts that right.
fn of_proxy(live: &Live, mut written: Written) -> Written {
    let passed = live.passes_on.as_deref().unwrap_or_default();
    let proxy = live.always_passes_on() || !passed.is_empty();
    let page = written.table.text("http").is_some() && written.table.text("on_failure").is_none();
    if proxy && page {
        let to: Vec<&str> = passed.iter().map(|one| one.to.as_str()).collect();
        let to = if to.is_empty() { "other servers".to_owned() } else { listed(&to, NAMED) };
        let why = format!(
            "it passes pages on to {to}: what fails may be that, which no restart of this unit repairs"
        );
        written.table.keys.push(Key::text("on_failure", "alert", why));
    }
    written
}

/// One of several sockets, as of the pools of PHP-FPM: its own configuration may give it up at the next reload.
fn of_sockets(live: &Live, mut written: Written) -> Written {
    let sockets = unix(live).count();
    let socket = written.table.text("unix").is_some() && written.table.text("on_failure").is_none();
    if socket && sockets > 1 {
        let why = format!("it listens on {sockets} sockets: that one is gone may be its own configuration");
        written.table.keys.push(Key::text("on_failure", "alert", why));
    }
    written
}

/// Ports that are not asked because the service would log it, each with the table that would ask.
fn unasked_ports(live: &Live) -> Vec<Written> {
    if !live.active || live.unit.kind() == "socket" {
        return Vec::new();
    }
    let mut written: Vec<Written> = Vec::new();
    for (port, listener) in lasting_ports(live) {
        let Manner::Not(why) = live.manner(port) else {
            continue;
        };
        let kind = match port {
            25 | 587 => Some("smtp"),
            110 => Some("pop3"),
            143 => Some("imap"),
            22 => Some("ssh"),
            _ => None,
        };
        let host = split(&listener.address).map_or("127.0.0.1", |(host, _)| reachable(host));
        let (table, what) = match kind {
            Some(kind) => (greeting(kind, join(host, port), ""), "not in force".to_owned()),
            None => (Table::default(), format!("no probe for port {port}")),
        };
        written.push(Written { table, remarks: vec![format!("{what}: {why}")], in_force: false });
    }
    written
}

fn release(live: &Live) -> Option<Written> {
    let (link, directory) = live.hidden_link.as_ref().filter(|_| live.links.is_empty())?;
    // Of `DynamicUser=`: no deploy turns it.
    if ["/var/lib/private/", "/var/cache/private/", "/var/log/private/"]
        .iter()
        .any(|one| directory.starts_with(one))
    {
        return None;
    }
    let key = Key::text("link", link, format!("leads to {directory}, where its processes live"));
    let table = Table { name: "release".to_owned(), keys: vec![key] };
    Some(Written { table, remarks: Vec::new(), in_force: true })
}

/// What was seen and not asked, with the reason.
fn unasked(live: &Live, tables: &[Written]) -> Vec<Written> {
    let mut remarks = Vec::new();
    if live.unit.kind() == "socket" {
        remarks.push("no probe: a question would start what this socket waits for".to_owned());
    }
    if !live.active {
        remarks.push("it does not run: nothing could be asked of it".to_owned());
    }
    let texts = || tables.iter().flat_map(|written| &written.table.keys).filter_map(|key| key.as_text());
    let asked = |path: &&str| {
        texts().any(|text| {
            text == *path || text.contains(&format!("{path}:")) || text.ends_with(&format!("={path}"))
        })
    };
    let silent: Vec<&str> = unix(live).map(|one| one.address.as_str()).filter(|path| !asked(path)).collect();
    if !silent.is_empty() {
        remarks.push(format!(
            "it listens on {}: no probe, since a connection there shows only that the kernel accepts it; ask what it must answer ([probe.NAME] command = […])",
            listed(&silent, NAMED)
        ));
    }
    if live.active && live.processes.is_empty() && live.unit.kind() == "service" {
        remarks.push(
            "it is active and runs no process: Active says only that its command ended well; a probe can tell whether it works"
                .to_owned(),
        );
    }
    let udp = live.listeners.iter().filter(|one| one.protocol == Protocol::Udp);
    let udp: BTreeSet<&str> = udp.map(|one| one.address.as_str()).collect();
    if !udp.is_empty() {
        let listed = udp.into_iter().collect::<Vec<_>>().join(", ");
        remarks.push(format!("it listens on UDP {listed}: UDP does not show whether it answers"));
    }
    let passing: BTreeSet<u16> = live
        .listeners
        .iter()
        .filter(|one| one.protocol == Protocol::Tcp)
        .filter_map(|one| split(&one.address))
        .map(|(_, port)| port)
        .filter(|port| live.is_passing(*port))
        .collect();
    if !passing.is_empty() {
        let listed = passing.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let verb = if passing.len() == 1 { "port" } else { "ports" };
        remarks.push(format!("no probe for {verb} {listed}: such a port is another one after each start"));
    }
    if let Some(schedule) = &live.needs.schedule
        && period(schedule).is_none()
    {
        remarks.push(format!("no max_age: {} is started once, not again and again", schedule.unit));
    }
    if remarks.is_empty() {
        return Vec::new();
    }
    vec![Written { table: Table::default(), remarks, in_force: false }]
}

/// No two tables of one name, those that are comments included; what is in force chooses first.
fn name_apart(tables: &mut [Written]) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for in_force in [true, false] {
        let named = |written: &&mut Written| written.in_force == in_force && !written.table.name.is_empty();
        for written in tables.iter_mut().filter(named) {
            let base = written.table.name.clone();
            let port = written.table.text("http").and_then(addresses::url).map(|url| url.port);
            let second = port.map(|port| format!("{base}-{port}"));
            let others = second.into_iter().chain((2..).map(|number| format!("{base}-{number}")));
            let free = std::iter::once(base.clone()).chain(others).find(|name| !taken.contains(name));
            written.table.name = free.unwrap_or(base);
            taken.insert(written.table.name.clone());
        }
    }
}

/// What the file will watch, a few words each.
#[must_use]
pub fn watched(draft: &Draft, live: &Live) -> Vec<String> {
    let state = match (live.active, is_off(live)) {
        (false, _) => "it does not run: only observed",
        (true, true) => "active; it stays disabled",
        (true, false) => "active, enabled, reached by boot",
    };
    let mut watched = vec![state.to_owned()];
    watched.extend(live.links.iter().map(|(link, _)| format!("release {link}")));
    watched.extend(watched_by_tables(draft));
    if let Some(schedule) = &live.needs.schedule {
        let every = period(schedule)
            .map_or_else(String::new, |(seconds, _)| format!(" at least every {}", written(seconds)));
        watched.push(format!("starts {}{every}", schedule.unit));
    }
    watched
}

/// What its tables watch, as far as they are in force.
#[must_use]
pub fn watched_by_tables(draft: &Draft) -> Vec<String> {
    let words = |table: &Table| match (table.kind(), table.keys.first()) {
        ("probe" | "progress" | "release", Some(key)) => {
            Some(format!("{} {}", key.name, table.text(&key.name).unwrap_or_default()))
        }
        ("recovery", _) => Some("a budget of restarts".to_owned()),
        _ => None,
    };
    draft
        .tables
        .iter()
        .filter(|written| written.in_force)
        .filter_map(|written| words(&written.table))
        .collect()
}

/// The name of something that is no unit: another host, a file, a file system.
#[must_use]
pub fn dependency_unit(entry: &Entry) -> UnitName {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    UnitName(format!("{}.dependency", entry.name.to_ascii_lowercase().replace(|c| !plain(c), "-")))
}

/// The draft of it.
#[must_use]
pub fn dependency(entry: &Entry, asked: Vec<Written>) -> Draft {
    let mut tables = asked;
    name_apart(&mut tables);
    Draft { unit: dependency_unit(entry), head: vec![taken_over(entry)], keys: Vec::new(), tables }
}

fn taken_over(entry: &Entry) -> String {
    format!("Taken over: {} {}, line {} of the file that it was in.", entry.kind, entry.name, entry.line)
}
