//! A pattern names units that nobody chose one by one, and may match far more of them than its author thought of
//! (`*.service` matches `emergency.service`). So it starts only what somebody else wants to run already.

use crate::model::boot::BootVerdict;
use crate::model::spec::Selector;
use crate::model::state::OrderKind;
use crate::model::unit::UnitFileState;
use crate::policy::gate::Gate;

use super::Unit;

/// systemd's own services besides `systemd-*`, as their names begin.
const OF_SYSTEMD: [&str; 13] = [
    "emergency.",
    "rescue.",
    "debug-shell.",
    "initrd-",
    "getty@",
    "serial-getty@",
    "container-getty@",
    "console-getty.",
    "autovt@",
    "modprobe@",
    "user@",
    "user-runtime-dir@",
    "systemd-",
];
/// Targets that end what runs, or put the host into another mode. (Most may be isolated; systemd tells those itself.)
const MODES: [&str; 18] = [
    "ctrl-alt-del",
    "default",
    "emergency",
    "exit",
    "final",
    "halt",
    "hibernate",
    "hybrid-sleep",
    "initrd",
    "kexec",
    "poweroff",
    "reboot",
    "rescue",
    "shutdown",
    "sleep",
    "soft-reboot",
    "suspend",
    "umount",
];

impl Unit {
    /// Where only a pattern selects it: why it is not to be given such an order.
    pub(super) fn pattern(&self, kind: OrderKind) -> Option<Gate> {
        let Selector::Pattern(pattern) = &self.spec.selector else {
            return None;
        };
        let why = self.foreign().or_else(|| match kind {
            OrderKind::Start => self.unasked(),
            OrderKind::Enable => self.unasked().or_else(|| self.never_enabled()),
            // What is restarted or checked runs.
            OrderKind::Restart | OrderKind::Check => None,
        })?;
        Some(Gate::because(format!("{why}, so the pattern {pattern} only observes it")))
    }

    /// It is not this host's own service, or may not be started by itself.
    fn foreign(&self) -> Option<&'static str> {
        let name = self.name.as_str();
        if OF_SYSTEMD.iter().any(|begins| name.starts_with(begins)) {
            return Some("it belongs to systemd");
        }
        let Some(settings) = self.run.settings() else {
            return Some("whether it may be started has not been read yet");
        };
        let stem = name.strip_suffix(".target").unwrap_or_default();
        let mode = MODES.contains(&stem) || stem.starts_with("runlevel") || stem.starts_with("initrd-");
        if mode || settings.allow_isolate {
            return Some("it puts the host into another mode");
        }
        (!settings.can_start).then_some("its unit file refuses manual starts (RefuseManualStart=)")
    }

    /// Somebody started it, and nobody has enabled it since it is managed: that is no wish for the next boot.
    fn never_enabled(&self) -> Option<&'static str> {
        let seen = self.seen_enabled || self.kept.disabling.is_some();
        (!seen).then_some("it was not enabled when it was first seen")
    }

    /// A pattern selects it, and nobody has enabled it: it may be meant for this boot alone.
    pub(super) fn is_of_the_moment(&self) -> bool {
        matches!(self.spec.selector, Selector::Pattern(_)) && self.never_enabled().is_some()
    }

    /// Nobody but the pattern wants it to run.
    fn unasked(&self) -> Option<&'static str> {
        let verdict = self.kept.prediction.as_ref().map(|known| &known.verdict);
        if verdict == Some(&BootVerdict::Starts) {
            return None;
        }
        match &self.enablement {
            None => Some("whether it is enabled has not been read yet"),
            Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime) => None,
            // An instance is somebody's choice, even where its template has no [Install] section.
            Some(UnitFileState::Static | UnitFileState::Indirect) if self.name.template().is_none() => {
                Some("it is static and started by what needs it")
            }
            Some(_) => {
                (!self.kept.ran).then_some("it was neither enabled nor running when it was first seen")
            }
        }
    }
}
