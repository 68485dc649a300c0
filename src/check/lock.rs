//! The lock server of the fleet, asked once for a unit.

use std::collections::BTreeSet;

use crate::clock;
use crate::config::{Directories, Loaded, Loader};
use crate::model::fleet::{Holder, LockSpec, SlotAsk, SlotSaid, SlotSpec};
use crate::probe::{LockAsked, LockSaid};
use crate::prober::{Door, Prober};
use crate::tls;

/// Asks it. `group`, `holder`: which slot, and by which name the server knows the unit.
///
/// # Errors
/// Why nothing is known, one clause.
pub async fn ask_lock(
    prober: &Prober,
    lock: &LockSpec,
    (group, holder): (&str, &str),
    ask: SlotAsk,
) -> Result<SlotSaid, String> {
    let asked = match ask {
        SlotAsk::Take { what, machine } => {
            let (holder, machine) = (holder.to_owned(), disguised(&machine));
            LockAsked::Take { holder, what, machine, now_ms: clock::now().wall_ms }
        }
        SlotAsk::Leave { machine } => {
            LockAsked::Leave { holder: holder.to_owned(), machine: disguised(&machine) }
        }
    };
    match prober.lock(holder, (&lock.keys, group), asked, lock.limit).await? {
        LockSaid::Ours => Ok(SlotSaid::Ours),
        LockSaid::Busy(holders) => Ok(SlotSaid::Busy(holders.into_iter().map(Holder::from).collect())),
        LockSaid::Left => Ok(SlotSaid::Left),
        LockSaid::Group { .. } | LockSaid::Released(_) => Err("it answered something else".to_owned()),
    }
}

/// A machine's id is for nobody else: what tells two apart is a digest of it.
fn disguised(machine: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("steadfast fleet {machine}").as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A group at the lock server, as it is now.
#[derive(Clone, Debug)]
pub struct GroupSeen {
    pub slots: usize,
    pub holders: Vec<Holder>,
    pub waiting: Vec<Holder>,
    /// Given back by people, lately.
    pub released: Vec<Holder>,
}

/// The lock server that the settings name, for people who look at it without the daemon.
#[derive(Clone, Debug)]
pub struct Fleet {
    lock: LockSpec,
    /// Of the settings and of the unit files.
    pub groups: BTreeSet<String>,
    prober: Prober,
}

impl Fleet {
    /// `None`: the settings name no lock server.
    #[must_use]
    pub fn of(user: bool) -> Option<Self> {
        let Loaded { settings, specs, .. } = Loader::new(Directories::of(user)).load();
        let lock = settings.lock?;
        let named = specs.into_iter().filter_map(|spec| match spec.slot {
            SlotSpec::Group(group) => Some(group),
            SlotSpec::Usual | SlotSpec::Free => None,
        });
        let groups = named.chain(lock.group.clone()).collect();
        tls::init();
        Some(Self { lock, groups, prober: Prober::new(Door::Child, None) })
    }

    async fn ask(&self, group: &str, asked: LockAsked) -> Result<LockSaid, String> {
        self.prober.lock("steadfast fleet", (&self.lock.keys, group), asked, self.lock.limit).await
    }

    /// Who has slots of this group, and who waits.
    ///
    /// # Errors
    /// Why nothing is known, one clause.
    pub async fn look(&self, group: &str) -> Result<GroupSeen, String> {
        let seen = |known: Vec<_>| known.into_iter().map(Holder::from).collect();
        match self.ask(group, LockAsked::Look).await? {
            LockSaid::Group { slots, holders, waiting, released } => Ok(GroupSeen {
                slots,
                holders: seen(holders),
                waiting: seen(waiting),
                released: seen(released),
            }),
            _ => Err("it answered something else".to_owned()),
        }
    }

    /// Gives back, for a host or one unit of it, what it has in this group. Returns whose slots those were.
    ///
    /// # Errors
    /// Why nothing is known, one clause.
    pub async fn release(&self, group: &str, holder: &str, why: &str) -> Result<Vec<String>, String> {
        let now_ms = clock::now().wall_ms;
        let asked = LockAsked::Release { holder: holder.to_owned(), why: why.to_owned(), now_ms };
        match self.ask(group, asked).await? {
            LockSaid::Released(gone) => Ok(gone),
            _ => Err("it answered something else".to_owned()),
        }
    }
}
