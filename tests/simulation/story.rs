//! A history as the text of a scenario: what was observed, in the language of `tests/scenarios`.

use steadfast::model::audit::Gap;
use steadfast::model::drill::DrillKind;
use steadfast::model::fleet::SlotSaid;
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::operator::{Ask, Request, UnitAsk};
use steadfast::model::probe::{CommandEnd, CommandOutcome, ProbeStatus};
use steadfast::model::release::{ProcessReading, ProcessesReading};
use steadfast::model::unit::{JobKind, JobResult, ManagerState, UnitFileState, UnitName, UnitReading};
use steadfast::model::will::Tried;

use crate::run::WORDS;
use crate::will;

/// What is written so far.
#[derive(Debug)]
pub struct Story {
    at: Moment,
    text: String,
}

impl Story {
    pub fn new(now: Moment) -> Self {
        let specs: String = WORDS.iter().map(|words| format!("spec {words}\n")).collect();
        Self { at: now, text: format!("sink mail burst=5\nfleet -\n{specs}") }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Something happened now that the language knows by itself: `crash`, `reboot`, `packages …`.
    pub fn line(&mut self, now: Moment, line: &str) {
        let passed = now.since(self.at).as_millis();
        self.at = now;
        if passed > 0 {
            self.text.push_str(&format!("+{passed}ms "));
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What happened, for people.
    pub fn comment(&mut self, told: &str) {
        self.text.push_str(&format!("# {told}\n"));
    }

    pub fn rebooted(&mut self, now: Moment) {
        self.text.push_str("reboot\n");
        self.at = now;
    }

    pub fn observed(&mut self, now: Moment, observation: &Observation) {
        let Some(line) = told(now, observation) else {
            return;
        };
        if let Observation::Resumed { after } = observation {
            // The word brings its own time, in which nothing is due.
            self.at = self.at.plus(*after);
        }
        self.line(now, &line);
    }
}

fn slot(unit: &UnitName, said: &Result<SlotSaid, String>) -> String {
    match said {
        Ok(SlotSaid::Ours) => format!("slot {unit} ours"),
        Ok(SlotSaid::Left) => format!("slot {unit} left"),
        Ok(SlotSaid::Busy(holders)) => {
            let names: Vec<&str> = holders.iter().map(|holder| holder.name.as_str()).collect();
            format!("slot {unit} busy {}", names.join(" "))
        }
        Err(why) => format!("slot {unit} away \"{why}\""),
    }
}

fn ended(word: &str, unit: &UnitName, outcome: &CommandOutcome) -> String {
    match &outcome.ended {
        CommandEnd::Exited(status) => format!("{word} {unit} {status} \"{}\"", outcome.output.join(" ")),
        CommandEnd::TimedOut => format!("{word} {unit} timeout"),
        other => format!("# {word} {unit} {other:?}"),
    }
}

fn told(now: Moment, observation: &Observation) -> Option<String> {
    Some(match observation {
        Observation::Started(_) => "start".to_owned(),
        Observation::ManagerChanged(manager) => format!("manager {}", word(*manager)),
        Observation::UnitChanged { unit, reading } => format!("unit {unit} {}", unit_reading(reading)),
        Observation::UnitSettingsRead { unit, settings } => {
            format!("settings {unit} wd={}{}", settings.working_directory, will::words(settings))
        }
        Observation::EnablementRead { unit, state } => {
            let enabled = *state == UnitFileState::Enabled;
            format!("enablement {unit} {}", if enabled { "enabled" } else { "disabled" })
        }
        Observation::UnitFilesChanged { units } => format!("files-changed {}", units.first()?),
        Observation::UnitsRead { .. } => "units-read".to_owned(),
        Observation::Resumed { after } => format!("slept {}ms", after.as_millis()),
        Observation::BootPredicted(reading) => {
            let units: Vec<&str> = reading.starts.iter().map(|unit| unit.as_str()).collect();
            format!("boot {}", units.join(" "))
        }
        Observation::ReleaseSwitched { units } => {
            let flips: Vec<String> = units.iter().map(|unit| format!("flip {unit}")).collect();
            flips.join("\n")
        }
        Observation::ProcessesInspected { unit, reading } => {
            format!("processes {unit} {}", processes(now, reading))
        }
        Observation::ProbeFinished { unit, probe, outcome } => {
            format!("probe {unit} {probe} {} asked", status(outcome.status))
        }
        Observation::ProgressSampled { unit, progress, answer } => match answer {
            Ok(sample) => {
                let done = sample.completed.unwrap_or(0);
                format!("sample {unit} {progress} {} done={done}", sample.depth)
            }
            Err(why) => format!("sample {unit} {progress} unknown \"{why}\""),
        },
        Observation::SmokeTestFinished { unit, outcome, .. } => ended("smoke", unit, outcome),
        Observation::LockAnswered { unit, said } => slot(unit, said),
        Observation::Drained { unit, outcome, .. } => ended("drained", unit, outcome),
        Observation::JobFinished { unit, result, .. } => match result {
            JobResult::Done => format!("job {unit} done"),
            JobResult::Ended(how) => format!("job {unit} {how}"),
            JobResult::Refused(why) => format!("job {unit} refused \"{why}\""),
            JobResult::Lost(_) => format!("job {unit} lost"),
        },
        Observation::JobWaits { unit, job, on } => {
            let on: Vec<&str> = on.iter().map(|unit| unit.as_str()).collect();
            format!("waits {unit} {job} {}", on.join(" "))
        }
        Observation::EnableFinished { unit, .. } => format!("enabled {unit} link"),
        Observation::MainProcessKilled { unit, .. } => format!("killed {unit}"),
        Observation::OperatorAsked(request) => asked(request),
        Observation::HostAudited(Ok(found)) => {
            let gap = |gap: &Gap| format!(" {}={}", gap.finding.code.as_str(), gap.subject);
            format!("audited{}", found.gaps.iter().map(gap).collect::<String>())
        }
        // The language brings these by itself.
        Observation::PackageManagerRead(_)
        | Observation::EvidenceCaptured { .. }
        | Observation::PostmortemDrafted { .. }
        | Observation::AlertDelivered { .. }
        | Observation::Silenced { .. }
        | Observation::UnitFilesLoaded { .. }
        | Observation::DeadlineReached
        | Observation::Saved
        | Observation::SaveFailed { .. } => return None,
        other => format!("# {other:?}"),
    })
}

fn status(status: ProbeStatus) -> &'static str {
    match status {
        ProbeStatus::Healthy => "healthy",
        ProbeStatus::Unhealthy => "unhealthy",
        ProbeStatus::Slow => "slow",
        ProbeStatus::Unmet => "unmet",
        ProbeStatus::Unresolved => "unresolved",
        ProbeStatus::Squatted => "squatted",
        ProbeStatus::Unknown => "unknown",
    }
}

fn asked(request: &Request) -> String {
    let Ask::OfUnit { unit, ask } = &request.ask else {
        return format!("# {request:?}");
    };
    match ask {
        UnitAsk::Recover => format!("ask {unit} recover"),
        UnitAsk::Look => format!("ask {unit} look"),
        UnitAsk::Resume => format!("ask {unit} resume"),
        UnitAsk::Drill { kind: DrillKind::Kill, .. } => format!("ask {unit} drill"),
        UnitAsk::Drill { kind: DrillKind::Probe(name), .. } => format!("ask {unit} drill probe={name}"),
        UnitAsk::Hold { length, reason } => format!("ask {unit} hold {}ms {reason}", length.as_millis()),
    }
}

fn word(manager: ManagerState) -> &'static str {
    match manager {
        ManagerState::Starting => "starting",
        ManagerState::Running => "running",
        ManagerState::Stopping => "stopping",
        ManagerState::Maintenance => "maintenance",
        ManagerState::Unreachable => "unreachable",
    }
}

fn unit_reading(reading: &UnitReading) -> String {
    let mut words = vec![format!("{}/{}", reading.active.as_str(), reading.sub)];
    if !reading.invocation.is_empty() {
        words.push(format!("inv={}", reading.invocation));
    }
    words.extend(reading.main_pid.map(|pid| format!("main={pid}")));
    words.push(format!("restarts={} result={}", reading.n_restarts, reading.result));
    words.extend(reading.exit.map(|exit| format!("exit=\"{exit}\"")));
    words.extend((reading.tried == Tried::ConditionUnmet).then(|| "skipped".to_owned()));
    words.extend(reading.frozen.then(|| "frozen".to_owned()));
    words.extend(reading.job.map(|job| {
        let kind = match job.kind {
            JobKind::Start => "start",
            JobKind::Stop => "stop",
            JobKind::Restart => "restart",
            JobKind::Other => "other",
        };
        format!("job={kind}:{}", job.id)
    }));
    words.join(" ")
}

fn processes(now: Moment, reading: &ProcessesReading) -> String {
    let mut words = Vec::new();
    if let Some(link) = reading.links.first() {
        let release = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let current = link.target.as_ref().map_or("missing".to_owned(), |target| release(&target.path));
        words.push(format!("current={current} switched={}ms", now.since(link.switched_at).as_millis()));
    }
    words.push(format!("began={}ms", now.since(reading.read_at).as_millis()));
    words.extend(reading.processes.iter().map(|process| lives(now, process)));
    words.join(" ")
}

fn lives(now: Moment, process: &ProcessReading) -> String {
    let place = match &process.cwd {
        Ok(place) => {
            let release = place.path.rsplit('/').next().unwrap_or_default();
            format!("{release}{}", if place.gone { "!" } else { "" })
        }
        Err(_) => "?".to_owned(),
    };
    format!("{}:{place}@{}ms", process.pid, now.boot_ms - process.started_ms)
}
