//! One unit's state, put together from its properties or from the signals of their change.

use nix::time::{ClockId, clock_gettime};

use super::values::{self, Values};
use crate::model::moment::Moment;
use crate::model::unit::{ActiveState, Job, JobKind, LoadState, UnitReading};
use crate::model::will::{Exit, Tried, UnitResult};

/// What a reading needs of the `Unit` interface.
pub(super) const PROPERTIES: [&str; 15] = [
    "LoadState",
    "ActiveState",
    "SubState",
    "Job",
    "InvocationID",
    "ActiveEnterTimestamp",
    "ActiveEnterTimestampMonotonic",
    "InactiveEnterTimestamp",
    "InactiveEnterTimestampMonotonic",
    "StateChangeTimestampMonotonic",
    "ConditionTimestampMonotonic",
    "ConditionResult",
    "AssertResult",
    "AssertTimestampMonotonic",
    "FreezerState",
];

/// A unit as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) reading: UnitReading,
    /// When a start was last tried, in microseconds: its conditions and its control group may be new since.
    pub(super) tried_us: u64,
}

impl Record {
    /// A unit that is not loaded, and of which nothing but that is known.
    pub(super) fn unloaded(load: LoadState) -> Self {
        Self { reading: UnitReading::unloaded(load), tried_us: 0 }
    }

    /// Takes the whole state of the `Unit` interface, as a read or a signal gives it. Only a read tells the load state.
    pub(super) fn take_unit(&mut self, told: &Values<'_>) {
        let reading = &mut self.reading;
        if let Some(load) = values::text(told, "LoadState") {
            reading.load = load_state(load);
        }
        reading.active = active_state(values::text(told, "ActiveState").unwrap_or_default());
        reading.sub = values::text_or_empty(told, "SubState");
        reading.job = values::job_id(told).map(|id| Job { id, kind: JobKind::Other });
        reading.invocation = values::hex(told, "InvocationID");
        reading.active_since = moment(told, "ActiveEnterTimestamp", "ActiveEnterTimestampMonotonic");
        reading.inactive_since = moment(told, "InactiveEnterTimestamp", "InactiveEnterTimestampMonotonic");
        reading.changed_us = values::number(told, "StateChangeTimestampMonotonic").unwrap_or(0);
        self.tried_us = values::number(told, "ConditionTimestampMonotonic").unwrap_or(0);
        reading.tried = tried(told);
        // systemd 252 does not tell of it in signals.
        if let Some(word) = values::text(told, "FreezerState") {
            reading.frozen = is_frozen(word);
        }
    }

    /// Takes the whole state of the interface of its kind.
    pub(super) fn take_kind(&mut self, told: &Values<'_>) {
        let reading = &mut self.reading;
        if let Some(result) = values::text(told, "Result") {
            reading.result = UnitResult::of(result);
        }
        reading.main_pid = values::small(told, "MainPID").filter(|pid| *pid != 0);
        reading.n_restarts = values::small(told, "NRestarts").unwrap_or(0);
        reading.exit = exit(
            values::number(told, "ExecMainCode").unwrap_or(0),
            values::number(told, "ExecMainStatus").unwrap_or(0),
        );
        reading.status_text = values::text_or_empty(told, "StatusText");
    }
}

/// systemd's word as a load state; `merged` is what an alias is.
pub(super) fn load_state(word: &str) -> LoadState {
    match word {
        "loaded" | "merged" | "stub" => LoadState::Loaded,
        "not-found" => LoadState::NotFound,
        "masked" => LoadState::Masked,
        other => LoadState::Bad(other.to_owned()),
    }
}

fn active_state(word: &str) -> ActiveState {
    match word {
        "active" => ActiveState::Active,
        "reloading" => ActiveState::Reloading,
        "inactive" => ActiveState::Inactive,
        "failed" => ActiveState::Failed,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        _ => ActiveState::Other,
    }
}

/// systemd's word as a kind of job.
pub(super) fn job_kind(word: &str) -> JobKind {
    match word {
        "start" => JobKind::Start,
        "stop" => JobKind::Stop,
        "restart" | "try-restart" => JobKind::Restart,
        _ => JobKind::Other,
    }
}

/// A timestamp that systemd took on both clocks; `None` for never.
fn moment(told: &Values<'_>, wall: &str, monotonic: &str) -> Option<Moment> {
    let wall = values::number(told, wall).filter(|at| *at > 0)?;
    let monotonic = values::number(told, monotonic)?;
    let ms = |micros: u64| i64::try_from(micros / 1000).unwrap_or(i64::MAX);
    Some(Moment { boot_ms: ms(monotonic).saturating_add(suspended_ms()), wall_ms: ms(wall) })
}

