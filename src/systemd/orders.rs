//! Orders to the service manager: start, restart, enable. Each is tried once, within a limit, and tells how it ended.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zbus::message::Message;
use zbus::{Connection, MatchRule, ObjectPath, OwnedObjectPath};

use super::bus::{self, Instance, MANAGER, SYSTEMD, Signals, UNIT, words};
use super::proxies::ManagerProxy;
use crate::clock;
use crate::model::moment::Moment;
use crate::model::unit::{JobResult, UnitFileState, UnitName};

/// Jobs of ours in flight, each with a connection of its own. How much is ordered at once is for the policy to say.
const JOBS: usize = 32;
/// Commands that run at once; the next waits for its turn.
const COMMANDS: usize = 16;
/// Signals that may wait for us, and results of others' jobs kept until we know which job is ours.
const QUEUE: usize = 1024;
/// Questions about enablement in flight; PID 1 answers one at a time and takes milliseconds for each.
const QUESTIONS: usize = 4;
/// All questions about enablement that are asked together.
const QUESTIONS_LIMIT: Duration = Duration::from_secs(120);
/// Enabling with its reload: PID 1 reloads 10,000 units in 40 seconds.
const ENABLE_LIMIT: Duration = Duration::from_secs(120);
/// The end of a reload is signalled before it is answered; this much later it is lost.
const RELOADED_LIMIT: Duration = Duration::from_secs(2);
/// A signal is sent at once.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const SIGKILL: i32 = 9;
/// Tries to reach the manager before an order, and the pause between them.
const BEGIN_TRIES: u32 = 10;
const BEGIN_PAUSE: Duration = Duration::from_millis(300);
/// Never queue an order in place of another's job: what a person ordered stands.
const MODE: &str = "fail";

/// Gives orders to one service manager. Cheap to clone; the clones share their turns.
///
/// Every order has a connection of its own, so that none outlives a lost bus and none waits for another's signals.
#[derive(Clone, Debug)]
pub struct Orders {
    instance: Instance,
    shared: Arc<Shared>,
}

/// Turns, and what several enablings at once need to do with one reload.
#[derive(Debug)]
struct Shared {
    jobs: Semaphore,
    commands: Semaphore,
    reload: Semaphore,
    /// Enablings that changed links so far.
    enabled: AtomicU64,
    /// How many of them the last successful reload covered.
    reloaded: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Start,
    Restart,
}

impl Orders {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(instance: Instance) -> Self {
        Self {
            instance,
            shared: Arc::new(Shared {
                jobs: Semaphore::new(JOBS),
                commands: Semaphore::new(COMMANDS),
                reload: Semaphore::new(1),
                enabled: AtomicU64::new(0),
                reloaded: AtomicU64::new(0),
            }),
        }
    }

    /// Whose orders these are.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// `StartUnit`, and waits for the result of its job at most as long as `limit`.
    ///
    /// Starting a unit that is active is done at once. A job that outlives the limit goes on.
    pub async fn start(&self, unit: &UnitName, limit: Duration) -> JobResult {
        self.job(Verb::Start, unit, limit).await
    }

    /// `RestartUnit`: the whole unit, as `start`. Starts a unit that is not active.
    pub async fn restart(&self, unit: &UnitName, limit: Duration) -> JobResult {
        self.job(Verb::Restart, unit, limit).await
    }

    /// `EnableUnitFiles`, persistently and without replacing anything, then a reload that enablings at the same time share.
    ///
    /// Returns the links made, `LINK → FILE`; none when the unit was enabled already.
    ///
    /// # Errors
    /// systemd's reason, such as a unit file that is missing, masked, or has no `[Install]` section.
    pub async fn enable(&self, unit: &UnitName) -> Result<Vec<String>, String> {
        timeout(ENABLE_LIMIT, self.enable_and_reload(unit))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {}s", ENABLE_LIMIT.as_secs())))
    }

