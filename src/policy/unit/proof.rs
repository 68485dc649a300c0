//! The proof of an order: active anew, no survivor, every process current, steady. Endpoints are the probes'.

use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::release::{Residence, Resident};
use crate::model::state::{OrderKind, Recovery};
use crate::model::unit::{UnitReading, UnitSettings};
use crate::model::will::KillMode;
use crate::policy::limits;

use super::Unit;

/// Start times come in clock ticks.
const TICK_MS: i64 = 20;

/// How the proof stands.
#[derive(Debug, Default)]
pub struct Proof {
    /// It runs anew, so that its endpoints may be judged.
    pub runs: bool,
    /// What is proven, for people, once everything but the endpoints is.
    pub proven: Option<String>,
    /// What is not proven yet.
    pub lacking: Option<String>,
    /// It cannot come right any more.
    pub broken: Option<String>,
    /// Another inspection may show more.
    pub look_again: bool,
    /// It is steady long enough then.
    pub steady_at: Option<Moment>,
}

impl Proof {
    fn lacks(why: impl Into<String>) -> Self {
        Self { lacking: Some(why.into()), ..Self::default() }
    }

    fn broken(why: impl Into<String>) -> Self {
        Self { broken: Some(why.into()), ..Self::default() }
    }

    fn looks_again(self) -> Self {
        Self { look_again: true, ..self }
    }
}

impl Unit {
    /// Weighs what was read since the proof began.
    pub(super) fn proof(&self, order: &Recovery, now: Moment) -> Proof {
        let Some(reading) = self.run.reading() else {
            return Proof::lacks("the unit has not been read yet");
        };
        if let Some(unproven) = self.runs_anew(order, reading) {
            return unproven;
        }
        let steady = self.steady_at(order);
        match self.processes_proven(order) {
            Err(proof) => Proof { runs: true, ..proof },
            Ok(_) if steady > now => {
                let lacking = Some("it has not been steady long enough".to_owned());
                Proof { runs: true, lacking, steady_at: Some(steady), ..Proof::default() }
            }
            Ok(message) => Proof { runs: true, proven: Some(message), ..Proof::default() },
        }
    }

    /// Why it does not run anew, if it does not.
    fn runs_anew(&self, order: &Recovery, reading: &UnitReading) -> Option<Proof> {
        let anew = order.kind.disturbs();
        if let Some(why) = self.skipped().filter(|_| reading.job.is_none()) {
            return Some(Proof::broken(why));
        }
        if reading.is_passing() && self.run.ended_well() {
            return Some(Proof::lacks("it ended well, and systemd restarts it"));
        }
        if anew && reading.invocation == order.invocation_before {
            return Some(Proof::lacks("it still runs as before (same InvocationID)"));
        }
        if reading.is_passing() || (reading.n_restarts > order.n_restarts && anew && !self.run.ended_well()) {
            let why = format!("it died again and systemd restarts it (NRestarts={})", reading.n_restarts);
            return Some(Proof::broken(why));
        }
        let word = reading.active.as_str();
        if reading.active.is_up() || reading.is_done(self.run.settings()) {
            return None;
        }
        if reading.active.is_down() && reading.job.is_none() {
            let exit = reading.exit.as_ref().map_or(String::new(), |exit| format!(", {exit}"));
            return Some(Proof::broken(format!("it is {word} again with result {}{exit}", reading.result)));
        }
        Some(Proof::lacks(format!("it is {word} ({})", reading.sub)))
    }

    /// Looked at since the proof began, nothing of the old run is left, and nobody lives in an old release: what is proven.
    fn processes_proven(&self, order: &Recovery) -> Result<String, Proof> {
        let anew = order.kind.disturbs();
        let group = self.run.settings().is_some_and(|settings| !settings.control_group.is_empty());
        if !group && self.run.main_pid().is_none() {
            return Ok("active".to_owned());
        }
        if self.residents.inspected_at().is_none_or(|at| at <= order.phase_at) {
            return Err(Proof::lacks("its processes have not been looked at yet").looks_again());
        }
        let before = |started_ms: i64| anew && started_ms.saturating_add(TICK_MS) < order.began_at.boot_ms;
        // Such a unit leaves processes on purpose: they are named, and prove nothing of the new run.
        let leaves = self.run.settings().is_some_and(UnitSettings::leaves_processes);
        let all = self.residents.reading().into_iter().flat_map(|reading| &reading.processes);
        let old: Vec<String> = all
            .filter(|process| before(process.started_ms))
            .map(|process| format!("{} ({})", process.pid, process.name))
            .collect();
        if !old.is_empty() && !leaves {
            let why = format!("processes of the previous run are left: {}", old.join(", "));
            return Err(Proof::lacks(why).looks_again());
        }
        let judged = self.residents.judged();
        let counted = judged.iter().filter(|resident| !(leaves && before(resident.started_ms)));
        let stale: Vec<String> = counted
            .filter_map(|resident| match &resident.residence {
                Residence::Outdated { release, .. } | Residence::Deleted { release } => {
                    Some(format!("{} ({}) lives in {release}", resident.pid, resident.name))
                }
                Residence::Replaced { place, .. } => {
                    Some(format!("{} ({}) runs an older {place}", resident.pid, resident.name))
                }
                Residence::Current
                | Residence::Draining { .. }
                | Residence::Elsewhere
                | Residence::Unreadable { .. } => None,
            })
            .collect();
        if !stale.is_empty() {
            return Err(Proof::lacks(stale.join(", ")).looks_again());
        }
        let processes = match judged.len() {
            1 => "1 process".to_owned(),
            many => format!("{many} processes"),
        };
        let current = judged.iter().filter(|known| known.residence == Residence::Current).count();
        Ok(match (old.as_slice(), current) {
            ([], 0) => format!("active; {processes}, none from the previous run"),
            ([], _) => {
                format!("active; {processes}, none from the previous run, {current} in the current release")
            }
            (left, _) => {
                format!("active; KillMode= left {} of the previous run: {}", left.len(), left.join(", "))
            }
        })
    }

    /// The link leads elsewhere than when the job was given, and what the job began lives in the release of then.
    pub(super) fn is_superseded(&self, order: &Recovery) -> bool {
        let looked = self.residents.inspected_at().is_some_and(|at| at > order.phase_at);
        let elsewhere =
            order.release.is_some() && self.release_now().is_some_and(|now| order.release != Some(now));
        looked && elsewhere && self.residents.judged().iter().any(Resident::is_stale)
    }

    fn steady_at(&self, order: &Recovery) -> Moment {
        let looped = self.has(Code::UnitCrashLooping);
        if order.kind == OrderKind::Check && !looped {
            return order.phase_at;
        }
        let since = order.phase_at.max(self.run.since());
        since.plus(self.steady_for())
    }

    /// A recovered unit must have been steady so long.
    pub(super) fn steady_for(&self) -> std::time::Duration {
        limits::STEADY.min(self.spec.recovery.verify_within / 2)
    }
}

impl UnitSettings {
    /// Its `KillMode=` lets processes outlive a stop.
    #[must_use]
    pub fn leaves_processes(&self) -> bool {
        matches!(self.kill_mode, KillMode::Process | KillMode::None)
    }
}
