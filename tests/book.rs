//! README and the book: each block of TOML is read by the real reader, each command line is parsed by the real parser, each link leads
//! somewhere, and the reference is what the program says of itself. `UPDATE_EXPECT=1` writes the reference.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_steadfast");

/// Programs of others that the pages may name.
const OTHERS: [&str; 18] = [
    "apt-ftparchive",
    "apt-get",
    "apt",
    "chmod",
    "cp",
    "curl",
    "echo",
    "gpg",
    "gzip",
    "install",
    "journalctl",
    "ln",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "systemctl",
    "touch",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// README, and every page that docs/SUMMARY.md names.
fn pages() -> Vec<PathBuf> {
    let docs = root().join("docs");
    let summary = read(&docs.join("SUMMARY.md"));
    let mut pages: Vec<PathBuf> = links(&summary).into_iter().map(|link| docs.join(link)).collect();
    assert!(pages.len() > 15, "the summary was read");
    pages.push(docs.join("SUMMARY.md"));
    pages
}

/// Targets of links to files.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

/// Blocks of a language: the line in which each begins, and its text.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) => open = Some((name.trim().to_owned(), number + 1, String::new())),
            (Some(_), Some(_)) => {
                let (name, begins, text) = open.take().expect("a block");
                if name == language {
                    blocks.push((begins, text));
                }
            }
            (Some((_, _, text)), None) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    blocks
}

/// Exit status and what was said.
fn run(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .env("STEADFAST_RUNTIME_DIR", "/nonexistent")
        .env_remove("COLUMNS")
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn every_block_of_toml_is_a_unit_file_or_settings() {
    let folder = tempfile::Builder::new().tempdir_in(root().join("target")).expect("a folder");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for page in pages() {
        for (line, text) in blocks(&read(&page), "toml") {
            tried += 1;
            // What a command must be on the host that reads the file is not to be had here.
            let text: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("command = "))
                .map(|line| format!("{line}\n"))
                .collect();
            let text = text.replace("[smoke]\n", "[smoke]\ncommand = [\"/bin/true\"]\n");
            let said = ["shop.service.toml", "shop.dependency.toml", "steadfast.toml"].map(|name| {
                let file = folder.path().join(name);
                fs::write(&file, &text).expect("a file");
                run(&["verify", &file.display().to_string()])
            });
            if said.iter().all(|(code, _)| *code != 0) {
                let said: Vec<&String> = said.iter().map(|(_, said)| said).collect();
                wrong.push(format!("{}:{line}:\n{text}{said:#?}", page.display()));
            }
        }
    }
    assert!(tried > 10, "{tried} blocks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_line_is_one() {
    let makefile = read(&root().join("Makefile"));
    let mut wrong = Vec::new();
    let mut tried = 0;
    for page in pages() {
        for (line, text) in blocks(&read(&page), "sh") {
            for command in text.lines().flat_map(|line| line.split(" && ")) {
                tried += 1;
                if let Err(why) = is_command(command, &makefile) {
                    wrong.push(format!("{}:{line}: {command}: {why}", page.display()));
                }
            }
        }
    }
    assert!(tried > 60, "{tried} lines");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_command(line: &str, makefile: &str) -> Result<(), String> {
    let line = line.trim().strip_prefix("sudo ").unwrap_or(line.trim());
    let words = words(line);
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    match program.as_str() {
        "steadfast" | "target/release/steadfast" => {
            let arguments: Vec<OsWord> = arguments.to_vec();
            steadfast::cli::parses(std::iter::once("steadfast".to_owned()).chain(arguments))
        }
        "make" => {
            let targets = arguments.iter().filter(|word| !word.contains('='));
            for target in targets {
                if !makefile.contains(&format!("\n{target}:")) {
                    return Err(format!("no target {target}"));
                }
            }
            Ok(())
        }
        "cd" => Ok(()),
        other if OTHERS.contains(&other) => Ok(()),
        other => Err(format!("{other} is not known here")),
    }
}

type OsWord = String;

/// Words as a shell makes them, without comments and redirections.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '>' | '|') => break,
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn every_link_leads_to_a_file() {
    let mut wrong = Vec::new();
    for page in pages() {
        let folder = page.parent().expect("a folder");
        for link in links(&read(&page)) {
            if !link.is_empty() && !folder.join(&link).exists() {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_stands_in_the_summary_and_readme_is_short() {
    let known: BTreeSet<PathBuf> = pages().iter().filter_map(|page| page.canonicalize().ok()).collect();
    for folder in ["docs", "docs/howto", "docs/reference"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder").flatten() {
            let page = entry.path();
            if page.extension().is_some_and(|kind| kind == "md") {
                assert!(
                    known.contains(&page.canonicalize().expect("a path")),
                    "{} is not in docs/SUMMARY.md",
                    page.display()
                );
            }
        }
    }
    let lines = read(&root().join("README.md")).lines().count();
    assert!(lines <= 130, "README.md has {lines} lines");
}

#[test]
fn the_reference_is_what_the_program_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, said) = run(&["man", "--markdown", &folder.path().display().to_string()]);
    assert_eq!(code, 0, "{said}");
    for entry in fs::read_dir(folder.path()).expect("a folder").flatten() {
        let kept = root().join("docs/reference").join(entry.file_name());
        let new = read(&entry.path());
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&kept, &new).expect("written");
        }
        assert!(read(&kept) == new, "{} differs (UPDATE_EXPECT=1 writes it)", kept.display());
    }
}

#[test]
fn every_man_page_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, said) = run(&["man", &folder.path().display().to_string()]);
    assert!(code == 0 && said.contains("man pages written below"), "{said}");
    for page in [
        "man1/steadfast.1",
        "man1/steadfast-baseline-diff.1",
        "man1/steadfast-status.1",
        "man5/steadfast.unit.5",
        "man5/steadfast.toml.5",
        "man7/steadfast-findings.7",
    ] {
        let text = read(&folder.path().join(page));
        assert!(
            text.contains(".TH") && text.contains(".SH NAME") && text.contains("SEE ALSO"),
            "{page}: {text}"
        );
    }
    assert!(!folder.path().join("man1/steadfast-man.1").exists(), "hidden commands have no page");
}

