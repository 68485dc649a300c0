//! One probe of one unit, asked once: by the probe's own shell, or with what the daemon knows of the unit.

use std::path::PathBuf;

use crate::clock;
use crate::model::probe::{ProbeKind, ProbeOutcome, ProbeSpec};
use crate::model::progress::{ProgressSource, ProgressSpec, Sample};
use crate::model::unit::UnitName;
use crate::probe;
use crate::systemd::Instance;
use crate::systemd::orders::Orders;
use crate::systemd::timer::last_run;

use super::commands::run_as;

/// Asks; answers within the probe's timeout. `cursor`: where it is kept up to which line a log was read.
pub async fn ask(
    orders: &Orders,
    unit: &UnitName,
    spec: &ProbeSpec,
    cursor: Option<PathBuf>,
) -> ProbeOutcome {
    let instance = orders.instance();
    match &spec.kind {
        ProbeKind::Command { argv } => {
            let ended = run_as(orders, unit, argv.clone(), None, spec.timeout).await;
            probe::judge_command(&ended)
        }
        ProbeKind::Journal { pattern } => {
            let log = probe::Log { unit: unit.clone(), user: instance == Instance::User, cursor };
            probe::read_log(pattern, &log, spec.timeout).await
        }
        ProbeKind::Timer { timer, max_age } => {
            let read = last_run(instance, timer, spec.timeout).await;
            let read = read.as_ref().map_err(String::as_str);
            probe::judge_timer(timer, *max_age, read, clock::now().wall_ms)
        }
        _ => probe::run(spec).await,
    }
}

/// One sample of a queue.
///
/// # Errors
/// Why nothing is known, one sentence.
pub async fn sample(orders: &Orders, unit: &UnitName, spec: &ProgressSpec) -> Result<Sample, String> {
    match &spec.source {
        ProgressSource::Command { argv } => {
            let ended = run_as(orders, unit, argv.clone(), None, spec.timeout).await;
            probe::judge_sample(&ended)
        }
        ProgressSource::Http { .. }
        | ProgressSource::Rabbitmq { .. }
        | ProgressSource::Redis { .. }
        | ProgressSource::Sql { .. } => probe::sample(spec).await,
    }
}
