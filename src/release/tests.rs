//! Real processes in real directories, read through a made-up control group.

mod found;
mod hung;
mod mounts;

use std::fs::{copy, create_dir, create_dir_all, remove_dir_all, remove_file, rename, write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::processes::{Subject, inspect_below};
use crate::clock;
use crate::model::release::{FileId, ProcessReading, ProcessesReading, Search};
use crate::model::unit::UnitName;

const LIMIT: Duration = Duration::from_secs(10);

/// A control group tree, a release tree, and the processes in them.
struct World {
    root: tempfile::TempDir,
    children: Vec<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a scratch directory");
        create_dir_all(root.path().join("cgroup/system.slice/a.service/inner")).expect("a group");
        write(root.path().join("cgroup/cgroup.controllers"), "").expect("a file");
        for release in ["releases/1/public", "releases/2"] {
            create_dir_all(root.path().join("app").join(release)).expect("a release");
        }
        symlink("releases/1", root.path().join("app/current")).expect("a link");
        Self { root, children: Vec::new() }
    }

    fn app(&self, path: &str) -> PathBuf {
        self.root.path().join("app").join(path)
    }

    /// Starts a process there, and puts it into the (sub-)group.
    fn start(&mut self, directory: &Path, program: &Path, args: &[&str], group: &str) -> u32 {
        let mut child = Command::new(program)
            .args(args)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        // It runs its own program once it has said so.
        let mut ready = [0; 1];
        if args.contains(&"-c") {
            let out = child.stdout.as_mut().expect("its output");
            std::io::Read::read_exact(out, &mut ready).expect("its word");
        }
        let pid = child.id();
        self.children.push(child);
        let procs = self.root.path().join("cgroup/system.slice/a.service").join(group);
        let listed = std::fs::read_to_string(procs.join("cgroup.procs")).unwrap_or_default();
        write(procs.join("cgroup.procs"), format!("{listed}{pid}\n")).expect("the list");
        pid
    }

    fn shell(&mut self, directory: &Path, line: &str) -> u32 {
        let line = format!("{line}; echo; read -r never");
        self.start(directory, Path::new("/bin/sh"), &["-c", &line], "")
    }

    async fn inspect(&self) -> ProcessesReading {
        self.inspect_within(LIMIT).await
    }

    async fn inspect_within(&self, limit: Duration) -> ProcessesReading {
        let current = self.app("current").to_str().expect("text").to_owned();
        let search = Search { others: vec![current], ..Search::default() };
        self.inspect_for(&search, None, limit).await
    }

    async fn inspect_for(&self, search: &Search, main_pid: Option<u32>, limit: Duration) -> ProcessesReading {
        let groups = self.root.path().join("cgroup");
        let unit = UnitName::from("a.service");
        let subject =
            Subject { unit: &unit, control_group: "/system.slice/a.service", invocation: "a", main_pid };
        inspect_below(&groups, subject, search, limit).await
    }

    async fn only(&self) -> ProcessReading {
        let mut reading = self.inspect().await;
        assert_eq!(reading.incomplete, None);
        assert_eq!(reading.processes.len(), 1, "{reading:?}");
        reading.processes.remove(0)
    }
}

