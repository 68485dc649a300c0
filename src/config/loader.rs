//! Loads the whole configuration, file by file; keeps the last good version of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::model::spec::{Problem, Selector, Settings, Spec};

use super::diagnose::{Mistake, PROBLEMS, problem};
use super::directories::Directories;
use crate::ownership;

use super::{parse, requires};

/// The largest file that is read.
const FILE_BYTES: u64 = 64 * 1024;
/// Files in one directory.
const FILES: usize = 10_000;
/// Endings of files that editors and package managers leave behind.
const LEFTOVERS: [&str; 8] =
    ["~", ".swp", ".dpkg-new", ".dpkg-dist", ".dpkg-old", ".dpkg-tmp", ".rpmnew", ".rpmsave"];
/// The whole configuration, and what is wrong in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    pub settings: Settings,
    pub specs: Vec<Spec>,
    pub problems: Vec<Problem>,
}

/// Loads again and again; remembers what was good.
#[derive(Debug)]
pub struct Loader {
    directories: Directories,
    good: BTreeMap<PathBuf, Spec>,
    good_settings: Settings,
}

/// A unit file with its drop-ins: paths and texts.
struct Fragments {
    file: PathBuf,
    text: String,
    drop_ins: Vec<(PathBuf, String)>,
}

impl Loader {
    /// Knows nothing good yet.
    #[must_use]
    pub fn new(directories: Directories) -> Self {
        Self { directories, good: BTreeMap::new(), good_settings: Settings::default() }
    }

    /// Reads everything again.
    pub fn load(&mut self) -> Loaded {
        let mut loaded = Loaded::default();
        self.load_settings(&mut loaded);
        let files = names(&self.directories, &self.good, &mut loaded.problems);
        self.good.retain(|file, _| files.values().any(|known| known == file));
        for file in files.values() {
            self.load_unit(file, &mut loaded);
        }
        refuse_doubles(&mut loaded);
        requires::settle(&mut loaded);
        loaded
    }

    /// The files that are read: settings, unit files, drop-ins.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let settings = Some(self.directories.settings.clone()).filter(|file| file.exists());
        let units: Vec<PathBuf> =
            names(&self.directories, &BTreeMap::new(), &mut Vec::new()).into_values().collect();
        let drop_ins = units.iter().flat_map(|file| drop_in_paths(file, &self.directories));
        settings.into_iter().chain(drop_ins).chain(units.iter().cloned()).collect()
    }

    /// The directories that matter, and those of drop-ins.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<PathBuf> {
        let mut watched: BTreeSet<PathBuf> =
            self.directories.settings.parent().map(Path::to_owned).into_iter().collect();
        for folder in &self.directories.units {
            watched.insert(folder.clone());
            watched.extend(folder.parent().map(Path::to_owned));
            let inside = fs::read_dir(folder).into_iter().flatten().take(FILES).flatten();
            watched.extend(inside.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        watched
    }

    fn load_settings(&mut self, loaded: &mut Loaded) {
        let file = self.directories.settings.clone();
        let mistakes = match read(&file) {
            Ok(None) => {
                self.good_settings = Settings::default();
                Vec::new()
            }
            Ok(Some(text)) => match trusted(&file, self.directories.owner)
                .map_err(|one| vec![one])
                .and_then(|()| parse::settings(&text, self.directories.owner))
            {
                Ok((settings, bad)) => {
                    let before = std::mem::replace(&mut self.good_settings, settings);
                    for (name, mistake) in bad.into_iter().take(PROBLEMS) {
                        let good = before.sinks.iter().find(|sink| sink.name == name);
                        let last_good_in_force = good.is_some();
                        self.good_settings.sinks.extend(good.cloned());
                        let told = problem(&file, &text, &mistake);
                        loaded.problems.push(Problem { last_good_in_force, ..told });
                    }
                    self.good_settings.sinks.sort_by(|one, other| one.name.cmp(&other.name));
                    Vec::new()
                }
                Err(mistakes) => mistakes.iter().map(|one| problem(&file, &text, one)).collect(),
            },
            Err(mistake) => vec![problem(&file, "", &mistake)],
        };
        let kept = mistakes.into_iter().map(|problem| Problem { last_good_in_force: true, ..problem });
        loaded.problems.extend(kept);
        loaded.settings = self.good_settings.clone();
    }

    fn load_unit(&mut self, file: &Path, loaded: &mut Loaded) {
        let read = fragments(file, &self.directories);
        let made = read.and_then(|fragments| spec_of(&fragments, self.directories.owner));
        match made {
            Ok(spec) => {
                self.good.insert(file.to_owned(), spec.clone());
                loaded.specs.push(spec);
            }
            Err(problems) => {
                let good = self.good.get(file);
                let last_good_in_force = good.is_some();
                loaded.specs.extend(good.cloned());
                loaded.problems.extend(problems.into_iter().map(|one| Problem { last_good_in_force, ..one }));
            }
        }
    }
}

