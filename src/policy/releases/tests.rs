//! Releases, judged: every way to be stale, and everything that only looks so.

use super::*;
use crate::model::finding::Code;
use crate::model::release::{FileId, Place, Residence, Resident, Sockets, Target};
use crate::model::spec::{ReleaseSpec, Selector};
use crate::model::unit::UnitName;
use crate::model::will::{KillMode, ServiceType};

const MAIN: u32 = 100;
/// The switch of `/srv/app/current`, on the boot clock.
const SWITCH: i64 = 500_000;
const BEFORE: i64 = 100_000;
const AFTER: i64 = 600_000;

fn at(boot_ms: i64) -> Moment {
    Moment { boot_ms, wall_ms: 1_700_000_000_000 + boot_ms }
}

fn id(ino: u64) -> FileId {
    FileId { dev: 1, ino }
}

/// Identities of `/srv/app/releases`, `/srv/app`, `/srv`, `/`.
const UP: [u64; 4] = [5, 4, 3, 2];

fn ids(numbers: &[u64]) -> Vec<FileId> {
    numbers.iter().copied().map(id).collect()
}

/// `/srv/app/releases/N` (inode 100 + N), or a directory below it.
fn release(n: u64) -> Place {
    Place {
        path: format!("/srv/app/releases/{n}"),
        id: Some(id(100 + n)),
        above: ids(&UP),
        ..Place::default()
    }
}

fn below_release(n: u64, name: &str) -> Place {
    let mut above = vec![id(100 + n)];
    above.extend(ids(&UP));
    Place { path: format!("/srv/app/releases/{n}/{name}"), id: Some(id(1000 + n)), above, ..Place::default() }
}

fn gone(place: Place) -> Place {
    Place { gone: true, ..place }
}

fn place(path: &str, ino: u64, above: &[u64]) -> Place {
    Place { path: path.to_owned(), id: Some(id(ino)), above: ids(above), ..Place::default() }
}

fn root() -> Place {
    place("/", 2, &[])
}

fn target(path: &str, ino: u64, parent: u64) -> Option<Target> {
    Some(Target { path: path.to_owned(), id: id(ino), parent: id(parent), ..Target::default() })
}

fn link(name: &str, target: Option<Target>) -> LinkReading {
    LinkReading {
        link: name.to_owned(),
        owner: None,
        problem: target.is_none().then(|| "it does not exist".to_owned()),
        target,
        switched_at: at(SWITCH),
        ..LinkReading::default()
    }
}

/// `/srv/app/current` leads to release 66.
fn current() -> LinkReading {
    link("/srv/app/current", target("/srv/app/releases/66", 166, 5))
}

fn process(pid: u32, started_ms: i64, cwd: Place) -> ProcessReading {
    ProcessReading {
        command: String::new(),
        pid,
        started_ms,
        name: "php".to_owned(),
        names_link: false,
        cwd: Ok(cwd),
        exe: Ok(place("/usr/bin/php", 9000, &[8, 7, 2])),
        files: Vec::new(),
        replaced: Vec::new(),
        parent: 1,
        program: None,
        sockets: Sockets::default(),
        stopped: false,
    }
}

fn past(n: u64, from: i64) -> PastTarget {
    PastTarget { path: format!("/srv/app/releases/{n}"), id: id(100 + n), from: at(from) }
}

fn history(entries: &[PastTarget]) -> History {
    History::from([("/srv/app/current".to_owned(), entries.to_vec())])
}

fn settings() -> UnitSettings {
    UnitSettings { working_directory: "/srv/app/current".to_owned(), ..UnitSettings::default() }
}

fn judged_by(links: Vec<LinkReading>, history: &History, processes: Vec<ProcessReading>) -> Vec<Resident> {
    let reading = ProcessesReading { processes, links, ..ProcessesReading::default() };
    let known = Known {
        main_pid: Some(MAIN),
        rested_at: None,
        active_since: None,
        history,
        settings: &settings(),
        now: at(900_000),
    };
    judge(&reading, known)
}

fn one_with(links: Vec<LinkReading>, history: &History, process: ProcessReading) -> Residence {
    let mut all = judged_by(links, history, vec![process]);
    all.remove(0).residence
}

/// The main process, without any history.
fn main_at(cwd: Place, started_ms: i64) -> Residence {
    one_with(vec![current()], &History::new(), process(MAIN, started_ms, cwd))
}

