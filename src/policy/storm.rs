//! The breaker for the whole host: when too much is being restarted at once, something is wrong that restarts do not mend.
//! Then one unit at a time is tried, and only its proven success lets the next one follow.

use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::unit::UnitName;
use crate::policy::effects::Outbox;
use crate::policy::gate::Gate;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;
use crate::policy::peers::Peers;

/// Whether too much is being restarted on this host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storm {
    since: Option<Moment>,
    /// Fewer orders count then.
    due: Option<Moment>,
    out: Outbox,
}

impl Storm {
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// When it may be over.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.due
    }

    /// What keeps an order of this unit back while the host is in a storm.
    #[must_use]
    pub fn closed(&self, unit: &UnitName, peers: &Peers, now: Moment) -> Option<Gate> {
        self.since?;
        if peers.other_orders(unit).any(|order| order.kind.disturbs()) {
            let why = "a storm of restarts on this host: one unit at a time, and it is another one's turn";
            return Some(Gate::because(why).until(now.plus(limits::SECOND_LOOK)));
        }
        let (at, ok) = peers.last_order()?;
        let until = at.plus(limits::STORM_PAUSE);
        let why = "a storm of restarts on this host, and the last one failed: the next is tried later";
        (!ok && until > now).then(|| Gate::because(why).until(until))
    }

    /// Notices that a storm begins or is over, and says so once. Says whether it is over now.
    pub fn watch(&mut self, peers: &Peers, now: Moment) -> bool {
        let counts = |at: &Moment| now.since(*at) < limits::STORM_WINDOW;
        // Of deploys that went well, and of people, no order counts.
        let units = peers.spent().filter(counts).count();
        let limit = limits::STORM_LEAST.max(peers.count() / 4);
        let mut over = false;
        match self.since {
            None if units >= limit => {
                self.since = Some(now);
                self.out.file_code(None, (EventKind::Found, Some(Code::HostStorm)), sentence(units));
            }
            // Not as soon as one unit less counts.
            Some(since) if units < limit / 2 => {
                self.since = None;
                let message = format!("the storm of restarts is over after {}", span(now.since(since)));
                self.out.file_code(None, (EventKind::Cleared, Some(Code::HostStorm)), message);
                over = true;
            }
            None | Some(_) => {}
        }
        let ends = peers.spent().map(|at| at.plus(limits::STORM_WINDOW)).filter(|at| *at > now);
        self.due = self.since.and_then(|_| ends.min());
        over
    }

    /// The finding, as long as it lasts.
    #[must_use]
    pub fn finding(&self, peers: &Peers, now: Moment) -> Option<Finding> {
        let counts = |at: &Moment| now.since(*at) < limits::STORM_WINDOW;
        let message = sentence(peers.spent().filter(counts).count());
        let found = finding(Code::HostStorm, Severity::Critical, message, self.since?);
        Some(proven(found, Vec::new(), Some("steadfast status".to_owned())))
    }
}

fn sentence(units: usize) -> String {
    format!(
        "{units} units of this host were started or restarted within {}: more than single faults explain; from now on one at a time",
        span(limits::STORM_WINDOW)
    )
}
