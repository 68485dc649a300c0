//! Exit statuses of the contract, and which of them a picture deserves.

use std::process::ExitCode;

use super::terminal::SeenEnough;
use crate::api::client;
use crate::api::wire::{Finding, Reply, ReplyResult, Severity, State, Status, Unit};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well, or done.
    Ok,
    /// Warnings; for a command that changes something: refused.
    Warning,
    /// Critical; for a command that changes something: tried, and it did not work.
    Critical,
    /// It cannot be told, also because the daemon cannot be reached.
    Unknown,
    /// Wrong usage.
    Usage,
    /// Bad configuration.
    Config,
    /// As the command ended that was run.
    OfCommand(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

impl Exit {
    /// As a shell sees it.
    pub fn status(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
            Self::Usage => 64,
            Self::Config => 78,
            Self::OfCommand(status) => status,
        }
    }

    /// 0 is best.
    pub fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
            Self::Usage | Self::Config | Self::OfCommand(_) => 4,
        }
    }

    /// What became of a request.
    pub fn of_reply(reply: &Reply) -> Self {
        match reply.result {
            ReplyResult::Done => Self::Ok,
            ReplyResult::Failed => Self::Critical,
            ReplyResult::Refused => Self::Warning,
        }
    }

    /// The worst of the units and of the host's findings.
    pub fn of_status(status: &Status) -> Self {
        let host = Self::of_findings(&status.findings);
        let unready = if status.ready { Self::Ok } else { Self::Unknown };
        let units = status.units.iter().map(Self::of_unit);
        units.fold(host.worse(unready), Self::worse)
    }

    /// A unit that a person holds or switched off is as that person wants it.
    pub fn of_unit(unit: &Unit) -> Self {
        let findings = Self::of_findings(&unit.findings);
        match unit.state {
            State::Disabled => Self::Ok,
            State::Ok => findings,
            State::Held => Self::Warning,
            State::Recovering | State::Degraded => findings.worse(Self::Warning),
            State::Unknown => findings.worse(Self::Unknown),
            State::Down | State::Quarantined => findings.worse(match unit.severity {
                Severity::Warning => Self::Warning,
                Severity::Critical => Self::Critical,
            }),
        }
    }

    /// The worst of these findings.
    pub fn of_findings(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            None => Self::Ok,
            Some(Severity::Warning) => Self::Warning,
            Some(Severity::Critical) => Self::Critical,
        }
    }

    /// An error that a command could not get over.
    pub fn of_error(error: &anyhow::Error) -> Self {
        if error.is::<SeenEnough>() {
            return Self::Ok;
        }
        error.downcast_ref().map_or(Self::Unknown, Self::of_client)
    }

    /// The daemon did not do, or not tell, what was asked.
    pub fn of_client(error: &client::Error) -> Self {
        match error {
            client::Error::Denied(_) | client::Error::Refused(_) => Self::Warning,
            client::Error::Wrong(_) => Self::Usage,
            client::Error::Unreachable(_) | client::Error::Broken { .. } | client::Error::NotManaged(_) => {
                Self::Unknown
            }
        }
    }

    /// A monitoring plugin's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown | Self::Usage | Self::Config | Self::OfCommand(_) => "UNKNOWN",
        }
    }

    /// The one that is more serious.
    pub fn worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}
