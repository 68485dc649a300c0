//! Unit files of ours that are not in force as they seem to be: renamed, misplaced, masked, or with a check made a comment.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::clock;
use crate::model::audit::{Off, OffFile};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;

use super::diagnose::Mistake;
use super::directories::Directories;
use super::loader::text_of;
use super::parse;

/// Entries of one directory.
const FILES: usize = 10_000;
/// Endings that editors, package managers and authors of examples give for a while, or on purpose.
const HARMLESS: [&str; 13] = [
    ".swp",
    ".swo",
    ".swx",
    ".tmp",
    ".new",
    ".dpkg-new",
    ".dpkg-tmp",
    ".dpkg-dist",
    ".rpmnew",
    ".example",
    ".sample",
    ".template",
    ".dist",
];
/// A comment that begins so says that what follows is a suggestion, or why it is not in force.
const SUGGESTIONS: [&str; 2] = ["not in force", "optional"];
/// Blocks of comments of one file that are tried.
const BLOCKS: usize = 50;

/// All that is switched off without saying so, in every directory of unit files.
#[must_use]
pub fn switched_off(directories: &Directories) -> Vec<OffFile> {
    let entries: Vec<DirEntry> = directories.units.iter().flat_map(|folder| inside(folder)).collect();
    let in_force: BTreeSet<String> = entries
        .iter()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_read(name))
        .collect();
    let mut seen = BTreeSet::new();
    let mut off = Vec::new();
    for entry in &entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            off.extend(folder(&path, &name, &in_force));
        } else if is_read(&name) {
            // The first of a name counts.
            if seen.insert(name.clone()) {
                let lower = entries.iter().filter(|other| other.file_name() == entry.file_name()).count() > 1;
                off.extend(of_file(&path, lower, directories.owner));
                off.extend(half_off(&path));
            }
        } else {
            off.extend(renamed(&path, &name, &in_force));
        }
    }
    off.sort_by(|one, other| one.file.cmp(&other.file));
    off
}

fn inside(folder: &Path) -> Vec<DirEntry> {
    let mut entries: Vec<DirEntry> =
        fs::read_dir(folder).into_iter().flatten().flatten().take(FILES).collect();
    entries.sort_by_key(DirEntry::file_name);
    entries
}

fn is_read(name: &str) -> bool {
    name.ends_with(".toml") && !name.starts_with('.')
}

/// A drop-in folder, or a folder that is not read at all.
fn folder(path: &Path, name: &str, in_force: &BTreeSet<String>) -> Vec<OffFile> {
    let inner = inside(path);
    let names: Vec<String> =
        inner.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let read = |name: &&String| is_read(name);
    let Some(base) = name.strip_suffix(".d").filter(|base| base.ends_with(".toml")) else {
        let unit_files = names.iter().filter(read).map(|name| path.join(name));
        return unit_files.map(|file| off(&file, Off::Misplaced, changed(&file))).collect();
    };
    let known: BTreeSet<String> = names.iter().filter(read).cloned().collect();
    let mut found: Vec<OffFile> =
        names.iter().filter_map(|name| renamed(&path.join(name), name, &known)).collect();
    if in_force.contains(base) {
        found.extend(known.iter().flat_map(|name| half_off(&path.join(name))));
    } else {
        let orphans = known.iter().map(|name| path.join(name));
        found.extend(orphans.map(|file| off(&file, Off::Orphan, changed(&file))));
    }
    found
}

/// A name in which `.toml` is not the end, or is misspelt or forgotten. A copy beside the file itself is a copy.
fn renamed(path: &Path, name: &str, in_force: &BTreeSet<String>) -> Option<OffFile> {
    let Some(end) = name.find(".toml").map(|at| at.saturating_add(".toml".len())) else {
        return misspelt(path, name, in_force);
    };
    let harmless = HARMLESS.iter().any(|ending| name.ends_with(ending))
        || name.starts_with(".#")
        || name.starts_with('#');
    let base = name.get(..end)?;
    let plain = base.trim_start_matches(['.', '_']);
    let beside = in_force.contains(base) || in_force.contains(plain);
    (!harmless && !beside && path.is_file()).then(|| off(path, Off::Renamed, changed(path)))
}

