//! The whole host at one look: its processes and where they belong, who listens, who is connected to whom.

use std::collections::BTreeSet;
use std::time::Duration;

use super::moment::Moment;
use super::unit::UnitName;

/// What a look over the host found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostReading {
    /// By pid.
    pub processes: Vec<HostProcess>,
    pub listeners: Vec<Listener>,
    pub connections: Vec<Connection>,
    /// Processes whose sockets are not ours to read.
    pub hidden: usize,
    /// What else could not be read, or was too much; a sentence each.
    pub untold: Vec<String>,
}

impl HostReading {
    /// All that is missing, a sentence each. What others have open is no matter of a user's own look.
    #[must_use]
    pub fn missing(&self, own: bool) -> Vec<String> {
        let hidden = (self.hidden > 0 && !own)
            .then(|| format!("the sockets of {} processes: they are not ours to read", self.hidden));
        self.untold.iter().cloned().chain(hidden).collect()
    }
}

/// What a user runs by a service manager of their own, as far as files show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserUnits {
    pub user: String,
    pub uid: u32,
    /// The user's manager runs from boot on.
    pub lingers: bool,
    /// Unit files of their own.
    pub own: BTreeSet<UnitName>,
    pub enabled: BTreeSet<UnitName>,
    /// Those of which they have a file of ours.
    pub managed: BTreeSet<UnitName>,
}

/// A process that was there. What it says of itself (name, arguments) is its own choice: never trusted, never run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostProcess {
    pub pid: i32,
    pub parent: i32,
    /// The effective user.
    pub uid: u32,
    pub name: String,
    /// The file it executes, without the kernel's mark for one that is deleted.
    pub executable: Option<String>,
    pub arguments: Vec<String>,
    pub directory: Option<String>,
    pub control_group: String,
    pub place: Place,
    /// It has a controlling terminal.
    pub terminal: bool,
    pub started_at: Moment,
    /// Used so far, in user and kernel mode.
    pub cpu: Duration,
}

/// Who is responsible for a process, by its control group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Kernel,
    /// PID 1 itself.
    Manager,
    /// A service of the system.
    Unit(UnitName),
    /// Somebody's login.
    Session {
        scope: UnitName,
        uid: u32,
    },
    /// A user's service manager, or a unit of it.
    User {
        uid: u32,
        unit: Option<UnitName>,
    },
    /// Made by a program for others: a container, a virtual machine, a command.
    Scope(UnitName),
    /// No unit at all.
    Outside,
}

impl Place {
    /// The unit of this kind of service manager. Another manager may have one of the same name.
    #[must_use]
    pub fn unit(&self, user_instance: bool) -> Option<&UnitName> {
        match self {
            Self::Unit(unit) if !user_instance => Some(unit),
            Self::User { unit, .. } if user_instance => unit.as_ref(),
            Self::Kernel
            | Self::Manager
            | Self::Unit(_)
            | Self::Session { .. }
            | Self::User { .. }
            | Self::Scope(_)
            | Self::Outside => None,
        }
    }
}

/// How a listener is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Unix,
}

impl Protocol {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
        }
    }
}

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    pub protocol: Protocol,
    /// `127.0.0.1:5672`, `[::]:80`, `/run/app.sock`, `@abstract`.
    pub address: String,
    /// Who holds it open, in order; PID 1 where a socket unit does.
    pub pids: Vec<i32>,
}

/// A TCP connection that a process made to somebody who listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    pub pid: i32,
    /// `10.0.0.5:5672`.
    pub remote: String,
}

/// The last part of a path: the name by which a program is known.
#[must_use]
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
