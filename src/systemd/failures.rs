//! Follows which units are failed, managed or not. systemd's own restart is awaited first, and the last lines of each are read.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zbus::{Connection, MatchRule};

use super::bus::{self, BusError, Instance, PROPERTIES, SYSTEMD, Signals, UNIT, UNITS};
use super::command::PREFIX;
use super::proxies::ManagerProxy;
use super::subscriptions;
use super::values::{self, Values};
use crate::model::audit::FailedUnit;
use crate::model::observation::Observation;
use crate::model::unit::UnitName;

/// A unit that systemd restarts is failed for a moment only.
const SETTLE: Duration = Duration::from_millis(300);
/// What failed and runs again is well when it has run so long.
const CALM: Duration = Duration::from_secs(10);
/// Our own units: whether we can do our work is told by ourselves.
const OWN: [&str; 4] =
    ["steadfast.service", "steadfast.socket", "steadfast-prober.service", "steadfast-prober.socket"];
/// Signals that may wait for us.
const QUEUE: usize = 4096;
/// Failed units that are reported.
const UNITS_AT_ONCE: usize = 200;
/// The last lines of a unit, and how long the journal may take for them.
const LINES: &str = "--lines=5";
/// A unit with `LogNamespace=` has a journal of its own.
const EVERYWHERE: &str = "--namespace=*";
const LOG_LIMIT: Duration = Duration::from_millis(1500);
const LOG_BYTES: u64 = 16 * 1024;
/// Waits between attempts to reach the bus.
const AGAIN: Duration = Duration::from_secs(5);

/// Reports every failed unit whenever one fails or recovers, until nobody listens any more.
pub async fn watch_failures(instance: Instance, out: mpsc::Sender<Observation>) {
    while !out.is_closed() {
        // Why it was lost is told by those who follow units.
        drop(follow(instance, &out).await);
        tokio::select! {
            () = sleep(AGAIN) => {}
            () = out.closed() => return,
        }
    }
}

async fn follow(instance: Instance, out: &mpsc::Sender<Observation>) -> Result<(), BusError> {
    let listener = bus::connect(instance).await?;
    let calls = bus::connect(instance).await?;
    let rule = MatchRule::builder()
        .sender(SYSTEMD)
        .interface(PROPERTIES)
        .member("PropertiesChanged")
        .arg(0, UNIT)
        .path_namespace(UNITS);
    let rule = rule.build().map_err(BusError::from)?;
    let mut signals = Signals::open(&listener, vec![rule], QUEUE).await?;
    subscriptions::subscribe(&listener).await?;
    let user = instance == Instance::User;
    let mut failed: BTreeMap<String, FailedUnit> = BTreeMap::new();
    let mut due: BTreeMap<String, Instant> = BTreeMap::new();
    for unit in
        ManagerProxy::new(&calls).await?.list_units().await?.into_iter().filter(|unit| unit.3 == "failed")
    {
        due.insert(unit.6.to_string(), Instant::now());
    }
    let mut told: Option<BTreeSet<UnitName>> = None;
    loop {
        let now = Instant::now();
        let ripe: Vec<String> =
            due.iter().filter(|(_, at)| **at <= now).map(|(path, _)| path.clone()).collect();
        for path in ripe {
            due.remove(&path);
            match look(&calls, &path, user).await? {
                Some(unit) => failed.insert(path, unit),
                None => failed.remove(&path),
            };
        }
        let names: BTreeSet<UnitName> = failed.values().map(|unit| unit.unit.clone()).collect();
        if due.values().all(|at| *at > Instant::now()) && told.as_ref() != Some(&names) {
            let units = failed.values().take(UNITS_AT_ONCE).cloned().collect();
            if out.send(Observation::UnitsFailed(units)).await.is_err() {
                return Ok(());
            }
            told = Some(names);
        }
        let next = due.values().min().copied();
        tokio::select! {
            signal = signals.next() => {
                let Some(message) = signal else { return Ok(()) };
                let header = message.header();
                let Some(path) = header.path().map(ToString::to_string) else { continue };
                let body = message.body();
                let Ok((_, changed, _)) = body.deserialize::<(&str, Values<'_>, Vec<&str>)>() else { continue };
                match values::text(&changed, "ActiveState") {
                    Some("failed") => drop(due.insert(path, Instant::now() + SETTLE)),
                    // A job that fails at each run is not well because the next run begins.
                    Some("activating" | "deactivating") => drop(due.remove(&path)),
                    Some("active") if failed.contains_key(&path) => {
                        due.insert(path, Instant::now() + CALM);
                    }
                    Some(_) => {
                        due.remove(&path);
                        failed.remove(&path);
                    }
                    None => {}
                }
            }
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            () = out.closed() => return Ok(()),
        }
    }
}

/// The unit of this object, if it is failed still.
async fn look(calls: &Connection, path: &str, user: bool) -> Result<Option<FailedUnit>, BusError> {
    let Ok(path) = zbus::ObjectPath::try_from(path) else {
        return Ok(None);
    };
    // A unit that was unloaded meanwhile is not failed any more.
    let Ok(told) = bus::properties(calls, &path, UNIT, &["Id", "ActiveState", "InvocationID"]).await else {
        return Ok(None);
    };
    let id = values::text(&told, "Id").unwrap_or_default();
    let ours = id.starts_with(PREFIX) || OWN.contains(&id);
    if values::text(&told, "ActiveState") != Some("failed") || id.is_empty() || ours {
        return Ok(None);
    }
    let unit = UnitName::from(id);
    let interface = match unit.kind() {
        "service" => "org.freedesktop.systemd1.Service",
        "socket" => "org.freedesktop.systemd1.Socket",
        "timer" => "org.freedesktop.systemd1.Timer",
        "mount" => "org.freedesktop.systemd1.Mount",
        "swap" => "org.freedesktop.systemd1.Swap",
        "scope" => "org.freedesktop.systemd1.Scope",
        _ => "org.freedesktop.systemd1.Path",
    };
    let result = bus::property::<String>(calls, &path, interface, "Result").await.unwrap_or_default();
    let lines =
        timeout(LOG_LIMIT, last_lines(&unit, user)).await.ok().and_then(Result::ok).unwrap_or_default();
    Ok(Some(FailedUnit { unit, result, lines }))
}

/// What the unit itself wrote last. Where it wrote nothing, what PID 1 says of it: it may never have come so far.
async fn last_lines(unit: &UnitName, user: bool) -> std::io::Result<Vec<String>> {
    let field = if user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let said = lines_of(&[&format!("{field}={unit}")]).await?;
    if !said.is_empty() || user {
        return Ok(said);
    }
    lines_of(&["--priority=notice", &format!("UNIT={unit}"), "_PID=1"]).await
}

async fn lines_of(what: &[&str]) -> std::io::Result<Vec<String>> {
    let mut command = Command::new("journalctl");
    // Up to systemd 253 the number of lines counts from `--since` on, unless the newest comes first.
    command.args(["--quiet", "--no-pager", "--since=-10min", "--output=cat", "--reverse", EVERYWHERE, LINES]);
    command.args(what);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut bytes = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(LOG_BYTES).read_to_end(&mut bytes).await?;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let harmless = |line: &str| line.replace(char::is_control, " ").chars().take(300).collect::<String>();
    Ok(text.lines().rev().map(str::trim).filter(|line| !line.is_empty()).map(harmless).collect())
}
