//! The draft of a post-mortem: an incident as Markdown. Facts only; the questions are left to people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::span::span;

use super::wire::{Event, Incident, IncidentDetails, Time};

/// Lines of the timeline in a draft; the whole is in `steadfast incident ID`.
const LINES: usize = 500;

/// The draft. `user`: of the user instance.
#[must_use]
pub fn draft(details: &IncidentDetails, user: bool) -> String {
    let incident = &details.incident;
    let mut text = String::new();
    head(&mut text, details);
    section(&mut text, "Impact", &impact(details));
    section(&mut text, "What changed before, most suspect first", &changes(incident));
    section(&mut text, "Timeline (UTC)", &timeline(details, user));
    section(&mut text, "Evidence", &evidence(incident));
    section(&mut text, "Alerts", &told(incident));
    text.push_str(QUESTIONS);
    text
}

/// What only people can answer.
const QUESTIONS: &str = "\n## Open questions\n\n\
    1. Why did it happen?\n\
    2. Why was that possible?\n\
    3. Why did nothing before it stop it (review, tests, smoke test, staging)?\n\
    4. Why was it not noticed earlier, or by whom was it noticed first?\n\
    5. Why did the repair take as long as it did?\n\n\
    ## Actions\n\n\
    | what | who | until |\n|---|---|---|\n| | | |\n";

fn head(text: &mut String, details: &IncidentDetails) {
    let incident = &details.incident;
    let unit = incident.unit.as_deref().unwrap_or("the host");
    let _ = writeln!(text, "# Post-mortem (draft): incident {}, {unit}\n", incident.id);
    let _ = writeln!(text, "{}\n", cell(&incident.summary));
    let end = incident.resolved_at.map_or("still open".to_owned(), exact);
    let from = incident.began_at.unwrap_or(incident.opened_at);
    let _ = writeln!(text, "| | |\n|---|---|");
    let _ = writeln!(text, "| Window (UTC) | {} to {end} |", exact(from));
    if let Some(end) = incident.resolved_at {
        let _ = writeln!(
            text,
            "| Lasted | {} |",
            span(Duration::from_millis(u64::try_from(end.0.saturating_sub(from.0)).unwrap_or(0)))
        );
    }
    let _ = writeln!(text, "| Cause as found | `{}` |", incident.cause);
    let _ = writeln!(text, "| Severity | {:?} |", incident.severity);
    let seconds = |told: Option<f64>| told.map_or("not known".to_owned(), |told| format!("{told:.1} s"));
    let durations = &incident.durations;
    let _ = writeln!(text, "| Fault to finding | {} |", seconds(durations.detect));
    let _ = writeln!(text, "| Finding to first action | {} |", seconds(durations.act));
    let _ = writeln!(text, "| Finding to end | {} |", seconds(durations.recover));
    let affected =
        if incident.affected.is_empty() { "none".to_owned() } else { incident.affected.join(", ") };
    let _ = writeln!(text, "| Affected units | {affected} |");
    if !details.owners.is_empty() {
        let owners: Vec<String> =
            details.owners.iter().map(|(unit, owner)| format!("{unit}: {}", cell(owner))).collect();
        let _ = writeln!(text, "| Owners | {} |", owners.join("; "));
    }
}

/// Figures over time, as they were measured while it lasted.
fn impact(details: &IncidentDetails) -> Vec<String> {
    let measured: Vec<&Event> = details.events.iter().filter(|event| event.kind == "measured").collect();
    if measured.is_empty() {
        return vec![
            "No figures were measured: no queue and no probe of these units failed for long.".to_owned(),
        ];
    }
    let mut lines = vec!["| UTC | unit | figures |".to_owned(), "|---|---|---|".to_owned()];
    lines.extend(measured.iter().take(LINES).map(|event| {
        let unit = event.unit.as_deref().unwrap_or("host");
        format!("| {} | {unit} | {} |", exact(event.at), cell(&event.message))
    }));
    lines
}

fn changes(incident: &Incident) -> Vec<String> {
    if incident.changes.is_empty() {
        return vec!["No change was recorded.".to_owned()];
    }
    incident.changes.iter().map(|change| format!("- {}: {}", exact(change.at), cell(&change.what))).collect()
}

