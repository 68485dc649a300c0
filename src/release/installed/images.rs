//! The lists of images that engines of containers keep: when one changes, a name may stand for another image.

use std::fs;
use std::path::PathBuf;

use super::print::{self, Print};

/// Where engines keep them: a folder, the ending of the folders in it, and the list in those. For a user's own containers the
/// slow reading finds it.
const LISTS: [(&str, &str, &str); 2] = [
    ("/var/lib/containers/storage", "-images", "images.json"),
    ("/var/lib/docker/image", "", "repositories.json"),
];
/// Entries of such a folder.
const ENTRIES: usize = 64;

/// The lists of this host.
pub(super) fn lists() -> Vec<PathBuf> {
    let of = |(folder, ending, list): &(&str, &str, &str)| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES);
        let fitting = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(ending));
        fitting.map(|entry| entry.path().join(list)).filter(|list| list.is_file()).collect()
    };
    LISTS.iter().flat_map(of).collect()
}

pub(super) fn stamp() -> u64 {
    let mut stamp = Print::new();
    for seen in lists().iter().filter_map(|list| fs::metadata(list).ok()) {
        print::stamp(&mut stamp, &seen);
    }
    stamp.done().dev
}
