//! The metrics: names, meanings, and where each value comes from. The names are part of the contract.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use crate::model::finding::{ConditionKind, Finding, Truth};
use crate::model::probe::{ProbeSeen, ProbeStatus};
use crate::model::progress::ProgressSeen;
use crate::model::snapshot::{Snapshot, UnitState, UnitStatus};
use crate::model::tally::Histogram;
use crate::model::unit::ManagerState;

use super::process::Process;

/// Units that are told of. A pattern may match more than anybody wants to store.
const UNITS_MAX: usize = 2000;
/// Probes that are told of, over all units; and sources of progress.
const PROBES_MAX: usize = 4000;

/// One picture, and our own process where /proc tells of it.
#[derive(Debug)]
pub struct Picture {
    pub snapshot: Snapshot,
    pub process: Option<Process>,
}

type Encoder<'a, 'b> = &'a mut DescriptorEncoder<'b>;

impl Collector for Picture {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        self.units(to)?;
        self.probes(to)?;
        self.queues(to)?;
        self.host(to)?;
        self.ourselves(to)?;
        self.process.iter().try_for_each(|process| of_process(process, to))
    }
}

impl Picture {
    fn told(&self) -> impl Iterator<Item = &UnitStatus> {
        self.snapshot.units.values().take(UNITS_MAX).map(AsRef::as_ref)
    }

    fn told_probes(&self) -> impl Iterator<Item = (&UnitStatus, &String, &ProbeSeen)> {
        let all = self.told().flat_map(|unit| unit.probes.iter().map(move |(name, seen)| (unit, name, seen)));
        all.take(PROBES_MAX)
    }

    fn told_queues(&self) -> impl Iterator<Item = (&UnitStatus, &String, &ProgressSeen)> {
        let all =
            self.told().flat_map(|unit| unit.progress.iter().map(move |(name, seen)| (unit, name, seen)));
        all.take(PROBES_MAX)
    }

    /// Units, probes and queues that are not told of.
    fn left_out(&self) -> usize {
        let sum = |count: fn(&UnitStatus) -> usize| self.told().map(count).sum::<usize>();
        self.snapshot.units.len().saturating_sub(UNITS_MAX)
            + sum(|unit| unit.probes.len()).saturating_sub(PROBES_MAX)
            + sum(|unit| unit.progress.len()).saturating_sub(PROBES_MAX)
    }

    fn units(&self, to: Encoder<'_, '_>) -> fmt::Result {
        let conditions = self.told().flat_map(|unit| {
            let known = unit.conditions.iter();
            known.map(|known| {
                ([("unit", unit.unit.as_str()), ("condition", known.kind.as_str())], truth(known.truth))
            })
        });
        let help = "Whether a condition of a unit holds: 1 true, 0 false, NaN unknown.";
        gauges(to, "steadfast_unit_condition", help, conditions)?;
        let states = self.told().flat_map(|unit| {
            UnitState::ALL.map(|state| {
                ([("unit", unit.unit.as_str()), ("state", state.as_str())], i64::from(unit.state == state))
            })
        });
        gauges(to, "steadfast_unit_state", "1 for the state that a unit is in, 0 for the others.", states)?;
        let held = self.told().map(|unit| (of(unit), i64::from(unit.hold.is_some())));
        gauges(to, "steadfast_unit_held", "1 while a unit is held: nothing is done to it.", held)?;
        let spent = self.told().map(|unit| (of(unit), unit.spent));
        let help = "Starts and restarts of a unit that count for its budget now.";
        gauges(to, "steadfast_restart_budget_spent", help, spent)?;

        let off = self.told().filter_map(|unit| {
            let off = unit.disabled.as_ref()?;
            let labels = [("unit", unit.unit.as_str()), ("reason", off.reason.as_str())];
            Some((labels, off.until_ms as f64 / 1000.0))
        });
        let help = "Until when the file of a unit is switched off, and why: Unix time.";
        gauges(to, "steadfast_unit_disabled_until_timestamp_seconds", help, off)?;
        let drilled = self.told().filter_map(|unit| {
            let drill = unit.drill.as_ref()?;
            let outcome = drill.end.as_ref().map_or("running", |end| end.verdict.as_str());
            let labels = [("unit", unit.unit.as_str()), ("outcome", outcome)];
            Some((labels, drill.at.wall_ms as f64 / 1000.0))
        });
        let help = "When a unit was last drilled, with the result: Unix time.";
        gauges(to, "steadfast_drill_timestamp_seconds", help, drilled)?;

        let help =
            "Starts and restarts that Steadfast ordered, by the finding that asked for it, or operator.";
        let mut family = describe(to, "steadfast_restarts", help, MetricType::Counter)?;
        for unit in self.told() {
            for (because, count) in &unit.tally.restarts {
                let reason = because.map_or("operator", |code| code.as_str());
                let labels = [("unit", unit.unit.as_str()), ("reason", reason)];
                counter(&mut family.encode_family(&labels)?, count)?;
            }
        }
        Ok(())
    }

