//! Release links: every symlink on a unit's paths that leads to a directory, and the directories to watch for its flips.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, Target};

use super::identity;
use super::trail::{self, Hop, Trail, follow};

/// Paths of one unit that are followed; further ones are left out.
pub const PATHS: usize = 64;
/// Links of one unit that are told.
const LINKS: usize = 64;

/// Reads every release link on these absolute paths, in their order, each real link once.
///
/// A symlink counts when it leads to a directory and neither it nor that directory belongs to the system (`/usr`,
/// `/etc/alternatives`, …). A path that breaks off is told as well, named by its first missing component (or by the
/// dangling symlink), without target and with the problem: whether a link is missing there, or just a file that
/// need not exist, is not for this function to say.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn read_links(paths: &[String]) -> Vec<LinkReading> {
    let now = clock::now();
    let mut told = Vec::new();
    let mut places = BTreeSet::new();
    for path in paths.iter().take(PATHS).map(Path::new) {
        if !path.is_absolute() {
            continue;
        }
        let trail = follow(path);
        for (at, reading) in of_trail(&trail, now) {
            if told.len() < LINKS && places.insert(at) {
                told.push(reading);
            }
        }
    }
    told
}

/// The directories in which a change can make one of these paths lead elsewhere: those that hold a symlink of the way,
/// those that hold a release, and where a path breaks off, the last directory before.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn watch_directories(paths: &[String]) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for path in paths.iter().take(PATHS).map(Path::new) {
        if !path.is_absolute() {
            continue;
        }
        let trail = follow(path);
        for hop in trail.hops.iter().filter(|hop| !hop.system) {
            directories.extend(hop.at.parent().map(Path::to_owned));
            if let Some(target) = hop.target.as_deref().filter(|path| is_release(path)) {
                directories.extend(target.parent().map(Path::to_owned));
            }
        }
        if trail.broken.is_some() && !trail::is_system(&trail.end) {
            directories.insert(trail.end);
        }
    }
    directories
}

/// The links of one path, each with its real place.
fn of_trail(trail: &Trail, now: Moment) -> Vec<(PathBuf, LinkReading)> {
    let mut told = Vec::new();
    let mut latest = None;
    for (index, hop) in trail.hops.iter().enumerate() {
        if hop.system {
            continue;
        }
        let around = within(trail, index);
        latest = around.iter().filter(|inner| !inner.system).map(|inner| inner.ctime_ms).max().max(latest);
        let switched_at = now.at_wall_ms(latest.unwrap_or(hop.ctime_ms));
        if let Some(target) = hop.target.as_deref().and_then(target) {
            // A link that merely hands on to the same directory says nothing of its own.
            let handed_on = hop.inner
                && trail.hops.iter().take(index).any(|outer| {
                    !outer.system && !outer.inner && outer.target.as_deref() == Some(Path::new(&target.path))
                });
            if !handed_on {
                told.push((hop.at.clone(), reading(hop, Some(target), switched_at, None)));
            }
        } else if hop.target.is_none() && !hop.inner {
            let reason = trail.broken.as_ref().map(|(_, why)| why.clone());
            let problem = Some(reason.unwrap_or_else(|| "leads nowhere".to_owned()));
            told.push((hop.at.clone(), reading(hop, None, switched_at, problem)));
        }
    }
    let dangling = trail.hops.iter().any(|hop| hop.target.is_none());
    if let Some((name, why)) = trail.broken.as_ref().filter(|_| !dangling)
        && !trail::is_system(&trail.end)
    {
        told.push((name.clone(), missing(trail, name, why, now)));
    }
    told
}

/// The hop and those met in its text.
fn within(trail: &Trail, index: usize) -> &[Hop] {
    let rest = trail.hops.get(index..).unwrap_or_default();
    let len = rest.iter().skip(1).take_while(|hop| hop.inner).count() + 1;
    rest.get(..len).unwrap_or(rest)
}

