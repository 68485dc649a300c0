//! Ports: what was listened on and is not. What the downfall of a unit explains is told with the unit.

use crate::model::baseline::{Baseline, Difference, Gravity, Lost, Port, UnitThen};
use crate::model::host::Protocol;
use crate::model::unit::{ActiveState, UnitName};

use super::passing::{is_transient, may_rest};
use super::{difference, listed, of_unit};

/// Digits in a row that stand for a pid or a random number in the name of a socket.
const RANDOM: usize = 3;

/// Adds what is to be said of ports to what was found of units.
pub fn add(before: &Baseline, after: &Baseline, user: &str, found: &mut Vec<Difference>) {
    for port in before.ports.iter().filter(|port| counts(port, before)) {
        if let Some(now) = after.ports.iter().find(|now| same(now, port)) {
            found.extend(handed_over(port, now));
            continue;
        }
        if moved(port, before, after) || rests(port, before, after) {
            continue;
        }
        let place = place(port);
        let down = port.unit.as_ref().and_then(|unit| {
            found.iter_mut().find(|line| line.unit.as_ref() == Some(unit) && line.lost == Lost::Running)
        });
        if let Some(line) = down {
            line.evidence.insert(0, format!("nothing listens on {place} any more"));
            continue;
        }
        found.push(alone(port, &place, user));
    }
    let new: Vec<String> = after
        .ports
        .iter()
        .filter(|port| port.protocol != Protocol::Unix && counts(port, after))
        .filter(|port| !before.ports.iter().any(|then| same(then, port)) && !moved(port, after, before))
        .map(|port| format!("{} by {}", place(port), holder(port)))
        .collect();
    if !new.is_empty() {
        let message = format!("new, listened on: {}", listed(&new));
        found.push(difference(Gravity::Note, message, Vec::new(), None));
    }
}

/// The unit does not say why: it runs, or there is none.
fn alone(port: &Port, place: &str, user: &str) -> Difference {
    let message = format!("nothing listens on {place} any more; {} did", holder(port));
    let line = |repair| difference(Gravity::Critical, message, Vec::new(), repair);
    match &port.unit {
        Some(unit) => {
            let repair = Some(format!("systemctl{user} restart {unit}"));
            of_unit(line(repair), unit.as_str(), Lost::Other)
        }
        None => line(None),
    }
}

/// Another unit holds it now.
fn handed_over(then: &Port, now: &Port) -> Option<Difference> {
    let (was, is) = (then.unit.as_ref()?, now.unit.as_ref()?);
    let socket = |unit: &UnitName| unit.kind() == "socket";
    if was == is || socket(was) || socket(is) {
        return None;
    }
    let message = format!("{} is held by {is}, was by {was}", place(then));
    Some(difference(Gravity::Note, message, Vec::new(), None))
}

fn place(port: &Port) -> String {
    match port.protocol {
        Protocol::Unix => port.address.clone(),
        Protocol::Tcp | Protocol::Udp => format!("{} {}", port.protocol.as_str(), port.address),
    }
}

fn holder(port: &Port) -> String {
    match &port.unit {
        Some(unit) => unit.to_string(),
        None if port.program.is_empty() => "a process that is not ours to read".to_owned(),
        None => port.program.clone(),
    }
}

/// A port that somebody relies on: not of a session, not of a unit that comes and goes, not given by the kernel for a moment.
fn counts(port: &Port, of: &Baseline) -> bool {
    let unit = port.unit.as_ref().and_then(|unit| of.units.get_key_value(unit.as_str()));
    let transient = unit.is_some_and(|(name, unit)| is_transient(name, unit));
    let fleeting = match port.protocol {
        Protocol::Udp => ephemeral(port, of),
        Protocol::Tcp => false,
        Protocol::Unix => !port.address.starts_with('/') || port.address.starts_with("/run/user/"),
    };
    !port.passing && !transient && !fleeting
}

fn ephemeral(port: &Port, of: &Baseline) -> bool {
    let (first, last) = of.ephemeral;
    number(&port.address).is_some_and(|number| (first..=last).contains(&number))
}

fn number(address: &str) -> Option<u32> {
    address.rsplit_once(':')?.1.parse().ok()
}

fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// The same place; one that listens on every address listens on this one, too.
fn same(one: &Port, other: &Port) -> bool {
    let wide = |port: &Port| matches!(host(&port.address), "0.0.0.0" | "[::]");
    one.protocol == other.protocol
        && (one.address == other.address
            || (one.protocol != Protocol::Unix
                && number(&one.address) == number(&other.address)
                && (wide(one) || (wide(other) && one.unit == other.unit))))
}

/// The same holder has another port of those that the kernel gives, or another name with a random part.
fn moved(port: &Port, of: &Baseline, other: &Baseline) -> bool {
    let alike =
        |now: &&Port| now.protocol == port.protocol && now.unit == port.unit && now.program == port.program;
    let mut candidates = other.ports.iter().filter(alike);
    match port.protocol {
        Protocol::Unix => {
            let pattern = without_numbers(&port.address);
            pattern != port.address && candidates.any(|now| without_numbers(&now.address) == pattern)
        }
        Protocol::Tcp | Protocol::Udp => {
            ephemeral(port, of)
                && candidates.any(|now| ephemeral(now, other) && host(&now.address) == host(&port.address))
        }
    }
}

fn without_numbers(address: &str) -> String {
    let mut pattern = String::new();
    let mut digits = String::new();
    for character in address.chars().chain(['\0']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        pattern.push_str(if digits.len() >= RANDOM { "#" } else { &digits });
        digits.clear();
        if character != '\0' {
            pattern.push(character);
        }
    }
    pattern
}

/// Its unit rests, and was not in want of running.
fn rests(port: &Port, before: &Baseline, after: &Baseline) -> bool {
    let Some(unit) = &port.unit else {
        return false;
    };
    let (then, now) = (before.units.get(unit.as_str()), after.units.get(unit.as_str()));
    let ended = |now: &UnitThen| now.active == ActiveState::Inactive;
    then.zip(now).is_some_and(|(then, now)| ended(now) && may_rest(unit.as_str(), then, now, after))
}
