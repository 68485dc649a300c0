//! Units: what ran and does not, what was enabled and is not, what boot would no longer start, where releases point.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::baseline::{Baseline, Difference, Gravity, Lost, ReleaseThen, UnitThen};
use crate::model::boot::BootVerdict;
use crate::model::unit::ActiveState;

use super::passing::{is_transient, may_rest};
use super::{difference, listed, of_unit, packages};

/// States of unit files that somebody wished.
const WISHED: [&str; 4] = ["enabled", "enabled-runtime", "linked", "linked-runtime"];

/// One unit, then and now.
struct Pair<'a> {
    name: &'a str,
    then: &'a UnitThen,
    now: &'a UnitThen,
    user: &'a str,
}

pub fn differences(before: &Baseline, after: &Baseline, user: &str) -> Vec<Difference> {
    let mut found = Vec::new();
    let absent = absent();
    let mut better = Vec::new();
    let names: BTreeSet<&String> = before.units.keys().chain(after.units.keys()).collect();
    for name in names {
        let then = before.units.get(name).unwrap_or(&absent);
        let now = after.units.get(name).unwrap_or(&absent);
        if is_transient(name, then) || is_transient(name, now) {
            continue;
        }
        let pair = Pair { name, then, now, user };
        if then.active == ActiveState::Failed && up(now) {
            better.push(name.clone());
        }
        let (down, off) = (down(&pair, after), off(&pair));
        let story = [pair.changed_packages(before, after), managed(&pair)];
        let line = match (down, off) {
            (Some(mut line), off) => {
                let also = off.map(|off| off.message);
                line.evidence = also.into_iter().chain(line.evidence).collect();
                Some(of_unit(line, name, Lost::Running))
            }
            (None, Some(off)) => Some(of_unit(off, name, Lost::Enabled)),
            (None, None) => unbooted(&pair).map(|line| of_unit(line, name, Lost::Other)),
        };
        if let Some(mut line) = line {
            line.evidence.extend(story.into_iter().flatten());
            found.push(line);
        }
        found.extend(releases(&pair));
    }
    if !better.is_empty() {
        let message = format!("runs again, and had failed: {}", listed(&better));
        found.push(difference(Gravity::Note, message, Vec::new(), None));
    }
    found.extend(new(before, after));
    found
}

/// What is neither loaded nor enabled is in no picture.
fn absent() -> UnitThen {
    UnitThen {
        found: true,
        active: ActiveState::Inactive,
        sub: "dead".to_owned(),
        result: String::new(),
        enablement: String::new(),
        boot: None,
        service_type: String::new(),
        remain_after_exit: false,
        fragment: String::new(),
        triggered_by: Vec::new(),
        managed: false,
        packages: Vec::new(),
        releases: Vec::new(),
    }
}

fn up(unit: &UnitThen) -> bool {
    matches!(unit.active, ActiveState::Active | ActiveState::Reloading)
}

/// The package of its unit file. One that a person wrote comes back with none, whatever package its program is of.
fn brings_back(then: &UnitThen) -> Option<&String> {
    let shipped = ["/usr/lib/", "/lib/"].iter().any(|place| then.fragment.starts_with(place));
    then.packages.first().filter(|_| shipped)
}

/// It ran and does not, or it has failed since.
fn down(pair: &Pair<'_>, after: &Baseline) -> Option<Difference> {
    let Pair { name, then, now, user } = pair;
    let was = format!("{} ({})", then.active.as_str(), then.sub);
    let log = Some(format!("journalctl{user} -u {name} -n 50"));
    if now.active == ActiveState::Failed {
        if then.active == ActiveState::Failed {
            return None;
        }
        let message = format!("{name} has failed ({}); it was {was}", now.result);
        return Some(difference(Gravity::Critical, message, Vec::new(), log));
    }
    if then.found && !now.found && up(now) {
        // It goes on until something stops it, and then nothing can start it any more.
        let package = brings_back(then);
        let version = package.and_then(|name| Some((name, after.packages.get(name)?)));
        let with = match (package, version) {
            (_, Some((name, version))) => format!(" with package {name} {version}"),
            (Some(name), None) => format!(" with package {name}, which is not installed any more"),
            (None, None) => String::new(),
        };
        let message =
            format!("the unit file of {name} is gone{with}; what it started still runs, until it is stopped");
        let repair = package.map(|package| format!("apt-get install --reinstall {package}"));
        return Some(difference(Gravity::Critical, message, Vec::new(), repair));
    }
    if !up(then) || up(now) || may_rest(name, then, now, after) {
        return None;
    }
    if now.sub.starts_with("auto-restart") {
        let message = format!("{name} was {was}, and systemd restarts it again and again ({})", now.result);
        return Some(difference(Gravity::Critical, message, Vec::new(), log));
    }
    if matches!(now.active, ActiveState::Activating | ActiveState::Deactivating) {
        let message = format!("{name} was {was}, and is still {} ({})", now.active.as_str(), now.sub);
        let repair = Some(format!("systemctl{user} status {name}"));
        return Some(difference(Gravity::Warning, message, Vec::new(), repair));
    }
    if !now.found {
        let by_hand = !then.fragment.is_empty() && brings_back(then).is_none();
        let file = if by_hand { format!(" (its file was {})", then.fragment) } else { String::new() };
        let message = format!("{name} was {was}, and there is no such unit any more{file}");
        let repair = brings_back(then).map(|package| format!("apt-get install {package}"));
        return Some(difference(Gravity::Critical, message, Vec::new(), repair));
    }
    let masked = now.enablement.starts_with("masked");
    let wished = WISHED.contains(&then.enablement.as_str()) && !WISHED.contains(&now.enablement.as_str());
    let verb = if wished { "enable --now" } else { "start" };
    let unmask = if masked { format!("systemctl{user} unmask {name}; ") } else { String::new() };
    let message = format!("{name} was {was}, is {} ({})", now.active.as_str(), now.sub);
    let repair = format!("{unmask}systemctl{user} {verb} {name}");
    Some(difference(Gravity::Critical, message, Vec::new(), Some(repair)))
}