/// `nginx.service` and `nginx.service.tml`: a unit's name, and not the ending that is read.
fn misspelt(path: &Path, name: &str, in_force: &BTreeSet<String>) -> Option<OffFile> {
    let plain = name.trim_end_matches('~').trim_start_matches(['.', '_']);
    let is_unit = |name: &str| UnitName::meant(name).as_str() == name && !name.is_empty();
    let stem = plain.rsplit_once('.').map_or(plain, |(stem, _)| stem);
    let unit = [plain, stem].into_iter().find(|name| is_unit(name))?;
    let harmless = HARMLESS.iter().any(|ending| name.ends_with(ending)) || name.starts_with(['#', '.']);
    let beside = in_force.contains(&format!("{unit}.toml"));
    (!harmless && !beside && path.is_file()).then(|| off(path, Off::Renamed, changed(path)))
}

/// Lines that keep Steadfast from acting, without a word why: on the line, or in a comment just above it.
fn half_off(path: &Path) -> Vec<OffFile> {
    let Some(text) = text_of(path) else {
        return Vec::new();
    };
    let written = fs::metadata(path).ok().and_then(|seen| moment(seen.mtime()));
    unexplained(&text).into_iter().map(|how| off(path, how, written)).collect()
}

fn unexplained(text: &str) -> Vec<Off> {
    let mut found = Vec::new();
    let mut table = String::new();
    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        let (code, comment) = line.split_once('#').unwrap_or((line, ""));
        let code = code.trim();
        if let Some(name) = code.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            name.clone_into(&mut table);
        }
        let plain: String =
            code.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace('\'', "\"");
        let place = if table.is_empty() { plain.clone() } else { format!("{table}.{plain}") };
        let what = match place.as_str() {
            "mode=\"observe\"" => Some("mode = \"observe\""),
            "recovery.start=false" => Some("[recovery] start = false"),
            _ => None,
        };
        let explained = !comment.trim().is_empty() || before.trim_start().starts_with('#');
        if let Some(what) = what.filter(|_| !explained) {
            found.push(Off::Half { line: number + 1, what: what.to_owned() });
        }
        before = line;
    }
    found
}

/// A file that is read: masked, or with comments that would be checks.
fn of_file(path: &Path, lower: bool, owner: u32) -> Vec<OffFile> {
    if fs::canonicalize(path).is_ok_and(|target| target == Path::new("/dev/null")) {
        // One that masks nothing is but a link.
        return if lower { vec![off(path, Off::Masked, changed(path))] } else { Vec::new() };
    }
    let Some(text) = text_of(path) else {
        return Vec::new();
    };
    let written = fs::metadata(path).ok().and_then(|seen| moment(seen.mtime()));
    commented_out(path, &text, owner).into_iter().map(|how| off(path, how, written)).collect()
}

fn off(path: &Path, how: Off, modified_at: Option<Moment>) -> OffFile {
    OffFile { file: path.display().to_string(), how, modified_at }
}

/// When the name was given: a rename does not touch the time of writing.
fn changed(path: &Path) -> Option<Moment> {
    fs::symlink_metadata(path).ok().and_then(|seen| moment(seen.ctime()))
}

fn moment(seconds: i64) -> Option<Moment> {
    Some(clock::now().at_wall_ms(seconds.checked_mul(1000)?))
}

/// Comments that, taken as lines, make a good file that checks more than this one does.
fn commented_out(path: &Path, text: &str, owner: u32) -> Vec<Off> {
    if !is_good(path, text, owner) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for block in blocks(&lines).into_iter().take(BLOCKS) {
        let whole = uncommented(&lines, &block);
        let parts = tables(&lines, &block);
        for part in parts {
            let good = is_good(path, &whole, owner) || is_good(path, &uncommented(&lines, &part), owner);
            let (Some(first), Some(last)) = (part.first(), part.last()) else {
                continue;
            };
            let head = lines.get(*first).and_then(|line| candidate(line)).unwrap_or_default();
            if let Some(what) = check(head).filter(|_| good) {
                found.push(Off::CommentedOut { first: first + 1, last: last + 1, what });
            }
        }
    }
    found
}

fn is_good(path: &Path, text: &str, owner: u32) -> bool {
    // A program that was removed since is no reason to think that it was never meant.
    let of_program = |mistake: &Mistake| mistake.message.starts_with("cannot run ");
    parse::spec(path, text, owner).map_or_else(|mistakes| mistakes.iter().all(of_program), |_| true)
}

