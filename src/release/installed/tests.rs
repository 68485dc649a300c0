//! What is found from paths and processes, and which changes count, on files made as installers make them.

use std::fs::{self, create_dir_all};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::*;
use crate::release::process;

mod tools;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let real = fs::canonicalize(scratch.path()).expect("its path");
        assert_eq!(real, scratch.path());
        Self(scratch)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        create_dir_all(path.parent().expect("a directory")).expect("directories");
        fs::write(&path, text).expect("a file");
        path
    }

    /// As pip leaves a package.
    fn package(&self, name: &str, sum: &str) -> PathBuf {
        let folder = format!("venv/lib/python3.13/site-packages/{name}.dist-info");
        let record = format!(
            "flask/app.py,sha256={sum},9\nflask/__pycache__/app.pyc,,\n{name}.dist-info/INSTALLER,sha256=x,4\n../../../bin/flask,sha256=y,1\n"
        );
        self.write(&format!("{folder}/RECORD"), &record);
        self.at(&folder)
    }
}

fn search_of(paths: &[&Path]) -> Search {
    let others = paths.iter().map(|path| path.to_str().expect("text").to_owned()).collect();
    Search { others, kinds: BTreeSet::from(Kind::ALL), ..Search::default() }
}

fn only(search: &Search) -> Installed {
    let mut found = read(search, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn print_of(search: &Search) -> FileId {
    only(search).whole().expect("whole").print
}

/// Waits until a change is old enough to count.
fn settled(search: &Search) -> Installed {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let found = only(search);
        if !matches!(found.state, State::Unsettled(_)) || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process of ours, listed as the control group lists it.
struct Running(Child);

impl Running {
    fn begin(command: &mut Command) -> Self {
        let running = Self(command.spawn().expect("a process"));
        let until = Instant::now() + Duration::from_secs(10);
        // Until it has become what it was told to be.
        let own = fs::read(format!("/proc/{}/cmdline", std::process::id())).expect("our own");
        while fs::read(format!("/proc/{}/cmdline", running.0.id()))
            .is_ok_and(|line| line == own || line.is_empty())
        {
            assert!(Instant::now() < until, "it did not begin");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }

    fn listed(&self) -> Vec<Listed> {
        vec![process::list(self.0.id()).expect("a process")]
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn c5_a_venv_is_what_its_records_say() {
    let scratch = Scratch::new();
    scratch.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.13.5\ncommand = python3 -m venv\n");
    let python = scratch.write("venv/bin/python", "");
    let flask = scratch.package("flask-3.0.0", "a");
    symlink(scratch.at("venv/bin/python"), scratch.at("tool")).expect("a link");
    let search = search_of(&[&python]);
    let before = only(&search);
    assert_eq!(
        (before.kind, before.place.as_str()),
        (Kind::Venv, scratch.at("venv").to_str().expect("text"))
    );
    let print = print_of(&search);
    // pipx, uv: a link elsewhere leads there.
    let tool = scratch.at("tool");
    assert_eq!(print_of(&search_of(&[&tool])), print);

    // The same again: reinstalled by another tool, compiled, touched, made anew.
    fs::remove_dir_all(&flask).expect("removed");
    scratch.package("flask-3.0.0", "a");
    scratch.write("venv/lib/python3.13/site-packages/__pycache__/x.pyc", "x");
    scratch.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.13.5\nuv = 0.9\n");
    assert_eq!(print_of(&search), print);
    // Half of an update, then all of it.
    fs::remove_file(flask.join("RECORD")).expect("removed");
    assert!(matches!(only(&search).state, State::Unsettled(why) if why.contains("no RECORD")));
    fs::rename(&flask, flask.with_file_name("~lask-3.0.0.dist-info")).expect("put aside");
    let new = scratch.package("flask-3.0.1", "b");
    assert!(matches!(only(&search).state, State::Unsettled(why) if why.contains("pip is at work")));
    fs::remove_dir_all(flask.with_file_name("~lask-3.0.0.dist-info")).expect("removed");
    let known = Search { installed: vec![before], ..search.clone() };
    assert!(matches!(only(&known).state, State::Unsettled(why) if why.contains("a moment ago")));
    let after = settled(&known);
    let content = after.whole().expect("whole");
    assert_ne!(content.print, print);
    assert_eq!(content.newest, new.to_str().expect("text"));
    // Another build under the same version.
    scratch.package("flask-3.0.1", "c");
    assert_ne!(print_of(&search), content.print);
}

#[test]
fn c5_packages_of_npm_are_what_their_lock_says() {
    let scratch = Scratch::new();
    let lock = scratch.write("app/node_modules/.package-lock.json", "{\"express\": \"4\"}");
    scratch.write("app/node_modules/express/package.json", "{}");
    scratch.write("app/server.js", "");
    // Nobody but node has anything to do with them.
    let script = scratch.at("app/server.js");
    assert_eq!(read(&search_of(&[&script]), &[]), []);
    let known = npm::around(&script).expect("found");
    assert_eq!(known, scratch.at("app/node_modules"));
    let users = BTreeSet::new();
    let look = Look { now: clock::now(), known: None, users: &users };
    let state = || match npm::read(&known, &look) {
        Some(Found::Whole(content)) => content.print,
        Some(Found::Unsettled(_) | Found::Gone(_)) | None => FileId::default(),
    };
    let print = state();
    fs::write(&lock, "{\"express\": \"4\"}").expect("written anew");
    assert_eq!(state(), print);
    fs::write(&lock, "{\"express\": \"5\"}").expect("written");
    assert_ne!(state(), print);
    fs::remove_file(&lock).expect("npm is at work");
    assert!(matches!(npm::read(&known, &look), Some(Found::Unsettled(_))));
    fs::remove_dir_all(&known).expect("removed");
    assert!(matches!(npm::read(&known, &look), Some(Found::Gone(_))));
    // With `-g`: the package itself.
    scratch.write("lib/node_modules/tool/package.json", "{\"version\": \"1\"}");
    let script = scratch.write("lib/node_modules/tool/bin/tool.js", "");
    assert_eq!(npm::around(&script), Some(scratch.at("lib/node_modules/tool")));
}

#[test]
fn c5_a_file_is_its_content_and_what_a_process_holds_of_it_is_known() {
    let scratch = Scratch::new();
    let jar = scratch.write("app/app.jar", "one");
    let mut search = search_of(&[]);
    // As a virtual machine holds its archive: open.
    let mut shell = Command::new("perl");
    shell.args(["-e", "open(F, '<', $ARGV[0]); sleep 1000", "app.jar"]).current_dir(scratch.at("app"));
    let process = Running::begin(&mut shell);
    let look = |search: &Search| {
        let mut found = read(search, &process.listed());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let holds = || {
        let files = fs::read_dir(format!("/proc/{}/fd", process.0.id())).into_iter().flatten().flatten();
        files.map(|file| fs::read_link(file.path())).any(|path| path.is_ok_and(|path| path == jar))
    };
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = look(&search);
    assert_eq!((before.kind, before.place.as_str()), (Kind::File, jar.to_str().expect("text")));
    assert_eq!(before.users, BTreeSet::from([process.0.id()]));
    let print = before.whole().expect("whole").print;
    // Touched, owned by another, copied by rsync without a change.
    fs::write(scratch.at("app/.app.jar.x"), "one").expect("a copy");
    fs::rename(scratch.at("app/.app.jar.x"), &jar).expect("moved there");
    let same = look(&search);
    let content = same.whole().expect("whole");
    assert_eq!((content.print, content.held.get(&process.0.id())), (print, Some(&print)));
    fs::write(scratch.at("app/new"), "two").expect("another one");
    fs::rename(scratch.at("app/new"), &jar).expect("moved there");
    let other = look(&search);
    let content = other.whole().expect("whole");
    assert_eq!(content.held.get(&process.0.id()), Some(&print));
    assert_ne!(content.print, print);
    // Gone; and what was known of it is kept.
    search.installed = vec![other.clone()];
    fs::remove_file(&jar).expect("removed");
    let gone = look(&search);
    assert!(matches!(gone.state, State::Gone(_)));
    assert_eq!(gone.content, other.content);
}

#[test]
fn c5_an_executable_of_its_own_counts_and_an_interpreter_does_not() {
    let scratch = Scratch::new();
    create_dir_all(scratch.at("bin")).expect("a directory");
    fs::copy("/bin/sleep", scratch.at("bin/server")).expect("a program");
    fs::copy("/bin/sleep", scratch.at("bin/python3.13")).expect("a program");
    for (name, kinds) in [("server", vec![Kind::File]), ("python3.13", Vec::new())] {
        let process = Running::begin(
            Command::new(scratch.at("bin").join(name)).arg("1000").current_dir(scratch.at("bin")),
        );
        let found: Vec<Kind> = read(&search_of(&[]), &process.listed()).iter().map(|one| one.kind).collect();
        assert_eq!(found, kinds, "{name}");
    }
}

fn git(at: &Path, words: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(at).args(["-c", "user.name=x", "-c", "user.email=x@x"]).args(words);
    assert!(git.output().expect("git").status.success(), "git {words:?}");
}

#[test]
fn c5_a_checkout_is_the_commit_of_its_head() {
    let scratch = Scratch::new();
    let script = scratch.write("app/manage.py", "");
    let app = scratch.at("app");
    for words in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-qm", "1"]] {
        git(&app, words);
    }
    let search = search_of(&[&script]);
    let first = only(&search);
    assert_eq!((first.kind, Path::new(&first.place)), (Kind::Git, app.as_path()));
    let content = first.whole().expect("whole");
    let logged = content.made_at.expect("from the log of HEAD");
    assert!(clock::now().wall_ms - logged.wall_ms < 60_000, "{logged:?}");
    for words in [&["gc", "-q"][..], &["pack-refs", "--all"], &["checkout", "-qb", "other"], &["tag", "v1"]] {
        git(&app, words);
        assert_eq!(print_of(&search), content.print, "{words:?}");
    }
    fs::write(&script, "x").expect("edited");
    git(&app, &["commit", "-qam", "2"]);
    assert_ne!(print_of(&search), content.print);
    git(&app, &["checkout", "-q", "main"]);
    assert_eq!(print_of(&search), content.print);
    fs::write(app.join(".git/index.lock"), "").expect("git is at work");
    assert!(matches!(only(&search).state, State::Unsettled(_)));
    // A working tree of its own.
    fs::remove_file(app.join(".git/index.lock")).expect("removed");
    git(&app, &["worktree", "add", "-q", "../tree", "other"]);
    let tree = scratch.at("tree/manage.py");
    assert_ne!(print_of(&search_of(&[&tree])), content.print);
}

#[test]
fn hostile_files_of_git_lead_nowhere() {
    let scratch = Scratch::new();
    let script = scratch.write("app/app.py", "");
    scratch.write("app/.git/HEAD", "ref: refs/../../../secret\n");
    scratch.write("secret", "0123456789012345678901234567890123456789");
    assert_eq!(read(&search_of(&[&script]), &[]), []);
    scratch.write("app/.git/HEAD", "ref: /etc/passwd\n");
    assert_eq!(read(&search_of(&[&script]), &[]), []);
}

#[test]
fn what_is_no_code_is_left_alone() {
    let scratch = Scratch::new();
    // Data of a service that happen to be in git, and configuration that ends like a script.
    scratch.write("data/.git/HEAD", "0123456789012345678901234567890123456789\n");
    let process = Running::begin(Command::new("sleep").arg("1000").current_dir(scratch.at("data")));
    assert_eq!(read(&search_of(&[]), &process.listed()), []);
    drop(process);
    let configuration = scratch.write("app/gunicorn.conf.py", "");
    assert_eq!(read(&search_of(&[&configuration]), &[]), []);
}
