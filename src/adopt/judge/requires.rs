//! What a unit needs: what its unit file says, and whom its processes are connected to.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::adopt::{Key, Table, Value, Written};
use crate::model::unit::UnitName;

use super::addresses::{loopback, passing, role, split};
use super::live::Live;
use super::proxied::{PassedOn, only_unit};

/// Remote ends that are told.
const REMOTES: usize = 6;
/// Units that need one another in a row.
const CHAIN: usize = 64;

/// What else is managed, and what that requires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbours(pub BTreeMap<UnitName, Vec<UnitName>>);

impl Neighbours {
    /// `from` needs `unit`, itself or through others.
    fn leads(&self, from: &UnitName, unit: &UnitName) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            if next == unit {
                return true;
            }
            if seen.len() < CHAIN && seen.insert(next) {
                open.extend(self.0.get(next).into_iter().flatten());
            }
        }
        false
    }
}

/// `requires = […]` as far as it holds now, and comments about the rest; what is in force is added to the neighbours.
#[must_use]
pub fn requires(live: &Live, neighbours: &mut Neighbours) -> Vec<Written> {
    let unit = &live.unit;
    let mut needed: Vec<(UnitName, String)> = Vec::new();
    let mut remarks = Vec::new();
    let seen = seen(live);
    remarks.extend(wished(live, &seen));
    for (need, why) in seen {
        if neighbours.leads(&need, unit) {
            remarks.push(format!(
                "not {need} ({why}): it requires {unit} already, and a circle explains nothing"
            ));
        } else if neighbours.0.contains_key(&need) {
            needed.push((need, why));
        } else {
            remarks.push(format!(
                "{need} ({why}) is managed by no file: steadfast adopt {need}, then requires = [\"{need}\"]"
            ));
        }
    }
    remarks.extend(passed_on(live));
    remarks.extend(remote(live));
    let mut written = Vec::new();
    if !needed.is_empty() {
        let seen = needed.iter().map(|(need, why)| format!("{need}: {why}")).collect::<Vec<_>>().join("; ");
        let names: Vec<UnitName> = needed.into_iter().map(|(need, _)| need).collect();
        let values = names.iter().map(|name| Value::Text(name.to_string())).collect();
        neighbours.0.insert(unit.clone(), names);
        let key = Key { name: "requires".to_owned(), value: Value::List(values), seen };
        let table = Table { name: String::new(), keys: vec![key] };
        written.push(Written { table, remarks: Vec::new(), in_force: true });
    }
    if !remarks.is_empty() {
        written.push(Written { table: Table::default(), remarks, in_force: false });
    }
    written
}

/// Each unit that it needs, and from what that was seen.
fn seen(live: &Live) -> BTreeMap<UnitName, String> {
    let mut seen: BTreeMap<UnitName, String> = BTreeMap::new();
    let mut say = |need: &UnitName, why: String| {
        if *need != live.unit {
            let known = seen.entry(need.clone()).or_default();
            if !known.contains(&why) {
                *known = if known.is_empty() { why } else { format!("{known}, {why}") };
            }
        }
    };
    for need in live.needs.requires.iter().filter(|need| need.kind() == "service") {
        say(need, "Requires= or BindsTo= of the unit".to_owned());
    }
    for (need, why) in &live.told_needs {
        say(need, why.clone());
    }
    if let Some((need, passed)) = only_unit(live.passes_on.as_deref().unwrap_or_default()) {
        say(need, format!("it passes on to {} ({})", passed.to, passed.place));
    }
    // To whom a proxy is connected is a matter of who asked it last; its configuration says what it needs.
    for (remote, listener) in live.connections.iter().filter(|_| live.passes_on.is_none()) {
        if let Some(need) = listener.as_ref().filter(|need| need.kind() == "service") {
            say(need, format!("connected to {remote}, where it listens"));
            if live.needs.after.contains(need) {
                say(need, "After= of the unit".to_owned());
            }
        }
    }
    seen
}

/// What it starts with and runs without: whether it is of use then, its unit file does not say.
fn wished(live: &Live, seen: &BTreeMap<UnitName, String>) -> Vec<String> {
    let needs = &live.needs;
    let wished = needs.wants.iter().filter(|need| {
        need.kind() == "service"
            && needs.after.contains(need)
            && !seen.contains_key(need)
            && **need != live.unit
    });
    let ours = wished.filter(|need| !need.as_str().starts_with("systemd-"));
    let line = |need: &UnitName| {
        format!(
            "{need} (Wants= and After= of the unit): requires = [\"{need}\"] if it is of no use without that"
        )
    };
    ours.take(REMOTES).map(line).collect()
}

/// Several programs behind a web server: without one of them it still serves the others.
fn passed_on(live: &Live) -> Vec<String> {
    let passed = live.passes_on.as_deref().unwrap_or_default();
    if only_unit(passed).is_some() {
        return Vec::new();
    }
    let line = |one: &PassedOn| match &one.unit {
        Some(unit) => format!(
            "it passes on to {} ({}), where {unit} listens: requires = [\"{unit}\"] if it is of no use without that",
            one.to, one.place
        ),
        None => format!("it passes on to {} ({})", one.to, one.place),
    };
    passed.iter().take(REMOTES).map(line).collect()
}

/// Ends of connections that are no unit of this host, each once.
fn remote(live: &Live) -> Vec<String> {
    let strangers: BTreeSet<(&str, &str, u16)> = live
        .connections
        .iter()
        .filter(|(_, listener)| listener.is_none())
        .filter_map(|(remote, _)| split(remote).map(|(host, port)| (remote.as_str(), host, port)))
        .filter(|(_, host, port)| !loopback(host) && !passing(*port))
        .collect();
    let told = strangers.into_iter().take(REMOTES).map(|(remote, _, port)| {
        let name = role(port);
        format!(
            "connected to {remote}, which is no unit of this host: if it is needed, write {name}.dependency.toml with [probe.port] tcp = \"{remote}\", then requires = [\"{name}.dependency\"]"
        )
    });
    told.collect()
}