#[test]
fn help_explains_topics_commands_and_findings() {
    for (words, wanted) in [
        (&["help"][..], "Topics (steadfast help TOPIC)"),
        (&["help", "unit-file"], "verify_within"),
        (&["help", "settings"], "audit_every"),
        (&["help", "baseline", "diff"], "--against"),
        (&["help", "status"], "--sort"),
        (&["help", "exit-status"], "Wrong usage"),
        (&["explain", "release-outdated"], "release-outdated"),
        (&["help", "findings"], "unit-masked"),
    ] {
        let (code, said) = run(words);
        assert!(code == 0 && said.contains(wanted), "{words:?}: {code} {said}");
    }
    let (code, said) = run(&["help", "setings"]);
    assert!(code == 64 && said.contains("did you mean settings?"), "{said}");
}

#[test]
fn a_shell_is_offered_what_there_is() {
    let offered = |words: &[&str]| -> BTreeSet<String> {
        let output = Command::new(PROGRAM)
            .args(["--", "steadfast"].iter().chain(words))
            .env("STEADFAST_COMPLETE", "bash")
            .env("_CLAP_IFS", "\n")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .env("STEADFAST_RUNTIME_DIR", "/nonexistent")
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    assert!(offered(&["sta"]).contains("status"));
    assert!(offered(&["wait", "x", "--for", "Active,Re"]).contains("Active,Release"));
    assert!(offered(&["explain", "release-"]).contains("release-outdated"));
    assert!(offered(&["help", "unit-f"]).contains("unit-file"));
    assert!(
        offered(&["status", "--state", "d"])
            .is_superset(&["degraded", "down", "disabled"].map(str::to_owned).into())
    );
    assert!(offered(&["status", "x"]).is_empty(), "no daemon, no names, and no complaint");
    assert!(!offered(&[""]).contains("man"), "hidden commands are not offered");
}

/// What the program says, as its source has it: one line, no escapes.
fn said_in_source() -> String {
    let mut folders = vec![root().join("src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&read(&path).replace("\\\"", "\""));
            }
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_sentences_of_the_style_guide_are_those_of_the_program() {
    let guide = read(&root().join("docs/STYLE.md"));
    let (_, list) = guide.split_once("## The twenty most seen sentences").expect("the list");
    let rows: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `"))
        .collect();
    assert_eq!(rows.len(), 20);
    let said = said_in_source();
    let parts = |sentence: &str| -> Vec<String> {
        sentence.split('…').map(|part| part.trim().to_owned()).filter(|part| part.len() > 2).collect()
    };
    for (before, after) in rows {
        for part in parts(after) {
            assert!(said.contains(&part), "nothing in src says {part:?}, of {after:?}");
        }
        assert!(parts(before).iter().any(|part| !said.contains(part)), "{before:?} is still said");
    }
}
