//! Orders to the service manager: start, restart, enable. Each is tried once, within a limit, and tells how it ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use zbus::message::Message;
use zbus::{Connection, MatchRule, ObjectPath, OwnedObjectPath};

use super::bus::{self, Instance, MANAGER, SYSTEMD, Signals, UNIT, words};
use super::proxies::ManagerProxy;
use super::values;
use crate::clock;
use crate::model::moment::Moment;
use crate::model::unit::{JobResult, UnitName};

/// Jobs of ours in flight, each with a connection of its own. How much is ordered at once is for the policy to say.
const JOBS: usize = 32;
/// Commands that run at once; the next waits for its turn.
const COMMANDS: usize = 16;
/// Signals that may wait for us, and results of others' jobs kept until we know which job is ours.
const QUEUE: usize = 1024;
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
const REPLACE: &str = "replace";

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
        let mode = mode(manager, unit).await;
        match verb {
            Verb::Start => manager.start_unit(unit.as_str(), mode).await,
            Verb::Restart => manager.restart_unit(unit.as_str(), mode).await,
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
                "dependency" => JobResult::Ended(blamed(manager.inner().connection(), unit).await),
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

/// By `fail`, systemd leaves running what has `Conflicts=` with the unit in its own file: the two would run side by side.
async fn mode(manager: &ManagerProxy<'_>, unit: &UnitName) -> &'static str {
    let calls = manager.inner().connection();
    let path = bus::unit_path(unit.as_str());
    let rivals = bus::property::<Vec<String>>(calls, &path, UNIT, "ConflictedBy").await.unwrap_or_default();
    for rival in rivals {
        let state = bus::property::<String>(calls, &bus::unit_path(&rival), UNIT, "ActiveState").await;
        if state.is_ok_and(|state| state == "active") {
            return REPLACE;
        }
    }
    MODE
}

/// A job that failed with its dependencies: the units that it requires and that are not up, which systemd names only in their own logs.
async fn blamed(calls: &Connection, unit: &UnitName) -> String {
    const REQUIRED: [&str; 3] = ["Requires", "Requisite", "BindsTo"];
    let path = bus::unit_path(unit.as_str());
    let told = bus::properties(calls, &path, UNIT, &REQUIRED).await.unwrap_or_default();
    let mut down = Vec::new();
    for name in REQUIRED.iter().flat_map(|list| values::texts(&told, list)) {
        let state = bus::property::<String>(calls, &bus::unit_path(&name), UNIT, "ActiveState").await;
        if let Ok(state @ ("failed" | "inactive")) = state.as_deref() {
            down.push(format!("{name} is {state}"));
        }
    }
    down.sort();
    down.dedup();
    if down.is_empty() { "dependency".to_owned() } else { format!("dependency: {}", down.join(", ")) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_whose_answer_is_lost_may_have_been_queued() {
        let result = |name: &str| not_queued(&bus::tests::told(name));
        assert_eq!(result("org.freedesktop.DBus.Error.NoReply"), JobResult::Lost("why".to_owned()));
        let refused = JobResult::Refused("why".to_owned());
        assert_eq!(result("org.freedesktop.systemd1.TransactionIsDestructive"), refused);
    }
}
