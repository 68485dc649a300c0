//! Control groups as the kernel shows them: the directory of one, and the processes in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups live.
pub const ROOT: &str = "/sys/fs/cgroup";
/// How deep below a group is looked.
const DEPTH: usize = 8;

/// The directory of a control group: of the unified hierarchy, or of systemd's own in the older layouts.
#[must_use]
pub fn directory(root: &Path, control_group: &str) -> Option<PathBuf> {
    let inner = control_group.strip_prefix('/').filter(|group| !group.is_empty())?;
    let unified = root.join("cgroup.controllers").exists();
    Some(if unified { root.join(inner) } else { root.join("systemd").join(inner) })
}

/// The processes of a group and of at most so many groups in all, itself included; and whether there were more groups.
#[must_use]
pub fn pids(group: &Path, most: usize) -> (BTreeSet<u32>, bool) {
    let mut pids = BTreeSet::new();
    let mut truncated = false;
    let mut groups: Vec<(PathBuf, usize)> = vec![(group.to_owned(), 0)];
    let mut seen = 0;
    while let Some((group, depth)) = groups.pop() {
        seen += 1;
        let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        // 0 stands for a process that our own pid namespace does not know.
        pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
        let below = fs::read_dir(&group).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in below {
            if depth >= DEPTH || seen + groups.len() >= most {
                truncated = true;
                break;
            }
            groups.push((entry.path(), depth + 1));
        }
    }
    (pids, truncated)
}

/// What a file of a group counts; `None` where there is no such file, or no limit (`max`).
#[must_use]
pub fn number(group: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// A field of a file of a group that has one on each line: `usage_usec 1234`.
#[must_use]
pub fn field(group: &Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_groups_below_count_up_to_a_limit() {
        let root = tempfile::tempdir().expect("a folder");
        for (group, pids) in [("", "7\n0\n"), ("a", "5\n"), ("a/b", "6\n7\n")] {
            let group = root.path().join(group);
            fs::create_dir_all(&group).expect("a folder");
            fs::write(group.join("cgroup.procs"), pids).expect("a file");
        }
        assert_eq!(pids(root.path(), 3), (BTreeSet::from([5, 6, 7]), false));
        assert_eq!(pids(root.path(), 2), (BTreeSet::from([5, 7]), true));
        assert_eq!(pids(&root.path().join("gone"), 3), (BTreeSet::new(), false));
    }

    #[test]
    fn the_directory_follows_the_layout() {
        let root = tempfile::tempdir().expect("a folder");
        let group = "/system.slice/shop.service";
        let of = |root: &Path| directory(root, group).expect("a group");
        assert_eq!(of(root.path()), root.path().join("systemd/system.slice/shop.service"));
        fs::write(root.path().join("cgroup.controllers"), "").expect("a file");
        assert_eq!(of(root.path()), root.path().join("system.slice/shop.service"));
        assert_eq!((directory(root.path(), "/"), directory(root.path(), "")), (None, None));
    }

    #[test]
    fn what_a_group_uses_is_read_and_no_limit_is_none() {
        let group = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| fs::write(group.path().join(file), text).expect("a file");
        write("memory.current", "4096\n");
        write("pids.max", "max\n");
        write("cpu.stat", "usage_usec 1500\nuser_usec 7\n");
        let counted = |file| number(group.path(), file);
        assert_eq!(
            (counted("memory.current"), counted("pids.max"), counted("gone")),
            (Some(4096), None, None)
        );
        let of = |name| field(group.path(), "cpu.stat", name);
        assert_eq!((of("usage_usec"), of("usage"), of("system_usec")), (Some(1500), None, None));
    }
}
