//! Names of users, as this host's own file has them: a directory server elsewhere is not asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Lines that are read.
const LINES: usize = 100_000;

/// The names of these users that the host itself knows. Blocks.
#[must_use]
pub fn users(root: &Path, wanted: &BTreeSet<u32>) -> BTreeMap<u32, String> {
    let Ok(file) = File::open(root.join("etc/passwd")) else {
        return BTreeMap::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok).take(LINES);
    let user = |line: String| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        wanted.contains(&uid).then(|| (uid, name.to_owned()))
    };
    // The first of those that share a number is its name.
    lines.filter_map(user).collect::<Vec<_>>().into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_bear_the_first_name_of_their_number() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("etc")).expect("a folder");
        let text = "root:x:0:0:root:/root:/bin/bash\nbroken\ntoor:x:0:0::/:/bin/sh\njoe:x:1000:1000::/home/joe:/bin/sh\n";
        std::fs::write(root.path().join("etc/passwd"), text).expect("a file");
        let known = users(root.path(), &[0, 1000, 1001].into());
        assert_eq!(known, [(0, "root".to_owned()), (1000, "joe".to_owned())].into());
    }
}
