//! All processes of a unit's control group, each read within a limit, whatever their file systems do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{SemaphorePermit, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use crate::cgroup;
use crate::clock;
use crate::model::installed::Installed;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, ProcessReading, ProcessesReading, Search};
use crate::model::unit::UnitName;

use super::found;
use super::group::{self, PROCESSES};
use super::installed;
use super::links::read_links;
use super::location::Chains;
use super::process::{self, Listed, Neighbourhood};
use super::stuck::{self, Avoid, Where};

/// How long to wait for one of the threads.
const QUEUE: Duration = Duration::from_secs(30);
/// Readings that wait to be taken.
const READINGS: usize = 64;
/// File systems that are on this machine and answer for themselves.
const LOCAL: [&str; 12] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "squashfs", "proc", "ramfs"];

/// Whose processes are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub unit: &'a UnitName,
    /// `ControlGroup=`.
    pub control_group: &'a str,
    /// `InvocationID=` of the run that is known.
    pub invocation: &'a str,
    /// `MainPID=` of it.
    pub main_pid: Option<u32>,
}

/// Reads every process of a control group (`ControlGroup=`, sub-groups included) and the links on these paths.
///
/// Never takes much longer than `limit`, once one of the few threads for it is free. A file system that does not answer
/// costs half of it once; the processes that live there are told as unreadable, those elsewhere are read. As long as a
/// thread hangs, its file system is not asked again.
pub async fn inspect(subject: Subject<'_>, search: &Search, limit: Duration) -> ProcessesReading {
    inspect_below(Path::new(cgroup::ROOT), subject, search, limit).await
}

