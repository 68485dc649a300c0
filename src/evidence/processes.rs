//! The processes of a control group as the kernel shows them: state, what they wait for, files, sockets, limits, pressure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};

use crate::cgroup;

/// Processes that are told of, and sockets of each.
const PROCESSES: usize = 100;
const SOCKETS: usize = 50;
/// Groups of the unit, its own included.
const GROUPS: usize = 64;
/// What is read of a control group, where it is there.
const GROUP_FILES: [&str; 9] = [
    "memory.current",
    "memory.max",
    "memory.events",
    "pids.current",
    "pids.max",
    "cpu.stat",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
];

/// All of it as text, as far as it can be read until then. Blocks; nothing that is read waits for the processes themselves.
pub fn told(root: &Path, control_group: &str, ends: Instant) -> String {
    let mut text = String::new();
    let group = cgroup::directory(&root.join(cgroup::ROOT.trim_start_matches('/')), control_group);
    if let Some(group) = &group {
        for name in GROUP_FILES {
            if let Ok(content) = fs::read_to_string(group.join(name)) {
                let content = content.trim_end().replace('\n', "; ");
                let _written = writeln!(text, "{name}: {content}");
            }
        }
    }
    for name in ["cpu", "memory", "io"] {
        if let Ok(content) = fs::read_to_string(root.join("proc/pressure").join(name)) {
            let content = content.trim_end().replace('\n', "; ");
            let _written = writeln!(text, "host {name} pressure: {content}");
        }
    }
    if let Ok(load) = fs::read_to_string(root.join("proc/loadavg")) {
        let _written = writeln!(text, "host load: {}", load.trim_end());
    }
    if let Some(group) = &group {
        let (pids, _) = cgroup::pids(group, GROUPS);
        for pid in pids.into_iter().filter_map(|pid| i32::try_from(pid).ok()).take(PROCESSES) {
            if Instant::now() > ends {
                text.push_str("further processes were not read in time\n");
                break;
            }
            process(&mut text, pid);
        }
    }
    text
}

/// One process; one that is gone meanwhile says nothing.
fn process(text: &mut String, pid: i32) {
    let Ok(process) = Process::new(pid) else {
        return;
    };
    let Ok(stat) = process.stat() else {
        return;
    };
    let waits = process.wchan().ok().filter(|waits| !waits.is_empty() && waits != "0");
    let waits = waits.map_or(String::new(), |waits| format!(", waits in {waits}"));
    let _written = writeln!(
        text,
        "process {pid} ({}): state {}{waits}, parent {}, {} threads, {} KiB resident",
        clean(&stat.comm),
        stat.state,
        stat.ppid,
        stat.num_threads,
        stat.rss.saturating_mul(procfs::page_size()) / 1024
    );
    let path = |link: procfs::ProcResult<PathBuf>| {
        link.map_or("not readable".to_owned(), |to| clean(&to.to_string_lossy()))
    };
    let _written = writeln!(text, "  in {}, executable {}", path(process.cwd()), path(process.exe()));
    let mut sockets = BTreeMap::new();
    if let Ok(files) = process.fd() {
        let mut count = 0_usize;
        for file in files.flatten() {
            count += 1;
            if let FDTarget::Socket(inode) = file.target {
                sockets.insert(inode, file.fd);
            }
        }
        let limit = process.limits().map(|limits| format!("{:?}", limits.max_open_files.soft_limit));
        let limit = limit.unwrap_or_else(|_| "unknown".to_owned());
        let _written = writeln!(text, "  {count} open files ({} sockets), limit {limit}", sockets.len());
    }
    connections(text, &process, &sockets);
}

/// What a process chose for itself, on one line and without orders to a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn connections(text: &mut String, process: &Process, sockets: &BTreeMap<u64, i32>) {
    let tcp = [process.tcp(), process.tcp6()].into_iter().flatten().flatten();
    let ours = tcp.filter(|entry| sockets.contains_key(&entry.inode)).take(SOCKETS);
    for entry in ours {
        let _written = if entry.state == TcpState::Listen {
            writeln!(text, "  tcp listens on {}, {} wait", entry.local_address, entry.rx_queue)
        } else {
            let (from, to, state) = (entry.local_address, entry.remote_address, &entry.state);
            writeln!(
                text,
                "  tcp {from} to {to}: {state:?}, {} to send, {} to read",
                entry.tx_queue, entry.rx_queue
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_with_its_files_and_sockets() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut text = String::new();
        process(&mut text, i32::try_from(std::process::id()).expect("small"));
        let port = listener.local_addr().expect("an address").port();
        assert!(text.contains(&format!("tcp listens on 127.0.0.1:{port}")), "{text}");
        assert!(text.contains("open files") && text.contains("  in /"), "{text}");
    }

    #[test]
    fn a_group_that_is_not_there_tells_of_the_host_alone() {
        let told = told(Path::new("/"), "/nothing.slice/here.service", Instant::now());
        assert!(told.contains("host load:") && !told.contains("process "), "{told}");
    }
}
