//! `GET /`: the whole host on one page, the worst first, what is well folded to a line.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};

use super::html::{sign, state};
use super::shell::Shell;
use super::{Sight, to_unit};
use crate::api::render::text::{clean, cleaned, count};
use crate::api::wire::{self, BaselineHead, Finding, Problem, State};
use crate::model::snapshot::{UnitState, UnitStatus};

/// Units that are shown whole; of so many more what is wrong with them; of the rest the name. The page stays short.
const CARDS: usize = 12;
const ROWS: usize = 120;
/// Findings of the host, and mistakes in files.
const FINDINGS: usize = 30;

/// The page. `baselines`: those that are kept, newest first, as harmless text; or why they are not known.
///
/// # Errors
/// None for data of the wire.
pub fn front(sight: &Sight<'_>, baselines: &Result<Vec<BaselineHead>, String>) -> serde_json::Result<String> {
    let snapshot = sight.snapshot;
    let mut by_state: BTreeMap<Reverse<u8>, (State, Vec<&UnitStatus>)> = BTreeMap::new();
    for state in UnitState::ALL.map(State::from) {
        by_state.insert(Reverse(state.rank()), (state, Vec::new()));
    }
    for unit in snapshot.units.values() {
        if let Some((_, units)) = by_state.get_mut(&Reverse(State::from(unit.state).rank())) {
            units.push(unit);
        }
    }
    let mut groups: Vec<(State, Vec<&UnitStatus>)> = by_state.into_values().collect();
    // A cause stands before what it explains.
    groups.iter_mut().for_each(|(_, units)| units.sort_by_key(|unit| unit.plan.explained_by.is_some()));
    let findings: Vec<Finding> = snapshot.findings.iter().map(Into::into).collect();
    let there = groups.iter().filter(|(_, units)| !units.is_empty());
    let worst = wire::worst(there.map(|(state, _)| *state), &snapshot.findings);
    let findings = cleaned(&findings)?;
    let host = clean(&snapshot.host.name);
    let content = html! {
        (sight.notes())
        (sight.attention(&groups)?)
        (sight.incidents()?)
        (sight.host(&findings)?)
        (sight.left_alone(&groups)?)
        (sight.well(&groups)?)
        (sight.past())
        (sight.drills()?)
        (sight.baselines(baselines))
    };
    let head = html! {
        h1 { (host) }
        p.counts {
            @if snapshot.units.is_empty() { "no unit is managed yet" }
            @for (state, units) in &groups {
                @if !units.is_empty() {
                    a class=(format!("state {}", state.as_str())) href=(format!("#s-{}", state.as_str())) {
                        (sign(sight.look.of_state(*state))) " " (units.len()) " " (state.as_str())
                    }
                }
            }
            @if !findings.is_empty() || !snapshot.problems.is_empty() {
                a.state href="#host" { (count(findings.len() + snapshot.problems.len(), "finding")) " of the host" }
            }
        }
    };
    let title = format!("{host}: {}", summary(&groups));
    Ok(Shell { look: &sight.look, root: "", title: &title, state: worst, head }.around(&content))
}

fn summary(groups: &[(State, Vec<&UnitStatus>)]) -> String {
    let known = groups.iter().filter(|(_, units)| !units.is_empty());
    let told: Vec<String> =
        known.map(|(state, units)| format!("{} {}", units.len(), state.as_str())).collect();
    if told.is_empty() { "no unit".to_owned() } else { told.join(", ") }
}

/// It is to be looked at.
fn needs_attention(state: State) -> bool {
    ![State::Ok, State::Held, State::Disabled].contains(&state)
}

