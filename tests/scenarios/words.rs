//! The language of the scenarios: a line of words to an observation or a spec.

use std::collections::BTreeSet;
use std::time::Duration;

use steadfast::model::audit::{Audited, FailedUnit, Gap};
use steadfast::model::boot::BootReading;
use steadfast::model::cause::{Pull, Tie};
use steadfast::model::drill::DrillKind;
use steadfast::model::finding::{Code, Finding, Severity};
use steadfast::model::fleet::{Holder, SlotSaid, SlotSpec};
use steadfast::model::installed::{Content, Installed, Kind, State};
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::operator::{Ask, Request, UnitAsk};
use steadfast::model::outside::Outsider;
use steadfast::model::probe::{
    CommandEnd, CommandOutcome, Figure, FigureKind, OnFailure, PeerSaw, ProbeKind, ProbeOutcome, ProbeSpec,
    ProbeStatus,
};
use steadfast::model::progress::{ProgressSpec, Sample};
use steadfast::model::release::{
    FileId, LinkReading, Place, ProcessReading, ProcessesReading, Sockets, Target,
};
use steadfast::model::spec::{
    CleanExit, DisabledSpec, DrainSpec, Mode, Reaction, Selector, Share, SmokeDirectory, SmokeSpec, Spec,
};
use steadfast::model::unit::{
    ActiveState, Job, JobKind, JobResult, LoadState, ManagerState, UnitFileState, UnitName, UnitReading,
    UnitSettings,
};
use steadfast::model::will::{Exit, KillMode, Restart, ServiceType, Tried, UnitResult};

use super::script::Story;

type Result<T> = std::result::Result<T, String>;

/// Words of a line; `"…"` keeps blanks together.
pub fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if quoted {
        return Err("a quotation mark is missing".to_owned());
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// `250ms`, `5s`, `10m`, `2h`.
pub fn duration(text: &str) -> Result<Duration> {
    let at = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().map_err(|_| format!("{text} is no time"))?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        other => return Err(format!("{other} is no unit of time")),
    };
    Ok(Duration::from_millis(number * ms))
}

/// `audited unmanaged=a.service stray-process=web partly`: the gaps that a look over the host found.
pub fn audited(words: &[&str], story: &Story) -> Result<Audited> {
    let mut audited = Audited { gaps: Vec::new(), whole: true, unread: BTreeSet::new() };
    for word in words {
        let (code, subject) = pair(word);
        if code == "partly" {
            audited.whole = false;
            continue;
        }
        let code = Code::ALL.iter().find(|known| known.as_str() == code).copied().ok_or("no such code")?;
        let finding = Finding {
            code,
            subject: String::new(),
            severity: Severity::Warning,
            message: format!("{subject} is watched by nobody"),
            since: story.now,
            evidence: vec![format!("{subject}: runs")],
            repair: None,
            early: false,
        };
        let key = format!("{} {subject}", code.as_str());
        audited.gaps.push(Gap { key, subject: subject.to_owned(), finding });
    }
    Ok(audited)
}

/// `failed shop.service=exit-code:cannot_bind`: the units that are failed now, with what each said last.
pub fn failed(words: &[&str]) -> Vec<FailedUnit> {
    let of_word = |word: &&str| {
        let (unit, rest) = pair(word);
        let (result, line) = rest.split_once(':').unwrap_or((rest, ""));
        let lines = if line.is_empty() { Vec::new() } else { vec![line.replace('_', " ")] };
        FailedUnit { unit: UnitName::from(unit), result: result.to_owned(), lines }
    };
    words.iter().map(of_word).collect()
}

fn pair(word: &str) -> (&str, &str) {
    word.split_once('=').unwrap_or((word, ""))
}

/// `spec UNIT key=value …` in a story that began then.
pub fn spec(name: &str, words: &[&str], began: Moment) -> Result<Spec> {
    let selector = if name.contains('*') {
        Selector::Pattern(name.to_owned())
    } else {
        Selector::Unit(UnitName::from(name))
    };
    let mut spec = Spec::of_empty_file(selector, format!("/etc/steadfast/units.d/{name}.toml"));
    for word in words {
        key(&mut spec, word, began)?;
    }
    if spec.is_dependency() {
        // All that is known of it is what its probes say.
        spec.probes.iter_mut().for_each(|probe| probe.vital = true);
    }
    Ok(spec)
}

/// A probe of a resource: one whose restart heals, one that only tells, or a planned restart.
fn of_resource(word: &str, name: &str) -> ProbeSpec {
    let heals = word != "probe-resource-alert";
    let on_failure = if heals { OnFailure::Restart } else { OnFailure::Alert };
    let planned = word == "probe-age";
    let kind = ProbeKind { curable: heals, resource: true, planned, ..ProbeKind::default() };
    ProbeSpec { kind, vital: false, ..probe(name, on_failure) }
}