fn old_release(residence: &Residence) -> &str {
    let Residence::Outdated { release, .. } = residence else {
        panic!("not outdated: {residence:?}");
    };
    release
}

#[test]
fn in_the_release_or_below_is_current() {
    assert_eq!(main_at(release(66), BEFORE), Residence::Current);
    assert_eq!(main_at(below_release(66, "public"), BEFORE), Residence::Current);
}

#[test]
fn another_release_beside_is_outdated_by_identity_of_the_directory_that_holds_them() {
    assert_eq!(old_release(&main_at(release(65), BEFORE)), "/srv/app/releases/65");
    assert_eq!(old_release(&main_at(below_release(65, "public/admin"), AFTER)), "/srv/app/releases/65");
}

#[test]
fn a_deleted_release_is_deleted_also_where_only_a_directory_below_is_known() {
    let deleted = Residence::Deleted { release: "/srv/app/releases/65".to_owned() };
    assert_eq!(main_at(gone(release(65)), BEFORE), deleted);
    let public = Place { above: ids(&UP), ..gone(below_release(65, "public")) };
    assert_eq!(main_at(public, BEFORE), deleted);
    let file = Place { above: ids(&UP), ..gone(below_release(65, "artisan")) };
    let php = ProcessReading { files: vec![file], ..process(MAIN, BEFORE, root()) };
    assert_eq!(one_with(vec![current()], &History::new(), php), deleted);
}

#[test]
fn a_deleted_directory_that_is_no_release_is_elsewhere() {
    let scratch = gone(place("/srv/shared/tmp/x", 700, &[701, 3, 2]));
    let worker = process(7, AFTER, scratch);
    assert_eq!(one_with(vec![current()], &History::new(), worker), Residence::Elsewhere);
    // One inside of the current release is not the release.
    let inner = gone(below_release(66, "tmp"));
    assert_eq!(main_at(inner, AFTER), Residence::Current);
}

#[test]
fn the_same_name_made_again_is_another_release() {
    let redone = gone(Place { id: Some(id(999)), ..release(66) });
    assert_eq!(main_at(redone, BEFORE), Residence::Deleted { release: "/srv/app/releases/66".to_owned() });
}

#[test]
fn false_friends_are_quiet() {
    // A directory that is really named so: it exists, the shell says `gone: false`.
    let named = link("/srv/app/current", target("/srv/app/releases/x (deleted)", 166, 5));
    let lives = place("/srv/app/releases/x (deleted)", 166, &UP);
    let quiet = |links, place| one_with(links, &History::new(), process(MAIN, BEFORE, place));
    assert_eq!(quiet(vec![named], lives), Residence::Current);
    // The release was renamed and the link follows: same directory.
    let renamed = link("/srv/app/current", target("/srv/app/releases/66-final", 166, 5));
    assert_eq!(quiet(vec![renamed], release(66)), Residence::Current);
    // A bind mount of the release, and of a directory that holds it, elsewhere.
    assert_eq!(quiet(vec![current()], place("/mnt/alias", 166, &[50, 2])), Residence::Current);
    assert_eq!(quiet(vec![current()], place("/mnt/alias/web", 51, &[166, 50, 2])), Residence::Current);
    // Another mount namespace: the same text is another directory there, and is no release of ours.
    let other = Place {
        id: Some(FileId { dev: 9, ino: 65 }),
        above: vec![FileId { dev: 9, ino: 5 }, FileId { dev: 9, ino: 2 }],
        ..release(65)
    };
    let worker = process(7, BEFORE, other);
    assert_eq!(one_with(vec![current()], &History::new(), worker), Residence::Elsewhere);
}

#[test]
fn a_renamed_old_release_is_found_by_its_identity() {
    let known = history(&[past(65, 1000), past(66, SWITCH)]);
    let moved = place("/backup/65", 165, &[60, 2]);
    let residence = one_with(vec![current()], &known, process(MAIN, BEFORE, moved.clone()));
    assert_eq!(old_release(&residence), "/srv/app/releases/65");
    // An inode that was given away anew is not: the directory bears another name and the process is younger.
    let residence = one_with(vec![current()], &known, process(MAIN, AFTER, moved));
    assert_eq!(residence, Residence::Elsewhere);
}

