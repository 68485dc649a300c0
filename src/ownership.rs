//! Who may decide what root does: a file, and everything on the way to it, belongs to its owner and is writable by nobody else.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;

/// Programs that run the file that they are given.
const INTERPRETERS: [&str; 11] =
    ["sh", "bash", "dash", "zsh", "python", "perl", "ruby", "php", "node", "lua", "tclsh"];
/// Links on the way to a file.
const LINKS: usize = 16;

/// The file, every directory on the way to it, and every link on that way with all that it leads over, belong to root or
/// `owner` and are writable by nobody else. Nobody else can then turn any of it between this look and the next.
///
/// # Errors
/// One sentence that names the path at fault and the command that mends it.
pub fn check(path: &Path, owner: u32) -> Result<(), String> {
    walk(path, owner, false)
}

/// The same of a file that is read and not run. It may stand in a directory of everybody's where nobody replaces what is
/// another's (`/tmp`, the sticky bit).
///
/// # Errors
/// As `check`.
pub fn check_content(path: &Path, owner: u32) -> Result<(), String> {
    walk(path, owner, true)
}

fn walk(path: &Path, owner: u32, sticky: bool) -> Result<(), String> {
    let wrong = |at: &Path, why: io::Error| format!("{}: {why}", at.display());
    let path = std::path::absolute(path).map_err(|why| wrong(path, why))?;
    follow(&path, wrong, |part, seen| match seen.file_type().is_symlink() {
        true if seen.uid() != 0 && seen.uid() != owner => {
            Err(format!("the link {} belongs to user {}", part.display(), seen.uid()))
        }
        true => Ok(()),
        false => allowed(part, seen, owner, sticky),
    })
}

/// Goes the way to a file, over its links, and shows each part: directories, links, and the file itself.
fn follow<E>(
    path: &Path,
    wrong: impl Fn(&Path, io::Error) -> E,
    mut show: impl FnMut(&Path, &Metadata) -> Result<(), E>,
) -> Result<(), E> {
    let mut ahead: VecDeque<OsString> = parts(path).collect();
    let (mut here, mut links) = (PathBuf::new(), 0);
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let seen = fs::symlink_metadata(&next).map_err(|why| wrong(&next, why))?;
        show(&next, &seen)?;
        if !seen.file_type().is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(wrong(path, io::Error::other("too many links")));
        }
        let target = fs::read_link(&next).map_err(|why| wrong(&next, why))?;
        for part in parts(&target).rev() {
            ahead.push_front(part);
        }
    }
    Ok(())
}

/// What a question is about, opened so that it can be looked at or connected to, and not read.
#[derive(Debug)]
pub struct Asked {
    pub file: OwnedFd,
    /// Somebody besides root chose that the way leads here.
    pub turned: bool,
}

