//! `status` and `check`: the host in one line, then a line for each unit, the worst first.

use std::cmp::Reverse;

use super::Look;
use super::grid::{Column, Line, grid};
use super::page::Page;
use super::sort::Sort;
use super::style::STRONG;
use super::text::{count, latency};
use crate::api::wire::{Probe, ProbeStatus, State, Status, Truth, Unit};

/// A picture older than this is told to be old.
const OLD_MS: i64 = 120_000;
/// Lines of the terminal that are not the table's.
const AROUND: usize = 8;
/// Probes that are shown by name.
const PROBES_NAMED: usize = 3;

const COLUMNS: [Column; 8] = [
    column("", 0),
    column("UNIT", 0),
    column("STATE", 0),
    column("FOR", 28),
    column("NEXT", 32),
    column("RESTARTS", 44),
    column("PROBES", 36),
    column("WHY", 0),
];

/// What `-o wide` shows besides.
const WIDE_COLUMNS: [Column; 15] = [
    column("", 0),
    column("UNIT", 0),
    column("STATE", 0),
    column("FOR", 0),
    column("NEXT", 0),
    column("RESTARTS", 0),
    column("PROBES", 0),
    column("ACTIVE", 0),
    column("ENABLED", 0),
    column("MODE", 0),
    column("PID", 0),
    column("RELEASE", 0),
    column("INCIDENT", 0),
    column("OWNER", 0),
    column("WHY", 0),
];

const fn column(title: &'static str, worth: u16) -> Column {
    Column { title, worth }
}

/// What of the table is shown, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    /// Also the units that are well, where they do not fit the terminal.
    pub all: bool,
    /// Every column, as wide as it needs to be.
    pub wide: bool,
    pub sort: Sort,
    /// Only some of so many units were asked for.
    pub of: Option<usize>,
}

/// The whole host. `all`: also the units that are well, where they do not fit the terminal.
#[must_use]
pub fn overview(look: &Look, status: &Status, all: bool) -> String {
    overview_of(look, status, Table { all, ..Table::default() })
}

/// The whole host, or a part of it.
#[must_use]
pub fn overview_of(look: &Look, status: &Status, table: Table) -> String {
    let mut page = Page::new(look);
    header(&mut page, status, table.of);
    problems(&mut page, status);
    page.gap();
    let mut units = table.sort.sorted(&status.units);
    let folds = !table.all && !table.wide && table.sort == Sort::State;
    let folded = if folds { folded(look, &units) } else { 0 };
    units.truncate(units.len() - folded);
    if units.is_empty() && folded == 0 {
        nothing(&mut page, table.of);
    } else if table.wide {
        let lines: Vec<Line> = units.iter().map(|unit| wide_line(look, unit)).collect();
        let unlimited = Look { size: None, ..look.clone() };
        for line in grid(&unlimited, &WIDE_COLUMNS, &lines) {
            page.line(&line);
        }
    } else {
        let lines: Vec<Line> = units.iter().map(|unit| line(look, unit)).collect();
        for line in grid(look, &COLUMNS, &lines) {
            page.line(&line);
        }
    }
    if folded > 0 {
        let more = format!("{} and {folded} more that are ok (--all)", look.ellipsis());
        page.faint(4, &more);
    }
    if look.size.is_some() {
        footer(&mut page, &units);
    }
    page.into_text()
}

/// There is no line to show: why, and what to do next.
fn nothing(page: &mut Page<'_>, of: Option<usize>) {
    if of.is_some_and(|all| all > 0) {
        page.line("No managed unit matches.");
        return;
    }
    let program = page.look.program();
    page.line("No unit is managed yet. Set up this host by answering a few questions:");
    page.line(&format!("  {program} init"));
    page.line("Or list what is not managed on this host, and adopt it:");
    page.line(&format!("  {program} audit"));
    page.line(&format!("  {program} adopt --observe UNIT"));
    let files = if page.look.user { "~/.config/steadfast/units.d" } else { "/etc/steadfast/units.d" };
    page.line("Or write a unit file by hand; an empty one is complete:");
    page.line(&format!("  touch {files}/UNIT.service.toml"));
}

