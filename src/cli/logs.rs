//! `logs UNIT`: the journal of a unit, with what systemd and Steadfast say of it.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::{is_pattern, unit_or_pattern};
use super::wait::duration;
use super::{Options, complete};
use crate::api::wire::Incident;
use crate::model::unit::UnitName;

/// What was written so long before an incident may have led to it.
const BEFORE_MS: i64 = 5 * 60_000;
/// Of what follows an incident, this much is shown.
const AFTER_MS: i64 = 60_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Units, or patterns such as 'web-*'
    #[arg(value_name = "UNIT", required_unless_present = "incident", value_parser = unit_or_pattern, add = ArgValueCandidates::new(complete::local_units))]
    units: Vec<String>,
    /// Show new lines as they are written
    #[arg(short, long, conflicts_with = "incident")]
    follow: bool,
    /// The last N lines (default: 100, or all with --since or --incident)
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u32>,
    /// Only lines of this time, such as 1h
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "incident")]
    since: Option<Duration>,
    /// Only lines around this incident: from 5 minutes before it until a minute after
    #[arg(long, value_name = "INCIDENT", add = ArgValueCandidates::new(complete::incidents))]
    incident: Option<u64>,
    /// Only this priority and above, such as warning
    #[arg(short, long, value_name = "PRIORITY", value_parser = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"])]
    priority: Option<String>,
    /// Only what Steadfast says of the units
    #[arg(long)]
    steadfast: bool,
}

impl Arguments {
    /// It goes on until it is ended.
    pub fn follows(&self) -> bool {
        self.follow
    }
}

pub async fn run(options: &Options, arguments: &Arguments) -> anyhow::Result<Exit> {
    let incident = match arguments.incident {
        Some(id) => Some(options.client()?.incident(id).await?.incident),
        None => None,
    };
    let mut units = Vec::new();
    for name in &arguments.units {
        units.push(full(options, name).await);
    }
    if units.is_empty() {
        let incident = incident.as_ref();
        units.extend(incident.into_iter().flat_map(|one| one.unit.iter().chain(&one.affected)).cloned());
    }
    let mut journalctl = Command::new("journalctl");
    journalctl.args(self::arguments(options, arguments, &units, incident.as_ref()));
    if options.no_color {
        journalctl.env("SYSTEMD_COLORS", "0");
    }
    // It takes our place, with the reader's pager and signals.
    Err(journalctl.exec()).context("cannot run journalctl")
}

/// A unit's own name where the daemon knows it under another one.
async fn full(options: &Options, name: &str) -> String {
    let meant = UnitName::meant(name).to_string();
    if is_pattern(name) {
        return meant;
    }
    match options.client() {
        Ok(client) => client.unit(name).await.map_or(meant, |unit| unit.unit),
        Err(_) => meant,
    }
}

/// What `journalctl` is asked.
fn arguments(
    options: &Options,
    wanted: &Arguments,
    units: &[String],
    incident: Option<&Incident>,
) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut add = |text: String| arguments.push(text);
    if options.user {
        add("--user".to_owned());
    }
    if wanted.steadfast {
        let our = if options.user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
        add(format!("{our}=steadfast.service"));
        units.iter().for_each(|unit| add(format!("OBJECT_SYSTEMD_UNIT={unit}")));
    } else {
        let option = if options.user { "--user-unit" } else { "--unit" };
        units.iter().for_each(|unit| add(format!("{option}={unit}")));
    }
    if let Some(incident) = incident {
        let at = |ms: i64| format!("@{}", ms.div_euclid(1000));
        let began = incident.began_at.map_or(incident.opened_at.0, |began| began.0.min(incident.opened_at.0));
        add(format!("--since={}", at(began.saturating_sub(BEFORE_MS))));
        if let Some(end) = incident.resolved_at {
            add(format!("--until={}", at(end.0.saturating_add(AFTER_MS))));
        }
    }
    if let Some(since) = wanted.since {
        add(format!("--since=-{}s", since.as_secs().max(1)));
    }
    let bounded = wanted.since.is_some() || incident.is_some();
    if let Some(lines) = wanted.lines.or((!bounded).then_some(100)) {
        add(format!("--lines={lines}"));
    }
    if let Some(priority) = &wanted.priority {
        add(format!("--priority={priority}"));
    }
    if wanted.follow {
        add("--follow".to_owned());
    }
    if options.json {
        add("--output=json".to_owned());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        arguments: Arguments,
    }

    fn asked(line: &str) -> String {
        let line = Line::try_parse_from(line.split(' ')).expect("it parses");
        let units: Vec<String> = line.arguments.units.clone();
        arguments(&line.options, &line.arguments, &units, None).join(" ")
    }

    #[test]
    fn the_journal_is_asked_for_the_unit_and_what_is_said_of_it() {
        assert_eq!(asked("logs shop.service"), "--unit=shop.service --lines=100");
        assert_eq!(
            asked("logs a.service b.service -f -n 5"),
            "--unit=a.service --unit=b.service --lines=5 --follow"
        );
        assert_eq!(
            asked("logs a.service --since 2h --json"),
            "--unit=a.service --since=-7200s --output=json"
        );
        assert_eq!(
            asked("logs --user a.service --steadfast -p err"),
            "--user _SYSTEMD_USER_UNIT=steadfast.service OBJECT_SYSTEMD_UNIT=a.service --lines=100 --priority=err"
        );
    }

    #[test]
    fn a_priority_that_is_none_is_refused() {
        assert!(Line::try_parse_from(["logs", "a.service", "-p", "loud"]).is_err());
        assert!(Line::try_parse_from(["logs"]).is_err());
    }
}
