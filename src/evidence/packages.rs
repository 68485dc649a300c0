//! Which packages were changed lately: the logs of dpkg, and of dnf and its kin.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock;
use crate::model::incident::Change;
use crate::model::moment::Moment;

/// Bytes of a log that are read, its last.
const TAIL: u64 = 512 * 1024;
/// Packages of one run that are named.
const NAMED: usize = 6;

/// Each minute in which packages were changed, with their names; oldest first.
pub fn changed(root: &Path, since: Moment) -> Vec<Change> {
    let now = clock::now();
    let mut read: Vec<(i64, String)> = Vec::new();
    for (path, line) in [
        ("var/log/dpkg.log.1", dpkg as fn(&str) -> Option<(i64, String)>),
        ("var/log/dpkg.log", dpkg),
        ("var/log/dnf.rpm.log", dnf),
        ("var/log/zypp/history", zypp),
    ] {
        let text = tail(&root.join(path)).unwrap_or_default();
        read.extend(text.lines().filter_map(line).filter(|(at, _)| *at >= since.wall_ms));
    }
    let mut changes: Vec<(i64, Vec<String>)> = Vec::new();
    for (at, what) in read {
        match changes.last_mut() {
            Some((began, names)) if at.saturating_sub(*began) < 60_000 => {
                if !names.contains(&what) {
                    names.push(what);
                }
            }
            _ => changes.push((at, vec![what])),
        }
    }
    let told = |(at, names): (i64, Vec<String>)| {
        let more = names.len().saturating_sub(NAMED);
        let named: Vec<String> = names.into_iter().take(NAMED).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Change { at: now.at_wall_ms(at), what: format!("packages: {}{more}", named.join(", ")) }
    };
    changes.into_iter().map(told).collect()
}

/// The end of a file, from the first whole line on.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(if from == 0 {
        text
    } else {
        text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned())
    })
}

/// `2026-11-20 10:00:00 upgrade nginx:amd64 1.22.1-9 1.22.1-10`; its times are local.
fn dpkg(line: &str) -> Option<(i64, String)> {
    let mut words = line.split_ascii_whitespace();
    let at = local(words.next()?, words.next()?)?;
    let action = words.next()?;
    let name = words.next()?.split(':').next()?.to_owned();
    let (old, new) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let what = match action {
        "install" => format!("{name} {new} installed"),
        "upgrade" => format!("{name} {old} upgraded to {new}"),
        "remove" | "purge" => format!("{name} {old} removed"),
        _ => return None,
    };
    Some((at, what))
}

/// `2026-11-20T10:00:00+0000 SUBDEBUG Upgraded: nginx-1.22-1.x86_64`
fn dnf(line: &str) -> Option<(i64, String)> {
    let mut words = line.split_ascii_whitespace();
    let at = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", words.next()?).ok()?.to_timestamp().ok()?;
    let action = words.nth(1)?.strip_suffix(':')?;
    let name = words.next()?;
    let known = matches!(action, "Installed" | "Upgraded" | "Upgrade" | "Erase" | "Removed" | "Downgrade");
    known.then(|| (at.as_millisecond(), format!("{name} {}", action.to_ascii_lowercase())))
}

/// `2026-11-20 10:00:00|install|nginx|1.22.1-9|…`; its times are local.
fn zypp(line: &str) -> Option<(i64, String)> {
    let mut words = line.split('|');
    let (date, time) = words.next()?.split_once(' ')?;
    let (action, name, version) = (words.next()?.trim(), words.next()?, words.next()?);
    let what = match action {
        "install" => format!("{name} {version} installed"),
        "remove" => format!("{name} {version} removed"),
        _ => return None,
    };
    Some((local(date, time)?, what))
}

fn local(date: &str, time: &str) -> Option<i64> {
    let at: DateTime = format!("{date}T{time}").parse().ok()?;
    Some(at.to_zoned(TimeZone::system()).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_told_by_the_minute() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("var/log")).expect("a folder");
        let log = "2026-11-20 08:00:00 install old:all <none> 1.0\n\
                   2026-11-20 09:50:00 startup archives unpack\n\
                   2026-11-20 09:50:01 upgrade nginx:amd64 1.22.1-9 1.22.1-10\n\
                   2026-11-20 09:50:02 status half-configured nginx:amd64 1.22.1-9\n\
                   2026-11-20 09:50:03 remove memcached:amd64 1.6.18-1 <none>\n\
                   2026-11-20 09:55:00 install redis:all <none> 5:7.0.15-1\n";
        std::fs::write(root.path().join("var/log/dpkg.log"), log).expect("a file");
        let since = local("2026-11-20", "09:30:00").expect("a time");
        let since = Moment { boot_ms: 0, wall_ms: since };
        let told: Vec<String> = changed(root.path(), since).into_iter().map(|change| change.what).collect();
        assert_eq!(
            told,
            [
                "packages: nginx 1.22.1-9 upgraded to 1.22.1-10, memcached 1.6.18-1 removed",
                "packages: redis 5:7.0.15-1 installed"
            ]
        );
    }

    #[test]
    fn other_logs_are_read_too() {
        let (at, what) = dnf("2026-11-20T10:00:00+0000 SUBDEBUG Upgraded: nginx-1.22-1.x86_64").expect("one");
        assert_eq!((at, what.as_str()), (1_795_168_800_000, "nginx-1.22-1.x86_64 upgraded"));
        assert_eq!(dnf("2026-11-20T10:00:00+0000 INFO --- logging initialized ---"), None);
        let (_, what) = zypp("2026-11-20 10:00:00|install|nginx|1.22.1-9|x86_64||repo|").expect("one");
        assert_eq!(what, "nginx 1.22.1-9 installed");
        assert_eq!(zypp("# 2026-11-20 10:00:00 output"), None);
    }
}
