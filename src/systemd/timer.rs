//! What a timer starts, and how its last run ended.

use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use super::bus::{self, Instance, UNIT, words};
use crate::model::audit::TimerFacts;
use crate::model::probe::TimerReading;
use crate::model::unit::UnitName;

const TIMER: &str = "org.freedesktop.systemd1.Timer";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// Reads the timer and the first unit that it starts, within the limit.
///
/// # Errors
/// One sentence.
pub async fn last_run(instance: Instance, timer: &str, limit: Duration) -> Result<TimerReading, String> {
    let asked = async {
        let connection = bus::connect(instance).await.map_err(|error| error.to_string())?;
        read(&connection, timer).await.map_err(|error| words(&error))
    };
    timeout(limit, asked).await.unwrap_or_else(|_| Err("the service manager did not answer".to_owned()))
}

/// How often these timers fire, and how what they start last ran; and whether there was time
/// for all. One that does not answer is left out.
pub async fn facts(instance: Instance, timers: &[UnitName], limit: Duration) -> (Vec<TimerFacts>, bool) {
    let mut all = Vec::new();
    let asked = async {
        let connection = bus::connect(instance).await.ok()?;
        for timer in timers {
            all.extend(fact(&connection, timer).await.ok());
        }
        Some(())
    };
    // What was read by then is kept.
    let in_time = timeout(limit, asked).await.is_ok_and(|asked| asked.is_some());
    (all, in_time)
}

async fn fact(connection: &Connection, timer: &UnitName) -> zbus::Result<TimerFacts> {
    let path = bus::unit_path(timer.as_str());
    let last = read(connection, timer.as_str()).await?;
    let calendars: Vec<(String, String, u64)> =
        bus::property(connection, &path, TIMER, "TimersCalendar").await?;
    let spans: Vec<(String, u64, u64)> = bus::property(connection, &path, TIMER, "TimersMonotonic").await?;
    let accuracy: u64 = bus::property(connection, &path, TIMER, "AccuracyUSec").await?;
    let delay: u64 = bus::property(connection, &path, TIMER, "RandomizedDelayUSec").await?;
    let started = bus::unit_path(&last.unit);
    let met: bool = bus::property(connection, &started, UNIT, "ConditionResult").await?;
    let tried: u64 = bus::property(connection, &started, UNIT, "ConditionTimestampMonotonic").await?;
    let service = last.unit.ends_with(".service");
    let kind: String =
        if service { bus::property(connection, &started, SERVICE, "Type").await? } else { String::new() };
    Ok(TimerFacts {
        timer: timer.clone(),
        last,
        calendars: calendars.into_iter().map(|(_, text, _)| text).collect(),
        spans: spans.into_iter().map(|(base, us, _)| (base, Duration::from_micros(us))).collect(),
        oneshot: kind == "oneshot",
        kept_away: !service || (tried > 0 && !met),
        tolerance: Duration::from_micros(accuracy.saturating_add(delay)),
    })
}

async fn read(connection: &Connection, timer: &str) -> zbus::Result<TimerReading> {
    let path = bus::unit_path(timer);
    let unit: String = bus::property(connection, &path, TIMER, "Unit").await?;
    let triggered: u64 = bus::property(connection, &path, TIMER, "LastTriggerUSec").await?;
    let armed: u64 = bus::property(connection, &path, UNIT, "ActiveEnterTimestamp").await?;
    let state: String = bus::property(connection, &path, UNIT, "ActiveState").await?;
    let started = bus::unit_path(&unit);
    let active: String = bus::property(connection, &started, UNIT, "ActiveState").await?;
    let runs = matches!(active.as_str(), "activating" | "active" | "reloading" | "deactivating");
    let mut reading = TimerReading {
        triggered_at: moment(triggered),
        armed_at: moment(armed).filter(|_| state == "active"),
        ..TimerReading::default()
    };
    if unit.ends_with(".service") {
        let began: u64 = bus::property(connection, &started, SERVICE, "ExecMainStartTimestamp").await?;
        let ended: u64 = bus::property(connection, &started, SERVICE, "ExecMainExitTimestamp").await?;
        let process: u32 = bus::property(connection, &started, SERVICE, "MainPID").await?;
        reading.result = bus::property(connection, &started, SERVICE, "Result").await?;
        // A oneshot that stays active after its exit runs no more.
        reading.running_since = moment(began).filter(|_| runs && process > 0);
        reading.ended_at = moment(ended);
    } else {
        let since: u64 = bus::property(connection, &started, UNIT, "ActiveEnterTimestamp").await?;
        reading.result = "success".to_owned();
        reading.ended_at = moment(since);
    }
    reading.unit = unit;
    Ok(reading)
}

/// Unix time in milliseconds; systemd's 0 is never.
fn moment(us: u64) -> Option<i64> {
    i64::try_from(us / 1000).ok().filter(|ms| *ms > 0)
}
