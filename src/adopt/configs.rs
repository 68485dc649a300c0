//! Configuration of web servers, read as text: where they pass on what they are asked. Blocks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config;
use crate::model::host::{HostReading, Protocol};
use crate::model::unit::UnitName;

use super::judge::{Live, PROXIES, PassedOn, passed_on};

/// Files of one program, and bytes of each.
const FILES: usize = 300;
const BYTES: u64 = 256 * 1024;

/// Where this unit passes on; `None` where it is no proxy that is known. `listens`: the unit of this host at an address.
pub fn passes_on(
    live: &Live,
    host: &HostReading,
    listens: impl Fn(&str) -> Option<UnitName>,
) -> Option<Vec<PassedOn>> {
    let programs = live.programs();
    let known = PROXIES.iter().find(|known| known.programs.iter().any(|name| programs.contains(name)))?;
    let dialect = known.dialect?;
    let files = known.places.iter().flat_map(|place| inside(Path::new(place))).take(FILES);
    let texts: Vec<(String, String)> = files
        .filter_map(|file| Some((file.display().to_string(), config::read_foreign(&file, BYTES).ok()?)))
        .collect();
    let mut passed = passed_on(dialect, &texts);
    for one in &mut passed {
        one.unit = if one.to.starts_with('/') { at_path(&one.to, host) } else { listens(&one.to) };
    }
    Some(passed)
}

fn inside(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).take(FILES).collect();
    files.sort();
    files
}

/// The unit whose process holds the socket at this path. PID 1 holds those of socket units besides.
fn at_path(path: &str, host: &HostReading) -> Option<UnitName> {
    let bare = |path: &str| {
        path.strip_prefix("/var/run/").map_or_else(|| path.to_owned(), |rest| format!("/run/{rest}"))
    };
    let listener = host
        .listeners
        .iter()
        .find(|one| one.protocol == Protocol::Unix && bare(&one.address) == bare(path))?;
    let mut holders = host.processes.iter().filter(|process| listener.pids.contains(&process.pid));
    holders.find_map(|process| process.place.unit(false)).cloned()
}