pub(super) async fn inspect_below(
    root: &Path,
    subject: Subject<'_>,
    search: &Search,
    limit: Duration,
) -> ProcessesReading {
    let unit = subject.unit;
    let mut round = Round::new(cgroup::directory(root, subject.control_group), search, limit);
    round.main_pid = subject.main_pid;
    subject.invocation.clone_into(&mut round.invocation);
    let mut until = None;
    while round.goes_on() {
        let Some(mut avoid) = stuck::avoid(unit) else {
            let why = "too many threads wait for file systems that do not answer";
            return round.by_text(why).await;
        };
        let Ok(Ok(permit)) = timeout(QUEUE, stuck::PERMITS.acquire()).await else {
            return round.by_text("no thread was free to look").await;
        };
        avoid.0.extend(round.met.iter().cloned());
        let deadline = *until.get_or_insert_with(|| Instant::now() + limit);
        if let Some((at, thread)) = round.walk(unit, permit, avoid, deadline).await {
            stuck::note(unit, at, thread);
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    round.by_text("no answer within the limit").await
}

/// One inspection: what is known so far, over the threads that took part in it.
#[derive(Debug)]
struct Round {
    began: Moment,
    group: Option<PathBuf>,
    search: Search,
    /// The run that was known when it began: if it is the known one still when this is told, it was all the time.
    invocation: String,
    main_pid: Option<u32>,
    /// A thread that says nothing for so long is given up.
    patience: Duration,
    listed: Option<Arc<[Listed]>>,
    links: Option<Vec<LinkReading>>,
    links_problem: Option<String>,
    /// By position in `listed`; `None`: gone meanwhile.
    read: BTreeMap<usize, Option<ProcessReading>>,
    installed: Vec<Installed>,
    met: BTreeSet<Where>,
    truncated: bool,
}

/// What a thread says, in this order.
#[derive(Debug)]
enum Told {
    Listed(Arc<[Listed]>, bool),
    Links(Result<Vec<LinkReading>, String>),
    Process(usize, Option<Box<ProcessReading>>),
    Installed(Vec<Installed>),
}

impl Round {
    fn new(group: Option<PathBuf>, search: &Search, limit: Duration) -> Self {
        Self {
            began: clock::now(),
            group,
            search: search.clone(),
            invocation: String::new(),
            main_pid: None,
            patience: limit / 2,
            listed: None,
            links: None,
            links_problem: None,
            read: BTreeMap::new(),
            installed: Vec::new(),
            met: BTreeSet::new(),
            truncated: false,
        }
    }

    fn goes_on(&self) -> bool {
        let all = self.listed.as_ref().is_some_and(|listed| self.read.len() >= listed.len());
        !(all && self.links.is_some())
    }

    /// Sends out a thread and takes what it says. Returns where it hangs, if it does.
    async fn walk(
        &mut self,
        unit: &UnitName,
        permit: SemaphorePermit<'static>,
        avoid: Avoid,
        deadline: Instant,
    ) -> Option<(Where, Weak<()>)> {
        let (tell, mut hear) = mpsc::channel(READINGS);
        let alive = Arc::new(());
        let thread = Arc::downgrade(&alive);
        let job = Job {
            unit: unit.clone(),
            group: self.group.clone(),
            search: self.search.clone(),
            main_pid: self.main_pid,
            listed: self.listed.clone(),
            links: self.links.clone(),
            done: self.read.keys().copied().collect(),
            why: silence(self.patience),
            avoid,
        };
        let started = std::thread::Builder::new().name("inspect".to_owned()).spawn(move || {
            job.run(&tell);
            drop((alive, permit));
        });
        if let Err(error) = started {
            self.links.get_or_insert_default();
            self.links_problem = Some(format!("cannot start a thread: {error}"));
            self.met.insert(Where::Links(unit.clone()));
            return None;
        }
        loop {
            let quiet = (Instant::now() + self.patience).min(deadline);
            match timeout_at(quiet, hear.recv()).await {
                Ok(Some(told)) => self.take(told),
                Ok(None) => return None,
                Err(_) => break,
            }
        }
        Some((self.give_up(unit), thread))
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Listed(listed, truncated) => {
                self.listed = Some(listed);
                self.truncated = truncated;
            }
            Told::Links(Ok(links)) => self.links = Some(links),
            Told::Links(Err(why)) => {
                self.links = Some(Vec::new());
                self.links_problem = Some(why);
            }
            Told::Process(at, reading) => {
                self.read.insert(at, reading.map(|reading| *reading));
            }
            Told::Installed(installed) => self.installed = installed,
        }
    }

    /// Finds out where the silent thread hangs, and puts that aside for this round.
    fn give_up(&mut self, unit: &UnitName) -> Where {
        let why = silence(self.patience);
        let at = match (&self.links, &self.listed) {
            (Some(_), Some(listed)) => {
                let next = (0..listed.len()).find(|at| !self.read.contains_key(at));
                let stuck = next.and_then(|at| listed.get(at).map(|process| (at, process)));
                match stuck {
                    Some((position, process)) => {
                        self.read.insert(position, process::read_text(process, &why));
                        whereabouts(process)
                    }
                    None => Where::Links(unit.clone()),
                }
            }
            _ => {
                self.links = Some(Vec::new());
                self.links_problem = Some(format!("cannot follow its links: {why}"));
                Where::Links(unit.clone())
            }
        };
        self.met.insert(at.clone());
        at
    }

    /// Ends the round: what was not read is told by what needs no file system.
    async fn by_text(mut self, why: &'static str) -> ProcessesReading {
        if !self.goes_on() {
            return self.reading(None);
        }
        let (group, main) = (self.group.clone(), self.main_pid);
        let before = self.listed.clone();
        let done: BTreeSet<usize> = self.read.keys().copied().collect();
        // Only /proc and the control group are read here; they always answer.
        let read = tokio::task::spawn_blocking(move || {
            let (listed, truncated) = match before {
                Some(listed) => (listed, false),
                None => group::list(group.as_deref(), main),
            };
            let rest: Vec<(usize, Option<ProcessReading>)> = listed
                .iter()
                .enumerate()
                .filter(|(at, _)| !done.contains(at))
                .map(|(at, process)| (at, process::read_text(process, why)))
                .collect();
            (rest, truncated)
        });
        if let Ok((rest, truncated)) = read.await {
            self.read.extend(rest);
            self.truncated |= truncated;
        }
        self.reading(Some(why.to_owned()))
    }

    fn reading(self, problem: Option<String>) -> ProcessesReading {
        let many = format!("more than {PROCESSES} processes: the rest was not looked at");
        let unread = self.links.is_none().then(|| "its links were not read".to_owned());
        let links_unread = self.links_problem.or(unread);
        let incomplete = links_unread.clone().or(problem).or(self.truncated.then_some(many));
        ProcessesReading {
            read_at: self.began,
            invocation: self.invocation,
            processes: self.read.into_values().flatten().collect(),
            links: self.links.unwrap_or_default(),
            links_unread,
            incomplete,
            outside: None,
            absent: None,
            installed: self.installed,
        }
    }
}

fn silence(patience: Duration) -> String {
    format!("no answer from the file system within {patience:?}")
}

/// What a thread is to do.
#[derive(Debug)]
struct Job {
    unit: UnitName,
    group: Option<PathBuf>,
    search: Search,
    main_pid: Option<u32>,
    listed: Option<Arc<[Listed]>>,
    links: Option<Vec<LinkReading>>,
    done: BTreeSet<usize>,
    why: String,
    avoid: Avoid,
}

impl Job {
    /// Runs until all is told, or nobody listens any more.
    fn run(mut self, tell: &mpsc::Sender<Told>) {
        let heard = |told: Told| tell.blocking_send(told).is_ok();
        let listed = match self.listed.take() {
            Some(listed) => listed,
            None => {
                let (listed, truncated) = group::list(self.group.as_deref(), self.main_pid);
                if !heard(Told::Listed(Arc::clone(&listed), truncated)) {
                    return;
                }
                listed
            }
        };
        let links = match self.links.take() {
            Some(links) => links,
            None => {
                let links = self.links(&listed);
                if !heard(Told::Links(links.clone())) {
                    return;
                }
                links.unwrap_or_default()
            }
        };
        let manager = self.main_pid.and_then(|main| found::manager(&listed, main));
        let around = Neighbourhood::of(&self.search, &links).under(manager);
        let mut chains = Chains::new();
        for (at, process) in listed.iter().enumerate() {
            if self.done.contains(&at) {
                continue;
            }
            let reading = if self.avoids(process) {
                process::read_text(process, &self.why)
            } else {
                process::read(process, &around, &mut chains)
            };
            if !heard(Told::Process(at, reading.map(Box::new))) {
                return;
            }
        }
        // Last of all: where its file system hangs, everything else is told.
        if !self.avoid.0.contains(&Where::Links(self.unit.clone())) {
            heard(Told::Installed(installed::read(&self.search, &listed)));
        }
    }

    fn links(&self, listed: &[Listed]) -> Result<Vec<LinkReading>, String> {
        if self.avoid.0.contains(&Where::Links(self.unit.clone())) {
            return Err(format!("cannot follow its links: {}", self.why));
        }
        let links = read_links(&self.search);
        let usable =
            |process: &Listed| !self.avoids(process) && file_systems(process).iter().all(|(_, local)| *local);
        let found = found::of_unit(listed, self.main_pid, &links, usable).into_iter();
        let new: Vec<LinkReading> =
            found.filter(|link| !links.iter().any(|known| known.link == link.link)).collect();
        Ok(links.into_iter().chain(new).collect())
    }

    fn avoids(&self, process: &Listed) -> bool {
        !self.avoid.0.is_empty()
            && (self.avoid.0.contains(&Where::Process(process.pid, process.started_ms))
                || file_systems(process)
                    .iter()
                    .any(|(id, _)| self.avoid.0.contains(&Where::FileSystem(id.clone()))))
    }
}

/// The file system at which a process that does not answer hangs: the one of its directory or executable that is remote.
fn whereabouts(process: &Listed) -> Where {
    file_systems(process)
        .into_iter()
        .find(|(_, local)| !local)
        .map_or(Where::Process(process.pid, process.started_ms), |(id, _)| Where::FileSystem(id))
}

/// `major:minor` of the file systems of a process's directory and executable, and whether each is local; by their paths
/// and the mount table, which need no answer from them.
fn file_systems(process: &Listed) -> Vec<(String, bool)> {
    let Ok(reader) = i32::try_from(process.pid).map(procfs::process::Process::new) else {
        return Vec::new();
    };
    let Ok(reader) = reader else {
        return Vec::new();
    };
    let Ok(mounts) = reader.mountinfo() else {
        return Vec::new();
    };
    [reader.cwd(), reader.exe()]
        .into_iter()
        .filter_map(|path| {
            let path = path.ok()?;
            let mount = mounts
                .iter()
                .filter(|mount| path.starts_with(&mount.mount_point))
                .max_by_key(|mount| mount.mount_point.components().count())?;
            Some((mount.majmin.clone(), LOCAL.contains(&mount.fs_type.as_str())))
        })
        .collect()
}
