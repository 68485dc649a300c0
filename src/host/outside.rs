//! Looks for the program of a unit that is down outside of the unit. What is not sure is not told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

use super::processes::{command_line, group, path};
use super::{control_group, network};
use crate::clock;
use crate::model::host::{Place, base};
use crate::model::outside::{Outsider, Sought, command_of};
use crate::ownership;
use crate::redact::redacted;

/// Processes that are looked at.
const PROCESSES: usize = 20_000;
/// Of those found, so many are told.
const FOUND: usize = 4;
/// Bytes of a command line that are read, and characters of it that are told.
const COMMAND_LINE: u64 = 64 * 1024;
const TOLD: usize = 100;
/// A process is not younger than the file that names it; both clocks are coarse.
const COARSE_MS: i64 = 2000;
/// Run something else each time: their file says nothing of what they do.
const INTERPRETERS: [&str; 12] =
    ["python", "ruby", "node", "php", "perl", "java", "bash", "dash", "sh", "busybox", "tclsh", "lua"];
/// Users of people begin here.
const PEOPLE: u32 = 1000;
/// Wait, and do nothing that only one may do.
const IDLE: [&str; 4] = ["sleep", "tail", "cat", "true"];

/// Which processes execute which file: read once for all that is looked for at one time.
#[derive(Debug, Default)]
pub struct Running(BTreeMap<String, Vec<i32>>);

impl Running {
    /// Reads what runs now. Blocks, for a few milliseconds per thousand processes.
    #[must_use]
    pub fn read() -> Self {
        let mut running: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for process in procfs::process::all_processes().into_iter().flatten().flatten().take(PROCESSES) {
            if let Some(path) = path(process.exe()) {
                running.entry(path).or_default().push(process.pid());
            }
        }
        Self(running)
    }

    /// The processes that execute this file, if they still do.
    fn of(&self, file: &str) -> impl Iterator<Item = Process> {
        let pids = self.0.get(file).map(Vec::as_slice).unwrap_or_default();
        let alive = pids.iter().filter_map(|pid| Process::new(*pid).ok());
        alive.filter(move |process| path(process.exe()).is_some_and(|path| path == file))
    }
}

/// Looks for it among what runs: `ports` are those at which its probes ask on this host. Blocks.
#[must_use]
pub fn look(sought: &Sought, ports: &BTreeSet<u16>, user_instance: bool, running: &Running) -> Vec<Outsider> {
    let sockets = listening(ports).into_iter().chain(named_sockets(&sought.probes)).collect();
    let look = Look { sought, sockets, uid: uid(&sought.user), user_instance };
    let mut found: Vec<(Process, Outsider)> = look.named().into_iter().collect();
    let wanted: BTreeSet<&str> = sought.programs.iter().map(|program| program.path.as_str()).collect();
    for path in wanted.into_iter().filter(|path| !IDLE.contains(&base(path))) {
        for process in running.of(path) {
            let known = found.iter().any(|(known, _)| known.pid() == process.pid());
            if let Some(outsider) = (!known).then(|| look.at(&process, path)).flatten() {
                found.push((process, outsider));
            }
        }
    }
    found.sort_by_key(|(process, _)| process.pid());
    // A family is told by its eldest.
    let pids: BTreeSet<i32> = found.iter().map(|(process, _)| process.pid()).collect();
    let eldest = |process: &Process| process.stat().is_ok_and(|stat| !pids.contains(&stat.ppid));
    let found = found.into_iter().filter(|(process, _)| eldest(process)).map(|(_, outsider)| outsider);
    found.take(FOUND).collect()
}

/// What is known for one look.
#[derive(Debug)]
struct Look<'a> {
    sought: &'a Sought,
    /// Sockets that listen where it is asked, with the address of each.
    sockets: Vec<(u64, String)>,
    uid: Option<u32>,
    user_instance: bool,
}

