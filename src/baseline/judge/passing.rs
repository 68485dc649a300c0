//! What comes and goes by its nature, so that its absence says nothing.

use crate::model::baseline::{Baseline, UnitThen};
use crate::model::boot::BootVerdict;
use crate::model::unit::{ActiveState, UnitName};

/// Kinds of unit that are compared; scopes, slices, devices and targets say nothing of their own.
const KINDS: [&str; 7] = ["service", "timer", "socket", "path", "mount", "automount", "swap"];
/// Names that a program makes up for one run, instances that systemd and udev make as they need them, and our own.
const PREFIXES: [&str; 20] = [
    "run-",
    "user@",
    "user-runtime-dir@",
    "getty@",
    "serial-getty@",
    "container-getty@",
    "autovt@",
    "systemd-fsck@",
    "systemd-backlight@",
    "systemd-rfkill",
    "systemd-coredump@",
    "systemd-pcrphase",
    "systemd-quotacheck",
    "systemd-growfs@",
    "modprobe@",
    "udisks2-",
    "initrd-",
    "plymouth-",
    "steadfast-",
    "packagekit",
];
/// Services of systemd's own that end when nobody has asked them anything for a while.
const IDLERS: [&str; 7] = [
    "systemd-hostnamed.service",
    "systemd-timedated.service",
    "systemd-localed.service",
    "systemd-importd.service",
    "systemd-portabled.service",
    "systemd-sysupdated.service",
    "systemd-homed-activate.service",
];

/// The unit was made for one run, or by the kernel's word.
pub fn is_transient(name: &str, unit: &UnitThen) -> bool {
    let kind = UnitName::from(name);
    let made = unit.enablement == "transient" || unit.fragment.starts_with("/run/systemd/transient/");
    // Mounted by hand or by a program: no unit file says that it should be.
    let by_hand = kind.kind() == "mount" && unit.fragment.is_empty() && unit.active == ActiveState::Active;
    let ours = name == "steadfast.service" || name == "steadfast.socket";
    let prefixed = !ours && PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    !KINDS.contains(&kind.kind()) || made || by_hand || prefixed
}

/// It ran then and need not run now: it did what it was for, and its end was clean.
pub fn may_rest(name: &str, then: &UnitThen, now: &UnitThen, after: &Baseline) -> bool {
    if now.active == ActiveState::Failed || !matches!(now.result.as_str(), "" | "success") {
        return false;
    }
    if IDLERS.contains(&name) || (then.service_type == "oneshot" && !then.remain_after_exit) {
        return true;
    }
    if then.boot == Some(BootVerdict::Starts) {
        return false;
    }
    // A socket, timer or path that is there starts it when it is needed; so does the bus.
    let armed = then.triggered_by.iter().any(|trigger| {
        let trigger = after.units.get(trigger.as_str());
        trigger.is_some_and(|unit| unit.active == ActiveState::Active)
    });
    armed || (then.service_type == "dbus" && then.enablement == "static")
}
