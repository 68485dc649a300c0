//! Adds a table to steadfast.toml: checked as the daemon would read it, and whole or not at all.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::diagnose::problem;
use super::directories::Directories;
use super::loader::{Loader, text_of};
use super::parse;
use crate::ownership;

/// Where the settings are, or would be.
#[must_use]
pub fn settings_file(user: bool) -> PathBuf {
    Directories::of(user).settings
}

/// The names of the alert sinks that are in force.
#[must_use]
pub fn sinks(user: bool) -> Vec<String> {
    let settings = Loader::new(Directories::of(user)).load().settings;
    settings.sinks.into_iter().map(|sink| sink.name).collect()
}

/// What is wrong in this text of settings, a sentence each.
#[must_use]
pub fn mistakes_in_settings(text: &str) -> Vec<String> {
    let owner = nix::unistd::getuid().as_raw();
    let mistakes = parse::mistakes_of_settings(text, owner);
    mistakes.iter().map(|one| problem(Path::new("steadfast.toml"), text, one).message).collect()
}

/// Adds a table to the settings, and a file beside them that its owner alone may read; tells what was written.
///
/// # Errors
/// "cannot X: cause"; the settings are as they were then.
pub fn add_to_settings(
    user: bool,
    table: &str,
    secret: Option<(&str, &str)>,
) -> Result<Vec<PathBuf>, String> {
    add(&Directories::of(user), table, secret)
}

fn add(directories: &Directories, table: &str, secret: Option<(&str, &str)>) -> Result<Vec<PathBuf>, String> {
    let file = &directories.settings;
    let cannot = |file: &Path, why: &dyn std::fmt::Display| format!("cannot write {}: {why}", file.display());
    let folder = file.parent().ok_or_else(|| cannot(file, &"it has no folder"))?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(|why| cannot(file, &why))?;
    let mut written = Vec::new();
    if let Some((name, text)) = secret {
        let path = folder.join(name);
        put(&path, text, 0o600, directories.owner).map_err(|why| cannot(&path, &why))?;
        written.push(path);
    }
    let old = match text_of(file) {
        Some(text) => text,
        None if file.exists() => {
            return Err(format!("cannot read {}: it is not a text file of a usual size", file.display()));
        }
        None => String::new(),
    };
    let gap = if old.is_empty() || old.ends_with("\n\n") { "" } else { "\n" };
    let end = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let new = format!("{old}{end}{gap}{table}");
    if let Some(one) = parse::mistakes_of_settings(&new, directories.owner).first() {
        let told = problem(file, &new, one);
        return Err(format!("cannot add to {}: line {}: {}", file.display(), told.line, told.message));
    }
    put(file, &new, 0o644, directories.owner).map_err(|why| cannot(file, &why))?;
    written.push(file.clone());
    Ok(written)
}

/// Writes beside it, and moves it into its place.
fn put(file: &Path, text: &str, mode: u32, owner: u32) -> Result<(), String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
        opened.set_permissions(fs::Permissions::from_mode(mode))?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()
    };
    let moved = write()
        .map_err(|why| why.to_string())
        .and_then(|()| ownership::check(&draft, owner))
        .and_then(|()| fs::rename(&draft, file).map_err(|why| why.to_string()));
    if moved.is_err() {
        drop(fs::remove_file(&draft));
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::super::tests::scratch;
    use super::*;

    const SINK: &str = "[alert.mail]\ntype = \"smtp\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n";

    #[test]
    fn a_table_is_added_to_what_is_there_and_never_breaks_it() {
        let (_root, directories) = scratch();
        let file = &directories.settings;
        assert_eq!(
            add(&directories, SINK, Some(("alert.url", "https://x\n"))).map(|files| files.len()),
            Ok(2)
        );
        assert_eq!(fs::read_to_string(file).ok().as_deref(), Some(SINK));
        let secret = fs::metadata(file.with_file_name("alert.url")).expect("a file");
        assert_eq!(secret.permissions().mode() & 0o777, 0o600);
        fs::write(file, "# mine\nresync = \"20s\"").expect("a file");
        add(&directories, SINK, None).expect("added");
        let text = fs::read_to_string(file).expect("a text");
        assert_eq!(text, format!("# mine\nresync = \"20s\"\n\n{SINK}"));
        let twice = add(&directories, SINK, None).expect_err("the same name twice");
        assert!(twice.contains("cannot add to"), "{twice}");
        assert_eq!(fs::read_to_string(file).ok(), Some(text), "as it was");
        let left = fs::read_dir(file.parent().expect("a folder")).expect("a folder").count();
        assert_eq!(left, 3, "units.d, the settings and the secret");
    }
}
