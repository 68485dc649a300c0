//! A virtual environment of Python: what is installed is what the `RECORD` of each package says, with its sums.

use std::fs::{self, DirEntry, Metadata};
use std::path::{Path, PathBuf};

use crate::model::installed::Content;
use crate::model::moment::Moment;

use super::print::{self, Print};
use super::{Found, Look, gone, is_recent};

/// Directories above an interpreter or script in which its environment may be.
const ABOVE: usize = 4;
/// Entries of `site-packages` that are looked at.
const ENTRIES: usize = 8192;
/// Versions of Python in one environment.
const PYTHONS: usize = 8;
/// The largest `RECORD` that is read.
const RECORD: u64 = 8 * 1024 * 1024;
/// What makes an environment of a directory.
const CONFIGURATION: &str = "pyvenv.cfg";

/// The environment to which a path leads: an interpreter or script in it, or a link to one.
pub(super) fn around(path: &Path) -> Option<PathBuf> {
    let in_one = |path: &Path| {
        let mut above = path.ancestors().take(ABOVE).filter(|above| above.parent().is_some());
        above.find(|above| above.join(CONFIGURATION).is_file()).map(Path::to_owned)
    };
    in_one(path).or_else(|| in_one(&fs::canonicalize(path).ok()?))
}

/// The path is one of the programs of an environment: its packages tell of it.
pub(super) fn is_program_of(path: &Path) -> bool {
    let programs = path.parent().filter(|directory| directory.file_name().is_some_and(|name| name == "bin"));
    programs.and_then(Path::parent).is_some_and(|home| home.join(CONFIGURATION).is_file())
}

/// Where a change shows that something was installed.
pub(super) fn watched(place: &Path) -> Vec<PathBuf> {
    let own = [place.to_owned(), place.join(CONFIGURATION)];
    own.into_iter().chain(sites(place)).collect()
}

fn sites(place: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(place.join("lib")).into_iter().flatten().flatten().take(PYTHONS);
    let sites = versions.map(|version| version.path().join("site-packages"));
    sites.filter(|site| site.is_dir()).collect()
}

/// One installed package.
struct Package {
    directory: PathBuf,
    made: Metadata,
    record: Metadata,
}

pub(super) fn read(place: &Path, look: &Look<'_>) -> Option<Found> {
    let Ok(configuration) = fs::metadata(place.join(CONFIGURATION)) else {
        let half = fs::metadata(place).is_ok_and(|seen| is_recent(&seen, look.now));
        let why = || format!("{} is being made: it has no {CONFIGURATION} yet", place.display());
        return if half { Some(Found::Unsettled(why())) } else { gone(place, look) };
    };
    let mut packages = Vec::new();
    for site in sites(place) {
        for entry in fs::read_dir(&site).into_iter().flatten().flatten().take(ENTRIES) {
            match package(&entry, look) {
                Entry::Package(package) => packages.push(*package),
                Entry::HalfWay(why) => return Some(Found::Unsettled(why)),
                Entry::Other => {}
            }
        }
    }
    packages.sort_by(|one, other| one.directory.cmp(&other.directory));
    let mut stamp = Print::new();
    print::stamp(&mut stamp, &configuration);
    for package in &packages {
        stamp.add(package.directory.as_os_str().as_encoded_bytes());
        print::stamp(&mut stamp, &package.record);
    }
    let stamp = stamp.done().dev;
    let known = look.known.filter(|known| known.stamp == stamp);
    let content = match known {
        Some(known) => known.clone(),
        None => against(content(place, &configuration, &packages, look.now), place, look),
    };
    Some(Found::Whole(Content { stamp, ..content }))
}

