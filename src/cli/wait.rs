//! `wait UNIT --for=CONDITION[,…]`: the last step of a deploy.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::unit as named;
use super::render::text::{cleaned, length, took};
use super::terminal::{Terminal, Waiting};
use super::{Options, complete, wait_all};
use crate::api;
use crate::api::client::{Client, Error};
use crate::api::wire::{Condition, Time, Truth, Unit};

/// How often the unit is looked at.
const PERIOD: Duration = Duration::from_millis(200);
/// A unit file that was just dropped in is in force within this time; a name that is none is told after it.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);
/// Fresh readings are awaited so long, however short the timeout.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Looks in a row that show that no waiting helps.
const SURE: u32 = 5;
/// The conditions of the contract.
pub const KINDS: [&str; 7] = ["Loaded", "Active", "Enabled", "Boot", "Release", "Serving", "Progressing"];

/// Reasons of conditions that nothing is configured to tell.
const UNASKED: [&str; 2] = ["no-probe", "no-progress"];

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = named, add = ArgValueCandidates::new(complete::units))]
    unit: Option<String>,
    /// Wait until every managed unit works, is held or is switched off: the check of a boot
    #[arg(long, conflicts_with = "conditions")]
    all: bool,
    /// Conditions that must hold, such as Active,Release or Active=false; all of them by default
    #[arg(long = "for", value_name = "CONDITION", value_delimiter = ',', add = ArgValueCandidates::new(complete::conditions))]
    conditions: Vec<Wanted>,
    /// Give up after this long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

impl Arguments {
    /// It ends at the latest after this long.
    pub fn limit(&self) -> Duration {
        self.timeout
    }

    fn unit(&self) -> &str {
        self.unit.as_deref().unwrap_or_default()
    }
}

/// A condition and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    kind: &'static str,
    truth: Truth,
    /// `unknown` is enough where nothing is configured that could tell.
    or_unasked: bool,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, truth) = text.split_once('=').unwrap_or((text, "true"));
        let known = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind.trim()));
        let kind = known.ok_or_else(|| format!("no such condition; there are {}", KINDS.join(", ")))?;
        let truth = match truth.trim() {
            "true" => Truth::True,
            "false" => Truth::False,
            "unknown" => Truth::Unknown,
            _ => return Err("a condition is true, false or unknown".to_owned()),
        };
        Ok(Self { kind, truth, or_unasked: false })
    }
}

/// A duration as people write it on the command line.
pub fn duration(text: &str) -> Result<Duration, String> {
    api::length(text)
}

/// All conditions; those that nothing is configured to tell only where something is.
fn all() -> Vec<Wanted> {
    KINDS.into_iter().map(|kind| Wanted { kind, truth: Truth::True, or_unasked: true }).collect()
}

impl Wanted {
    fn holds(&self, unit: &Unit) -> bool {
        let condition = self.of(unit);
        let truth = condition.map_or(Truth::Unknown, |condition| condition.status);
        let unasked = condition.is_some_and(|condition| UNASKED.contains(&condition.reason.as_str()));
        truth == self.truth || (self.or_unasked && truth == Truth::Unknown && unasked)
    }

    fn is_true(&self, unit: &Unit) -> bool {
        self.of(unit).is_some_and(|condition| condition.status == Truth::True)
    }

    fn of<'a>(&self, unit: &'a Unit) -> Option<&'a Condition> {
        unit.conditions.iter().find(|condition| condition.kind == self.kind)
    }
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.all {
        return wait_all::run(options, terminal, arguments.timeout).await;
    }
    let client = options.client()?;
    let wanted = match arguments.conditions.as_slice() {
        [] => all(),
        some => some.to_vec(),
    };
    let began = Instant::now();
    let mut waiting = Waiting::new();
    let watched = watch(&client, arguments, &wanted, (began, &mut waiting)).await;
    waiting.end();
    let (unit, hopeless) = watched?;
    if options.json {
        terminal.print_json(&unit)?;
    }
    let unit = cleaned(&unit)?;
    let missing: Vec<&Wanted> = wanted.iter().filter(|wanted| !wanted.holds(&unit)).collect();
    let after = took(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    if missing.is_empty() {
        if !options.json {
            // What nothing is configured to tell is not claimed.
            let told = wanted.iter().filter(|wanted| !wanted.or_unasked || wanted.is_true(&unit));
            let kinds: Vec<&str> = told.map(|wanted| wanted.kind).collect();
            let text = format!("{}: {} as wanted after {after}\n", unit.unit, kinds.join(", "));
            terminal.print(&text)?;
        }
        return Ok(Exit::Ok);
    }
    let look = terminal.look();
    for wanted in &missing {
        let found = wanted.of(&unit).map_or("unknown: never read".to_owned(), |condition| {
            format!(
                "{} for {}: {}: {}",
                condition.status.as_str(),
                look.age(condition.since),
                condition.reason,
                condition.message
            )
        });
        terminal.remark(&format!("steadfast: {} after {after}: {} is {found}", unit.unit, wanted.kind));
    }
    if let Some(why) = hopeless {
        terminal.remark(&format!("steadfast: waiting does not help: {why}"));
    }
    let unknown = |wanted: &&Wanted| wanted.of(&unit).is_none_or(|c| c.status == Truth::Unknown);
    let all_unknown = missing.iter().all(unknown);
    Ok(if all_unknown { Exit::Unknown } else { Exit::Critical })
}