fn id(path: &Path) -> FileId {
    let seen = std::fs::metadata(path).expect("it exists");
    FileId { dev: seen.dev(), ino: seen.ino() }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[tokio::test]
async fn a_process_is_placed_by_identity_with_all_directories_above() {
    let mut world = World::new();
    let before = clock::now();
    let pid = world.shell(&world.app("current/public"), ":");
    let process = world.only().await;
    assert_eq!((process.pid, process.name.as_str()), (pid, "sh"));
    assert!(process.started_ms >= before.boot_ms - 20, "{process:?}");
    assert!(process.started_ms <= clock::now().boot_ms);
    let cwd = process.cwd.expect("readable");
    assert_eq!(cwd.path, text(&world.app("releases/1/public")));
    assert_eq!(cwd.id, Some(id(&world.app("releases/1/public"))));
    assert!(!cwd.gone);
    let wanted = ["releases/1", "releases", ""].map(|path| id(&world.app(path)));
    assert_eq!(cwd.above[..3], wanted);
    assert_eq!(cwd.above.last(), Some(&id(Path::new("/"))));
    let exe = process.exe.expect("readable");
    assert_eq!(exe.id, Some(id(Path::new("/bin/sh"))));
    assert!(!exe.gone);
}

#[tokio::test]
async fn a_deleted_directory_is_gone_and_its_parents_are_known() {
    let mut world = World::new();
    world.shell(&world.app("current/public"), ":");
    let deleted = id(&world.app("releases/1/public"));
    remove_dir_all(world.app("releases/1")).expect("a deletion");
    let cwd = world.only().await.cwd.expect("readable");
    assert_eq!(cwd.path, text(&world.app("releases/1/public")));
    assert!(cwd.gone && !cwd.anew);
    assert_eq!(cwd.id, Some(deleted));
    assert!(cwd.above.contains(&id(&world.app("releases"))), "{cwd:?}");
    // Made again under the same name, it is still gone.
    create_dir_all(world.app("releases/1/public")).expect("a directory");
    let cwd = world.only().await.cwd.expect("readable");
    assert!(cwd.gone && cwd.anew);
}

#[tokio::test]
async fn a_name_that_ends_so_is_not_gone_and_neither_is_a_renamed_release() {
    let mut world = World::new();
    let named = world.app("releases/x (deleted)");
    create_dir(&named).expect("a directory");
    world.shell(&named, ":");
    let cwd = world.only().await.cwd.expect("readable");
    assert!(!cwd.gone);
    assert_eq!(cwd.path, text(&named));

    let renamed = world.app("releases/y");
    rename(&named, &renamed).expect("a rename");
    let cwd = world.only().await.cwd.expect("readable");
    assert!(!cwd.gone);
    assert_eq!((cwd.path.as_str(), cwd.id), (text(&renamed), Some(id(&renamed))));

    // And if such a directory is deleted, one ending of two is the kernel's.
    rename(&renamed, &named).expect("a rename");
    remove_dir_all(&named).expect("a deletion");
    let cwd = world.only().await.cwd.expect("readable");
    assert!(cwd.gone);
    assert_eq!(cwd.path, text(&named));
}

#[tokio::test]
async fn a_script_that_stays_open_and_a_command_line_that_names_the_link_are_seen() {
    let mut world = World::new();
    write(world.app("releases/1/artisan"), "").expect("a script");
    let link = world.app("current");
    let line = format!("exec 7< {}/artisan; cd /", link.display());
    world.shell(&world.app("current"), &line);
    let process = world.only().await;
    assert!(process.names_link);
    assert_eq!(process.cwd.expect("readable").path, "/");
    let [script] = &process.files[..] else {
        panic!("one file: {:?}", process.files);
    };
    assert_eq!(script.path, text(&world.app("releases/1/artisan")));
    assert!(!script.gone);
    assert_eq!(script.above[0], id(&world.app("releases/1")));

    remove_dir_all(world.app("releases/1")).expect("a deletion");
    symlink("releases/2", world.app("tmp")).expect("a link");
    rename(world.app("tmp"), &link).expect("a flip");
    let process = world.only().await;
    let [script] = &process.files[..] else {
        panic!("one file: {:?}", process.files);
    };
    assert!(script.gone);
    assert_eq!(script.path, text(&world.app("releases/1/artisan")));
    assert_eq!(script.above[0], id(&world.app("releases")));
}

#[tokio::test]
async fn a_replaced_executable_is_told_and_a_thrown_away_one_is_not() {
    // Below /tmp it would be left out: there, programs delete what they map on purpose.
    let home = std::env::var_os("HOME").expect("a home");
    let lasting = tempfile::tempdir_in(home).expect("a directory");
    let mut world = World::new();
    for directory in [lasting.path(), world.root.path()] {
        copy("/bin/sleep", directory.join("server")).expect("a program");
    }
    let (kept, thrown) = (lasting.path().join("server"), world.root.path().join("server"));
    let first = world.start(Path::new("/"), &kept, &["60"], "");
    let second = world.start(Path::new("/"), &thrown, &["60"], "inner");
    let both = world.inspect().await.processes;
    assert!(both.iter().all(|process| process.replaced.is_empty()), "{both:?}");
    for program in [&kept, &thrown] {
        copy("/bin/sleep", program.with_extension("new")).expect("a program");
        rename(program.with_extension("new"), program).expect("an upgrade");
    }
    let both = world.inspect().await.processes;
    let replaced = |pid| {
        let process = both.iter().find(|process| process.pid == pid);
        process.expect("read").replaced.clone()
    };
    assert_eq!(replaced(first), [text(&kept)]);
    assert_eq!(replaced(second), [""; 0]);
    let exe = both[0].exe.clone().expect("readable");
    assert!(exe.gone);
    assert_eq!(exe.path, text(&kept));
}

#[test]
fn what_is_deleted_after_it_was_mapped_is_not_replaced() {
    // JNA, Netty and others unpack a library, map it and delete it.
    let home = std::env::var_os("HOME").expect("a home");
    let lasting = tempfile::tempdir_in(home).expect("a directory");
    let library = lasting.path().join("unpacked.so");
    copy("/bin/sleep", &library).expect("another one in its place");
    let place = |text: &str| super::process::is_replaced(Path::new(text), None);
    assert!(!place(text(&lasting.path().join("gone.so"))));
    assert!(place(text(&library)));
    assert!(place("/usr/lib/x86_64-linux-gnu/libgone.so.1"));
}

#[tokio::test]
async fn the_ended_are_left_out_and_a_missing_group_is_empty() {
    let mut world = World::new();
    let gone = world.shell(&world.app("current"), ":");
    let lives = world.shell(&world.app("current"), ":");
    let child = world.children.iter_mut().find(|child| child.id() == gone);
    child.expect("started").kill().expect("killed");
    // A zombie until its parent, this test, asks for it.
    let until = std::time::Instant::now() + LIMIT;
    loop {
        let pids: Vec<u32> = world.inspect().await.processes.iter().map(|one| one.pid).collect();
        if pids == [lives] {
            break;
        }
        assert!(std::time::Instant::now() < until, "{pids:?}");
    }
    remove_file(world.app("current")).expect("a link");
    remove_dir_all(world.root.path().join("cgroup/system.slice")).expect("the group ends");
    let reading = world.inspect().await;
    assert_eq!(reading.processes, []);
    assert_eq!(reading.incomplete, None);
    assert_eq!(reading.links.len(), 1);
    assert_eq!(reading.links[0].target, None);
}

#[tokio::test]
async fn who_was_stopped_by_a_signal_is_told() {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, waitpid};

    let mut world = World::new();
    let pid = world.shell(&world.app("current/public"), ":");
    assert!(!world.only().await.stopped);
    let child = nix::unistd::Pid::from_raw(pid.try_into().expect("small"));
    kill(child, Signal::SIGSTOP).expect("it is ours");
    waitpid(child, Some(WaitPidFlag::WUNTRACED)).expect("it stopped");
    assert!(world.only().await.stopped);
    kill(child, Signal::SIGCONT).expect("it is ours");
    waitpid(child, Some(WaitPidFlag::WCONTINUED)).expect("it goes on");
    assert!(!world.only().await.stopped);
}

#[test]
fn what_is_no_stat_is_nothing() {
    let own = std::fs::read("/proc/self/stat").expect("ours");
    assert!(super::process::stat(&own).is_some());
    // Found by fuzzing: each of these ended the crate that reads it.
    for text in [
        "7f00-7f01 r-xp 1 fe:00 )1234 (deleted)",
        "(a) S 1",
        "1 (a)",
        "1 (a)S",
        "1 (a) \u{e9}",
        " (a) S",
        ")(",
        "",
    ] {
        assert!(super::process::stat(text.as_bytes()).is_none(), "{text}");
    }
}
