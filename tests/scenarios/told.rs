//! What the policy answers, as a line of a scenario.

use steadfast::model::action::Action;
use steadfast::model::alert::{Alert, AlertStatus};
use steadfast::model::drill::DrillPlan;
use steadfast::model::finding::{Severity, Truth};
use steadfast::model::fleet::SlotAsk;
use steadfast::model::incident::{EventKind, Incident};
use steadfast::model::moment::Moment;
use steadfast::model::operator::Answer;
use steadfast::model::snapshot::UnitStatus;
use steadfast::model::unit::UnitName;

/// When every story begins, by the wall clock.
const BEGAN: i64 = 1_795_168_800_000;

fn asked(group: &str, holder: &str, ask: &SlotAsk) -> String {
    match ask {
        SlotAsk::Take { what, .. } => format!("take a slot of {group} for {holder} ({what})"),
        SlotAsk::Leave { .. } => format!("give the slot of {group} for {holder} back"),
    }
}

/// The line for an action; readings and the words of alerts only when asked for.
pub fn action(action: &Action, (reads, words): (bool, bool)) -> Option<String> {
    match action {
        Action::StartUnit { unit, .. } => Some(format!("StartUnit {unit}")),
        Action::RestartUnit { unit, .. } => Some(format!("RestartUnit {unit}")),
        Action::EnableUnit { unit, .. } => Some(format!("EnableUnit {unit}")),
        Action::KillMainProcess { unit } => Some(format!("KillMainProcess {unit}")),
        Action::EndProcesses { processes, kill, .. } => {
            let pids: Vec<String> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
            Some(format!("{} {}", if *kill { "SIGKILL" } else { "SIGTERM" }, pids.join(",")))
        }
        Action::RunSmokeTest { unit, directory, .. } => {
            Some(format!("RunSmokeTest {unit} in {}", directory.as_deref().unwrap_or("its own directory")))
        }
        Action::Drain { unit, .. } => Some(format!("Drain {unit}")),
        Action::AnswerOperator { answer, .. } => Some(format!("answer {}", said(answer))),
        Action::Record(event) if event.kind == EventKind::Found => {
            let code = event.code.map_or("", |code| code.as_str());
            Some(format!("found {code}: {}", event.message))
        }
        // Each incident has it: stories of something else need not tell it.
        Action::Record(event) if event.message.starts_with("evidence saved") => None,
        Action::Record(event) => Some(format!("{}: {}", event.kind.as_str(), event.message)),
        Action::WatchUnits { units, patterns } if reads => {
            let units: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            Some(format!("WatchUnits {} {}", units.join(","), patterns.join(",")).trim_end().to_owned())
        }
        Action::ReadAllUnits if reads => Some("ReadAllUnits".to_owned()),
        Action::ReadEnablement { units } if reads => {
            let units: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
            Some(format!("ReadEnablement {}", units.join(",")))
        }
        Action::AuditHost { .. } if reads => Some("AuditHost".to_owned()),
        Action::PredictBoot if reads => Some("PredictBoot".to_owned()),
        Action::WatchLinks { unit, search } if reads => {
            let paths: Vec<&str> = search.paths().collect();
            Some(format!("WatchLinks {unit} {}", paths.join(",")))
        }
        Action::InspectProcesses { unit, .. } if reads => Some(format!("InspectProcesses {unit}")),
        Action::SampleProgress { unit, progress } if reads => {
            Some(format!("SampleProgress {unit} {}", progress.name))
        }
        Action::RunProbe { unit, probe } if reads => Some(format!("RunProbe {unit} {}", probe.name)),
        Action::ReadPackageManager if reads => Some("ReadPackageManager".to_owned()),
        Action::CaptureEvidence { incident, .. } if reads => Some(format!("CaptureEvidence {incident}")),
        Action::SendAlert { sink, message } => {
            let told: Vec<String> = message.alerts.iter().map(|one| alert(one, words)).collect();
            Some(format!("tell {}: {}", sink.name, told.join("; ")))
        }
        Action::AskPeers { unit, probe, peers, .. } => {
            Some(format!("ask {} of {unit} {probe}", peers.join(",")))
        }
        Action::AskLock { group, holder, ask, .. } => Some(asked(group, holder, ask)),
        Action::Silence { sink, silence } => {
            let seconds = |until: Moment| (until.wall_ms - BEGAN).div_euclid(1000).to_string();
            let until = silence.until.map_or("now".to_owned(), seconds);
            Some(format!("silence {} in {} until {until} ({})", silence.unit, sink.name, silence.reason))
        }
        Action::DraftPostmortem { incident } => Some(format!("DraftPostmortem {incident}")),
        Action::WatchUnits { .. }
        | Action::ReadAllUnits
        | Action::ReadPackageManager
        | Action::ReadEnablement { .. }
        | Action::PredictBoot
        | Action::AuditHost { .. }
        | Action::ReadWindow { .. }
        | Action::WatchLinks { .. }
        | Action::InspectProcesses { .. }
        | Action::RunProbe { .. }
        | Action::CaptureEvidence { .. }
        | Action::SampleProgress { .. } => None,
    }
}

