//! Both clocks of this machine. Shells ask it; the pure rooms are told.

use nix::time::{ClockId, clock_gettime};

use crate::model::moment::Moment;

/// Now, on CLOCK_BOOTTIME and CLOCK_REALTIME.
///
/// A clock that cannot be read shows 0, which Linux does not let happen.
#[must_use]
pub fn now() -> Moment {
    Moment { boot_ms: read(ClockId::CLOCK_BOOTTIME), wall_ms: read(ClockId::CLOCK_REALTIME) }
}

fn read(clock: ClockId) -> i64 {
    clock_gettime(clock)
        .map_or(0, |time| time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000))
}
