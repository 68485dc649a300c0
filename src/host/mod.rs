//! The whole host at one look, bounded: every process and where it belongs, who listens, who is connected to whom.

mod owner;
mod place;
mod processes;
mod sockets;
mod users;

pub use owner::owner;
pub use users::users;

use crate::model::host::HostReading;

/// Reads it now. Blocks, for some milliseconds per hundred processes; what may not be read is told, not guessed.
#[must_use]
pub fn read() -> HostReading {
    let mut untold = Vec::new();
    let known = sockets::Sockets::read(&mut untold);
    let (processes, holders) = processes::read(&known, &mut untold);
    let (listeners, connections) = known.held(&holders);
    HostReading { processes, listeners, connections, untold }
}