/// What a line would be without its `#`, where that looks like a table or a key.
fn candidate(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('#')?.trim_start_matches('#').trim();
    let table = inner.starts_with('[') && inner.contains(']');
    let name = inner.split('=').next().unwrap_or_default().trim();
    let key = inner.contains('=')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '/'));
    (table || key).then_some(inner)
}

/// Comments in a row: the numbers of those of their lines that look like tables or keys. Suggestions are none.
fn blocks(lines: &[&str]) -> Vec<Vec<usize>> {
    let mut blocks = Vec::new();
    let mut block: Vec<usize> = Vec::new();
    let mut suggested = false;
    for (number, line) in lines.iter().chain([&""]).enumerate() {
        match line.trim_start().strip_prefix('#') {
            Some(comment) => {
                let prose = comment.trim().to_ascii_lowercase();
                suggested |= SUGGESTIONS.iter().any(|start| prose.starts_with(start));
                block.extend(candidate(line).map(|_| number));
            }
            None => {
                let done = std::mem::take(&mut block);
                if !done.is_empty() && !std::mem::take(&mut suggested) {
                    blocks.push(done);
                }
                suggested = false;
            }
        }
    }
    blocks
}

/// The lines of a block, table by table.
fn tables(lines: &[&str], block: &[usize]) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for number in block {
        let head =
            lines.get(*number).and_then(|line| candidate(line)).is_some_and(|line| line.starts_with('['));
        match parts.last_mut().filter(|_| !head) {
            Some(part) => part.push(*number),
            None => parts.push(vec![*number]),
        }
    }
    parts
}