    /// `SIGKILL` to the unit's main process; returns when that was ordered.
    ///
    /// # Errors
    /// systemd's reason, or that it did not answer: then it may have been done.
    pub async fn kill_main(&self, unit: &UnitName) -> Result<Moment, String> {
        let killed = async {
            let connection = bus::connect(self.instance).await.map_err(|error| error.to_string())?;
            let manager = ManagerProxy::new(&connection).await.map_err(|error| words(&error))?;
            let at = clock::now();
            manager.kill_unit(unit.as_str(), "main", SIGKILL).await.map_err(|error| words(&error))?;
            Ok(at)
        };
        let late = || Err(format!("no answer within {}s", KILL_LIMIT.as_secs()));
        timeout(KILL_LIMIT, killed).await.unwrap_or_else(|_| late())
    }

    /// Enablement of many units over one connection, each asked of the disk, in the order given.
    pub async fn enablements(&self, units: &[UnitName]) -> Vec<(UnitName, UnitFileState)> {
        let mut told = Vec::with_capacity(units.len());
        let failure = match bus::connect(self.instance).await {
            Err(error) => error.to_string(),
            Ok(connection) => {
                let answers = async {
                    let mut answers = stream::iter(units.to_vec())
                        .map(|unit| enablement(&connection, unit))
                        .buffered(QUESTIONS);
                    while let Some(state) = answers.next().await {
                        told.push(state);
                    }
                };
                let late = timeout(QUESTIONS_LIMIT, answers).await.is_err();
                let limit = QUESTIONS_LIMIT.as_secs();
                if late { format!("no answer within {limit}s") } else { String::new() }
            }
        };
        let untold = units.len().saturating_sub(told.len());
        told.extend(std::iter::repeat_n(UnitFileState::Unknown(failure), untold));
        units.iter().cloned().zip(told).collect()
    }

    /// A turn to run a command; it ends when it is dropped.
    pub(super) async fn command_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.commands.acquire().await.ok()
    }

    async fn job(&self, verb: Verb, unit: &UnitName, limit: Duration) -> JobResult {
        let deadline = Instant::now() + limit;
        let Ok(Ok(_turn)) = timeout_at(deadline, self.shared.jobs.acquire()).await else {
            return JobResult::Refused(format!("{JOBS} other jobs of ours are in flight"));
        };
        timeout_at(deadline, carry_out(self.instance, verb, unit))
            .await
            .unwrap_or_else(|_| JobResult::Lost(format!("no result within {}s", limit.as_secs())))
    }

    async fn enable_and_reload(&self, unit: &UnitName) -> Result<Vec<String>, String> {
        let connection = bus::connect(self.instance).await.map_err(|error| error.to_string())?;
        let links = enable(&connection, unit).await?;
        if links.is_empty() {
            return Ok(links);
        }
        let ours = self.shared.enabled.fetch_add(1, Ordering::AcqRel) + 1;
        let turn = self.shared.reload.acquire().await;
        // Whoever had the turn before us may have reloaded after our links were made.
        if self.shared.reloaded.load(Ordering::Acquire) < ours {
            let covered = self.shared.enabled.load(Ordering::Acquire);
            reload(&connection).await.map_err(|why| format!("enabled, and systemd did not reload: {why}"))?;
            self.shared.reloaded.store(covered, Ordering::Release);
        }
        drop(turn);
        Ok(links)
    }
}

/// Listens for ends of jobs, orders, then waits for the end of its own job.
async fn carry_out(instance: Instance, verb: Verb, unit: &UnitName) -> JobResult {
    let begin = || async {
        let connection = bus::connect(instance).await?;
        let rule = MatchRule::builder().sender(SYSTEMD).interface(MANAGER).member("JobRemoved").build()?;
        let signals = Signals::open(&connection, vec![rule], QUEUE).await?;
        let manager = ManagerProxy::new(&connection).await?;
        manager.subscribe().await?;
        Ok::<_, bus::BusError>((manager, signals))
    };
    let mut tries = 0;
    let begun = loop {
        match begin().await {
            // Nothing was ordered yet: a manager that executes itself anew (daemon-reexec) answers in a moment.
            Err(_) if tries < BEGIN_TRIES => {
                tries += 1;
                sleep(BEGIN_PAUSE).await;
            }
            begun => break begun,
        }
    };
    match begun {
        Ok((manager, signals)) => ordered(&manager, signals, verb, unit).await,
        Err(error) => JobResult::Refused(error.to_string()),
    }
}

