//! Plays one scenario: lines of observations in, the same lines with the policy's answers out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use steadfast::model::action::Action;
use steadfast::model::audit::Audited;
use steadfast::model::cause::PackagesReading;
use steadfast::model::fleet::LockSpec;
use steadfast::model::incident::{Change, Event, Incident, Looked};
use steadfast::model::moment::Moment;
use steadfast::model::observation::{Host, Observation};
use steadfast::model::operator::Answer;
use steadfast::model::snapshot::Snapshot;
use steadfast::model::spec::{Problem, Settings, Spec};
use steadfast::model::state::Durable;
use steadfast::model::unit::UnitName;
use steadfast::policy::{self, State};

use super::{people, told, words};

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
    /// Alerts are printed with their words.
    words: bool,
    /// What a look at the package manager shows; `None`: nothing answers.
    pub packages: Option<PackagesReading>,
    /// What becomes of messages to a sink; `None`: nothing is heard. Those that are not named take what they get.
    pub sinks: BTreeMap<String, Option<Result<(), String>>>,
    pub settings: Settings,
    /// What each look over the host finds.
    pub audited: Audited,
    /// Files of ours that are rejected.
    problems: Vec<Problem>,
    /// What package managers changed.
    upgrades: Vec<Change>,
    /// What a sick unit wrote last.
    said: Vec<String>,
    /// Whatever is read again is as it was.
    steady: bool,
    /// The last reading of each kind, by what was read.
    readings: BTreeMap<String, Observation>,
    /// What people were answered, and what was recorded.
    pub replies: Vec<Answer>,
    pub events: Vec<Event>,
}

