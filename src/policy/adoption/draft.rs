//! From answers to a unit file.

use std::collections::BTreeSet;

use crate::model::adoption::{Answer, Candidate, Draft, Entry, Key, Live, Table, Written};

use super::known::recognised;
use super::period::{length, period};

/// Answers with these mean that the page itself is in trouble, or is no page.
const NO_PAGE: u16 = 400;
const TROUBLE: u16 = 500;
const BUSY: [u16; 3] = [408, 425, 429];

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
            Some(path) => format!("not in force: less than that was free at {path}"),
            None => format!("not in force: {}", answer.message),
        }),
        None => {}
    }
    Written { table, remarks, in_force: well }
}

/// What a foreign file says besides questions: its budget, in force as it was there.
#[must_use]
pub fn told(live: &Live) -> Vec<Written> {
    let tables = live.told.iter().flat_map(|entry| &entry.tables).filter(|table| table.kind() != "probe");
    tables.map(|table| Written { table: table.clone(), remarks: Vec::new(), in_force: true }).collect()
}

/// The whole file. `asked`: probes and queues, in order.
#[must_use]
pub fn drafted(live: &Live, requires: Vec<Written>, asked: Vec<Written>) -> Option<Draft> {
    let unit = live.unit.clone()?;
    let mut keys = watched_only(live);
    keys.extend(requires);
    let mut tables: Vec<Written> = release(live).into_iter().collect();
    tables.extend(told(live));
    tables.extend(asked);
    tables.extend(unasked(live));
    name_apart(&mut tables);
    Some(Draft { head: head(live, &unit.0), unit, keys, tables })
}

/// What is off is not started because it was adopted.
fn watched_only(live: &Live) -> Vec<Written> {
    let passive = live.told.iter().find(|entry| entry.passive);
    let why = match passive {
        Some(entry) => format!("so it was in the other file: {} {} starts nothing", entry.kind, entry.name),
        None if !live.active => {
            "it does not run; without this line Steadfast starts and enables it".to_owned()
        }
        None => return Vec::new(),
    };
    let table = Table { name: String::new(), keys: vec![Key::text("mode", "observe", why)] };
    vec![Written { table, remarks: Vec::new(), in_force: true }]
}

fn head(live: &Live, unit: &str) -> Vec<String> {
    let named = if live.needs.description.is_empty() {
        String::new()
    } else {
        format!(": {}", live.needs.description)
    };
    let mut head =
        vec![format!("{unit}{named}. Written by `steadfast adopt` from what the live unit shows.")];
    if let Some(((recipe, seen), _)) = recognised(live) {
        head.push(format!("Known software, recipe {recipe}: {seen}."));
    }
    for entry in &live.told {
        head.push(format!(
            "Taken over: {} {}, line {} of the file that it was in.",
            entry.kind, entry.name, entry.line
        ));
    }
    head.push("What is in force was asked when this was written, and was well; the rest is a comment with the reason.".to_owned());
    for (link, target) in &live.links {
        head.push(format!(
            "Release: {link} leads to {target}, found by itself in WorkingDirectory=, ExecStart= or the environment: no key is needed."
        ));
    }
    head
}

fn release(live: &Live) -> Option<Written> {
    let (link, directory) = live.hidden_link.as_ref().filter(|_| live.links.is_empty())?;
    let key = Key::text("link", link, format!("leads to {directory}, where its processes live"));
    let table = Table { name: "release".to_owned(), keys: vec![key] };
    Some(Written { table, remarks: Vec::new(), in_force: true })
}

/// What was seen and not asked, with the reason.
fn unasked(live: &Live) -> Vec<Written> {
    let mut remarks = Vec::new();
    let unit = live.unit.as_ref();
    if unit.is_some_and(|unit| unit.kind() == "socket") {
        remarks.push("no probe: a question would start what this socket waits for".to_owned());
    }
    if !live.active {
        remarks.push("it does not run: nothing could be asked of it".to_owned());
    }
    let udp = live.listeners.iter().filter(|one| one.protocol == crate::model::host::Protocol::Udp);
    let udp: BTreeSet<&str> = udp.map(|one| one.address.as_str()).collect();
    if !udp.is_empty() {
        let listed = udp.into_iter().collect::<Vec<_>>().join(", ");
        remarks.push(format!("it listens on UDP {listed}: nobody can tell by UDP whether it answers"));
    }
    let passing: BTreeSet<u16> = live
        .listeners
        .iter()
        .filter(|one| one.protocol == crate::model::host::Protocol::Tcp)
        .filter_map(|one| super::addresses::split(&one.address))
        .map(|(_, port)| port)
        .filter(|port| super::addresses::passing(*port))
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
            let port = written.table.text("http").and_then(super::addresses::url).map(|url| url.port);
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
    let mut watched = vec!["active, enabled, reached by boot".to_owned()];
    watched.extend(live.links.iter().map(|(link, _)| format!("release {link}")));
    for written in draft.tables.iter().filter(|written| written.in_force) {
        let table = &written.table;
        match (table.kind(), table.keys.first()) {
            ("probe" | "progress" | "release", Some(key)) => {
                let shown = table.text(&key.name).unwrap_or_default();
                watched.push(format!("{} {shown}", key.name));
            }
            ("recovery", _) => watched.push("a budget of restarts".to_owned()),
            _ => {}
        }
    }
    if let Some(schedule) = &live.needs.schedule {
        let every = period(schedule)
            .map_or_else(String::new, |(seconds, _)| format!(" at least every {}", length(seconds)));
        watched.push(format!("starts {}{every}", schedule.unit));
    }
    watched
}

/// The draft of something that is no unit: another host, a file, a file system.
#[must_use]
pub fn dependency(entry: &Entry, asked: Vec<Written>) -> Draft {
    let name = entry
        .name
        .to_ascii_lowercase()
        .replace(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c)), "-");
    let mut tables = asked;
    name_apart(&mut tables);
    Draft {
        unit: crate::model::unit::UnitName(format!("{name}.dependency")),
        head: vec![format!(
            "Taken over: {} {}, line {} of the file that it was in.",
            entry.kind, entry.name, entry.line
        )],
        keys: Vec::new(),
        tables,
    }
}