fn timeline(details: &IncidentDetails, user: bool) -> Vec<String> {
    let told: Vec<&Event> = details.events.iter().filter(|event| event.kind != "measured").collect();
    let mut lines = vec!["| UTC | unit | | |".to_owned(), "|---|---|---|---|".to_owned()];
    let hidden = told.len().saturating_sub(LINES);
    for event in told.iter().take(LINES) {
        let unit = event.unit.as_deref().unwrap_or("host");
        let code = event.code.as_deref().map_or(String::new(), |code| format!(" `{code}`"));
        lines.push(format!(
            "| {} | {unit} | {}{code} | {} |",
            exact(event.at),
            event.kind,
            cell(&event.message)
        ));
    }
    if hidden > 0 {
        lines.push(String::new());
        let user = if user { " --user" } else { "" };
        lines.push(format!("{hidden} more lines: `steadfast{user} incident {}`", details.incident.id));
    }
    lines
}

fn evidence(incident: &Incident) -> Vec<String> {
    let mut lines: Vec<String> = incident.evidence.iter().map(|line| format!("- {}", cell(line))).collect();
    if let Some(file) = &incident.evidence_file {
        lines.push(format!("- evidence file: `{file}`"));
    }
    if lines.is_empty() {
        lines.push("None was gathered.".to_owned());
    }
    lines
}

fn told(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    for sink in &incident.told {
        // What an older version kept has only the time of the last message, whatever that said.
        let last = sink.at.filter(|_| !sink.resolved);
        let firing = match (sink.fired_at.or(last), sink.firing) {
            (_, 0) => "was not reached".to_owned(),
            (Some(at), 1) => format!("firing sent at {}", exact(at)),
            (Some(at), times) => format!("firing sent {times} times, first at {}", exact(at)),
            (None, _) => "firing sent".to_owned(),
        };
        let over = match sink.resolved_at {
            Some(at) => format!("; resolved sent at {}", exact(at)),
            None if sink.resolved => "; resolved sent".to_owned(),
            None => String::new(),
        };
        lines.push(format!("- {}: {firing}{over}", sink.sink));
    }
    if let Some(known) = &incident.acknowledged {
        lines.push(format!("- acknowledged by {} at {}", cell(&known.who), exact(known.at)));
    }
    if lines.is_empty() {
        lines.push("Nobody: no alert sink is configured for it.".to_owned());
    }
    lines
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    let _ = writeln!(text, "\n## {title}\n\n{}", lines.join("\n"));
}

/// To the second, in UTC.
fn exact(at: Time) -> String {
    at.timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Text that breaks no table, and whose marks stand for themselves.
fn cell(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut cell = String::new();
    for c in line.chars() {
        match c {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '`' => cell.push('\''),
            '\\' | '|' | '[' | ']' | '!' | '*' => cell.extend(['\\', c]),
            _ => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::moment::Moment;
    use crate::model::{finding, incident};

    #[test]
    fn what_does_not_fit_is_shown_by_a_command_for_the_instance() {
        let cause = finding::Finding {
            code: finding::Code::HostStorm,
            subject: String::new(),
            severity: finding::Severity::Critical,
            message: "many units fail at once".to_owned(),
            since: Moment::default(),
            evidence: Vec::new(),
            repair: None,
            early: false,
        };
        let found = incident::Incident::new(17, None, &cause, Moment::default());
        let line = |id| incident::Event {
            id,
            at: Moment::default(),
            unit: None,
            kind: incident::EventKind::Notice,
            code: None,
            incident: Some(17),
            message: "it goes on".to_owned(),
        };
        let events = (1..=502).map(|id| Event::from(&line(id))).collect();
        let owners = vec![("shop.service".to_owned(), "team-shop".to_owned())];
        let details = IncidentDetails { incident: Incident::from(&found), events, owners };
        assert!(draft(&details, false).contains("2 more lines: `steadfast incident 17`"));
        assert!(draft(&details, false).contains("| Owners | shop.service: team-shop |"), "O48");
        assert!(draft(&details, true).contains("2 more lines: `steadfast --user incident 17`"));
    }
}
