//! Others on this host that keep processes up: on a unit that we manage as well, or processes of their own.

use std::collections::BTreeMap;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Place};
use crate::model::unit::UnitName;
use crate::policy::lists::listed;

use super::strays::program;
use super::{Claim, Look, NAMED};

/// Supervisors that are looked at.
const SUPERVISORS: usize = 30;

/// One gap for each managed unit that another keeps up, for each that keeps processes of its own, and for each check of theirs
/// that somebody made a comment.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let running: Vec<(&str, &HostProcess)> = look
        .around
        .host
        .processes
        .iter()
        .filter_map(|process| Some((supervisor(process)?, process)))
        // Anybody may call a program so.
        .take(SUPERVISORS)
        .collect();
    let mut gaps = Vec::new();
    for claim in &look.around.claims {
        // A file of somebody who does not run claims nothing.
        let Some((_, process)) = running.iter().find(|(name, _)| *name == claim.supervisor) else {
            continue;
        };
        match claim.commented_out {
            Some(last) => gaps.push(commented_out(look, claim, last)),
            None => gaps.extend(fights(look, claim, process)),
        }
    }
    let mut told: BTreeMap<i32, ()> = BTreeMap::new();
    for (name, process) in &running {
        // Workers of a supervisor bear its name.
        let parent_too = running.iter().any(|(_, other)| other.pid == process.parent);
        if !parent_too && told.insert(process.pid, ()).is_none() {
            gaps.extend(keeps(look, name, process));
        }
    }
    gaps
}

/// The supervisor that this process is.
fn supervisor(process: &HostProcess) -> Option<&'static str> {
    let ran = |name: &str| {
        let base = |argument: &String| argument.rsplit('/').next() == Some(name);
        process.arguments.iter().take(2).any(base)
    };
    match process.name.as_str() {
        "monit" => Some("monit"),
        "runsvdir" => Some("runit"),
        "s6-svscan" => Some("s6"),
        "circusd" => Some("circus"),
        name if name == "supervisord" || ran("supervisord") => Some("supervisord"),
        name if name == "god" || ran("god") => Some("god"),
        name if name.starts_with("PM2 ") => Some("pm2"),
        _ => None,
    }
}

fn fights(look: &Look, claim: &Claim, by: &HostProcess) -> Option<Gap> {
    let unit = claimed(look, claim)?;
    let status = look.snapshot.units.get(&unit).filter(|status| !status.file.is_empty())?;
    let Claim { supervisor, file, line, what, .. } = claim;
    let message = format!(
        "{supervisor} keeps {unit} up as well ({what}): two supervisors restart it, each unaware of the other"
    );
    let about = format!("{supervisor} {unit}");
    let gap = Gap::new(Code::HostOtherSupervisor, (&about, unit.as_str()), message, by.started_at);
    let evidence = vec![format!("{file}:{line}: {what}"), format!("{supervisor} runs as pid {}", by.pid)];
    let repair = match supervisor.as_str() {
        "monit" => match what.rsplit(' ').next().filter(|name| is_plain(name)) {
            Some(name) => format!("monit unmonitor {name}"),
            None => "monit summary".to_owned(),
        },
        _ => format!("$EDITOR {}", status.file),
    };
    Some(gap.proven(evidence, repair))
}

/// The unit that a claim is about, by its commands, its pid file, or its pattern.
fn claimed(look: &Look, claim: &Claim) -> Option<UnitName> {
    let by_command = look.snapshot.units.keys().find(|unit| {
        let short = unit.as_str().strip_suffix(".service");
        claim.commands.iter().any(|command| {
            let words = command.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '/' | ';'));
            let drives = ["systemctl", "service", "init.d"].iter().any(|name| command.contains(name));
            drives && words.into_iter().any(|word| word == unit.as_str() || Some(word) == short)
        })
    });
    if let Some(unit) = by_command {
        return Some(unit.clone());
    }
    let matched = |process: &&HostProcess| {
        let line = process.arguments.join(" ");
        claim.pid == Some(process.pid)
            || claim
                .matching
                .as_ref()
                .is_some_and(|pattern| !pattern.is_empty() && line.contains(pattern.as_str()))
    };
    look.around.host.processes.iter().filter(matched).find_map(|process| match &process.place {
        Place::Unit(unit) => Some(unit.clone()),
        Place::Kernel
        | Place::Manager
        | Place::Session { .. }
        | Place::User { .. }
        | Place::Scope(_)
        | Place::Outside => None,
    })
}

/// It can stand in a command line.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "@._-".contains(c))
}

/// What it keeps up without systemd.
fn keeps(look: &Look, name: &str, by: &HostProcess) -> Option<Gap> {
    // What a service of its own name holds is kept by it, also what went into the background.
    let home = matches!(&by.place, Place::Unit(unit) if unit.as_str().contains(by.name.as_str()));
    let kept = |process: &&HostProcess| {
        process.pid != by.pid
            && supervisor(process).is_none()
            && (process.parent == by.pid || (home && process.place == by.place && process.parent == 1))
    };
    let kept: Vec<String> = look
        .around
        .host
        .processes
        .iter()
        .filter(kept)
        .map(|process| format!("{} (pid {})", program(process), process.pid))
        .collect();
    if kept.is_empty() {
        return None;
    }
    let names: Vec<&str> = kept.iter().map(String::as_str).collect();
    let (count, them) = match names.len() {
        1 => ("1 process".to_owned(), "it"),
        many => (format!("{many} processes"), "them"),
    };
    let message = format!(
        "{name} (pid {}) keeps {count} that no service is for: {}; nobody watches {them} but {name}",
        by.pid,
        listed(&names, NAMED)
    );
    let gap = Gap::new(Code::HostOtherSupervisor, (name, name), message, by.started_at);
    let file = look.around.claims.iter().find(|claim| claim.supervisor == name);
    let repair = match (name, file) {
        (_, Some(claim)) => format!("steadfast adopt --from {name} {}", claim.file),
        ("pm2", None) => "pm2 ls".to_owned(),
        (_, None) => format!("systemctl edit --force --full {}.service", kept_unit(look, by)),
    };
    Some(gap.proven(Vec::new(), repair))
}

fn kept_unit(look: &Look, by: &HostProcess) -> String {
    let first = look.around.host.processes.iter().find(|process| process.parent == by.pid);
    first.map_or_else(|| "daemon".to_owned(), program)
}

fn commented_out(look: &Look, claim: &Claim, last: usize) -> Gap {
    let Claim { supervisor, file, line, what, .. } = claim;
    let message = format!(
        "{file}:{line}: {what} is commented out (to line {last}): {supervisor} does not watch it, and nothing else says why"
    );
    let gap = Gap::new(Code::SwitchedOff, (&format!("{file} {what}"), file), message, look.at());
    gap.proven(Vec::new(), format!("steadfast adopt --from {supervisor} {file}"))
}
