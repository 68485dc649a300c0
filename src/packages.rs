//! Whether a package manager is at work: one look at the locks that dpkg, apt, rpm and dnf hold, and at their databases;
//! and which versions are installed.

mod installed;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use procfs::process::Process;
use rustix::process::{Flock, FlockType, fcntl_getlk};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::clock;
use crate::model::cause::PackagesReading;
use crate::model::moment::{Moment, millis};

pub use installed::installed;

/// Locked (`fcntl`) while packages are changed: dpkg by apt and its kin and by dpkg itself, then rpm in its two homes.
const LOCKS: [&str; 4] = [
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/rpm/.rpm.lock",
    "/usr/lib/sysimage/rpm/.rpm.lock",
];
/// Written whenever packages were changed.
const DATABASES: [&str; 3] =
    ["/var/lib/dpkg/status", "/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite"];
/// A disk that does not answer by then tells nothing.
const LIMIT: Duration = Duration::from_secs(2);

/// Looks once. What is not there or may not be read is not at work.
pub async fn read() -> PackagesReading {
    let looking = spawn_blocking(|| look(Path::new("/"), clock::now()));
    // A look that hangs ends on a thread of its own.
    timeout(LIMIT, looking).await.ok().and_then(Result::ok).unwrap_or_default()
}

fn look(root: &Path, now: Moment) -> PackagesReading {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let written = DATABASES.iter().filter_map(|path| written_ms(&below(path))).max();
    // The first of the locks is held from the first step of the work to its last.
    let holder = LOCKS.iter().find_map(|path| holder(&below(path)));
    let began_ms = holder.as_ref().and_then(|(_, began_ms)| *began_ms);
    PackagesReading {
        busy: holder.map(|(who, _)| who),
        began_at: began_ms.map(|at| now.at_boot_ms(at)),
        worked_at: written.map(|at| now.at_wall_ms(at)),
    }
}

/// Who holds the lock of this file, and when that process began, in milliseconds after boot.
fn holder(path: &Path) -> Option<(String, Option<i64>)> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    let file: File = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).ok()?;
    // Asks whether we could lock it, and locks nothing.
    let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)).ok()??;
    // Whoever can open a file can hold a lock of it. Where all can, it must be seen that it is root who does.
    let closed = file.metadata().is_ok_and(|seen| seen.uid() == 0 && seen.mode() & 0o077 & !0o020 == 0);
    let Some(pid) = held.pid else {
        return closed.then(|| (format!("the holder of {}", path.display()), None));
    };
    let pid = pid.as_raw_nonzero().get();
    let process = Process::new(pid).and_then(|process| Ok((process.stat()?, process.uid()?)));
    let Ok((stat, uid)) = process else {
        return closed.then(|| (format!("a package manager (pid {pid})"), None));
    };
    (uid == 0 || uid == rustix::process::geteuid().as_raw()).then_some(())?;
    Some((format!("{} (pid {pid})", stat.comm), Some(clock::after_boot_ms(stat.starttime))))
}

fn written_ms(path: &Path) -> Option<i64> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    at.duration_since(UNIX_EPOCH).ok().map(millis)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const NOW: Moment = Moment { boot_ms: 1000, wall_ms: 10_000_000_000_000 };

    #[test]
    fn what_is_not_there_is_not_at_work() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(look(root.path(), NOW), PackagesReading::default());
    }

    #[test]
    fn a_lock_that_nobody_holds_is_no_work_and_a_database_tells_when_there_was() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("a folder");
        for name in ["lock", "lock-frontend", "status"] {
            fs::write(root.path().join("var/lib/dpkg").join(name), "").expect("a file");
        }
        let read = look(root.path(), NOW);
        assert_eq!(read.busy, None);
        let at = read.worked_at.expect("it was written");
        assert!(at.wall_ms > 1_700_000_000_000 && at.boot_ms < NOW.boot_ms);
    }

    #[test]
    fn a_held_lock_names_its_holder() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("a folder");
        let lock = root.path().join("var/lib/dpkg/lock");
        let script = "import fcntl, sys\nf = open(sys.argv[1], 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\n\
                      print('locked', flush=True)\nsys.stdin.read()";
        let started = Command::new("python3")
            .args(["-c", script])
            .arg(&lock)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            // A host without Python: the machine tests show the same with dpkg itself.
            return;
        };
        let mut out = std::io::BufReader::new(child.stdout.take().expect("its output"));
        std::io::BufRead::read_line(&mut out, &mut String::new()).expect("a line");
        let now = clock::now();
        let seen = look(root.path(), now);
        assert!(seen.began_at.is_some_and(|began| now.since(began) < Duration::from_secs(60)), "{seen:?}");
        let busy = seen.busy.expect("somebody holds it");
        assert!(busy.ends_with(&format!("(pid {})", child.id())), "{busy}");
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert_eq!(look(root.path(), NOW).busy, None);
    }
}