#[test]
fn a_master_that_went_to_the_root_is_found_by_its_script_or_its_start() {
    let script = place("/srv/app/releases/65/artisan", 800, &[165, 5, 4, 3, 2]);
    let php = ProcessReading { files: vec![script], ..process(MAIN, AFTER, root()) };
    let residence = one_with(vec![current()], &History::new(), php);
    assert_eq!(old_release(&residence), "/srv/app/releases/65");

    assert_eq!(old_release(&main_at(root(), BEFORE)), "an earlier release");
    let known = history(&[past(65, 1000), past(66, SWITCH)]);
    let residence = one_with(vec![current()], &known, process(MAIN, BEFORE, root()));
    assert_eq!(old_release(&residence), "/srv/app/releases/65");
    assert_eq!(main_at(root(), AFTER), Residence::Elsewhere);
}

#[test]
fn the_time_rule_never_calls_a_fresh_process_old() {
    assert_eq!(main_at(root(), SWITCH - TICK_MS), Residence::Elsewhere);
    assert_eq!(main_at(root(), SWITCH), Residence::Elsewhere);
    assert_ne!(main_at(root(), SWITCH - TICK_MS - 1), Residence::Elsewhere);
    // A link of the future: the clock was set back.
    let future = LinkReading { switched_at: at(2_000_000), ..current() };
    let residence = one_with(vec![future], &History::new(), process(MAIN, BEFORE, root()));
    assert_eq!(residence, Residence::Elsewhere);
}

#[test]
fn a_worker_is_old_by_time_only_when_its_command_line_names_the_link() {
    let worker = |names_link| ProcessReading { names_link, ..process(7, BEFORE, root()) };
    let by = |worker| one_with(vec![current()], &History::new(), worker);
    assert_eq!(by(worker(false)), Residence::Elsewhere);
    assert_eq!(old_release(&by(worker(true))), "an earlier release");
}

#[test]
fn back_to_the_release_of_its_start_is_not_outdated() {
    let main = || process(MAIN, BEFORE, root());
    let back = [past(66, 1000), past(67, 400_000), past(66, SWITCH)];
    assert_eq!(one_with(vec![current()], &history(&back), main()), Residence::Elsewhere);
    // Set anew to the same release.
    let same = [past(66, 1000)];
    assert_eq!(one_with(vec![current()], &history(&same), main()), Residence::Elsewhere);
    // Renamed together with the link.
    let renamed = PastTarget { path: "/srv/app/releases/x".to_owned(), ..past(66, 1000) };
    let known = history(&[renamed.clone(), past(66, SWITCH)]);
    assert_eq!(one_with(vec![current()], &known, main()), Residence::Elsewhere);
    // But the same inode with others in between is another release.
    let known = history(&[renamed, past(65, 400_000), past(66, SWITCH)]);
    assert_eq!(old_release(&one_with(vec![current()], &known, main())), "/srv/app/releases/x");
}

#[test]
fn an_executable_of_an_old_release_is_outdated_wherever_it_went() {
    let exe = |n: u64| place(&format!("/srv/app/releases/{n}/bin/server"), 810, &[820, 100 + n, 5, 4, 3, 2]);
    let go = |exe| ProcessReading { exe: Ok(exe), ..process(MAIN, AFTER, root()) };
    let by = |process| one_with(vec![current()], &History::new(), process);
    assert_eq!(old_release(&by(go(exe(65)))), "/srv/app/releases/65");
    assert_eq!(by(go(exe(66))), Residence::Current);
}

#[test]
fn a_mount_that_went_with_its_release_is_deleted_for_the_main_process() {
    let detached = gone(place("/", 165, &[]));
    assert_eq!(main_at(detached.clone(), BEFORE), Residence::Deleted { release: "/".to_owned() });
    let known = history(&[past(65, 1000), past(66, SWITCH)]);
    assert_eq!(
        one_with(vec![current()], &known, process(7, BEFORE, detached)),
        Residence::Deleted { release: "/srv/app/releases/65".to_owned() }
    );
}

