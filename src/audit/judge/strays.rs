//! Daemons outside any service: started by hand and left, in a session, a scope or a detached terminal, or in no unit at all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Place};
use crate::model::span::span;
use crate::model::unit::UnitName;

use super::Look;
use super::listeners::{addresses, listening};

/// Who is younger may be about to end.
const LONG_LIVED: Duration = Duration::from_secs(10);
/// Characters of a command line that are told, and that tell one stray from another.
const COMMAND: usize = 160;
/// Characters of it that a sentence has.
const SHORT: usize = 60;
/// Wait for people, or for what people type.
const SHELLS: [&str; 9] = ["bash", "sh", "dash", "zsh", "fish", "ksh", "tcsh", "csh", "ash"];
const AT_A_TERMINAL: [&str; 33] = [
    "vi",
    "vim",
    "vim.basic",
    "vim.tiny",
    "nvim",
    "nano",
    "emacs",
    "micro",
    "joe",
    "mc",
    "ssh",
    "mosh-client",
    "mosh-server",
    "telnet",
    "less",
    "more",
    "man",
    "top",
    "htop",
    "btop",
    "atop",
    "watch",
    "tail",
    "journalctl",
    "sudo",
    "su",
    "login",
    "screen",
    "SCREEN",
    "tmux",
    "script",
    "gdb",
    "strace",
];
/// Start themselves with a login or a desktop, and end with it or wait for the next.
const AGENTS: [&str; 22] = [
    "ssh-agent",
    "gpg-agent",
    "scdaemon",
    "dirmngr",
    "keyboxd",
    "gnome-keyring-d",
    "dbus-daemon",
    "dbus-launch",
    "dbus-broker",
    "pulseaudio",
    "pipewire",
    "wireplumber",
    "at-spi-bus-laun",
    "at-spi2-registr",
    "ibus-daemon",
    "fcitx5",
    "xdg-desktop-por",
    "(sd-pam)",
    "sshd",
    "sshd-session",
    "sshd-auth",
    "systemd",
];
/// A session with one of these is somebody's desktop.
const DESKTOPS: [&str; 14] = [
    "Xorg",
    "Xwayland",
    "gnome-session-b",
    "gnome-shell",
    "gdm-x-session",
    "gdm-wayland-ses",
    "ksmserver",
    "kwin_wayland",
    "kwin_x11",
    "startplasma-way",
    "startplasma-x11",
    "xfce4-session",
    "sway",
    "cinnamon-sessio",
];
/// Services that start what people tell them, and are not responsible for it.
const HOSTS: [&str; 12] = [
    "cron.service",
    "crond.service",
    "anacron.service",
    "atd.service",
    "ssh.service",
    "sshd.service",
    "ssh@",
    "sshd@",
    "getty@",
    "serial-getty@",
    "console-getty.service",
    "rc-local.service",
];
/// Programs of those services themselves.
const HOST_PROGRAMS: [&str; 9] =
    ["cron", "crond", "anacron", "atd", "sshd", "sshd-session", "agetty", "login", "(sd-pam)"];
/// Control groups in which others than systemd keep processes of their own.
const CONTAINERS: [&str; 10] = [
    "docker",
    "kubepods",
    "libpod",
    "containerd",
    "crio",
    "lxc",
    "buildkit",
    "machine-",
    "garden",
    "payload",
];

/// One gap for each that nobody started as a service.
pub fn gaps(look: &Look) -> Vec<Gap> {
    if look.snapshot.host.user_instance {
        return Vec::new();
    }
    let host = Family::of(look);
    let mut told: BTreeMap<String, Gap> = BTreeMap::new();
    for process in &look.around.host.processes {
        if let Some(how) = host.stray(process) {
            let gap = host.told(process, &how);
            told.entry(gap.key.clone()).or_insert(gap);
        }
    }
    told.into_values().collect()
}

/// All processes, and who is whose child.
struct Family<'a> {
    look: &'a Look,
    by_pid: BTreeMap<i32, &'a HostProcess>,
    children: BTreeMap<i32, Vec<&'a HostProcess>>,
    desktops: BTreeSet<&'a UnitName>,
    /// Whose terminal multiplexers somebody looks at just now.
    attached: BTreeSet<u32>,
}

