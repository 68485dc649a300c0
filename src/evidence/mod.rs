//! A close look at a sick unit, written down before anything is done to it: bounded in time and size, without secrets.

mod files;
mod packages;
mod processes;
mod said;

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::clock;
use crate::escape;
use crate::model::incident::Looked;
use crate::model::moment::Moment;
use crate::model::unit::UnitName;
use crate::redact::redacted;

/// The whole look takes no longer; the policy awaits it a little longer.
const LIMIT: Duration = Duration::from_secs(4);
/// Each command of the look.
const COMMAND: Duration = Duration::from_secs(2);
/// Bytes of each command's output, and of the whole file.
const OUTPUT: u64 = 256 * 1024;
const FILE: usize = 1 << 20;
/// Lines of the unit's own log.
const LOG_LINES: &str = "--lines=200";
/// Lines that it wrote itself: older ones say nothing of a failure of now.
const OWN_LINES: &str = "--lines=60";
/// A unit with `LogNamespace=` has a journal of its own.
const EVERYWHERE: &str = "--namespace=*";
const OWN_SINCE: &str = "--since=-1h";
/// Files that are kept, the newest.
const KEPT: usize = 100;

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Look {
    pub incident: u64,
    /// `None`: the host alone.
    pub unit: Option<UnitName>,
    pub control_group: String,
    /// `InvocationID=` of the run that is up; empty: none is.
    pub run: String,
    /// What the supervisor knows, a line each.
    pub known: Vec<String>,
    /// Packages and files of the unit that were changed since then are told.
    pub changed_since: Moment,
    /// Of the user instance of the service manager.
    pub user: bool,
}

/// Looks at one time: more would only keep each other from ending in time. A thread that hangs keeps its place.
static PLACES: Semaphore = Semaphore::const_new(4);

/// Looks, writes what is seen into a file of this folder, and says which; what was changed lately, and
/// what the unit wrote last.
pub async fn capture(folder: PathBuf, look: Look) -> Looked {
    let deadline = Instant::now() + LIMIT;
    let Ok(Ok(place)) = timeout_at(deadline, PLACES.acquire()).await else {
        let file = Err("too many units are being looked at".to_owned());
        return Looked { file, changes: Vec::new(), said: Vec::new() };
    };
    let since = look.changed_since;
    let unit = look.unit.clone().filter(|_| !look.user);
    let changed = spawn_blocking(move || {
        let mut changes = packages::changed(Path::new("/"), since);
        changes.extend(unit.into_iter().flat_map(|unit| files::changed(Path::new("/"), &unit, since)));
        changes.sort_by_key(|change| change.at.wall_ms);
        changes
    });
    let changes = async { timeout_at(deadline, changed).await.ok().and_then(Result::ok).unwrap_or_default() };
    let seen = async {
        let said = timeout_at(deadline, said(&look)).await.unwrap_or_default();
        let text = text(&look, &said, deadline).await;
        let incident = look.incident;
        let written = spawn_blocking(move || {
            let _place = place;
            write(&folder, incident, &redacted(&text))
        });
        let file = match timeout_at(deadline, written).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) | Err(_) => Err("it was not written in time".to_owned()),
        };
        (file, said::telling(&said).iter().map(|line| redacted(line)).collect())
    };
    let ((file, said), changes) = tokio::join!(seen, changes);
    Looked { file, changes, said }
}

