//! Files and users inside a machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Machine;

/// Longest time until a user's manager is up once lingering was switched on.
const LINGER_LIMIT: Duration = Duration::from_secs(30);
/// Writes standard input to the file `$1`, whose folder it makes.
const WRITE: &str = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;

impl Machine {
    /// Writes a file, with its folders, as root; as the machine sees the path when it is on, else on its disk.
    #[track_caller]
    pub fn write(&self, path: &str, content: &str) {
        if self.is_on() {
            let output = self.run_with(&["bash", "-c", WRITE, "write", path], content.as_bytes());
            assert!(output.ok(), "cannot write {path} inside: {}", output.stderr);
            return;
        }
        let path = self.on_disk(path);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, content))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Writes a program: a file that everybody may execute.
    #[track_caller]
    pub fn write_program(&self, path: &str, content: &str) {
        self.write(path, content);
        set_mode(&self.on_disk(path), 0o755);
    }

    /// Reads a file; as the machine sees the path when it is on, else from its disk.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        if self.is_on() {
            let output = self.run(&["cat", "--", path]);
            assert!(output.ok(), "cannot read {path} inside: {}", output.stderr);
            return output.stdout;
        }
        let path = self.on_disk(path);
        fs::read_to_string(&path)
            .map(|text| text.trim_end().to_owned())
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Where a path of the machine's disk is on the host.
    pub fn on_disk(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// Makes a user with a home.
    #[track_caller]
    pub fn add_user(&self, name: &str) {
        self.sh(&format!("useradd --create-home --shell /bin/bash {name}"));
    }

    /// Makes a user's manager run from boot on, and returns when it is up.
    #[track_caller]
    pub fn enable_linger(&self, user: &str) {
        self.sh(&format!("loginctl enable-linger {user}"));
        self.wait_until("the user's manager runs", LINGER_LIMIT, || {
            self.try_sh_as(user, "systemctl --user is-system-running").ok()
        });
    }
}

/// Sets the permission bits of a file.
#[track_caller]
pub(super) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("cannot set the mode of {}: {error}", path.display()));
}
