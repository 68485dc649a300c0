//! What a drill has shown, once it is over.

use std::time::Duration;

use crate::model::drill::{Drill, DrillKind, Verdict};
use crate::model::moment::Moment;
use crate::model::probe::OnFailure;
use crate::model::state::LastAction;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// The order that was given for a fault of then, and is over.
    pub(super) fn order_since(&self, struck: Moment) -> Option<&LastAction> {
        self.kept.last_action.as_ref().filter(|last| last.at >= struck && last.action.disturbs())
    }

    /// The verdict and its sentence, once there is one.
    pub(super) fn weigh_drill(&mut self, view: &View<'_>) -> Option<(Verdict, String)> {
        let drill = self.drill_in_flight()?.clone();
        let over = drill.due <= view.now;
        let Some(struck) = drill.struck_at else {
            let message = "no answer in time whether the main process was killed";
            return over.then(|| (Verdict::Interrupted, message.to_owned()));
        };
        if let Some(ended) = self.drill_is_hopeless(&drill, struck, view) {
            return Some(ended);
        }
        let since = |at: Option<Moment>| at.map(|at| seconds(at.since(struck)));
        let recovered = since(drill.recovered_at);
        if let (None, Some(by_systemd), Some(recovered)) =
            (drill.incident, since(drill.by_systemd_at), &recovered)
        {
            let message = format!(
                "systemd restarted it after {by_systemd}, it is well after {recovered}; no alert was due"
            );
            return Some((Verdict::BySystemd, message));
        }
        let so_far = seconds(view.now.since(struck));
        let Some(found) = since(drill.detected_at) else {
            return over.then(|| (Verdict::Failed, format!("the fault was not found within {so_far}")));
        };
        let done = if self.is_only_told(&drill) {
            Some(Verdict::Told)
        } else {
            recovered.as_ref().map(|_| Verdict::Proven)
        };
        let Some(done) = done else {
            let message = format!("found after {found}, but not repaired within {so_far}");
            return over.then_some((Verdict::Failed, message));
        };
        self.drill_is_told(&drill, done, view)
    }

    /// It cannot be put right any more, or not by us.
    fn drill_is_hopeless(&self, drill: &Drill, struck: Moment, view: &View<'_>) -> Option<(Verdict, String)> {
        if self.kept.recovery.is_some() || drill.recovered_at.is_some() {
            return None;
        }
        if let Some(why) = self.closed_to_drill(view) {
            return Some((Verdict::Interrupted, why));
        }
        if let Some(failed) = self.order_since(struck).filter(|last| !last.ok) {
            let message = format!("the {} {}", failed.action.as_str(), failed.outcome);
            return Some((Verdict::Failed, message));
        }
        self.kept.quarantine.as_ref().map(|quarantine| (Verdict::Failed, quarantine.why.clone()))
    }

    /// A failing probe about which nothing is to be done.
    fn is_only_told(&self, drill: &Drill) -> bool {
        match &drill.kind {
            DrillKind::Kill => false,
            DrillKind::Probe(name) => {
                self.probes.spec(name).is_some_and(|probe| probe.on_failure == OnFailure::Alert)
            }
        }
    }

    /// What was to be put right is; all that is left is that people hear of it, and that the incident ends.
    fn drill_is_told(&mut self, drill: &Drill, done: Verdict, view: &View<'_>) -> Option<(Verdict, String)> {
        let incident = view.incidents.get(drill.incident?)?;
        let struck = drill.struck_at?;
        let over = drill.due <= view.now;
        // Who is to hear of it is settled at the end of the turn in which it was found.
        let settled = incident.opened_at.plus(Duration::from_millis(1));
        if settled > view.now {
            self.look_again(settled);
            return None;
        }
        let sinks = &view.host.settings().sinks;
        let at_once = |name: &&String| sinks.iter().any(|sink| sink.name == **name && sink.after.is_zero());
        let (mut heard, mut failed, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for name in incident.told.keys().filter(at_once) {
            match drill.told.get(name).map(|known| (known.arrived_at, &known.failure)) {
                Some((Some(at), _)) => heard.push(format!("{name} after {}", seconds(at.since(struck)))),
                Some((None, Some(why))) => failed.push(format!("{name} was not alerted: {why}")),
                Some((None, None)) | None => silent.push(format!("{name} was not alerted in time")),
            }
        }
        let ended = done == Verdict::Told || incident.resolved_at.is_some();
        if !(over || (silent.is_empty() && ended)) {
            return None;
        }
        failed.append(&mut silent);
        if !ended {
            failed.push(format!("incident {} is not over", incident.id));
        }
        let since = |at: Option<Moment>| at.map_or("never".to_owned(), |at| seconds(at.since(struck)));
        let mut facts = vec![format!("found after {}", since(drill.detected_at))];
        if done == Verdict::Proven {
            facts.push(format!("proven after {}", since(drill.recovered_at)));
        }
        facts.push(match heard.as_slice() {
            [] if failed.is_empty() => "no sink is due".to_owned(),
            [] => "no sink was alerted".to_owned(),
            heard => format!("alerted {}", heard.join(", ")),
        });
        let verdict = if failed.is_empty() { done } else { Verdict::Failed };
        facts.extend(failed);
        Some((verdict, facts.join("; ")))
    }
}

/// `0.2 s`.
fn seconds(length: Duration) -> String {
    let tenths = length.as_millis().saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