/// The unit as fresh readings show it, unless those take longer than anybody wants to wait.
async fn first(client: &Client, arguments: &Arguments) -> Result<Unit, Error> {
    let patience = arguments.timeout.max(FIRST_LOOK);
    match timeout(patience, client.unit_afresh(arguments.unit())).await {
        Ok(read) => read,
        Err(_) => client.unit(arguments.unit()).await,
    }
}

/// Looks until the conditions hold, cannot come to hold by waiting, or the time is up; the last that was seen, and why no waiting
/// helps.
async fn watch(
    client: &Client,
    arguments: &Arguments,
    wanted: &[Wanted],
    (began, waiting): (Instant, &mut Waiting),
) -> Result<(Unit, Option<String>), Error> {
    let mut met = false;
    let mut looks = 0_u32;
    let ends = Time::now().0.saturating_add(i64::try_from(arguments.timeout.as_millis()).unwrap_or(i64::MAX));
    loop {
        let over = began.elapsed() >= arguments.timeout;
        // The first answer rests on readings that began after the question: a link may have been switched just now.
        let unit = if met { client.unit(arguments.unit()).await } else { first(client, arguments).await };
        match unit {
            Ok(unit) if over || wanted.iter().all(|wanted| wanted.holds(&unit)) => return Ok((unit, None)),
            Ok(unit) => {
                met = true;
                waiting.say(|| running(&unit, wanted, began.elapsed(), arguments.timeout));
                let hopeless = hopeless(&unit, wanted, ends);
                // What was just switched, started or dropped in is not noticed yet by the first look.
                looks = if hopeless.is_some() { looks.saturating_add(1) } else { 0 };
                if looks >= SURE {
                    return Ok((unit, hopeless));
                }
            }
            Err(error) if over => return Err(error),
            // Just dropped in, or between two versions of its file.
            Err(Error::NotManaged(_)) if met || began.elapsed() < APPEARS_WITHIN => {
                waiting.say(|| format!("waiting for {} to be managed", arguments.unit()));
            }
            // The daemon was there and is being restarted.
            Err(Error::Unreachable(_) | Error::Broken { .. }) if met => {
                waiting.say(|| "waiting for the supervisor to come back".to_owned());
            }
            Err(error) => return Err(error),
        }
        sleep(PERIOD).await;
    }
}

/// What is waited for, on one line: `Release (12s of 60s): false, the main process …`.
fn running(unit: &Unit, wanted: &[Wanted], passed: Duration, limit: Duration) -> String {
    let shown = |time: Duration| length(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    let missing: Vec<&Wanted> = wanted.iter().filter(|wanted| !wanted.holds(unit)).collect();
    let kinds: Vec<&str> = missing.iter().map(|wanted| wanted.kind).collect();
    let first = missing.first().and_then(|wanted| wanted.of(unit));
    let found = first.map_or_else(String::new, |condition| {
        format!(": {} is {}, {}", condition.kind, condition.status.as_str(), condition.message)
    });
    format!("waiting for {} ({} of {}){found}", kinds.join(", "), shown(passed), shown(limit))
}

/// Why these conditions do not come to hold by waiting, if they do not. `ends`: when that is over, Unix time in milliseconds.
fn hopeless(unit: &Unit, wanted: &[Wanted], ends: i64) -> Option<String> {
    let missing = |kinds: &[&str]| {
        let waits = |wanted: &&Wanted| wanted.truth == Truth::True && kinds.contains(&wanted.kind);
        wanted.iter().filter(waits).any(|wanted| !wanted.holds(unit))
    };
    if unit.recovery.is_some() {
        return None;
    }
    let found = |code: &str| unit.findings.iter().find(|finding| finding.code == code);
    if let Some(failed) = found("smoke-failed").filter(|_| missing(&["Active", "Release", "Serving"])) {
        return Some(failed.message.clone());
    }
    if let Some(masked) = found("unit-masked").filter(|_| missing(&["Loaded", "Active"])) {
        return Some(masked.message.clone());
    }
    let later = |at: Time| at.0 > ends;
    let quarantine = unit.quarantine.as_ref().filter(|known| later(known.retry_at));
    if let Some(known) = quarantine.filter(|_| missing(&["Active", "Release", "Serving", "Progressing"])) {
        return Some(format!(
            "it is quarantined ({}), and is tried again only at {}",
            known.because, known.retry_at
        ));
    }
    let down = matches!(unit.active_state.as_deref(), Some("inactive" | "failed"));
    if !down || !missing(&["Active", "Serving", "Progressing"]) {
        return None;
    }
    if let Some(off) = unit.disabled.as_ref().filter(|off| later(off.until)) {
        return Some(format!("its file is switched off: {}", off.reason));
    }
    let hold = unit.hold.as_ref().filter(|hold| hold.until.is_none_or(later))?;
    Some(format!("it is held ({}) and not started", hold.reason.as_deref().unwrap_or(&hold.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_named_as_in_the_contract() {
        let wanted: Wanted = "release=false".parse().unwrap();
        assert_eq!((wanted.kind, wanted.truth), ("Release", Truth::False));
        assert_eq!("Active".parse::<Wanted>().unwrap().truth, Truth::True);
        let error = "Ready".parse::<Wanted>().unwrap_err();
        assert!(error.starts_with("no such condition; there are Loaded, Active"));
        assert!("Active=yes".parse::<Wanted>().is_err());
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-2m").is_err() && duration("2").is_err());
    }
}
