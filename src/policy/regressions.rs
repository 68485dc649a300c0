//! What is worse than in a baseline: a finding of the host until it is well again, or accepted.

use crate::model::action::Action;
use crate::model::baseline::{Lost, Worse, WorseLine};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::unit::{UnitFileState, UnitName, UnitReading};
use crate::policy::effects::{Out, Outbox};
use crate::policy::judgement::{finding, proven};
use crate::policy::lists::listed;

/// Lines that are kept.
const LINES: usize = 100;
/// Names in one line.
const NAMED: usize = 6;

/// What the last comparison found worse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regressions {
    known: Option<Worse>,
    out: Outbox,
}

impl Regressions {
    /// Continues what was saved.
    #[must_use]
    pub fn resume(known: Option<Worse>) -> Self {
        Self { known, out: Outbox::default() }
    }

    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    #[must_use]
    pub fn known(&self) -> Option<&Worse> {
        self.known.as_ref()
    }

    /// A comparison replaces the one before. `managed`: this unit is found, told and brought back by itself. Returns the
    /// answer to whoever compared.
    pub fn compared(&mut self, worse: Worse, who: &str, managed: impl Fn(&UnitName) -> bool) -> String {
        let Worse { baseline, since, lines } = worse;
        let kept = |line: &WorseLine| match (&line.unit, line.lost) {
            (Some(unit), Lost::Running | Lost::Enabled) => !managed(unit),
            (Some(_) | None, _) => true,
        };
        let all = lines.len();
        let lines: Vec<WorseLine> = lines.into_iter().filter(kept).take(LINES).collect();
        let known = self.known.take();
        if lines.is_empty() {
            let was = known.is_some();
            if was {
                self.over(format!("nothing is worse than {baseline} any more"));
            }
            let answer = match (all > 0, was) {
                (true, _) => "only managed units are worse: each has its own finding",
                (false, true) => "it is over: nothing is worse any more",
                (false, false) => "nothing is worse",
            };
            return answer.to_owned();
        }
        let since = known.as_ref().map_or(since, |known| known.since);
        let same = known.is_some_and(|known| known.lines == lines);
        let worse = Worse { baseline, since, lines };
        let message = worse.sentence();
        self.known = Some(worse);
        if !same {
            let code = Some(Code::HostWorseThanBaseline);
            self.out.file_code(None, (EventKind::Found, code), format!("{message}; compared by {who}"));
            self.out.push(Out::Follow);
            let units: Vec<UnitName> = self.disabled().cloned().collect();
            if !units.is_empty() {
                self.out.act(Action::ReadEnablement { units });
            }
        }
        message
    }

    /// It is to be as it is now.
    pub fn accept(&mut self, who: &str) -> String {
        let Some(worse) = self.known.take() else {
            return "no regression is open".to_owned();
        };
        let message = format!("what is worse than {} is accepted by {who}", worse.baseline);
        self.over(message.clone());
        message
    }

    fn over(&mut self, message: String) {
        self.out.file_code(None, (EventKind::Cleared, Some(Code::HostWorseThanBaseline)), message);
        self.out.push(Out::Follow);
    }

    /// A unit was read, managed or not: one that runs again is well again.
    pub fn read(&mut self, unit: &UnitName, reading: &UnitReading) {
        if reading.active.is_up() {
            self.back(unit, Lost::Running);
        }
    }

    /// So is one that is enabled again.
    pub fn enablement_read(&mut self, unit: &UnitName, read: &UnitFileState) {
        if matches!(read, UnitFileState::Enabled | UnitFileState::EnabledRuntime) {
            self.back(unit, Lost::Enabled);
        }
    }

    fn back(&mut self, unit: &UnitName, lost: Lost) {
        let Some(worse) = &mut self.known else {
            return;
        };
        let before = worse.lines.len();
        worse.lines.retain(|line| line.unit.as_ref() != Some(unit) || line.lost != lost);
        if worse.lines.len() == before {
            return;
        }
        if worse.lines.is_empty() {
            let message = format!("{unit} is back: nothing is worse than {} any more", worse.baseline);
            self.known = None;
            self.over(message);
        } else {
            let code = Some(Code::HostWorseThanBaseline);
            self.out.file_code(None, (EventKind::Notice, code), format!("{unit} is back"));
            self.out.push(Out::Follow);
        }
    }

