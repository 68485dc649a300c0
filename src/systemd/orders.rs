//! Orders to the service manager: start, restart, enable. Each is tried once, within a limit, and tells how it ended.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::bus::Instance;

/// Commands that run at once; the next waits for its turn.
const COMMANDS: usize = 16;

/// Gives orders to one service manager. Cheap to clone; the clones share their turns.
///
/// Every order has a connection of its own, so that none outlives a lost bus and none waits for another's signals.
#[derive(Clone, Debug)]
pub struct Orders {
    instance: Instance,
    commands: Arc<Semaphore>,
}

impl Orders {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(instance: Instance) -> Self {
        Self {
            instance,
            commands: Arc::new(Semaphore::new(COMMANDS)),
        }
    }

    /// Whose orders these are.
    #[must_use]
    pub fn instance(&self) -> Instance {
        self.instance
    }

    /// A turn to run a command; it ends when it is dropped.
    pub(super) async fn command_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.commands.acquire().await.ok()
    }
}
