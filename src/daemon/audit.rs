//! The whole host at one look: what systemd has, through the same policy, and what of it is worth telling.

use std::sync::Arc;

use crate::clock;
use crate::config::{self, Directories, Loaded, Loader};
use crate::model::finding::Severity;
use crate::model::snapshot::Snapshot;
use crate::model::spec::{Mode, RecoverySpec, Selector, Spec};
use crate::model::unit::UnitName;
use crate::policy::coverage::{self, Audit};
use crate::policy::drill;
use crate::store;
use crate::systemd::{Instance, inventory};

use super::once::look;
use super::{DATABASE, place};

/// Stands for the file of a unit that no file manages.
const NO_FILE: &str = "";

/// One look over the whole host; needs no configuration and no running daemon.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn audit(user: bool) -> anyhow::Result<Audit> {
    let (instance, directories) =
        if user { (Instance::User, Directories::user()) } else { (Instance::System, Directories::system()) };
    let Loaded { settings, mut specs, problems, switched_off } = Loader::new(directories).load();
    let managed = |unit: &UnitName| specs.iter().any(|spec| spec.selector == Selector::Unit(unit.clone()));
    let managed_specs = specs.clone();
    let present = inventory::read(instance).await?;
    let more: Vec<Spec> = present.into_iter().filter(|unit| !managed(unit)).map(unmanaged).collect();
    specs.extend(more);
    let loaded = Loaded { settings, specs, problems, switched_off: Vec::new() };
    let (mut snapshot, boot) = look(user, loaded, |_, _| {}).await?;
    let mut notes = config::notes::of(&managed_specs, clock::now().wall_ms, true);
    notes.extend(never_drilled(user, &snapshot, &managed_specs));
    // What is wrong with them is nobody's business until their end.
    for status in snapshot.units.values_mut().filter(|status| status.disabled.is_some()) {
        Arc::make_mut(status).findings.clear();
    }
    let switched_off: Vec<String> = switched_off.iter().map(|file| file.display().to_string()).collect();
    let told = coverage::worth_telling(snapshot, boot.as_ref(), &switched_off);
    Ok(Audit { notes, ..told })
}

/// Where the durable state can be read. Before our first start there is none, and nothing to say.
fn never_drilled(user: bool, snapshot: &Snapshot, specs: &[Spec]) -> Option<String> {
    let durable = store::peek(&place::state_directory(user).ok()?.join(DATABASE))?;
    let managed =
        snapshot.units.values().filter(|status| !status.file.is_empty() && status.disabled.is_none());
    let mode =
        |file: &str| specs.iter().find(|spec| spec.file == file).map_or(Mode::Observe, |spec| spec.mode);
    // One look only observes: what the file says counts.
    let managed = managed.map(|status| (&status.unit, mode(&status.file)));
    drill::never_drilled(managed, &durable, if user { "steadfast --user" } else { "steadfast" })
}

/// An empty file's wishes, for a unit without a file.
pub(super) fn unmanaged(unit: UnitName) -> Spec {
    Spec {
        mode: Mode::Observe,
        severity: Severity::Warning,
        // Nobody said when what a person stopped is to run again.
        recovery: RecoverySpec { after_manual_stop: None, ..RecoverySpec::default() },
        ..Spec::of_empty_file(Selector::Unit(unit), NO_FILE.to_owned())
    }
}
