//! `file`, `disk`, `inodes`: facts of a file system, which may hang.

use std::time::{Duration, SystemTime};

use crate::model::probe::{Free, ProbeOutcome, ProbeStatus};

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, words};

/// A file was written lately.
pub async fn age(path: &str, max_age: Duration, limit: Limit) -> ProbeOutcome {
    let asked = words::name(path);
    let at = path.to_owned();
    let read = blocking::call(limit, move || std::fs::metadata(at).and_then(|told| told.modified())).await;
    let judged = done(read, limit).and_then(|written| {
        let written = written.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::unhealthy("there is no such file"),
            _ => Failure::unknown(format!("it cannot be looked at ({error})")),
        })?;
        // A time in the future is as fresh as can be.
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let (age, most) = (age, words::length(max_age));
        if age > max_age {
            let ago = words::length(age);
            return Err(Failure::unhealthy(format!(
                "it was last written {ago} ago; at most {most} are right"
            )));
        }
        Ok(format!("it was written {} ago", words::length(age)))
    });
    outcome(&asked, judged)
}

/// What is counted of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Bytes,
    Inodes,
}

/// A file system has room.
pub async fn room(path: &str, min_free: Free, what: Room, limit: Limit) -> ProbeOutcome {
    let asked = match what {
        Room::Bytes => format!("room at {}", words::name(path)),
        Room::Inodes => format!("inodes at {}", words::name(path)),
    };
    let at = path.to_owned();
    let read = blocking::call(limit, move || rustix::fs::statvfs(at)).await;
    let judged = done(read, limit).and_then(|told| {
        let told = told.map_err(|errno| Failure::unknown(format!("it cannot be looked at ({errno})")))?;
        let (free, total) = match what {
            Room::Bytes => {
                (told.f_bavail.saturating_mul(told.f_frsize), told.f_blocks.saturating_mul(told.f_frsize))
            }
            Room::Inodes => (told.f_favail, told.f_files),
        };
        judge_room(free, total, min_free, what)
    });
    outcome(&asked, judged)
}

fn judge_room(free: u64, total: u64, min_free: Free, what: Room) -> Result<String, Failure> {
    let shown = |count: u64| match what {
        Room::Bytes => words::bytes(count),
        Room::Inodes => count.to_string(),
    };
    if total == 0 {
        // Such a file system (btrfs, tmpfs …) makes them as it needs them.
        return Ok("it has no fixed number".to_owned());
    }
    let (least, wanted) = match min_free {
        Free::Count(count) => (count, shown(count)),
        Free::Percent(percent) => (total / 100 * u64::from(percent), format!("{percent} %")),
    };
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or(0);
    let told = format!("{} of {} are free ({percent} %)", shown(free), shown(total));
    if free < least {
        return Err(Failure::unhealthy(format!("{told}; at least {wanted} must be")));
    }
    Ok(told)
}

fn done<T>(read: Result<T, Stuck>, limit: Limit) -> Result<T, Failure> {
    read.map_err(|stuck| match stuck {
        Stuck::Late => Failure::unknown(format!("its file system did not answer within {}", limit.shown())),
        Stuck::NoSlot => Failure::unknown("earlier probes of file systems still hang"),
    })
}

fn outcome(asked: &str, judged: Result<String, Failure>) -> ProbeOutcome {
    match judged {
        Ok(told) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: words::sentence(&format!("{asked}: {told}")),
            latency: None,
        },
        Err(failure) => failure.of(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_counted_or_a_share() {
        let told = |free, least| judge_room(free, 1000, least, Room::Inodes);
        assert_eq!(told(400, Free::Percent(40)), Ok("400 of 1000 are free (40 %)".to_owned()));
        let short = told(399, Free::Count(400)).expect_err("too little").of("inodes at /");
        assert_eq!(short.message, "inodes at /: 399 of 1000 are free (39 %); at least 400 must be");
        assert_eq!(short.status, ProbeStatus::Unhealthy);
        assert!(judge_room(0, 0, Free::Percent(5), Room::Inodes).is_ok());
    }

    #[tokio::test]
    async fn a_heartbeat_must_be_fresh() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("heartbeat");
        let ask = || {
            age(path.to_str().expect("utf-8"), Duration::from_secs(60), Limit::new(Duration::from_secs(5)))
        };
        let missing = ask().await;
        assert_eq!(missing.status, ProbeStatus::Unhealthy);
        assert!(missing.message.ends_with("there is no such file"), "{}", missing.message);
        let file = std::fs::File::create(&path).expect("created");
        assert_eq!(ask().await.status, ProbeStatus::Healthy);
        file.set_modified(SystemTime::now() - Duration::from_secs(600)).expect("aged");
        let stale = ask().await;
        assert!(
            stale.message.contains("last written 10 min ago; at most 60 s are right"),
            "{}",
            stale.message
        );
    }
}
