//! Words and questions that several kinds of gap share.

use std::time::Duration;

use crate::model::coverage::Gap;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::host::{HostReading, Listener, Protocol};
use crate::model::moment::Moment;
use crate::model::snapshot::UnitStatus;
use crate::model::unit::is_of_vendor;
use crate::policy::words;

/// Names that one sentence lists.
const NAMED: usize = 12;
/// Addresses that one line lists.
const ADDRESSES: usize = 3;

/// The first names, and how many more there are.
pub fn listed(names: &[&str]) -> String {
    words::listed(names, NAMED)
}

/// Its unit file was written by people here.
pub fn is_local(status: &UnitStatus) -> bool {
    let fragment = status.settings.as_ref().map_or("", |settings| settings.fragment.as_str());
    !fragment.is_empty() && !is_of_vendor(fragment)
}

/// `12 s`, `3 min`, `2 h`, `9 days`.
pub fn span(length: Duration) -> String {
    match length.as_secs() {
        0 => "less than 1 s".to_owned(),
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Where these processes listen and others can reach them; TCP first.
pub fn listening<'h>(host: &'h HostReading, pids: &[i32]) -> Vec<&'h Listener> {
    let theirs = |listener: &&Listener| listener.pids.iter().any(|pid| pids.contains(pid));
    let reachable = |listener: &&Listener| match listener.protocol {
        Protocol::Tcp | Protocol::Udp => true,
        // An abstract name, or one that was made by `socketpair` and its kin, is between programs of one author.
        Protocol::Unix => listener.address.starts_with('/'),
    };
    let mut all: Vec<&Listener> = host.listeners.iter().filter(theirs).filter(reachable).collect();
    all.sort_by(|one, other| (one.protocol, &one.address).cmp(&(other.protocol, &other.address)));
    all
}

/// `listens on 0.0.0.0:80, [::]:80 and 2 more`
pub fn addresses(listeners: &[&Listener]) -> Option<String> {
    let names: Vec<String> = listeners
        .iter()
        .map(|listener| match listener.protocol {
            Protocol::Udp => format!("{} (udp)", listener.address),
            Protocol::Tcp | Protocol::Unix => listener.address.clone(),
        })
        .collect();
    (!names.is_empty()).then(|| format!("listens on {}", words::listed(&names, ADDRESSES)))
}

/// A gap that is told by itself, a warning.
pub fn gap(code: Code, about: (&str, &str), message: String, since: Moment) -> Gap {
    let (key, subject) = about;
    let finding =
        Finding { code, severity: Severity::Warning, message, since, evidence: Vec::new(), repair: None };
    Gap { key: format!("{} {key}", code.as_str()), subject: subject.to_owned(), finding }
}

/// The same with evidence and what to do about it.
pub fn shown(gap: Gap, evidence: Vec<String>, repair: impl Into<Option<String>>) -> Gap {
    let finding = Finding { evidence, repair: repair.into(), ..gap.finding };
    Gap { finding, ..gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_by_their_largest_part() {
        let told = [0, 1, 119, 120, 7199, 7200, 172_799, 172_800].map(|s| span(Duration::from_secs(s)));
        assert_eq!(told, ["less than 1 s", "1 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