fn key(spec: &mut Spec, word: &str, began: Moment) -> Result<()> {
    let (key, value) = pair(word);
    match key {
        "observe" => spec.mode = Mode::Observe,
        "warning" => spec.severity = Severity::Warning,
        "requires" => spec.requires.push(UnitName::from(value)),
        "no-start" => spec.recovery.start = false,
        "no-enable" => spec.recovery.enable = false,
        "burst" => spec.recovery.burst = value.parse().map_err(|_| "burst is no number")?,
        "delay" => spec.recovery.delay = duration(value)?,
        "end-survivors" => spec.recovery.end_survivors = true,
        "max_unavailable" => {
            let number = |text: &str| text.parse().map_err(|_| "max_unavailable is no number".to_owned());
            let part = value.strip_suffix('%').map(number).transpose()?.map(Share::PerCent);
            spec.recovery.max_unavailable = Some(part.map_or_else(|| number(value).map(Share::Count), Ok)?);
        }
        "slot" => spec.slot = SlotSpec::Group(value.to_owned()),
        "drain" => {
            let command = vec!["/usr/bin/drain".to_owned()];
            spec.recovery.drain = Some(DrainSpec { command, until: None, timeout: duration(value)? });
        }
        "verify" => spec.recovery.verify_within = duration(value)?,
        "after_manual_stop" if value == "never" => spec.recovery.after_manual_stop = None,
        "after_manual_stop" => spec.recovery.after_manual_stop = Some(duration(value)?),
        "after_manual_disable" if value == "never" => spec.recovery.after_manual_disable = None,
        "after_manual_disable" => spec.recovery.after_manual_disable = Some(duration(value)?),
        "clean_exit" => spec.recovery.clean_exit = CleanExit::Hold,
        "clean_exit_delay" => spec.recovery.clean_exit_delay = duration(value)?,
        "window" => spec.release.window = Some(value.replace('|', " ")),
        "max_wait" => spec.release.max_wait = Some(duration(value)?),
        "settle" => spec.release.settle = duration(value)?,
        "drain_within" => spec.release.drain_within = duration(value)?,
        "link" => spec.release.link = Some(value.to_owned()),
        "on_stale" => spec.release.on_stale = Reaction::Alert,
        "smoke" => {
            spec.smoke = Some(SmokeSpec {
                command: vec!["/usr/bin/smoke".to_owned()],
                directory: SmokeDirectory::Release,
                timeout: Duration::from_secs(30),
            });
        }
        "period" => {
            for probe in &mut spec.probes {
                probe.period = duration(value)?;
            }
            for progress in &mut spec.progress {
                progress.period = duration(value)?;
            }
        }
        "probe" => spec.probes.push(probe(value, OnFailure::Alert)),
        "probe-disk" => {
            let kind = ProbeKind { curable: false, ..ProbeKind::default() };
            spec.probes.push(ProbeSpec { kind, ..probe(value, OnFailure::Alert) });
        }
        "probe-resource" | "probe-resource-alert" | "probe-age" => spec.probes.push(of_resource(key, value)),
        "progress" => spec.progress.push(progress(value)),
        "probe-restart" => spec.probes.push(probe(value, OnFailure::Restart)),
        "owner" => spec.owner = Some(value.to_owned()),
        "runbook" => spec.runbook = Some(value.to_owned()),
        "disabled" => {
            let until_ms = began.plus(duration(value)?).wall_ms;
            spec.disabled = Some(DisabledSpec { reason: "flaps".to_owned(), until_ms });
        }
        other => return Err(format!("{other} is no key of a spec here")),
    }
    Ok(())
}

fn probe(name: &str, on_failure: OnFailure) -> ProbeSpec {
    ProbeSpec {
        name: name.to_owned(),
        kind: ProbeKind {
            keys: "[tcp]\ntcp = \"127.0.0.1:1\"\n".to_owned(),
            curable: true,
            remote: true,
            ..ProbeKind::default()
        },
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(3),
        initial_delay: Duration::ZERO,
        failure_threshold: 2,
        success_threshold: 1,
        on_failure,
        vital: on_failure == OnFailure::Restart,
    }
}

fn peer_saw(word: &str) -> PeerSaw {
    match word {
        "reaches" => PeerSaw::Reaches,
        "down" => PeerSaw::Down,
        _ => PeerSaw::CannotTell,
    }
}

