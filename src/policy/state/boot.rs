//! Our own start, and the boot in which we are: what is durable is taken up.

use crate::model::action::Action;
use crate::model::incident::EventKind;
use crate::model::moment::{Moment, Moments};
use crate::model::observation;
use crate::model::state::{Durable, LastAction, UnitDurable};
use crate::model::unit::UnitName;
use crate::policy::host::Host;
use crate::policy::incidents::Incidents;
use crate::policy::log::Log;
use crate::policy::packages::Packages;
use crate::policy::peers::Peer;
use crate::policy::regressions::Regressions;
use crate::policy::unit::Unit;

use super::State;

impl State {
    /// Begins with what was durable. `Observation::Started` is the first that it is to take in.
    #[must_use]
    pub fn new(durable: Durable) -> Self {
        let Durable { meta, units, incidents, links, events } = durable;
        Self {
            boot_id: meta.boot_id,
            next_order: meta.next_order.max(1),
            regressions: Regressions::resume(meta.worse),
            incidents: Incidents::resume(incidents, meta.next_incident),
            log: Log::resume(events, Moment::default()),
            strangers: units,
            links,
            ..Self::default()
        }
    }

    /// We started: what is durable is taken up.
    pub(super) fn started(&mut self, here: observation::Host) {
        let rebooted = !self.boot_id.is_empty() && self.boot_id != here.boot_id;
        self.packages = Packages::new(here.user_instance);
        self.host = Host::new(here, self.now);
        self.enter_boot();
        self.log = Log::resume(self.log.kept().clone(), self.now);
        for (unit, kept) in &self.strangers {
            self.peers.remember(unit, Peer::of_last(kept.last_action.as_ref()), kept.spent.last().copied());
        }
        if rebooted {
            self.host.out().file(None, EventKind::Changed, "the host was rebooted");
            self.drain_host();
        }
        self.interrupt_drills();
    }

    /// After a reboot what is durable is dated by the wall clock, and by this boot's clock from now on.
    pub(super) fn enter_boot(&mut self) {
        let boot_id = &self.host.here().boot_id;
        if self.boot_id == *boot_id {
            return;
        }
        self.boot_id.clone_from(boot_id);
        let now = self.now;
        let mut to_now = |at: &mut Moment| *at = now.at_wall_ms(at.wall_ms);
        self.strangers.each_moment(&mut to_now);
        self.strangers.values_mut().for_each(|kept| kept.forget_last_boot(now));
        for unit in self.units.values_mut() {
            unit.enter_boot(now);
        }
        self.links.each_moment(&mut to_now);
        self.incidents.shift(&mut to_now);
        self.log.shift(&mut to_now);
        self.regressions.shift(now);
        self.changed_units.extend(self.strangers.keys().chain(self.units.keys()).cloned());
        self.changed_links.extend(self.links.keys().cloned());
    }

    /// We ended in the middle of it, and whoever asked is gone.
    fn interrupt_drills(&mut self) {
        let drilled = |kept: &UnitDurable| kept.drills.last().is_some_and(|drill| drill.end.is_none());
        let units: Vec<_> =
            self.strangers.iter().filter(|(_, kept)| drilled(kept)).map(|(unit, _)| unit.clone()).collect();
        for name in units {
            let Some(kept) = self.strangers.remove(&name) else {
                continue;
            };
            // A unit for a moment: what is kept of it is all that its drill needs.
            let spec = crate::model::spec::Spec::of_empty_file(
                crate::model::spec::Selector::Unit(name.clone()),
                String::new(),
            );
            let mut unit = Unit::new(name.clone(), spec, kept, self.now);
            unit.interrupt_drill("Steadfast ended in the middle of it", self.now);
            let out = unit.take_out();
            self.strangers.insert(name.clone(), unit.into_kept());
            self.changed_units.insert(name.clone());
            self.drain(Some(&name), out);
        }
    }

    /// Unit files or links changed on disk, by whatever hand. Empty: anything may have changed.
    pub(super) fn unit_files_changed(&mut self, hints: &[UnitName]) {
        self.gaps.soon(self.now);
        self.wish_prediction();
        self.forget_aliases(hints);
        if hints.is_empty() {
            self.ask_enablement();
            return;
        }
        // A hint names the unit, or its template.
        let concerns =
            |hint: &UnitName, unit: &UnitName| hint == unit || unit.template().as_ref() == Some(hint);
        let named: Vec<UnitName> = self
            .units
            .keys()
            .chain(self.regressions.disabled())
            .filter(|unit| hints.iter().any(|hint| concerns(hint, unit)))
            .cloned()
            .collect();
        self.touched.extend(named.iter().cloned());
        if !named.is_empty() {
            self.actions.push(Action::ReadEnablement { units: named });
            // What the manager has loaded may be older than the file now.
            self.actions.push(Action::ReadAllUnits);
        }
    }
}

impl UnitDurable {
    /// Orders in flight and a person's stops do not outlive the boot.
    pub fn forget_last_boot(&mut self, now: Moment) {
        if let Some(recovery) = self.recovery.take() {
            self.last_action = Some(LastAction {
                action: recovery.kind,
                because: recovery.because,
                at: now,
                outcome: "interrupted by a reboot".to_owned(),
                ok: false,
                steps: recovery.steps,
            });
        }
        self.hold.take_if(|hold| hold.kind.is_implicit());
        if let Some(hold) = &mut self.hold {
            // That it was stopped ended with that boot.
            hold.stopped_run = None;
        }
        self.last_active = None;
        self.ran = false;
    }
}