/// Counts, the worst first, and what there is to know of the picture itself. `of`: only some of so many units are shown.
fn header(page: &mut Page<'_>, status: &Status, of: Option<usize>) {
    let look = page.look;
    let mut states: Vec<_> = status.summary.iter().filter(|(_, number)| **number > 0).collect();
    states.sort_by_key(|(state, _)| Reverse(state.rank()));
    let mut left = look.paint(STRONG, &status.host);
    let indent = status.host.chars().count();
    let mut long = indent;
    for (state, number) in states {
        let sign = look.of_state(*state);
        let text = format!("{number} {}", state.as_str());
        let more = 5 + text.chars().count();
        if look.width().is_some_and(|width| long + more > width) {
            page.line(&left);
            left = " ".repeat(indent);
            long = indent;
        }
        left.push_str(&format!("   {} {text}", look.sign(sign)));
        long += more;
    }
    let mut notes = Vec::new();
    if !status.ready {
        notes.push("starting: not every unit has been read".to_owned());
    }
    if look.now.0.saturating_sub(status.generated_at.0) > OLD_MS {
        notes.push(format!("as of {} ago", look.age(status.generated_at)));
    }
    if let Some(all) = of {
        notes.push(format!("showing {} of {}", status.units.len(), count(all, "unit")));
    }
    if status.incidents_open > 0 {
        notes.push(count(status.incidents_open, "open incident"));
    }
    if status.problems.is_empty() {
        notes.push("config ok".to_owned());
    }
    let notes = notes.join(look.dot());
    let fits = |width: usize| long + 3 + notes.chars().count() <= width;
    if look.width().is_none_or(fits) {
        page.ends(&left, long, &notes);
    } else {
        page.line(&left);
        page.faint(indent + 3, &notes);
    }
}

/// Rejected files, and findings of the host that are not about them.
fn problems(page: &mut Page<'_>, status: &Status) {
    let look = page.look;
    let warning = look.sign(look.of_state(State::Degraded));
    for problem in &status.problems {
        let place = match problem.line {
            0 => problem.file.clone(),
            line => format!("{}:{line}:{}", problem.file, problem.column),
        };
        let force = if problem.last_good_in_force { " (its last good version stays in force)" } else { "" };
        let text = format!("rejected {place}: {}{force}", problem.message);
        page.labelled(&format!("{warning} "), 2, &text);
    }
    let rejected = !status.problems.is_empty();
    for finding in &status.findings {
        if rejected && finding.code == "config-invalid" {
            continue;
        }
        let sign = look.sign(look.of_severity(finding.severity));
        let text = format!("{}: {}", finding.code, finding.message);
        page.labelled(&format!("{sign} "), 2, &text);
    }
}

/// How many of the last units, which are well, are left out to fit the terminal.
fn folded(look: &Look, units: &[&Unit]) -> usize {
    let Some((_, height)) = look.size else {
        return 0;
    };
    let room = usize::from(height).saturating_sub(AROUND);
    let well = units.iter().filter(|unit| unit.state == State::Ok).count();
    let over = units.len().saturating_sub(room);
    over.min(well)
}

fn footer(page: &mut Page<'_>, units: &[&Unit]) {
    let worst = units.first().filter(|unit| {
        let fine = [State::Ok, State::Disabled];
        !fine.contains(&unit.state)
    });
    if let Some(worst) = worst {
        page.gap();
        let program = page.look.program();
        page.faint(0, &format!("Next: {program} explain {}", worst.unit));
    }
}

fn line(look: &Look, unit: &Unit) -> Line {
    let sign = look.of_state(unit.state);
    let state = unit.state.as_str();
    let (probes, mut probes_paint) = probes(look, &unit.probes);
    let mut paint = vec![(sign.sign.to_owned(), sign.style), (format!(" {state}"), sign.style)];
    paint.append(&mut probes_paint);
    let next = unit.next_action.as_ref().filter(|_| unit.disabled.is_none());
    let next = next.map(|next| format!("{} {}", next.action, due(look, unit, next.due_at)));
    let restarts = match unit.restarts.spent {
        0 => String::new(),
        spent => format!("{spent} of {}", unit.restarts.burst),
    };
    let cells = vec![
        sign.sign.to_owned(),
        unit.unit.clone(),
        state.to_owned(),
        since(unit).map(|since| look.age(since)).unwrap_or_default(),
        next.unwrap_or_default(),
        restarts,
        probes,
        why(look, unit),
    ];
    Line { cells, paint }
}

/// The line with what the unit's file says of it, what systemd says, and its incident.
fn wide_line(look: &Look, unit: &Unit) -> Line {
    let Line { mut cells, paint } = line(look, unit);
    let why = cells.pop().unwrap_or_default();
    let active = unit.active_state.iter().chain(&unit.sub_state).cloned().collect::<Vec<_>>().join("/");
    let release = unit.release.as_ref().and_then(|release| release.running.clone());
    cells.extend([
        active,
        unit.unit_file_state.clone().unwrap_or_default(),
        unit.mode.clone(),
        unit.main_pid.map(|pid| pid.to_string()).unwrap_or_default(),
        release.unwrap_or_default(),
        unit.incident.map(|id| id.to_string()).unwrap_or_default(),
        unit.owner.clone().unwrap_or_default(),
        why,
    ]);
    Line { cells, paint }
}

