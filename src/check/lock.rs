//! The lock server of the fleet, asked once for a unit.

use crate::clock;
use crate::model::fleet::{Holder, LockSpec, SlotAsk, SlotSaid};
use crate::probe::{LockAsked, LockSaid};
use crate::prober::Prober;

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
        SlotAsk::Take { what } => {
            LockAsked::Take { holder: holder.to_owned(), what, now_ms: clock::now().wall_ms }
        }
        SlotAsk::Leave => LockAsked::Leave { holder: holder.to_owned() },
    };
    match prober.lock(holder, (&lock.keys, group), asked, lock.limit).await? {
        LockSaid::Ours => Ok(SlotSaid::Ours),
        LockSaid::Busy(holders) => Ok(SlotSaid::Busy(holders.into_iter().map(Holder::from).collect())),
        LockSaid::Left => Ok(SlotSaid::Left),
        LockSaid::Group { .. } | LockSaid::Released(_) => Err("it answered something else".to_owned()),
    }
}
