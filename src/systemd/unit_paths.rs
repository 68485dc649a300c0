//! Where unit files lie: the directories that a manager reads, and which of them a reboot empties.

use std::path::{Path, PathBuf};

use super::bus::Instance;

/// A directory of unit files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnitDir {
    pub path: PathBuf,
    pub lasting: Lasting,
}

/// What a reboot does to a directory of unit files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Nothing.
    Kept,
    /// Its content is made anew from what is on disk, by generators.
    Generated,
    /// Emptied.
    Emptied,
}

/// The directories of a manager's unit files, the first to win first (systemd.unit(5)).
pub(super) fn unit_dirs(instance: Instance) -> Vec<UnitDir> {
    match instance {
        Instance::System => system_dirs(),
        Instance::User => user_dirs(&Home::of_this_process()),
    }
}

fn system_dirs() -> Vec<UnitDir> {
    let mut dirs = vec![
        dir("/etc/systemd/system.control", Lasting::Kept),
        dir("/run/systemd/system.control", Lasting::Emptied),
        dir("/run/systemd/transient", Lasting::Emptied),
        dir("/run/systemd/generator.early", Lasting::Generated),
        dir("/etc/systemd/system", Lasting::Kept),
        dir("/etc/systemd/system.attached", Lasting::Kept),
        dir("/run/systemd/system", Lasting::Emptied),
        dir("/run/systemd/system.attached", Lasting::Emptied),
        dir("/run/systemd/generator", Lasting::Generated),
        dir("/usr/local/lib/systemd/system", Lasting::Kept),
        dir("/usr/lib/systemd/system", Lasting::Kept),
        dir("/run/systemd/generator.late", Lasting::Generated),
    ];
    // A system whose /lib is not merged into /usr has a directory more.
    if !same_place("/lib/systemd/system", "/usr/lib/systemd/system") {
        dirs.insert(11, dir("/lib/systemd/system", Lasting::Kept));
    }
    dirs
}

fn same_place(one: &str, other: &str) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        // What is not there adds nothing.
        (Err(_), _) | (_, Err(_)) => true,
    }
}

fn dir(path: impl Into<PathBuf>, lasting: Lasting) -> UnitDir {
    UnitDir { path: path.into(), lasting }
}

/// The directories that a user's own unit files are found by.
#[derive(Debug)]
struct Home {
    config: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
    config_dirs: Vec<PathBuf>,
    data_dirs: Vec<PathBuf>,
}

impl Home {
    fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = PathBuf::from(variable("HOME").unwrap_or_default());
        let own =
            |name: &str, default: &str| variable(name).map_or_else(|| home.join(default), PathBuf::from);
        let list = |name: &str, default: &str| {
            let value = variable(name).unwrap_or_else(|| default.into());
            std::env::split_paths(&value).filter(|path| path.is_absolute()).collect()
        };
        Self {
            config: own("XDG_CONFIG_HOME", ".config"),
            data: own("XDG_DATA_HOME", ".local/share"),
            runtime: PathBuf::from(variable("XDG_RUNTIME_DIR").unwrap_or_default()),
            config_dirs: list("XDG_CONFIG_DIRS", "/etc/xdg"),
            data_dirs: list("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
        }
    }
}

fn user_dirs(home: &Home) -> Vec<UnitDir> {
    let runtime = |name: &str, lasting| dir(home.runtime.join("systemd").join(name), lasting);
    let below = |base: &Path, name: &str| dir(base.join("systemd").join(name), Lasting::Kept);
    let mut dirs = vec![
        below(&home.config, "user.control"),
        runtime("user.control", Lasting::Emptied),
        runtime("transient", Lasting::Emptied),
        runtime("generator.early", Lasting::Generated),
        below(&home.config, "user"),
    ];
    dirs.extend(home.config_dirs.iter().map(|base| below(base, "user")));
    dirs.extend([
        dir("/etc/systemd/user", Lasting::Kept),
        runtime("user", Lasting::Emptied),
        dir("/run/systemd/user", Lasting::Emptied),
        runtime("generator", Lasting::Generated),
        below(&home.data, "user"),
    ]);
    dirs.extend(home.data_dirs.iter().map(|base| below(base, "user")));
    dirs.extend([
        dir("/usr/local/lib/systemd/user", Lasting::Kept),
        dir("/usr/lib/systemd/user", Lasting::Kept),
        runtime("generator.late", Lasting::Generated),
    ]);
    dirs
}
