//! The state of the manager as a whole: what it says itself, and what logind announces before.

use super::pending::Outbox;
use crate::model::observation::Observation;
use crate::model::unit::ManagerState;

/// As last read, as announced, and as last told.
#[derive(Debug, Default)]
pub(super) struct Manager {
    state: Option<ManagerState>,
    shutting_down: bool,
    told: Option<ManagerState>,
}

impl Manager {
    /// `SystemState=` was read, or the manager left the bus.
    pub(super) fn read(&mut self, state: ManagerState, outbox: &mut Outbox) {
        self.state = Some(state);
        self.tell(outbox);
    }

    /// logind announced a shutdown, seconds before its first job, or called it off.
    pub(super) fn shutdown(&mut self, begins: bool, outbox: &mut Outbox) {
        self.shutting_down = begins;
        self.tell(outbox);
    }

    fn tell(&mut self, outbox: &mut Outbox) {
        let Some(state) = self.state else { return };
        let state = match state {
            ManagerState::Unreachable => state,
            _ if self.shutting_down => ManagerState::Stopping,
            _ => state,
        };
        if self.told != Some(state) {
            self.told = Some(state);
            outbox.other(Observation::ManagerChanged(state));
        }
    }
}

/// Whether a job of this unit changes the state of the manager.
pub(super) fn turns_by(unit: &str) -> bool {
    matches!(
        unit,
        "shutdown.target"
            | "poweroff.target"
            | "reboot.target"
            | "exit.target"
            | "rescue.target"
            | "emergency.target"
            | "basic.target"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_shutdown_counts_until_it_is_called_off() {
        let mut outbox = Outbox::default();
        let mut manager = Manager::default();
        manager.read(ManagerState::Running, &mut outbox);
        manager.shutdown(true, &mut outbox);
        manager.read(ManagerState::Running, &mut outbox);
        manager.shutdown(false, &mut outbox);
        let told: Vec<Observation> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(
            told,
            [
                Observation::ManagerChanged(ManagerState::Running),
                Observation::ManagerChanged(ManagerState::Stopping),
                Observation::ManagerChanged(ManagerState::Running),
            ]
        );
    }
}
