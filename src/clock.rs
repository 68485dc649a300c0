//! Both clocks of this machine, and lengths of time as people write them. Shells ask it; the pure rooms are told.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use nix::time::{ClockId, clock_gettime};

use crate::model::moment::Moment;

/// Now, on CLOCK_BOOTTIME and CLOCK_REALTIME.
///
/// A clock that cannot be read shows 0, which Linux does not let happen.
#[must_use]
pub fn now() -> Moment {
    Moment { boot_ms: read(ClockId::CLOCK_BOOTTIME), wall_ms: read(ClockId::CLOCK_REALTIME) }
}

/// A length of time as people write it: `90s`, `1h30m`, `2d` (a day has 24 hours).
///
/// # Errors
/// It is none, or negative; a sentence that shows how to write one.
pub fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no length of time such as \"90s\", \"15m\", \"2h\" or \"1d\"");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(length).map_err(|_| format!("\"{text}\" is negative"))
}

/// A moment as people all over the world read it: `2026-11-20T10:00:00Z`.
#[must_use]
pub fn utc(at: Moment) -> String {
    let at = jiff::Timestamp::from_second(at.wall_ms.div_euclid(1000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_string()
}

/// The moment so many ticks after the boot, as `/proc/PID/stat` tells when a process started.
#[must_use]
pub fn since_boot_ticks(ticks: u64) -> Moment {
    now().at_boot_ms(after_boot_ms(ticks))
}

/// The same in milliseconds after the boot.
#[must_use]
pub fn after_boot_ms(ticks: u64) -> i64 {
    let per_second = i64::try_from(procfs::ticks_per_second()).unwrap_or(100).max(1);
    i64::try_from(ticks).unwrap_or(i64::MAX).saturating_mul(1000) / per_second
}

fn read(clock: ClockId) -> i64 {
    clock_gettime(clock)
        .map_or(0, |time| time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(utc(Moment { boot_ms: 5, wall_ms: 1_795_168_800_999 }), "2026-11-20T10:00:00Z");
    }

    #[test]
    fn our_own_beginning_is_after_boot_and_before_now() {
        let ours =
            procfs::process::Process::myself().and_then(|process| process.stat()).expect("we are there");
        let began = after_boot_ms(ours.starttime);
        assert!(began > 0 && began <= now().boot_ms, "{began}");
        assert!(now().boot_ms - began < 3_600_000, "{began}");
    }

    #[test]
    fn lengths_are_written_as_people_write_them() {
        let seconds = |text| length(text).map(|length| length.as_secs());
        assert_eq!([seconds("90s"), seconds("1h 30m"), seconds("2d")], [Ok(90), Ok(5400), Ok(172_800)]);
        for wrong in ["", "5", "5 parsecs", "1 month"] {
            let told = seconds(wrong).err().unwrap_or_default();
            assert!(told.contains("such as \"90s\""), "{wrong}: {told}");
        }
        assert_eq!(seconds("-5s"), Err("\"-5s\" is negative".to_owned()));
    }
}
