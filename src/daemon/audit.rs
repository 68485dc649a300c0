//! The whole host at one look: what systemd has, through the same policy, what runs besides, and what of it nobody watches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::check::{look, unmanaged};
use crate::clock;
use crate::config::{self, Directories, Loaded, Loader};
use crate::evidence;
use crate::host;
use crate::model::boot::BootReading;
use crate::model::coverage::{Audited, ProbeRecord, Surroundings};
use crate::model::host::HostReading;
use crate::model::snapshot::Snapshot;
use crate::model::spec::{Mode, Selector, Settings, Spec};
use crate::model::state::{Durable, UnitDurable};
use crate::model::unit::UnitName;
use crate::policy::coverage::{self, Audit, Look};
use crate::policy::drill;
use crate::store;
use crate::systemd::{Instance, inventory, timer};

use super::claims;

/// Processes, sockets and files; a disk that does not answer by then tells nothing.
const HOST_LIMIT: Duration = Duration::from_secs(30);
/// All timers together.
const TIMERS_LIMIT: Duration = Duration::from_secs(15);

/// What is remembered of each probe.
type Records = BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>;

/// All that one look found.
struct Gathered {
    snapshot: Snapshot,
    boot: Option<BootReading>,
    specs: Vec<Spec>,
    settings: Settings,
    around: Surroundings,
}

/// One look over the whole host; needs no configuration and no running daemon.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn audit(user: bool) -> anyhow::Result<Audit> {
    // Where the durable state can be read. Before our first start there is none, and nothing to say.
    let durable =
        store::state_directory(user).ok().and_then(|folder| store::peek(&folder.join(store::DATABASE)));
    let records = durable.as_ref().map(remembered).unwrap_or_default();
    let found = gather(user, records, true).await?;
    let told = coverage::audit(&found.look());
    let mut notes = config::notes::of(&found.specs, clock::now().wall_ms, true);
    notes.extend(durable.and_then(|durable| never_drilled(user, &found, &durable)));
    notes.extend(told.notes);
    Ok(Audit { notes, ..told })
}

/// The same for the running daemon, which runs its probes by itself.
///
/// # Errors
/// One sentence.
pub(super) async fn look_over(user: bool, records: Records) -> Result<Audited, String> {
    let found = gather(user, records, false).await.map_err(|why| format!("{why:#}"))?;
    // A host with ten thousand processes is not weighed on the loop's thread.
    let weighed = spawn_blocking(move || {
        let look = found.look();
        Audited { gaps: coverage::gaps(&look), whole: coverage::untold(&look).is_empty() }
    });
    weighed.await.map_err(|why| why.to_string())
}

impl Gathered {
    fn look(&self) -> Look<'_> {
        let Self { snapshot, boot, specs, settings, around } = self;
        Look { snapshot, boot: boot.as_ref(), specs, settings, around }
    }
}

async fn gather(user: bool, records: Records, probes: bool) -> anyhow::Result<Gathered> {
    let (instance, directories) =
        if user { (Instance::User, Directories::user()) } else { (Instance::System, Directories::system()) };
    let folders = directories.clone();
    let loaded = spawn_blocking(move || Loader::new(folders).load()).await?;
    let Loaded { settings, specs, problems } = loaded;
    let managed = |unit: &UnitName| specs.iter().any(|spec| spec.selector == Selector::Unit(unit.clone()));
    let present = inventory::whole(instance).await?;
    let more: Vec<Spec> = present.units.into_iter().filter(|unit| !managed(unit)).map(unmanaged).collect();
    let mut all: Vec<Spec> = specs.clone();
    if !probes {
        for spec in &mut all {
            spec.probes.clear();
            spec.progress.clear();
        }
        // Something elsewhere is nothing but its probes.
        all.retain(|spec| !spec.is_dependency());
    }
    all.extend(more);
    let loaded = Loaded { settings: settings.clone(), specs: all, problems };
    let (mut snapshot, boot) = look(user, loaded, |_, _| {}).await?;
    // What is wrong with what is switched off is nobody's business until its end.
    for status in snapshot.units.values_mut().filter(|status| status.disabled.is_some()) {
        Arc::make_mut(status).findings.clear();
    }
    let armed: Vec<UnitName> = snapshot.units.keys().filter(|unit| unit.kind() == "timer").cloned().collect();
    let (timers, in_time) = timer::facts(instance, &armed, TIMERS_LIMIT).await;
    let mut around = timeout(HOST_LIMIT, spawn_blocking(move || surroundings(&directories)))
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_else(unread);
    around.unit_files = present.files;
    around.timers = timers;
    if !in_time {
        around.host.untold.push("when some timers last ran: systemd did not tell in time".to_owned());
    }
    around.records = records;
    Ok(Gathered { snapshot, boot, specs, settings, around })
}

/// What is on this host besides its units. Blocks.
fn surroundings(directories: &Directories) -> Surroundings {
    let mut host = host::read();
    let claims = claims::read(&host);
    for process in &mut host.processes {
        // Others choose their names and arguments, and leave secrets in them.
        for text in process.arguments.iter_mut().chain([&mut process.name]) {
            *text = evidence::redacted(&text.replace(char::is_control, " "));
        }
        hide_values(&mut process.arguments);
    }
    let uids: BTreeSet<u32> = host.processes.iter().map(|process| process.uid).collect();
    Surroundings {
        host,
        users: host::users(Path::new("/"), &uids),
        off: config::switched_off(directories),
        claims,
        ..Surroundings::default()
    }
}

/// `--password VALUE`: the value stands in an argument of its own.
fn hide_values(arguments: &mut [String]) {
    let secret = |pair: &[String]| {
        let both = pair.join(" ");
        evidence::redacted(&both) != both
    };
    let hidden: Vec<bool> = arguments.windows(2).map(secret).collect();
    for (argument, hidden) in arguments.iter_mut().skip(1).zip(hidden) {
        if hidden {
            "***".clone_into(argument);
        }
    }
}

fn unread() -> Surroundings {
    let untold = vec!["the processes of this host: a file system does not answer".to_owned()];
    Surroundings { host: HostReading { untold, ..HostReading::default() }, ..Surroundings::default() }
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

fn never_drilled(user: bool, found: &Gathered, durable: &Durable) -> Option<String> {
    let managed =
        found.snapshot.units.values().filter(|status| !status.file.is_empty() && status.disabled.is_none());
    let mode = |file: &str| {
        found.specs.iter().find(|spec| spec.file == file).map_or(Mode::Observe, |spec| spec.mode)
    };
    // One look only observes: what the file says counts.
    let managed = managed.map(|status| (&status.unit, mode(&status.file)));
    drill::never_drilled(managed, durable, if user { "steadfast --user" } else { "steadfast" })
}