/// It was enabled and is not. What was not told says nothing.
fn off(pair: &Pair<'_>) -> Option<Difference> {
    let Pair { name, then, now, user } = pair;
    let known = !matches!(now.enablement.as_str(), "" | "unknown") && now.found;
    let was = WISHED.contains(&then.enablement.as_str());
    // An alias, a generator or another unit may bring it up as well.
    let is = WISHED.contains(&now.enablement.as_str())
        || matches!(now.boot, Some(BootVerdict::Starts | BootVerdict::Armed { .. }));
    if !was || !known || is {
        return None;
    }
    let message =
        format!("{name} was {}, is {}: the next boot will not start it", then.enablement, now.enablement);
    let masked = now.enablement.starts_with("masked");
    let unmask = if masked { format!("systemctl{user} unmask {name}; ") } else { String::new() };
    let repair = Some(format!("{unmask}systemctl{user} enable {name}"));
    Some(difference(Gravity::Warning, message, Vec::new(), repair))
}

/// Boot started it, and would not any more.
fn unbooted(pair: &Pair<'_>) -> Option<Difference> {
    let started = matches!(pair.then.boot, Some(BootVerdict::Starts | BootVerdict::Armed { .. }));
    let Some(BootVerdict::Unreachable { why }) = pair.now.boot.as_ref().filter(|_| started) else {
        return None;
    };
    let name = pair.name;
    let message = format!("the next boot will not start {name} any more: {why}");
    let repair = Some(format!("systemctl{} reenable {name}", pair.user));
    Some(difference(Gravity::Warning, message, Vec::new(), repair))
}

impl Pair<'_> {
    /// Packages of the unit whose version changed, named with it.
    fn changed_packages(&self, before: &Baseline, after: &Baseline) -> Option<String> {
        let mut names: Vec<&String> = self.then.packages.iter().chain(&self.now.packages).collect();
        names.sort();
        names.dedup();
        let changed: Vec<String> =
            names.into_iter().filter_map(|name| packages::change(name, before, after)).collect();
        (!changed.is_empty()).then(|| format!("its package changed: {}", listed(&changed)))
    }
}

fn managed(pair: &Pair<'_>) -> Option<String> {
    let told = if pair.then.managed || pair.now.managed {
        "managed by Steadfast: see steadfast explain"
    } else {
        "managed by nobody: Steadfast does not bring it back by itself"
    };
    Some(told.to_owned())
}

/// A link that leads nowhere, or to an earlier release; one that moved on is worth a note.
fn releases(pair: &Pair<'_>) -> Vec<Difference> {
    let same = |link: &ReleaseThen| pair.now.releases.iter().find(|now| now.link == link.link);
    let mut found = Vec::new();
    for then in &pair.then.releases {
        let (Some(now), Some(was)) = (same(then), &then.target) else {
            continue;
        };
        let link = &then.link;
        let unit = pair.name;
        let (gravity, message) = match &now.target {
            Some(is) if is == was => continue,
            Some(is) if natural(is, was) == Ordering::Less => {
                (Gravity::Warning, format!("{link} of {unit} points back: to {is}, was {was}"))
            }
            Some(is) => (Gravity::Note, format!("{link} of {unit} moved on: to {is}, was {was}")),
            None => (Gravity::Warning, format!("{link} of {unit} leads nowhere, was {was}")),
        };
        let repair = (gravity == Gravity::Warning).then(|| format!("ln -sfn {was} {link}"));
        found.push(of_unit(difference(gravity, message, Vec::new(), repair), unit, Lost::Other));
    }
    found
}

/// As people order the names of releases: `releases/9` before `releases/10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for (one, other) in a.iter().zip(&b) {
        let order = match (one.0, other.0) {
            (true, true) => {
                let plain = |text: &str| text.trim_start_matches('0').to_owned();
                let (one, other) = (plain(&one.1), plain(&other.1));
                one.len().cmp(&other.len()).then(one.cmp(&other))
            }
            _ => one.1.cmp(&other.1),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Runs of digits, and what is between them.
fn parts(text: &str) -> Vec<(bool, String)> {
    let mut parts: Vec<(bool, String)> = Vec::new();
    for character in text.chars() {
        let digit = character.is_ascii_digit();
        match parts.last_mut() {
            Some((known, part)) if *known == digit => part.push(character),
            _ => parts.push((digit, character.to_string())),
        }
    }
    parts
}

/// Units that run or are enabled, and did not before.
fn new(before: &Baseline, after: &Baseline) -> Option<Difference> {
    let at_work = |unit: &UnitThen| up(unit) || WISHED.contains(&unit.enablement.as_str());
    let known = |name: &str| before.units.get(name).is_some_and(at_work);
    // What only passes through, or what something else starts when it is needed, is no news.
    let lasting = |unit: &UnitThen| {
        WISHED.contains(&unit.enablement.as_str())
            || (unit.triggered_by.is_empty() && !matches!(unit.service_type.as_str(), "oneshot" | "dbus"))
    };
    let names: Vec<String> = after
        .units
        .iter()
        .filter(|(name, unit)| at_work(unit) && lasting(unit) && !known(name) && !is_transient(name, unit))
        .map(|(name, unit)| if unit.managed { format!("{name} (managed)") } else { name.clone() })
        .collect();
    (!names.is_empty()).then(|| {
        let message = format!("new, running or enabled: {}", listed(&names));
        difference(Gravity::Note, message, Vec::new(), None)
    })
}
