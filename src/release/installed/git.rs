//! A working tree of git: the commit that `HEAD` resolves to, and since when.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::model::installed::Content;
use crate::model::moment::Moment;
use crate::model::release::FileId;

use super::print;
use super::{Found, Look, gone, is_recent};

/// Directories above a script in which its checkout may begin.
const ABOVE: usize = 8;
/// Bytes of a file of git that are read.
const SMALL: u64 = 4096;
const PACKED: u64 = 8 * 1024 * 1024;
/// Bytes of the end of the log of `HEAD` that are read.
const LOG: u64 = 256 * 1024;
/// What the log of `HEAD` says of a commit that was made here, of what lay in the working tree already.
const MADE_HERE: [&str; 2] = ["commit: ", "commit (amend): "];
/// What makes code of a directory in which a process lives.
const MANIFESTS: [&str; 12] = [
    "Gemfile",
    "package.json",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "manage.py",
    "composer.json",
    "artisan",
    "go.mod",
    "Cargo.toml",
    "mix.exs",
    "config.ru",
];
/// Kept in git by tools of their own (etckeeper, dotfiles): no code.
const NO_CODE: [&str; 10] =
    ["/", "/etc", "/root", "/home", "/var", "/var/lib", "/srv", "/opt", "/usr", "/usr/local"];

/// The checkout in which a path lies. `code`: the path is code by itself; else the checkout must look like code.
pub(super) fn around(path: &Path, code: bool) -> Option<PathBuf> {
    let above = path.ancestors().take(ABOVE).find(|above| above.join(".git").exists())?;
    let home = above.parent() == Some(Path::new("/home"));
    let no_code = home || NO_CODE.iter().any(|place| above == Path::new(place)) || above.starts_with("/etc");
    let manifest = || MANIFESTS.iter().any(|name| above.join(name).is_file());
    (!no_code && (code || manifest())).then(|| above.to_owned())
}

/// The directory of git, and the one that holds its branches (another one for a linked working tree).
fn directories(place: &Path) -> Option<(PathBuf, PathBuf)> {
    let named = place.join(".git");
    if named.is_dir() {
        return Some((named.clone(), named));
    }
    let text = print::text(&named, SMALL)?;
    let own = place.join(text.strip_prefix("gitdir:")?.trim());
    let common = print::text(&own.join("commondir"), SMALL).map(|text| own.join(text.trim()));
    Some((own.clone(), common.unwrap_or(own)))
}

/// The branch of `HEAD`, by its name below the directory of git; `None` for a bare commit.
fn branch(head: &str) -> Option<PathBuf> {
    let name = Path::new(head.strip_prefix("ref:")?.trim()).to_owned();
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && name.starts_with("refs")).then_some(name)
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where a change shows that another commit was checked out.
pub(super) fn watched(place: &Path) -> Vec<PathBuf> {
    let Some((own, common)) = directories(place) else {
        return vec![place.to_owned()];
    };
    let head = own.join("HEAD");
    let branch = print::text(&head, SMALL).and_then(|text| branch(&text));
    let mut watched = vec![head, common.join("packed-refs")];
    watched.extend(branch.map(|name| common.join(name)));
    watched
}

pub(super) fn read(place: &Path, look: &Look<'_>) -> Option<Found> {
    let Some((own, common)) = directories(place) else {
        return gone(place, look);
    };
    let lock = own.join("index.lock");
    if fs::metadata(&lock).is_ok_and(|seen| is_recent(&seen, look.now)) {
        return Some(Found::Unsettled(format!("git is at work: {}", lock.display())));
    }
    let head = own.join("HEAD");
    let text = print::text(&head, SMALL)?;
    let branch = branch(&text);
    let named = branch.as_ref().map_or_else(|| head.clone(), |name| common.join(name));
    let loose = print::text(&named, SMALL).map(|text| text.trim().to_owned()).filter(|text| is_commit(text));
    let commit = loose.or_else(|| packed(&common, branch.as_deref()?))?;
    let files = [&named, &head].into_iter().filter_map(|path| fs::metadata(path).ok());
    let written = files.map(|seen| print::changed(&seen, look.now)).max().unwrap_or(look.now);
    let (since, same) = trace(&own, &commit, look.now);
    Some(Found::Whole(Content {
        print: print::of(commit.as_bytes()),
        newest: named.to_string_lossy().into_owned(),
        // The files tell of the last move only.
        made_at: since.map(|logged| if same.is_empty() { refined(logged, written) } else { logged }),
        changed_at: written,
        same,
        ..Content::default()
    }))
}

/// The log tells whole seconds: within that second, the file tells the moment.
fn refined(logged: Moment, written: Moment) -> Moment {
    let within = (0..2000).contains(&written.wall_ms.saturating_sub(logged.wall_ms));
    if within { written } else { logged }
}

fn packed(common: &Path, branch: &Path) -> Option<String> {
    let text = print::text(&common.join("packed-refs"), PACKED)?;
    let name = branch.to_str()?;
    let mut found = text.lines().filter_map(|line| line.split_once(' '));
    found
        .find(|(_, known)| *known == name)
        .map(|(commit, _)| commit.to_owned())
        .filter(|commit| is_commit(commit))
}

/// One move of `HEAD`, as its log tells: `OLD NEW Name <mail> SECONDS +0000<tab>what`.
struct Move<'a> {
    from: &'a str,
    to: &'a str,
    seconds: i64,
    made_here: bool,
}

impl<'a> Move<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (who, what) = line.split_once('\t').unwrap_or((line, ""));
        let mut words = who.split(' ');
        let (from, to) = (words.next()?, words.next()?);
        let seconds = who.rsplit(' ').nth(1)?.parse().ok()?;
        Some(Self { from, to, seconds, made_here: MADE_HERE.iter().any(|word| what.starts_with(word)) })
    }
}

/// Since when the files of this commit are in the working tree, and the prints of the commits that had the same files there: to
/// commit what lies there changes none of them, where a pull, a checkout, a merge or a reset does.
fn trace(own: &Path, commit: &str, now: Moment) -> (Option<Moment>, BTreeSet<FileId>) {
    let (mut since, mut same) = (None, BTreeSet::new());
    let text = log(own).unwrap_or_default();
    let mut at = commit;
    for step in text.lines().rev().map_while(Move::of) {
        if step.to != at {
            break;
        }
        since = Some(step.seconds);
        if step.from != step.to {
            let begins = step.from.bytes().all(|byte| byte == b'0');
            if !step.made_here || begins || !is_commit(step.from) {
                break;
            }
            same.insert(print::of(step.from.as_bytes()));
            at = step.from;
        }
    }
    (since.map(|seconds| now.at_wall_ms(seconds.saturating_mul(1000))), same)
}

/// The end of the log of `HEAD`.
fn log(own: &Path) -> Option<String> {
    let (mut file, seen) = print::open(&own.join("logs/HEAD"))?;
    file.seek(SeekFrom::Start(seen.len().saturating_sub(LOG))).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