/// Every other line.
pub fn observation(verb: &str, words: &[&str], story: &Story) -> Result<Observation> {
    let name = words.first().copied().unwrap_or("");
    let unit = UnitName::from(name);
    let rest = words.get(1..).unwrap_or_default();
    // It copies all that is durable: only what needs it asks.
    let order = || {
        let units = story.state.durable().units;
        units.get(&unit).and_then(|durable| durable.recovery.as_ref()).map_or(0, |recovery| recovery.order)
    };
    Ok(match verb {
        "slot" => Observation::LockAnswered { unit, said: slot(rest)? },
        "peers-saw" => peers_saw(unit, rest),
        "manager" => Observation::ManagerChanged(manager(name)?),
        "unit" => Observation::UnitChanged { unit, reading: reading(rest, story)? },
        "settings" => Observation::UnitSettingsRead { unit, settings: settings(rest, story)? },
        "impaired" | "mended" => {
            let known = Code::ALL.iter().find(|code| code.as_str() == name);
            let why = (verb == "impaired").then(|| rest.join(" "));
            Observation::Impaired { code: *known.ok_or("no such code")?, part: "a part of ours", why }
        }
        "audit-fails" => Observation::HostAudited(Err(words.join(" "))),
        "pulled" => Observation::JobPulled { unit, job: job_id(rest)?, pull: pull(rest)? },
        "waits" => Observation::JobWaits {
            unit,
            job: job_id(rest)?,
            on: rest.get(1..).unwrap_or_default().iter().map(|name| UnitName::from(*name)).collect(),
        },
        "window" => Observation::WindowRead { unit, openings: openings(rest, story)? },
        "resumed" => Observation::Resumed { after: duration(name)? },
        "units-read" => Observation::UnitsRead { began: story.now },
        "matched" => Observation::UnitsMatched {
            pattern: name.to_owned(),
            units: rest.iter().map(|name| UnitName::from(*name)).collect(),
        },
        "enablement" => {
            Observation::EnablementRead { unit, state: file_state(rest.first().copied().unwrap_or(""))? }
        }
        "files-changed" => {
            Observation::UnitFilesChanged { units: words.iter().map(|name| UnitName::from(*name)).collect() }
        }
        "boot" => Observation::BootPredicted(boot(words, story.now)),
        "flip" => Observation::ReleaseSwitched { units: vec![unit] },
        "processes" => Observation::ProcessesInspected { unit, reading: processes(name, rest, story)? },
        "probe" => Observation::ProbeFinished {
            unit,
            probe: rest.first().copied().unwrap_or("").to_owned(),
            outcome: outcome(rest.get(1..).unwrap_or_default())?,
        },
        "uses" => used(unit, rest)?,
        "smoke" => Observation::SmokeTestFinished { order: order(), unit, outcome: command(rest)? },
        "drained" => Observation::Drained { order: order(), unit, outcome: command(rest)? },
        "sample" => Observation::ProgressSampled {
            unit,
            progress: (*rest.first().ok_or("which progress?")?).to_owned(),
            answer: sample(rest.get(1..).unwrap_or_default())?,
        },
        "job" => Observation::JobFinished { order: order(), unit, result: job_result(rest) },
        "killed" => Observation::MainProcessKilled { unit, result: Ok(story.now) },
        "kill-failed" => Observation::MainProcessKilled { unit, result: Err(rest.join(" ")) },
        "enabled" => Observation::EnableFinished {
            order: order(),
            unit,
            result: Ok(rest.iter().map(|link| (*link).to_owned()).collect()),
        },
        "enable-failed" => Observation::EnableFinished { order: order(), unit, result: Err(rest.join(" ")) },
        "ask" => Observation::OperatorAsked(Request {
            id: 1,
            who: "anna (uid 1000)".to_owned(),
            ask: Ask::OfUnit { unit, ask: ask(rest)? },
        }),
        other => return Err(format!("{other} is no word of this language")),
    })
}

fn peers_saw(unit: UnitName, words: &[&str]) -> Observation {
    let probe = words.first().copied().unwrap_or_default().to_owned();
    Observation::PeersAnswered { unit, probe, saw: words.iter().skip(1).map(|word| peer_saw(word)).collect() }
}

fn job_id(words: &[&str]) -> Result<u32> {
    words
        .first()
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| "pulled UNIT JOB along|dead|conflict OTHER".to_owned())
}

/// `7 along db.service`, `7 dead disk.mount`, `7 conflict other.service`.
fn pull(words: &[&str]) -> Result<Pull> {
    let how = match words.get(1).copied().unwrap_or("") {
        "along" => Tie::Job,
        "dead" => Tie::Death,
        "ended" => Tie::End,
        "conflict" => Tie::Conflict,
        other => return Err(format!("nothing is pulled {other}")),
    };
    Ok(Pull { unit: UnitName::from(words.get(2).copied().unwrap_or("")), how })
}

fn manager(word: &str) -> Result<ManagerState> {
    Ok(match word {
        "starting" => ManagerState::Starting,
        "running" => ManagerState::Running,
        "stopping" => ManagerState::Stopping,
        "maintenance" => ManagerState::Maintenance,
        "unreachable" => ManagerState::Unreachable,
        other => return Err(format!("{other} is no state of the manager")),
    })
}

/// `stop:7`
fn job(value: &str) -> Result<Job> {
    let (kind, id) = value.split_once(':').ok_or("job=kind:id")?;
    let kind = match kind {
        "start" => JobKind::Start,
        "stop" => JobKind::Stop,
        "restart" => JobKind::Restart,
        _ => JobKind::Other,
    };
    Ok(Job { id: id.parse().map_err(|_| "job id")?, kind })
}