fn probes(look: &Look, probes: &[Probe]) -> (String, Vec<(String, anstyle::Style)>) {
    let mut texts = Vec::new();
    let mut paint = Vec::new();
    if probes.len() > PROBES_NAMED {
        let healthy = |probe: &&Probe| probe.status == ProbeStatus::Healthy;
        let well = probes.iter().filter(healthy).count();
        let worst = if well == probes.len() { ProbeStatus::Healthy } else { ProbeStatus::Unhealthy };
        let sign = look.of_probe(worst);
        paint.push((sign.sign.to_owned(), sign.style));
        texts.push(format!("{} {well} of {}", sign.sign, probes.len()));
    } else {
        for probe in probes {
            let sign = look.of_probe(probe.status);
            let took = probe.latency_ms.map(latency).unwrap_or_default();
            let text = format!("{} {} {took}", sign.sign, probe.name);
            texts.push(text.trim_end().to_owned());
            paint.push((sign.sign.to_owned(), sign.style));
        }
    }
    (texts.join("  "), paint)
}

/// Since when the unit is in its state, as far as it is known.
pub fn since(unit: &Unit) -> Option<crate::api::wire::Time> {
    let of_truth = |truth: Truth| {
        let conditions = unit.conditions.iter().filter(move |c| c.status == truth);
        conditions.map(|condition| condition.since).min()
    };
    match unit.state {
        State::Held => unit.hold.as_ref().map(|hold| hold.since),
        State::Quarantined => unit.quarantine.as_ref().map(|quarantine| quarantine.since),
        State::Recovering => unit.recovery.as_ref().map(|recovery| recovery.began_at),
        State::Degraded | State::Down => of_truth(Truth::False),
        State::Unknown => of_truth(Truth::Unknown),
        State::Ok => unit.active_since,
        State::Disabled => None,
    }
}

/// The one most telling sentence.
pub fn why(look: &Look, unit: &Unit) -> String {
    if let Some(recovery) = &unit.recovery {
        let because = recovery.because.as_deref().unwrap_or("a person asked");
        return format!("{}: {}, because {because}", recovery.action, recovery.phase);
    }
    if let Some(hold) = unit.hold.as_ref().filter(|_| unit.state == State::Held) {
        return held(look, hold);
    }
    if let Some(quarantine) = unit.quarantine.as_ref().filter(|_| unit.state == State::Quarantined) {
        let retry = look.ahead(quarantine.retry_at);
        return format!("{}: budget spent, next try {retry}", quarantine.because);
    }
    if let Some(off) = unit.disabled.as_ref().filter(|_| unit.state == State::Disabled) {
        return switched_off(look, off);
    }
    if let Some(cause) = &unit.explained_by {
        return format!("needs {cause}, which is not well");
    }
    let worst = unit.findings.iter().max_by_key(|finding| finding.severity);
    if let Some(finding) = worst {
        return format!("{}: {}", finding.code, finding.message);
    }
    match unit.state {
        State::Disabled => match &unit.disabled {
            Some(off) => switched_off(look, off),
            None => "switched off in its file".to_owned(),
        },
        State::Unknown => {
            let mut unknown = unit.conditions.iter().filter(|c| c.status == Truth::Unknown);
            unknown.next().map(|c| c.message.clone()).unwrap_or_default()
        }
        State::Ok | State::Degraded | State::Down | State::Recovering | State::Held | State::Quarantined => {
            well(look, unit)
        }
    }
}

/// Until when and why a unit's file is switched off.
pub fn switched_off(look: &Look, off: &crate::api::wire::Disabled) -> String {
    format!("switched off until {}: {}", look.clock(off.until), off.reason)
}

/// When what comes next is due; while something keeps it back beyond that, only that it waits.
pub fn due(look: &Look, unit: &Unit, at: crate::api::wire::Time) -> String {
    if unit.blocked.is_some() && at <= look.now { "waits".to_owned() } else { look.ahead(at) }
}

/// Until when and why nothing is done.
pub fn held(look: &Look, hold: &crate::api::wire::Hold) -> String {
    let until = match hold.until {
        Some(until) => format!("until {}", look.clock(until)),
        None => "until it runs again".to_owned(),
    };
    let why = match (&hold.who, &hold.reason) {
        (Some(who), Some(reason)) => format!("{until} by {who}: {reason}"),
        (None, Some(reason)) => format!("{until}: {reason}"),
        _ => format!("{until}: stopped by a person"),
    };
    hold.then.as_ref().map_or(why.clone(), |then| format!("{why}; {then}"))
}

fn well(look: &Look, unit: &Unit) -> String {
    let release = unit.release.as_ref().and_then(|release| release.running.as_deref());
    let name = release.and_then(|path| path.rsplit('/').next());
    let mut facts = Vec::new();
    facts.extend(unit.sub_state.clone());
    facts.extend(name.map(|name| format!("release {name}")));
    if unit.mode == "observe" {
        facts.push("only observed".to_owned());
    }
    facts.join(look.dot())
}
