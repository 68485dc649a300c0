//! What a timer starts, and how its last run ended.

use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use super::bus::{self, Instance, UNIT, words};
use crate::model::probe::TimerReading;

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