/// `active/running inv=a main=100 restarts=0 job=stop:7 result=success exit="…" load=masked since=5s`
fn reading(words: &[&str], story: &Story) -> Result<UnitReading> {
    let (active, sub) = words.first().and_then(|word| word.split_once('/')).ok_or("active/sub is missing")?;
    let mut reading = UnitReading {
        active: match active {
            "active" => ActiveState::Active,
            "reloading" => ActiveState::Reloading,
            "inactive" => ActiveState::Inactive,
            "failed" => ActiveState::Failed,
            "activating" => ActiveState::Activating,
            "deactivating" => ActiveState::Deactivating,
            other => return Err(format!("{other} is no ActiveState")),
        },
        sub: sub.to_owned(),
        ..UnitReading::unloaded(LoadState::Loaded)
    };
    for word in words.get(1..).unwrap_or_default() {
        let (key, value) = pair(word);
        let number = || value.parse::<u32>().map_err(|_| format!("{value} is no number"));
        match key {
            "inv" => value.clone_into(&mut reading.invocation),
            "main" => reading.main_pid = Some(number()?),
            "restarts" => reading.n_restarts = number()?,
            "result" => reading.result = UnitResult::of(value),
            "exit" => reading.exit = Some(exit(value)?),
            "skipped" => reading.tried = Tried::ConditionUnmet,
            "refused" => reading.tried = Tried::AssertUnmet,
            "status" => value.clone_into(&mut reading.status_text),
            "frozen" => reading.frozen = true,
            "ran" => {
                let ago = i64::try_from(millis(value)?).map_err(|_| "too long")?;
                reading.active_since = Some(story.now.at_boot_ms(story.now.boot_ms - ago));
                reading.inactive_since = Some(story.now);
            }
            "rested" => {
                let ago = i64::try_from(duration(value)?.as_millis()).map_err(|_| "a length")?;
                reading.inactive_since = Some(story.now.at_boot_ms(story.now.boot_ms - ago));
            }
            "load" => {
                reading.load = match value {
                    "missing" => LoadState::NotFound,
                    "masked" => LoadState::Masked,
                    other => LoadState::Bad(other.to_owned()),
                }
            }
            "job" => reading.job = Some(job(value)?),
            other => return Err(format!("{other} is no part of a reading")),
        }
    }
    if reading.active == ActiveState::Active {
        reading.active_since = Some(story.now);
    }
    Ok(reading)
}

/// `exit code 1`, `signal 15`; what is behind that is for people.
fn exit(text: &str) -> Result<Exit> {
    let number = |rest: &str| -> Result<u32> {
        let digits = rest.split([' ', ',']).next().unwrap_or_default();
        digits.parse().map_err(|_| format!("{text} is no end of a process"))
    };
    match (text.strip_prefix("exit code "), text.strip_prefix("signal ")) {
        (Some(rest), _) => Ok(Exit::Code(number(rest)?)),
        (_, Some(rest)) => Ok(Exit::Signal { number: number(rest)?, core: rest.contains("core") }),
        _ => Err(format!("{text} is no end of a process")),
    }
}

fn settings(words: &[&str], story: &Story) -> Result<UnitSettings> {
    let mut settings = UnitSettings {
        can_start: true,
        can_stop: true,
        service_type: ServiceType::Simple,
        timeout_start_ms: Some(90_000),
        timeout_stop_ms: Some(90_000),
        control_group: "/system.slice/x".to_owned(),
        ..UnitSettings::default()
    };
    for word in words {
        let (key, value) = pair(word);
        match key {
            "names" => settings.names = value.split(',').map(UnitName::from).collect(),
            "type" => settings.service_type = ServiceType::of(value),
            "wd" => value.clone_into(&mut settings.working_directory),
            "root" => settings.root_directory = value.into(),
            "exec" => settings.exec_start.push(vec![value.to_owned()]),
            "remains" => settings.remain_after_exit = true,
            "isolates" => settings.allow_isolate = true,
            "refuses" => settings.can_start = false,
            "need-reload" => settings.need_daemon_reload = true,
            "pidfile" => value.clone_into(&mut settings.will.pid_file),
            "fragment" => value.clone_into(&mut settings.fragment),
            "user" => value.clone_into(&mut settings.will.user),
            "says" => settings.content = Some(value.parse().map_err(|_| "a number for what the file says")?),
            "written" => settings.changed_at = Some(story.now),
            "touched" => settings.modified_at = Some(story.now),
            "armed-by" => settings.triggered_by.push(UnitName::from(value)),
            "starts" => {
                let (burst, interval) = value.split_once('/').ok_or("starts=BURST/INTERVAL")?;
                settings.start_limit_burst = burst.parse().map_err(|_| "a number of starts")?;
                settings.start_limit_interval_ms =
                    u64::try_from(duration(interval)?.as_millis()).map_err(|_| "a length")?;
            }
            "alias" => settings.names.push(UnitName::from(value)),
            "conflicts" => settings.conflicts.push(UnitName::from(value)),
            "pulls" => settings.pulls.push(UnitName::from(value)),
            "takes" => settings.takes_along.push(UnitName::from(value)),
            "kill-mode" => settings.kill_mode = KillMode::of(value),
            "no-timeout" => settings.timeout_start_ms = None,
            "vanishes" => settings.boot.vanishes = Some(value.to_owned()),
            "unmet" => settings.boot.unmet_conditions.push(value.to_owned()),
            "untried" => settings.boot.untried_conditions.push(value.to_owned()),
            "restart" => settings.will.restart = Restart::of(value),
            "restart-sec" => settings.will.restart_ms = Some(millis(value)?),
            "forces" => settings.will.forces = true,
            "prevents" => settings.will.prevents.codes.push(value.parse().map_err(|_| "an exit status")?),
            "runtime-max" => settings.will.runtime_max_ms = Some(millis(value)?),
            "failure-action" => settings.will.failure_action = Some(format!("FailureAction={value}")),
            "success-action" => settings.will.success_action = Some(format!("SuccessAction={value}")),
            "start-limit-action" => {
                settings.will.start_limit_action = Some(format!("StartLimitAction={value}"));
            }
            "accepted-by" => settings.will.accepted_by = Some(UnitName::from(value)),
            "unneeded" => settings.will.stop_when_unneeded = true,
            "bus-activated" => settings.will.bus_activated = true,
            "upheld-by" => settings.will.upheld_by.push(UnitName::from(value)),
            "awake" => settings.will.awake.push(UnitName::from(value)),
            "device" => settings.will.devices.push(value.to_owned()),
            "lacks" => settings.will.lacks.push(UnitName::from(value)),
            "below" => {
                let (path, mount) = value.split_once(':').ok_or("below=PATH:MOUNT")?;
                settings.boot.mounts.push((path.to_owned(), UnitName::from(mount)));
            }
            other => return Err(format!("{other} is no setting here")),
        }
    }
    Ok(settings)
}

