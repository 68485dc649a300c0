//! Follows units and the manager itself: every change is told, and whatever is lost is read anew.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::bus::Instance;
use super::session::{Ended, Session};
use crate::model::observation::Observation;
use crate::model::unit::{ManagerState, UnitName};

/// Waits between attempts to reach the bus: doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Connecting, listening and subscribing together.
const OPEN_LIMIT: Duration = Duration::from_secs(30);

/// What to follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Units by any of their names, whether they exist or not.
    pub units: BTreeSet<UnitName>,
    /// Patterns of names; only loaded units match.
    pub patterns: BTreeSet<String>,
}

/// Follows the manager until nobody wishes or listens any more.
///
/// Tells `ManagerChanged` first, and again whenever it changes (`Unreachable` while the bus or the manager is lost);
/// `UnitChanged` for each wished unit at first sight and with every change, in order and with the states in between;
/// `UnitSettingsRead` when they differ from those last told; `UnitsMatched` for each pattern when its matches change.
/// A message on `rereads` has everything compared with what the manager says, and tells what differs: a slow period
/// makes good for a signal that was missed. After a reload everything is read, after a loss everything is told anew.
///
/// Two connections: one for signals, which is always drained, and one for calls.
pub async fn follow(
    instance: Instance,
    mut wishes: watch::Receiver<Wish>,
    mut rereads: mpsc::Receiver<()>,
    out: mpsc::Sender<Observation>,
) {
    let mut wait = FIRST_WAIT;
    let mut reachable = true;
    loop {
        let opened = timeout(OPEN_LIMIT, Session::open(instance)).await;
        let why = match opened {
            Ok(Ok(session)) => {
                reachable = true;
                let (ended, proven) = session.run(&mut wishes, &mut rereads, &out).await;
                if proven {
                    wait = FIRST_WAIT;
                }
                match ended {
                    Ended::Unwanted => return,
                    Ended::Lost(why) => why,
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}s", OPEN_LIMIT.as_secs()),
        };
        tracing::warn!(%why, "the service manager cannot be followed; trying again");
        if reachable {
            reachable = false;
            let lost = Observation::ManagerChanged(ManagerState::Unreachable);
            if out.send(lost).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = out.closed() => return,
        }
        wait = (wait * 2).min(LAST_WAIT);
    }
}
