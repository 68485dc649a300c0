//! Main processes that load no code themselves: what they begin does, so that it tells which release runs.

use crate::model::manager::Manager;
use crate::model::release::{LinkReading, ProcessReading, ProcessesReading};
use crate::model::unit::UnitSettings;

use super::Known;
use super::yardstick::{ByStart, before};

/// Servers whose workers load the code; told to reload, they begin all of these anew and stay the same process. (php-fpm
/// executes itself once more, which its start does not show.)
const POOLS: [&str; 3] = ["apache2", "httpd", "nginx"];
/// php-fpm bears its version in its name.
const FPM: &str = "php-fpm";

/// What is known of a main process besides where it lives.
pub(super) struct Master<'a> {
    main: &'a ProcessReading,
    manager: Option<Manager>,
    others: Vec<&'a ProcessReading>,
}

impl<'a> Master<'a> {
    /// `None`: there is no main process.
    pub(super) fn of(reading: &'a ProcessesReading, known: Known<'_>) -> Option<Self> {
        let main = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid)?;
        let others = reading.processes.iter().filter(|process| process.pid != main.pid).collect();
        Some(Self { main, manager: manager(reading, known.main_pid, known.settings), others })
    }

    /// Whose start tells by this link which release they run. `placed`: this process lives in a release. Where one of the unit
    /// does, that one tells it, unless the command of the main process names the link.
    pub(super) fn by_start(
        &self,
        link: &LinkReading,
        placed: impl Fn(&ProcessReading) -> bool,
    ) -> ByStart<'a> {
        let by_place = || self.others.iter().any(|other| placed(other));
        if self.manager.is_some() {
            return ByStart::Nobody;
        }
        if is_pool(&self.main.name) {
            // Those that still drain after a reload are older than the new ones; php-fpm ends all of them.
            let drain = !self.main.name.starts_with(FPM) && self.has_newer(link);
            return if by_place() || drain { ByStart::Nobody } else { ByStart::Workers(&self.main.name) };
        }
        if self.main.names_link || !by_place() { ByStart::Main } else { ByStart::Nobody }
    }

    /// A worker began after the link was switched.
    fn has_newer(&self, link: &LinkReading) -> bool {
        let mut workers = self.others.iter().filter(|other| other.name == self.main.name);
        workers.any(|worker| !before(worker.started_ms, link.switched_at))
    }
}

/// The workers of this server load the code, and its master none.
pub(super) fn is_pool(name: &str) -> bool {
    POOLS.contains(&name) || name.starts_with(FPM)
}

/// What manages the programs of this unit, where its main process does only that.
#[must_use]
pub fn manager(
    reading: &ProcessesReading,
    main_pid: Option<u32>,
    settings: &UnitSettings,
) -> Option<Manager> {
    let processes: Vec<(u32, u32, &str)> =
        reading.processes.iter().map(|one| (one.pid, one.parent, one.name.as_str())).collect();
    Manager::among(main_pid?, &processes, settings.exec_start.iter().flatten().map(String::as_str))
}
