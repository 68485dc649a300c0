//! Drills: a fault on request goes the real way, and what it takes is measured: found, decided, put right, told. The drill only
//! observes what the unit, its incident and the alerts do.
//!
//! What a drill leaves wrong is wrong in earnest: its incident ends with it, and whatever is still found opens another one.

use crate::model::action::Action;
use crate::model::drill::{Drill, DrillEnd, DrillKind, Hearing, Verdict};
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::policy::effects::Out;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// The drill that is under way.
    #[must_use]
    pub fn drill_in_flight(&self) -> Option<&Drill> {
        self.kept.drills.last().filter(|drill| drill.end.is_none())
    }

    fn drill_mut(&mut self) -> Option<&mut Drill> {
        self.kept.drills.last_mut().filter(|drill| drill.end.is_none())
    }

    /// A person asks for a drill; `rehearse`: only for what it would do.
    pub fn drill(&mut self, request: u64, who: String, (kind, rehearse): (DrillKind, bool), view: &View<'_>) {
        if let Some(why) = self.undrillable(&kind, view) {
            let message = format!("cannot drill {} now: {why}", self.name);
            self.out.answer(request, Answer::Refused { message });
            return;
        }
        let Some(plan) = self.drill_plan(&kind, view) else {
            return;
        };
        if rehearse {
            self.out.answer(request, Answer::DrillPlanned(plan));
            return;
        }
        self.begin_drill(kind, who, view.now.plus(plan.limit), view.now);
        self.drill_caller = Some(request);
    }

    fn begin_drill(&mut self, kind: DrillKind, who: String, due: Moment, now: Moment) {
        let Some(reading) = self.run.reading() else {
            return;
        };
        let (invocation, main) = (reading.invocation.clone(), reading.main_pid.unwrap_or_default());
        let feigned = matches!(kind, DrillKind::Probe(_));
        let unit = self.name.clone();
        let message = match &kind {
            DrillKind::Kill => {
                self.act(Action::KillMainProcess { unit: unit.clone() });
                format!("DRILL: {who} kills the main process of {unit} (pid {main}, SIGKILL)")
            }
            DrillKind::Probe(name) => format!("DRILL: {who} simulates a failure of probe {name} of {unit}"),
        };
        self.kept.drills.push(Drill {
            kind,
            who,
            at: now,
            due,
            invocation,
            struck_at: feigned.then_some(now),
            by_systemd_at: None,
            detected_at: None,
            decided_at: None,
            recovered_at: None,
            incident: None,
            told: Default::default(),
            end: None,
        });
        let surplus = self.kept.drills.len().saturating_sub(limits::DRILLS);
        self.kept.drills.drain(..surplus);
        self.out.note(EventKind::Operated, None, message);
    }

    /// The main process was killed: when, or why not.
    pub fn killed(&mut self, result: Result<Moment, String>, now: Moment) {
        let Some(drill) = self.drill_mut().filter(|drill| drill.kind == DrillKind::Kill) else {
            return;
        };
        match result {
            Ok(at) => drill.struck_at = Some(at),
            Err(why) => {
                let message = format!("the main process could not be killed: {why}");
                self.end_drill(Verdict::Interrupted, &message, now);
            }
        }
    }

    /// What a probe answered; while its failure is feigned, that. What fails in earnest ends the drill.
    pub(super) fn feign(&mut self, probe: &str, outcome: ProbeOutcome, view: &View<'_>) -> ProbeOutcome {
        if view.host.save_failure().is_some() || !self.is_feigning() {
            return outcome;
        }
        // Of whichever probe: from here on it is not the drill alone.
        if outcome.status.is_bad() {
            self.probes.let_it_count(probe);
            let message = format!("probe {probe} really fails: {}", outcome.message);
            self.end_drill(Verdict::Interrupted, &message, view.now);
            return outcome;
        }
        let drilled = |drill: &Drill| matches!(&drill.kind, DrillKind::Probe(name) if name == probe);
        if !self.drill_in_flight().is_some_and(drilled) {
            return outcome;
        }
        let message = format!("a failure simulated by a drill; the real answer: {}", outcome.message);
        ProbeOutcome { status: ProbeStatus::Unhealthy, message, latency: None }
    }

    /// A failing answer is feigned, until something is done about it.
    fn is_feigning(&self) -> bool {
        let feigns =
            |drill: &Drill| matches!(&drill.kind, DrillKind::Probe(_)) && drill.recovered_at.is_none();
        self.drill_in_flight().is_some_and(feigns) && self.kept.recovery.is_none()
    }

    /// The drill under way is what makes this trouble.
    #[must_use]
    pub fn is_made_by_drill(&self, code: Code) -> bool {
        let Some(drill) = self.drill_in_flight().filter(|drill| drill.incident.is_none()) else {
            return false;
        };
        match drill.kind {
            DrillKind::Kill => matches!(
                code,
                Code::UnitInactive
                    | Code::UnitFailed
                    | Code::UnitCrashLooping
                    | Code::ProcessesGone
                    | Code::UnitStuck
                    | Code::Stalled
                    | Code::ProbeFailed
                    | Code::ProbeSlow
            ),
            DrillKind::Probe(_) => code == Code::ProbeFailed,
        }
    }

    /// The trouble that a drill makes is found: this is its incident.
    pub fn drill_is_found(&mut self, incident: u64, now: Moment) {
        if let Some(drill) = self.drill_mut() {
            drill.incident = Some(incident);
            drill.detected_at = Some(now);
        }
    }

    /// A message of this incident arrived, or did not. Says whether it is the drill's.
    pub fn drill_is_heard(
        &mut self,
        incident: u64,
        sink: &str,
        result: Result<(), &str>,
        now: Moment,
    ) -> bool {
        let Some(drill) = self.drill_mut().filter(|drill| drill.incident == Some(incident)) else {
            return false;
        };
        let known = drill.told.entry(sink.to_owned()).or_insert_with(Hearing::default);
        match result {
            Ok(()) => {
                known.arrived_at.get_or_insert(now);
                known.failure = None;
            }
            Err(why) if known.arrived_at.is_none() => known.failure = Some(why.to_owned()),
            Err(_) => {}
        }
        true
    }

    /// Follows the drill under way. Says whether it is over.
    pub fn advance_drill(&mut self, view: &View<'_>) -> bool {
        // What cannot be saved is taken back: it goes on when it can be.
        if view.host.save_failure().is_some() || self.drill_in_flight().is_none() {
            return false;
        }
        self.follow_drill(view);
        let Some((verdict, message)) = self.weigh_drill(view) else {
            self.look_again_if(self.drill_in_flight().map(|drill| drill.due));
            return false;
        };
        self.end_drill(verdict, &message, view.now);
        true
    }

    /// Notes what has come about since.
    fn follow_drill(&mut self, view: &View<'_>) {
        let Some(mut drill) = self.drill_in_flight().cloned() else {
            return;
        };
        let Some(struck) = drill.struck_at else {
            return;
        };
        let incident = drill.incident.and_then(|id| view.incidents.get(id));
        drill.decided_at = incident.and_then(|incident| incident.decided_at);
        let last = self.order_since(struck).map(|last| (last.at, last.ok));
        if let Some((at, true)) = last {
            drill.recovered_at = drill.recovered_at.or(Some(at));
        }
        if drill.kind == DrillKind::Kill && drill.incident.is_none() && last.is_none() {
            self.follow_systemd(&mut drill, view.now);
        }
        if let Some(known) = self.drill_mut() {
            *known = drill;
        }
    }

    /// It runs anew, and nothing of ours had to be done for that.
    fn follow_systemd(&mut self, drill: &mut Drill, now: Moment) {
        let Some(reading) = self.run.reading() else {
            return;
        };
        let up = reading.active.is_up();
        if up && reading.invocation == drill.invocation {
            return;
        }
        drill.detected_at = drill.detected_at.or(Some(now));
        if !up {
            return;
        }
        drill.by_systemd_at = drill.by_systemd_at.or(reading.active_since).or(Some(now));
        let steady = self.run.since().plus(self.steady_for());
        if steady > now {
            self.look_again(steady);
        } else if self.is_ok(now) {
            drill.recovered_at = drill.recovered_at.or(Some(now));
        }
    }

    /// It cannot be carried to its end.
    pub fn interrupt_drill(&mut self, why: &str, now: Moment) {
        if self.drill_in_flight().is_some() {
            self.end_drill(Verdict::Interrupted, why, now);
        }
    }

    fn end_drill(&mut self, verdict: Verdict, why: &str, now: Moment) {
        let Some(drill) = self.drill_mut() else {
            return;
        };
        drill.end = Some(DrillEnd { at: now, verdict, message: why.to_owned() });
        let drill = drill.clone();
        let message = format!("drill of {} {}: {why}", self.name, verdict.word());
        self.out.file(drill.incident, EventKind::Outcome, format!("DRILL: {message}"));
        if let Some(incident) = drill.incident.filter(|_| verdict != Verdict::Proven) {
            self.out.push(Out::EndDrill(incident));
        }
        if !verdict.is_good() {
            // What is still found is told anew, as what it is.
            self.forget_findings();
        }
        if let DrillKind::Probe(probe) = &drill.kind
            && drill.recovered_at.is_none()
        {
            // What was feigned is no answer.
            self.probes.forget(probe, now);
        }
        if let Some(request) = self.drill_caller.take() {
            self.out.answer(request, Answer::Drilled { drill: Box::new(drill), message });
        }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::BySystemd => "over, systemd was first",
            Self::Told => "over, the alert was sent",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}