#[test]
fn versions_beside_their_link_need_a_past() {
    // /srv/app -> /srv/app-2: what else lies in /srv is nobody's release.
    let versions = || link("/srv/app", target("/srv/app-2", 202, 3));
    let other = place("/srv/mail", 300, &[3, 2]);
    let by = |history: &History, place| one_with(vec![versions()], history, process(7, BEFORE, place));
    assert_eq!(by(&History::new(), other.clone()), Residence::Elsewhere);
    let before = PastTarget { path: "/srv/app-1".to_owned(), id: id(201), from: at(1000) };
    let known = History::from([("/srv/app".to_owned(), vec![before])]);
    assert_eq!(by(&known, other), Residence::Elsewhere);
    assert_eq!(old_release(&by(&known, place("/srv/app-1/lib", 301, &[201, 3, 2]))), "/srv/app-1");
    let deleted = gone(place("/srv/app-1", 201, &[3, 2]));
    assert_eq!(by(&known, deleted), Residence::Deleted { release: "/srv/app-1".to_owned() });
}

#[test]
fn shared_data_reached_through_the_release_is_not_a_release() {
    let log = || link("/srv/app/current/log", target("/srv/app/shared/log", 401, 400));
    let shared = place("/srv/app/shared/tmp", 402, &[400, 4, 3, 2]);
    let worker = process(7, BEFORE, shared.clone());
    assert_eq!(one_with(vec![current(), log()], &History::new(), worker), Residence::Elsewhere);
    let writes = ProcessReading { files: vec![shared], ..process(7, BEFORE, root()) };
    assert_eq!(one_with(vec![current(), log()], &History::new(), writes), Residence::Elsewhere);
}

#[test]
fn a_disk_elsewhere_is_judged_by_the_link_inside() {
    // /srv -> /data/srv, /srv/app/current -> /data/srv/app/releases/66.
    let disk = || link("/srv", target("/data/srv", 3, 30));
    let inner = || link("/srv/app/current", target("/data/srv/app/releases/66", 166, 5));
    let by = |place| one_with(vec![disk(), inner()], &History::new(), process(MAIN, AFTER, place));
    let there = |n: u64| place(&format!("/data/srv/app/releases/{n}"), 100 + n, &[5, 4, 3, 30, 2]);
    assert_eq!(by(there(66)), Residence::Current);
    assert_eq!(old_release(&by(there(65))), "/data/srv/app/releases/65");
    // Other data on that disk proves nothing against the clock.
    let data = || place("/data/srv/queue", 31, &[3, 30, 2]);
    assert_eq!(by(data()), Residence::Current);
    let old = process(MAIN, BEFORE, data());
    let residence = one_with(vec![disk(), inner()], &History::new(), old);
    assert_eq!(old_release(&residence), "an earlier release");
    assert_eq!(by(place("/data/queue", 32, &[30, 2])), Residence::Elsewhere);
}

#[test]
fn unreadable_is_neither_current_nor_old() {
    let hidden = ProcessReading {
        cwd: Err("cannot look at its working directory: permission denied".to_owned()),
        exe: Err("cannot look at its executable: permission denied".to_owned()),
        ..process(MAIN, BEFORE, root())
    };
    let residents = judged_by(vec![current()], &History::new(), vec![hidden.clone()]);
    assert!(matches!(residents[0].residence, Residence::Unreadable { .. }));
    let reading =
        ProcessesReading { processes: vec![hidden], links: vec![current()], ..ProcessesReading::default() };
    let verdict = verdict(&residents, &reading);
    assert_eq!(verdict.named, []);
    assert!(verdict.unknown.expect("a reason").contains("permission denied"));
}

fn verdict_of(links: Vec<LinkReading>, processes: Vec<ProcessReading>) -> Verdict {
    let residents = judged_by(links.clone(), &History::new(), processes.clone());
    let reading = ProcessesReading { processes, links, ..ProcessesReading::default() };
    verdict(&residents, &reading)
}

#[test]
fn new_workers_under_an_old_master_are_said_in_these_words() {
    let verdict = verdict_of(
        vec![current()],
        vec![
            process(MAIN, BEFORE, release(65)),
            process(101, AFTER, release(65)),
            process(102, AFTER, release(65)),
        ],
    );
    let codes: Vec<Code> = verdict.named.iter().map(|named| named.code).collect();
    assert_eq!(codes, [Code::ReleaseOutdated, Code::WorkersOnlyRestart]);
    assert_eq!(
        verdict.named[0].message,
        "the main process 100 (php) and 2 workers run /srv/app/releases/65; /srv/app/current leads to /srv/app/releases/66"
    );
    assert_eq!(
        verdict.named[1].message,
        "new workers under an old master: 2 of 2 workers started after /srv/app/current was switched, the main process 100 (php) still runs /srv/app/releases/65"
    );
    assert_eq!(verdict.running.as_deref(), Some("/srv/app/releases/65"));
    assert_eq!(verdict.current.as_deref(), Some("/srv/app/releases/66"));
    assert_eq!(verdict.named[0].evidence[0], "main 100 (php): /srv/app/releases/65, it lives there");
}

