//! Who may decide what root does: a file, and everything on the way to it, belongs to its owner and is writable by nobody else.

use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::diagnose::Mistake;

/// Links on the way to a file.
const LINKS: usize = 16;

/// The file, its target if it is a link, and every directory above both belong to root or `owner` and are writable by nobody else.
///
/// # Errors
/// One sentence that names the path at fault and the command that mends it.
pub fn check(path: &Path, owner: u32) -> Result<(), String> {
    let real = fs::canonicalize(path).map_err(|why| format!("{}: {why}", path.display()))?;
    for above in real.ancestors().skip(1) {
        let seen = fs::metadata(above).map_err(|why| format!("{}: {why}", above.display()))?;
        allowed(above, &seen, owner)?;
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let seen = fs::symlink_metadata(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            let seen = fs::metadata(above).map_err(|why| format!("{}: {why}", above.display()))?;
            allowed(above, &seen, owner)?;
        }
        if !seen.file_type().is_symlink() {
            return allowed(&path, &seen, owner);
        }
        if seen.uid() != 0 && seen.uid() != owner {
            return Err(format!("the link {} belongs to user {}", path.display(), seen.uid()));
        }
        let target = fs::read_link(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        path = path.parent().unwrap_or(Path::new("/")).join(target);
    }
    Err(format!("{}: too many links", path.display()))
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
