//! Steadfast itself, put into a machine the way `make install` puts it into a host.

use std::fs;
use std::path::{Path, PathBuf};

use super::Machine;
use super::files::set_mode;

const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/units");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/hooks");
/// Names the program to install where Cargo does not: in an example, and to test another build.
const PROGRAM_VARIABLE: &str = "STEADFAST_RIG_PROGRAM";

impl Machine {
    /// Installs Steadfast as it was built for this test, enables and starts it, and returns when it says that it is ready.
    #[track_caller]
    pub fn install_steadfast(&self) {
        self.place_steadfast(&built_program(), Path::new(UNITS));
        self.sh("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload && \
             systemctl enable --now steadfast.service");
    }

    /// Puts a program and the files of a `units` folder where they belong on the machine's disk, and starts nothing.
    #[track_caller]
    pub fn place_steadfast(&self, program: &Path, units: &Path) {
        self.place(program, "/usr/bin/steadfast", 0o755);
        let mut placed = 0;
        for file in files_below(units) {
            let name = file.strip_prefix(units).unwrap_or(&file);
            let Some(target) = target(&name.to_string_lossy()) else {
                panic!("the rig does not know where units/{} goes", name.display());
            };
            self.place(&file, &target, 0o644);
            placed += 1;
        }
        assert!(placed > 0, "there is nothing in {}", units.display());
    }

    /// Puts the hooks of package managers in force, as `make install` does.
    #[track_caller]
    pub fn install_hooks(&self) {
        self.place(&Path::new(HOOKS).join("package-hook"), "/usr/lib/steadfast/package-hook", 0o755);
        self.place(&Path::new(HOOKS).join("80steadfast"), "/etc/apt/apt.conf.d/80steadfast", 0o644);
    }

    /// Copies a file of the host to the machine's disk. A running program is replaced as a package manager does it, by rename.
    #[track_caller]
    fn place(&self, from: &Path, to: &str, mode: u32) {
        let to = self.on_disk(to);
        let mut new = to.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let folder = to.parent().unwrap_or(&to);
        fs::create_dir_all(folder)
            .and_then(|()| fs::copy(from, &new))
            .unwrap_or_else(|error| panic!("cannot copy {}: {error}", from.display()));
        set_mode(&new, mode);
        fs::rename(&new, &to).unwrap_or_else(|error| panic!("cannot make {}: {error}", to.display()));
    }
}

/// Where `make install` puts a file of the `units` folder.
fn target(name: &str) -> Option<String> {
    let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let (stem, kind) = file.rsplit_once('.')?;
    Some(match (folder, kind) {
        ("", "catalog") => format!("/usr/lib/systemd/catalog/{file}"),
        ("", "service" | "socket" | "timer" | "path" | "target" | "slice") => {
            format!("/usr/lib/systemd/system/{file}")
        }
        ("user", _) => format!("/usr/lib/systemd/user/{file}"),
        ("sysusers.d", "conf") | ("", "sysusers") => format!("/usr/lib/sysusers.d/{stem}.conf"),
        ("tmpfiles.d", "conf") | ("", "tmpfiles") => format!("/usr/lib/tmpfiles.d/{stem}.conf"),
        _ => return None,
    })
}

fn built_program() -> PathBuf {
    if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
        return PathBuf::from(path);
    }
    match option_env!("CARGO_BIN_EXE_steadfast") {
        Some(path) => PathBuf::from(path),
        None => panic!("cannot tell which program to install: set {PROGRAM_VARIABLE}"),
    }
}

/// The files of a folder and of its folders.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
