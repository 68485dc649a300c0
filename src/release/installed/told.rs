//! A process, as far as it tells of code: its executable, its directory, its command line, its search path.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::release::{identity, location, process};

use super::file;

/// Words of a command line that are looked at.
const WORDS: usize = 128;
/// Directories of a search path that are looked at.
const SEARCHED: usize = 32;
/// Interpreters of scripts, by how their names begin; the options whose next word is a value, and those after which no script
/// follows.
const OPTIONS: [(&str, &[&str], &[&str]); 8] = [
    ("python", &["-W", "-X"], &["-c", "-m"]),
    ("pypy", &["-W", "-X"], &["-c", "-m"]),
    ("node", &["-r", "-C", "--require", "--import", "--loader", "--conditions"], &["-e", "-p", "--eval"]),
    ("bun", &["run"], &["-e"]),
    ("deno", &["run", "-c", "--config"], &["eval"]),
    ("ruby", &["-I", "-r", "-C"], &["-e"]),
    ("perl", &["-I"], &["-e", "-E"]),
    ("php", &["-c", "-d", "-S", "-t", "-z"], &["-r"]),
];
/// Interpreters whose option letters stand together: with a `c` among them the next word is the script itself.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "busybox"];
const OF_SHELLS: &[&str] = &["-o", "-O", "--rcfile", "--init-file"];
/// Words before a script that are no options, and take no value.
const SUBCOMMANDS: [&str; 1] = ["run"];

pub(super) struct Told {
    pub exe: PathBuf,
    pub cwd: Option<PathBuf>,
    pub words: Vec<String>,
    /// Where it was looked for by its name, and the environment that a shell had activated: of a Python only.
    searched: Vec<PathBuf>,
    activated: Option<PathBuf>,
}

impl Told {
    /// `None` where its paths are none of this root: those of a container are no paths of this host.
    pub(super) fn of(pid: u32, root: &Path) -> Option<Self> {
        let process = process::open(pid).ok()?;
        let process = process.as_fd();
        let id = |handle: rustix::io::Result<std::os::fd::OwnedFd>| {
            handle.and_then(|held| identity::of_fd(&held)).map(|seen| seen.id).ok()
        };
        let own = id(identity::handle(process, Path::new("root")))?;
        (Some(own) == id(identity::handle(rustix::fs::CWD, root))).then_some(())?;
        let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        let cwd = location::text(process, Path::new("cwd")).ok();
        let line = process::content(process, "cmdline", process::COMMAND_LINE).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        let exe = inside(&location::bare(&location::text(process, Path::new("exe")).unwrap_or_default()));
        // Its own text, which it may have written over: nothing but absolute paths is taken from it.
        let text = if file::is_python(&exe) {
            process::content(process, "environ", process::COMMAND_LINE).unwrap_or_default()
        } else {
            Vec::new()
        };
        let value = |name: &str| {
            let mut lines = text.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
            lines.find_map(|line| line.strip_prefix(name)).unwrap_or_default()
        };
        let absolute = |path: &&str| path.starts_with('/');
        let searched = value("PATH=").split(':').filter(absolute).take(SEARCHED);
        Some(Self {
            exe,
            cwd: cwd.filter(|cwd| !location::looks_gone(cwd)).map(|cwd| inside(&cwd)),
            words: words.take(WORDS).map(str::to_owned).collect(),
            searched: searched.map(|path| inside(Path::new(path))).collect(),
            activated: Some(value("VIRTUAL_ENV=")).filter(absolute).map(|path| inside(Path::new(path))),
        })
    }

    /// The paths in one word: `/a`, `--x=/a`, `/a.jar:/b.jar`, and what is relative to its directory.
    pub(super) fn paths<'a>(&'a self, word: &'a str, root: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let parts = word.split(['=', ':']).filter(|part| !part.is_empty() && !part.starts_with('-'));
        parts.filter_map(move |part| {
            let named = Path::new(part);
            if named.is_absolute() {
                return Some(root.join(named.strip_prefix("/").unwrap_or(named)));
            }
            let code = part.contains('/') || file::is_archive(named) || file::is_script(named);
            self.cwd.as_ref().filter(|_| code).map(|cwd| cwd.join(named))
        })
    }

    /// It runs what its lines say.
    pub(super) fn is_shell(&self) -> bool {
        self.exe.file_name().and_then(|name| name.to_str()).is_some_and(|name| SHELLS.contains(&name))
    }

    /// The Python that was called by its bare name, where its search path led: it takes its environment from there.
    pub(super) fn called(&self) -> Option<PathBuf> {
        let name = self.words.first().filter(|name| !name.is_empty() && !name.contains('/'))?;
        let mut places = self.searched.iter().map(|directory| directory.join(name));
        let activated = || self.activated.as_ref().map(|home| home.join("bin/python"));
        places.find(|path| path.is_file()).or_else(activated)
    }

    /// The script that its interpreter was started with, and whether no option stands before it.
    pub(super) fn script(&self, root: &Path) -> Option<(PathBuf, bool)> {
        let name = self.exe.file_name()?.to_str()?;
        let known = OPTIONS.iter().find(|(begin, ..)| name.starts_with(begin));
        let (values, codes) = known.map_or((&[][..], &[][..]), |(_, values, codes)| (*values, *codes));
        let shell = self.is_shell();
        let values = if shell { OF_SHELLS } else { values };
        let mut words = self.words.iter().enumerate().skip(1);
        while let Some((at, word)) = words.next() {
            let word = word.as_str();
            if SUBCOMMANDS.contains(&word) && values.contains(&word) {
                continue;
            }
            if word == "-" || codes.contains(&word) || (shell && is_cluster_with_code(word)) {
                return None;
            }
            if values.contains(&word) {
                words.next();
            } else if !word.starts_with('-') {
                return self.file(word, root).map(|path| (path, at == 1));
            }
        }
        None
    }

    /// The file that a script's name means. (node leaves the ending away.)
    fn file(&self, word: &str, root: &Path) -> Option<PathBuf> {
        let named = Path::new(word);
        let whole = match named.strip_prefix("/") {
            Ok(inner) => root.join(inner),
            Err(_) => self.cwd.as_ref()?.join(named),
        };
        let ended = || PathBuf::from(format!("{}.js", whole.display()));
        let node = self.exe.file_name().is_some_and(|name| name == "node" || name == "nodejs");
        let more = node.then(|| [ended(), whole.join("index.js")]).into_iter().flatten();
        std::iter::once(whole.clone())
            .chain(more)
            .find(|path| fs::metadata(path).is_ok_and(|seen| seen.is_file()))
    }
}

/// `-c`, `-lc`, `-s`: what follows is no file.
fn is_cluster_with_code(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(['c', 's']))
}
