//! From the model's snapshot to the wire; `fields` does the plain ones.

use crate::model::finding::{self, Code, ConditionKind, Why};
use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::model::probe::{self, ProbeSeen};
use crate::model::progress::ProgressSeen;
use crate::model::release::{LinkReading, Residence, Resident, Role};
use crate::model::snapshot::{Snapshot, UnitState, UnitStatus};
use crate::model::unit::UnitName;

use super::*;

impl Status {
    /// The whole picture, units in the order of their names.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let units: Vec<Unit> = snapshot.units.values().map(|unit| Unit::of(unit)).collect();
        let mut summary: BTreeMap<State, usize> =
            UnitState::ALL.into_iter().map(|state| (state.into(), 0)).collect();
        for unit in &units {
            *summary.entry(unit.state).or_default() += 1;
        }
        let incidents = snapshot.incidents.iter();
        Self {
            version: VERSION,
            generated_at: snapshot.at.into(),
            host: snapshot.host.name.clone(),
            boot_id: snapshot.host.boot_id.clone(),
            state: worst(units.iter().map(|unit| unit.state), &snapshot.findings),
            summary,
            units,
            findings: snapshot.findings.iter().map(Into::into).collect(),
            incidents_open: incidents.clone().filter(|i| i.resolved_at.is_none()).count(),
            incidents: incidents.map(Into::into).collect(),
            ready: snapshot.ready,
            problems: snapshot.problems.iter().map(Into::into).collect(),
        }
    }
}

/// The worst of all. A unit that was switched off on purpose says nothing of the host.
pub fn worst(units: impl Iterator<Item = State>, findings: &[finding::Finding]) -> State {
    let findings = findings.iter().map(|finding| match finding.code {
        Code::HostManagerUnreachable => State::Unknown,
        _ => State::Degraded,
    });
    units
        .filter(|state| *state != State::Disabled)
        .chain(findings)
        .max_by_key(|state| state.rank())
        .unwrap_or(State::Ok)
}

impl Unit {
    /// One unit without its timeline.
    #[must_use]
    pub fn of(status: &UnitStatus) -> Self {
        let reading = status.reading.as_ref();
        let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            unit: status.unit.to_string(),
            state: status.state.into(),
            mode: status.mode.as_str().to_owned(),
            severity: status.severity.into(),
            file: status.file.clone(),
            owner: status.owner.clone(),
            runbook: status.runbook.clone(),
            active_state: reading.map(|r| r.active.as_str().to_owned()),
            sub_state: reading.map(|r| r.sub.clone()),
            unit_file_state: status.enablement.as_ref().map(|e| e.as_str().to_owned()),
            main_pid: reading.and_then(|r| r.main_pid),
            invocation_id: reading.and_then(|r| filled(&r.invocation)),
            active_since: reading.and_then(|r| r.active_since).map(Into::into),
            result: reading.map(|r| r.result.as_str().to_owned()),
            exit: reading.and_then(|r| r.exit).map(|exit| exit.to_string()),
            n_restarts: reading.map(|r| r.n_restarts),
            status_text: reading.and_then(|r| filled(&r.status_text)),
            conditions: status.conditions.iter().map(Into::into).collect(),
            release: release(&status.links, &status.residents),
            progress: status.progress.iter().map(|(name, seen)| progress(name, seen)).collect(),
            probes: probes(status),
            findings: status.findings.iter().map(Into::into).collect(),
            last_lines: status.said.clone(),
            incident: status.incident,
            explained_by: status.plan.explained_by.as_ref().map(ToString::to_string),
            next_action: status.plan.next.as_ref().map(Into::into),
            blocked: status.plan.blocked.clone(),
            last_action: status.last_action.as_ref().map(Into::into),
            last_transition: status.last_transition.as_ref().map(Into::into),
            recovery: status.recovery.as_ref().map(Into::into),
            preview: preview(status),
            restarts: Restarts {
                spent: status.spent,
                burst: status.budget.burst,
                interval_s: status.budget.interval.as_secs(),
            },
            hold: status.hold.as_ref().map(|hold| Hold { then: status.after_hold.clone(), ..hold.into() }),
            quarantine: status.quarantine.as_ref().map(Into::into),
            slot: status.slot.as_ref().map(Into::into),
            drill: status.drill.as_ref().map(Into::into),
            disabled: status.disabled.as_ref().map(Into::into),
            events: Vec::new(),
            usage: None,
        }
    }
}

