//! Release links and the processes of a unit: facts read from disk and /proc. `policy::releases` judges them.

pub mod found;
#[doc(hidden)]
pub mod fuzzed;
mod group;
mod identity;
mod installed;
pub mod links;
mod location;
mod mounts;
mod process;
pub mod processes;
mod sight;
mod sockets;
mod stuck;
pub mod survivors;
#[cfg(test)]
mod tests;
mod trail;
pub mod watch;

pub use installed::print_of;