/// Opens what a question is about, to look at it or to connect to it, and nothing that a stranger on the way has turned it to and
/// may not look at himself: root would look for him. The place of a link or directory of another user's is his to fill.
///
/// # Errors
/// The kernel's; or `PermissionDenied` with one sentence.
pub fn open_asked(path: &Path) -> io::Result<Asked> {
    let path = std::path::absolute(path)?;
    let flags = OFlag::O_PATH.bits() | OFlag::O_CLOEXEC.bits();
    let file: OwnedFd = fs::File::options().read(true).custom_flags(flags).open(&path)?.into();
    let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    if real == path || !nix::unistd::geteuid().is_root() {
        return Ok(Asked { file, turned: false });
    }
    let Some((stranger, before)) = stranger(&path)? else {
        return Ok(Asked { file, turned: false });
    };
    for folder in real.ancestors().skip(1).filter(|folder| !before.starts_with(folder)) {
        let seen = fs::symlink_metadata(folder)?;
        let his = stranger.uids.contains(&seen.uid()) || stranger.gids.contains(&seen.gid());
        if !his && seen.mode() & 0o001 == 0 {
            let (path, real) = (path.display(), folder.display());
            let why = format!("{path} leads into {real}, where those who may turn it may not look");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    Ok(Asked { file, turned: true })
}

/// Those besides root who may turn a way.
#[derive(Debug, Default)]
struct Stranger {
    uids: BTreeSet<u32>,
    gids: BTreeSet<u32>,
}

/// Who besides root may turn a part of the way, and the way up to that part; `None`: nobody.
fn stranger(path: &Path) -> io::Result<Option<(Stranger, PathBuf)>> {
    let (mut found, mut before) = (Stranger::default(), None);
    follow(
        path,
        |_, why| why,
        |part, seen| {
            let turns = seen.is_dir() || seen.file_type().is_symlink();
            let written_by =
                |bits: u32| seen.is_dir() && seen.mode() & bits != 0 && seen.mode() & 0o1000 == 0;
            let (uid, group, all) =
                (seen.uid() != 0, written_by(0o020) && seen.gid() != 0, written_by(0o002));
            if turns && (uid || group || all) {
                before.get_or_insert_with(|| part.to_owned());
                found.uids.extend(uid.then_some(seen.uid()));
                found.gids.extend(group.then_some(seen.gid()));
            }
            Ok(())
        },
    )?;
    Ok(before.map(|before| (found, before)))
}

/// The program of a command that root runs, what interprets it, and the script that it is given: as `check`.
///
/// # Errors
/// As `check`.
pub fn check_command(argv: &[String], owner: u32) -> Result<(), String> {
    let Some(program) = argv.first().map(Path::new) else {
        return Ok(());
    };
    check(program, owner)?;
    if let Some(interpreter) = interpreter(program) {
        check(&interpreter, owner)?;
    }
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !INTERPRETERS.iter().any(|known| name.starts_with(known)) {
        return Ok(());
    }
    match argv.iter().skip(1).find(|word| !word.starts_with('-')) {
        Some(script) if script.starts_with('/') => check(Path::new(script), owner),
        Some(_) | None => Ok(()),
    }
}

/// What the first line of a script names.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut begin = [0; 256];
    let read = fs::File::open(program).ok()?.read(&mut begin).ok()?;
    let line = begin.get(..read)?.split(|byte| *byte == b'\n').next()?.strip_prefix(b"#!")?;
    let path = String::from_utf8_lossy(line).split_whitespace().next()?.to_owned();
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// The root is a part like the others: where it stands, the way begins anew.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned())
}

fn allowed(path: &Path, seen: &Metadata, owner: u32, sticky: bool) -> Result<(), String> {
    let kept = sticky && seen.is_dir() && seen.mode() & 0o1000 != 0;
    let shown = path.display();
    if seen.uid() != 0 && seen.uid() != owner {
        let name = if owner == 0 { "root".to_owned() } else { format!("user {owner} or root") };
        return Err(format!("{shown} belongs to user {}, not to {name} (chown root {shown})", seen.uid()));
    }
    if seen.mode() & 0o022 != 0 && !kept {
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

    /// A service's user may not have root look into a directory that is closed to him.
    #[test]
    fn what_a_stranger_turned_into_a_closed_directory_is_not_opened() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = place("asked");
        let closed = place.join("real/closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(closed.join("secret"), "").unwrap();
        symlink(closed.join("secret"), place.join("joe/beat")).unwrap();
        let asked = || open_asked(&place.join("joe/beat")).map(|_| ());
        assert!(asked().is_ok(), "the link is root's");
        chown(place.join("joe"), Some(JOE), None).unwrap();
        let why = asked().unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::PermissionDenied, "{why}");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(asked().is_ok(), "he may look there himself");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&closed, Some(JOE), None).unwrap();
        assert!(asked().is_ok(), "it is his");
        assert_eq!(open_asked(&place.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_script_and_what_interprets_it_count_as_well() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = place("scripts");
        let wrong = |argv: &[&str]| {
            let argv: Vec<String> =
                argv.iter().map(|word| word.replace("PLACE", &place.to_string_lossy())).collect();
            check_command(&argv, 0).err().filter(|why| why.contains("belongs to user 1234"))
        };
        for (file, text) in
            [("joe/check.sh", ""), ("app/mine", "#!/bin/sh -e\n"), ("app/his", "#! PLACE/joe/check.sh\n")]
        {
            fs::write(place.join(file), text.replace("PLACE", &place.to_string_lossy())).unwrap();
        }
        chown(place.join("joe/check.sh"), Some(JOE), None).unwrap();
        assert!(wrong(&["/bin/sh", "PLACE/joe/check.sh"]).is_some());
        assert!(wrong(&["/usr/bin/python3", "-u", "PLACE/joe/check.sh"]).is_some());
        assert!(wrong(&["/bin/cat", "PLACE/joe/check.sh"]).is_none(), "it is read, and not run");
        assert!(wrong(&["PLACE/app/his"]).is_some());
        assert!(wrong(&["PLACE/app/mine"]).is_none());
        assert!(wrong(&["/bin/sh", "-c", "true"]).is_none());
    }
}