    fn probes(&self, to: Encoder<'_, '_>) -> fmt::Result {
        let statuses = self.told_probes().map(|(unit, probe, seen)| {
            let asked = is_asked(unit, ConditionKind::Serving);
            let status = if asked { seen.settled } else { ProbeStatus::Unknown };
            (of_part(unit, "probe", probe), health(status))
        });
        let help = "The verdict of a probe: 1 healthy, 0 unhealthy, NaN unknown.";
        gauges(to, "steadfast_probe_status", help, statuses)?;
        let help = "How long the answers to a probe took.";
        let mut family = describe(to, "steadfast_probe_duration_seconds", help, MetricType::Histogram)?;
        for (unit, probe, _) in self.told_probes() {
            if let Some(answers) = unit.tally.probes.get(probe) {
                let labels = of_part(unit, "probe", probe);
                histogram(&mut family.encode_family(&labels)?, answers)?;
            }
        }
        Ok(())
    }

    fn queues(&self, to: Encoder<'_, '_>) -> fmt::Result {
        let depths = self.told_queues().map(|(unit, progress, seen)| {
            let answer = seen.last.as_ref().and_then(|(_, answer)| answer.as_ref().ok());
            let known = answer.filter(|_| is_asked(unit, ConditionKind::Progressing));
            (of_part(unit, "progress", progress), known.map_or(f64::NAN, |sample| sample.depth as f64))
        });
        gauges(to, "steadfast_queue_depth", "Items that wait; NaN unknown.", depths)
    }

    fn host(&self, to: Encoder<'_, '_>) -> fmt::Result {
        let snapshot = &self.snapshot;
        let open = snapshot.incidents.len();
        gauge(to, "steadfast_incidents_open", "Incidents that are not over.", open)?;
        let help = "Time from the start of a problem, where systemd or a link shows it, to its incident.";
        let mut family = describe(to, "steadfast_detection_seconds", help, MetricType::Histogram)?;
        histogram(&mut family, &snapshot.tally.detection)?;
        let help = "From the opening of an incident to its end.";
        let mut family = describe(to, "steadfast_recovery_seconds", help, MetricType::Histogram)?;
        histogram(&mut family, &snapshot.tally.recovery)?;

        let mut findings = std::collections::BTreeMap::new();
        let of_units = self.snapshot.units.values().flat_map(|unit| &unit.findings);
        for Finding { code, severity, .. } in of_units.chain(&snapshot.findings) {
            let count: &mut u64 = findings.entry((*code, *severity)).or_default();
            *count += 1;
        }
        let findings = findings.into_iter().map(|((code, severity), count)| {
            ([("code", code.as_str()), ("severity", severity.as_str())], count)
        });
        gauges(to, "steadfast_findings", "Open findings of units and of the host.", findings)
    }

