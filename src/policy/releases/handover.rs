//! Handover of sockets: a new main process begins beside the old one, which drains. Both are of the same run.

use crate::model::release::{ProcessReading, ProcessesReading, Residence, Resident, Role};

use super::{Known, TICK_MS};

/// The process that took over from a main process of an old release: its child by the same name, in the current release, with
/// workers of its own (a mere worker has none).
pub(super) fn successor<'a>(
    reading: &'a ProcessesReading,
    main: &ProcessReading,
    is_current: impl Fn(&ProcessReading) -> bool,
) -> Option<&'a ProcessReading> {
    let children = |pid: u32| reading.processes.iter().filter(move |process| process.parent == pid);
    let works = |process: &&ProcessReading| children(process.pid).any(|child| child.name == process.name);
    let mut heirs = children(main.pid).filter(|child| child.name == main.name).filter(works);
    heirs.find(|heir| is_current(heir))
}

/// A main process may be that much older than the moment at which its unit was active.
const ACTIVATION_MS: i64 = 90_000;

/// Those of an old release that are older than a main process of the current one, of the same run, and not begun by it, drain.
pub fn drain(residents: &mut [Resident], reading: &ProcessesReading, known: Known<'_>) {
    let of_run = |started_ms: i64| match (known.rested_at, known.active_since) {
        (Some(rested), _) => started_ms >= rested.boot_ms,
        (None, Some(active)) => started_ms.saturating_add(ACTIVATION_MS) >= active.boot_ms,
        (None, None) => true,
    };
    let current = |one: &&Resident| one.role == Role::Main && one.residence == Residence::Current;
    let Some(main) = residents.iter().find(current).map(|one| (one.pid, one.started_ms)) else {
        return;
    };
    for resident in residents {
        let older = resident.started_ms.saturating_add(TICK_MS) < main.1;
        let handed_over = older || begun_by_older(resident.pid, main, reading);
        if !handed_over || !of_run(resident.started_ms) {
            continue;
        }
        if let Residence::Outdated { release, .. } | Residence::Deleted { release } = &resident.residence {
            resident.residence = Residence::Draining { release: release.clone() };
        }
    }
}

/// A child of what is older than the main process, and no descendant of that: a worker of the old master.
fn begun_by_older(pid: u32, main: (u32, i64), reading: &ProcessesReading) -> bool {
    let parent_of = |pid: u32| {
        let process = reading.processes.iter().find(|process| process.pid == pid)?;
        reading.processes.iter().find(|parent| parent.pid == process.parent)
    };
    let mut above = parent_of(pid);
    for _ in 0..reading.processes.len() {
        match above {
            Some(parent) if parent.pid == main.0 => return false,
            Some(parent) if parent.started_ms.saturating_add(TICK_MS) < main.1 => return true,
            Some(parent) => above = parent_of(parent.pid),
            None => return false,
        }
    }
    false
}