impl Look<'_> {
    /// The process that its PID file names. A number that was given to another process since is not it: that one is younger.
    fn named(&self) -> Option<(Process, Outsider)> {
        let path = Path::new(&self.sought.pid_file);
        let written = fs::metadata(path).ok().filter(|seen| path.is_absolute() && seen.is_file())?;
        let mut text = String::new();
        fs::File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
        let process = Process::new(text.trim().parse().ok().filter(|pid| *pid > 1)?).ok()?;
        let stat = process.stat().ok().filter(|stat| !matches!(stat.state, 'Z' | 'X' | 'x'))?;
        let written_ms =
            written.mtime().saturating_mul(1000).saturating_add(written.mtime_nsec() / 1_000_000);
        let younger = clock::since_boot_ticks(stat.starttime).wall_ms > written_ms.saturating_add(COARSE_MS);
        // Only root's file may name what is another user's: whoever writes it could name any process of this host.
        let trusted =
            ownership::check(path, 0).is_ok() || process.uid().is_ok_and(|uid| uid == written.uid());
        let is_it = !younger && trusted && self.may_run_it(&process);
        let place = self.outside(&process).filter(|_| is_it)?;
        let line = command_line(process.pid(), COMMAND_LINE).unwrap_or_default();
        let outsider = outsider(&process, &place, &line, format!("{} names it", path.display()))?;
        Some((process, outsider))
    }

    /// A process that executes this file of the unit, if it does what the unit is for.
    fn at(&self, process: &Process, path: &str) -> Option<Outsider> {
        let place = self.outside(process)?;
        let line = command_line(process.pid(), COMMAND_LINE)?;
        let interprets = INTERPRETERS.iter().any(|name| base(path).starts_with(name));
        let runs_it = || {
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).skip(1).collect();
            self.sought.words.iter().any(|word| word != path && words.contains(&word.as_bytes()))
        };
        let stranger = !self.may_run_it(process) || !is_of_host(process);
        if (interprets && !runs_it()) || stranger {
            return None;
        }
        let of_other = matches!(place, Place::Unit(_) | Place::User { unit: Some(_), .. });
        let command = command_of(&line);
        let mut known = self.sought.programs.iter().filter(|program| program.path == path);
        let same = known.any(|program| program.command.as_ref() == Some(&command));
        let user = process.uid().is_ok_and(|uid| self.uid == Some(uid));
        if let Some(address) = self.listens(process) {
            return outsider(process, &place, &line, format!("it listens on {address}"));
        }
        // A unit with a PID file is known by that.
        let sure = same && user && !of_other && self.sought.pid_file.is_empty();
        sure.then(|| outsider(process, &place, &line, "it runs with the same command line".to_owned()))
            .flatten()
    }

    /// A person's own process keeps nobody's service down: it is root's, of the unit's user, or of the user of a service where
    /// the unit itself begins as root.
    fn may_run_it(&self, process: &Process) -> bool {
        let of_service = |uid: u32| self.sought.user.is_empty() && uid < PEOPLE;
        process.uid().is_ok_and(|uid| uid == 0 || self.uid == Some(uid) || of_service(uid))
    }

    fn listens(&self, process: &Process) -> Option<&str> {
        if self.sockets.is_empty() {
            return None;
        }
        let files = process.fd().ok()?.flatten();
        let mut sockets = files.filter_map(|file| match file.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        });
        sockets.find_map(|inode| {
            self.sockets.iter().find(|(known, _)| *known == inode).map(|(_, address)| address.as_str())
        })
    }

    /// Where it is, if that is not in the unit.
    fn outside(&self, process: &Process) -> Option<Place> {
        let place = control_group::of(&group(process));
        let own = place.unit(self.user_instance).is_some_and(|unit| self.sought.names.contains(unit));
        let never = matches!(place, Place::Kernel) || process.pid() == 1;
        (!own && !never).then_some(place)
    }
}

/// TCP sockets that listen on one of these ports.
fn listening(ports: &BTreeSet<u16>) -> Vec<(u64, String)> {
    if ports.is_empty() {
        return Vec::new();
    }
    let all = [network::tcp("tcp"), network::tcp("tcp6")].into_iter().flatten().flatten();
    let here = all.filter(|entry| {
        let reached = is_asked(entry.local_address.ip()) && ports.contains(&entry.local_address.port());
        entry.state == TcpState::Listen && reached && entry.inode != 0
    });
    here.map(|entry| (entry.inode, entry.local_address.to_string())).collect()
}

/// Sockets in the file system that the keys of a probe name; PostgreSQL's by the directory that they are in.
fn named_sockets(probes: &[String]) -> Vec<(u64, String)> {
    if probes.is_empty() {
        return Vec::new();
    }
    let named = |path: &str| probes.iter().any(|keys| keys.contains(path));
    let text = network::text("unix").unwrap_or_default();
    // `Num RefCount Protocol Flags Type St Inode Path`
    let bound = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(6);
        Some((words.next()?.parse::<u64>().ok()?, words.next()?.to_owned()))
    });
    let asked = bound.filter(|(_, path)| {
        let folder = path.split_once("/.s.PGSQL.").map(|(folder, _)| folder);
        path.starts_with('/') && (named(path) || folder.is_some_and(named))
    });
    asked.collect()
}

/// A question at the usual address of this host arrives there. All others of 127.0.0.0/8 are anybody's.
fn is_asked(address: IpAddr) -> bool {
    let usual = address.is_unspecified() || address.to_canonical() == IpAddr::from([127, 0, 0, 1]);
    usual || (address.is_ipv6() && address.is_loopback())
}

