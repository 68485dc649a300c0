//! What a failing dependency looks like from other hosts: they are asked once in each failure. Evidence, and never a reason to act.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::probe::PeerSaw;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::probe::Probe;
use super::probes::Probes;

/// What is known of how others see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Elsewhere {
    #[default]
    Unasked,
    Asked,
    /// A clause.
    Seen(String),
}

impl Elsewhere {
    /// `unreachable from here; 3 of 3 peers reach it`
    fn of(saw: &[PeerSaw], answers: bool) -> Self {
        let all = saw.len();
        let many = |what: PeerSaw| saw.iter().filter(|saw| **saw == what).count();
        let (reach, down, open) = (many(PeerSaw::Reaches), many(PeerSaw::Down), many(PeerSaw::CannotTell));
        let peers = if all == 1 { "peer" } else { "peers" };
        let unsure = match open {
            0 => String::new(),
            some => format!("; {some} of {all} cannot tell"),
        };
        let here = if answers { "wrong" } else { "unreachable" };
        let verb = if reach == 1 { "reaches" } else { "reach" };
        Self::Seen(match (reach, down) {
            (0, 0) => format!("none of {all} {peers} can tell whether it is down for them, too"),
            (0, _) if open == 0 => format!("down for all {}", all.saturating_add(1)),
            (0, down) => format!("down from here and for {down} of {all} {peers}{unsure}"),
            (reach, _) => format!("{here} from here; {reach} of {all} {peers} {verb} it{unsure}"),
        })
    }
}

impl Probe {
    /// It has just begun to fail: peers are to be asked.
    fn begins_to_fail(&mut self) -> bool {
        let fails = self.spec.kind.remote && self.trouble() == Some(Code::ProbeFailed);
        if !fails {
            self.elsewhere = Elsewhere::Unasked;
        } else if self.elsewhere == Elsewhere::Unasked {
            self.elsewhere = Elsewhere::Asked;
            return true;
        }
        false
    }

    /// It has failed for so long, at least: what a peer saw earlier says nothing.
    fn failed_for(&self) -> Duration {
        self.spec.period.saturating_mul(self.spec.failure_threshold.saturating_sub(1).max(1))
    }

    /// What it says, as a finding, with what others say.
    pub fn told(&self) -> String {
        match &self.elsewhere {
            Elsewhere::Seen(clause) => format!("{} ({clause})", self.sentence()),
            Elsewhere::Unasked | Elsewhere::Asked => self.sentence(),
        }
    }
}

impl Probes {
    /// Peers saw this of what a probe asks. An answer to an earlier failure counts for nothing.
    fn seen_elsewhere(&mut self, name: &str, saw: &[PeerSaw]) {
        if let Some(probe) = self.get_mut(name)
            && probe.elsewhere == Elsewhere::Asked
        {
            let answers = !probe.seen.settled.keeps_others();
            probe.elsewhere = Elsewhere::of(saw, answers);
        }
    }
}

impl Unit {
    /// Has peers asked about what has just begun to fail here, where it is the same for them.
    pub fn ask_peers(&mut self, view: &View<'_>) {
        let peers = &view.host.settings().peers;
        if !self.spec.is_dependency() {
            return;
        }
        let failing = self.probes.filter_map(|probe| {
            let asks = probe.begins_to_fail();
            asks.then(|| (probe.spec.name.clone(), probe.failed_for()))
        });
        for (probe, fresh) in failing.into_iter().filter(|_| !peers.is_empty()) {
            let peers = chosen(peers, view.now);
            self.act(Action::AskPeers { unit: self.name.clone(), probe, peers, fresh });
        }
    }

    /// They answered, or did not.
    pub fn peers_answered(&mut self, probe: &str, saw: &[PeerSaw]) {
        self.probes.seen_elsewhere(probe, saw);
    }
}

/// Some of them, others each time: when one thing is down for all, no peer is asked by everybody.
fn chosen(peers: &[String], now: Moment) -> Vec<String> {
    let many = i64::try_from(peers.len()).unwrap_or(i64::MAX).max(1);
    let first = usize::try_from(now.wall_ms.rem_euclid(many)).unwrap_or(0);
    peers.iter().cycle().skip(first).take(peers.len().min(limits::PEERS_ASKED)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(saw: &[PeerSaw], answers: bool) -> String {
        match Elsewhere::of(saw, answers) {
            Elsewhere::Seen(clause) => clause,
            Elsewhere::Unasked | Elsewhere::Asked => String::new(),
        }
    }

    #[test]
    fn what_others_see_is_one_clause() {
        use PeerSaw::{CannotTell, Down, Reaches};
        assert_eq!(seen(&[Reaches; 3], false), "unreachable from here; 3 of 3 peers reach it");
        assert_eq!(seen(&[Reaches], true), "wrong from here; 1 of 1 peer reaches it");
        assert_eq!(seen(&[Down; 3], false), "down for all 4");
        let mixed = seen(&[Reaches, Down, CannotTell], false);
        assert_eq!(mixed, "unreachable from here; 1 of 3 peers reaches it; 1 of 3 cannot tell");
        assert_eq!(
            seen(&[Down, CannotTell], false),
            "down from here and for 1 of 2 peers; 1 of 2 cannot tell"
        );
        assert_eq!(
            seen(&[CannotTell; 2], false),
            "none of 2 peers can tell whether it is down for them, too"
        );
    }

    #[test]
    fn three_are_asked_and_not_always_the_same() {
        let peers: Vec<String> = (1..=5).map(|number| format!("web{number}")).collect();
        let at = |wall_ms| chosen(&peers, Moment { boot_ms: 0, wall_ms });
        assert_eq!(
            (at(0), at(4)),
            (
                vec!["web1".into(), "web2".into(), "web3".into()],
                vec!["web5".into(), "web1".into(), "web2".into()]
            )
        );
        assert_eq!(chosen(&peers[..1], Moment { boot_ms: 0, wall_ms: 7 }), ["web1"]);
    }
}