/// The content, with what is gone from it since it was seen last, where that alone is what changed.
fn against(content: Content, place: &Path, look: &Look<'_>) -> Content {
    let Some(known) = look.known else {
        return content;
    };
    if known.print == content.print {
        return Content { removed: known.removed.clone(), ..content };
    }
    // By the clock that files are written by: two looks may convert the same time to boot times a millisecond apart.
    let newest = |content: &Content| content.newest_at.map(|at| at.wall_ms);
    let newer = newest(&content) > newest(known) || !content.parts.is_subset(&known.parts);
    let removed = known.parts.difference(&content.parts).next().filter(|_| !newer).cloned();
    if removed.is_none() {
        return content;
    }
    let written = |site: &PathBuf| fs::metadata(site).ok().map(|seen| print::written(&seen, look.now));
    let at = sites(place).iter().filter_map(written).max().unwrap_or_default();
    Content { removed, changed_at: content.changed_at.max(at), ..content }
}

fn content(place: &Path, configuration: &Metadata, packages: &[Package], now: Moment) -> Content {
    let mut print = Print::new();
    // Which Python, and which version of it: the rest says who made the environment.
    let text = print::text(&place.join(CONFIGURATION), 64 * 1024).unwrap_or_default();
    for line in text.lines().filter(|line| line.starts_with("home") || line.starts_with("version")) {
        print.add(line.as_bytes());
    }
    for package in packages {
        print.add(package.directory.file_name().unwrap_or_default().as_encoded_bytes());
        print.number(sums(&package.directory.join("RECORD")));
    }
    let age = |package: &&Package| {
        let made = print::born(&package.made, now).unwrap_or_default();
        made.max(print::written(&package.record, now))
    };
    let newest = packages.iter().max_by_key(age);
    let home = fs::metadata(place).ok().map(|home| print::changed(&home, now));
    let own = print::written(configuration, now);
    let named = newest.map_or_else(|| place.join(CONFIGURATION), |newest| newest.directory.clone());
    Content {
        print: print.done(),
        stamp: 0,
        newest: named.to_string_lossy().into_owned(),
        made_at: packages
            .iter()
            .filter_map(|package| print::born(&package.made, now))
            .chain(print::born(configuration, now))
            .max(),
        changed_at: newest.as_ref().map(age).into_iter().chain(home).fold(own, Moment::max),
        newest_at: newest.as_ref().map(age).into_iter().chain([own]).max(),
        parts: packages.iter().map(|package| package.directory.to_string_lossy().into_owned()).collect(),
        ..Content::default()
    }
}

/// The sums of the files of a package, in no order. Lines without a sum are what is compiled and written later; what lies
/// outside of `site-packages` (scripts) and in the folder of the record itself differs by who installed it.
fn sums(record: &Path) -> u64 {
    let text = print::text(record, RECORD).unwrap_or_default();
    let lines = text.lines().filter(|line| {
        line.contains(",sha")
            && !line.starts_with("../")
            && !line.split(',').next().unwrap_or_default().contains(".dist-info/")
    });
    lines.fold(0, |sum, line| sum.wrapping_add(print::of(line.trim_end().as_bytes()).ino))
}

enum Entry {
    Package(Box<Package>),
    /// An installer is at work, or was a moment ago.
    HalfWay(String),
    Other,
}

fn package(entry: &DirEntry, look: &Look<'_>) -> Entry {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    let directory = entry.path();
    let recent = || fs::metadata(&directory).ok().filter(|seen| is_recent(seen, look.now));
    if name.starts_with('~') {
        // pip puts aside there what it is about to replace.
        let why = |_| Entry::HalfWay(format!("pip is at work: {}", directory.display()));
        return recent().map_or(Entry::Other, why);
    }
    if !name.ends_with(".dist-info") {
        return Entry::Other;
    }
    let Ok(made) = fs::metadata(&directory) else {
        return Entry::Other;
    };
    match fs::metadata(directory.join("RECORD")) {
        Ok(record) if record.len() > 0 => Entry::Package(Box::new(Package { directory, made, record })),
        Ok(_) | Err(_) if is_recent(&made, look.now) => {
            Entry::HalfWay(format!("{} is not installed whole yet: it has no RECORD", directory.display()))
        }
        Ok(_) | Err(_) => Entry::Other,
    }
}
