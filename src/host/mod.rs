//! The whole host at one look, bounded: every process and where it belongs, who listens, who is connected to whom.

mod control_group;
#[doc(hidden)]
pub mod fuzzed;
mod held;
mod identity;
mod managers;
mod network;
mod outside;
mod owner;
mod processes;
mod sockets;
mod users;

pub use held::{Held, Holder, held};
pub use identity::identity;
pub use managers::managers;
pub use outside::{Running, look as look_outside};
pub use owner::owner;
pub use users::users;

use crate::model::host::HostReading;

/// Reads it now. Blocks, for some milliseconds per hundred processes; what may not be read is told, not guessed.
#[must_use]
pub fn read() -> HostReading {
    let mut reading = HostReading::default();
    let known = sockets::Sockets::read(&mut reading.untold);
    let holders = processes::read(&known, &mut reading);
    (reading.listeners, reading.connections) = known.held(&holders);
    reading
}
