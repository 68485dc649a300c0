//! Plays one scenario: lines of observations in, the same lines with the policy's answers out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use steadfast::model::action::Action;
use steadfast::model::audit::Audited;
use steadfast::model::cause::PackagesReading;
use steadfast::model::moment::Moment;
use steadfast::model::observation::{Host, Observation};
use steadfast::model::snapshot::Snapshot;
use steadfast::model::spec::{Settings, Spec};
use steadfast::model::state::Durable;
use steadfast::model::unit::UnitName;
use steadfast::policy::{self, State};

use crate::{people, told, words};

/// The made-up day on which every scenario begins: 2026-11-20T10:00:00Z, a minute after boot.
const DAWN: Moment = Moment { boot_ms: 60_000, wall_ms: 1_795_168_800_000 };

/// One story under way.
pub struct Story {
    pub state: State,
    /// What was last published.
    picture: Snapshot,
    /// We run, and have read the files.
    started: bool,
    pub now: Moment,
    pub began: Moment,
    pub boot: u32,
    pub specs: BTreeMap<UnitName, Spec>,
    pub answers: Vec<String>,
    /// Readings that are ordered are told, too.
    pub reads: bool,
    /// What a look at the package manager shows; `None`: nothing answers.
    pub packages: Option<PackagesReading>,
    /// What becomes of messages to a sink; `None`: nothing is heard. Those that are not named take what they get.
    pub sinks: BTreeMap<String, Option<Result<(), String>>>,
    pub settings: Settings,
    /// What each look over the host finds.
    pub audited: Audited,
}

/// Plays the text and returns it with its answers written anew.
pub fn play(text: &str) -> Result<String, String> {
    let mut story = Story {
        state: State::new(Durable::default()),
        picture: Snapshot::default(),
        started: false,
        now: DAWN,
        began: DAWN,
        boot: 1,
        specs: BTreeMap::new(),
        answers: Vec::new(),
        reads: false,
        packages: Some(PackagesReading::default()),
        sinks: BTreeMap::new(),
        settings: Settings::default(),
        audited: Audited { gaps: Vec::new(), whole: true },
    };
    let mut written = String::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("->") {
            continue;
        }
        written.push_str(line);
        written.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        story.line(line).map_err(|why| format!("line {}: {why}", number + 1))?;
        for answer in story.answers.drain(..) {
            written.push_str("    -> ");
            written.push_str(&answer);
            written.push('\n');
        }
    }
    Ok(written)
}