impl<'a> Family<'a> {
    fn of(look: &'a Look) -> Self {
        let processes = &look.around.host.processes;
        let mut children: BTreeMap<i32, Vec<&HostProcess>> = BTreeMap::new();
        for process in processes {
            children.entry(process.parent).or_default().push(process);
        }
        let desktop = |process: &'a HostProcess| match &process.place {
            Place::Session { scope, .. } if DESKTOPS.contains(&process.name.as_str()) => Some(scope),
            Place::Session { .. }
            | Place::Kernel
            | Place::Manager
            | Place::Unit(_)
            | Place::User { .. }
            | Place::Scope(_)
            | Place::Outside => None,
        };
        let client = |process: &&HostProcess| {
            process.name == "tmux: client"
                || (matches!(process.name.as_str(), "tmux" | "screen") && process.terminal)
        };
        Self {
            look,
            by_pid: processes.iter().map(|process| (process.pid, process)).collect(),
            children,
            desktops: processes.iter().filter_map(desktop).collect(),
            attached: processes.iter().filter(client).map(|process| process.uid).collect(),
        }
    }

    /// How it came to be where it is, if that is nowhere.
    fn stray(&self, process: &HostProcess) -> Option<String> {
        let young = self.look.snapshot.at.since(process.started_at) < LONG_LIVED;
        if young || process.pid == 1 || process.place == Place::Kernel || !is_program(process) {
            return None;
        }
        let of_unit = matches!(process.place, Place::Unit(_) | Place::User { unit: Some(_), .. });
        if let Some(multiplexer) = self.multiplexer(process).filter(|_| !of_unit) {
            return (!self.attached.contains(&process.uid))
                .then(|| format!("runs in a detached {multiplexer}"));
        }
        if process.parent != 1 || process.terminal {
            return None;
        }
        match &process.place {
            Place::Session { scope, .. } => {
                (!self.desktops.contains(scope)).then(|| format!("was left behind in a login ({scope})"))
            }
            Place::Unit(unit) => self.left_in(process, unit),
            Place::Scope(scope) => {
                (!is_container(&process.control_group)).then(|| format!("was left behind in {scope}"))
            }
            Place::Manager | Place::Outside => {
                (!is_container(&process.control_group)).then(|| "belongs to no unit at all".to_owned())
            }
            Place::Kernel | Place::User { .. } => None,
        }
    }

    /// A job of cron that went on by itself, and its kin.
    fn left_in(&self, process: &HostProcess, unit: &UnitName) -> Option<String> {
        let host = HOSTS
            .iter()
            .any(|host| *host == unit.as_str() || (host.ends_with('@') && unit.as_str().starts_with(host)));
        let status = self.look.snapshot.units.get(unit);
        let main = status.and_then(|status| status.reading.as_ref()?.main_pid);
        let is_main = main.is_some_and(|main| i32::try_from(main) == Ok(process.pid));
        let own = HOST_PROGRAMS.contains(&process.name.as_str());
        (host && !is_main && !own).then(|| format!("was left behind by {unit}"))
    }

    /// The terminal multiplexer in which it is the first program that is none of a terminal's own.
    fn multiplexer(&self, process: &HostProcess) -> Option<&'static str> {
        let mut next = process.parent;
        // A family is not that old; the bound is for a table that changed while it was read.
        for _ in 0..64 {
            let parent = self.by_pid.get(&next)?;
            if let Some(name) = is_multiplexer(parent) {
                return Some(name);
            }
            if is_program(parent) {
                return None;
            }
            next = parent.parent;
        }
        None
    }

    fn told(&self, process: &HostProcess, how: &str) -> Gap {
        let around = &self.look.around;
        let user = around.users.get(&process.uid).cloned();
        let user = user.unwrap_or_else(|| format!("user {}", process.uid));
        let command = command(process);
        let pids = self.descendants(process.pid);
        let listeners = listening(&around.host, &pids);
        let mut clauses = vec![how.to_owned()];
        clauses.extend(addresses(&listeners));
        let theirs = |pid: &i32| self.by_pid.get(pid).map(|process| process.cpu);
        let cpu: Duration = pids.iter().filter_map(theirs).sum();
        if cpu >= Duration::from_secs(1) {
            clauses.push(format!("has used {} of CPU", span(cpu)));
        }
        if pids.len() > 1 {
            clauses.push(format!("{} processes", pids.len()));
        }
        let message = format!(
            "{} (pid {}, {user}) {}: no service manages it",
            shortly(process),
            process.pid,
            clauses.join(", ")
        );
        let gap = Gap::new(
            Code::StrayProcess,
            (&format!("{user} {command}"), &process.name),
            message,
            process.started_at,
        );
        let (evidence, repair) = self.way_out(process, &user, &command);
        gap.proven(evidence, Some(repair))
    }

    /// The unit that is there already, or what the one to write says.
    fn way_out(&self, process: &HostProcess, user: &str, command: &str) -> (Vec<String>, String) {
        // systemd wants the whole path.
        let started = match (&process.executable, command.split_once(' ')) {
            (Some(path), Some((_, rest))) if !command.starts_with('/') => format!("{path} {rest}"),
            (Some(path), None) if !command.starts_with('/') => path.clone(),
            _ => command.to_owned(),
        };
        let mut evidence = vec![format!("ExecStart={started}"), format!("User={user}")];
        if let Some(directory) = process.directory.as_ref().filter(|directory| *directory != "/") {
            evidence.push(format!("WorkingDirectory={directory}"));
        }
        let unit = UnitName(format!("{}.service", program(process)));
        if self.look.around.unit_files.contains(&unit) {
            // A program's name is its own choice: whether this unit is meant is for people to see.
            return (evidence, format!("systemctl cat {unit}"));
        }
        (evidence, format!("systemctl edit --force --full {unit}"))
    }

    fn descendants(&self, pid: i32) -> Vec<i32> {
        let mut all = vec![pid];
        let mut at = 0;
        while let Some(pid) = all.get(at).copied() {
            for child in self.children.get(&pid).into_iter().flatten() {
                if !all.contains(&child.pid) {
                    all.push(child.pid);
                }
            }
            at += 1;
        }
        all
    }
}

