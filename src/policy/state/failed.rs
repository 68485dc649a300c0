//! Units that are failed and that no file manages: told at once, as gaps of the host.

use std::collections::BTreeSet;

use crate::model::audit::{FailedUnit, Gap};
use crate::model::unit::{ManagerState, UnitName};
use crate::policy::unit::Unit;

use super::State;

impl State {
    /// Units that are failed. Those of a file have findings of their own; at a shutdown units fail for no other reason.
    pub(super) fn units_failed(&mut self, units: Vec<FailedUnit>) {
        if self.host.manager() == Some(ManagerState::Stopping) {
            return;
        }
        let user = self.host.is_of_user();
        self.settle_failed(units.into_iter().map(|failed| failed.gap(user, self.now)).collect());
    }

    /// Some of the units that are failed may be managed now that were not, or the reverse.
    pub(super) fn judge_failed(&mut self) {
        if let Some(all) = self.gaps.all_failed() {
            self.settle_failed(all);
        }
    }

    /// A file manages now what was told to be managed by nobody.
    pub(super) fn failed_is_managed(&mut self) {
        let managed = |unit: &str| self.units.contains_key(&UnitName::from(unit));
        if self.gaps.told_failed().any(managed) {
            self.judge_failed();
        }
    }

    fn settle_failed(&mut self, all: Vec<Gap>) {
        let managed: BTreeSet<&str> =
            self.units.values().flat_map(Unit::names).map(UnitName::as_str).collect();
        let ignored = self.host.settings().ignored.as_ref();
        let covers = |unit: &str| ignored.is_some_and(|known| known.covers(unit, self.now.wall_ms));
        // Before the unit files are read, nobody knows which of them are managed.
        let known = self.host.is_configured();
        let of_nobody = |gap: &Gap| known && !managed.contains(gap.subject.as_str()) && !covers(&gap.subject);
        let failed = all.into_iter().partition(of_nobody);
        let settled = self.gaps.failed(failed, &self.incidents.of_gaps(), self.now);
        self.settle_gaps(settled);
    }
}