async fn text(look: &Look, said: &[String], deadline: Instant) -> String {
    let now = clock::now();
    let mut text = format!("Evidence of incident {}, gathered {}\n", look.incident, clock::utc(now));
    if let Some(unit) = &look.unit {
        let _written = writeln!(text, "Unit {unit}");
    }
    let group = look.control_group.clone();
    let ends = std::time::Instant::now() + COMMAND;
    let of_processes = spawn_blocking(move || processes::told(Path::new("/"), &group, ends));
    let (status, log, processes) = tokio::join!(status(look), log(look), async {
        timeout_at(deadline, of_processes).await.ok().and_then(Result::ok)
    });
    section(&mut text, "What the unit wrote itself last", &said.join("\n"));
    section(&mut text, "What Steadfast knows", &look.known.join("\n"));
    section(&mut text, "systemctl status", &status);
    section(
        &mut text,
        "Processes, sockets, limits, pressure",
        processes.as_deref().unwrap_or("not read in time"),
    );
    section(&mut text, "The last lines of its log", &log);
    let mut end = text.len().min(FILE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    let _written = write!(text, "\n== {title}\n{}\n", body.trim_end());
}

async fn status(look: &Look) -> String {
    let Some(unit) = look.unit.as_ref().filter(|unit| !unit.is_dependency()) else {
        return "it is no unit of this host".to_owned();
    };
    let mut command = Command::new("systemctl");
    if look.user {
        command.arg("--user");
    }
    command.args(["status", "--no-pager", "--full", "--lines=0", unit.as_str()]);
    output(command).await
}

/// The last lines that the unit's own processes wrote: neither what systemd says of it, nor what we do.
async fn said(look: &Look) -> Vec<String> {
    let Some(unit) = look.unit.as_ref().filter(|unit| !unit.is_dependency()) else {
        return Vec::new();
    };
    let field = if look.user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--quiet", "--output=cat", EVERYWHERE, OWN_LINES]);
    command.arg(format!("{field}={unit}"));
    let said = if look.run.is_empty() {
        last_hour(command).await
    } else {
        command.arg(format!("_SYSTEMD_INVOCATION_ID={}", look.run));
        output(command).await.lines().map(str::to_owned).collect()
    };
    if said.is_empty() && !look.user { of_manager(unit.as_str()).await } else { said }
}

/// What PID 1 itself says of the failure of a unit that wrote nothing: it may never have come so far.
async fn of_manager(unit: &str) -> Vec<String> {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--quiet", "--output=cat", OWN_LINES]);
    command.args([&format!("UNIT={unit}"), "_PID=1"]);
    let mut lines = last_hour(command).await;
    lines.retain(|line| said::names_failure(line));
    lines
}

/// The last lines of the last hour. Up to systemd 253 `--lines` counts from `--since` on, unless the newest comes first.
async fn last_hour(mut command: Command) -> Vec<String> {
    command.args([OWN_SINCE, "--reverse"]);
    let mut lines: Vec<String> = output(command).await.lines().map(str::to_owned).collect();
    lines.reverse();
    lines
}

async fn log(look: &Look) -> String {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--quiet", "--output=short-iso", EVERYWHERE, LOG_LINES]);
    if let Some(unit) = look.unit.as_ref().filter(|unit| !unit.is_dependency()) {
        command.arg(if look.user { "--user-unit" } else { "--unit" }).arg(unit.as_str());
    }
    output(command).await
}

/// What a command writes, within its limits.
async fn output(mut command: Command) -> String {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command.env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0");
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) => return format!("it could not be run: {why}"),
    };
    let mut bytes = Vec::new();
    let read = async {
        if let Some(output) = child.stdout.take() {
            output.take(OUTPUT).read_to_end(&mut bytes).await?;
        }
        io::Result::Ok(())
    };
    let ended = timeout(COMMAND, read).await;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if ended.is_err() {
        text.push_str("\n(it did not end in time)");
    }
    text
}

/// Adds to the incident's file, so that an earlier look stays.
fn write(folder: &Path, incident: u64, text: &str) -> Result<String, String> {
    let seen = fs::metadata(folder.join(format!("{incident}.txt")));
    let full = seen.is_ok_and(|seen| usize::try_from(seen.len()).is_ok_and(|len| len >= FILE));
    keep(folder, incident, ".txt", !full, text)
}

/// Writes the incident's file in this folder, both for our own user alone; the oldest beyond the limit go. `add`: behind
/// what stands in it already. Says where it is.
///
/// # Errors
/// One clause with its path: it could not be written.
pub fn keep(folder: &Path, incident: u64, suffix: &str, add: bool, text: &str) -> Result<String, String> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|why| format!("{}: {why}", folder.display()))?;
    let path = folder.join(format!("{incident}{suffix}"));
    let mut options = OpenOptions::new();
    let options = options.create(true).mode(0o600);
    let file = if add { options.append(true) } else { options.write(true).truncate(true) }.open(&path);
    // Whoever reads it with `cat` sees what stands in it, and nothing of it steers the terminal.
    let text = escape::lines(text);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| format!("{}: {why}", path.display()))?;
    forget(folder, suffix);
    Ok(path.display().to_string())
}

/// Of a folder with a file for each incident, the oldest beyond the limit go.
fn forget(folder: &Path, suffix: &str) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> =
        files.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(suffix)?.parse().ok()).collect();
    numbers.sort_unstable();
    let beyond = numbers.len().saturating_sub(KEPT);
    for number in numbers.into_iter().take(beyond) {
        // One that stays is tried again with the next look.
        drop(fs::remove_file(folder.join(format!("{number}{suffix}"))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_the_oldest_go() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("evidence");
        for incident in 1..=105 {
            write(&folder, incident, "seen\n").expect("written");
        }
        let kept = fs::read_dir(&folder).expect("a folder").count();
        assert_eq!(kept, KEPT);
        assert!(!folder.join("5.txt").exists() && folder.join("6.txt").exists());
        let mode = fs::metadata(folder.join("105.txt")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        write(&folder, 105, "seen again\n").expect("written");
        assert_eq!(fs::read_to_string(folder.join("105.txt")).expect("a file"), "seen\nseen again\n");
        // Row 12: nothing in it steers the terminal of whoever reads it.
        keep(&folder, 104, ".txt", false, "a\u{1b}]0;x\u{7}\u{202e}b\n\tc\n").expect("written");
        let shown = fs::read_to_string(folder.join("104.txt")).expect("a file");
        assert_eq!(shown, "a\\u{1b}]0;x\\u{7}\\u{202e}b\n\tc\n");
        keep(&folder, 105, ".txt", false, "new\n").expect("written");
        assert_eq!(fs::read_to_string(folder.join("105.txt")).expect("a file"), "new\n");
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_or_is_not_there_holds_nothing_up() {
        let mut endless = Command::new("yes");
        endless.arg("x");
        assert_eq!(u64::try_from(output(endless).await.len()).expect("short"), OUTPUT);
        let told = output(Command::new("/nothing/here")).await;
        assert!(told.starts_with("it could not be run"), "{told}");
    }
}
