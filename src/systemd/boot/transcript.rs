//! Reads what PID 1's engine writes while it computes the initial transaction: its debug lines, from systemd 252 on.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::boot::Hindrance;
use crate::model::unit::UnitName;

/// The engine has computed the transaction once it writes this.
pub(super) const DONE: &str = "Loaded units and determined initial transaction in";

/// Other units that a doubt names; more are counted.
const NAMED: usize = 5;

/// What the engine's lines tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transcript {
    /// Every unit with a start job, under each of its names.
    pub starts: BTreeSet<UnitName>,
    /// Units whose job depends on which of several the engine drops, each with one sentence why.
    pub doubts: BTreeMap<UnitName, String>,
    /// Why the engine dropped a unit that another one asked for, as a clause.
    pub hindrances: BTreeMap<UnitName, Hindrance>,
    /// Mounts and swaps that are in use now: the engine finds them so and sets no start job for them, whether boot wants them
    /// or not.
    pub standing: BTreeSet<UnitName>,
}

impl Transcript {
    /// Either this transaction or the other one: what only one of the two starts is in doubt.
    pub(super) fn or(mut self, other: Self, why: &str) -> Self {
        let differing: Vec<UnitName> = self.starts.symmetric_difference(&other.starts).cloned().collect();
        self.starts.extend(other.starts);
        self.doubts.extend(other.doubts);
        self.hindrances.extend(other.hindrances);
        self.standing.extend(other.standing);
        for unit in differing {
            self.doubts.entry(unit).or_insert_with(|| why.to_owned());
        }
        self
    }
}

/// Reads the lines.
///
/// # Errors
/// Says why when the engine did not finish, or speaks in a way that is not known here.
pub(super) fn read(lines: &[String]) -> Result<Transcript, String> {
    let mut reader = Reader::default();
    for line in lines {
        reader.take(line);
    }
    if !reader.done {
        let last = lines.iter().rev().find(|line| !line.trim().is_empty());
        let last = last.map_or("nothing", String::as_str);
        return Err(format!("PID 1's engine did not finish; its last words: {last}"));
    }
    if reader.starts.is_empty() {
        return Err("PID 1's engine finished without naming a job in a known form".to_owned());
    }
    Ok(reader.finish())
}

#[derive(Debug, Default)]
struct Reader {
    done: bool,
    starts: BTreeSet<UnitName>,
    standing: BTreeSet<UnitName>,
    /// All names of each unit that has several, by one of them.
    names: BTreeMap<UnitName, BTreeSet<UnitName>>,
    /// Members of the ordering cycle that is being told of.
    cycle: BTreeSet<UnitName>,
    cycles: Vec<BTreeSet<UnitName>>,
    /// Units that another unit with a start job excludes.
    conflicts: BTreeSet<UnitName>,
    hindrances: BTreeMap<UnitName, Hindrance>,
    /// (dropped, because this one was).
    dropped: Vec<(UnitName, UnitName)>,
}

impl Reader {
    fn take(&mut self, line: &str) {
        if let Some((_, job)) = line.split_once(": Installed new job ") {
            if let Some((unit, _)) = job.split_once("/start as ") {
                self.starts.insert(unit.into());
            }
        } else if let Some(names) = line.strip_prefix("Unit ") {
            if let Some((unit, alias)) = names.split_once(" has alias ") {
                self.name(unit, alias.strip_suffix('.').unwrap_or(alias));
            }
        } else if line.contains("Found ordering cycle") {
            self.end_cycle();
            self.cycle.extend(jobs(line));
        } else if line.contains("Found dependency on ") || line.contains("to break ordering cycle") {
            self.cycle.extend(jobs(line));
        } else if line.contains("Fixing conflicting jobs ") {
            self.conflicts.extend(jobs(line));
        } else if let Some((_, told)) = line.split_once(": Deleting job ") {
            if let Some((dropped, because)) = told.split_once(" as dependency of job ") {
                self.dropped.extend(jobs(dropped).zip(jobs(because)));
            }
        } else if let Some((unit, told)) = line.split_once(": Cannot add dependency job") {
            if let Some((_, why)) = told.split_once(": ") {
                let why = why.strip_suffix('.').unwrap_or(why);
                let dropped = Hindrance::Dropped(format!("PID 1 drops it: {why}"));
                self.hindrances.insert(unit.into(), dropped);
            }
        } else if let Some((unit, _)) = line.split_once(": Changed dead -> ") {
            let found = UnitName::from(unit);
            if matches!(found.kind(), "mount" | "swap") {
                self.standing.insert(found);
            }
        } else if line.contains(DONE) {
            self.done = true;
        }
    }