fn millis(text: &str) -> Result<u64> {
    u64::try_from(duration(text)?.as_millis()).map_err(|_| format!("{text} is too long"))
}

fn file_state(word: &str) -> Result<UnitFileState> {
    Ok(match word {
        "enabled" => UnitFileState::Enabled,
        "enabled-runtime" => UnitFileState::EnabledRuntime,
        "disabled" => UnitFileState::Disabled,
        "static" => UnitFileState::Static,
        "masked" => UnitFileState::Masked,
        "indirect" => UnitFileState::Indirect,
        "transient" => UnitFileState::Transient,
        "generated" => UnitFileState::Generated,
        "init-script-off" => UnitFileState::InitScriptOff,
        "missing" => UnitFileState::NotFound,
        other => return Err(format!("{other} is no UnitFileState here")),
    })
}

/// The link: `current=66 switched=5s began=50ms`, `current=missing`, `dangling=65` (it leads to release 65, which is not
/// there), `found` (no path of the unit leads over it), `here=1` (release 1 is the unit's own
/// directory), `born=5s` and `filled=5s` (when the release was made, and what is in
/// it), `plain=/srv/app#7` (no link: a directory, number 7, stands at that path), `inv=a` (of which run; else the last read).
/// Then processes; see `process`. Releases live in /srv/app/releases; with `app=shop` before them in /srv/shop/releases.
/// `opens=3h for=2h`, as often as there are openings; `open for=2h`: it is open now.
fn openings(words: &[&str], story: &Story) -> Result<Vec<(Moment, Moment)>> {
    let mut openings = Vec::new();
    let mut from = story.now;
    for word in words {
        match pair(word) {
            ("open", _) => from = story.now,
            ("opens", after) => from = story.now.plus(duration(after)?),
            ("for", length) => openings.push((from, from.plus(duration(length)?))),
            _ => return Err(format!("{word} is no part of a window")),
        }
    }
    Ok(openings)
}

fn outsider(pid: &str) -> Result<Outsider> {
    Ok(Outsider {
        pid: pid.parse().map_err(|_| "outside=PID")?,
        command: "/usr/sbin/webd -d".to_owned(),
        user: "root".to_owned(),
        place: "in session-3.scope, a login of joe".to_owned(),
        how: "/run/web.pid names it".to_owned(),
    })
}

