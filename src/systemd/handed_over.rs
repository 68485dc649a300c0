//! Variables of a command that nobody else is to read. Every user of the host may ask the service manager for the properties of
//! any unit, `Environment=` among them; so these stand in a file of our own user's alone, of which the manager tells the name.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bus::Instance;

/// How the names of the files end.
const SUFFIX: &str = ".env";
/// What a run of ours that was killed left behind is older.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// The file, which goes with this.
#[derive(Debug)]
pub(super) struct HandedOver(PathBuf);

impl HandedOver {
    /// Writes `NAME=value` each into a file for the unit of this name.
    ///
    /// # Errors
    /// It could not be written; one clause.
    pub(super) fn write(instance: Instance, unit: &str, variables: &[String]) -> Result<Self, String> {
        let folder = folder(instance).ok_or("there is no runtime directory")?;
        write_in(&folder, unit, variables)
            .map_err(|why| format!("its variables cannot be written below {}: {why}", folder.display()))
    }

    pub(super) fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        // What stays is removed with one of the next.
        drop(fs::remove_file(&self.0));
    }
}

fn folder(instance: Instance) -> Option<PathBuf> {
    match instance {
        Instance::System => Some(PathBuf::from("/run/steadfast")),
        Instance::User => std::env::var_os("XDG_RUNTIME_DIR").map(|base| Path::new(&base).join("steadfast")),
    }
}

fn write_in(folder: &Path, unit: &str, variables: &[String]) -> std::io::Result<HandedOver> {
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    forget(folder);
    let path = folder.join(format!("{unit}{SUFFIX}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let handed_over = HandedOver(path);
    let text: String = variables.iter().filter_map(|variable| line(variable)).collect();
    file.write_all(text.as_bytes())?;
    Ok(handed_over)
}

fn forget(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().ends_with(SUFFIX);
        let old = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if ours && old().is_some_and(|age| age > LEFT_BEHIND) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// As systemd reads it: in double quotes a backslash takes away the meaning of these four.
fn line(variable: &str) -> Option<String> {
    let (name, value) = variable.split_once('=')?;
    let mut line = format!("{name}=\"");
    for character in value.chars() {
        match character {
            '"' | '\\' | '$' | '`' => line.extend(['\\', character]),
            '\n' | '\t' => line.push(character),
            other if other.is_control() => line.push(' '),
            other => line.push(other),
        }
    }
    line.push_str("\"\n");
    Some(line)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn row_11_variables_are_for_their_command_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = ["A=1", "B=two \"words\" $HOME `x` \\ \u{1b}[m", "C=a\nb"].map(str::to_owned);
        let written = write_in(folder.path(), "x.service", &variables).expect("written");
        let path = folder.path().join("x.service.env");
        assert_eq!(written.path(), path.to_string_lossy());
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let wanted = "A=\"1\"\nB=\"two \\\"words\\\" \\$HOME \\`x\\` \\\\  [m\"\nC=\"a\nb\"\n";
        assert_eq!(fs::read_to_string(&path).expect("a text"), wanted);
        assert!(write_in(folder.path(), "x.service", &[]).is_err(), "never one that is there already");
        drop(written);
        assert!(!path.exists(), "it goes with the command");
    }
}
