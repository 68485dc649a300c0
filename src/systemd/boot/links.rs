//! Links on disk that enable units: who wants a unit that boot does not start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::transcript::Transcript;
use crate::model::unit::UnitName;

/// Links that are read; of more, the sentences are less precise.
const LINKS: usize = 100_000;
/// Who wants a unit, as far as a sentence names them.
const NAMED: usize = 3;

/// Says of each unit that is enabled, and that boot does not start, by whom it would have been wanted. Blocks for some
/// 30 ms where there are 10,000 links.
pub(super) fn explain(dirs: &[PathBuf], transcript: &mut Transcript) {
    for (unit, wanting) in wanted(dirs) {
        let known = transcript.starts.contains(&unit) || transcript.hindrances.contains_key(&unit);
        // Wanted by a unit that boot starts, and yet not started: that has another reason.
        if known || wanting.iter().any(|name| transcript.starts.contains(name)) {
            continue;
        }
        transcript.hindrances.insert(unit, clause(&wanting));
    }
}

fn clause(wanting: &BTreeSet<UnitName>) -> String {
    let named: Vec<&str> = wanting.iter().take(NAMED).map(UnitName::as_str).collect();
    let more = wanting.len().saturating_sub(NAMED);
    let named = if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") };
    let want = if wanting.len() > 1 { "want" } else { "wants" };
    format!("only {named}, which boot does not start, {want} it")
}

/// Each unit with those that want it by a link.
fn wanted(dirs: &[PathBuf]) -> BTreeMap<UnitName, BTreeSet<UnitName>> {
    let mut wanted: BTreeMap<UnitName, BTreeSet<UnitName>> = BTreeMap::new();
    for (wanting, unit) in dirs.iter().flat_map(links).take(LINKS) {
        wanted.entry(unit).or_default().insert(wanting);
    }
    wanted
}

/// The links below `X.wants`, `X.requires` and `X.upholds` in a directory of unit files, each with X.
fn links(dir: &PathBuf) -> impl Iterator<Item = (UnitName, UnitName)> {
    let below = fs::read_dir(dir).into_iter().flatten().flatten();
    below.filter_map(|entry| Some((wanting(entry.file_name().to_str()?)?, entry.path()))).flat_map(
        |(wanting, folder)| {
            let links = fs::read_dir(folder).into_iter().flatten().flatten();
            // A copy of a unit file does not count.
            let links = links.filter(|link| link.file_type().is_ok_and(|kind| kind.is_symlink()));
            links.filter_map(move |link| Some((wanting.clone(), link.file_name().to_str()?.into())))
        },
    )
}

fn wanting(folder: &str) -> Option<UnitName> {
    let (unit, what) = folder.rsplit_once('.')?;
    matches!(what, "wants" | "requires" | "upholds").then(|| unit.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_unit_that_boot_does_not_start_is_explained_by_its_links() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        for (folder, unit) in [
            ("never.target.wants", "a.service"),
            ("disabled.service.requires", "a.service"),
            ("multi-user.target.wants", "masked.service"),
            ("never.target.wants", "also-reached.service"),
            ("notes", "b.service"),
        ] {
            let folder = dir.path().join(folder);
            fs::create_dir_all(&folder).expect("a directory");
            symlink("../x", folder.join(unit)).expect("a link");
        }
        fs::write(dir.path().join("never.target.wants/copy.service"), "").expect("a file");
        let starts = ["multi-user.target", "also-reached.service"].map(UnitName::from);
        let mut transcript = Transcript { starts: BTreeSet::from(starts), ..Transcript::default() };
        explain(&[dir.path().to_owned(), dir.path().join("missing")], &mut transcript);
        let told: Vec<(&str, &str)> =
            transcript.hindrances.iter().map(|(unit, why)| (unit.as_str(), why.as_str())).collect();
        assert_eq!(
            told,
            [("a.service", "only disabled.service, never.target, which boot does not start, want it")]
        );
    }
}
