//! Whether a unit may be drilled now, and what the drill would do.

use std::time::Duration;

use crate::model::drill::{DrillKind, DrillPlan};
use crate::model::finding::Code;
use crate::model::incident::Incident;
use crate::model::probe::OnFailure;
use crate::model::snapshot::UnitState;
use crate::model::span::span;
use crate::model::spec::Mode;
use crate::model::state::OrderKind;
use crate::policy::judgement::finding;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// The first reason not to drill this unit now, if any.
    pub(super) fn undrillable(&self, kind: &DrillKind, view: &View<'_>) -> Option<String> {
        if self.spec.is_dependency() {
            return Some("it is not a unit of this host; it is only probed".to_owned());
        }
        if self.run.reading().is_none() {
            return Some("it has not been read yet".to_owned());
        }
        if let Some(other) = view.peers.drilled() {
            return Some(format!("a drill of {other} is under way; one at a time on a host"));
        }
        if self.spec.mode == Mode::Observe {
            return Some("mode is observe: nothing would be done, so there is nothing to prove".to_owned());
        }
        self.closed_to_drill(view)
            .or_else(|| {
                let (other, order) = view.peers.any_order()?;
                Some(format!("a {} of {other} is in flight", order.kind.as_str()))
            })
            .or_else(|| self.is_in_trouble(view))
            .or_else(|| {
                let state = self.state(view.now);
                (state != UnitState::Ok)
                    .then(|| format!("it is {}; only a unit that is ok can be drilled", state.as_str()))
            })
            .or_else(|| match self.fault(kind) {
                Err(why) => Some(why),
                Ok(None) => None,
                Ok(Some(order)) => self.closed_for_drill(order, view).or_else(|| self.too_few_restarts(view)),
            })
    }

    /// What would be ordered after this fault; `Err`: it cannot be made.
    fn fault(&self, kind: &DrillKind) -> Result<Option<OrderKind>, String> {
        match kind {
            DrillKind::Kill => {
                if self.run.main_pid().is_none() {
                    let why = "it has no main process that could be killed (--probe NAME simulates a failing probe)";
                    return Err(why.to_owned());
                }
                if !self.spec.recovery.start {
                    let why = "its file says recovery.start = false: nobody would start it again";
                    return Err(why.to_owned());
                }
                Ok(Some(OrderKind::Start))
            }
            DrillKind::Probe(name) => {
                let spec = self.probes.spec(name).ok_or_else(|| {
                    let probes = &self.spec.probes;
                    let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
                    let known = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
                    format!("it has no probe {name} ({known})")
                })?;
                Ok((spec.on_failure == OnFailure::Restart).then_some(OrderKind::Restart))
            }
        }
    }

    fn is_in_trouble(&self, view: &View<'_>) -> Option<String> {
        let incident = view.incidents.of_unit(&self.name, self.is_troubled());
        let incident = incident.map(|id| format!("its incident {id} is open"));
        incident.or_else(|| view.peers.cause(&self.name).map(|(_, why)| why))
    }

    fn too_few_restarts(&self, view: &View<'_>) -> Option<String> {
        let spec = &self.spec.recovery;
        let left = self.restarts_left(view.now);
        let within = span(spec.interval);
        (left < 2).then(|| {
            format!(
                "only {left} of {} restarts in {within} is left; a drill uses one and one must stay in reserve",
                spec.burst
            )
        })
    }

    /// What a drill of this kind would do; `undrillable` has nothing against it.
    pub(super) fn drill_plan(&self, kind: &DrillKind, view: &View<'_>) -> Option<DrillPlan> {
        let order = self.fault(kind).ok()?;
        let (told, untold) = self.drill_hearers(kind, view);
        let (expected, limit) = self.drill_lengths(kind, order, view);
        let fault = match kind {
            DrillKind::Kill => {
                let main = self.run.main_pid().unwrap_or_default();
                format!("SIGKILL to its main process (pid {main}), as in a crash")
            }
            DrillKind::Probe(name) => format!("a failing answer of probe {name} is simulated"),
        };
        Some(DrillPlan {
            kind: kind.clone(),
            fault,
            order,
            expected,
            limit,
            told,
            untold,
            needed_by: view.peers.dependents(&self.name),
            left: self.restarts_left(view.now),
        })
    }

    /// Sinks that would be told at once, and those that would not, with the reason.
    fn drill_hearers(&self, kind: &DrillKind, view: &View<'_>) -> (Vec<String>, Vec<(String, String)>) {
        let code = match kind {
            DrillKind::Kill => Code::UnitFailed,
            DrillKind::Probe(_) => Code::ProbeFailed,
        };
        let cause = finding(code, self.spec.severity, "a drill", view.now);
        let incident = Incident {
            owner: self.spec.owner.clone(),
            drill: true,
            ..Incident::new(0, Some(self.name.clone()), &cause, view.now)
        };
        let labels = view.host.labels(&incident);
        let (mut told, mut untold) = (Vec::new(), Vec::new());
        for sink in &view.host.settings().sinks {
            if !sink.wants(&incident, &labels) {
                untold.push((sink.name.clone(), "filters it out".to_owned()));
            } else if sink.after.is_zero() {
                told.push(sink.name.clone());
            } else {
                untold.push((sink.name.clone(), format!("only after {}", span(sink.after))));
            }
        }
        (told, untold)
    }

    /// How long it takes as a rule, and when it is given up.
    fn drill_lengths(
        &self,
        kind: &DrillKind,
        order: Option<OrderKind>,
        view: &View<'_>,
    ) -> (Duration, Duration) {
        let found = match kind {
            DrillKind::Kill => limits::SECOND_LOOK,
            DrillKind::Probe(name) => self.probes.spec(name).map_or(Duration::ZERO, |probe| {
                probe.period.saturating_mul(probe.failure_threshold).saturating_add(probe.timeout)
            }),
        };
        let delay = match self.kept.spent.len() {
            0 => Duration::ZERO,
            spent => self.delay(spent.saturating_add(1)),
        };
        let smoke = self.spec.smoke.as_ref().map_or(Duration::ZERO, |smoke| smoke.timeout.saturating_mul(2));
        let drain = self.spec.recovery.drain.as_ref();
        let drain = drain.map_or(Duration::ZERO, |drain| drain.timeout.saturating_mul(2));
        let (usual, longest) = match order {
            None => (Duration::ZERO, Duration::ZERO),
            Some(order) => {
                let job = self.job_limit(order).saturating_add(self.spec.recovery.verify_within);
                let longest = delay.saturating_add(job).saturating_add(smoke).saturating_add(drain);
                (delay.saturating_add(self.steady_for()), longest)
            }
        };
        let sinks = view.host.settings().sinks.iter().map(|sink| sink.timeout).max().unwrap_or_default();
        let telling = sinks.saturating_add(limits::DELIVERY_SLACK).saturating_add(limits::EVIDENCE);
        let limit = found.saturating_add(longest).saturating_add(telling).saturating_add(limits::DRILL_SLACK);
        (found.saturating_add(usual), limit.min(limits::LONGEST_DRILL))
    }
}