    fn name(&mut self, unit: &str, alias: &str) {
        // Every instance is told to have its template as an alias.
        if !alias.contains("@.") {
            let names = self.names.entry(unit.into()).or_default();
            names.extend([unit.into(), alias.into()]);
        }
    }

    fn end_cycle(&mut self) {
        let cycle = std::mem::take(&mut self.cycle);
        if !cycle.is_empty() {
            self.cycles.push(cycle);
        }
    }

    fn finish(mut self) -> Transcript {
        self.end_cycle();
        let doubts = self.doubts();
        let Self { starts, standing, names, hindrances, .. } = self;
        let mut transcript = Transcript { starts, doubts, hindrances, standing };
        // The job and the doubt may be told under any of the names.
        for names in names.values() {
            if names.iter().any(|name| transcript.starts.contains(name)) {
                transcript.starts.extend(names.iter().cloned());
            }
            if let Some(doubt) = names.iter().find_map(|name| transcript.doubts.get(name)).cloned() {
                for name in names {
                    transcript.doubts.entry(name.clone()).or_insert_with(|| doubt.clone());
                }
            }
        }
        // One that is missed is not always a hindrance: Wants= goes on without it.
        let starts = &transcript.starts;
        transcript.hindrances.retain(|unit, _| !starts.contains(unit));
        transcript
    }

    fn doubts(&self) -> BTreeMap<UnitName, String> {
        let mut doubts = BTreeMap::new();
        for cycle in &self.cycles {
            for unit in cycle {
                let why = format!("an ordering cycle with {}: PID 1 drops one of them", others(cycle, unit));
                doubts.entry(unit.clone()).or_insert(why);
            }
        }
        for unit in &self.conflicts {
            let others = others(&self.conflicts, unit);
            let why =
                format!("Conflicts= among units that boot would start ({others}): PID 1 drops one of them");
            doubts.entry(unit.clone()).or_insert(why);
        }
        // Told in the order of the dropping, so that one pass follows a chain.
        for (unit, because) in &self.dropped {
            if doubts.contains_key(because) && !doubts.contains_key(unit) {
                let why = format!("PID 1 drops it together with {because}, which it may drop or not");
                doubts.insert(unit.clone(), why);
            }
        }
        doubts
    }
}

/// The units of all jobs that a line names, such as `b.service/start`.
fn jobs(line: &str) -> impl Iterator<Item = UnitName> {
    line.split([' ', ',']).filter_map(|word| {
        let (unit, job) = word.split_once('/')?;
        let known = matches!(job, "start" | "stop" | "verify-active" | "restart" | "reload");
        (known && unit.contains('.')).then(|| unit.into())
    })
}

/// The members but this one, for a sentence.
fn others(members: &BTreeSet<UnitName>, unit: &UnitName) -> String {
    let others: Vec<&str> = members.iter().filter(|other| *other != unit).map(UnitName::as_str).collect();
    match others.len() {
        0 => "itself".to_owned(),
        1..=NAMED => others.join(", "),
        many => {
            let named: Vec<&str> = others.into_iter().take(NAMED).collect();
            format!("{} and {} more", named.join(", "), many - NAMED)
        }
    }
}

#[cfg(test)]
mod tests;