fn processes(name: &str, words: &[&str], story: &Story) -> Result<ProcessesReading> {
    let earlier = |ago: Duration| {
        story.now.at_boot_ms(story.now.boot_ms - i64::try_from(ago.as_millis()).expect("short"))
    };
    let mut reading = ProcessesReading { read_at: story.now, ..ProcessesReading::default() };
    reading.invocation = story.invocation(name);
    let mut link = LinkReading { switched_at: earlier(Duration::from_secs(3600)), ..LinkReading::default() };
    let mut target = Target { parent: FileId { dev: 1, ino: 1 }, ..Target::default() };
    let (mut app, mut linked) = ("app", false);
    for word in words {
        match pair(word) {
            ("app", name) => app = name,
            ("inv", run) => run.clone_into(&mut reading.invocation),
            ("outside", "none") => reading.outside = Some(Vec::new()),
            ("absent", path) => reading.absent = Some(path.to_owned()),
            ("outside", pid) => reading.outside = Some(vec![outsider(pid)?]),
            ("hung", _) => {
                reading.links_unread =
                    Some("cannot follow its links: no answer from the file system within 5s".to_owned());
                reading.incomplete.clone_from(&reading.links_unread);
            }
            ("current", "missing") => (linked, link.problem) = (true, Some("no such file".to_owned())),
            ("dangling", release) => {
                let path = format!("/srv/{app}/releases/{release}");
                (linked, link.problem) = (true, Some(format!("{path} does not exist")));
                link.dangling = Some(path);
            }
            ("current", release) => {
                linked = true;
                target.path = format!("/srv/{app}/releases/{release}");
                target.id = identity(app, release);
            }
            ("plain", place) => {
                (linked, link.plain) = (true, true);
                let (path, id) = numbered(place);
                (target.path, target.id, target.parent) = (path.clone(), id, held_by(&path));
                link.link = path;
            }
            ("here", release) => reading.links.push(LinkReading {
                link: format!("/srv/{app}/releases/{release}"),
                plain: true,
                target: Some(Target {
                    path: format!("/srv/{app}/releases/{release}"),
                    id: identity(app, release),
                    parent: FileId { dev: 1, ino: 1 },
                    ..Target::default()
                }),
                ..LinkReading::default()
            }),
            ("found", _) => link.found = true,
            ("born", ago) => target.born_at = Some(earlier(duration(ago)?)),
            ("filled", ago) => target.made.push(earlier(duration(ago)?)),
            ("installed", place) => reading.installed.push(installed(place, story)?),
            ("began", ago) => reading.read_at = earlier(duration(ago)?),
            ("switched", ago) => link.switched_at = earlier(duration(ago)?),
            _ => reading.processes.push(process(word, app, story)?),
        }
    }
    if linked {
        if link.link.is_empty() {
            link.link = format!("/srv/{app}/current");
        }
        link.target = (!target.path.is_empty()).then_some(target);
        reading.links.push(link);
    }
    let users = users(&reading.processes);
    for one in &mut reading.installed {
        one.users.clone_from(&users);
    }
    Ok(reading)
}

/// Whoever runs what is installed: a shell runs none of it.
fn users(processes: &[ProcessReading]) -> BTreeSet<u32> {
    let shell = |process: &&ProcessReading| process.exe.as_ref().is_ok_and(|exe| exe.path == "/usr/bin/sh");
    processes.iter().filter(|process| !shell(process)).map(|process| process.pid).collect()
}

/// `uses UNIT PROBE 300 512`: 300 MiB of 512.
/// What the lock server says of a slot.
fn slot(words: &[&str]) -> Result<std::result::Result<SlotSaid, String>> {
    let rest = words.get(1..).unwrap_or_default();
    Ok(match words.first().copied().unwrap_or("") {
        "ours" => Ok(SlotSaid::Ours),
        "left" => Ok(SlotSaid::Left),
        "busy" => {
            let (name, what) = rest.split_first().ok_or("who has it?")?;
            let what = (!what.is_empty()).then(|| what.join(" "));
            Ok(SlotSaid::Busy(vec![Holder { name: (*name).to_owned(), what, since_ms: None }]))
        }
        "away" => Err(rest.join(" ")),
        _ => return Err("ours, left, busy HOLDER WHAT, away WHY".to_owned()),
    })
}

fn used(unit: UnitName, words: &[&str]) -> Result<Observation> {
    let [probe, value, limit] = words else {
        return Err("PROBE VALUE LIMIT".to_owned());
    };
    let mib =
        |text: &str| text.parse::<u64>().map(|count| count << 20).map_err(|_| format!("{text} is no number"));
    let figure = Figure { value: mib(value)?, limit: mib(limit)?, kind: FigureKind::Bytes };
    let (status, sentence) = if figure.value < figure.limit {
        (ProbeStatus::Healthy, format!("memory {value} MiB of {limit} MiB"))
    } else {
        (ProbeStatus::Unmet, format!("memory {value} MiB: the limit is {limit} MiB"))
    };
    let outcome = ProbeOutcome { status, message: sentence, latency: None };
    Ok(Observation::ResourceRead { unit, probe: (*probe).to_owned(), outcome, figure })
}

