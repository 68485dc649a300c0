//! Tests of the watch on unit files, on real directories.

use std::fs;
use std::os::unix::fs::symlink;

use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

/// A directory of unit files in which one unit is enabled.
fn unit_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a scratch directory");
    fs::create_dir(dir.path().join("multi-user.target.wants")).expect("a directory");
    fs::write(dir.path().join("a.service"), "").expect("a file");
    symlink("../a.service", dir.path().join("multi-user.target.wants/a.service")).expect("a link");
    dir
}

fn concerned(dir: &Path, paths: &[&str]) -> Option<Vec<String>> {
    let watched = Watched::of(vec![dir.to_owned()], false);
    let paths = paths.iter().map(|path| dir.join(path)).collect();
    let units = watched.concerned(&Changed { paths, everything: false }, &[])?;
    Some(units.into_iter().map(|unit| unit.0).collect())
}

fn some(units: &[&str]) -> Option<Vec<String>> {
    Some(units.iter().map(|unit| (*unit).to_owned()).collect())
}

#[test]
fn a_change_names_the_units_that_it_concerns() {
    let dir = unit_dir();
    let of = |path: &str| concerned(dir.path(), &[path]);
    assert_eq!(of("multi-user.target.wants/gone.service"), some(&["gone.service"]));
    assert_eq!(of("a.service.d/10-env.conf"), some(&["a.service"]));
    assert_eq!(of("a.service"), some(&["a.service"]));
    symlink("a.service", dir.path().join("alias.service")).expect("a link");
    assert_eq!(of("alias.service"), some(&["a.service", "alias.service"]));
    assert_eq!(of("worker@.service"), some(&[]), "gone: it may have been an alias");
    assert_eq!(of("gone.target.wants"), some(&[]));
    assert_eq!(of("service.d/10-all.conf"), some(&[]));
    assert_eq!(of("web-.service.d/10-some.conf"), some(&[]));
}

#[test]
fn a_start_link_of_an_init_script_concerns_the_unit_that_is_made_of_it() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut watched = Watched::of(Vec::new(), false);
    watched.runlevels = vec![dir.path().to_owned()];
    let of = |name: &str| watched.meaning(&dir.path().join(name));
    let tftpd = Meaning::Units(vec![UnitName::from("tftpd-hpa.service")]);
    assert_eq!(of("S01tftpd-hpa"), tftpd);
    assert_eq!(of("K20tftpd-hpa"), tftpd, "disabled");
    assert_eq!(of("README"), Meaning::Nothing);
    assert_eq!(of("S1"), Meaning::Nothing);
    assert!(watched.plan().contains(dir.path()));
}

#[test]
fn editors_and_package_managers_make_no_noise() {
    let dir = unit_dir();
    for path in [
        ".a.service.swp",
        "a.service~",
        "a.service.dpkg-new",
        "4913",
        ".#multi-user.target0123",
        "multi-user.target.wants/.#a.service",
        "a.service.d/notes.txt",
        "a.service.d/.10-env.conf.swp",
    ] {
        assert_eq!(concerned(dir.path(), &[path]), None, "{path}");
    }
    assert_eq!(
        concerned(dir.path(), &["4913", "a.service"]),
        some(&["a.service"]),
        "what matters is not lost among what does not"
    );
    // The directory itself came or went; its parent is watched for nothing else.
    assert_eq!(concerned(dir.path(), &[""]), some(&[]));
    assert_eq!(concerned(dir.path(), &["../other"]), None);
}

#[test]
fn what_is_too_much_to_name_is_everything() {
    let dir = unit_dir();
    let watched = Watched::of(vec![dir.path().to_owned()], false);
    let everything = Changed { paths: BTreeSet::new(), everything: true };
    assert_eq!(watched.concerned(&everything, &[]), Some(BTreeSet::new()));
    let paths: Vec<String> = (0..=UNITS).map(|n| format!("multi-user.target.wants/u{n}.service")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_eq!(concerned(dir.path(), &paths), some(&[]));
}

#[test]
fn links_and_drop_ins_are_watched_and_other_directories_are_not() {
    let dir = unit_dir();
    for name in ["a.service.d", "b.service.requires", "c.target.upholds", "notes", "x.wants.old"] {
        fs::create_dir(dir.path().join(name)).expect("a directory");
    }
    let plan = Watched::of(vec![dir.path().to_owned()], false).plan();
    let names: Vec<&str> =
        plan.iter().filter_map(|path| path.strip_prefix(dir.path()).ok()?.to_str()).collect();
    assert_eq!(
        names,
        ["", "a.service.d", "b.service.requires", "c.target.upholds", "multi-user.target.wants"]
    );
}

#[tokio::test]
async fn a_link_made_in_a_new_directory_is_not_missed() {
    let dir = unit_dir();
    let mut watched = Watched::of(vec![dir.path().to_owned()], false);
    let (mut watch, mut changes) = Watch::new(Duration::from_millis(10)).expect("inotify");
    let before = watched.plan();
    assert_eq!(watch.set(&before), []);
    let wants = dir.path().join("timers.target.wants");
    fs::create_dir(&wants).expect("a directory");
    symlink("../t.timer", wants.join("t.timer")).expect("a link");
    let changed = timeout(LIMIT, changes.next()).await.expect("in time").expect("a change");
    let plan = watched.plan();
    let new: Vec<PathBuf> = plan.difference(&before).cloned().collect();
    let units = watched.concerned(&changed, &new).expect("it concerns units");
    assert!(units.contains(&"t.timer".into()), "{units:?}");

    // And from then on it is watched itself.
    assert_eq!(watch.set(&plan), []);
    fs::remove_file(wants.join("t.timer")).expect("the link");
    let changed = timeout(LIMIT, changes.next()).await.expect("in time").expect("a change");
    let units = watched.concerned(&changed, &[]).expect("it concerns units");
    assert_eq!(units, BTreeSet::from(["t.timer".into()]));
}
