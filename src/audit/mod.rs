//! `audit`: what nobody watches on this host. `gather` reads the host, `judge` says what of it is worth telling; the command
//! and the daemon ask the same.

mod gather;
mod judge;
mod supervisor_files;

use std::collections::BTreeMap;

use tokio::task::spawn_blocking;

use crate::clock;
use crate::config;
use crate::model::audit::{Audited, ProbeRecord};
use crate::model::spec::Mode;
use crate::model::state::{Durable, UnitDurable};
use crate::model::unit::UnitName;
use crate::policy::drilled;
use crate::store;

use gather::gather;
pub use judge::Audit;
use judge::Look;

/// What is remembered of each probe.
type Records = BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>;

/// The page that people read; needs no configuration and no running daemon.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn page(user: bool) -> anyhow::Result<Audit> {
    // Where the durable state can be read. Before our first start there is none, and nothing to say.
    let durable =
        store::state_directory(user).ok().and_then(|folder| store::peek(&folder.join(store::DATABASE)));
    let records = durable.as_ref().map(remembered).unwrap_or_default();
    let look = gather(user, records, true).await?;
    let audit = judge::audit(&look);
    let mut notes = config::notes::of(&look.specs, clock::now().wall_ms, true);
    notes.extend(durable.and_then(|durable| never_drilled(&look, &durable)));
    notes.extend(audit.notes);
    Ok(Audit { notes, ..audit })
}

/// The gaps, for the running daemon, which runs its probes by itself.
///
/// # Errors
/// One sentence.
pub async fn gaps(user: bool, records: Records) -> Result<Audited, String> {
    let look = gather(user, records, false).await.map_err(|why| format!("{why:#}"))?;
    // A host with ten thousand processes is not weighed on the loop's thread.
    let weighed = spawn_blocking(move || judge::audited(&look));
    weighed.await.map_err(|why| why.to_string())
}

/// What is remembered of probes, as far as no drill has shown that it is true.
fn remembered(durable: &Durable) -> Records {
    let proven = |known: &UnitDurable| {
        let ends = known.drills.iter().filter_map(|drill| drill.end.as_ref());
        ends.into_iter().any(|end| end.verdict.is_good())
    };
    let units = durable.units.iter().filter(|(_, known)| !known.probes.is_empty() && !proven(known));
    let mut records: Records = units.map(|(unit, known)| (unit.clone(), known.probes.clone())).collect();
    // The boot clock of the time when it was written may be another one.
    let now = clock::now();
    for record in records.values_mut().flat_map(BTreeMap::values_mut) {
        record.asked_since = now.at_wall_ms(record.asked_since.wall_ms);
    }
    records
}

fn never_drilled(look: &Look, durable: &Durable) -> Option<String> {
    let managed =
        look.snapshot.units.values().filter(|status| !status.file.is_empty() && status.disabled.is_none());
    let mode =
        |file: &str| look.specs.iter().find(|spec| spec.file == file).map_or(Mode::Observe, |spec| spec.mode);
    // One look only observes: what the file says counts.
    let managed = managed.map(|status| (&status.unit, mode(&status.file)));
    drilled::never_drilled(managed, durable, &format!("steadfast{}", look.user_option()))
}
