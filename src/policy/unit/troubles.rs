//! Which findings are trouble that people are told of, which is the gravest, and what the unit itself said of it.

use std::cmp::Reverse;

use crate::model::code::Concern;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::moment::Moment;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::conditions::News;

impl Unit {
    /// It opens an incident, or is told in one. What a deploy may still put right by itself is none yet.
    pub(super) fn is_trouble(&self, found: &Finding) -> bool {
        let settles = self.settling && found.code.settles();
        let upgraded = self.upgraded
            && matches!(found.code.row().concern, Concern::Enabled | Concern::Boot | Concern::Loaded);
        let bidden = self.bidden.is_some()
            && matches!(found.code, Code::UnitInactive | Code::UnitFailed | Code::RecoveryFailed);
        let planned = found.code == Code::ResourceHigh && self.probes.is_planned(&found.subject);
        found.is_trouble() && !settles && !upgraded && !bidden && !planned
    }

    pub(super) fn troubles(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|found| self.is_trouble(found))
    }

    /// The worst of its findings that are trouble.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.troubles().map(|found| found.severity).max()
    }

    /// What its incident is about: the first finding that is trouble.
    #[must_use]
    pub fn trouble(&self) -> Option<&Finding> {
        self.troubles().next()
    }

    /// What people are to be told first of it now.
    #[must_use]
    pub fn gravest(&self) -> Option<&Finding> {
        self.troubles().max_by_key(|found| {
            (found.severity, found.code.gravity(), Reverse(found.since), Reverse(found.code))
        })
    }

    /// Until then the deploy may restart it itself.
    pub(super) fn settled_at(&self, found: &Finding) -> Moment {
        // The settle time after the last flip of any of its links.
        self.residents.switched_at().unwrap_or(found.since).plus(self.spec.release.settle)
    }

    /// What waited for the settle time of a deploy, or for a package manager, and is still found after that: it is news. `news`:
    /// what this judgement found.
    pub(super) fn settle_findings(&mut self, news: &News, view: &View<'_>) -> Vec<Finding> {
        let now = view.now;
        // What a package manager disabled it may enable again, until it is done.
        let quiet = view.packages.quiet(now).filter(|_| self.upgraded);
        self.look_again_if(quiet.as_ref().and_then(|gate| gate.until));
        self.upgraded &= quiet.is_some() || self.disabling_doubted;
        self.ask_window(now);
        let waiting = self.findings.iter().filter(|found| found.code.settles());
        let until = waiting.map(|found| self.quiet_until(found, now)).max().filter(|at| *at > now);
        self.look_again_if(until);
        // Somebody who is just restarting it takes as long as that takes. Our own order begins when all has settled.
        let restarted = self.run.reading().is_some_and(|reading| reading.job.is_some()) && !news.in_flight;
        let settling =
            (until.is_some() && (self.settling || !news.in_flight)) || (restarted && self.settling);
        if !std::mem::replace(&mut self.settling, settling) || settling {
            return Vec::new();
        }
        let left = self.findings.iter().filter(|found| found.code.settles());
        left.filter(|found| !news.found.iter().any(|known| known.code == found.code)).cloned().collect()
    }

    /// What it wrote itself last stands first among what proves that it fails.
    pub(super) fn quote(&self, found: &mut [Finding], view: &View<'_>) {
        let own = view.incidents.own(&self.name).and_then(|id| view.incidents.get(id));
        let Some(own) = own else {
            return;
        };
        Self::name_package(found, own);
        let said = &own.said;
        for one in found.iter_mut().filter(|one| one.code.is_of_its_run()) {
            one.evidence.splice(0..0, said.iter().cloned());
            one.evidence.truncate(limits::EVIDENCE_LINES);
        }
    }
}

impl Code {
    /// It is told although something as grave of the same unit is known.
    #[must_use]
    pub fn is_told_beside(self, known: Self) -> bool {
        let another = self.row().concern != known.row().concern;
        let grave = self.gravity() > Self::SmokeFailed.gravity();
        let named = matches!(self, Self::SmokeFailed | Self::ReleaseDeleted);
        self.row().trouble && ((another && grave) || named)
    }

    /// What the unit itself writes may say why.
    fn is_of_its_run(self) -> bool {
        match self.row().concern {
            Concern::Active | Concern::Serving | Concern::Progressing => true,
            Concern::Recovery => self == Self::RecoveryFailed,
            Concern::Loaded | Concern::Enabled | Concern::Boot | Concern::Release | Concern::Host => false,
        }
    }
}