#[test]
fn deleted_and_outdated_are_told_apart() {
    let verdict = verdict_of(
        vec![current()],
        vec![
            process(MAIN, BEFORE, gone(release(61))),
            process(101, BEFORE, release(65)),
            process(102, AFTER, release(66)),
        ],
    );
    let messages: Vec<&str> = verdict.named.iter().map(|named| named.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "the main process 100 (php) (1 of 3 processes) runs /srv/app/releases/61, which was deleted; /srv/app/current leads to /srv/app/releases/66",
            "worker 101 (php) (1 of 3 processes) runs /srv/app/releases/65; /srv/app/current leads to /srv/app/releases/66",
            "new workers under an old master: 1 of 2 workers started after /srv/app/current was switched, the main process 100 (php) still runs /srv/app/releases/61",
        ]
    );
}

#[test]
fn a_missing_link_is_unknown_not_stale() {
    let missing = || link("/srv/app/current", None);
    let verdict = verdict_of(vec![missing()], vec![process(MAIN, BEFORE, release(65))]);
    assert_eq!(verdict.named, []);
    assert_eq!(verdict.unknown.as_deref(), Some("/srv/app/current leads to no release: it does not exist"));
    assert_eq!(verdict_of(vec![current()], vec![process(MAIN, BEFORE, release(66))]).unknown, None);
    assert_eq!(verdict_of(vec![], vec![process(MAIN, BEFORE, root())]), Verdict::default());
}

#[test]
fn the_link_is_remembered_when_its_target_changes_and_only_then() {
    let mut known = History::new();
    remember(&mut known, &[current()], at(510_000));
    remember(&mut known, &[current()], at(520_000));
    remember(&mut known, &[link("/srv/app/current", None)], at(530_000));
    assert_eq!(known["/srv/app/current"], [past(66, SWITCH)]);
    // The directory was made anew, the link untouched: from now on.
    let redone = link("/srv/app/current", target("/srv/app/releases/66", 999, 5));
    remember(&mut known, &[redone], at(540_000));
    assert_eq!(known["/srv/app/current"].len(), 2);
    assert_eq!(known["/srv/app/current"][1].from, at(540_000));
    for n in 0..50 {
        let next = link("/srv/app/current", target(&format!("/srv/app/releases/{n}"), n, 5));
        remember(&mut known, &[next], at(600_000 + i64::try_from(n).expect("small")));
    }
    assert_eq!(known["/srv/app/current"].len(), TARGETS);
    assert_eq!(known["/srv/app/current"][TARGETS - 1].path, "/srv/app/releases/49");
}

fn spec(declared: Option<&str>) -> Spec {
    let unit = Selector::Unit(UnitName::from("horizon.service"));
    let release = ReleaseSpec { link: declared.map(str::to_owned), ..ReleaseSpec::default() };
    Spec { release, ..Spec::of_empty_file(unit, "horizon.service.toml".to_owned()) }
}

fn paths(spec: &Spec, settings: &UnitSettings) -> Vec<String> {
    search(spec, settings).paths().map(str::to_owned).collect()
}

#[test]
fn paths_come_from_link_directory_command_and_environment() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let settings = UnitSettings {
        working_directory: "/srv/app/current".to_owned(),
        exec_start: vec![
            words(&["/usr/bin/gunicorn", "--chdir=/srv/web/current", "-b", "unix:/srv/web/sock", "app:app"]),
            words(&["/bin/sh", "-c", "cd /srv/q/current && exec php artisan"]),
        ],
        environment_paths: words(&["/srv/app/current/.env", "/a:/b"]),
        ..UnitSettings::default()
    };
    assert_eq!(
        paths(&spec(Some("/srv/declared")), &settings),
        [
            "/srv/declared",
            "/srv/app/current",
            "/usr/bin/gunicorn",
            "/srv/web/current",
            "/srv/web/sock",
            "/bin/sh",
            "/srv/q/current",
            "/srv/app/current/.env",
            "/a",
        ]
    );
    let home = UnitSettings { working_directory: "~".to_owned(), ..UnitSettings::default() };
    assert_eq!(paths(&spec(None), &home), Vec::<String>::new());
}

