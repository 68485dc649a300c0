//! Puts a new unit file in its place: checked as `verify` does before it is there, whole or not at all, never over another.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Directories;
use crate::ownership;

/// Where the unit file of this unit is, or would be: the one that is in force, or one in the first directory.
#[must_use]
pub fn place(directories: &Directories, unit: &str) -> PathBuf {
    let name = format!("{unit}.toml");
    let known = directories.units.iter().map(|folder| folder.join(&name)).find(|file| file.exists());
    let first = directories.units.first().cloned().unwrap_or_default();
    known.unwrap_or_else(|| first.join(name))
}

/// Writes it. The daemon sees it whole, or not at all.
///
/// # Errors
/// "cannot write FILE: cause"; nothing is left behind then.
pub fn put(directories: &Directories, file: &Path, text: &str) -> Result<(), String> {
    let cannot = |why: String| format!("cannot write {}: {why}", file.display());
    let folder = file.parent().ok_or_else(|| cannot("it has no folder".to_owned()))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|why| cannot(why.to_string()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // A name that the daemon does not read.
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    let put = written(&draft, text)
        .map_err(|why| why.to_string())
        .and_then(|()| ownership::check(&draft, directories.owner))
        .and_then(|()| moved(&draft, file, folder));
    if put.is_err() {
        drop(fs::remove_file(&draft));
    }
    put.map_err(cannot)
}

/// The text of a file of another supervisor; nothing of it is run.
///
/// # Errors
/// "cannot read FILE: cause".
pub fn read_foreign(file: &Path, most: u64) -> Result<String, String> {
    let cannot = |why: String| format!("cannot read {}: {why}", file.display());
    // To open a device may be an order to it; a pipe would not end.
    if fs::metadata(file).is_ok_and(|seen| !seen.is_file()) {
        return Err(cannot("it is no regular file".to_owned()));
    }
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file);
    let opened = opened.map_err(|why| cannot(why.to_string()))?;
    if !opened.metadata().is_ok_and(|seen| seen.is_file()) {
        return Err(cannot("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    opened.take(most + 1).read_to_end(&mut bytes).map_err(|why| cannot(why.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(cannot(format!("it has more than {most} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn written(draft: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(draft)?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn moved(draft: &Path, file: &Path, folder: &Path) -> Result<(), String> {
    // A second name is never over another file, on every file system; then the first one goes.
    fs::hard_link(draft, file).map_err(|why| match why.kind() {
        std::io::ErrorKind::AlreadyExists => "it is there already".to_owned(),
        _ => why.to_string(),
    })?;
    drop(fs::remove_file(draft));
    // It is in its place; whether its name survives a power cut is all that this decides.
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::scratch;
    use super::*;

    #[test]
    fn a_file_is_whole_and_never_over_another() {
        let (_root, directories) = scratch();
        let file = place(&directories, "shop.service");
        put(&directories, &file, "mode = \"act\"\n").unwrap();
        let seen = fs::metadata(&file).unwrap();
        assert_eq!(seen.permissions().mode() & 0o7777, 0o644);
        let again = put(&directories, &file, "other\n").unwrap_err();
        assert!(again.ends_with("it is there already"), "{again}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mode = \"act\"\n");
        let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_folder_that_others_may_write_gets_no_file() {
        let (_root, directories) = scratch();
        let folder = &directories.units[0];
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = put(&directories, &place(&directories, "shop.service"), "").unwrap_err();
        assert!(refused.contains("can be written by others"), "{refused}");
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn a_foreign_file_is_read_up_to_its_limit() {
        let (root, _) = scratch();
        let file = root.path().join("monitrc");
        fs::write(&file, "check").unwrap();
        assert_eq!(read_foreign(&file, 10).as_deref(), Ok("check"));
        assert!(read_foreign(&file, 3).unwrap_err().contains("more than 3 bytes"));
        assert!(read_foreign(root.path(), 10).unwrap_err().contains("no regular file"));
    }
}
