//! What the next boot does with a unit: the transaction of PID 1's engine, and what it cannot know.

use crate::model::boot::{BootReading, BootVerdict, Hindrance};
use crate::model::unit::{UnitFileState, UnitName, UnitSettings};
use crate::model::will::ServiceType;

/// Begins the reason where no prediction could be had.
pub(super) const NOT_COMPUTED: &str = "the next boot could not be computed";

/// What the next boot does with the unit. `state` is its enablement where it was told.
#[must_use]
pub fn boot_verdict(
    unit: &UnitName,
    settings: &UnitSettings,
    state: Option<&UnitFileState>,
    reading: &BootReading,
) -> BootVerdict {
    if let Some(failure) = &reading.failure {
        return unknown(format!("{NOT_COMPUTED}: {failure}"));
    }
    if let Some(doubt) = reading.doubts.get(unit) {
        return unknown(format!("boot may start it or not: {doubt}"));
    }
    if reading.starts.contains(unit) {
        return started(settings, reading);
    }
    if let Some(why) = never(settings, state) {
        return BootVerdict::Unreachable { why };
    }
    if let Some(socket) = &settings.will.accepted_by {
        return unknown(format!("boot does not start it: {socket} starts it for each connection"));
    }
    if !settings.will.devices.is_empty() {
        let devices = settings.will.devices.join(", ");
        return unknown(format!("boot does not start it: it is started when its device appears ({devices})"));
    }
    let started = || settings.triggered_by.iter().filter(|trigger| reading.starts.contains(*trigger));
    let sure = started().find(|trigger| !reading.doubts.contains_key(*trigger));
    if let Some(trigger) = sure.or_else(|| started().next()) {
        return armed(trigger, settings, reading);
    }
    if let Some(why) = on_demand(unit, settings, reading) {
        return unknown(why);
    }
    BootVerdict::Unreachable { why: not_wanted(unit, settings, state, reading) }
}

fn unknown(why: String) -> BootVerdict {
    BootVerdict::Unknown { why }
}

/// The transaction has a start job for it. What can still come between?
fn started(settings: &UnitSettings, reading: &BootReading) -> BootVerdict {
    let facts = &settings.boot;
    if let Some(why) = unmounted(settings, reading) {
        return BootVerdict::Unreachable { why };
    }
    if let Some(mount) = &facts.late_mount {
        let why =
            format!("its unit file lies on {mount}, which is mounted after systemd has read the unit files");
        return BootVerdict::Unreachable { why };
    }
    // The engine does not see systemd's own volatile directories: what it found is another file of that name. It follows a
    // lasting link to a file elsewhere in /run, which is gone at boot.
    let hidden = |path: &str| path == settings.fragment && in_volatile_unit_path(path);
    if let Some(path) = facts.vanishes.as_ref().filter(|path| !hidden(path)) {
        return unknown(format!("boot has a start job for it, but {path} will not outlast the reboot"));
    }
    match doubtful_condition(settings) {
        Some(why) => unknown(why),
        None => BootVerdict::Starts,
    }
}

/// Its program or its directory lies where boot mounts nothing, neither at once nor at the first access.
fn unmounted(settings: &UnitSettings, reading: &BootReading) -> Option<String> {
    let comes = |mount: &UnitName| {
        let point = mount.as_str().trim_end_matches(".mount");
        reading.starts.contains(mount) || reading.starts.contains(&UnitName(format!("{point}.automount")))
    };
    let (path, mount) = settings.boot.mounts.iter().find(|(_, mount)| !comes(mount))?;
    Some(format!("{path} lies below {mount}, which boot does not mount"))
}

/// Unit files in these directories are hidden from the engine.
fn in_volatile_unit_path(fragment: &str) -> bool {
    fragment.starts_with("/run/systemd/")
        || (fragment.starts_with("/run/user/") && fragment.contains("/systemd/"))
}

/// A condition of boot is that of today, so that an unmet one says nothing certain of the next boot.
fn doubtful_condition(settings: &UnitSettings) -> Option<String> {
    let facts = &settings.boot;
    if let Some(unmet) = facts.unmet_conditions.first() {
        return Some(format!(
            "boot starts it only if {unmet} holds, which it did not when it was last tried"
        ));
    }
    let untried = facts.untried_conditions.first()?;
    Some(format!("boot starts it only if {untried} holds, which has not been tried in this boot yet"))
}