#[test]
fn of_what_leads_nowhere_only_known_links_are_kept() {
    let broken = |name| link(name, None);
    let read = vec![current(), broken("/srv/app/run.pid"), broken("/srv/declared"), broken("/srv/known")];
    let known = History::from([("/srv/known".to_owned(), vec![past(1, 0)])]);
    let kept = own_links(read, &spec(Some("/srv/declared")), &settings(), &known);
    let names: Vec<&str> = kept.iter().map(|link| link.link.as_str()).collect();
    assert_eq!(names, ["/srv/app/current", "/srv/declared", "/srv/known"]);
    let gone = own_links(vec![broken("/srv/app/current")], &spec(None), &settings(), &History::new());
    assert_eq!(gone.len(), 1);
}

#[test]
fn processes_of_an_earlier_run_are_told_only_for_sure() {
    let named = |pid, started_ms, name: &str| ProcessReading {
        name: name.to_owned(),
        ..process(pid, started_ms, root())
    };
    let reading = ProcessesReading {
        processes: vec![
            named(50, 10_000, "php"),
            named(51, 98_500, "php"),
            named(52, 10_000, "sh"),
            named(MAIN, 100_000, "php"),
            named(101, 100_500, "php"),
        ],
        ..ProcessesReading::default()
    };
    let with = |kill_mode: &str, service_type: &str| UnitSettings {
        kill_mode: KillMode::of(kill_mode),
        service_type: ServiceType::of(service_type),
        ..UnitSettings::default()
    };
    let pids = |settings: &UnitSettings, main| -> Vec<u32> {
        let none = History::new();
        let known = Known {
            main_pid: main,
            rested_at: None,
            active_since: None,
            history: &none,
            settings,
            now: at(900_000),
        };
        left_over(&reading, &[], known).iter().map(|(pid, _)| *pid).collect()
    };
    assert_eq!(pids(&with("process", "simple"), Some(MAIN)), [50]);
    assert_eq!(pids(&with("control-group", "simple"), Some(MAIN)), [0; 0]);
    assert_eq!(pids(&with("process", "forking"), Some(MAIN)), [0; 0]);
    assert_eq!(pids(&with("process", "simple"), None), [0; 0]);
}

#[test]
fn replaced_binaries_are_told_with_their_users_and_not_those_of_a_release() {
    let uses = |pid, paths: &[&str]| ProcessReading {
        replaced: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..process(pid, BEFORE, release(66))
    };
    let reading = ProcessesReading {
        processes: vec![
            uses(MAIN, &["/usr/lib/libssl.so.3", "/srv/app/releases/65/ext.so"]),
            uses(101, &["/usr/lib/libssl.so.3", "/usr/bin/php"]),
            uses(102, &["/srv/app/releases/65/ext.so"]),
        ],
        links: vec![current()],
        ..ProcessesReading::default()
    };
    let residents = judged_by(reading.links.clone(), &History::new(), reading.processes.clone());
    let told = binaries(&reading, &residents, &History::new()).expect("a finding");
    assert_eq!(told.code, Code::BinaryOutdated);
    assert_eq!(
        told.message,
        "2 of 3 processes use files that were replaced on disk: /usr/bin/php and 1 more"
    );
    assert_eq!(
        told.evidence,
        ["/usr/bin/php: worker 101 (php)", "/usr/lib/libssl.so.3: main 100 (php), worker 101 (php)"]
    );
    let clean = ProcessesReading { processes: vec![uses(102, &[])], ..ProcessesReading::default() };
    assert_eq!(binaries(&clean, &residents, &History::new()), None);
}

#[test]
fn a_child_that_builds_the_next_release_is_not_outdated() {
    let verdict = verdict_of(
        vec![current()],
        vec![process(MAIN, AFTER, release(66)), process(101, AFTER, release(67))],
    );
    assert_eq!(verdict.named, []);
}
