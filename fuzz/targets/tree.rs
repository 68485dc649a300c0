//! Links and paths: a tree of files as the input says, and what is told of a unit that lives in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use steadfast::model::release::Search;
use steadfast::release::links::{read_links, watch_directories};
use tempfile::TempDir;

use super::{Play, shape};

/// Things that are made for one input.
const MADE: usize = 24;
/// Links that are told of one unit, at most.
const LINKS: usize = 64;

pub const WORDS: &[&str] = &[
    "D /srv/app/releases/1\n",
    "D /srv/a\n",
    "F /srv/app/releases/1/x\n",
    "L /srv/app/current releases/1\n",
    "L /srv/app/current /srv/app/releases/2\n",
    "L /a /b\n",
    "L /b /a\n",
    "S /srv/app/current/x\n",
    "W /srv/app/current\n",
    "C /srv/app/current\n",
    "..",
    "../",
    "/",
    "//",
    "/.",
    "./",
    "/srv",
    "/app",
    "/current",
    "/releases",
    "L ",
    "D ",
    "F ",
    "S ",
    "W ",
    "C ",
    " ",
    "\n",
    "/usr/x",
    "/proc/self/cwd",
    "/etc/alternatives/x",
];

pub fn links() -> Box<dyn Play> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder: TempDir = folder.expect("a folder");
    let mut number = 0_u64;
    Box::new(move |input: &[u8]| {
        number += 1;
        let root = folder.path().join(number.to_string());
        fs::create_dir(&root).map_err(|why| why.to_string())?;
        let told = told(&root, &String::from_utf8_lossy(input));
        fs::remove_dir_all(&root).map_err(|why| why.to_string())?;
        told
    })
}

fn told(root: &Path, text: &str) -> Result<u64, String> {
    let mut search = Search { root: root.to_string_lossy().into_owned(), ..Search::default() };
    for line in text.lines().take(MADE) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (path, target) = rest.split_once(' ').unwrap_or((rest, ""));
        make(root, kind, path, target);
        match kind {
            "S" => search.others.push(rest.to_owned()),
            "W" => search.directory = Some(rest.to_owned()),
            "C" => search.declared = Some(rest.to_owned()),
            _ => {}
        }
    }
    let (links, watched) = (read_links(&search), watch_directories(&search));
    if links.len() > LINKS {
        return Err(format!("{} links", links.len()));
    }
    // Whatever links say, a unit with a root of its own is told of nothing outside of it.
    let inside = |path: &str| Path::new(path).starts_with(root);
    let places =
        links.iter().flat_map(|link| link.target.iter().map(|target| &target.path).chain([&link.link]));
    if let Some(outside) = places.into_iter().find(|path| !inside(path)) {
        return Err(format!("{outside} is outside"));
    }
    let kinds =
        links.iter().map(|link| (link.target.is_some(), link.plain, &link.problem, link.dangling.is_some()));
    Ok(shape(&format!("{:?} {}", kinds.collect::<Vec<_>>(), "x".repeat(watched.len().min(8)))))
}

/// Inside of the root; what cannot be made is left out.
fn make(root: &Path, kind: &str, path: &str, target: &str) {
    let parts = Path::new(path).components().filter(|part| matches!(part, Component::Normal(_)));
    let mut place = PathBuf::from(root);
    for part in parts {
        // Never through a link that leads elsewhere.
        if place.is_symlink() {
            return;
        }
        place.push(part);
    }
    if place == root || path.contains('\0') || target.contains('\0') {
        return;
    }
    let folder = if kind == "D" { Some(place.as_path()) } else { place.parent() };
    if !matches!(kind, "D" | "F" | "L") || folder.is_none_or(|folder| fs::create_dir_all(folder).is_err()) {
        return;
    }
    let made = match kind {
        "F" if !place.is_symlink() => fs::write(&place, ""),
        "L" => symlink(target, &place),
        _ => Ok(()),
    };
    drop(made);
}