/// Reasons that hold whatever the transaction says of others.
fn never(settings: &UnitSettings, state: Option<&UnitFileState>) -> Option<String> {
    if state == Some(&UnitFileState::Masked) {
        return Some("it is masked".to_owned());
    }
    if state == Some(&UnitFileState::Transient) {
        return Some("it was made at run time and is gone after a reboot".to_owned());
    }
    // What vanishes of this one is the mask.
    let masked = state == Some(&UnitFileState::MaskedRuntime);
    let vanishes = settings.boot.vanishes.as_ref().filter(|_| !masked);
    vanishes.map(|path| format!("{path} is gone after a reboot"))
}

/// Boot starts `trigger`, and that starts the unit.
fn armed(trigger: &UnitName, settings: &UnitSettings, reading: &BootReading) -> BootVerdict {
    if let Some(doubt) = reading.doubts.get(trigger) {
        return unknown(format!("{trigger}, which starts it, may be started by boot or not: {doubt}"));
    }
    if let Some(mount) = &settings.boot.late_mount {
        return unknown(format!(
            "boot starts {trigger}, but the unit file lies on {mount}, which is mounted late"
        ));
    }
    if let Some(why) = unmounted(settings, reading) {
        return BootVerdict::Unreachable { why };
    }
    match doubtful_condition(settings) {
        Some(why) => unknown(why.replacen("boot starts it", &format!("{trigger} starts it"), 1)),
        None => BootVerdict::Armed { by: trigger.clone() },
    }
}

/// Started by other means than the boot transaction: it may run soon after boot, or not.
fn on_demand(unit: &UnitName, settings: &UnitSettings, reading: &BootReading) -> Option<String> {
    let names = || std::iter::once(unit).chain(&settings.names);
    if let Some(name) = names().find(|name| reading.starts.contains(*name)) {
        return Some(format!("boot starts {name}, but may not know it by the name {unit}"));
    }
    let called = settings.will.bus_activated || settings.service_type == ServiceType::Dbus;
    if called || names().any(|name| name.as_str().starts_with("dbus-")) {
        return Some("boot does not start it, but a call of its bus name does".to_owned());
    }
    if unit.as_str().starts_with("user@") || unit.as_str().starts_with("user-runtime-dir@") {
        return Some("it is started by logind for a user who logs in or lingers".to_owned());
    }
    if matches!(unit.kind(), "device" | "scope") || (settings.fragment.is_empty() && unit.kind() != "service")
    {
        return Some("it has no unit file: it follows what the kernel or a program makes".to_owned());
    }
    None
}

/// Why boot does not start it, as precisely as it is known.
fn not_wanted(
    unit: &UnitName,
    settings: &UnitSettings,
    state: Option<&UnitFileState>,
    reading: &BootReading,
) -> String {
    let hindrance = reading.hindrances.get(unit).map(Hindrance::why);
    let wanted = hindrance.unwrap_or("no unit that boot starts wants it");
    let what = match state {
        Some(UnitFileState::Enabled) => {
            format!(
                "it is enabled, but {}",
                hindrance.unwrap_or("by an Alias= alone, which nothing asks for")
            )
        }
        Some(UnitFileState::EnabledRuntime) => {
            "it is enabled only until the next reboot (--runtime)".to_owned()
        }
        Some(UnitFileState::Linked) => format!("it is only linked, and {wanted}"),
        Some(UnitFileState::LinkedRuntime) => {
            "it is linked only until the next reboot (--runtime)".to_owned()
        }
        Some(UnitFileState::Alias) => "it is an alias of a unit that boot does not start".to_owned(),
        Some(UnitFileState::MaskedRuntime) => {
            format!("it is masked only until the next reboot, but {wanted}")
        }
        Some(UnitFileState::Static) => format!("it has no [Install] section, and {wanted}"),
        Some(UnitFileState::Disabled | UnitFileState::InitScriptOff) => {
            format!("it is disabled, and {wanted}")
        }
        Some(UnitFileState::Indirect) => format!("it is not enabled itself, and {wanted}"),
        Some(UnitFileState::Generated) => format!("its generator made it, but {wanted}"),
        Some(UnitFileState::Bad) => "its unit file cannot be used".to_owned(),
        Some(UnitFileState::NotFound) => "it has no unit file".to_owned(),
        Some(UnitFileState::Masked | UnitFileState::Transient | UnitFileState::Unknown(_)) | None => {
            wanted.to_owned()
        }
    };
    match settings.triggered_by.as_slice() {
        [] => what,
        triggers => {
            let triggers: Vec<&str> = triggers.iter().map(UnitName::as_str).collect();
            format!("{what}, nor does boot start {}, which would start it", triggers.join(", "))
        }
    }
}