    fn ourselves(&self, to: Encoder<'_, '_>) -> fmt::Result {
        let snapshot = &self.snapshot;
        let version = [([("version", env!("CARGO_PKG_VERSION"))], 1_i64)];
        gauges(to, "steadfast_build_info", "The version of Steadfast that runs.", version.into_iter())?;
        let help = "Mistakes in files of /etc/steadfast; of a broken file the last good version is in force.";
        gauge(to, "steadfast_config_problems", help, snapshot.problems.len())?;
        let connected = snapshot.manager.is_some_and(|known| known != ManagerState::Unreachable);
        let help = "Whether the service manager can be reached.";
        gauge(to, "steadfast_manager_connected", help, i64::from(connected))?;
        let help = "Whether the configuration and every managed unit were read.";
        gauge(to, "steadfast_ready", help, i64::from(snapshot.ready))?;
        let help = "When this snapshot was made: Unix time.";
        gauge(to, "steadfast_snapshot_timestamp_seconds", help, snapshot.at.wall_ms as f64 / 1000.0)?;
        let help = "Units, probes and queues left out of the metrics because there are too many.";
        gauge(to, "steadfast_metrics_left_out", help, self.left_out())
    }
}

fn of_process(process: &Process, to: Encoder<'_, '_>) -> fmt::Result {
    let help = "Total user and system CPU time spent in seconds.";
    counter(&mut describe(to, "process_cpu_seconds", help, MetricType::Counter)?, &process.cpu_seconds)?;
    gauge(to, "process_resident_memory_bytes", "Resident memory size in bytes.", process.resident_bytes)?;
    gauge(to, "process_virtual_memory_bytes", "Virtual memory size in bytes.", process.virtual_bytes)?;
    gauge(to, "process_open_fds", "Number of open file descriptors.", process.open_fds)?;
    if let Some(most) = process.max_fds {
        gauge(to, "process_max_fds", "Maximum number of open file descriptors.", most)?;
    }
    let help = "Start time of the process since unix epoch in seconds.";
    gauge(to, "process_start_time_seconds", help, process.start_seconds)
}

fn describe<'a>(
    to: Encoder<'a, '_>,
    name: &'a str,
    help: &str,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    to.encode_descriptor(name, help, None, kind)
}

/// A metric of one sample without labels.
fn gauge(to: Encoder<'_, '_>, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
    describe(to, name, help, MetricType::Gauge)?.encode_gauge(&value)
}

/// A metric with a sample for each set of labels.
fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
    to: Encoder<'_, '_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (L, V)>,
) -> fmt::Result {
    let mut family = describe(to, name, help, MetricType::Gauge)?;
    for (labels, value) in samples {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

fn counter(to: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    to.encode_counter::<NoLabelSet, _, f64>(value, None)
}

fn histogram(to: &mut MetricEncoder<'_>, times: &Histogram) -> fmt::Result {
    let buckets = times.buckets();
    let buckets: Vec<(f64, u64)> = buckets
        .map(|(bound, count)| (bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64()), count))
        .collect();
    to.encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), times.count(), &buckets, None)
}

fn of(unit: &UnitStatus) -> [(&'static str, &str); 1] {
    [("unit", unit.unit.as_str())]
}

fn of_part<'a>(unit: &'a UnitStatus, kind: &'static str, name: &'a str) -> [(&'static str, &'a str); 2] {
    [("unit", unit.unit.as_str()), (kind, name)]
}

/// While a unit does not run, what was answered before says nothing.
fn is_asked(unit: &UnitStatus, kind: ConditionKind) -> bool {
    let condition = unit.conditions.iter().find(|known| known.kind == kind);
    condition.is_none_or(|known| known.reason != "not-active")
}

fn truth(truth: Truth) -> f64 {
    match truth {
        Truth::True => 1.0,
        Truth::False => 0.0,
        Truth::Unknown(_) => f64::NAN,
    }
}

fn health(status: ProbeStatus) -> f64 {
    match status {
        ProbeStatus::Healthy => 1.0,
        ProbeStatus::Unhealthy
        | ProbeStatus::Slow
        | ProbeStatus::Unmet
        | ProbeStatus::Unresolved
        | ProbeStatus::Squatted => 0.0,
        ProbeStatus::Unknown => f64::NAN,
    }
}
