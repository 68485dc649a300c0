//! Code that is installed in place, without a release link: a venv, packages of npm, a file, a checkout. Facts only;
//! `policy::releases` judges.

use std::collections::{BTreeMap, BTreeSet};

use super::moment::Moment;
use super::release::FileId;

/// How the code of a unit is installed: the words of `[release] kinds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A link names the release in force.
    Link,
    /// The directory in which it is started.
    Directory,
    /// A virtual environment of Python.
    Venv,
    /// Packages in `node_modules`, or one package that was installed with `npm -g`.
    Npm,
    /// A file that is named in the command line, or is the executable itself.
    File,
    /// A working tree of git.
    Git,
    /// The image of a container.
    Container,
    /// Executables and libraries that packages replace.
    Package,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Link,
        Self::Directory,
        Self::Venv,
        Self::Npm,
        Self::File,
        Self::Git,
        Self::Container,
        Self::Package,
    ];

    /// The word of unit files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Directory => "directory",
            Self::Venv => "venv",
            Self::Npm => "npm",
            Self::File => "file",
            Self::Git => "git",
            Self::Container => "container",
            Self::Package => "package",
        }
    }

    /// What people call it in a sentence, before its path.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Link => "the release link",
            Self::Directory => "the directory",
            Self::Venv => "the Python environment",
            Self::Npm => "the npm installation",
            Self::File => "the file",
            Self::Git => "the git checkout",
            Self::Container => "the image",
            Self::Package => "the package",
        }
    }
}

/// A container that a unit makes anew with each start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The program that runs it: `/usr/bin/podman`.
    pub engine: String,
    pub name: String,
}

/// One place where code of a unit is installed, as one look showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub kind: Kind,
    /// Its path as the unit names it: `/srv/app/venv`, `/opt/app/app.jar`.
    pub place: String,
    /// The unit's own paths lead there: it is the main process's, whatever that calls itself.
    pub of_unit: bool,
    /// Processes whose command line or executable lead there.
    pub users: BTreeSet<u32>,
    pub state: State,
    /// What is there, or was there when it was seen whole last.
    pub content: Option<Content>,
}

/// What was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    /// An installer is at work; the sentence says how that is seen.
    Unsettled(String),
    /// It was there, and nothing is there now; since when, by the directory that held it.
    Gone(Moment),
}

/// What is installed. Two contents are the same where their prints are, whatever was touched, owned or reinstalled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Of the content itself: never of times, owners or inodes.
    pub print: FileId,
    /// Of sizes and times: where it is the same, the content need not be read again.
    pub stamp: u64,
    /// The file that tells of the last update.
    pub newest: String,
    /// Before this moment it was not there as it is; `None` where the file system does not tell.
    pub made_at: Option<Moment>,
    /// The last change of what was looked at, by its times. It says something only of content that did change.
    pub changed_at: Moment,
    /// What a process still holds of a file that was replaced: the print of that.
    pub held: BTreeMap<u32, FileId>,
    /// When the newest of what tells was made or written, where that is known.
    pub newest_at: Option<Moment>,
    /// What it is made of, by path, where that is told: the packages of an environment.
    pub parts: BTreeSet<String>,
    /// The last update put nothing there, and took this away.
    pub removed: Option<String>,
    /// Other prints that mean this very content: what was committed where it lies moves no file.
    pub same: BTreeSet<FileId>,
}

impl Content {
    /// This print is one of this content.
    #[must_use]
    pub fn is(&self, print: FileId) -> bool {
        self.print == print || self.same.contains(&print)
    }
}

impl Installed {
    /// Under what it is remembered.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.kind.as_str(), self.place)
    }

    /// What is there, where it is there whole.
    #[must_use]
    pub fn whole(&self) -> Option<&Content> {
        self.content.as_ref().filter(|_| self.state == State::Whole)
    }
}
