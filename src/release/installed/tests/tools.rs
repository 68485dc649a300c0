//! What the tools of people do: shells that activate, home-made scripts, class paths, commits, packages that are taken away.

use std::os::unix::process::CommandExt;

use super::*;

fn kinds(search: &Search, listed: &[Listed]) -> Vec<(Kind, PathBuf)> {
    read(search, listed).into_iter().map(|one| (one.kind, PathBuf::from(one.place))).collect()
}

#[test]
fn c5_to_commit_what_lies_there_is_no_other_content() {
    let scratch = Scratch::new();
    let script = scratch.write("app/manage.py", "");
    let app = scratch.at("app");
    for words in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-qm", "1"], &["tag", "v1"]] {
        git(&app, words);
    }
    let search = search_of(&[&script]);
    let content = || only(&search).content.expect("content");
    let first = content();
    scratch.write("app/page-1.md", "1");
    for words in [
        &["add", "."][..],
        &["commit", "-qm", "page"],
        &["commit", "-q", "--amend", "-m", "the page: it\twas reset: merge"],
        &["checkout", "-qb", "other"],
        &["commit", "-q", "--allow-empty", "-m", "more"],
        &["gc", "-q"],
    ] {
        git(&app, words);
        let now = content();
        assert!(now.is(first.print), "{words:?}");
        let made = |content: &Content| content.made_at.expect("from the log of HEAD").wall_ms;
        assert!((made(&now) - made(&first)).abs() < 3000, "{words:?}");
    }
    git(&app, &["tag", "v2"]);
    // What moves files is another content, there and back, and stays so when something is committed on top of it.
    git(&app, &["reset", "-q", "--hard", "v1"]);
    assert_eq!(content().print, first.print);
    git(&app, &["reset", "-q", "--hard", "v2"]);
    assert!(!content().is(first.print));
    git(&app, &["commit", "-q", "--allow-empty", "-m", "on top"]);
    assert!(!content().is(first.print));
    git(&app, &["checkout", "-q", "v1"]);
    git(&app, &["merge", "-q", "v2"]);
    assert!(!content().is(first.print));
}

#[test]
fn c5_a_python_that_is_called_by_its_name_lives_where_its_search_path_led() {
    let scratch = Scratch::new();
    scratch.write("venv/pyvenv.cfg", "home = /usr/bin\n");
    scratch.write("venv/bin/python", "");
    create_dir_all(scratch.at("bin")).expect("a directory");
    fs::copy("/bin/sleep", scratch.at("bin/python3.13")).expect("a program");
    let (venv, search) = (scratch.at("venv"), search_of(&[]));
    let found = |name: &str, variables: &[(&str, String)]| {
        let mut command = Command::new(scratch.at("bin/python3.13"));
        command.arg0(name).arg("1000").env_clear().envs(variables.iter().cloned());
        let process = Running::begin(command.current_dir(scratch.at("bin")));
        kinds(&search, &process.listed())
    };
    let there = [(Kind::Venv, venv.clone())];
    let path = format!("relative:/nowhere:{}/bin:/usr/bin", venv.display());
    let activated = ("VIRTUAL_ENV", venv.display().to_string());
    assert_eq!(found("python", &[("PATH", path.clone())]), there);
    assert_eq!(found("python", std::slice::from_ref(&activated)), there);
    // Whoever names another Python lives in that one, whatever was activated around it.
    assert_eq!(found("/usr/bin/python3", &[("PATH", path), activated.clone()]), []);
    let other = format!("{}:{}/bin", scratch.at("bin").display(), venv.display());
    assert_eq!(found("python3.13", &[("PATH", other), activated]), []);
    // Its own text leads nowhere else.
    assert_eq!(found("python", &[("PATH", "\u{1b}[31m:..:/proc/self".to_owned())]), []);
    assert_eq!(found("python", &[("VIRTUAL_ENV", "../venv".to_owned())]), []);
}