impl Unit {
    /// Without lines of its own log: whoever may read `listen` may be anybody.
    pub fn hide_log(&mut self) {
        let lines = std::mem::take(&mut self.last_lines);
        for finding in &mut self.findings {
            finding.evidence.retain(|line| !lines.contains(line));
        }
    }
}

/// `None` for a unit that has neither a link nor a process in a release.
fn release(links: &[LinkReading], residents: &[Resident]) -> Option<Release> {
    let first = links.first();
    let current = first.and_then(|link| link.target.as_ref()).map(|t| t.path.clone());
    let processes: Vec<Process> =
        residents.iter().map(|resident| process(resident, current.as_ref())).collect();
    if first.is_none() && processes.iter().all(|process| process.release.is_none()) {
        return None;
    }
    let main = residents.iter().position(|r| r.role == Role::Main);
    Some(Release {
        link: first.map(|link| link.link.clone()),
        running: main.and_then(|i| processes.get(i)).and_then(|p| p.release.clone()),
        deleted: processes.iter().any(|process| process.deleted),
        switched_at: first.map(|link| link.switched_at.into()),
        current,
        processes,
        links: links.iter().map(Into::into).collect(),
    })
}

fn process(resident: &Resident, current: Option<&String>) -> Process {
    let (residence, release, because) = match &resident.residence {
        Residence::Current => ("current", current.cloned(), None),
        Residence::Outdated { release, because } => {
            ("outdated", Some(release.clone()), Some(because.clone()))
        }
        Residence::Deleted { release } => ("deleted", Some(release.clone()), None),
        Residence::Replaced { place, because, gone } => {
            (if *gone { "deleted" } else { "outdated" }, Some(place.clone()), Some(because.clone()))
        }
        Residence::Draining { release } => ("draining", Some(release.clone()), None),
        Residence::Elsewhere => ("elsewhere", None, None),
        Residence::Unreadable { why } => ("unreadable", None, Some(why.clone())),
    };
    Process {
        pid: resident.pid,
        role: resident.role.as_str().to_owned(),
        release,
        deleted: residence == "deleted",
        name: resident.name.clone(),
        residence: residence.to_owned(),
        because,
    }
}

/// What each probe says now. What it answered before the unit died says nothing of now.
fn probes(status: &UnitStatus) -> Vec<Probe> {
    let serving = status.conditions.iter().find(|known| known.kind == ConditionKind::Serving);
    let asked = serving.is_none_or(|known| known.truth != finding::Truth::Unknown(Why::NotRunning));
    let told = |(name, seen): (&String, &ProbeSeen)| {
        let told = probe(name, seen);
        if asked {
            return told;
        }
        let frozen = status.reading.as_ref().is_some_and(|reading| reading.frozen);
        let why = if frozen { "frozen" } else { "not active" };
        let message = Some(format!("not asked: the unit is {why}"));
        Probe { status: ProbeStatus::Unknown, last_status: None, latency_ms: None, message, ..told }
    };
    status.probes.iter().map(told).collect()
}

/// Its last answer; one that does not count yet is called so.
fn said(seen: &ProbeSeen, last: &probe::ProbeOutcome) -> String {
    if seen.settled == probe::ProbeStatus::Healthy && last.status.is_bad() {
        return format!("the last answer was wrong, and does not count yet: {}", last.message);
    }
    last.message.clone()
}

fn probe(name: &str, seen: &ProbeSeen) -> Probe {
    let last = seen.last.as_ref();
    let latency = last.and_then(|(_, outcome)| outcome.latency);
    Probe {
        name: name.to_owned(),
        status: seen.settled.into(),
        // Microseconds are finer than what was measured.
        latency_ms: latency.map(|l| (l.as_secs_f64() * 1e6).round() / 1e3),
        message: last.map(|(_, outcome)| said(seen, outcome)),
        last_at: last.map(|(at, _)| (*at).into()),
        last_status: last.map(|(_, outcome)| outcome.status.into()),
        in_a_row: seen.in_a_row,
        since: seen.settled_at.into(),
        recent: None,
    }
}

fn preview(status: &UnitStatus) -> Preview {
    let (action, refused) = &status.preview;
    let settings = status.settings.as_ref();
    let kill_mode = settings.map(|known| known.kill_mode.as_str().to_owned());
    let names = |units: &[UnitName]| units.iter().map(ToString::to_string).collect();
    Preview {
        action: action.as_str().to_owned(),
        refused: refused.clone(),
        drain: status.budget.drain.as_ref().map(|drain| drain.command.clone()),
        smoke_test: status.smoke.as_ref().map(|smoke| smoke.command.clone()),
        processes: status.residents.len(),
        kill_mode: kill_mode.filter(|mode| !mode.is_empty()),
        stop_timeout_s: settings.and_then(|known| known.timeout_stop_ms).map(|millis| millis / 1000),
        takes_along: settings.map(|known| names(&known.takes_along)).unwrap_or_default(),
        stops: settings.map(|known| names(&stopped_by_start(&known.conflicts))).unwrap_or_default(),
        triggered_by: settings.map(|known| names(&known.triggered_by)).unwrap_or_default(),
    }
}