fn uncommented(lines: &[&str], numbers: &[usize]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let line = if numbers.contains(&number) { candidate(line).unwrap_or(line) } else { line };
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The table or key, where it is one that watches something.
fn check(line: &str) -> Option<String> {
    let table = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim());
    if let Some(name) = table {
        let watches = name == "smoke" || name.starts_with("probe.") || name.starts_with("progress.");
        return watches.then(|| format!("[{name}]"));
    }
    let key = line.split('=').next().unwrap_or_default().trim();
    (key == "requires").then(|| line.chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, usize, String)> {
        let all = commented_out(Path::new("/etc/steadfast/units.d/shop.service.toml"), text, 0);
        all.into_iter()
            .filter_map(|off| match off {
                Off::CommentedOut { first, last, what } => Some((first, last, what)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_comment_that_would_be_a_check_is_found_with_its_lines() {
        let text = "owner = \"shop\"\n\n# bob: flaps, see later\n# [probe.inbox]\n# http = \"http://127.0.0.1/\"\n#period = \"20s\"\n";
        assert_eq!(found(text), [(4, 6, "[probe.inbox]".to_owned())]);
        let two = "#[probe.a]\n#tcp = \"h:1\"\n#\n#[probe.b]\n#tcp = \"h:2\"\n#[disabled]\n";
        assert_eq!(found(two), [(1, 2, "[probe.a]".to_owned()), (4, 5, "[probe.b]".to_owned())]);
        assert_eq!(
            found("# requires = [\"db.service\"]\n"),
            [(1, 1, "requires = [\"db.service\"]".to_owned())]
        );
    }

    #[test]
    fn what_keeps_us_from_acting_without_a_reason_is_found() {
        // O30, O45
        let half = |text: &str| {
            let lines = unexplained(text).into_iter().filter_map(|off| match off {
                Off::Half { line, what } => Some((line, what)),
                _ => None,
            });
            lines.collect::<Vec<_>>()
        };
        assert_eq!(half("mode = \"observe\"\n"), [(1, "mode = \"observe\"".to_owned())]);
        assert_eq!(
            half("owner = \"x\"\n[recovery]\nstart=false\n"),
            [(3, "[recovery] start = false".to_owned())]
        );
        for explained in [
            "mode = \"observe\"  # until the new disk is in, ticket 12\n",
            "# the cluster starts it\nmode = \"observe\"\n",
            "[recovery]\n# the cluster starts it\nstart = false\n",
            "mode = \"act\"\n[probe.x]\nstart = false\n",
        ] {
            assert_eq!(half(explained), [], "{explained}");
        }
    }

    #[test]
    fn words_defaults_suggestions_and_old_versions_are_no_checks() {
        for harmless in [
            "# Keep it active = good.\n",
            "# mode = \"observe\"\n# [recovery]\n# burst = 3\n",
            "# [probe.inbox]\n",
            "[probe.a]\ntcp = \"h:1\"\n# period = \"10s\"\n",
            "# [probe.a]\n# tcp = \"h:1\"\n[probe.a]\ntcp = \"h:2\"\n",
            "[probe.a]\nhttp = \"http://h/\"\n# other kinds, exactly one per probe:\n#   tcp = \"127.0.0.1:5672\"\n",
            "# not in force: GET / answered 500\n# [probe.page]\n# http = \"http://h/\"\n",
            "# [probe.a]\n# no = \"key\"\n",
        ] {
            assert_eq!(found(harmless), [], "{harmless}");
        }
    }

    #[test]
    fn shipped_recipes_and_examples_switch_nothing_off() {
        for folder in ["config/recipes", "config/units.d"] {
            for entry in inside(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)) {
                let text = fs::read_to_string(entry.path()).expect("a text");
                let name = entry.file_name().to_string_lossy().replace(".example", "");
                assert_eq!(commented_out(Path::new(&name), &text, 0), [], "{name}");
            }
        }
    }

    #[test]
    fn every_way_to_put_a_file_aside_is_told_and_no_copy() {
        let root = tempfile::tempdir().expect("a folder");
        let (etc, vendor) = (root.path().join("etc"), root.path().join("vendor"));
        for folder in ["", "old", "kept.service.toml.d", "gone.service.toml.d"] {
            fs::create_dir_all(etc.join(folder)).expect("a folder");
        }
        fs::create_dir_all(&vendor).expect("a folder");
        for file in [
            "kept.service.toml",
            "kept.service.toml.bak",
            "kept.service.toml~",
            "a.service.toml.disabled",
            "b.service.toml~",
            ".c.service.toml",
            "_d.service.toml.off",
            "e.service.toml.dpkg-bak",
            "f.service.toml.20260101",
            "old/g.service.toml",
            "kept.service.toml.d/10-x.toml.off",
            "gone.service.toml.d/10-y.toml",
            "horizon.service.toml.example",
            ".kept.service.toml.swp",
            "h.service.toml.dpkg-new",
            "README",
            "nginx.service",
            "i.service.tml",
            "kept.service",
        ] {
            fs::write(etc.join(file), "").expect("a file");
        }
        fs::write(vendor.join("masked.service.toml"), "").expect("a file");
        std::os::unix::fs::symlink("/dev/null", etc.join("masked.service.toml")).expect("a link");
        std::os::unix::fs::symlink("/dev/null", etc.join("nothing.service.toml")).expect("a link");
        let directories = Directories { settings: etc.join("s"), units: vec![etc.clone(), vendor], owner: 0 };
        let all = switched_off(&directories);
        let told: Vec<(String, Off)> = all
            .into_iter()
            .map(|off| (off.file.trim_start_matches(&format!("{}/", etc.display())).to_owned(), off.how))
            .collect();
        let expected = [
            (".c.service.toml", Off::Renamed),
            ("a.service.toml.disabled", Off::Renamed),
            ("b.service.toml~", Off::Renamed),
            ("e.service.toml.dpkg-bak", Off::Renamed),
            ("f.service.toml.20260101", Off::Renamed),
            // O30, O45
            ("nginx.service", Off::Renamed),
            ("i.service.tml", Off::Renamed),
            ("gone.service.toml.d/10-y.toml", Off::Orphan),
            ("kept.service.toml.d/10-x.toml.off", Off::Renamed),
            ("masked.service.toml", Off::Masked),
            ("old/g.service.toml", Off::Misplaced),
            ("_d.service.toml.off", Off::Renamed),
        ];
        let expected: BTreeSet<(String, String)> =
            expected.into_iter().map(|(file, how)| (file.to_owned(), format!("{how:?}"))).collect();
        let told: BTreeSet<(String, String)> =
            told.into_iter().map(|(file, how)| (file, format!("{how:?}"))).collect();
        assert_eq!(told, expected);
    }
}