#[test]
fn c5_a_script_needs_no_ending() {
    let scratch = Scratch::new();
    let agent = scratch.write("bin/agent", "#!/usr/bin/perl\nsleep 1000;\n");
    let plain = scratch.write("bin/plain", "sleep 1000;\n");
    let stops = scratch.write("bin/loop.sh", "#!/bin/sh\nkill -STOP $$\n");
    let begin = |words: &[&str]| {
        let mut command = Command::new(words.first().expect("a program"));
        Running::begin(command.args(&words[1..]).current_dir(scratch.at("bin")))
    };
    let (search, text) = (search_of(&[]), |path: &Path| path.to_str().expect("text").to_owned());
    for (words, script) in [
        (vec!["perl".to_owned(), text(&agent)], Some(&agent)),
        (vec!["perl".to_owned(), "agent".to_owned()], Some(&agent)),
        (vec!["perl".to_owned(), "-w".to_owned(), text(&agent)], Some(&agent)),
        (vec!["perl".to_owned(), text(&plain)], Some(&plain)),
        (vec!["sh".to_owned(), text(&stops)], Some(&stops)),
        // No script, but a word, or a file of another kind.
        (vec!["perl".to_owned(), "-e".to_owned(), "sleep 1000".to_owned(), text(&agent)], None),
        (vec!["perl".to_owned(), "-Mstrict".to_owned(), text(&plain)], None),
        (vec!["sh".to_owned(), "-ec".to_owned(), "kill -STOP $$".to_owned(), text(&stops)], None),
    ] {
        let process = begin(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let wanted: Vec<_> = script.into_iter().map(|path| (Kind::File, path.clone())).collect();
        assert_eq!(kinds(&search, &process.listed()), wanted, "{words:?}");
    }
    // A job that began long after its service is not the service, unless the unit names it.
    let process = begin(&["perl", &text(&agent)]);
    let mut listed = process.listed();
    let service = Listed { pid: u32::MAX, started_ms: listed[0].started_ms - 3_600_000, ..listed[0].clone() };
    listed.push(service);
    assert_eq!(kinds(&search, &listed), []);
    assert_eq!(kinds(&search_of(&[&agent]), &listed), [(Kind::File, agent.clone())]);
    // The programs of an environment are told by its packages.
    scratch.write("pyvenv.cfg", "home = /usr/bin\n");
    assert_eq!(kinds(&search, &process.listed()), [(Kind::Venv, scratch.at(""))]);
}

#[test]
fn c5_archives_of_a_class_path_and_those_that_are_open_count() {
    let scratch = Scratch::new();
    let jar = scratch.write("lib/core.jar", "one");
    scratch.write("lib/notes.txt", "x");
    create_dir_all(scratch.at("bin")).expect("a directory");
    fs::copy("/usr/bin/perl", scratch.at("bin/java")).expect("a program");
    let begin = |more: &[&str]| {
        let mut command = Command::new(scratch.at("bin/java"));
        command.args(["-e", "open(F, '<', $ENV{J}); sleep 1000", "--"]).args(more).env("J", &jar);
        let process = Running::begin(&mut command);
        let holds = || file::open_files(&PathBuf::from(format!("/proc/{}", process.0.id())));
        let until = Instant::now() + Duration::from_secs(10);
        while !holds().any(|link| fs::read_link(link).is_ok_and(|path| path == jar)) && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        process
    };
    let (open, named) = (begin(&[]), begin(&["-cp", &format!("{}/*", scratch.at("lib").display())]));
    let mut search = search_of(&[]);
    search.kinds = BTreeSet::from([Kind::File]);
    let look = |process: &Running| {
        let mut found = read(&search, &process.listed());
        assert_eq!(found.len(), 1, "{found:?}");
        let one = found.remove(0);
        let content = one.content.expect("content");
        (PathBuf::from(one.place), content.print, content.held.get(&process.0.id()).copied())
    };
    let (place, print, held) = look(&open);
    assert_eq!((place, held), (scratch.at("lib"), Some(print)));
    let (place, same, held) = look(&named);
    assert_eq!((place, same, held), (scratch.at("lib/*"), print, None));
    // Touched, and copied there again without a change.
    scratch.write("lib/.core", "one");
    fs::rename(scratch.at("lib/.core"), &jar).expect("moved there");
    assert_eq!(look(&open).2, Some(print));
    assert_eq!((look(&named).1, look(&named).2), (print, None));
    // Replaced: both hold what was there before.
    scratch.write("lib/.core", "two");
    fs::rename(scratch.at("lib/.core"), &jar).expect("moved there");
    for process in [&open, &named] {
        let (_, now, held) = look(process);
        assert!(now != print && held.is_some_and(|held| held != now));
    }
    // Another name: a class path finds it, who opened the old one may do without.
    fs::remove_file(&jar).expect("removed");
    scratch.write("lib/core-2.jar", "three");
    let (_, now, held) = look(&open);
    assert_eq!(held, Some(now));
    assert_eq!(look(&named).2, None);
}

#[test]
fn c5_a_package_that_is_taken_away_is_named() {
    let scratch = Scratch::new();
    scratch.write("venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.13.5\n");
    let python = scratch.write("venv/bin/python", "");
    scratch.package("shopd-1.2", "a");
    let helper = scratch.package("helper-1.0", "b");
    let search = search_of(&[&python]);
    let before = settled(&search);
    let known = Search { installed: vec![before.clone()], ..search };
    fs::remove_dir_all(&helper).expect("removed");
    let content = settled(&known).content.expect("content");
    assert_eq!(content.removed.as_deref(), helper.to_str());
    // It is put back: the same again; and an update beside it is what is told.
    scratch.package("helper-1.0", "b");
    assert_eq!(settled(&known).content.expect("content").print, before.content.expect("content").print);
    fs::remove_dir_all(&helper).expect("removed");
    scratch.package("helper-1.1", "c");
    assert_eq!(settled(&known).content.expect("content").removed, None);
}

#[test]
fn c5_one_package_of_npm_is_its_code() {
    let scratch = Scratch::new();
    scratch.write("lib/node_modules/tool/package.json", "{\"version\": \"1\"}");
    let script = scratch.write("lib/node_modules/tool/bin/tool.js", "one");
    scratch.write("lib/node_modules/tool/node_modules/dep/index.js", "x");
    let place = npm::around(&script).expect("found");
    let users = BTreeSet::new();
    let look = |known: Option<&Content>| match npm::read(
        &place,
        &Look { now: clock::now(), known, users: &users },
    ) {
        Some(Found::Whole(content)) => content,
        Some(Found::Unsettled(_) | Found::Gone(_)) | None => Content::default(),
    };
    let first = look(None);
    // What it writes itself; and the same again in another directory.
    scratch.write("lib/node_modules/tool/cache.json", "x");
    scratch.write("lib/node_modules/tool/bin/log.txt", "x");
    assert_eq!(look(None).print, first.print);
    fs::rename(&place, scratch.at("lib/old")).expect("put aside");
    scratch.write("lib/node_modules/tool/package.json", "{\"version\": \"1\"}");
    scratch.write("lib/node_modules/tool/bin/tool.js", "one");
    assert_eq!(look(Some(&first)).print, first.print);
    // The same version, and other code.
    fs::remove_dir_all(&place).expect("removed");
    scratch.write("lib/node_modules/tool/package.json", "{\"version\": \"1\"}");
    scratch.write("lib/node_modules/tool/bin/tool.js", "two");
    assert_ne!(look(Some(&first)).print, first.print);
}