/// What a start stops; that every service conflicts with the shutdown says nothing.
fn stopped_by_start(conflicts: &[UnitName]) -> Vec<UnitName> {
    conflicts.iter().filter(|unit| unit.kind() != "target").cloned().collect()
}

fn progress(name: &str, seen: &ProgressSeen) -> Progress {
    let sample = seen.known.as_ref();
    let last = seen.last.as_ref();
    Progress {
        name: name.to_owned(),
        depth: sample.map(|known| known.depth),
        in_work: sample.map(|known| known.in_work),
        completed: sample.and_then(|known| known.completed),
        age_s: sample.and_then(|known| known.age).map(|age| age.as_secs()),
        consumers: sample.and_then(|known| known.consumers),
        paused: sample.is_some_and(|known| known.paused),
        moved_at: seen.moved_at.into(),
        drain_until: seen.drain.map(|drain| drain.until.into()),
        last_at: last.map(|(at, _)| (*at).into()),
        problem: last.and_then(|(_, answer)| answer.as_ref().err().cloned()),
        recent: None,
    }
}

impl Reply {
    /// `None` for a unit that is not managed, or an incident that is not there.
    #[must_use]
    pub fn of(answer: &Answer) -> Option<Self> {
        let (mut drilled, mut plan) = (None, None);
        let (result, message, steps) = match answer {
            Answer::Done { message, steps } => (ReplyResult::Done, message, steps.as_slice()),
            Answer::Failed { message, steps } => (ReplyResult::Failed, message, steps.as_slice()),
            Answer::Refused { message } => (ReplyResult::Refused, message, [].as_slice()),
            Answer::Drilled { drill, message } => {
                drilled = Some(Drill::from(drill.as_ref()));
                let good = drill.end.as_ref().is_some_and(|end| end.verdict.is_good());
                let result = if good { ReplyResult::Done } else { ReplyResult::Failed };
                (result, message, [].as_slice())
            }
            Answer::DrillPlanned(planned) => {
                plan = Some(DrillPlan::from(planned));
                (ReplyResult::Done, &planned.fault, [].as_slice())
            }
            Answer::NotManaged | Answer::NoIncident | Answer::Tested(_) => return None,
        };
        Some(Self {
            result,
            message: message.clone(),
            steps: steps.iter().map(Into::into).collect(),
            error: (result != ReplyResult::Done).then(|| message.clone()),
            drill: drilled,
            plan,
        })
    }
}

impl From<Moment> for Time {
    fn from(moment: Moment) -> Self {
        Self(moment.wall_ms)
    }
}

impl From<UnitState> for State {
    fn from(state: UnitState) -> Self {
        match state {
            UnitState::Ok => Self::Ok,
            UnitState::Degraded => Self::Degraded,
            UnitState::Down => Self::Down,
            UnitState::Recovering => Self::Recovering,
            UnitState::Held => Self::Held,
            UnitState::Quarantined => Self::Quarantined,
            UnitState::Unknown => Self::Unknown,
            UnitState::Disabled => Self::Disabled,
        }
    }
}

impl From<finding::Severity> for Severity {
    fn from(severity: finding::Severity) -> Self {
        match severity {
            finding::Severity::Warning => Self::Warning,
            finding::Severity::Critical => Self::Critical,
        }
    }
}

impl From<finding::Truth> for Truth {
    fn from(truth: finding::Truth) -> Self {
        match truth {
            finding::Truth::True => Self::True,
            finding::Truth::False => Self::False,
            finding::Truth::Unknown(_) => Self::Unknown,
        }
    }
}

impl From<probe::ProbeStatus> for ProbeStatus {
    fn from(status: probe::ProbeStatus) -> Self {
        match status {
            probe::ProbeStatus::Healthy => Self::Healthy,
            probe::ProbeStatus::Unhealthy
            | probe::ProbeStatus::Slow
            | probe::ProbeStatus::Unmet
            | probe::ProbeStatus::Unresolved
            | probe::ProbeStatus::Squatted => Self::Unhealthy,
            probe::ProbeStatus::Unknown => Self::Unknown,
        }
    }
}
