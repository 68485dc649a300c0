//! `Enabled` and `Boot`: whether the unit lasts over the next reboot, and whether the last prediction was right.

use crate::model::boot::{BootReading, BootVerdict, Prediction};
use crate::model::finding::{Code, Severity, Truth, Why};
use crate::model::spec::Mode;
use crate::model::state::Mismatch;
use crate::model::unit::{ManagerState, UnitFileState, UnitSettings};
use crate::policy::enablement;
use crate::policy::judgement::{Judgement, finding};
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// What the next boot does with it. Of a unit that cannot be loaded the settings are not known, and do not matter.
    pub(super) fn boot_verdict(&self, view: &View<'_>) -> Option<BootVerdict> {
        // Just managed, enabled or disabled: what boot would have done before does not count.
        let reading = view.host.boot().filter(|boot| boot.read_at >= self.enablement_since)?;
        let bare = UnitSettings::default();
        let settings = match self.run.settings() {
            Some(settings) => settings,
            None if !self.run.is_loaded() => &bare,
            None => return None,
        };
        Some(enablement::boot_verdict(&self.name, settings, self.enablement.as_ref(), reading))
    }

    pub(super) fn enabled(&self, verdict: Option<&BootVerdict>, view: &View<'_>) -> Judgement {
        if !self.run.is_loaded() {
            return Judgement::unknown(Why::NotRunning, "not-loaded", "the unit is not loaded");
        }
        let Some(read) = &self.enablement else {
            return Judgement::unknown(Why::NotRead, "unread", "its enablement has not been read yet");
        };
        let nothing_to_enable = matches!(
            read,
            UnitFileState::Disabled | UnitFileState::Static | UnitFileState::Linked | UnitFileState::Indirect
        );
        if nothing_to_enable && self.is_of_device(view) {
            let message = format!("{} is {}, and started when its device appears", self.name, read.as_str());
            return Judgement::good("by-device", message);
        }
        let judgement = enablement::enabled(&self.name, read, verdict, view.host.is_of_user())
            .judgement(self.boot_severity(), view.now);
        self.say_who_disabled(judgement)
    }

    /// Whoever wrote `enable = false` knows that it is disabled, and who started an instance by hand need not want it for ever.
    fn boot_severity(&self) -> Severity {
        let off = self.lacks_links() || self.enablement == Some(UnitFileState::Static);
        if off && (!self.spec.recovery.enable || self.spec.mode == Mode::Observe || self.is_of_the_moment()) {
            Severity::Warning
        } else {
            self.spec.severity
        }
    }

    pub(super) fn boot(&self, verdict: Option<&BootVerdict>, view: &View<'_>) -> Judgement {
        let judgement = match (self.run.reading(), verdict, view.host.boot()) {
            (Some(_), Some(verdict), Some(reading)) => {
                enablement::boot(&self.name, self.enablement.as_ref(), verdict, reading)
                    .judgement(self.boot_severity(), view.now)
            }
            _ => Judgement::unknown(Why::NotRead, "unread", "the next boot has not been predicted yet"),
        };
        if !self.run.is_loaded() {
            // Loaded names the cause; that boot does not start it either is no second finding.
            return Judgement { findings: Vec::new(), ..judgement };
        }
        let judgement = self.willed_boot(judgement, verdict, view);
        let judgement =
            if self.is_told_by_enabled(view) { judgement.without(Code::BootUnreachable) } else { judgement };
        match &self.kept.mismatch {
            Some(mismatch) if mismatch.boot_id == view.host.here().boot_id => {
                let message = mismatch.message.clone();
                judgement.note(finding(Code::BootMismatch, Severity::Warning, message, mismatch.at))
            }
            Some(_) | None => judgement,
        }
    }

    /// Whether boot starts it is open by the will of its own file: a condition, a device or a call of its bus name decides.
    fn willed_boot(&self, judgement: Judgement, verdict: Option<&BootVerdict>, view: &View<'_>) -> Judgement {
        let skipped = self.skipped().is_some();
        let unneeded = self.will().is_some_and(|will| will.stop_when_unneeded);
        if unneeded && matches!(verdict, Some(BootVerdict::Unreachable { .. })) && !self.lacks_links() {
            let why = "systemd runs it only while a unit that is up needs it (StopWhenUnneeded=)";
            return Judgement::unknown(Why::ByWill, "unneeded", why);
        }
        let by_file = self.run.settings().is_some_and(|known| {
            let called = known.will.bus_activated || known.will.accepted_by.is_some();
            called || !known.boot.unmet_conditions.is_empty()
        });
        if let Some(BootVerdict::Unknown { why }) = verdict
            && judgement.truth == Truth::Unknown(Why::Open)
            && (by_file || skipped || self.is_of_device(view))
        {
            return Judgement::unknown(Why::ByWill, &judgement.reason, why.clone());
        }
        judgement
    }

    /// It could be enabled, and is not.
    pub(super) fn lacks_links(&self) -> bool {
        self.enablement.as_ref().is_some_and(enablement::lacks_links)
    }

    /// That it is not enabled is told already, and is all that keeps boot from starting it.
    fn is_told_by_enabled(&self, view: &View<'_>) -> bool {
        let (Some(state), Some(settings)) = (&self.enablement, self.run.settings()) else {
            return false;
        };
        let boot = view.host.boot();
        boot.is_some_and(|boot| enablement::explains_boot(&self.name, state, settings, boot))
    }

    /// Compares the stored prediction with this boot, once, then stores the new one.
    pub(super) fn keep_prediction(&mut self, view: &View<'_>) {
        let boot_id = &view.host.here().boot_id;
        let (Some(reading), Some(settings)) = (self.run.reading(), self.run.settings()) else {
            return;
        };
        if let Some(old) = self.kept.prediction.as_ref().filter(|known| known.boot_id != *boot_id) {
            if view.host.manager() != Some(ManagerState::Running) || reading.job.is_some() {
                return;
            }
            // Nothing of ours started it: we order nothing before the boot is finished.
            let skipped = self.skipped().is_some();
            let started = !reading.invocation.is_empty() || reading.active_since.is_some() || skipped;
            self.kept.mismatch = old.compare(started).map(|message| Mismatch {
                boot_id: boot_id.clone(),
                message,
                at: view.now,
            });
            self.kept.prediction = None;
        }
        let told = |boot: &&BootReading| boot.failure.is_none() && boot.read_at >= self.enablement_since;
        let Some(boot) = view.host.boot().filter(told).filter(|_| self.run.is_loaded()) else {
            return;
        };
        let verdict = enablement::boot_verdict(&self.name, settings, self.enablement.as_ref(), boot);
        if self.kept.prediction.as_ref().map(|known| &known.verdict) != Some(&verdict) {
            let (boot_id, made_at) = (boot_id.clone(), view.now);
            self.kept.prediction = Some(Prediction { boot_id, verdict, made_at });
        }
    }
}
