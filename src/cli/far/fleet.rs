//! `status` of many hosts: one table of units, the host before each.

use serde_json::Value;

use super::super::exit::Exit;
use super::super::render::grid::{Column, Line, grid};
use super::super::render::style::Sign;
use super::super::render::text::{clean, cleaned, count};
use super::super::render::{Look, Sort};
use super::answer::{Answer, Fate};
use super::print::sign;
use crate::api::render::{since, why};
use crate::api::wire::{Severity, State, Status, Unit};

const COLUMNS: [Column; 6] = [
    column("", 0),
    column("HOST", 0),
    column("UNIT", 0),
    column("STATE", 0),
    column("FOR", 28),
    column("WHY", 0),
];

const fn column(title: &'static str, worth: u16) -> Column {
    Column { title, worth }
}

/// What cannot be put into the table is not known, whatever its exit status was.
pub fn judge(answer: &mut Answer) {
    if read(answer).is_err() {
        answer.exit = answer.exit.worse(Exit::Unknown);
    }
}

/// The table. `shown.0`: a line also for each unit that is well; otherwise they are one line where a host has no other.
pub fn table(look: &Look, answers: &[Answer], shown: (bool, Sort)) -> String {
    let mut lines = Vec::new();
    let mut worst = None;
    for answer in answers {
        match read(answer) {
            Ok(known) => {
                let unit = of_known(look, answer, (&known, shown), &mut lines);
                worst = worst.or_else(|| unit.map(|unit| (answer.host.clone(), unit)));
            }
            Err(why) => {
                lines.push(line(answer, (sign(look, Exit::Unknown), "unknown", &why)));
            }
        }
    }
    let mut text: String = grid(look, &COLUMNS, &lines).iter().map(|line| format!("{line}\n")).collect();
    if let Some((host, unit)) = worst.filter(|_| look.size.is_some()) {
        text.push_str(&format!("\nNext: steadfast -H {} explain {}\n", clean(&host), clean(&unit)));
    }
    text
}

/// What a host answered, or why it is not known.
fn read(answer: &Answer) -> Result<Known, String> {
    let nothing = answer.output.trim().is_empty();
    match (&answer.why, nothing) {
        (Some(why), true) => return Err(with_remark(answer, why)),
        (None, true) => {
            let said = answer.remarks.first();
            return Err(said.cloned().unwrap_or_else(|| "it gave no answer".to_owned()));
        }
        (_, false) => {}
    }
    known(&answer.json()?).ok_or_else(|| {
        "its steadfast is of another version, and its answer does not fit this table: use --json".to_owned()
    })
}

/// Two sorts of answers: of one unit, and of many.
#[derive(Debug)]
struct Known {
    units: Vec<Unit>,
    status: Option<Box<Status>>,
}

fn known(value: &Value) -> Option<Known> {
    let text = |value: &Value| value.to_string();
    if value.get("units").is_some() {
        let status: Status = serde_json::from_str(&text(value)).ok()?;
        let status = cleaned(&status).ok()?;
        return Some(Known { units: status.units.clone(), status: Some(Box::new(status)) });
    }
    let unit: Unit = serde_json::from_str(&text(value)).ok()?;
    Some(Known { units: vec![cleaned(&unit).ok()?], status: None })
}

/// The lines of one host, and its first unit that is not well.
fn of_known(
    look: &Look,
    answer: &Answer,
    (known, (all, sort)): (&Known, (bool, Sort)),
    lines: &mut Vec<Line>,
) -> Option<String> {
    let before = lines.len();
    for finding in known.status.iter().flat_map(|status| &status.findings) {
        let word = if finding.severity == Severity::Critical { "critical" } else { "warning" };
        let text = format!("{}: {}", finding.code, finding.message);
        lines.push(line(answer, (look.of_severity(finding.severity), word, &text)));
    }
    let fine = |unit: &Unit| matches!(unit.state, State::Ok | State::Disabled);
    let all = all || known.status.is_none();
    let sorted = sort.sorted(&known.units);
    for unit in sorted.iter().filter(|unit| all || !fine(unit)) {
        lines.push(of_unit(look, answer, unit));
    }
    if lines.len() == before {
        let (state, text) = match known.units.len() {
            0 => ("ok", "no unit is shown".to_owned()),
            many => ("ok", format!("{}, all well", count(many, "unit"))),
        };
        lines.push(line(answer, (sign(look, answer.exit), state, &text)));
    }
    sorted.iter().find(|unit| !fine(unit)).map(|unit| unit.unit.clone())
}

fn of_unit(look: &Look, answer: &Answer, unit: &Unit) -> Line {
    let sign = look.of_state(unit.state);
    let state = unit.state.as_str();
    let cells = vec![
        sign.sign.to_owned(),
        clean(&answer.host),
        unit.unit.clone(),
        state.to_owned(),
        since(unit).map(|since| look.age(since)).unwrap_or_default(),
        why(look, unit),
    ];
    Line { cells, paint: vec![(sign.sign.to_owned(), sign.style), (format!(" {state}"), sign.style)] }
}

/// A line about the host itself.
fn line(answer: &Answer, (sign, state, text): (Sign, &str, &str)) -> Line {
    let cells = vec![
        sign.sign.to_owned(),
        clean(&answer.host),
        String::new(),
        state.to_owned(),
        String::new(),
        clean(text),
    ];
    Line { cells, paint: vec![(sign.sign.to_owned(), sign.style), (format!(" {state}"), sign.style)] }
}

/// What the host itself said, then what is to be said of it.
fn with_remark(answer: &Answer, why: &str) -> String {
    match answer.remarks.first().filter(|_| matches!(answer.fate, Fate::Answered | Fate::Denied)) {
        Some(remark) => format!("{remark}; {why}"),
        None => why.to_owned(),
    }
}
