//! The whole host at one look: what systemd has, through the same policy, and what of it is worth telling.

use crate::config::{Directories, Loaded, Loader};
use crate::model::finding::Severity;
use crate::model::spec::{Mode, RecoverySpec, Selector, Spec};
use crate::model::unit::UnitName;
use crate::policy::coverage::{self, Audit};
use crate::systemd::{Instance, inventory};

use super::once::look;

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
    let present = inventory::read(instance).await?;
    let more: Vec<Spec> = present.into_iter().filter(|unit| !managed(unit)).map(unmanaged).collect();
    specs.extend(more);
    let loaded = Loaded { settings, specs, problems, switched_off: Vec::new() };
    let (snapshot, boot) = look(user, loaded, |_, _| {}).await?;
    let switched_off: Vec<String> = switched_off.iter().map(|file| file.display().to_string()).collect();
    Ok(coverage::worth_telling(snapshot, boot.as_ref(), &switched_off))
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
