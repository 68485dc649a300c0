//! Whether the owner of a symlink could follow it: what a link's owner may not see is not looked at on their behalf, or a link
//! into somebody's closed directory would make us tell what stands there.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rustix::fs::getxattr;

use super::identity::{self, Seen};

/// Lines of the files of users and groups that are read.
const LINES: usize = 100_000;
/// Search permission: of the owner, of the group, of everybody.
const SEARCH: [u32; 3] = [0o100, 0o010, 0o001];

/// The user may go through this directory.
pub(super) fn may_search(directory: &Path, user: u32) -> bool {
    if user == 0 {
        return true;
    }
    // Where it cannot be looked at, we do not get on either.
    let Ok(seen) = identity::of_path(directory) else {
        return true;
    };
    let group = || {
        let member = is_member(Path::new("/"), user, seen.group);
        // Of a user whom this host does not list itself it is not known.
        member.unwrap_or(true)
    };
    allows(seen, user, group) || (seen.mode & SEARCH[1] != 0 && has_list(directory))
}

/// By the bits of its mode.
fn allows(seen: Seen, user: u32, member: impl FnOnce() -> bool) -> bool {
    let [owner, group, all] = SEARCH.map(|bit| seen.mode & bit != 0);
    if seen.owner == user {
        return owner;
    }
    match (group, all) {
        (true, true) => true,
        (false, false) => false,
        // Whoever is in the group has the rights of the group, and no others.
        (group, all) => {
            if member() {
                group
            } else {
                all
            }
        }
    }
}

/// It has an access list, which may let in more than its mode shows.
fn has_list(directory: &Path) -> bool {
    let nothing: &mut [u8] = &mut [];
    getxattr(directory, "system.posix_acl_access", nothing).is_ok_and(|size| size > 0)
}

/// Whether the user is in the group, as this host's own files have it; `None`: they do not have the user.
fn is_member(root: &Path, user: u32, group: u32) -> Option<bool> {
    let (name, primary) = lines(&root.join("etc/passwd")).find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields.as_slice() else {
            return None;
        };
        (uid.parse() == Ok(user)).then(|| Some(((*name).to_owned(), gid.parse::<u32>().ok()?))).flatten()
    })?;
    if primary == group {
        return Some(true);
    }
    let listed = lines(&root.join("etc/group")).any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields.as_slice() else {
            return false;
        };
        gid.parse() == Ok(group) && members.split(',').any(|member| member == name)
    });
    Some(listed)
}

fn lines(file: &Path) -> impl Iterator<Item = String> {
    let file = File::open(file).ok().map(BufReader::new);
    file.into_iter().flat_map(|file| file.lines().map_while(Result::ok).take(LINES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_in_the_group_has_its_rights_and_no_others() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("etc")).expect("a folder");
        let users = "root:x:0:0::/root:/bin/sh\njoe:x:1000:1000::/:/bin/sh\nann:x:1001:33::/:/bin/sh\n";
        std::fs::write(root.path().join("etc/passwd"), users).expect("a file");
        std::fs::write(root.path().join("etc/group"), "web:x:33:joe,bob\nops:x:34:\n").expect("a file");
        for (user, group, member) in
            [(1000, 33, Some(true)), (1000, 34, Some(false)), (1001, 33, Some(true)), (1002, 33, None)]
        {
            assert_eq!(is_member(root.path(), user, group), member, "{user} {group}");
        }
        let mut seen = identity::of_path(root.path()).expect("a folder");
        for (mode, owner, of_group, other) in [
            (0o700, true, false, false),
            (0o750, true, true, false),
            (0o755, true, true, true),
            (0o705, true, false, true),
            (0o077, false, true, true),
        ] {
            (seen.mode, seen.owner) = (mode, 7);
            let told = [allows(seen, 7, || true), allows(seen, 8, || true), allows(seen, 8, || false)];
            assert_eq!(told, [owner, of_group, other], "{mode:o}");
        }
    }
}
