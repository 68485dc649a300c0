//! What `KillMode=` left of an earlier run is ended, where the unit file says so: no restart would end it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::release::Ending;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// Asks survivors to end; kills those that stay beyond the unit's own stop timeout, and then lets them be.
    pub fn end_survivors(&mut self, view: &View<'_>) {
        if !self.spec.recovery.end_survivors {
            return;
        }
        let now = view.now;
        let (left, names) = self.survivors();
        let Some(settings) = self.run.settings().filter(|_| !left.is_empty()) else {
            self.residents.end(None);
            return;
        };
        let control_group = settings.control_group.clone();
        let patience = settings.timeout_stop_ms.map_or(limits::SURVIVORS_END, Duration::from_millis);
        let ending = self.residents.ending(&left).cloned();
        if ending.as_ref().is_some_and(|known| known.killed) {
            return;
        }
        let kill_at = ending.as_ref().map(|known| known.began_at.plus(patience));
        if let Some(due) = kill_at.filter(|due| *due > now) {
            self.look_again(due);
            return;
        }
        let quiet = view.host.closed(now).or_else(|| view.packages.quiet(now));
        self.look_again_if(quiet.as_ref().and_then(|gate| gate.until));
        if self.kept.recovery.is_some() || quiet.is_some() || self.unwanted(now).is_some() {
            return;
        }
        let kill = ending.is_some();
        let signal = if kill { "SIGKILL" } else { "SIGTERM" };
        let message =
            format!("end what an earlier run of {} left, with {signal}: {}", self.name, names.join(", "));
        self.out.note(EventKind::Acted, Some(Code::Survivors), message);
        let (unit, processes) = (self.name.clone(), left.iter().copied().collect());
        self.act(Action::EndProcesses { unit, control_group, processes, kill });
        let began_at = ending.map_or(now, |known| known.began_at);
        self.residents.end(Some(Ending { began_at, asked: left, killed: kill }));
        self.residents.wish(now.plus(limits::SECOND_LOOK));
    }

    /// Those that are found, as they were seen last, and their names.
    fn survivors(&self) -> (BTreeSet<(u32, i64)>, Vec<String>) {
        let found = self.findings.iter().any(|finding| finding.code == Code::Survivors);
        let left: Vec<_> = self.residents.left_over().filter(|_| found).collect();
        let names = left.iter().map(|known| format!("{} ({})", known.pid, known.name)).collect();
        (left.iter().map(|known| (known.pid, known.started_ms)).collect(), names)
    }
}