impl Story {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = words::split(line)?;
        if let Some(time) = words.first().and_then(|word| word.strip_prefix('+')) {
            let time = words::duration(time)?;
            self.pass(time);
            words.remove(0);
        }
        let mut words = words.iter().map(String::as_str);
        let verb = words.next().unwrap_or("wait");
        let rest: Vec<&str> = words.collect();
        match verb {
            "wait" => {}
            "reads" => self.reads = true,
            "start" => self.start(),
            "crash" => self.crash(),
            "reboot" => self.reboot(),
            "spec" => self.spec(&rest)?,
            "unspec" => {
                self.specs.remove(&UnitName::from(first(&rest)?));
                self.load();
            }
            "slept" => {
                let after = words::duration(first(&rest)?)?;
                self.now = self.now.plus(after);
                self.observe(Observation::Resumed { after });
            }
            "state" => self.tell_state(first(&rest)?)?,
            "incidents" => self.answers.extend(self.state.durable().incidents.values().map(told::incident)),
            "packages" => self.packages(&rest)?,
            "sink" => {
                let sink = people::sink(first(&rest)?, rest.get(1..).unwrap_or_default())?;
                self.settings.sinks.push(sink);
                if self.started {
                    self.load();
                }
            }
            "sink-works" | "sink-fails" | "sink-silent" => {
                let why = rest.get(1..).unwrap_or_default().join(" ");
                let result = match verb {
                    "sink-works" => Some(Ok(())),
                    "sink-fails" => Some(Err(why)),
                    _ => None,
                };
                self.sinks.insert(first(&rest)?.to_owned(), result);
            }
            "ack" | "test-alert" => self.observe(people::asked(verb, &rest)?),
            "audited" => {
                self.audited = words::audited(&rest, self)?;
                let audited = self.audited.clone();
                self.observe(Observation::HostAudited(Ok(audited)));
            }
            "saved" => self.observe(Observation::Saved),
            "save-fails" => self.observe(Observation::SaveFailed { why: rest.join(" ") }),
            _ => {
                let observation = words::observation(verb, &rest, self)?;
                self.observe(observation);
            }
        }
        Ok(())
    }

    /// Time passes, with every deadline in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        for _ in 0..10_000 {
            let Some(due) = policy::next_deadline(&self.state).filter(|due| *due <= end) else {
                break;
            };
            self.now = if due > self.now {
                self.now.at_boot_ms(due.boot_ms)
            } else {
                self.now.plus(Duration::from_millis(1))
            };
            self.observe(Observation::DeadlineReached);
        }
        self.now = end;
    }

    /// Shells that answer at once, unless the story says otherwise.
    fn answer_of(&self, action: &Action) -> Option<Observation> {
        match action {
            Action::CaptureEvidence { incident, .. } => {
                let file = Ok(format!("/state/{incident}.txt"));
                Some(Observation::EvidenceCaptured { incident: *incident, file, changes: Vec::new() })
            }
            Action::SendAlert { sink, message } => {
                let result = self.sinks.get(&sink.name).cloned().unwrap_or(Some(Ok(())))?;
                Some(Observation::AlertDelivered { sink: sink.name.clone(), message: message.id, result })
            }
            Action::AuditHost { .. } => Some(Observation::HostAudited(Ok(self.audited.clone()))),
            _ => None,
        }
    }

    fn observe(&mut self, observation: Observation) {
        let mut actions: VecDeque<Action> = policy::decide(&mut self.state, observation, self.now).into();
        while let Some(action) = actions.pop_front() {
            if let (Action::ReadPackageManager, Some(reading)) = (&action, &self.packages) {
                // Its answer is there at once, unless the story says otherwise.
                let answer = Observation::PackageManagerRead(reading.clone());
                actions.extend(policy::decide(&mut self.state, answer, self.now));
            }
            if let Some(text) = told::action(&action, self.reads) {
                self.answers.push(format!("{} {text}", self.clock()));
            }
            if let Some(answer) = self.answer_of(&action) {
                actions.extend(policy::decide(&mut self.state, answer, self.now));
            }
        }
    }

    /// Seconds since the story began.
    fn clock(&self) -> String {
        let ms = self.now.since(self.began).as_millis();
        format!("{}.{:03}", ms / 1000, ms % 1000)
    }

    fn start(&mut self) {
        let host = Host {
            name: "web1".to_owned(),
            boot_id: format!("boot-{}", self.boot),
            machine_id: "m".to_owned(),
            user_instance: false,
        };
        self.observe(Observation::Started(host));
        self.started = true;
        self.load();
    }

    /// Steadfast dies at once: only what is durable is left.
    fn crash(&mut self) {
        self.state = State::new(self.state.durable());
        self.picture = Snapshot::default();
        self.started = false;
    }

    /// The host reboots: the boot clock begins anew, the wall clock goes on.
    fn reboot(&mut self) {
        self.crash();
        self.boot += 1;
        let shift = self.now.since(self.began);
        self.now = Moment { boot_ms: 10_000, wall_ms: self.now.wall_ms + 20_000 };
        self.began = Moment {
            boot_ms: 10_000 - i64::try_from(shift.as_millis()).expect("short") - 20_000,
            wall_ms: self.began.wall_ms,
        };
    }

    /// `packages busy "dpkg (pid 7)"`, `packages begins "dpkg (pid 7)"` (just now), `packages idle`, `packages wrote` (just now), `packages silent`.
    fn packages(&mut self, words: &[&str]) -> Result<(), String> {
        self.packages = match (first(words)?, words.get(1)) {
            ("idle", _) => Some(PackagesReading::default()),
            ("busy", Some(who)) => {
                Some(PackagesReading { busy: Some((*who).to_owned()), ..PackagesReading::default() })
            }
            ("begins", Some(who)) => {
                let (busy, began_at) = (Some((*who).to_owned()), Some(self.now));
                Some(PackagesReading { busy, began_at, ..PackagesReading::default() })
            }
            ("wrote", _) => Some(PackagesReading { worked_at: Some(self.now), ..PackagesReading::default() }),
            ("silent", _) => None,
            (other, _) => return Err(format!("a package manager is not {other}")),
        };
        Ok(())
    }

    fn spec(&mut self, words: &[&str]) -> Result<(), String> {
        let name = first(words)?;
        let spec = words::spec(name, words.get(1..).unwrap_or_default())?;
        self.specs.insert(UnitName::from(name), spec);
        if self.started {
            self.load();
        }
        Ok(())
    }

    fn load(&mut self) {
        let specs = self.specs.values().cloned().collect();
        let settings = self.settings.clone();
        self.observe(Observation::UnitFilesLoaded { settings, specs, problems: Vec::new() });
    }

    fn tell_state(&mut self, name: &str) -> Result<(), String> {
        self.state.publish(&mut self.picture, self.now);
        let snapshot = &self.picture;
        let unit = snapshot.units.get(&UnitName::from(name)).ok_or("no such managed unit")?;
        self.answers.extend(told::unit(unit));
        let host = snapshot.findings.iter();
        self.answers.extend(host.map(|found| format!("host {}: {}", found.code.as_str(), found.message)));
        Ok(())
    }
}

fn first<'a>(words: &[&'a str]) -> Result<&'a str, String> {
    words.first().copied().ok_or_else(|| "a unit is missing".to_owned())
}
