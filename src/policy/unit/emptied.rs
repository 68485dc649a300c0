//! A unit that systemd calls active although nothing of its daemon is left (an init script, or another service of
//! `Type=forking` with `RemainAfterExit=yes`), or although its main process stands still.

use crate::model::finding::{Code, Severity};
use crate::model::moment::Moment;
use crate::model::spec::CleanExit;
use crate::model::unit::{ActiveState, UnitReading};
use crate::model::will::ServiceType;
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;

use super::Unit;

impl Unit {
    /// What it starts is meant to stay: that is known once a run of it has lasted longer than any helper of a start does.
    pub(super) fn learn_daemon(&mut self, before: Option<&UnitReading>, now: Moment) {
        let ran = before.filter(|before| has_processes(before)).and_then(|before| before.active_since);
        if self.stays_active() && ran.is_some_and(|since| now.since(since) >= limits::DAEMON) {
            self.kept.daemon_seen.get_or_insert(now);
        }
    }

    /// It is active, and nothing of its daemon is left.
    pub(super) fn emptied(&self, reading: &UnitReading, now: Moment) -> Option<Judgement> {
        let empty = reading.active == ActiveState::Active && reading.sub == "exited";
        if !empty || !self.stays_active() || self.kept.daemon_seen.is_none() {
            return None;
        }
        let settled = self.run.since().plus(limits::DEATH_DEBOUNCE);
        if settled > now {
            return Some(Judgement::passing("exited", "active (exited)").until(settled));
        }
        let unit = &self.name;
        let mut message = format!("{unit} is active (exited): none of its processes is left");
        if let Some(due) = self.refilled_at() {
            let seconds = due.since(self.run.since()).as_secs();
            message.push_str(&format!(
                "; it is restarted {seconds} s after that. To keep it down: systemctl stop {unit}"
            ));
        }
        Some(self.bad(Code::ProcessesGone, message, Some(format!("systemctl restart {unit}")), now))
    }

    /// It is active; unless a signal stopped its main process, and none has let it go on for a while.
    pub(super) fn halted(&self, active: Judgement, now: Moment) -> Judgement {
        let Some((pid, since)) = self.residents.halted() else {
            return active;
        };
        let told = since.plus(limits::HALTED);
        if told > now {
            return active.until(told);
        }
        let message =
            format!("the main process of {} stands still: a signal stopped pid {pid} (SIGSTOP)", self.name);
        let found = finding(Code::ProcessStopped, Severity::Warning, message, now);
        let look = format!("who stopped it, and whether somebody debugs it: cat /proc/{pid}/status");
        Judgement::bad(proven(found, vec![look], Some(format!("kill -CONT {pid}"))))
    }

    /// From when on it is restarted. How its daemon ended nobody knows: as after an end that was no failure.
    pub(super) fn refilled_at(&self) -> Option<Moment> {
        let recovery = &self.spec.recovery;
        let acts = self.acts() && recovery.clean_exit == CleanExit::Start;
        acts.then(|| self.run.since().plus(recovery.clean_exit_delay))
    }

    fn stays_active(&self) -> bool {
        let settings = self.run.settings();
        settings.is_some_and(|known| known.service_type == ServiceType::Forking && known.remain_after_exit)
    }
}

fn has_processes(reading: &UnitReading) -> bool {
    reading.active == ActiveState::Active && reading.sub == "running"
}