/// How long the machine has slept in this boot: systemd's monotonic clock leaves it out, ours does not.
fn suspended_ms() -> i64 {
    let read = |clock| {
        clock_gettime(clock)
            .map_or(0, |time| time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_nsec() / 1000))
    };
    let monotonic = read(ClockId::CLOCK_MONOTONIC);
    read(ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic) / 1000
}

/// What the last try to start it came to, by the conditions and asserts of its file.
fn tried(told: &Values<'_>) -> Tried {
    let unmet = |result: &str, at: &str| {
        values::number(told, at).is_some_and(|at| at > 0) && !values::flag(told, result)
    };
    if unmet("ConditionResult", "ConditionTimestampMonotonic") {
        Tried::ConditionUnmet
    } else if unmet("AssertResult", "AssertTimestampMonotonic") {
        Tried::AssertUnmet
    } else {
        Tried::Met
    }
}

/// The interface of a kind of unit; targets, devices and the like have nothing there for us.
pub(super) fn interface(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "service" => "org.freedesktop.systemd1.Service",
        "socket" => "org.freedesktop.systemd1.Socket",
        "timer" => "org.freedesktop.systemd1.Timer",
        "path" => "org.freedesktop.systemd1.Path",
        "mount" => "org.freedesktop.systemd1.Mount",
        "automount" => "org.freedesktop.systemd1.Automount",
        "swap" => "org.freedesktop.systemd1.Swap",
        "scope" => "org.freedesktop.systemd1.Scope",
        "slice" => "org.freedesktop.systemd1.Slice",
        _ => return None,
    })
}

/// `freezing`, `frozen`, and the same by a slice above it.
pub(super) fn is_frozen(word: &str) -> bool {
    word.starts_with("freezing") || word.starts_with("frozen")
}

/// `ExecMainCode=` and `ExecMainStatus=`; `None` while it runs, and when it never ran.
fn exit(code: u64, status: u64) -> Option<Exit> {
    let status = u32::try_from(status).ok()?;
    match code {
        1 => Some(Exit::Code(status)),
        2 => Some(Exit::Signal { number: status, core: false }),
        3 => Some(Exit::Signal { number: status, core: true }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::{ObjectPath, Variant};

    use super::*;

    #[test]
    fn a_pair_of_signals_makes_a_reading() {
        let mut record = Record::unloaded(LoadState::Loaded);
        record.take_kind(&HashMap::from([
            ("Result", Variant::from("signal")),
            ("MainPID", Variant::from(0_u32)),
            ("NRestarts", Variant::from(3_u32)),
            ("ExecMainCode", Variant::from(2_i32)),
            ("ExecMainStatus", Variant::from(9_i32)),
        ]));
        record.take_unit(&HashMap::from([
            ("ActiveState", Variant::from("failed")),
            ("SubState", Variant::from("failed")),
            ("InvocationID", Variant::from(vec![1_u8, 2])),
            ("Job", Variant::from((0_u32, ObjectPath::from_static_str_unchecked("/")))),
            ("ActiveEnterTimestamp", Variant::from(1_700_000_000_000_000_u64)),
            ("ActiveEnterTimestampMonotonic", Variant::from(5_000_000_u64)),
            ("StateChangeTimestampMonotonic", Variant::from(6_000_000_u64)),
        ]));
        let reading = record.reading;
        assert_eq!(reading.active, ActiveState::Failed);
        assert_eq!(reading.exit, Some(Exit::Signal { number: 9, core: false }));
        assert_eq!(reading.invocation, "0102");
        assert_eq!(reading.job, None);
        assert_eq!(reading.main_pid, None);
        assert_eq!(reading.n_restarts, 3);
        assert_eq!(reading.load, LoadState::Loaded);
        let since = reading.active_since.expect("it was active");
        assert_eq!(since.wall_ms, 1_700_000_000_000);
        assert!(since.boot_ms >= 5_000);
        assert_eq!(reading.inactive_since, None);
    }

    #[test]
    fn what_was_not_met_at_the_last_try_is_read() {
        let of = |condition: (bool, u64), assert: (bool, u64)| {
            tried(&HashMap::from([
                ("ConditionResult", Variant::from(condition.0)),
                ("ConditionTimestampMonotonic", Variant::from(condition.1)),
                ("AssertResult", Variant::from(assert.0)),
                ("AssertTimestampMonotonic", Variant::from(assert.1)),
            ]))
        };
        assert_eq!(of((false, 0), (false, 0)), Tried::Met, "it was never tried");
        assert_eq!(of((false, 7), (false, 0)), Tried::ConditionUnmet);
        assert_eq!(of((true, 7), (false, 7)), Tried::AssertUnmet);
        assert_eq!(of((true, 7), (true, 7)), Tried::Met);
        assert!(is_frozen("frozen-by-parent") && is_frozen("freezing") && !is_frozen("thawing"));
        assert_eq!(exit(0, 0), None);
        assert_eq!(exit(1, 3), Some(Exit::Code(3)));
    }
}
