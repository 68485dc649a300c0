//! Releases: the link that names the current one, and where each process of a unit lives. Facts only; `policy::releases` judges.

use std::collections::BTreeSet;

use super::installed::{Container, Installed, Kind};
use super::moment::{Moment, kept};
use super::outside::{Outsider, Sought};

/// Names of directories that hold releases and nothing else.
pub const HOLDERS: [&str; 9] = [
    "releases",
    "release",
    "versions",
    "deployments",
    "deploys",
    "builds",
    "revisions",
    "generations",
    "slots",
];

/// Identity of a file or directory: device and inode, never its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    pub dev: u64,
    pub ino: u64,
}

/// Where the releases of a unit are looked for. Paths are absolute, and those of the unit's own root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// `RootDirectory=`; empty: the host's own root.
    pub root: String,
    /// The link of the unit file: it counts wherever it lies.
    pub declared: Option<String>,
    /// `WorkingDirectory=`, where it is a path.
    pub directory: Option<String>,
    /// Words of `ExecStart=` and paths of the environment.
    pub others: Vec<String>,
    /// Processes may outlive a stop: their sockets tell sessions from leftovers.
    pub sockets: bool,
    /// Files that `ExecStart=` runs, where the host would have them.
    pub programs: Vec<String>,
    /// The unit is down: its program may run outside of it.
    pub outside: Option<Box<Sought>>,
    /// What to look for besides links.
    pub kinds: BTreeSet<Kind>,
    /// What the last look found installed: what did not change since need not be read again.
    pub installed: Vec<Installed>,
    /// The container that the unit runs, where its image is looked at.
    pub container: Option<Container>,
}

impl Search {
    /// The paths, the declared link first.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let first = self.declared.iter().chain(&self.directory);
        first.chain(&self.others).map(String::as_str)
    }

    /// There is nothing to follow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths().next().is_none() && self.installed.is_empty()
    }
}

/// One reading of a release link such as `/srv/app/current`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkReading {
    /// The link as the unit names it, below its root directory.
    pub link: String,
    /// It is no link (any more): the directory stands at the path itself.
    pub plain: bool,
    /// No path of the unit leads over it: it stands beside where one of its processes lives.
    pub found: bool,
    /// Where it leads now; `None` while it is missing or dangling.
    pub target: Option<Target>,
    /// Where its text leads, though nothing is there.
    pub dangling: Option<String>,
    /// The last change (ctime) of any link met on the way; the birth of a plain directory. Once it is remembered where the
    /// link led, since when it leads there: a link that is touched, or set anew to the same target, is not switched.
    pub switched_at: Moment,
    /// The user id whose the link is: most often, who switched it.
    pub owner: Option<u32>,
    /// Why it could not be resolved, where there is no target.
    pub problem: Option<String>,
}

/// The directory to which a link leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Canonical path, e.g. `/srv/app/releases/66`.
    pub path: String,
    pub id: FileId,
    /// Identity of the directory that holds the release.
    pub parent: FileId,
    /// When the directory was made; `None` where the file system does not tell.
    pub born_at: Option<Moment>,
    /// When each entry in it was made, within a limit.
    pub made: Vec<Moment>,
    /// When each file in it was written last, within a limit.
    pub written: Vec<Moment>,
}

kept! {
    /// A target that a link had, kept so that a process can be placed in the release of its day.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PastTarget {
        pub path: String,
        pub id: FileId,
        /// From when on the link led there.
        pub from: Moment,
    }
}

/// A directory or file that a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its path, below the unit's root directory, without the kernel's ` (deleted)`.
    pub path: String,
    /// Proven to be gone: no link is left, or the path leads to nothing or to something else.
    pub gone: bool,
    /// It is gone, and something else of that name stands in its place.
    pub anew: bool,
    /// It lies in what was mounted and is not any more (`umount -l`): its path tells nothing.
    pub detached: bool,
    pub id: Option<FileId>,
    /// Identities of the directories above it, nearest first.
    pub above: Vec<FileId>,
}

/// One process of a unit's control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessReading {
    pub pid: u32,
    /// Start time on the boot clock, in milliseconds (from clock ticks: to 10 ms). With the pid, the identity of the process.
    pub started_ms: i64,
    /// The kernel's short name (`comm`).
    pub name: String,
    /// A fingerprint of its command line (`outside::command_of`); empty where that cannot be read.
    pub command: String,
    /// The command line mentions one of the unit's links.
    pub names_link: bool,
    pub cwd: Result<Place, String>,
    pub exe: Result<Place, String>,
    /// Open files in the neighbourhood of a link's target (PHP keeps its main script open).
    pub files: Vec<Place>,
    /// Executable mappings that were replaced on disk, or removed from where packages keep theirs.
    pub replaced: Vec<String>,
    /// The process that began it.
    pub parent: u32,
    /// The name by which the manager of its unit (supervisord …) knows it.
    pub program: Option<String>,
    /// Read where the search asks for it.
    pub sockets: Sockets,
    /// A signal stopped it (`SIGSTOP`, `SIGTSTP`), and none let it go on.
    pub stopped: bool,
}

/// Sockets of TCP that a process holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// Ports on which it listens.
    pub listens: BTreeSet<u16>,
    /// Local ports of its connections.
    pub connected: BTreeSet<u16>,
}

/// All processes of a unit, read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessesReading {
    /// When the reading began: it may show what was so then.
    pub read_at: Moment,
    /// `InvocationID=` of the run that was known when it began: it says nothing of another one. Empty where none was known.
    pub invocation: String,
    pub processes: Vec<ProcessReading>,
    /// The unit's links, read in the same round.
    pub links: Vec<LinkReading>,
    /// Why the links could not be followed; then none are told.
    pub links_unread: Option<String>,
    /// Not all could be looked at within the limit; why.
    pub incomplete: Option<String>,
    /// Its program outside of it, where that was looked for.
    pub outside: Option<Vec<Outsider>>,
    /// The first of its programs, or its working directory, that is not there.
    pub absent: Option<String>,
    /// Code that is installed in place.
    pub installed: Vec<Installed>,
}

/// Main process or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Main,
    Worker,
}

impl Role {
    /// The word of the status JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Worker => "worker",
        }
    }
}

/// Where a process lives, judged against the current release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In the release that the link names now.
    Current,
    /// In another release that still exists, or started before the flip without a trace of its own.
    Outdated {
        release: String,
        because: String,
    },
    /// In a release that was deleted.
    Deleted {
        release: String,
    },
    /// What it runs was replaced in place after it began, or is gone.
    Replaced {
        place: String,
        because: String,
        gone: bool,
    },
    /// In an old release, and it has handed its work over to the main process, which lives in the current one.
    Draining {
        release: String,
    },
    /// Elsewhere by design.
    Elsewhere,
    Unreadable {
        why: String,
    },
}

/// A process with its judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    pub pid: u32,
    pub started_ms: i64,
    pub name: String,
    pub role: Role,
    pub residence: Residence,
}

/// What an earlier run left was signalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub began_at: Moment,
    /// Those that were asked to end, and whether they were killed since.
    pub asked: BTreeSet<(u32, i64)>,
    pub killed: bool,
}
