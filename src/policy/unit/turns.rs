//! How a unit stands among those of its group, and whether it is its turn to be restarted (`max_unavailable`).

use crate::model::finding::Code;
use crate::model::state::OrderKind;
use crate::policy::gate::Gate;
use crate::policy::peers::{Member, Presence};
use crate::policy::view::View;

use super::Unit;
use super::wants::Want;

impl Unit {
    /// What the other units of its group need to know of it; `None`: it is of none.
    pub(super) fn member(&self) -> Option<Member> {
        let template = self.name.template().map(|template| template.to_string());
        let of_file = || self.spec.recovery.max_unavailable.map(|_| self.spec.file.clone());
        let smoke = self.kept.smoke_failure.as_ref().and_then(|failure| failure.release);
        Some(Member {
            group: template.or_else(of_file)?,
            presence: self.presence(),
            ordered: self.kept.recovery.as_ref().is_some_and(|order| order.kind == OrderKind::Restart),
            failed: self.kept.failed_releases.iter().copied().chain(smoke).collect(),
        })
    }

    fn presence(&self) -> Presence {
        let Some(reading) = self.run.reading() else {
            return Presence::Away("it has not been read yet".to_owned());
        };
        if let Some(order) = self.kept.recovery.as_ref().filter(|order| order.kind.disturbs()) {
            return Presence::Away(format!("its {} is not proven yet", order.kind.as_str()));
        }
        let on_purpose = self.is_off() || self.is_stopped_on_purpose() || self.rests().is_some();
        if reading.active.is_down() && (on_purpose || self.pattern(OrderKind::Start).is_some()) {
            return Presence::Unwanted;
        }
        self.down().map_or(Presence::Works, Presence::Away)
    }

    /// Too many of its group are away for it to be restarted, or another one failed in the release that it would follow.
    pub(super) fn awaits_turn(&self, want: &Want, view: &View<'_>) -> Option<Gate> {
        let share = self.spec.recovery.max_unavailable.filter(|_| want.kind == OrderKind::Restart)?;
        let follows = want.because.is_stale_release() || want.because == Code::BinaryOutdated;
        let release = self.release_now().filter(|_| follows);
        if let Some(other) = release.and_then(|release| view.peers.failed_in(&self.name, release)) {
            let why = format!(
                "{other} failed in the release that it would follow: it stays on the old one until {other} runs in that \
                 release, or another one is deployed"
            );
            return Some(Gate::because(why));
        }
        view.peers.awaits_turn(&self.name, share, self.down().is_none()).map(Gate::because)
    }

    /// A drill takes it away from its work as a restart does.
    pub(super) fn awaits_turn_to_drill(&self, view: &View<'_>) -> Option<Gate> {
        let share = self.spec.recovery.max_unavailable?;
        view.peers.awaits_turn(&self.name, share, true).map(Gate::because)
    }
}
