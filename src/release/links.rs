//! Release links: every symlink on a unit's paths that leads to a directory, and the directories to watch for its flips.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, Search, Target};

use super::identity::{self, Seen};
use super::trail::{Hop, Trail, follow};

/// Paths of one unit that are followed; further ones are left out.
pub const PATHS: usize = 64;
/// Links of one unit that are told.
const LINKS: usize = 64;
/// Entries of a release that are looked at.
const ENTRIES: usize = 64;
/// What stands there is for many, and nobody's release.
const FOR_MANY: [&str; 13] = [
    "/", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var", "/var/lib",
    "/var/tmp",
];
/// `DynamicUser=` keeps the directories of a unit in there, and a link beside leads to each.
const PRIVATE: [(&str, &str); 4] = [
    ("/var/lib", "/var/lib/private"),
    ("/var/cache", "/var/cache/private"),
    ("/var/log", "/var/log/private"),
    ("/run", "/run/private"),
];

/// Reads every release link on these absolute paths, in their order, each real link once.
///
/// A symlink counts when it leads to a directory and neither it nor that directory belongs to the system (`/usr`,
/// `/etc/alternatives`, …), or when a person declared it. Where no symlink leads to the declared path or to the working
/// directory, the directory that stands there is told. A path that breaks off is told as well, named by its first missing
/// component (or by the dangling symlink), without target and with the problem: whether a link is missing there, or just a
/// file that need not exist, is not for this function to say.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn read_links(search: &Search) -> Vec<LinkReading> {
    let now = clock::now();
    let mut told = Vec::new();
    let mut places = BTreeSet::new();
    let root = root(search);
    for path in search.paths().take(PATHS) {
        if !path.starts_with('/') {
            continue;
        }
        let trail = trail(search, &root, path);
        let mut readings = of_trail(&trail, now);
        let is_home = [&search.declared, &search.directory].iter().any(|home| home.as_deref() == Some(path));
        if is_home && !readings.iter().any(|(_, link)| !is_disk(link, &root)) {
            let declared = search.declared.as_deref() == Some(path);
            readings.extend(plain(&trail, &root.join(inside(path)), declared, now));
        }
        for (at, reading) in readings {
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
pub fn watch_directories(search: &Search) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let root = root(search);
    for path in search.paths().take(PATHS) {
        if !path.starts_with('/') {
            continue;
        }
        let trail = trail(search, &root, path);
        for hop in trail.hops.iter().filter(|hop| !hop.system) {
            directories.extend(hop.at.parent().map(Path::to_owned));
            if let Some(target) = hop.target.as_deref().filter(|path| is_release(path, hop, &trail)) {
                directories.extend(target.parent().map(Path::to_owned));
            }
        }
        let home = [&search.declared, &search.directory].iter().any(|home| home.as_deref() == Some(path));
        if home && trail.broken.is_none() && !trail.is_system(&trail.end) && is_own(&trail) {
            directories.extend(trail.end.parent().map(Path::to_owned));
        }
        if trail.broken.is_some() && !trail.is_system(&trail.end) {
            directories.insert(trail.end);
        }
    }
    directories
}

fn root(search: &Search) -> PathBuf {
    if search.root.is_empty() { PathBuf::from("/") } else { PathBuf::from(&search.root) }
}

/// The path relative to its root directory.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// Follows a path of the unit. A link that a person declared is not the system's, wherever it lies.
fn trail(search: &Search, root: &Path, path: &str) -> Trail {
    let mut trail = follow(root, Path::new(path));
    if search.declared.as_deref() == Some(path) {
        let named = root.join(inside(path));
        for hop in trail.hops.iter_mut().filter(|hop| hop.name == named && !hop.inner) {
            (hop.system, hop.declared) = (false, true);
        }
    }
    trail
}

/// A link such as `/srv -> /data/srv`: a place for many things, and what stands below is no matter of the link's.
fn is_disk(link: &LinkReading, root: &Path) -> bool {
    let depth = Path::new(&link.link).components().count() - root.components().count();
    depth < 2 && link.target.is_some()
}

/// The directory is one of its own, not a place for many.
fn is_own(trail: &Trail) -> bool {
    let inner = trail.end.strip_prefix(&trail.root).map(|inner| Path::new("/").join(inner));
    inner.is_ok_and(|inner| !FOR_MANY.iter().any(|place| inner == Path::new(place)))
}

/// The directory that stands at a path itself.
fn plain(trail: &Trail, named: &Path, declared: bool, now: Moment) -> Option<(PathBuf, LinkReading)> {
    let usable = trail.broken.is_none() && is_own(trail) && (declared || !trail.is_system(&trail.end));
    let target = target(Some(&trail.end).filter(|_| usable)?, now)?;
    let reading = LinkReading {
        link: named.to_string_lossy().into_owned(),
        plain: true,
        switched_at: target.born_at.unwrap_or(now),
        target: Some(target),
        ..LinkReading::default()
    };
    Some((trail.end.clone(), reading))
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
        let leads = hop.target.as_deref().filter(|path| is_release(path, hop, trail));
        if let Some(target) = leads.and_then(|path| target(path, now)) {
            // A link that merely hands on to the same directory says nothing of its own.
            let handed_on = hop.inner
                && trail.hops.iter().take(index).any(|outer| {
                    !outer.system && !outer.inner && outer.target.as_deref() == Some(Path::new(&target.path))
                });
            if !handed_on {
                let link = LinkReading { target: Some(target), switched_at, ..reading(hop) };
                told.push((hop.at.clone(), link));
            }
        } else if hop.target.is_none() && !hop.inner {
            let reason = trail.broken.as_ref().map(|(_, why)| why.clone());
            let problem = Some(reason.unwrap_or_else(|| "leads nowhere".to_owned()));
            let dangling = Some(trail.missing.to_string_lossy().into_owned()).filter(|path| !path.is_empty());
            told.push((hop.at.clone(), LinkReading { switched_at, problem, dangling, ..reading(hop) }));
        }
    }
    let dangling = trail.hops.iter().any(|hop| hop.target.is_none());
    if let Some((name, why)) = trail.broken.as_ref().filter(|_| !dangling)
        && !trail.is_system(&trail.end)
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

fn reading(hop: &Hop) -> LinkReading {
    LinkReading { link: hop.name.to_string_lossy().into_owned(), owner: hop.owner, ..LinkReading::default() }
}

/// The component at which a path breaks off: it went at the last change of its directory, or was never there.
fn missing(trail: &Trail, name: &Path, why: &str, now: Moment) -> LinkReading {
    let changed = identity::of_path(&trail.end).map_or(now.wall_ms, |seen| seen.mtime_ms);
    LinkReading {
        link: name.to_string_lossy().into_owned(),
        switched_at: now.at_wall_ms(changed),
        problem: Some(why.to_owned()),
        ..LinkReading::default()
    }
}

/// The directory to which this hop leads can be a release.
fn is_release(path: &Path, hop: &Hop, trail: &Trail) -> bool {
    let allowed = hop.declared || !(trail.is_system(path) || is_private(&hop.at, path));
    allowed && path.parent().is_some() && identity::of_path(path).is_ok_and(|seen| seen.is_directory())
}

/// The link by which `DynamicUser=` makes a directory of the unit known.
fn is_private(link: &Path, target: &Path) -> bool {
    PRIVATE.iter().any(|(beside, private)| {
        link.strip_prefix(beside).is_ok_and(|name| target.strip_prefix(private) == Ok(name))
    })
}

/// What is to be known of the directory a link leads to.
fn target(path: &Path, now: Moment) -> Option<Target> {
    let seen = identity::of_path(path).ok().filter(Seen::is_directory)?;
    let mut target = Target {
        path: path.to_string_lossy().into_owned(),
        id: seen.id,
        parent: identity::of_path(path.parent()?).ok()?.id,
        born_at: seen.born_ms.map(|ms| now.at_wall_ms(ms)),
        ..Target::default()
    };
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten().take(ENTRIES) {
        let Ok(seen) = identity::of_path(&entry.path()) else {
            continue;
        };
        target.made.extend(seen.born_ms.map(|ms| now.at_wall_ms(ms)));
        let written = Some(seen.mtime_ms.max(seen.ctime_ms)).filter(|_| seen.kind.is_file());
        target.written.extend(written.map(|ms| now.at_wall_ms(ms)));
    }
    Some(target)
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

    fn search(paths: &[String]) -> Search {
        Search { others: paths.to_vec(), ..Search::default() }
    }

    fn read(path: &Path) -> Vec<LinkReading> {
        read_links(&search(&[text(path)]))
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
    fn row_16_what_the_owner_of_a_link_may_not_see_is_neither_followed_nor_told() {
        use std::os::unix::fs::{PermissionsExt, lchown};
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (root, app) = tree();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(root.path(), open).expect("open to all");
        let closed = root.path().join("closed");
        create_dir_all(closed.join(".hidden/2026-payroll")).expect("a directory");
        symlink(closed.join(".hidden/2026-payroll"), closed.join("latest")).expect("a link");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("closed");
        let current = app.join("current");
        let leads_to = |to: &Path, owner: u32| {
            remove_file(&current).expect("a link");
            symlink(to, &current).expect("a link");
            lchown(&current, Some(owner), Some(owner)).expect("root's right");
        };
        leads_to(&closed.join("latest"), 4321);
        let link = one(&current);
        assert_eq!((link.target, link.dangling), (None, None));
        assert_eq!(link.problem.as_deref(), Some("it leads to where its owner, user 4321, may not look"));
        // Nor through the directory itself to what a path names in it.
        leads_to(&closed, 4321);
        let told = format!("{:?}", read(&current.join("latest")));
        assert!(!told.contains("payroll") && !told.contains("latest"), "{told}");
        // What the owner can see is told as ever, and what root links to.
        leads_to(&app.join("releases/2"), 4321);
        assert_eq!(leads(&one(&current)), text(&app.join("releases/2")));
        leads_to(&closed.join("latest"), 0);
        assert_eq!(leads(&read(&current)[0]), text(&closed.join(".hidden/2026-payroll")));
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
        let watched = watch_directories(&search(&[text(&root.path().join("www/app/current"))]));
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
        assert!(watch_directories(&search(&[text(&app.join("current"))])).contains(&app));

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
            read_links(&search(&paths)).into_iter().filter(|link| link.target.is_some()).collect();
        assert_eq!(found, []);
    }

    #[test]
    fn o5_a_directory_at_the_path_itself_is_told_where_no_link_leads() {
        let (root, app) = tree();
        let of =
            |directory: &Path| read_links(&Search { directory: Some(text(directory)), ..Search::default() });
        let [plain] = &of(&app.join("releases"))[..] else { panic!("one directory") };
        assert!(plain.plain);
        let target = plain.target.as_ref().expect("a directory");
        assert_eq!((&*target.path, target.id), (&*text(&app.join("releases")), id(&app.join("releases"))));
        assert!(target.made.len() >= 2 || target.born_at.is_none(), "{target:?}");
        // A link on the way tells more.
        let names: Vec<bool> = of(&app.join("current/public")).iter().map(|link| link.plain).collect();
        assert_eq!(names, [false]);
        // Another directory of that name is another one.
        rename(app.join("releases"), app.join("old")).expect("moved aside");
        create_dir_all(app.join("releases")).expect("made anew");
        assert_ne!(of(&app.join("releases"))[0].target.as_ref().expect("a directory").id, target.id);
        let watched = watch_directories(&Search { directory: Some(text(&app)), ..Search::default() });
        assert!(watched.contains(&root.path().join("srv")), "{watched:?}");
        assert_eq!(of(Path::new("/usr/lib")), []);
        assert_eq!(of(Path::new("/tmp")), []);
    }

    #[test]
    fn c3_what_is_declared_is_declared_and_usr_local_is_ordinary() {
        for (path, system) in [
            ("/usr/local/app/current", false),
            ("/opt/app/current", false),
            ("/run/app/current", false),
            ("/usr/lib/app/current", true),
            ("/usr/share/app", true),
            ("/lib64/app", true),
            ("/run/systemd/x", true),
        ] {
            assert_eq!(super::super::trail::is_system(Path::new(path)), system, "{path}");
        }
        // A root directory stands for the real one: below /usr a link counts only where it is declared.
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("usr/share/app");
        create_dir_all(app.join("1")).expect("a release");
        symlink("1", app.join("current")).expect("a link");
        let others = Search {
            root: text(root.path()),
            others: vec!["/usr/share/app/current".to_owned()],
            ..Search::default()
        };
        assert_eq!(read_links(&others), []);
        let declared = Search { declared: others.others.first().cloned(), others: Vec::new(), ..others };
        let links = read_links(&declared);
        assert_eq!(leads(&links[0]), text(&app.join("1")));
    }

    #[test]
    fn b4_paths_are_those_inside_of_the_root_directory() {
        let (root, app) = tree();
        remove_file(app.join("current")).expect("a link");
        symlink("/srv/app/releases/2", app.join("current")).expect("a link");
        let search = Search {
            root: text(root.path()),
            directory: Some("/srv/app/current/public".to_owned()),
            others: vec!["/../../srv/app/current".to_owned()],
            ..Search::default()
        };
        let links = read_links(&search);
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!(links[0].link, text(&app.join("current")));
        assert_eq!(leads(&links[0]), text(&app.join("releases/2")));
        assert!(watch_directories(&search).contains(&app));
    }

    #[test]
    fn b8_the_link_of_a_dynamic_user_is_no_release() {
        assert!(is_private(Path::new("/var/lib/dyn"), Path::new("/var/lib/private/dyn")));
        assert!(is_private(Path::new("/var/cache/a/b"), Path::new("/var/cache/private/a/b")));
        // A release inside of it is one.
        let (link, target) = ("/var/lib/private/dyn/current", "/var/lib/private/dyn/releases/1");
        assert!(!is_private(Path::new(link), Path::new(target)));
    }

    #[test]
    fn c4_where_a_dangling_link_leads_is_told() {
        let (_root, app) = tree();
        remove_dir_all(app.join("releases/1")).expect("a release");
        assert_eq!(one(&app.join("current/artisan")).dangling, Some(text(&app.join("releases/1"))));
    }

    #[test]
    fn two_names_of_one_link_are_one() {
        let (root, app) = tree();
        symlink("srv", root.path().join("www")).expect("a link");
        let paths = [text(&app.join("current")), text(&root.path().join("www/app/current"))];
        let names: Vec<String> = read_links(&search(&paths)).into_iter().map(|link| link.link).collect();
        assert_eq!(names, [paths[0].clone(), text(&root.path().join("www"))]);
    }
}