    /// Units that ran and do not, of which word is awaited.
    pub fn down(&self) -> impl Iterator<Item = &UnitName> {
        self.lost(Lost::Running)
    }

    /// Units that were enabled and are not.
    pub fn disabled(&self) -> impl Iterator<Item = &UnitName> {
        self.lost(Lost::Enabled)
    }

    fn lost(&self, lost: Lost) -> impl Iterator<Item = &UnitName> {
        let lines = self.known.iter().flat_map(|worse| &worse.lines);
        lines.filter(move |line| line.lost == lost).filter_map(|line| line.unit.as_ref())
    }

    /// The finding, as long as anything is worse.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let worse = self.known.as_ref()?;
        let severity = worse.lines.iter().map(|line| line.severity).max().unwrap_or(Severity::Warning);
        let found = finding(Code::HostWorseThanBaseline, severity, worse.sentence(), worse.since);
        let evidence =
            worse.lines.iter().flat_map(|line| [&line.message].into_iter().chain(&line.evidence)).cloned();
        let repair = worse.lines.iter().find_map(|line| line.repair.clone());
        let repair = repair.or_else(|| Some("steadfast baseline diff".to_owned()));
        Some(proven(found, evidence.collect(), repair))
    }

    /// This boot's clock is another one.
    pub fn shift(&mut self, now: Moment) {
        if let Some(worse) = &mut self.known {
            worse.since = now.at_wall_ms(worse.since.wall_ms);
        }
    }
}

impl Worse {
    fn sentence(&self) -> String {
        let units: Vec<&str> =
            self.lines.iter().filter_map(|line| line.unit.as_ref()).map(UnitName::as_str).collect();
        let first = self.lines.first().map_or("", |line| line.message.as_str());
        match self.lines.len() {
            1 => format!("worse than {}: {first}", self.baseline),
            many if units.is_empty() => format!("{many} things are worse than {}: {first}", self.baseline),
            many => format!("{many} things are worse than {}: {}", self.baseline, listed(&units, NAMED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment { boot_ms: 5000, wall_ms: 1_000_005_000 };

    fn line(unit: &str, lost: Lost) -> WorseLine {
        WorseLine {
            severity: Severity::Critical,
            message: format!("{unit} was active (running), is inactive (dead)"),
            evidence: Vec::new(),
            unit: Some(UnitName::from(unit)),
            lost,
            repair: Some(format!("systemctl start {unit}")),
        }
    }

    fn compared(regressions: &mut Regressions, lines: &[WorseLine]) -> String {
        let worse = Worse { baseline: "apt-1".to_owned(), since: NOW, lines: lines.to_vec() };
        regressions.compared(worse, "root", |_| false)
    }

    fn back(regressions: &mut Regressions, unit: &str) {
        regressions.enablement_read(&UnitName::from(unit), &UnitFileState::Enabled);
    }

    #[test]
    fn what_is_worse_is_a_finding_until_every_unit_is_back() {
        let mut known = Regressions::default();
        assert_eq!(compared(&mut known, &[]), "nothing is worse");
        compared(&mut known, &[line("a.service", Lost::Enabled), line("b.service", Lost::Enabled)]);
        let found = known.finding().expect("a finding");
        assert_eq!((found.code, found.severity), (Code::HostWorseThanBaseline, Severity::Critical));
        assert_eq!(found.message, "2 things are worse than apt-1: a.service, b.service");
        assert_eq!(found.repair.as_deref(), Some("systemctl start a.service"));
        back(&mut known, "a.service");
        back(&mut known, "c.service");
        assert!(known.finding().is_some_and(|found| found.message.contains("b.service was active")));
        back(&mut known, "b.service");
        assert_eq!(known.finding(), None);
    }

    #[test]
    fn a_later_comparison_or_a_person_ends_it() {
        let mut known = Regressions::default();
        compared(&mut known, &[line("a.service", Lost::Running)]);
        assert_eq!(known.down().count(), 1);
        // That it is enabled brings nothing back.
        back(&mut known, "a.service");
        assert!(known.finding().is_some());
        assert_eq!(compared(&mut known, &[]), "it is over: nothing is worse any more");
        assert_eq!(known.finding(), None);
        compared(&mut known, &[line("a.service", Lost::Running)]);
        assert_eq!(known.accept("root"), "what is worse than apt-1 is accepted by root");
        assert_eq!(known.finding(), None);
        assert_eq!(known.accept("root"), "no regression is open");
    }
}
