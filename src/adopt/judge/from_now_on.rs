//! What Steadfast does by a unit file, in words: people read it before they let it happen.

use crate::model::probe::{OnFailure, ProbeSpec};
use crate::model::span::span;
use crate::model::spec::{Mode, Reaction, Spec};
use crate::policy::lists::listed;

/// Names that one sentence lists.
const NAMED: usize = 6;

/// A sentence each, the gravest first. `has_link`: it runs from a release link.
#[must_use]
pub fn from_now_on(spec: &Spec, has_link: bool) -> Vec<String> {
    if spec.is_dependency() {
        return vec!["From now on Steadfast reports when it does not answer; units that require it are not blamed for it.".to_owned()];
    }
    if spec.mode == Mode::Observe {
        return vec!["From now on Steadfast reports what goes wrong with it, and starts, enables and restarts nothing (mode = \"observe\").".to_owned()];
    }
    let recovery = &spec.recovery;
    let mut sentences = vec![first(spec)];
    let restarts = of(&spec.probes, OnFailure::Restart);
    if !restarts.is_empty() {
        sentences.push(format!("It restarts it when a probe fails: {}.", listed(&restarts, NAMED)));
    }
    let alerts = of(&spec.probes, OnFailure::Alert);
    if !alerts.is_empty() {
        sentences.push(format!("It only reports when one of these fails: {}.", listed(&alerts, NAMED)));
    }
    let follows = match spec.release.on_stale {
        Reaction::Restart => format!(
            "After a deploy it restarts it, {} after the release link was switched.",
            span(spec.release.settle)
        ),
        Reaction::Alert | Reaction::Ignore => {
            "After a deploy it only reports that the old release still runs.".to_owned()
        }
    };
    if has_link || spec.release.link.is_some() {
        sentences.push(follows);
    }
    sentences.push(format!(
        "It makes at most {} starts and restarts in {}; then it stops trying and reports.",
        recovery.burst,
        span(recovery.interval)
    ));
    sentences
}

fn first(spec: &Spec) -> String {
    let recovery = &spec.recovery;
    let stop = match recovery.after_manual_stop {
        Some(length) => format!("after a stop by a person it waits {}", span(length)),
        None => "a stop by a person stays".to_owned(),
    };
    match (recovery.start, recovery.enable) {
        (true, true) => format!(
            "From now on Steadfast starts it when it is down and enables it when it is not enabled; {stop}."
        ),
        (true, false) => {
            format!("From now on Steadfast starts it when it is down, and leaves it disabled; {stop}.")
        }
        (false, true) => {
            "From now on Steadfast enables it when it is not enabled, and does not start it.".to_owned()
        }
        (false, false) => {
            "From now on Steadfast reports when it is down, and neither starts nor enables it.".to_owned()
        }
    }
}

/// `page (http)`
fn of(probes: &[ProbeSpec], on_failure: OnFailure) -> Vec<String> {
    let those = probes.iter().filter(|probe| probe.on_failure == on_failure);
    those.map(|probe| format!("[probe.{}]", probe.name)).collect()
}
