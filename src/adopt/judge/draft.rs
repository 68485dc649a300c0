//! From answers to a unit file.

use std::collections::BTreeSet;

use crate::model::adopt::{Draft, Entry, Key, Table, Written};
use crate::model::host::Protocol;
use crate::model::unit::UnitName;

use super::addresses;
use super::candidates::Candidate;
use super::live::Live;
use super::period::{length, period};
use super::software::recognised;

/// Answers with these mean that the page itself is in trouble, or is no page.
const NO_PAGE: u16 = 400;
const TROUBLE: u16 = 500;
const BUSY: [u16; 3] = [408, 425, 429];

/// What came of a question that was asked on the spot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub well: bool,
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
pub fn drafted(live: &Live, requires: Vec<Written>, asked: Vec<Written>) -> Draft {
    let mut keys = watched_only(live);
    keys.extend(requires);
    let mut tables: Vec<Written> = release(live).into_iter().collect();
    tables.extend(told(live));
    tables.extend(asked);
    tables.extend(unasked(live));
    name_apart(&mut tables);
    Draft { head: head(live), unit: live.unit.clone(), keys, tables }
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

fn release(live: &Live) -> Option<Written> {
    let (link, directory) = live.hidden_link.as_ref().filter(|_| live.links.is_empty())?;
    let key = Key::text("link", link, format!("leads to {directory}, where its processes live"));
    let table = Table { name: "release".to_owned(), keys: vec![key] };
    Some(Written { table, remarks: Vec::new(), in_force: true })
}

/// What was seen and not asked, with the reason.
fn unasked(live: &Live) -> Vec<Written> {
    let mut remarks = Vec::new();
    if live.unit.kind() == "socket" {
        remarks.push("no probe: a question would start what this socket waits for".to_owned());
    }
    if !live.active {
        remarks.push("it does not run: nothing could be asked of it".to_owned());
    }
    let udp = live.listeners.iter().filter(|one| one.protocol == Protocol::Udp);
    let udp: BTreeSet<&str> = udp.map(|one| one.address.as_str()).collect();
    if !udp.is_empty() {
        let listed = udp.into_iter().collect::<Vec<_>>().join(", ");
        remarks.push(format!("it listens on UDP {listed}: nobody can tell by UDP whether it answers"));
    }
    let passing: BTreeSet<u16> = live
        .listeners
        .iter()
        .filter(|one| one.protocol == Protocol::Tcp)
        .filter_map(|one| addresses::split(&one.address))
        .map(|(_, port)| port)
        .filter(|port| addresses::passing(*port))
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
    let mut watched = vec!["active, enabled, reached by boot".to_owned()];
    watched.extend(live.links.iter().map(|(link, _)| format!("release {link}")));
    watched.extend(watched_by_tables(draft));
    if let Some(schedule) = &live.needs.schedule {
        let every = period(schedule)
            .map_or_else(String::new, |(seconds, _)| format!(" at least every {}", length(seconds)));
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
