//! What somebody's comparison found worse: a finding of the host until it is well again, or accepted.

use crate::model::action::Action;
use crate::model::baseline::{Lost, Worse, WorseLine};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::operator::Answer;
use crate::model::state::State;
use crate::model::unit::{ActiveState, UnitFileState, UnitName, UnitReading};
use crate::policy::baseline::listed;
use crate::policy::judgement::{finding as found, proven};
use crate::policy::specs;
use crate::policy::turn::Turn;

/// Lines that are kept.
const LINES: usize = 100;

/// Takes in what somebody's comparison found worse.
pub fn compared(
    state: &mut State,
    baseline: String,
    lines: Vec<WorseLine>,
    who: &str,
    turn: &mut Turn,
) -> Answer {
    saved(state, |state| told(state, baseline, lines, who, turn))
}

/// Somebody accepts what is worse.
pub fn accepted(state: &mut State, who: &str, turn: &mut Turn) -> Answer {
    saved(state, |state| accept(state, who, turn))
}

fn saved(state: &mut State, change: impl FnOnce(&mut State) -> String) -> Answer {
    match &state.seen.save_failure {
        // It would be taken back.
        Some(failure) => specs::unsaved(&failure.why),
        None => Answer::Done { message: change(state), steps: Vec::new() },
    }
}

/// A comparison replaces the one before.
fn told(state: &mut State, baseline: String, lines: Vec<WorseLine>, who: &str, turn: &mut Turn) -> String {
    // A managed unit that is down, or off, is found, told and brought back by itself.
    let kept = |line: &WorseLine| match (&line.unit, line.lost) {
        (Some(unit), Lost::Running | Lost::Enabled) => !state.seen.units.contains_key(unit),
        (Some(_) | None, _) => true,
    };
    let all = lines.len();
    let lines: Vec<WorseLine> = lines.into_iter().filter(kept).take(LINES).collect();
    if lines.is_empty() {
        let known = state.durable.meta.worse.take().is_some();
        if known {
            over(state, format!("nothing is worse than {baseline} any more"), turn);
        }
        return if all > 0 {
            "what is worse are managed units: each is told by itself".to_owned()
        } else if known {
            "it is over: nothing is worse any more".to_owned()
        } else {
            "nothing is worse".to_owned()
        };
    }
    let known = state.durable.meta.worse.take();
    let since = known.as_ref().map_or(turn.now, |known| known.since);
    let same = known.is_some_and(|known| known.lines == lines);
    let worse = Worse { baseline, since, lines };
    let message = sentence(&worse);
    state.durable.meta.worse = Some(worse);
    turn.news = true;
    if !same {
        let message = format!("{message}; compared by {who}");
        turn.record(state, None, EventKind::Found, Some(Code::HostWorseThanBaseline), message.clone());
        specs::watch(state, turn);
        let off: Vec<UnitName> = disabled(state).cloned().collect();
        if !off.is_empty() {
            turn.act(Action::ReadEnablement { units: off });
        }
    }
    message
}

fn accept(state: &mut State, who: &str, turn: &mut Turn) -> String {
    let Some(worse) = state.durable.meta.worse.take() else {
        return "nothing was told to be worse".to_owned();
    };
    let message = format!("what is worse than {} is accepted by {who}", worse.baseline);
    over(state, message.clone(), turn);
    message
}

fn over(state: &mut State, message: String, turn: &mut Turn) {
    turn.news = true;
    turn.record(state, None, EventKind::Cleared, Some(Code::HostWorseThanBaseline), message);
    specs::watch(state, turn);
}

/// A unit was read, managed or not: one that runs again is well again.
pub fn read(state: &mut State, unit: &UnitName, reading: &UnitReading, turn: &mut Turn) {
    if matches!(reading.active, ActiveState::Active | ActiveState::Reloading) {
        back(state, unit, Lost::Running, turn);
    }
}

/// So is one that is enabled again.
pub fn enablement_read(state: &mut State, unit: &UnitName, read: &UnitFileState, turn: &mut Turn) {
    if matches!(read, UnitFileState::Enabled | UnitFileState::EnabledRuntime) {
        back(state, unit, Lost::Enabled, turn);
    }
}

fn back(state: &mut State, unit: &UnitName, lost: Lost, turn: &mut Turn) {
    let Some(worse) = &mut state.durable.meta.worse else {
        return;
    };
    let before = worse.lines.len();
    worse.lines.retain(|line| line.unit.as_ref() != Some(unit) || line.lost != lost);
    if worse.lines.len() == before {
        return;
    }
    if worse.lines.is_empty() {
        let baseline = worse.baseline.clone();
        state.durable.meta.worse = None;
        over(state, format!("{unit} is back: nothing is worse than {baseline} any more"), turn);
    } else {
        turn.news = true;
        let code = Some(Code::HostWorseThanBaseline);
        turn.record(state, None, EventKind::Notice, code, format!("{unit} is back"));
        specs::watch(state, turn);
    }
}

/// Units that ran and do not, of which word is awaited.
pub fn down(state: &State) -> impl Iterator<Item = &UnitName> {
    of(state, Lost::Running)
}

/// Units that were enabled and are not.
pub fn disabled(state: &State) -> impl Iterator<Item = &UnitName> {
    of(state, Lost::Enabled)
}

fn of(state: &State, lost: Lost) -> impl Iterator<Item = &UnitName> {
    let lines = state.durable.meta.worse.iter().flat_map(|worse| &worse.lines);
    lines.filter(move |line| line.lost == lost).filter_map(|line| line.unit.as_ref())
}

/// The finding, as long as anything is worse.
pub fn finding(state: &State) -> Option<Finding> {
    let worse = state.durable.meta.worse.as_ref()?;
    let severity = worse.lines.iter().map(|line| line.severity).max().unwrap_or(Severity::Warning);
    let told = found(Code::HostWorseThanBaseline, severity, sentence(worse), worse.since);
    let evidence =
        worse.lines.iter().flat_map(|line| [&line.message].into_iter().chain(&line.evidence)).cloned();
    let repair = worse.lines.iter().find_map(|line| line.repair.clone());
    let repair = repair.or_else(|| Some("steadfast baseline diff".to_owned()));
    Some(proven(told, evidence.collect(), repair))
}

fn sentence(worse: &Worse) -> String {
    let units: Vec<String> =
        worse.lines.iter().filter_map(|line| line.unit.as_ref()).map(ToString::to_string).collect();
    let first = worse.lines.first().map_or("", |line| line.message.as_str());
    match worse.lines.len() {
        1 => format!("worse than {}: {first}", worse.baseline),
        many if units.is_empty() => format!("{many} things are worse than {}: {first}", worse.baseline),
        many => format!("{many} things are worse than {}: {}", worse.baseline, listed(&units)),
    }
}