impl Sight<'_> {
    /// What there is to know of the picture itself.
    fn notes(&self) -> Markup {
        html! {
            @if !self.snapshot.ready { p.note { "starting: not every unit has been read" } }
            @for reason in &self.snapshot.unfit { p.note { "not ready: " (clean(reason)) } }
            @if let Err(why) = &self.past { p.note { "cannot read the history: " (clean(why)) } }
        }
    }

    fn attention(&self, groups: &[(State, Vec<&UnitStatus>)]) -> serde_json::Result<Markup> {
        let mut cards = Vec::new();
        let mut lines = Vec::new();
        let mut names = Vec::new();
        for (state, units) in groups.iter().filter(|(state, _)| needs_attention(*state)) {
            for (number, unit) in units.iter().enumerate() {
                let anchor = (number == 0).then_some(*state);
                if cards.len() < CARDS {
                    cards.push(self.card(&self.whole(unit)?, anchor));
                } else if lines.len() < ROWS {
                    lines.push(self.line(unit, anchor)?);
                } else {
                    names.push((*unit, anchor));
                }
            }
        }
        let all = cards.len() + lines.len() + names.len();
        Ok(html! {
            @if all > 0 {
                section #attention {
                    h2 { (count(all, "unit")) @if all == 1 { " needs" } @else { " need" } " attention" }
                    div.cards { @for card in &cards { (card) } }
                    @if !lines.is_empty() { ul.lines { @for line in &lines { (line) } } }
                    @if !names.is_empty() { (self.names(&names)) }
                }
            }
        })
    }

    /// Mistakes in files, and what is found of the host.
    fn host(&self, findings: &[Finding]) -> serde_json::Result<Markup> {
        let problems: Vec<Problem> = self.snapshot.problems.iter().map(Into::into).collect();
        let problems = cleaned(&problems)?;
        // Said better by the files themselves.
        let said = |finding: &&Finding| problems.is_empty() || finding.code != "config-invalid";
        let shown: Vec<&Finding> = findings.iter().filter(said).collect();
        let more = shown.len().saturating_sub(FINDINGS) + problems.len().saturating_sub(FINDINGS);
        Ok(html! {
            @if !shown.is_empty() || !problems.is_empty() {
                section #host {
                    h2 { "The host" }
                    ul.lines {
                        @for problem in problems.iter().take(FINDINGS) { (self.problem(problem)) }
                        @for finding in shown.iter().take(FINDINGS) { (self.finding(finding)) }
                        @if more > 0 { li.f { "and " (more) " more: " code { (self.look.program()) " status" } } }
                    }
                }
            }
        })
    }

    fn problem(&self, problem: &Problem) -> Markup {
        let place = match problem.line {
            0 => problem.file.clone(),
            line => format!("{}:{line}:{}", problem.file, problem.column),
        };
        html! {
            li {
                (sign(self.look.of_state(State::Degraded))) " rejected " code { (place) } ": " (problem.message)
                @if problem.last_good_in_force { " (its last good version stays in force)" }
            }
        }
    }

    fn finding(&self, finding: &Finding) -> Markup {
        html! {
            li {
                (sign(self.look.of_severity(finding.severity))) " " b { (finding.code) } ": " (finding.message)
                @if !finding.evidence.is_empty() || finding.repair.is_some() {
                    details data-k=(format!("host {} {}", finding.code, finding.subject)) {
                        summary { "Evidence" }
                        ul.plain { @for line in &finding.evidence { li.f { (line) } } }
                        @if let Some(repair) = &finding.repair { p { "Try: " code { (repair) } } }
                    }
                }
            }
        }
    }

    /// Held, and switched off: until when, and why.
    fn left_alone(&self, groups: &[(State, Vec<&UnitStatus>)]) -> serde_json::Result<Markup> {
        let alone = groups.iter().filter(|(state, _)| [State::Held, State::Disabled].contains(state));
        let mut lines = Vec::new();
        let mut names = Vec::new();
        for (state, units) in alone {
            for (number, unit) in units.iter().enumerate() {
                let anchor = (number == 0).then_some(*state);
                if lines.len() < ROWS {
                    lines.push(self.line(unit, anchor)?);
                } else {
                    names.push((*unit, anchor));
                }
            }
        }
        let all = lines.len() + names.len();
        Ok(html! {
            @if all > 0 {
                section #alone {
                    h2 { (count(all, "unit")) " left alone on purpose" }
                    ul.lines { @for line in &lines { (line) } }
                    @if !names.is_empty() { (self.names(&names)) }
                }
            }
        })
    }

    /// A line for a unit that is not shown whole. `anchor`: the first of its state.
    fn line(&self, status: &UnitStatus, anchor: Option<State>) -> serde_json::Result<Markup> {
        let unit = self.unit(status)?;
        Ok(html! {
            li id=[anchor.map(mark)] {
                a.unit href=(to_unit("", &unit.unit)) { (unit.unit) } " "
                (state(&self.look, unit.state)) " " (self.lasting(&unit)) " "
                span.why { (crate::api::render::why(&self.look, &unit)) }
            }
        })
    }

    /// Names alone, in columns.
    fn names(&self, units: &[(&UnitStatus, Option<State>)]) -> Markup {
        html! {
            ul.names {
                @for (unit, anchor) in units {
                    li id=[anchor.map(mark)] { a href=(to_unit("", unit.unit.as_str())) { (clean(unit.unit.as_str())) } }
                }
            }
        }
    }
}

/// Where a count of the head leads to.
pub fn mark(state: State) -> String {
    format!("s-{}", state.as_str())
}
