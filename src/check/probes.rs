//! One probe of one unit, asked once: in the prober, or with what the daemon knows of the unit and its host.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;

use crate::clock;
use crate::model::probe::{Figure, PeerSaw, ProbeOutcome, ProbeSpec, ProbeStatus};
use crate::model::progress::{ProgressSpec, Sample};
use crate::model::unit::UnitName;
use crate::probe::{self, Limit, Needs};
use crate::prober::Prober;
use crate::redact::redacted;
use crate::systemd::Instance;
use crate::systemd::orders::Orders;
use crate::systemd::timer::last_run;

use super::commands::run_as;
use super::confided::{Asks, Refused, Who, refused};

/// Asks; answers within the probe's timeout, without what looks like a secret. `cursor`: where it is kept up to which line a
/// log was read.
pub async fn ask(
    orders: &Orders,
    prober: &Prober,
    unit: &UnitName,
    spec: &ProbeSpec,
    cursor: Option<PathBuf>,
) -> ProbeOutcome {
    let outcome = asked(orders, prober, unit, spec, cursor).await;
    ProbeOutcome { message: redacted(&outcome.message), ..outcome }
}

/// Asks what the unit itself uses: the answer with the figure behind it. `None`: the probe asks for something else.
pub async fn measure(spec: &ProbeSpec) -> Option<(ProbeOutcome, Option<Figure>)> {
    let probe = probe::of(&spec.kind).ok().filter(|_| spec.kind.resource)?;
    let Needs::Resource(resource) = probe.needs() else {
        return None;
    };
    let facts = spec.kind.run.as_deref().cloned().unwrap_or_default();
    Some(probe::read_resource(resource, &facts).await)
}

async fn asked(
    orders: &Orders,
    prober: &Prober,
    unit: &UnitName,
    spec: &ProbeSpec,
    cursor: Option<PathBuf>,
) -> ProbeOutcome {
    let (instance, timeout) = (orders.instance(), spec.timeout);
    let asks = Asks { instance, unit, requires: &spec.kind.requires, of_others: false };
    if let Some(Refused { who, why }) = refused(prober, &spec.kind.keys, timeout, asks).await {
        let status = match who {
            // No restart takes the port from him.
            Who::Stranger => ProbeStatus::Squatted,
            Who::Nobody => ProbeStatus::Unhealthy,
            Who::Unknown => ProbeStatus::Unknown,
        };
        return ProbeOutcome { status, message: why, latency: None };
    }
    let probe = match probe::of(&spec.kind) {
        Ok(probe) => probe,
        Err(outcome) => return outcome,
    };
    match probe.needs() {
        Needs::Nothing => prober.probe(unit, spec, probe.wants()).await,
        Needs::Resource(resource) => {
            let facts = spec.kind.run.as_deref().cloned().unwrap_or_default();
            probe::read_resource(resource, &facts).await.0
        }
        Needs::Looking => probe.run(Limit::within_period(timeout, spec.period)).await,
        Needs::Command(argv) => {
            let ended = run_as(orders, unit, argv.to_vec(), None, timeout).await;
            probe::judge_command(&ended)
        }
        Needs::Log(pattern) => {
            let log = probe::Log { unit: unit.clone(), user: instance == Instance::User, cursor };
            probe::read_log(pattern, &log, timeout).await
        }
        Needs::Timer { timer, max_age } => {
            let read = last_run(instance, timer, timeout).await;
            let read = read.as_ref().map_err(String::as_str);
            probe::judge_timer(timer, max_age, read, clock::now().wall_ms)
        }
    }
}

/// A peer has so long.
const PEER: Duration = Duration::from_secs(2);

/// What other hosts see of this probe. `peers.1`: who reaches it must have looked so lately.
pub async fn peers(
    prober: &Prober,
    unit: &UnitName,
    probe: &str,
    (peers, fresh): (&[String], Duration),
) -> Vec<PeerSaw> {
    let asked = peers.iter().map(async |peer| match prober.peer(unit, probe, (peer, fresh), PEER).await {
        Some(true) => PeerSaw::Reaches,
        Some(false) => PeerSaw::Down,
        None => PeerSaw::CannotTell,
    });
    join_all(asked).await
}

/// One sample of a queue.
///
/// # Errors
/// Why nothing is known, one sentence.
pub async fn sample(
    orders: &Orders,
    prober: &Prober,
    unit: &UnitName,
    spec: &ProgressSpec,
) -> Result<Sample, String> {
    sampled(orders, prober, unit, spec).await.map_err(|why| redacted(&why))
}

async fn sampled(
    orders: &Orders,
    prober: &Prober,
    unit: &UnitName,
    spec: &ProgressSpec,
) -> Result<Sample, String> {
    let source = probe::source(&spec.source)?;
    let asks = Asks { instance: orders.instance(), unit, requires: &[], of_others: true };
    if let Some(Refused { why, .. }) = refused(prober, &spec.source, spec.timeout, asks).await {
        return Err(why);
    }
    match source.command() {
        Some(argv) => {
            let ended = run_as(orders, unit, argv.to_vec(), None, spec.timeout).await;
            probe::judge_sample(&ended)
        }
        None => prober.sample(unit, spec, source.wants()).await,
    }
}

/// The TCP ports of this host at which a probe with these keys asks.
pub(super) fn local_ports(keys: &str) -> BTreeSet<u16> {
    let here = ["127.0.0.1:", "localhost:", "[::1]:", "0.0.0.0:"];
    let after =
        |name: &'static str| keys.match_indices(name).filter_map(move |(at, _)| keys.get(at + name.len()..));
    let digits = |rest: &str| -> String { rest.chars().take_while(char::is_ascii_digit).collect() };
    let named = here.into_iter().flat_map(after).filter_map(|rest| digits(rest).parse().ok());
    let plain = [("http://127.0.0.1/", 80), ("http://localhost/", 80), ("https://localhost/", 443)];
    let usual = plain.into_iter().filter(|(address, _)| keys.contains(address)).map(|(_, port)| port);
    named.chain(usual).collect()
}