/// What is wrong in one file, wherever it lies.
pub fn verify_file(file: &Path, directories: &Directories) -> Vec<Problem> {
    let settings = file.file_name().is_some_and(|name| name == "steadfast.toml");
    let text = match read(file) {
        Ok(Some(text)) => text,
        Ok(None) => return vec![problem(file, "", &Mistake::whole("cannot read it: there is no such file"))],
        Err(mistake) => return vec![problem(file, "", &mistake)],
    };
    if settings {
        let mistakes = parse::mistakes_of_settings(&text, directories.owner);
        return mistakes.iter().map(|one| problem(file, &text, one)).collect();
    }
    made(file, text, directories).err().unwrap_or_default()
}

/// What one unit file asks for, wherever it lies; nothing, where it has a mistake.
pub fn spec_in(file: &Path, directories: &Directories) -> Option<Spec> {
    let settings = file.file_name().is_some_and(|name| name == "steadfast.toml");
    let text = read(file).ok().flatten().filter(|_| !settings)?;
    made(file, text, directories).ok()
}

fn made(file: &Path, text: String, directories: &Directories) -> Result<Spec, Vec<Problem>> {
    if directories.holds(file) {
        return fragments(file, directories).and_then(|found| spec_of(&found, directories.owner));
    }
    let alone = Fragments { file: file.to_owned(), text, drop_ins: Vec::new() };
    spec_of(&alone, directories.owner)
}

/// File name → the file that is in force, in the directories' order.
fn names(
    directories: &Directories,
    good: &BTreeMap<PathBuf, Spec>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, PathBuf> {
    let mut files: BTreeMap<String, Option<PathBuf>> = BTreeMap::new();
    for folder in &directories.units {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
            Err(why) => {
                problems.push(problem(
                    folder,
                    "",
                    &Mistake::whole(format!("cannot read the directory: {why}")),
                ));
                // What was good in it stays in force.
                for file in good.keys().filter(|file| file.parent() == Some(folder.as_path())) {
                    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    files.entry(name).or_insert_with(|| Some(file.clone()));
                }
                continue;
            }
        };
        for entry in entries.flatten().take(FILES) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || LEFTOVERS.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            if name.ends_with(".toml") {
                // A link to /dev/null, or an empty link to nothing, switches off a file of lower rank.
                let masked = fs::canonicalize(&path).is_ok_and(|target| target == Path::new("/dev/null"));
                files.entry(name).or_insert_with(|| (!masked).then_some(path));
            }
        }
    }
    files.into_iter().filter_map(|(name, path)| path.map(|path| (name, path))).collect()
}

/// What this text would mean as that file, its drop-ins included; the file itself need not be there.
///
/// # Errors
/// What is wrong in it.
pub fn spec_of_text(file: &Path, text: &str, directories: &Directories) -> Result<Spec, Vec<Problem>> {
    let drop_ins = if directories.holds(file) { drop_ins(file, directories)? } else { Vec::new() };
    spec_of(&Fragments { file: file.to_owned(), text: text.to_owned(), drop_ins }, directories.owner)
}

/// The file with its drop-ins, each of them owned by somebody who may decide.
fn fragments(file: &Path, directories: &Directories) -> Result<Fragments, Vec<Problem>> {
    let text = owned_text(file, directories.owner)?;
    Ok(Fragments { file: file.to_owned(), text, drop_ins: drop_ins(file, directories)? })
}

fn drop_ins(file: &Path, directories: &Directories) -> Result<Vec<(PathBuf, String)>, Vec<Problem>> {
    let mut drop_ins = Vec::new();
    for path in drop_in_paths(file, directories) {
        let text = owned_text(&path, directories.owner)?;
        drop_ins.push((path, text));
    }
    Ok(drop_ins)
}