impl Story {
    pub fn new(began: Moment) -> Self {
        Self {
            state: State::new(Durable::default()),
            picture: Snapshot::default(),
            started: false,
            now: began,
            began,
            boot: 1,
            specs: BTreeMap::new(),
            answers: Vec::new(),
            reads: false,
            words: false,
            packages: Some(PackagesReading::default()),
            sinks: BTreeMap::new(),
            settings: Settings::default(),
            audited: Audited { gaps: Vec::new(), whole: true, unread: BTreeSet::new() },
            problems: Vec::new(),
            upgrades: Vec::new(),
            said: Vec::new(),
            steady: false,
            readings: BTreeMap::new(),
            replies: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Plays these lines, and returns them with their answers written anew.
    pub fn play(&mut self, text: &str) -> Result<String, String> {
        let story = self;
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

    /// What is published at this moment.
    pub fn snapshot(&mut self) -> &Snapshot {
        self.state.publish(&mut self.picture, self.now);
        &self.picture
    }

    /// The run that was read last.
    pub fn invocation(&self, unit: &str) -> String {
        match self.readings.get(&format!("unit {unit}")) {
            Some(Observation::UnitChanged { reading, .. }) => reading.invocation.clone(),
            _ => String::new(),
        }
    }

    /// Every incident that is kept, oldest first.
    pub fn incidents(&self) -> Vec<Incident> {
        self.state.durable().incidents.into_values().collect()
    }

    /// Sinks, and other hosts.
    fn others(&mut self, verb: &str, rest: &[&str]) -> Result<(), String> {
        match verb {
            "sink" => {
                let sink = people::sink(first(rest)?, rest.get(1..).unwrap_or_default())?;
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
                self.sinks.insert(first(rest)?.to_owned(), result);
            }
            "peers" => {
                self.settings.peers = rest.iter().map(|peer| (*peer).to_owned()).collect();
                if self.started {
                    self.load();
                }
            }
            "fleet" => {
                let group = rest.first().filter(|group| **group != "-").map(|group| (*group).to_owned());
                let patience =
                    rest.get(1).map_or(Ok(Duration::from_secs(600)), |text| words::duration(text))?;
                let limit = Duration::from_secs(4);
                self.settings.lock = Some(LockSpec { keys: String::new(), group, patience, limit });
            }
            _ => return Err(format!("no such line: {verb}")),
        }
        Ok(())
    }

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
            "words" => self.words = true,
            "steady" => self.steady = true,
            "upgraded" => {
                let what = format!("packages: {}", rest.join(" "));
                self.upgrades.push(Change { at: self.now, what });
            }
            "wrote" => self.said = rest.iter().map(|line| (*line).to_owned()).collect(),
            "resync" => self.settings.resync = words::duration(first(&rest)?)?,
            "rejected" => self.rejected(&rest)?,
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
            "incidents" => self.answers.extend(self.incidents().iter().map(told::incident)),
            "packages" => self.packages(&rest)?,
            "sink" | "sink-works" | "sink-fails" | "sink-silent" | "peers" | "fleet" => {
                self.others(verb, &rest)?
            }
            "ack" | "test-alert" => self.observe(people::asked(verb, &rest)?),
            "failed" => self.observe(Observation::UnitsFailed(words::failed(&rest))),
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
            Action::CaptureEvidence { incident, changed_since, .. } => {
                let file = Ok(format!("/state/{incident}.txt"));
                let since = |change: &&Change| change.at >= *changed_since;
                let changes = self.upgrades.iter().filter(since).cloned().collect();
                let said = self.said.clone();
                let looked = Looked { file, changes, said };
                Some(Observation::EvidenceCaptured { incident: *incident, looked })
            }
            Action::SendAlert { sink, message } => {
                let result = self.sinks.get(&sink.name).cloned().unwrap_or(Some(Ok(())))?;
                Some(Observation::AlertDelivered { sink: sink.name.clone(), message: message.id, result })
            }
            Action::Silence { sink, silence } => {
                let result = self.sinks.get(&sink.name).cloned().unwrap_or(Some(Ok(())))?;
                let (unit, until) = (silence.unit.clone(), silence.until);
                Some(Observation::Silenced { unit, sink: sink.name.clone(), until, result })
            }
            Action::AuditHost { .. } => Some(Observation::HostAudited(Ok(self.audited.clone()))),
            _ => None,
        }
    }

    /// What is read again where the story is steady: the same, at this moment. A queue goes on.
    fn again(&self, action: &Action) -> Vec<Observation> {
        let reading = |key: String| self.readings.get(&key).cloned();
        let mut readings: Vec<Observation> = match action {
            _ if !self.steady => Vec::new(),
            Action::ReadAllUnits => {
                let units = self.readings.iter().filter(|(key, _)| key.starts_with("unit "));
                let read = Observation::UnitsRead { began: self.now };
                units.map(|(_, reading)| reading.clone()).chain([read]).collect()
            }
            Action::ReadEnablement { units } => {
                units.iter().filter_map(|unit| reading(format!("enablement {unit}"))).collect()
            }
            Action::PredictBoot => reading("boot".to_owned()).into_iter().collect(),
            Action::InspectProcesses { unit, .. } => {
                reading(format!("processes {unit}")).into_iter().collect()
            }
            Action::RunProbe { unit, probe } => {
                reading(format!("probe {unit} {}", probe.name)).into_iter().collect()
            }
            Action::SampleProgress { unit, progress } => {
                reading(format!("sample {unit} {}", progress.name)).into_iter().collect()
            }
            _ => Vec::new(),
        };
        for reading in &mut readings {
            match reading {
                Observation::ProcessesInspected { unit, reading } => {
                    reading.read_at = self.now;
                    reading.invocation = self.invocation(unit.as_str());
                }
                Observation::BootPredicted(reading) => reading.read_at = self.now,
                Observation::ProgressSampled { answer: Ok(sample), .. } => {
                    sample.completed = sample.completed.map(|done| done + 1);
                }
                _ => {}
            }
        }
        readings
    }

    fn decide(&mut self, observation: Observation) -> Vec<Action> {
        if let Some(key) = subject(&observation) {
            self.readings.insert(key, observation.clone());
        }
        policy::decide(&mut self.state, observation, self.now)
    }

    fn observe(&mut self, observation: Observation) {
        let mut actions: VecDeque<Action> = self.decide(observation).into();
        while let Some(action) = actions.pop_front() {
            match &action {
                Action::AnswerOperator { answer, .. } => self.replies.push(answer.clone()),
                Action::Record(event) => self.events.push(event.clone()),
                _ => {}
            }
            if let (Action::ReadPackageManager, Some(reading)) = (&action, &self.packages) {
                // Its answer is there at once, unless the story says otherwise.
                let answer = Observation::PackageManagerRead(reading.clone());
                actions.extend(self.decide(answer));
            }
            if let Some(text) = told::action(&action, (self.reads, self.words)) {
                self.answers.push(format!("{} {text}", self.clock()));
            }
            for answer in self.answer_of(&action).into_iter().chain(self.again(&action)) {
                actions.extend(self.decide(answer));
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
        let spec = words::spec(name, words.get(1..).unwrap_or_default(), self.began)?;
        self.specs.insert(UnitName::from(name), spec);
        if self.started {
            self.load();
        }
        Ok(())
    }

    fn load(&mut self) {
        let specs = self.specs.values().cloned().collect();
        let settings = self.settings.clone();
        self.observe(Observation::UnitFilesLoaded { settings, specs, problems: self.problems.clone() });
    }

    /// `rejected FILE LINE sentence`: the last good version of that file stays in force.
    fn rejected(&mut self, words: &[&str]) -> Result<(), String> {
        let [file, line, sentence @ ..] = words else { return Err("rejected FILE LINE sentence".to_owned()) };
        let message = sentence.join(" ");
        self.problems.push(Problem {
            file: (*file).to_owned(),
            line: line.parse().map_err(|_| "the number of a line")?,
            column: 1,
            rendered: format!("error: {message}\n"),
            message,
            last_good_in_force: true,
        });
        if self.started {
            self.load();
        }
        Ok(())
    }

    fn tell_state(&mut self, name: &str) -> Result<(), String> {
        let snapshot = self.snapshot();
        let unit = snapshot.units.get(&UnitName::from(name)).ok_or("no such managed unit")?;
        let mut answers = told::unit(unit);
        let host = snapshot.findings.iter();
        answers.extend(host.map(|found| format!("host {}: {}", found.code.as_str(), found.message)));
        self.answers.append(&mut answers);
        Ok(())
    }
}

/// What a reading is of, where it is one that comes again.
fn subject(observation: &Observation) -> Option<String> {
    Some(match observation {
        Observation::UnitChanged { unit, .. } => format!("unit {unit}"),
        Observation::EnablementRead { unit, .. } => format!("enablement {unit}"),
        Observation::BootPredicted(_) => "boot".to_owned(),
        Observation::ProcessesInspected { unit, .. } => format!("processes {unit}"),
        Observation::ProbeFinished { unit, probe, .. } => format!("probe {unit} {probe}"),
        Observation::ProgressSampled { unit, progress, .. } => format!("sample {unit} {progress}"),
        _ => return None,
    })
}

fn first<'a>(words: &[&'a str]) -> Result<&'a str, String> {
    words.first().copied().ok_or_else(|| "a unit is missing".to_owned())
}
