//! Who may decide what root does: a file, and everything on the way to it, belongs to its owner and is writable by nobody else.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::diagnose::Mistake;

/// Links on the way to a file.
const LINKS: usize = 16;

/// The file, every directory on the way to it, and every link on that way with all that it leads over, belong to root or
/// `owner` and are writable by nobody else. Nobody else can then turn any of it between this look and the next.
///
/// # Errors
/// One sentence that names the path at fault and the command that mends it.
pub fn check(path: &Path, owner: u32) -> Result<(), String> {
    let path = std::path::absolute(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let mut ahead: VecDeque<OsString> = parts(&path).collect();
    let mut here = PathBuf::new();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let seen = fs::symlink_metadata(&next).map_err(|why| format!("{}: {why}", next.display()))?;
        if !seen.file_type().is_symlink() {
            allowed(&next, &seen, owner)?;
            here = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(format!("{}: too many links", path.display()));
        }
        if seen.uid() != 0 && seen.uid() != owner {
            return Err(format!("the link {} belongs to user {}", next.display(), seen.uid()));
        }
        let target = fs::read_link(&next).map_err(|why| format!("{}: {why}", next.display()))?;
        for part in parts(&target).rev() {
            ahead.push_front(part);
        }
    }
    Ok(())
}

/// The root is a part like the others: where it stands, the way begins anew.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned())
}

/// The program of the command that stands there belongs to somebody who may decide what is done.
pub fn trusted(argv: &[String], span: Range<usize>, owner: u32) -> Result<(), Mistake> {
    let Some(program) = argv.first() else {
        return Ok(());
    };
    check(Path::new(program), owner).map_err(|why| Mistake::at(span, format!("cannot run {program}: {why}")))
}

fn allowed(path: &Path, seen: &Metadata, owner: u32) -> Result<(), String> {
    let shown = path.display();
    if seen.uid() != 0 && seen.uid() != owner {
        let name = if owner == 0 { "root".to_owned() } else { format!("user {owner} or root") };
        return Err(format!("{shown} belongs to user {}, not to {name} (chown root {shown})", seen.uid()));
    }
    if seen.mode() & 0o022 != 0 {
        return Err(format!("{shown} can be written by others (chmod go-w {shown})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const JOE: u32 = 1234;

    /// A place that only root writes to; the usual one for temporary files is everybody's.
    fn place(name: &str) -> PathBuf {
        let place =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp").join(format!("ownership-{name}"));
        let _ = fs::remove_dir_all(&place);
        for folder in ["etc", "app", "real", "joe"] {
            fs::create_dir_all(place.join(folder)).unwrap();
            fs::set_permissions(place.join(folder), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(place.join("real/unit.toml"), "").unwrap();
        place
    }

    /// The way down to the checkout need not be root's alone; what is wrong there is not what is tried here.
    fn wrong_below(place: &Path, path: &str) -> Option<String> {
        check(&place.join(path), 0).err().filter(|why| why.contains(&*place.to_string_lossy()))
    }

    #[test]
    fn a_link_in_a_strangers_directory_on_the_way_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = place("way");
        symlink("../app/unit.toml", place.join("etc/unit.toml")).unwrap();
        fs::remove_dir(place.join("app")).unwrap();
        symlink("joe/current", place.join("app")).unwrap();
        symlink(place.join("real"), place.join("joe/current")).unwrap();
        assert_eq!(wrong_below(&place, "etc/unit.toml"), None);
        chown(place.join("joe"), Some(JOE), None).unwrap();
        let why = wrong_below(&place, "etc/unit.toml").unwrap();
        assert!(why.contains("ownership-way/joe belongs to user 1234"), "{why}");
        chown(place.join("joe"), Some(0), None).unwrap();
        fs::set_permissions(place.join("joe"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(wrong_below(&place, "app/unit.toml").unwrap().contains("can be written by others"));
    }

    #[test]
    fn links_in_a_circle_end() {
        let place = place("circle");
        symlink("b", place.join("etc/a")).unwrap();
        symlink("a", place.join("etc/b")).unwrap();
        assert!(check(&place.join("etc/a"), nix::unistd::geteuid().as_raw()).is_err());
    }
}
