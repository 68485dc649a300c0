//! `wait --all`: until every managed unit works; the check of a boot.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Options;
use super::exit::Exit;
use super::render::text::{clean, cleaned, count, took};
use super::terminal::{Terminal, Waiting};
use crate::api::client::{Client, Error};
use crate::api::render::why;
use crate::api::wire::{State, Status, Unit};

/// How often all are looked at.
const PERIOD: Duration = Duration::from_millis(500);
/// So often in a row all must be well: what has just started may be about to end.
const SURE: u32 = 3;

/// Waits, and says which do not work.
pub async fn run(options: &Options, terminal: &Terminal, limit: Duration) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let began = Instant::now();
    let mut waiting = Waiting::new();
    let watched = watch(&client, (began, limit), &mut waiting).await;
    waiting.end();
    let status = watched?;
    if options.json {
        terminal.print_json(&status)?;
    }
    let status = cleaned(&status)?;
    let after = took(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let look = terminal.look();
    let mut exit = if status.ready { Exit::Ok } else { Exit::Unknown };
    let (excused, failing): (Vec<&Unit>, Vec<&Unit>) =
        status.units.iter().filter(|unit| !works(unit)).partition(|unit| is_excused(unit));
    for unit in &failing {
        exit = exit.worse(Exit::of_unit(unit).worse(Exit::Warning));
        let (state, why) = (unit.state.as_str(), why(&look, unit));
        terminal.remark(&format!("steadfast: {} after {after}: {state}: {why}", unit.unit));
    }
    for unit in excused.iter().filter(|_| !options.json) {
        let why = why(&look, unit);
        terminal.remark(&format!("steadfast: not waited for: {}: {}: {why}", unit.unit, unit.state.as_str()));
    }
    if !status.ready {
        terminal.remark(&format!("steadfast: after {after} not every unit has been read"));
    }
    if exit == Exit::Ok && !options.json {
        terminal.print(&said(&status, &after))?;
    }
    Ok(exit)
}

fn said(status: &Status, after: &str) -> String {
    if status.units.is_empty() {
        return "no unit is managed: there is nothing to wait for\n".to_owned();
    }
    let held = status.units.iter().filter(|unit| matches!(unit.state, State::Held | State::Disabled)).count();
    let held = if held > 0 { format!(" ({held} held or switched off)") } else { String::new() };
    let units = status.units.iter().filter(|unit| !is_excused(unit) || works(unit)).count();
    format!("{}: as wanted after {}{held}\n", count(units, "unit"), clean(after))
}

/// It works, or a person wants it to be left alone.
fn works(unit: &Unit) -> bool {
    matches!(unit.state, State::Ok | State::Held | State::Disabled)
}

/// What is wrong is not on this host: another boot would not mend it.
fn is_excused(unit: &Unit) -> bool {
    let remote = |name: &str| name.ends_with(".dependency");
    remote(&unit.unit) || unit.explained_by.as_deref().is_some_and(remote)
}

/// Looks until all work, or the time is up. A supervisor that does not answer yet is waited for.
async fn watch(
    client: &Client,
    (began, limit): (Instant, Duration),
    waiting: &mut Waiting,
) -> Result<Status, Error> {
    let mut sure = 0_u32;
    loop {
        let over = began.elapsed() >= limit;
        match client.status().await {
            Ok(status) => {
                let open = status.units.iter().filter(|unit| !works(unit) && !is_excused(unit)).count();
                sure = if status.ready && open == 0 { sure.saturating_add(1) } else { 0 };
                if over || sure >= SURE {
                    return Ok(status);
                }
                waiting.say(|| format!("waiting for {} of {}", open, count(status.units.len(), "unit")));
            }
            Err(Error::Unreachable(_) | Error::Broken { .. }) if !over => {
                sure = 0;
                waiting.say(|| "waiting for the supervisor".to_owned());
            }
            Err(error) => return Err(error),
        }
        sleep(PERIOD).await;
    }
}
