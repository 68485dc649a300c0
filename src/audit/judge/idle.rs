//! Units that are active and run nothing: their command ended well, and what it should have left, or what they stand for, is
//! not there. systemd shows them green for ever.

use crate::model::host::base;
use crate::model::snapshot::UnitStatus;
use crate::model::unit::UnitName;
use crate::model::will::ServiceType;
use crate::policy::lists::listed;

use super::{Look, NAMED};

/// A sentence for each kind.
pub fn notes(look: &Look) -> Vec<String> {
    let mut notes: Vec<String> = alone(look).into_iter().collect();
    let all = look.snapshot.units.values().map(AsRef::as_ref);
    notes.extend(all.filter_map(|status| stands_for_nothing(look, status)));
    notes
}

/// Those that are not asked: only a probe can tell whether they work.
fn alone(look: &Look) -> Option<String> {
    let asked = |status: &UnitStatus| {
        let spec = look.specs.iter().find(|spec| spec.file == status.file);
        spec.is_some_and(|spec| !spec.probes.is_empty() || !spec.progress.is_empty())
    };
    let idle = |status: &&UnitStatus| {
        let ours = !status.file.is_empty() || status.is_local() || leaves_a_daemon(status);
        ours && is_idle(look, status) && !asked(status) && family(look, status).is_none()
    };
    let all = look.snapshot.units.values().map(AsRef::as_ref);
    let names: Vec<&str> = all.filter(idle).map(|status| status.unit.as_str()).collect();
    let (verb, which) = if names.len() == 1 { ("is", "it works") } else { ("are", "they work") };
    (!names.is_empty()).then(|| {
        format!(
            "{} {verb} active and runs nothing: the command ended well, and only a probe can tell whether {which}",
            listed(&names, NAMED)
        )
        .replace("are active and runs", "are active and run")
    })
}

/// A wrapper, such as postgresql.service, none of whose units runs.
fn stands_for_nothing(look: &Look, status: &UnitStatus) -> Option<String> {
    let family = family(look, status).filter(|_| is_idle(look, status))?;
    let running = |other: &&UnitStatus| family.has(&other.unit) && other.is_running();
    let runs = look.snapshot.units.values().map(AsRef::as_ref).any(|other| running(&other));
    let known: Vec<&str> = family.members.iter().map(UnitName::as_str).collect();
    let others = if known.is_empty() { family.template.0.clone() } else { listed(&known, NAMED) };
    (!runs).then(|| {
        format!(
            "{} is active and runs nothing itself, and nothing that it stands for runs either ({others})",
            status.unit
        )
    })
}

/// Active, and without a process.
fn is_idle(look: &Look, status: &UnitStatus) -> bool {
    let user = look.snapshot.host.user_instance;
    let mut processes = look.around.host.processes.iter();
    let exited = status.reading.as_ref().is_some_and(|reading| reading.sub == "exited");
    status.is_running() && exited && !processes.any(|process| process.place.unit(user) == Some(&status.unit))
}

/// Its command is to leave a daemon behind: a script in /etc/init.d, of which systemd made the unit, or one that forks.
fn leaves_a_daemon(status: &UnitStatus) -> bool {
    status.settings.as_ref().is_some_and(|settings| {
        settings.fragment.contains("/generator.late/")
            || settings.service_type == ServiceType::Forking
            || !settings.will.pid_file.is_empty()
    })
}

/// The units that a wrapper stands for.
struct Family {
    template: UnitName,
    members: Vec<UnitName>,
}

impl Family {
    fn has(&self, unit: &UnitName) -> bool {
        self.members.contains(unit) || unit.template().as_ref() == Some(&self.template)
    }
}

/// A wrapper whose command does nothing, and that stops others with itself, or bears the name of a template.
fn family(look: &Look, status: &UnitStatus) -> Option<Family> {
    let settings = status.settings.as_ref()?;
    let nothing =
        |command: &Vec<String>| command.first().is_some_and(|path| matches!(base(path), "true" | ":"));
    if status.unit.kind() != "service" || !settings.exec_start.iter().all(nothing) {
        return None;
    }
    let stem = status.unit.as_str().trim_end_matches(".service");
    let template = UnitName(format!("{stem}@.service"));
    let service = |unit: &&UnitName| unit.kind() == "service" && **unit != status.unit;
    let members: Vec<UnitName> = settings.takes_along.iter().filter(service).cloned().collect();
    let named = look.around.unit_files.contains(&template);
    (named || !members.is_empty()).then_some(Family { template, members })
}
