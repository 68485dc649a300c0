//! What the file of a made-up unit wants of systemd, and what becomes of it besides life and death: frozen, skipped, handed
//! over.

use std::time::Duration;

use steadfast::model::moment::Moment;
use steadfast::model::unit::UnitSettings;
use steadfast::model::will::{Exit, Restart, Will};

use crate::chance::Chance;

/// `StartLimitBurst=` and `StartLimitIntervalSec=` of a unit whose start limit reboots the host.
const STARTS: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(600);

/// An exit status after which a file may want no restart.
pub const PREVENTED: Exit = Exit::Code(3);

/// What a unit's file wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing but to run.
    Plain,
    /// `Restart=always`: systemd restarts it after each end by itself.
    Always,
    /// `RestartPreventExitStatus=3`.
    Prevents,
    /// `StartLimitAction=reboot`.
    Reboots,
}

impl Wish {
    pub fn of(chance: &mut Chance) -> Self {
        match chance.below(6) {
            0 => Self::Always,
            1 => Self::Prevents,
            2 => Self::Reboots,
            _ => Self::Plain,
        }
    }

    /// What systemd says of it.
    pub fn write(self, settings: &mut UnitSettings) {
        let will = match self {
            Self::Plain => Will { restart: Restart::No, ..Will::default() },
            Self::Always => Will { restart: Restart::Always, restart_ms: Some(100), ..Will::default() },
            Self::Prevents => {
                let mut will = Will { restart: Restart::No, ..Will::default() };
                will.prevents.codes.push(3);
                will
            }
            Self::Reboots => {
                settings.start_limit_burst = STARTS;
                settings.start_limit_interval_ms = 600_000;
                let action = Some("StartLimitAction=reboot".to_owned());
                Will { restart: Restart::No, start_limit_action: action, ..Will::default() }
            }
        };
        *settings.will = will;
    }

    /// One more start than its file allows: systemd reboots the host.
    pub fn reboots(self, starts: &[Moment], now: Moment) -> bool {
        let recent = starts.iter().filter(|at| now.since(**at) < INTERVAL).count();
        self == Self::Reboots && recent >= STARTS as usize
    }
}

/// An old main process that has handed its sockets over and drains.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    pub release: u64,
    pub pid: u32,
    pub handed_at: Moment,
    pub until: Moment,
}

/// The words of scenarios for these settings.
pub fn words(settings: &UnitSettings) -> String {
    let mut words = format!(" restart={}", settings.will.restart.as_str());
    words.extend(settings.will.restart_ms.map(|ms| format!(" restart-sec={ms}ms")));
    words.extend(settings.will.prevents.codes.iter().map(|code| format!(" prevents={code}")));
    if settings.will.start_limit_action.is_some() {
        words.push_str(" start-limit-action=reboot starts=5/10m");
    }
    words
}
