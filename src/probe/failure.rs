//! A probe that got no answer: whose fault it is, and a clause that says so.

use std::io;

use nix::errno::Errno;

use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::Limit;
use super::text;

/// Why there is no answer to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: ProbeStatus,
    clause: String,
}

impl Failure {
    /// The service's fault: it counts against the unit.
    pub fn unhealthy(clause: impl Into<String>) -> Self {
        Self { status: ProbeStatus::Unhealthy, clause: clause.into() }
    }

    /// Our own fault: nothing is known of the service.
    pub fn unknown(clause: impl Into<String>) -> Self {
        Self { status: ProbeStatus::Unknown, clause: clause.into() }
    }

    /// It answers, and says something else than wished: that counts against the unit, and keeps nobody who needs it.
    pub fn unmet(clause: impl Into<String>) -> Self {
        Self { status: ProbeStatus::Unmet, clause: clause.into() }
    }

    /// Nothing came within the limit.
    pub fn late(what: &str, limit: Limit) -> Self {
        Self::unhealthy(format!("{what} within {}", limit.shown()))
    }

    /// What the kernel said about a connection.
    pub fn connection(error: &io::Error) -> Self {
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
            return Self::unhealthy(match error.kind() {
                io::ErrorKind::UnexpectedEof => "the connection was closed too early".to_owned(),
                _ => error.to_string(),
            });
        };
        match errno {
            Errno::ECONNREFUSED => Self::unhealthy("connection refused, nothing listens there"),
            Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED => {
                Self::unhealthy("the connection was reset")
            }
            Errno::ETIMEDOUT => Self::unhealthy("the connection timed out"),
            Errno::EHOSTUNREACH => Self::unhealthy("the host cannot be reached"),
            Errno::EMFILE | Errno::ENFILE => Self::unknown("steadfast has no file descriptor left"),
            Errno::ENOMEM | Errno::ENOBUFS => Self::unknown("steadfast has no memory left"),
            Errno::EADDRNOTAVAIL => Self::unknown("this host has no local address or port left"),
            Errno::ENETUNREACH | Errno::ENETDOWN => Self::unknown("this host has no route there"),
            Errno::EAFNOSUPPORT | Errno::EACCES | Errno::EPERM => {
                Self::unknown(format!("steadfast may not connect ({})", errno.desc()))
            }
            other => Self::unhealthy(other.desc()),
        }
    }

    /// Nobody finds the service by this name: it counts against the unit, and no restart helps.
    pub fn unresolved(clause: impl Into<String>) -> Self {
        Self { status: ProbeStatus::Unresolved, clause: clause.into() }
    }

    /// The same, told of somebody.
    pub fn about(self, who: &str) -> Self {
        Self { clause: format!("{who}: {}", self.clause), ..self }
    }

    /// Whose fault it is, and the clause.
    pub fn parts(self) -> (ProbeStatus, String) {
        (self.status, self.clause)
    }

    /// It is this clause.
    pub fn says(&self, clause: &str) -> bool {
        self.clause == clause
    }

    /// The outcome: who was asked, and why no answer came.
    pub fn of(self, asked: &str) -> ProbeOutcome {
        ProbeOutcome {
            status: self.status,
            message: text::sentence(&format!("{asked}: {}", self.clause)),
            latency: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_side_is_unknown() {
        let judged = |errno: Errno| Failure::connection(&io::Error::from(errno)).status;
        for errno in
            [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EHOSTUNREACH, Errno::EPROTO]
        {
            assert_eq!(judged(errno), ProbeStatus::Unhealthy, "{errno}");
        }
        for errno in [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOMEM,
            Errno::EADDRNOTAVAIL,
            Errno::ENETUNREACH,
            Errno::EACCES,
        ] {
            assert_eq!(judged(errno), ProbeStatus::Unknown, "{errno}");
        }
    }
}