async fn ordered(manager: &ManagerProxy<'_>, mut signals: Signals, verb: Verb, unit: &UnitName) -> JobResult {
    let lost = || JobResult::Lost("the connection to the bus was lost".to_owned());
    let order = async {
        match verb {
            Verb::Start => manager.start_unit(unit.as_str(), MODE).await,
            Verb::Restart => manager.restart_unit(unit.as_str(), MODE).await,
        }
    };
    tokio::pin!(order);
    // A short job may be told to have ended before we are told that it is ours.
    let mut ended: VecDeque<(OwnedObjectPath, String)> = VecDeque::new();
    let mut ours = None;
    loop {
        if let Some(job) = &ours
            && let Some((_, result)) = ended.iter().find(|(path, _)| path == job)
        {
            return match result.as_str() {
                "done" => JobResult::Done,
                other => JobResult::Ended(other.to_owned()),
            };
        }
        tokio::select! {
            reply = &mut order, if ours.is_none() => match reply {
                Ok(job) => ours = Some(job),
                Err(error) => return not_queued(&error),
            },
            signal = signals.next() => match signal {
                None => return lost(),
                Some(message) => {
                    if ended.len() >= QUEUE {
                        ended.pop_front();
                    }
                    ended.extend(job_removed(&message));
                }
            },
        }
    }
}

/// The order has no job: refused, or, where no answer came, perhaps queued all the same.
fn not_queued(error: &zbus::Error) -> JobResult {
    let why = words(error);
    if bus::unanswered(error) { JobResult::Lost(why) } else { JobResult::Refused(why) }
}

/// The job and its result, of a `JobRemoved`.
fn job_removed(message: &Message) -> Option<(OwnedObjectPath, String)> {
    let body = message.body();
    let (_, job, _, result) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>().ok()?;
    Some((job.into(), result.to_owned()))
}

/// Makes the links of the unit's `[Install]` section.
async fn enable(connection: &Connection, unit: &UnitName) -> Result<Vec<String>, String> {
    let id = if unit.as_str().contains("@.") {
        unit.as_str().to_owned()
    } else {
        // systemd enables no alias, only what it stands for. A template is no unit that could be asked.
        let path = bus::unit_path(unit.as_str());
        bus::property(connection, &path, UNIT, "Id").await.map_err(|error| words(&error))?
    };
    let manager = ManagerProxy::new(connection).await.map_err(|error| words(&error))?;
    let (installable, changes) =
        manager.enable_unit_files(&[&id], false, false).await.map_err(|error| words(&error))?;
    if !installable && changes.is_empty() {
        return Err(format!("{id} has no [Install] section"));
    }
    Ok(changes.into_iter().map(|(_, link, file)| format!("{link} → {file}")).collect())
}

/// Reloads the manager. Its answer alone proves nothing: a reload that failed is answered like one that did not.
async fn reload(connection: &Connection) -> Result<(), String> {
    let told = async {
        let rule = MatchRule::builder().sender(SYSTEMD).interface(MANAGER).member("Reloading").build()?;
        let signals = Signals::open(connection, vec![rule], QUEUE).await?;
        let manager = ManagerProxy::new(connection).await?;
        manager.subscribe().await?;
        manager.reload().await?;
        Ok::<_, zbus::Error>(signals)
    };
    let mut signals = told.await.map_err(|error| words(&error))?;
    let ended = async {
        while let Some(message) = signals.next().await {
            if matches!(message.body().deserialize::<bool>(), Ok(false)) {
                return true;
            }
        }
        false
    };
    match timeout(RELOADED_LIMIT, ended).await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the connection to the bus was lost".to_owned()),
        Err(_) => Err("no end of it was signalled; its log says why".to_owned()),
    }
}

