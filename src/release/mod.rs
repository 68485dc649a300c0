//! Release links and the processes of a unit: facts read from disk and /proc. `policy::releases` judges them.

mod identity;
pub mod links;
mod place;
mod process;
pub mod processes;
mod stuck;
mod trail;
pub mod watch;