/// `venv:/srv/venv#7@5s`: content number 7, there for five seconds; `venv:/srv/venv#7~` an installer is at work; with `!` instead
/// nothing is there any more; `#7=6` what was content number 6 is the same; `#7-helper` the package `helper` was taken away.
fn installed(text: &str, story: &Story) -> Result<Installed> {
    let (kind, rest) = text.split_once(':').ok_or("kind:place")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or("no such kind")?;
    let (rest, ago) = rest.split_once('@').unwrap_or((rest, "1h"));
    let ago = i64::try_from(duration(ago)?.as_millis()).expect("short");
    let changed_at = story.now.at_boot_ms(story.now.boot_ms - ago);
    let bare = rest.trim_end_matches(['~', '!']);
    // Behind the number of the content, never in the path.
    let marked = |text: &str, mark: char| {
        text.rfind(mark).filter(|at| text.find('#').is_some_and(|begin| begin < *at))
    };
    let (bare, removed) =
        marked(bare, '-').map_or((bare, None), |at| (bare.split_at(at).0, bare.get(at + 1..)));
    let (bare, meant) =
        marked(bare, '=').map_or((bare, None), |at| (bare.split_at(at).0, bare.get(at + 1..)));
    let (place, id) = numbered(bare);
    let state = match rest.chars().last() {
        Some('~') => State::Unsettled(format!("an installer is at work in {place}")),
        Some('!') => State::Gone(changed_at),
        _ => State::Whole,
    };
    let newest = if kind == Kind::Venv { format!("{place}/flask-3.dist-info") } else { place.clone() };
    let made_at = Some(changed_at);
    let content = Content {
        print: id,
        newest,
        made_at,
        changed_at,
        newest_at: removed.map(|_| story.now.at_boot_ms(0)),
        removed: removed.map(|name| format!("{place}/{name}.dist-info")),
        same: meant.map(|number| identity("#", number)).into_iter().collect(),
        ..Content::default()
    };
    Ok(Installed { kind, place, of_unit: true, users: BTreeSet::new(), state, content: Some(content) })
}

fn identity(app: &str, release: &str) -> FileId {
    let ino = app
        .bytes()
        .chain(release.bytes())
        .fold(100_u64, |ino, byte| ino.wrapping_mul(31).wrapping_add(u64::from(byte)));
    FileId { dev: 1, ino }
}

/// `/srv/app#7`: the directory number 7, whatever name it bears.
fn numbered(place: &str) -> (String, FileId) {
    match place.split_once('#') {
        Some((path, number)) => (path.to_owned(), identity("#", number)),
        None => (place.to_owned(), identity("", place)),
    }
}

/// The directory that holds this path.
fn held_by(path: &str) -> FileId {
    identity("", path.rsplit_once('/').map_or("/", |(holder, _)| holder))
}

/// `100:65` (in release 65), `101:65!` (deleted), `102:/` (elsewhere; its command line names the link), `103:/srv/app#7` (in
/// the directory number 7 that bears that name), `104:/srv/app#7!+` (it was deleted, and another one bears its name); behind
/// it `@12s` its age, `<100` its parent, `*sshd` its name, `^22` a port on which it listens, `~22` one of a connection,
/// `%app` the name by which a manager knows it, `&sh` its program, `=T` stopped by a signal; `105:/#7-`: in directory 7, which was mounted and is not any more.
fn process(word: &str, app: &str, story: &Story) -> Result<ProcessReading> {
    let (pid, rest) = word.split_once(':').ok_or("pid:place")?;
    let marks = ['@', '<', '*', '^', '~', '%', '&', '='];
    let (place, mut rest) = rest.split_at(rest.find(marks).unwrap_or(rest.len()));
    let (place, anew) = place.strip_suffix('+').map_or((place, false), |place| (place, true));
    let gone = place.ends_with('!');
    let (release, detached) = match place.strip_suffix('-') {
        Some(place) => (place, true),
        None => (place.trim_end_matches('!'), false),
    };
    let cwd = match release {
        "?" => Err("permission denied".to_owned()),
        "/" => Ok(Place { path: "/".to_owned(), id: Some(FileId { dev: 1, ino: 2 }), ..Place::default() }),
        path if path.starts_with('/') => {
            let (path, id) = numbered(path);
            let above = if detached { Vec::new() } else { vec![held_by(&path)] };
            Ok(Place { path, gone, anew, detached, id: Some(id), above })
        }
        release => Ok(Place {
            path: format!("/srv/{app}/releases/{release}"),
            gone,
            anew,
            detached,
            id: Some(identity(app, release)),
            above: vec![FileId { dev: 1, ino: 1 }, FileId { dev: 1, ino: 3 }],
        }),
    };
    let mut process = ProcessReading {
        pid: pid.parse().map_err(|_| "pid")?,
        started_ms: story.now.boot_ms - 3_600_000,
        name: "php".to_owned(),
        command: String::new(),
        names_link: release == "/",
        cwd,
        exe: Ok(Place {
            path: "/usr/bin/php".to_owned(),
            id: Some(FileId { dev: 1, ino: 9 }),
            ..Place::default()
        }),
        files: Vec::new(),
        replaced: Vec::new(),
        parent: 1,
        program: None,
        sockets: Sockets::default(),
        stopped: false,
    };
    while let Some(mark) = rest.chars().next() {
        let more = rest.get(1..).unwrap_or_default();
        let (value, after) = more.split_at(more.find(marks).unwrap_or(more.len()));
        let port = || value.parse::<u16>().map_err(|_| format!("{value} is no port"));
        match mark {
            '@' => {
                let age = i64::try_from(duration(value)?.as_millis()).expect("short");
                process.started_ms = story.now.boot_ms - age;
            }
            '<' => process.parent = value.parse().map_err(|_| "parent")?,
            '*' => value.clone_into(&mut process.name),
            '%' => process.program = Some(value.to_owned()),
            '&' => {
                process.exe = Ok(Place { path: format!("/usr/bin/{value}"), ..Place::default() });
            }
            '=' => process.stopped = true,
            '^' => drop(process.sockets.listens.insert(port()?)),
            _ => drop(process.sockets.connected.insert(port()?)),
        }
        rest = after;
    }
    Ok(process)
}

