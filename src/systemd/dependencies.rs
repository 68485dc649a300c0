//! What adoption wants to know of a unit besides its settings: what it says it needs, and when a timer elapses.

use std::collections::BTreeMap;

use zbus::{Connection, Variant};

use crate::model::adopt::{Needs, Schedule};
use crate::model::unit::UnitName;

use super::Instance;
use super::bus::{self, BusError, UNIT};
use super::proxies::ManagerProxy;
use super::values::{self, INFINITY, Values};

const TIMER: &str = "org.freedesktop.systemd1.Timer";
const SECOND: u64 = 1_000_000;

/// Reads these units, one after the other. One that cannot be read is left out.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn read(instance: Instance, units: &[UnitName]) -> Result<BTreeMap<UnitName, Needs>, BusError> {
    let connection = bus::connect(instance).await?;
    let manager = ManagerProxy::new(&connection).await?;
    let mut told = BTreeMap::new();
    for unit in units {
        if let Ok(needs) = of_unit(&connection, &manager, unit).await {
            told.insert(unit.clone(), needs);
        }
    }
    Ok(told)
}

async fn of_unit(
    connection: &Connection,
    manager: &ManagerProxy<'_>,
    unit: &UnitName,
) -> zbus::Result<Needs> {
    let path = manager.load_unit(unit.as_str()).await?;
    let names = ["Description", "Requires", "Requisite", "BindsTo", "Wants", "After"];
    let values = bus::properties(connection, &path, UNIT, &names).await?;
    let units = |name: &str| values::texts(&values, name).into_iter().map(UnitName);
    let mut requires: Vec<UnitName> =
        units("Requires").chain(units("Requisite")).chain(units("BindsTo")).collect();
    requires.sort();
    requires.dedup();
    let schedule = if unit.kind() == "timer" {
        let names = ["Unit", "TimersCalendar", "TimersMonotonic", "RandomizedDelayUSec", "AccuracyUSec"];
        Some(schedule(&bus::properties(connection, &path, TIMER, &names).await?))
    } else {
        None
    };
    Ok(Needs {
        description: values::text_or_empty(&values, "Description"),
        requires,
        wants: units("Wants").collect(),
        after: units("After").collect(),
        schedule,
    })
}

fn schedule(values: &Values<'_>) -> Schedule {
    let seconds = |name: &str| values::number(values, name).unwrap_or(0) / SECOND;
    Schedule {
        unit: values::text_or_empty(values, "Unit"),
        calendar: values::items(values, "TimersCalendar").filter_map(calendar).collect(),
        monotonic: values::items(values, "TimersMonotonic").filter_map(monotonic).collect(),
        spread: seconds("RandomizedDelayUSec") + seconds("AccuracyUSec"),
    }
}

/// Kind, what is written, when next.
fn calendar(item: &Variant<'_>) -> Option<String> {
    let Variant::Structure(fields) = item else {
        return None;
    };
    let [_, written, ..] = fields.fields() else {
        return None;
    };
    values::as_text(written).map(str::to_owned)
}

fn monotonic(item: &Variant<'_>) -> Option<(String, u64)> {
    let Variant::Structure(fields) = item else {
        return None;
    };
    let [name, Variant::U64(length), ..] = fields.fields() else {
        return None;
    };
    // `OnBootUSec` on the bus is `OnBootSec=` in the file.
    let name = values::as_text(name)?.replace("USec", "Sec");
    (*length != INFINITY).then_some((name, length / SECOND))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_schedule_is_read_as_the_bus_tells_it() {
        let told: Values<'_> = HashMap::from([
            ("Unit", Variant::from("dump.service")),
            ("TimersCalendar", Variant::from(vec![("OnCalendar", "*-*-* 00:00:00", 7_u64)])),
            ("TimersMonotonic", Variant::from(vec![("OnUnitActiveUSec", 900 * SECOND, 7_u64)])),
            ("AccuracyUSec", Variant::from(60 * SECOND)),
        ]);
        let wanted = Schedule {
            unit: "dump.service".to_owned(),
            calendar: vec!["*-*-* 00:00:00".to_owned()],
            monotonic: vec![("OnUnitActiveSec".to_owned(), 900)],
            spread: 60,
        };
        assert_eq!(schedule(&told), wanted);
    }
}
