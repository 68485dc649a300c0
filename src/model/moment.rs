//! Both clocks at once: `Moment` is monotonic (including suspend) and wall time.

use std::time::Duration;

/// A point in time on both clocks, in milliseconds.
///
/// Deadlines and ages use `boot_ms` (CLOCK_BOOTTIME, which neither jumps nor stops in suspend);
/// `wall_ms` (Unix time) is for people. A moment of an earlier boot has a negative `boot_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Milliseconds since this boot.
    pub boot_ms: i64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub wall_ms: i64,
}

impl Moment {
    /// The moment that lies `by` later on both clocks.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let ms = millis(by);
        Self { boot_ms: self.boot_ms.saturating_add(ms), wall_ms: self.wall_ms.saturating_add(ms) }
    }

    /// How long after `earlier` this moment is; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.boot_ms.saturating_sub(earlier.boot_ms);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The moment at which the boot clock showed, or will show, `boot_ms`, told by this moment's offset.
    #[must_use]
    pub fn at_boot_ms(self, boot_ms: i64) -> Self {
        Self { boot_ms, wall_ms: self.wall_ms.saturating_add(boot_ms.saturating_sub(self.boot_ms)) }
    }

    /// The moment at which the wall clock showed, or will show, `wall_ms`, told by this moment's offset.
    #[must_use]
    pub fn at_wall_ms(self, wall_ms: i64) -> Self {
        Self { boot_ms: self.boot_ms.saturating_add(wall_ms.saturating_sub(self.wall_ms)), wall_ms }
    }
}

/// Whole milliseconds of a duration, as signed as `Moment` needs them.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
