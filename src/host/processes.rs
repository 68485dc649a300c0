//! Every process, and which of them hold the sockets in question.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use procfs::ProcResult;
use procfs::process::{FDTarget, Process, Stat};

use super::control_group;
use super::sockets::Sockets;
use crate::clock;
use crate::model::host::{HostProcess, HostReading, Place};

/// Processes that are looked at.
const PROCESSES: usize = 20_000;
/// Open files that are looked at, of all processes together, and of one: what listens was opened early.
const FILES: usize = 500_000;
const FILES_OF_ONE: usize = 10_000;
/// Processes that are told of one socket.
const HOLDERS: usize = 1000;
/// The open files of a process are looked at unless it took so long to look at those of the others.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of a command line that are read, and arguments that are kept: a process may show gigabytes.
const COMMAND_LINE: u64 = 4096;
const ARGUMENTS: usize = 32;
/// `PF_KTHREAD` of the kernel's task flags.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Sockets, by inode, and the processes that hold each.
pub(super) type Holders = BTreeMap<u64, Vec<i32>>;

/// Looks at open files, within limits: anybody may have as many as they like.
struct Look<'a> {
    sockets: &'a Sockets,
    holders: Holders,
    files: usize,
    end: Instant,
    /// Processes of which not all was looked at.
    cut: Vec<i32>,
}

impl Look<'_> {
    /// Which of the sockets this process holds.
    ///
    /// # Errors
    /// What it has open is not ours to read, or it ended.
    fn at(&mut self, found: &Process) -> ProcResult<()> {
        let mut of_one = 0;
        for file in found.fd()?.flatten() {
            of_one += 1;
            self.files += 1;
            if of_one > FILES_OF_ONE || self.files > FILES || Instant::now() > self.end {
                self.cut.push(found.pid);
                break;
            }
            if let FDTarget::Socket(inode) = file.target
                && self.sockets.has(inode)
            {
                let pids = self.holders.entry(inode).or_default();
                if pids.last() != Some(&found.pid) && pids.len() < HOLDERS {
                    pids.push(found.pid);
                }
            }
        }
        Ok(())
    }

    /// What was left out, in a sentence.
    fn left_out(&self) -> Option<String> {
        let named: Vec<String> = self.cut.iter().take(3).map(i32::to_string).collect();
        let named = named.join(", ");
        let which = match self.cut.len() {
            0 => return None,
            1 => format!("process {named}"),
            2 | 3 => format!("processes {named}"),
            more => format!("{more} processes ({named} and others)"),
        };
        Some(format!("all sockets that {which} hold: of too many open files not all were looked at"))
    }
}

/// Adds those that are there, by pid; who ends meanwhile is left out. Returns who holds which socket.
pub(super) fn read(sockets: &Sockets, reading: &mut HostReading) -> Holders {
    let mut look =
        Look { sockets, holders: Holders::new(), files: 0, end: Instant::now() + TIME, cut: Vec::new() };
    let Ok(all) = procfs::process::all_processes() else {
        reading.untold.push("the processes of this host: /proc cannot be read".to_owned());
        return look.holders;
    };
    for found in all.flatten() {
        if reading.processes.len() >= PROCESSES {
            let sentence = format!("more than {PROCESSES} processes: the others were not looked at");
            reading.untold.push(sentence);
            break;
        }
        let Some(known) = process(&found) else {
            continue;
        };
        if known.place != Place::Kernel {
            match look.at(&found) {
                Ok(()) => {}
                Err(procfs::ProcError::PermissionDenied(_)) => reading.hidden += 1,
                // It ended.
                Err(_) => continue,
            }
        }
        reading.processes.push(known);
    }
    reading.untold.extend(look.left_out());
    reading.processes.sort_by_key(|process| process.pid);
    look.holders.values_mut().for_each(|pids| pids.sort_unstable());
    look.holders
}

fn process(found: &Process) -> Option<HostProcess> {
    let stat = found.stat().ok()?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    let control_group = group(found);
    let kernel = stat.flags & KERNEL_THREAD != 0;
    Some(HostProcess {
        pid: stat.pid,
        parent: stat.ppid,
        uid: found.uid().ok()?,
        executable: path(found.exe()),
        arguments: arguments(stat.pid),
        directory: path(found.cwd()),
        terminal: stat.tty_nr != 0,
        place: if kernel { Place::Kernel } else { control_group::of(&control_group) },
        control_group,
        started_at: clock::since_boot_ticks(stat.starttime),
        cpu: cpu(&stat),
        name: stat.comm,
    })
}

/// What it was started with, at most so many bytes; `None`: it has none, or is gone.
pub(super) fn command_line(pid: i32, longest: u64) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    File::open(format!("/proc/{pid}/cmdline")).ok()?.take(longest).read_to_end(&mut line).ok()?;
    (!line.is_empty()).then_some(line)
}

fn arguments(pid: i32) -> Vec<String> {
    let Some(line) = command_line(pid, COMMAND_LINE) else {
        return Vec::new();
    };
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    let words = line.split(|byte| *byte == 0).take(ARGUMENTS);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The group of the unified hierarchy, or of systemd's own in the older layouts.
pub(super) fn group(found: &Process) -> String {
    let groups = found.cgroups().map(|all| all.0).unwrap_or_default();
    let systemd = |name: &str| name == "name=systemd";
    let named = groups.iter().find(|group| group.controllers.iter().any(|name| systemd(name)));
    let of = |path: &str| !path.is_empty() && path != "/";
    let unified = groups.iter().find(|group| group.hierarchy == 0 && of(&group.pathname));
    unified.or(named).map_or_else(|| "/".to_owned(), |group| group.pathname.clone())
}

/// Where a link of a process leads, without the kernel's ` (deleted)`.
pub(super) fn path(link: ProcResult<PathBuf>) -> Option<String> {
    let text = link.ok()?.to_string_lossy().into_owned();
    Some(text.strip_suffix(" (deleted)").unwrap_or(&text).to_owned())
}

fn cpu(stat: &Stat) -> Duration {
    let ticks = procfs::ticks_per_second().max(1);
    let used = stat.utime.saturating_add(stat.stime);
    Duration::from_millis(used.saturating_mul(1000) / ticks)
}
