//! A release link that a unit does not name: one beside the directory in which its process lives.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::trail;

/// Entries of one directory that are looked at.
const ENTRIES: usize = 1000;
/// Directories above a process's own that may be a release.
const ABOVE: usize = 6;
/// `/` and a directory right below it: no release.
const TOP: usize = 2;

/// A link that leads to this directory, or to one above it, and stands beside it or one level higher: `/srv/app/current`
/// for `/srv/app/releases/66/public`.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn link_to(directory: &Path) -> Option<String> {
    if !directory.is_absolute() || trail::is_system(directory) {
        return None;
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()));
    for release in directory.ancestors().take(ABOVE).filter(|path| path.components().count() > TOP) {
        let Some(wanted) = identity(release) else {
            continue;
        };
        for folder in release.ancestors().skip(1).take(2).filter(|folder| folder.parent().is_some()) {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES);
            let mut links: Vec<_> = entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()))
                .map(|entry| entry.path())
                .filter(|link| identity(link) == Some(wanted))
                .collect();
            links.sort();
            if let Some(link) = links.first() {
                return Some(link.to_string_lossy().into_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_link_beside_a_release_is_found_from_inside_it() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("srv/app");
        create_dir_all(app.join("releases/66/public")).expect("a release");
        create_dir_all(app.join("releases/65")).expect("a release");
        assert_eq!(link_to(&app.join("releases/66/public")), None);
        symlink("releases/66", app.join("current")).expect("a link");
        let current = app.join("current").to_string_lossy().into_owned();
        assert_eq!(link_to(&app.join("releases/66/public")), Some(current));
        assert_eq!(link_to(&app.join("releases/65")), None);
        assert_eq!(link_to(Path::new("/usr/lib/x")), None);
    }
}
