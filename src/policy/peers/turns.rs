//! Restarts in turn: of the instances of a template, or of the units of a pattern, only so many are away at once, and one that
//! fails in a release leaves the others on the old one.

use crate::model::release::FileId;
use crate::model::spec::Share;
use crate::model::unit::UnitName;

use super::{Peer, Peers};

/// How a unit stands among those that are restarted in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The template, or the file, that makes them a group.
    pub group: String,
    pub presence: Presence,
    /// An order of ours takes its process away, and is not proven yet.
    pub ordered: bool,
    /// Releases that did not run in it, or did not pass its smoke test.
    pub failed: Vec<FileId>,
}

/// Whether a unit of a group does its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Works,
    /// It does not: one clause.
    Away(String),
    /// Nobody wants it to run now: it does not count.
    Unwanted,
}

impl Peers {
    /// The unit is a member of this group from now on.
    pub(super) fn enrol(&mut self, unit: &UnitName, peer: &Peer) {
        let group = |peer: &Peer| peer.member.as_ref().map(|member| member.group.clone());
        let (before, after) = (self.units.get(unit).and_then(group), group(peer));
        if before == after {
            return;
        }
        if let Some(left) = before.as_ref().and_then(|group| self.groups.get_mut(group)) {
            left.remove(unit);
        }
        self.groups.retain(|_, units| !units.is_empty());
        if let Some(group) = after {
            self.groups.entry(group).or_default().insert(unit.clone());
        }
    }

    /// The other units of its group.
    pub fn mates<'a>(&'a self, unit: &'a UnitName) -> impl Iterator<Item = (&'a UnitName, &'a Member)> {
        let member = self.units.get(unit).and_then(|peer| peer.member.as_ref());
        let group = member.and_then(|member| self.groups.get(&member.group));
        let others = group.into_iter().flatten().filter(move |other| *other != unit);
        others.filter_map(move |other| Some((other, self.units.get(other)?.member.as_ref()?)))
    }

    /// As many of its group are away as may be: why this one waits. `works`: it would be taken away from its work; else it waits
    /// only for those that are being restarted.
    #[must_use]
    pub fn awaits_turn(&self, unit: &UnitName, share: Share, works: bool) -> Option<String> {
        let wanted: Vec<_> =
            self.mates(unit).filter(|(_, member)| member.presence != Presence::Unwanted).collect();
        let all = wanted.len().saturating_add(1);
        let away = |member: &Member| match &member.presence {
            _ if member.ordered => Some("is being restarted".to_owned()),
            Presence::Away(why) if works => Some(format!("does not work ({why})")),
            Presence::Away(_) | Presence::Works | Presence::Unwanted => None,
        };
        let mut waits_for = wanted.iter().filter_map(|(other, member)| Some((other, away(member)?)));
        let (other, why) = waits_for.next()?;
        let (away, allowed) = (waits_for.count().saturating_add(1), share.of(all));
        let more = if away > 1 { format!(" ({away} are away)") } else { String::new() };
        (away >= allowed).then(|| {
            format!("{other} {why}{more}, and of {all} only {allowed} may be away (max_unavailable)")
        })
    }

    /// Another one of its group failed in this release.
    #[must_use]
    pub fn failed_in<'a>(&'a self, unit: &'a UnitName, release: FileId) -> Option<&'a UnitName> {
        self.mates(unit).find(|(_, member)| member.failed.contains(&release)).map(|(other, _)| other)
    }
}
