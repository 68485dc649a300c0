//! What other supervisors of this host say in their own files that they keep up. Read as text, never run.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::import;
use crate::model::adopt::{About, Entry, Format};
use crate::model::host::{HostProcess, HostReading};

use super::judge::Claim;

/// Files of all of them together.
const FILES: usize = 200;
/// Where each has its files: a file, or a folder with the endings that are read there.
const PLACES: [(Format, &str, &[&str]); 12] = [
    (Format::Monit, "/etc/monit/monitrc", &[]),
    (Format::Monit, "/etc/monitrc", &[]),
    (Format::Monit, "/etc/monit/conf.d", &[""]),
    (Format::Monit, "/etc/monit/conf-enabled", &[""]),
    (Format::Monit, "/etc/monit.d", &[""]),
    (Format::Supervisord, "/etc/supervisord.conf", &[]),
    (Format::Supervisord, "/etc/supervisor/supervisord.conf", &[]),
    (Format::Supervisord, "/etc/supervisor/conf.d", &[".conf", ".ini"]),
    (Format::Supervisord, "/etc/supervisord.d", &[".conf", ".ini"]),
    (Format::God, "/etc/god.conf", &[]),
    (Format::God, "/etc/god", &[".god", ".rb", ".conf"]),
    (Format::God, "/etc/god/conf.d", &[".god", ".rb", ".conf"]),
];
/// Names that the samples of these programs bear.
const SAMPLES: [&str; 4] = ["theprogramname", "thegroupname", "theeventlistenername", "monitrc"];

/// All claims. Blocks.
pub fn claims(host: &HostReading) -> Vec<Claim> {
    let mut files: Vec<(Format, PathBuf)> = Vec::new();
    for (format, place, endings) in PLACES {
        let place = Path::new(place);
        if place.is_dir() {
            files.extend(inside(place, endings).into_iter().map(|file| (format, file)));
        } else {
            files.push((format, place.to_owned()));
        }
    }
    files.extend(host.processes.iter().filter_map(named));
    let mut seen = BTreeSet::new();
    files.retain(|(_, file)| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    let files = files.into_iter().take(FILES);
    files.flat_map(|(format, file)| of_file(format, &file)).collect()
}

fn inside(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(FILES).map(|entry| entry.path());
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
    };
    let mut files: Vec<PathBuf> = entries.filter(read).collect();
    files.sort();
    files
}

/// `god -c FILE`, `supervisord -c FILE`, `monit -c FILE` of our own user: what another calls so may be meant for our eyes.
fn named(process: &HostProcess) -> Option<(Format, PathBuf)> {
    if process.uid != rustix::process::geteuid().as_raw() {
        return None;
    }
    let called = |name: &str| {
        let base = |argument: &String| argument.rsplit('/').next() == Some(name);
        process.arguments.iter().take(2).any(base)
    };
    let formats = [("god", Format::God), ("supervisord", Format::Supervisord), ("monit", Format::Monit)];
    let (_, format) = formats.into_iter().find(|(name, _)| called(name))?;
    let mut arguments = process.arguments.iter();
    let file = arguments.find(|argument| *argument == "-c").and_then(|_| arguments.next())?;
    let file = Path::new(process.directory.as_deref().unwrap_or("/")).join(file);
    Some((format, file))
}

fn of_file(format: Format, path: &Path) -> Vec<Claim> {
    let Some(text) = text(path) else {
        return Vec::new();
    };
    // A file with settings only says nothing, and that is told to nobody.
    let Ok(foreign) = import::read(format, &text) else {
        return Vec::new();
    };
    let file = path.display().to_string();
    let entries = foreign.entries.into_iter().filter(|entry| entry.about == About::Process);
    let mut claims: Vec<Claim> = entries.map(|entry| claim(format, &file, entry)).collect();
    // The main file that monit comes with is full of examples.
    let samples = format == Format::Monit && file.ends_with("monitrc");
    for off in foreign.commented_out.into_iter().filter(|_| !samples) {
        if SAMPLES.iter().any(|sample| off.what.contains(sample)) {
            continue;
        }
        claims.push(Claim {
            supervisor: format.as_str().to_owned(),
            file: file.clone(),
            line: off.line,
            what: off.what,
            pid: None,
            matching: None,
            commands: Vec::new(),
            commented_out: Some(off.last),
        });
    }
    claims
}

fn claim(format: Format, file: &str, entry: Entry) -> Claim {
    let pid = entry.pidfile.as_ref().and_then(|path| text(Path::new(path)));
    Claim {
        supervisor: format.as_str().to_owned(),
        file: file.to_owned(),
        line: entry.line,
        what: format!("{} {}", entry.kind, entry.name),
        pid: pid.and_then(|text| text.trim().parse().ok()),
        matching: entry.matching,
        commands: entry.start.into_iter().collect(),
        commented_out: None,
    }
}

/// The text of a small regular file that only root or we can have written.
fn text(path: &Path) -> Option<String> {
    // To open a device may be an order to it.
    if !fs::metadata(path).is_ok_and(|seen| seen.is_file()) {
        return None;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(path)
        .ok()?;
    let seen = file.metadata().ok()?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&seen.uid()) && seen.mode() & 0o022 == 0;
    if !seen.is_file() || !ours || seen.len() > import::BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(import::BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
