//! When each unit was last well in truth. An incident may end only if its own condition was well since it was opened, and
//! since we started: else somebody was told "resolved" of what is still there.

use std::collections::BTreeMap;
use std::time::Duration;

use steadfast::model::change::Change;
use steadfast::model::finding::{Code, ConditionKind};
use steadfast::model::incident::Incident;
use steadfast::model::moment::Moment;
use steadfast::model::unit::ActiveState;

use crate::host::{Host, UNITS, needs_broker};

/// What is read of a moment arrives this much later.
const SLACK: Duration = Duration::from_millis(100);

/// The last moment at which each condition of each unit was well.
#[derive(Debug, Default)]
pub struct Truth {
    well: BTreeMap<(usize, ConditionKind), Moment>,
    /// The last moment at which the worker's queue could be asked: that it could not is over then, whatever the answer was.
    queue_asked: Option<Moment>,
    /// The last moment at which it was at rest: what is found of a run is over then.
    rested: BTreeMap<usize, Moment>,
    /// Since when we run.
    pub started_at: Moment,
    /// Ends of incidents that were looked at.
    pub ends: u64,
}

impl Truth {
    /// Looks at the host as it is now.
    pub fn look(&mut self, host: &Host) {
        let broker = &host.units[0];
        if host.mute_until <= host.now && broker.active == ActiveState::Active && !broker.wedged {
            self.queue_asked = Some(host.now);
        }
        for (at, unit) in host.units.iter().enumerate() {
            let up = unit.active == ActiveState::Active;
            if unit.active == ActiveState::Inactive && unit.result == "success" {
                self.rested.insert(at, host.now);
            }
            let served = !needs_broker(at) || broker.active == ActiveState::Active;
            let serves = up && !unit.wedged && unit.frozen_since.is_none() && served;
            let known = [
                (ConditionKind::Active, up),
                (ConditionKind::Enabled, unit.enabled),
                (ConditionKind::Boot, unit.enabled),
                (ConditionKind::Release, unit.runs == host.current && host.link_away_since.is_none()),
                (ConditionKind::Serving, serves),
                (ConditionKind::Progressing, serves && !unit.stuck && !broker.wedged),
            ];
            for (kind, _) in known.into_iter().filter(|(_, well)| *well) {
                self.well.insert((at, kind), host.now);
            }
        }
    }

    /// What is wrong with these changes of incidents; `before`: those that were saved.
    pub fn wrong(
        &mut self,
        host: &Host,
        changes: &[Change],
        before: &BTreeMap<u64, Incident>,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut open: Vec<&Incident> = before.values().filter(|known| known.resolved_at.is_none()).collect();
        for change in changes {
            let Change::Incident(id, Some(incident)) = change else {
                continue;
            };
            let known = before.get(id);
            let ends =
                incident.resolved_at.is_some() && known.is_some_and(|known| known.resolved_at.is_none());
            if ends {
                open.retain(|known| known.id != *id);
                wrong.extend(self.wrong_end(host, incident));
            } else if known.is_none() && incident.resolved_at.is_none() {
                let second = open.iter().find(|known| known.unit.is_some() && known.unit == incident.unit);
                wrong.extend(second.map(|first| {
                    format!(
                        "incident {id} was opened although incident {} of the same unit is open",
                        first.id
                    )
                }));
            }
        }
        wrong
    }

    fn wrong_end(&mut self, host: &Host, incident: &Incident) -> Option<String> {
        let unit = incident.unit.as_ref().filter(|_| incident.part_of.is_none() && !incident.drill)?;
        let kind = incident.cause.row().concern.condition()?;
        let at = UNITS.iter().position(|name| *name == unit.as_str())?;
        self.ends += 1;
        let known = &host.units[at];
        // At rest, or down by the will of its own file.
        let rested = self.rested.get(&at).is_some_and(|rested| rested.plus(SLACK) >= host.now);
        let rests = rested || known.skipped_since.is_some();
        let since = incident.opened_at.max(self.started_at);
        let asked = self.queue_asked.filter(|_| incident.cause == Code::ProgressUnknown);
        let well = self.well.get(&(at, kind)).into_iter().chain(&asked).any(|at| at.plus(SLACK) >= since);
        (!rests && !well).then(|| {
            let cause = incident.cause.as_str();
            let now = format!("{} {} {:?}", known.active.as_str(), known.result, known.job);
            format!("incident {} of {unit} ({now}) was ended, and {cause} was never well since", incident.id)
        })
    }
}