/// What an alert says.
fn words_of(alert: &Alert) -> String {
    let mut text = format!(" | {}", alert.summary);
    if !alert.evidence.is_empty() {
        text.push_str(&format!(" | evidence: {}", alert.evidence.join(" / ")));
    }
    if !alert.done.is_empty() {
        text.push_str(&format!(" | done: {}", alert.done.join(" / ")));
    }
    text.extend(alert.next.as_ref().map(|next| format!(" | next: {next}")));
    text.extend(alert.repair.as_ref().map(|repair| format!(" | repair: {repair}")));
    text
}

/// One alert of a message, in short.
fn alert(alert: &Alert, words: bool) -> String {
    let unit = alert.unit.as_deref().unwrap_or("host");
    let repeats = if alert.repeats > 0 && alert.status == AlertStatus::Firing {
        format!(" again ({})", alert.repeats)
    } else {
        String::new()
    };
    let changes = alert.changes.first().map_or(String::new(), |change| format!(" after \"{change}\""));
    let affected = if alert.affected.is_empty() {
        String::new()
    } else {
        format!(" affects {}", alert.affected.join(","))
    };
    let drill = if alert.labels.contains_key("drill") { "DRILL: " } else { "" };
    let words = if words { words_of(alert) } else { String::new() };
    format!("{drill}{}{repeats} {unit} {}{affected}{changes}{words}", alert.status.as_str(), alert.code)
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Done { message, .. } => format!("done: {message}"),
        Answer::Failed { message, .. } => format!("failed: {message}"),
        Answer::Refused { message } => format!("refused: {message}"),
        Answer::NotManaged => "not managed".to_owned(),
        Answer::NoIncident => "no such incident".to_owned(),
        Answer::Drilled { drill, message } => {
            let verdict = drill.end.as_ref().map_or("running", |end| end.verdict.as_str());
            format!("{verdict}: {message}")
        }
        Answer::DrillPlanned(plan) => planned(plan),
        Answer::Tested(results) => {
            let sink = |(sink, result): &(String, Result<(), String>)| match result {
                Ok(()) => format!("{sink} arrived"),
                Err(why) => format!("{sink} failed: {why}"),
            };
            results.iter().map(sink).collect::<Vec<String>>().join("; ")
        }
    }
}

fn planned(plan: &DrillPlan) -> String {
    let order = plan.order.map_or("nothing", |order| order.as_str());
    let told = plan.told.join(",");
    let untold: Vec<String> = plan.untold.iter().map(|(sink, why)| format!("{sink} {why}")).collect();
    let needed: Vec<&str> = plan.needed_by.iter().map(UnitName::as_str).collect();
    format!(
        "would: {}; then {order}, about {} s, at most {} s; tells {told}; not told {}; needed by {}; {} left",
        plan.fault,
        plan.expected.as_secs(),
        plan.limit.as_secs(),
        untold.join(", "),
        needed.join(","),
        plan.left
    )
}

/// The state of a unit and each condition that is not true.
pub fn unit(unit: &UnitStatus) -> Vec<String> {
    let mut lines = vec![format!("{} is {}", unit.unit, unit.state.as_str())];
    for condition in unit.conditions.iter().filter(|known| known.truth != Truth::True) {
        let kind = condition.kind.as_str();
        lines.push(format!(
            "{kind} {} {}: {}",
            condition.truth.as_str(),
            condition.reason,
            condition.message
        ));
    }
    if let Some(last) = &unit.last_transition {
        lines.push(format!("last {} by {}: {}", last.what.as_str(), last.cause.as_str(), last.message));
    }
    if let Some(next) = &unit.plan.next {
        lines.push(format!("next {} because of {}", next.action.as_str(), next.because.as_str()));
    }
    let warnings = unit.findings.iter().filter(|found| found.severity == Severity::Warning);
    lines.extend(warnings.map(|found| format!("warning {}: {}", found.code.as_str(), found.message)));
    lines.extend(unit.plan.blocked.iter().map(|why| format!("but {why}")));
    lines
}

/// One incident: what opened it, whom it affects, and whether it is over.
pub fn incident(incident: &Incident) -> String {
    let Incident { id, unit, cause, affected, part_of, resolved_at, .. } = incident;
    let affected: Vec<&str> = affected.iter().map(UnitName::as_str).collect();
    let affects =
        if affected.is_empty() { String::new() } else { format!(", affects {}", affected.join(", ")) };
    let end = match (part_of, resolved_at) {
        (Some(cause), _) => format!("part of incident {cause}"),
        (None, Some(_)) => "resolved".to_owned(),
        (None, None) => "open".to_owned(),
    };
    let unit = unit.as_ref().map_or("host", UnitName::as_str);
    let drill = if incident.drill { " (a drill)" } else { "" };
    format!("incident {id}: {unit} {}{drill}{affects}: {end}", cause.as_str())
}