async fn enablement(connection: &Connection, unit: UnitName) -> UnitFileState {
    let asked = async {
        let manager = ManagerProxy::new(connection).await?;
        manager.get_unit_file_state(unit.as_str()).await
    };
    match asked.await {
        Ok(state) if state == "generated" && init_script_is_off(Path::new("/"), unit.as_str()) => {
            UnitFileState::InitScriptOff
        }
        Ok(state) => file_state(&state),
        Err(zbus::Error::FDO(error)) if matches!(*error, zbus::fdo::Error::FileNotFound(_)) => {
            UnitFileState::NotFound
        }
        Err(zbus::Error::MethodError(name, _, _)) if name.ends_with(".NoSuchUnit") => UnitFileState::NotFound,
        Err(error) => UnitFileState::Unknown(words(&error)),
    }
}

/// An init script that no run level starts: its generator makes a unit all the same.
fn init_script_is_off(root: &Path, unit: &str) -> bool {
    let Some(name) = unit.strip_suffix(".service") else {
        return false;
    };
    let made = root.join("run/systemd/generator.late").join(unit).exists();
    let script = root.join("etc/init.d").join(name).exists();
    let starts = |level: u8| {
        let links = std::fs::read_dir(root.join(format!("etc/rc{level}.d"))).into_iter().flatten().flatten();
        links.filter_map(|link| link.file_name().into_string().ok()).any(|link| {
            let (number, rest) =
                link.strip_prefix('S').and_then(|rest| rest.split_at_checked(2)).unwrap_or(("", ""));
            rest == name && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    made && script && !(2..=5).any(starts)
}

/// systemd's word as a state.
fn file_state(word: &str) -> UnitFileState {
    match word {
        "enabled" => UnitFileState::Enabled,
        "enabled-runtime" => UnitFileState::EnabledRuntime,
        "linked" => UnitFileState::Linked,
        "linked-runtime" => UnitFileState::LinkedRuntime,
        "alias" => UnitFileState::Alias,
        "masked" => UnitFileState::Masked,
        "masked-runtime" => UnitFileState::MaskedRuntime,
        "static" => UnitFileState::Static,
        "disabled" => UnitFileState::Disabled,
        "indirect" => UnitFileState::Indirect,
        "generated" => UnitFileState::Generated,
        "transient" => UnitFileState::Transient,
        "bad" => UnitFileState::Bad,
        other => UnitFileState::Unknown(format!("systemd says {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_script_is_off_where_no_run_level_starts_it() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["run/systemd/generator.late", "etc/init.d", "etc/rc2.d", "etc/rc0.d"] {
            std::fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        let is_off = || init_script_is_off(root.path(), "monit.service");
        for file in ["etc/rc0.d/K01monit", "run/systemd/generator.late/monit.service", "etc/init.d/monit"] {
            assert!(!is_off());
            std::fs::write(root.path().join(file), "").expect("a file");
        }
        std::fs::write(root.path().join("etc/rc2.d/S01monitor"), "").expect("a file");
        assert!(is_off());
        std::fs::write(root.path().join("etc/rc2.d/S02monit"), "").expect("a file");
        assert!(!is_off());
    }

    #[test]
    fn every_word_of_systemd_is_understood() {
        for word in [
            "enabled",
            "enabled-runtime",
            "linked",
            "linked-runtime",
            "alias",
            "masked",
            "masked-runtime",
            "static",
            "disabled",
            "indirect",
            "generated",
            "transient",
            "bad",
        ] {
            assert_eq!(file_state(word).as_str(), word);
        }
        assert_eq!(file_state("novel"), UnitFileState::Unknown("systemd says novel".to_owned()));
    }

    #[test]
    fn an_order_whose_answer_is_lost_may_have_been_queued() {
        let result = |name: &str| not_queued(&bus::tests::told(name));
        assert_eq!(result("org.freedesktop.DBus.Error.NoReply"), JobResult::Lost("why".to_owned()));
        let refused = JobResult::Refused("why".to_owned());
        assert_eq!(result("org.freedesktop.systemd1.TransactionIsDestructive"), refused);
    }
}