fn drop_in_paths(file: &Path, directories: &Directories) -> Vec<PathBuf> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let folder = file.file_name().map(|name| format!("{}.d", name.to_string_lossy())).unwrap_or_default();
    for units in &directories.units {
        for entry in fs::read_dir(units.join(&folder)).into_iter().flatten().flatten().take(FILES) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".toml") && !name.starts_with('.') {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    found.into_values().collect()
}

fn owned_text(file: &Path, owner: u32) -> Result<String, Vec<Problem>> {
    let refused = |mistake: Mistake| vec![problem(file, "", &mistake)];
    trusted(file, owner).map_err(refused)?;
    let text = read(file).map_err(refused)?;
    text.ok_or_else(|| refused(Mistake::whole("cannot read it: it is gone")))
}

fn trusted(file: &Path, owner: u32) -> Result<(), Mistake> {
    ownership::check(file, owner).map_err(|why| Mistake::whole(format!("cannot trust it: {why}")))
}

fn spec_of(fragments: &Fragments, owner: u32) -> Result<Spec, Vec<Problem>> {
    let Fragments { file, text, drop_ins } = fragments;
    let tell = |mistakes: Vec<Mistake>| -> Vec<Problem> {
        mistakes.iter().map(|one| problem(file, text, one)).collect()
    };
    if drop_ins.is_empty() {
        return parse::spec(file, text, owner).map_err(tell);
    }
    parse::spec(file, &merged(fragments)?, owner).map_err(|mistakes| {
        let names: Vec<String> = drop_ins.iter().map(|(path, _)| path.display().to_string()).collect();
        // Places of a merged table are places of no file.
        let placeless = |one: Mistake| {
            let look = format!("look into {} as well", names.join(", "));
            let help = one.help.map_or(look.clone(), |help| format!("{help}; {look}"));
            Mistake { span: None, message: one.message, help: Some(help) }
        };
        tell(mistakes.into_iter().map(placeless).collect())
    })
}

/// Key by key: tables merge, everything else is replaced by the later file.
fn merged(fragments: &Fragments) -> Result<String, Vec<Problem>> {
    let all = std::iter::once((&fragments.file, &fragments.text))
        .chain(fragments.drop_ins.iter().map(|(path, text)| (path, text)));
    let mut table = toml::Table::new();
    for (path, text) in all {
        let part = parse::fragment(text)
            .map_err(|mistakes| mistakes.iter().map(|one| problem(path, text, one)).collect::<Vec<_>>())?;
        merge(&mut table, part);
    }
    Ok(toml::to_string(&table).unwrap_or_default())
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(more)) => merge(known, more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Two files that select the same unit: the first by name counts, the other is refused.
fn refuse_doubles(loaded: &mut Loaded) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut kept = Vec::new();
    for spec in std::mem::take(&mut loaded.specs) {
        let selected = match &spec.selector {
            Selector::Unit(unit) => unit.to_string(),
            Selector::Pattern(pattern) => pattern.clone(),
        };
        if let Some(first) = seen.get(&selected) {
            let mistake =
                Mistake::whole(format!("cannot manage {selected} twice: {first} manages it already"));
            loaded.problems.push(problem(Path::new(&spec.file), "", &mistake));
        } else {
            seen.insert(selected, spec.file.clone());
            kept.push(spec);
        }
    }
    loaded.specs = kept;
}

/// The same, whatever keeps it from being read.
pub fn text_of(file: &Path) -> Option<String> {
    read(file).ok().flatten()
}

/// The text of a regular file within the limit; `None` when there is no such file.
fn read(file: &Path) -> Result<Option<String>, Mistake> {
    let cannot = |why: String| Mistake::whole(format!("cannot read it: {why}"));
    // Opening a FIFO or a device must not block.
    let opened =
        OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC).open(file);
    let opened = match opened {
        Ok(opened) => opened,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot(why.to_string())),
    };
    let seen = opened.metadata().map_err(|why| cannot(why.to_string()))?;
    if !seen.is_file() {
        return Err(cannot("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    opened.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|why| cannot(why.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(cannot(format!("it is larger than {} KiB", FILE_BYTES / 1024)));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| cannot("it is no UTF-8 text".to_owned()))
}
