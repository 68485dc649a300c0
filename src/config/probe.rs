//! `[probe.NAME]`: from keys to a probe.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::keys::Length;
use crate::model::probe::{OnFailure, ProbeKind, ProbeSpec};
use crate::probe::{Needs, PROBES, Probe};

use super::diagnose::Mistake;
use super::file::OnStale;
use super::kinds::{Places, Read, Table, tables};
use super::{schema, trusted};

/// The keys that every kind of probe has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Common {
    /// Time between two questions. Default: "10s".
    period: Option<Length>,
    /// An answer that takes longer counts as none; must be below period. Default: "3s".
    timeout: Option<Length>,
    /// Ignore failures for this long after the unit became active. Default: "0s".
    initial_delay: Option<Length>,
    /// Failures in a row that make it unhealthy. Default: 2.
    failure_threshold: Option<u32>,
    /// Successes in a row that make it healthy again. Default: 1.
    success_threshold: Option<u32>,
    /// restart or alert. Default: restart; alert where a restart does not help: rabbitmq, disk, inodes, journal, timer, and with
    /// min_validity, keys, stats or expect.
    on_failure: Option<OnStale>,
    /// Units that require this one cannot work while it fails: they are not started or restarted meanwhile. Default: true
    /// with on_failure = "restart" and for a dependency; false for disk, inodes, journal and timer. What answers, and says
    /// something else than wished (min_validity, keys, stats, expect, a queue), keeps nobody.
    vital: Option<bool>,
}

/// The schema of `[probe.NAME]`.
#[derive(Debug)]
pub struct ProbeKeys;

impl JsonSchema for ProbeKeys {
    fn schema_name() -> Cow<'static, str> {
        "Probe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::of_kinds::<Common, _>(generator, &PROBES, "A probe")
    }
}

/// Every probe of a unit file. `owner`: commands must belong to root or this user.
pub fn probes(text: &str, dependency: bool, owner: u32) -> Result<Vec<ProbeSpec>, Mistake> {
    tables(text, "probe", "probe")?.into_iter().map(|table| probe(table, dependency, owner)).collect()
}

fn probe(table: Table<'_>, dependency: bool, owner: u32) -> Result<ProbeSpec, Mistake> {
    table.named("probe")?;
    let kind = table.kind_by_key::<Common, _>(&PROBES)?;
    let Read { name, common, kind: probe, text, places } = table.read::<Common, _>(kind, &PROBES)?;
    let (period, timeout) = times(&name, &common, &places)?;
    probe.check().map_err(|wrong| places.mistake(wrong))?;
    of_unit(&*probe, places.of(kind.name), dependency, owner)?;
    let threshold = |key: &str, written: Option<u32>, usual: u32| match written {
        Some(0) => {
            Err(Mistake::at(places.of(key), format!("cannot use probe {name}: a threshold is at least 1")))
        }
        other => Ok(other.unwrap_or(usual)),
    };
    let (failures, successes) = probe.thresholds();
    let failures = lasting(&*probe, &common, period, &places)?.unwrap_or(failures);
    let curable = probe.is_curable();
    let restarts = match common.on_failure {
        // There is no unit that could be restarted.
        _ if dependency => false,
        Some(OnStale::Alert) => false,
        Some(OnStale::Restart) => true,
        None => curable,
    };
    Ok(ProbeSpec {
        kind: ProbeKind {
            curable,
            weakness: probe.weakness(timeout),
            limit: probe.slow_after(),
            resource: matches!(probe.needs(), Needs::Resource(_)),
            planned: restarts && matches!(probe.needs(), Needs::Resource(resource) if resource.is_planned()),
            remote: matches!(probe.needs(), Needs::Nothing) && !is_of_this_host(&text),
            keys: text,
            ..ProbeKind::default()
        },
        period,
        timeout,
        initial_delay: common.initial_delay.map_or(Duration::ZERO, |length| length.0),
        failure_threshold: threshold("failure_threshold", common.failure_threshold, failures)?,
        success_threshold: threshold("success_threshold", common.success_threshold, successes)?,
        vital: common.vital.unwrap_or(probe.is_vital() && (dependency || restarts)),
        on_failure: if restarts { OnFailure::Restart } else { OnFailure::Alert },
        name,
    })
}

/// What it asks is each host's own.
fn is_of_this_host(keys: &str) -> bool {
    ["127.0.0.", "localhost", "[::1]", "unix:"].iter().any(|here| keys.contains(here))
}

/// So many answers in a row as `for 10m` is long.
fn lasting(
    probe: &dyn Probe,
    common: &Common,
    period: Duration,
    places: &Places,
) -> Result<Option<u32>, Mistake> {
    let Needs::Resource(resource) = probe.needs() else {
        return Ok(None);
    };
    let Some(lasting) = resource.lasting() else {
        return Ok(None);
    };
    if common.failure_threshold.is_some() {
        let message = "cannot use `failure_threshold`: the limit says for how long it must be exceeded";
        return Err(Mistake::at(places.of("failure_threshold"), message).help("remove one of them"));
    }
    let answers = lasting.as_millis().div_ceil(period.as_millis().max(1)).saturating_add(1);
    Ok(Some(u32::try_from(answers).unwrap_or(u32::MAX)))
}

/// How often it is asked, and how long that may take.
fn times(name: &str, common: &Common, places: &Places) -> Result<(Duration, Duration), Mistake> {
    let period = common.period.map_or(Duration::from_secs(10), |length| length.0);
    let timeout = common.timeout.map_or(Duration::from_secs(3).min(period / 2), |length| length.0);
    if period.is_zero() {
        let message = format!("cannot use probe {name}: its period is zero");
        return Err(Mistake::at(places.of("period"), message));
    }
    if timeout >= period || timeout.is_zero() {
        let message = format!("cannot use probe {name}: timeout {timeout:?} is not below period {period:?}");
        return Err(
            Mistake::at(places.of("timeout"), message).help("a probe must end before the next one begins")
        );
    }
    Ok((period, timeout))
}

/// What the unit is needed for; `span`: of the key that names the kind.
fn of_unit(probe: &dyn Probe, span: Range<usize>, dependency: bool, owner: u32) -> Result<(), Mistake> {
    match probe.needs() {
        Needs::Command(_) if dependency => {
            let message = "cannot run a command for a dependency: there is no unit to run it as";
            Err(Mistake::at(span, message)
                .help("use tcp, http or another kind; or put the command into the file of a unit"))
        }
        Needs::Log(_) if dependency => {
            let message = "cannot read the log of a dependency: there is no unit that writes one";
            Err(Mistake::at(span, message).help("put it into the file of a unit"))
        }
        Needs::Resource(_) if dependency => {
            let message = "cannot ask what a dependency uses: there is no unit on this host";
            Err(Mistake::at(span, message).help("put it into the file of a unit"))
        }
        Needs::Command(argv) => trusted::command(argv, span, owner),
        Needs::Nothing | Needs::Looking | Needs::Log(_) | Needs::Timer { .. } | Needs::Resource(_) => Ok(()),
    }
}
