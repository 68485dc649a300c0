//! The heartbeat to a server elsewhere, and what becomes of it: only while the loop turns and can do its work.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::alert;
use crate::clock;
use crate::model::finding::Code;
use crate::model::observation::Observation;
use crate::model::snapshot::Snapshot;
use crate::prober::Courier;

/// What the heartbeat is, where it is told that it is not heard.
const PART: &str = "the heartbeat";
/// A picture that is older was made by a loop that stands still.
const STALE: Duration = Duration::from_secs(20);
/// How often it is looked whether a heartbeat is wished at all.
const IDLE: Duration = Duration::from_secs(10);

/// Beats until the supervisor stops.
pub async fn beat(snapshots: watch::Receiver<Snapshot>, courier: Courier, inbox: mpsc::Sender<Observation>) {
    let mut unheard = false;
    loop {
        if snapshots.has_changed().is_err() {
            return;
        }
        let (wished, well) = {
            let snapshot = snapshots.borrow();
            let well = snapshot.unfit.is_empty() && clock::now().since(snapshot.at) < STALE;
            (snapshot.heartbeat.clone(), well)
        };
        let failed = match &wished {
            None => None,
            Some(heartbeat) if well => alert::beat(heartbeat, &courier).await.err(),
            // Nothing is tried, so that nothing new is known.
            Some(heartbeat) => {
                sleep(heartbeat.period).await;
                continue;
            }
        };
        if failed.is_some() != unheard {
            unheard = failed.is_some();
            let why = failed.map(|why| format!("the heartbeat is not heard: {why}"));
            let told = Observation::Impaired { code: Code::HostHeartbeatUnheard, part: PART, why };
            if inbox.send(told).await.is_err() {
                return;
            }
        }
        sleep(wished.map_or(IDLE, |heartbeat| heartbeat.period)).await;
    }
}