/// It lives in the files of this host, and in no container, which may have a file of the same name.
fn is_of_host(process: &Process) -> bool {
    let space = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let root = |path: &str| fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()));
    let pid = process.pid();
    let same_space = space(pid).is_some() && space(pid) == space(1);
    same_space || root(&format!("/proc/{pid}/root/.")).is_some_and(|theirs| Some(theirs) == root("/."))
}

fn outsider(process: &Process, place: &Place, line: &[u8], how: String) -> Option<Outsider> {
    let text = String::from_utf8_lossy(line).replace('\0', " ");
    let text: String =
        redacted(text.trim()).chars().filter(|letter| !letter.is_control()).take(TOLD).collect();
    let command = if text.is_empty() { process.stat().ok()?.comm } else { text };
    Some(Outsider {
        pid: u32::try_from(process.pid()).ok()?,
        command,
        user: name(process.uid().ok()?),
        place: whereabouts(place),
        how,
    })
}

fn whereabouts(place: &Place) -> String {
    match place {
        Place::Unit(unit) | Place::Scope(unit) => format!("in {unit}"),
        Place::Session { scope, uid } => format!("in {scope}, a login of {}", name(*uid)),
        Place::User { uid, unit: Some(unit) } => format!("in {unit} of {}", name(*uid)),
        Place::User { uid, unit: None } => format!("in the service manager of {}", name(*uid)),
        Place::Kernel | Place::Manager | Place::Outside => "in no unit".to_owned(),
    }
}

fn name(uid: u32) -> String {
    let known = super::users(Path::new("/"), &BTreeSet::from([uid]));
    known.get(&uid).cloned().unwrap_or_else(|| format!("user {uid}"))
}

/// The number of a user, by number or name; of nobody named, our own.
fn uid(user: &str) -> Option<u32> {
    if user.is_empty() {
        return Some(nix::unistd::geteuid().as_raw());
    }
    let named = || nix::unistd::User::from_name(user).ok().flatten().map(|known| known.uid.as_raw());
    user.parse().ok().or_else(named)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::model::outside::Program;

    /// A program of its own: a copy of `sleep` that is not called so.
    fn program(folder: &Path) -> (String, Child) {
        let path = folder.join("serviced");
        fs::copy("/bin/sleep", &path).expect("a copy");
        let child = Command::new(&path).arg("1000").spawn().expect("a process");
        (path.display().to_string(), child)
    }

    fn end(mut child: Child) {
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }

    #[test]
    fn who_is_named_by_a_pid_file_is_found_and_who_took_its_number_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, child) = program(folder.path());
        let file = folder.path().join("x.pid");
        fs::write(&file, format!("{}\n", child.id())).expect("a file");
        let sought = Sought { pid_file: file.display().to_string(), ..Sought::default() };
        let found = look(&sought, &BTreeSet::new(), false, &Running::default());
        assert_eq!(found.iter().map(|one| one.pid).collect::<Vec<_>>(), [child.id()]);
        assert_eq!(found.first().map(|one| one.how.clone()), Some(format!("{} names it", file.display())));
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::options()
            .write(true)
            .open(&file)
            .and_then(|file| file.set_modified(long_ago))
            .expect("a time");
        assert_eq!(
            look(&sought, &BTreeSet::new(), false, &Running::default()),
            [],
            "the file is older than the process"
        );
        end(child);
    }

    #[test]
    fn the_same_command_line_is_found_and_another_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, child) = program(folder.path());
        let seek = |line: &str, user: &str| {
            let command = Some(command_of(line.replace(' ', "\0").as_bytes()));
            let programs = vec![Program { path: path.clone(), command }];
            let sought = Sought { programs, user: user.to_owned(), ..Sought::default() };
            look(&sought, &BTreeSet::new(), false, &Running::read())
        };
        // The child may not have executed it yet.
        let begins = std::time::Instant::now();
        while seek("serviced 1000", "").is_empty() && begins.elapsed().as_secs() < 5 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let found = seek("serviced 1000", "");
        assert_eq!(found.iter().map(|one| one.pid).collect::<Vec<_>>(), [child.id()]);
        assert_eq!(found.first().map(|one| one.command.clone()), Some(format!("{path} 1000")));
        assert_eq!(seek("serviced 1001", ""), []);
        assert_eq!(seek("serviced 1000", "4711"), [], "of another user");
        let asked = |text: &str| is_asked(text.parse().expect("an address"));
        assert!(["127.0.0.1", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1"].into_iter().all(asked));
        assert!(!["127.0.0.5", "192.0.2.1", "fe80::1"].into_iter().any(asked));
        end(child);
    }
}