fn is_multiplexer(process: &HostProcess) -> Option<&'static str> {
    match process.name.as_str() {
        "tmux: server" => Some("tmux"),
        "tmux" if process.parent == 1 && !process.terminal => Some("tmux"),
        "screen" | "SCREEN" if !process.terminal => Some("screen"),
        "dtach" if !process.terminal => Some("dtach"),
        "abduco" if !process.terminal => Some("abduco"),
        _ => None,
    }
}

/// Something that does work: no shell that waits for a person, no editor, no agent of a login.
fn is_program(process: &HostProcess) -> bool {
    let name = process.name.trim_start_matches('-');
    if SHELLS.contains(&name) {
        return runs_a_script(process);
    }
    is_multiplexer(process).is_none()
        && !name.starts_with("tmux")
        && !AT_A_TERMINAL.contains(&name)
        && !AGENTS.contains(&name)
}

/// `sh /opt/loop.sh`, `bash -c …`
fn runs_a_script(process: &HostProcess) -> bool {
    let mut arguments = process.arguments.iter().skip(1);
    arguments.any(|argument| {
        let flags = argument.strip_prefix('-').filter(|flags| !flags.starts_with('-'));
        !argument.starts_with(['-', '+']) || flags.is_some_and(|flags| flags.contains('c'))
    })
}

fn is_container(group: &str) -> bool {
    CONTAINERS.iter().any(|name| group.contains(name))
}

/// The command line as people say it: without folders before the program.
fn shortly(process: &HostProcess) -> String {
    let line = command(process);
    let (program, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
    let program = program.rsplit('/').next().unwrap_or(program);
    let short: String = format!("{program} {rest}").trim().chars().take(SHORT).collect();
    short
}

/// Its command line, or its name where it shows none.
fn command(process: &HostProcess) -> String {
    let line = process.arguments.join(" ");
    let line = if line.trim().is_empty() { process.name.clone() } else { line };
    line.trim().chars().take(COMMAND).collect()
}

/// What a unit of it would be called: its script, or its program.
pub fn program(process: &HostProcess) -> String {
    let interpreters = ["python", "ruby", "node", "php", "perl", "java", "bash", "sh", "dash"];
    let program = process.executable.as_deref().unwrap_or(&process.name);
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let name = base(program);
    let script = process.arguments.iter().skip(1).find(|argument| !argument.starts_with('-'));
    let script = script.filter(|_| interpreters.iter().any(|known| name.starts_with(known)));
    let script = script.filter(|script| !script.contains(char::is_whitespace));
    let name = script.map_or(name, |script| base(script));
    let name = name.split('.').next().unwrap_or_default().to_owned();
    let safe: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    if safe.is_empty() { "daemon".to_owned() } else { safe }
}