fn reading(hop: &Hop, target: Option<Target>, switched_at: Moment, problem: Option<String>) -> LinkReading {
    let owner = hop.owner;
    LinkReading { link: hop.name.to_string_lossy().into_owned(), target, switched_at, owner, problem }
}

/// The component at which a path breaks off: it went at the last change of its directory, or was never there.
fn missing(trail: &Trail, name: &Path, why: &str, now: Moment) -> LinkReading {
    let changed = identity::of_path(&trail.end).map_or(now.wall_ms, |seen| seen.mtime_ms);
    LinkReading {
        link: name.to_string_lossy().into_owned(),
        target: None,
        switched_at: now.at_wall_ms(changed),
        owner: None,
        problem: Some(why.to_owned()),
    }
}

fn is_release(path: &Path) -> bool {
    !trail::is_system(path)
        && path.parent().is_some()
        && identity::of_path(path).is_ok_and(|seen| seen.is_directory())
}

/// Identity of the directory a link leads to; `None` when it is no directory that can be a release.
fn target(path: &Path) -> Option<Target> {
    if !is_release(path) {
        return None;
    }
    Some(Target {
        path: path.to_string_lossy().into_owned(),
        id: identity::of_path(path).ok()?.id,
        parent: identity::of_path(path.parent()?).ok()?.id,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, remove_dir_all, remove_file, rename};
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::model::release::FileId;

    /// `srv/app/releases/{1,2}/public` and `srv/app/current -> releases/1`.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("srv/app");
        for release in ["1", "2"] {
            create_dir_all(app.join("releases").join(release).join("public")).expect("a release");
        }
        symlink("releases/1", app.join("current")).expect("a link");
        (root, app)
    }

    fn text(path: &Path) -> String {
        path.to_str().expect("plain text").to_owned()
    }

    fn read(path: &Path) -> Vec<LinkReading> {
        read_links(&[text(path)])
    }

    fn one(path: &Path) -> LinkReading {
        let mut all = read(path);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn id(path: &Path) -> FileId {
        let seen = std::fs::metadata(path).expect("a directory");
        FileId { dev: seen.dev(), ino: seen.ino() }
    }

    fn leads(link: &LinkReading) -> &str {
        &link.target.as_ref().expect("a target").path
    }

    #[test]
    fn a_link_is_found_on_the_way_to_a_file_and_told_by_identity() {
        let (_root, app) = tree();
        std::fs::write(app.join("releases/1/artisan"), "").expect("a file");
        let link = one(&app.join("current/artisan"));
        assert_eq!(link.link, text(&app.join("current")));
        let target = link.target.expect("a target");
        assert_eq!(target.path, text(&app.join("releases/1")));
        assert_eq!(target.id, id(&app.join("releases/1")));
        assert_eq!(target.parent, id(&app.join("releases")));
        assert_eq!(link.problem, None);
    }

    #[test]
    fn every_way_of_flipping_shows_the_new_target_and_its_time() {
        let (_root, app) = tree();
        let current = app.join("current");
        let flips: [&dyn Fn(&str); 3] = [
            &|to| {
                symlink(to, app.join("tmp")).expect("a link");
                rename(app.join("tmp"), &current).expect("a flip");
            },
            &|to| {
                let done = std::process::Command::new("ln").args(["-sfn", to]).arg(&current).status();
                assert!(done.expect("ln").success());
            },
            &|to| {
                remove_file(&current).expect("a link");
                assert_eq!(one(&current).target, None);
                symlink(to, &current).expect("a link");
            },
        ];
        for (flip, to) in flips.iter().zip(["releases/2", "releases/1", "releases/2"]) {
            let before = clock::now();
            flip(to);
            let link = one(&current);
            assert_eq!(leads(&link), text(&app.join(to)));
            // The clock of files runs in steps of up to 10 ms.
            assert!(link.switched_at.boot_ms >= before.boot_ms - 20, "{link:?}");
            assert!(link.switched_at.boot_ms <= clock::now().boot_ms + 1, "{link:?}");
        }
    }

    #[test]
    fn nested_links_count_with_the_time_of_the_latest() {
        let (_root, app) = tree();
        symlink("current/public", app.join("web")).expect("a link");
        let both = read(&app.join("web"));
        let told: Vec<(&str, &str)> = both.iter().map(|l| (l.link.as_str(), leads(l))).collect();
        let (web, current) = (text(&app.join("web")), text(&app.join("current")));
        let (public, release) = (text(&app.join("releases/1/public")), text(&app.join("releases/1")));
        assert_eq!(told, [(&*web, &*public), (&*current, &*release)]);

        // The clock of files runs in steps: flip until a step is over.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let after = loop {
            symlink("releases/2", app.join("tmp")).expect("a link");
            rename(app.join("tmp"), app.join("current")).expect("a flip");
            let after = read(&app.join("web"));
            if after[0].switched_at > both[0].switched_at {
                break after;
            }
            assert!(std::time::Instant::now() < until, "{after:?}");
        };
        assert_eq!(leads(&after[0]), text(&app.join("releases/2/public")));
        assert_eq!(after[0].switched_at.wall_ms, after[1].switched_at.wall_ms);

        // One that only hands on is not told twice.
        symlink("current", app.join("live")).expect("a link");
        assert_eq!(one(&app.join("live")).link, text(&app.join("live")));
    }

    #[test]
    fn directories_on_the_way_that_are_links_are_links() {
        let (root, app) = tree();
        symlink("srv", root.path().join("www")).expect("a link");
        let all = read(&root.path().join("www/app/current/public"));
        let names: Vec<&str> = all.iter().map(|link| link.link.as_str()).collect();
        assert_eq!(names, [text(&root.path().join("www")), text(&root.path().join("www/app/current"))]);
        assert_eq!(leads(&all[1]), text(&app.join("releases/1")));
        let watched = watch_directories(&[text(&root.path().join("www/app/current"))]);
        let wanted = [root.path().to_owned(), app.clone(), app.join("releases")];
        assert!(wanted.iter().all(|dir| watched.contains(dir)), "{watched:?}");
    }

    #[test]
    fn what_is_missing_or_dangling_is_told_without_target() {
        let (_root, app) = tree();
        remove_dir_all(app.join("releases/1")).expect("a release");
        let dangling = one(&app.join("current/artisan"));
        assert_eq!(dangling.link, text(&app.join("current")));
        assert_eq!(dangling.target, None);
        let gone = text(&app.join("releases/1"));
        assert_eq!(dangling.problem, Some(format!("{gone} does not exist")));

        remove_file(app.join("current")).expect("a link");
        let missing = one(&app.join("current/artisan"));
        assert_eq!(missing.link, text(&app.join("current")));
        assert_eq!(missing.target, None);
        assert!(watch_directories(&[text(&app.join("current"))]).contains(&app));

        symlink("current", app.join("current")).expect("a link to itself");
        let round = one(&app.join("current"));
        assert_eq!(round.problem.as_deref(), Some("the symlinks go round in circles"));
    }

    #[test]
    fn links_of_the_system_and_links_to_files_are_none() {
        let (_root, app) = tree();
        std::fs::write(app.join("tool"), "").expect("a file");
        symlink("tool", app.join("tool-link")).expect("a link");
        symlink("/usr/lib", app.join("lib")).expect("a link");
        let paths = ["/bin/sh", "/lib/systemd", "/var/run/x", "/proc/self/cwd", "relative"];
        let mut paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        paths.extend([text(&app.join("tool-link")), text(&app.join("lib/os-release"))]);
        let found: Vec<LinkReading> =
            read_links(&paths).into_iter().filter(|link| link.target.is_some()).collect();
        assert_eq!(found, []);
    }

    #[test]
    fn two_names_of_one_link_are_one() {
        let (root, app) = tree();
        symlink("srv", root.path().join("www")).expect("a link");
        let paths = [text(&app.join("current")), text(&root.path().join("www/app/current"))];
        let names: Vec<String> = read_links(&paths).into_iter().map(|link| link.link).collect();
        assert_eq!(names, [paths[0].clone(), text(&root.path().join("www"))]);
    }
}