fn outcome(words: &[&str]) -> Result<ProbeOutcome> {
    let status = match words.first().copied().unwrap_or("") {
        "healthy" => ProbeStatus::Healthy,
        "unhealthy" => ProbeStatus::Unhealthy,
        "slow" => ProbeStatus::Slow,
        "unmet" => ProbeStatus::Unmet,
        "unresolved" => ProbeStatus::Unresolved,
        "squatted" => ProbeStatus::Squatted,
        "unknown" => ProbeStatus::Unknown,
        other => return Err(format!("{other} is no status of a probe")),
    };
    let message = words.get(1..).unwrap_or_default().join(" ");
    Ok(ProbeOutcome { status, message, latency: Some(Duration::from_millis(3)) })
}

fn progress(name: &str) -> ProgressSpec {
    ProgressSpec {
        name: name.to_owned(),
        source: "[command]\ncommand = [\"/usr/bin/depth\"]\n".to_owned(),
        period: Duration::from_secs(15),
        timeout: Duration::from_secs(5),
        max_depth: Some(1000),
        max_age: None,
        stalled_after: Duration::from_secs(60),
        drain_within: Duration::from_secs(300),
        on_stall: OnFailure::Restart,
    }
}

/// `12 done=99 consumers=0 paused`, or `unknown why`.
fn sample(words: &[&str]) -> Result<std::result::Result<Sample, String>> {
    if words.first() == Some(&"unknown") {
        return Ok(Err(words.get(1..).unwrap_or_default().join(" ")));
    }
    let mut sample = Sample::default();
    for word in words {
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{word} is no number"));
        match word.split_once('=') {
            None if *word == "paused" => sample.paused = true,
            None if *word == "missing" => sample.missing = Some("it has no queue jobs in vhost /".to_owned()),
            None => sample.depth = number(word)?,
            Some(("work", text)) => sample.in_work = number(text)?,
            Some(("done", text)) => sample.completed = Some(number(text)?),
            Some(("consumers", text)) => sample.consumers = Some(number(text)?),
            Some(_) => return Err(format!("{word} is no figure of a sample")),
        }
    }
    Ok(Ok(sample))
}

fn command(words: &[&str]) -> Result<CommandOutcome> {
    let ended = match words.first().copied().unwrap_or("") {
        "timeout" => CommandEnd::TimedOut,
        "not-run" => CommandEnd::NotRun(words.get(1..).unwrap_or_default().join(" ")),
        status => CommandEnd::Exited(status.parse().map_err(|_| "an exit status")?),
    };
    let output = words.get(1..).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect();
    Ok(CommandOutcome { ended, output, took: Duration::from_millis(200) })
}

fn job_result(words: &[&str]) -> JobResult {
    match words.first().copied().unwrap_or("") {
        "done" => JobResult::Done,
        "refused" => JobResult::Refused(words.get(1..).unwrap_or_default().join(" ")),
        "lost" => JobResult::Lost("the bus was lost".to_owned()),
        other => JobResult::Ended(other.to_owned()),
    }
}

fn probe_named<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix("probe="))
}

/// What boot would start; `failed WHY`: it could not be computed.
fn boot(words: &[&str], read_at: Moment) -> BootReading {
    match words.split_first() {
        Some((&"failed", why)) => {
            BootReading { failure: Some(why.join(" ")), read_at, ..BootReading::default() }
        }
        Some(_) | None => {
            let starts = words.iter().map(|name| UnitName::from(*name)).collect();
            BootReading { starts, read_at, ..BootReading::default() }
        }
    }
}

fn ask(words: &[&str]) -> Result<UnitAsk> {
    Ok(match words.first().copied().unwrap_or("") {
        "recover" => UnitAsk::Recover,
        "resume" => UnitAsk::Resume,
        "look" => UnitAsk::Look,
        "hold" => UnitAsk::Hold {
            length: duration(words.get(1).copied().unwrap_or("30m"))?,
            reason: words.get(2..).unwrap_or_default().join(" "),
        },
        "drill" => UnitAsk::Drill {
            kind: probe_named(words).map_or(DrillKind::Kill, |name| DrillKind::Probe(name.to_owned())),
            rehearse: words.contains(&"dry-run"),
        },
        other => return Err(format!("nobody can ask for {other}")),
    })
}
