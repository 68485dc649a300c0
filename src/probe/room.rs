//! `disk`, `inodes`: the file system at a path has room. It may hang.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{FullPath, Wrong, scale};
use crate::model::probe::ProbeOutcome;

use super::failure::Failure;
use super::file::{done, outcome};
use super::{Limit, Needs, Probe, blocking, text};

/// `disk = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The file system at this path has min_free bytes free.
    disk: FullPath,
    /// "5%", "2GiB", or a number.
    #[schemars(with = "String", example = "10%")]
    min_free: Free,
}

impl Probe for Disk {
    fn is_curable(&self) -> bool {
        false
    }

    fn is_vital(&self) -> bool {
        false
    }

    fn weakness(&self, _: Duration) -> Option<String> {
        self.min_free.weakness()
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Looking
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(room(&self.disk, self.min_free, Room::Bytes, limit))
    }
}

/// `inodes = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inodes {
    /// The file system at this path has min_free inodes free.
    inodes: FullPath,
    /// "5%", "2GiB", or a number.
    #[schemars(with = "String", example = "10%")]
    min_free: Free,
}

impl Probe for Inodes {
    fn is_curable(&self) -> bool {
        false
    }

    fn is_vital(&self) -> bool {
        false
    }

    fn weakness(&self, _: Duration) -> Option<String> {
        self.min_free.weakness()
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Looking
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(room(&self.inodes, self.min_free, Room::Inodes, limit))
    }
}

/// How much must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
enum Free {
    /// Bytes, or inodes.
    Count(u64),
    Percent(u8),
}

impl Free {
    fn weakness(self) -> Option<String> {
        matches!(self, Self::Count(0) | Self::Percent(0)).then(|| "cannot fail: 0 is always free".to_owned())
    }
}

impl From<Free> for String {
    fn from(free: Free) -> Self {
        match free {
            Free::Count(count) => count.to_string(),
            Free::Percent(percent) => format!("{percent}%"),
        }
    }
}

impl TryFrom<String> for Free {
    type Error = Wrong;

    /// `5%`, `2GiB`, `500MB`, `10000`.
    fn try_from(text: String) -> Result<Self, Wrong> {
        let text = text.trim();
        let wrong = || {
            Wrong::value(format!("cannot use \"{text}\": it is no amount"))
                .help("write \"10%\", \"2GiB\", or a number")
        };
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.trim().parse().ok().filter(|percent| *percent <= 100);
            return percent.map(Self::Percent).ok_or_else(wrong);
        }
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let scale = scale(unit.trim()).ok_or_else(wrong)?;
        let count = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
        count.map(Self::Count).ok_or_else(wrong)
    }
}

/// What is counted of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Bytes,
    Inodes,
}

/// A file system has room.
async fn room(path: &str, min_free: Free, what: Room, limit: Limit) -> ProbeOutcome {
    let asked = match what {
        Room::Bytes => format!("room at {}", text::name(path)),
        Room::Inodes => format!("inodes at {}", text::name(path)),
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
        Room::Bytes => text::bytes(count),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::ProbeStatus;

    #[test]
    fn room_is_counted_or_a_share() {
        let told = |free, least| judge_room(free, 1000, least, Room::Inodes);
        assert_eq!(told(400, Free::Percent(40)), Ok("400 of 1000 are free (40 %)".to_owned()));
        let short = told(399, Free::Count(400)).expect_err("too little").of("inodes at /");
        assert_eq!(short.message, "inodes at /: 399 of 1000 are free (39 %); at least 400 must be");
        assert_eq!(short.status, ProbeStatus::Unhealthy);
        assert!(judge_room(0, 0, Free::Percent(5), Room::Inodes).is_ok());
    }
}
