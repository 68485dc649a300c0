//! What a shell offers behind TAB: asked of the daemon and of the disk at that moment, in a second at most, and silently.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::CompleteEnv;

use super::Line;
use super::exit::Exit;
use super::manual;
use super::wait::KINDS;
use crate::api::client::Client;
use crate::api::socket_path;
use crate::baseline;
use crate::model::finding::Code;

/// The variable in which a shell's script asks for candidates.
pub const VARIABLE: &str = "STEADFAST_COMPLETE";
/// Nobody waits longer behind TAB.
const PATIENCE: Duration = Duration::from_secs(1);
/// Incidents that are offered.
const INCIDENTS: usize = 50;
/// Where unit files are.
const UNIT_FILES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];
/// Endings of units that are worth adopting.
const KINDS_OF_UNITS: [&str; 5] = [".service", ".timer", ".socket", ".path", ".mount"];

/// Answers a shell that asks for candidates; nothing, where none does.
pub fn answer(arguments: &[OsString]) -> Option<Exit> {
    if arguments.is_empty() {
        return None;
    }
    let directory = std::env::current_dir().ok();
    let completed = CompleteEnv::with_factory(Line::command)
        .var(VARIABLE)
        .try_complete(arguments.iter().cloned(), directory.as_deref());
    match completed {
        Ok(false) => None,
        Ok(true) => Some(Exit::Ok),
        Err(error) => {
            let _printed = error.print();
            Some(Exit::Usage)
        }
    }
}

/// The command line is about the user instance.
fn of_user() -> bool {
    std::env::args_os().any(|word| word == "--user")
}

/// What a question brings within the time that somebody waits; else nothing.
fn asked<T: Default>(ask: impl AsyncFnOnce() -> Option<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered = runtime.ok().map(|runtime| {
        let answered = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask()).await });
        // What still reads does not keep a shell waiting.
        runtime.shutdown_background();
        answered
    });
    answered.and_then(Result::ok).flatten().unwrap_or_default()
}

fn client() -> Option<Client> {
    let user = of_user();
    Some(Client::new(socket_path(user).ok()?, user))
}

/// A word with what it is, where nothing in it would steer a terminal or be more than a word.
fn candidate(word: &str, help: &str) -> Option<CompletionCandidate> {
    let odd = |text: &str| text.chars().any(char::is_control);
    let plain = !word.is_empty() && !odd(word) && !word.contains(char::is_whitespace);
    let help = (!help.is_empty() && !odd(help)).then(|| help.to_owned().into());
    plain.then(|| CompletionCandidate::new(word).help(help))
}

/// Managed units, with their states.
pub fn units() -> Vec<CompletionCandidate> {
    let units = asked(async || Some(client()?.status().await.ok()?.units));
    units.iter().filter_map(|unit| candidate(&unit.unit, unit.state.as_str())).collect()
}

/// Managed units that a command can act on: dependencies are only probed.
pub fn local_units() -> Vec<CompletionCandidate> {
    let local = |one: &CompletionCandidate| !one.get_value().to_string_lossy().ends_with(".dependency");
    units().into_iter().filter(local).collect()
}

/// Managed units, and the codes of findings.
pub fn units_and_codes() -> Vec<CompletionCandidate> {
    let codes = Code::ALL.iter().filter_map(|code| candidate(code.as_str(), "finding"));
    units().into_iter().chain(codes).collect()
}

/// Units of systemd that are not managed yet.
pub fn unmanaged_units() -> Vec<CompletionCandidate> {
    let managed: BTreeSet<String> =
        units().iter().map(|unit| unit.get_value().to_string_lossy().into_owned()).collect();
    let mut names = BTreeSet::new();
    for folder in UNIT_FILES {
        let entries = std::fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
        let files = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.extend(files.filter(|name| KINDS_OF_UNITS.iter().any(|ending| name.ends_with(ending))));
    }
    names.iter().filter(|name| !managed.contains(*name)).filter_map(|name| candidate(name, "")).collect()
}

/// Names of probes, with their units.
pub fn probes() -> Vec<CompletionCandidate> {
    let units = asked(async || Some(client()?.status().await.ok()?.units));
    let named = units.iter().flat_map(|unit| unit.probes.iter().map(|probe| (&unit.unit, &probe.name)));
    named.filter_map(|(unit, probe)| candidate(probe, unit)).collect()
}

/// Conditions of the contract.
pub fn conditions() -> Vec<CompletionCandidate> {
    KINDS.iter().filter_map(|kind| candidate(kind, "")).collect()
}

/// Numbers of incidents, newest first, with what they are about.
pub fn incidents() -> Vec<CompletionCandidate> {
    let found = asked(async || Some(client()?.incidents(None, None, false).await.ok()?.incidents));
    let about = |one: &crate::api::wire::Incident| {
        let open = if one.resolved_at.is_none() { ", open" } else { "" };
        format!("{} {}{open}", one.unit.as_deref().unwrap_or("host"), one.cause)
    };
    found.iter().take(INCIDENTS).filter_map(|one| candidate(&one.id.to_string(), &about(one))).collect()
}

/// Names of baselines, newest first.
pub fn baselines() -> Vec<CompletionCandidate> {
    let user = of_user();
    let heads = asked(async || baseline::list(user).await.ok());
    heads.iter().filter_map(|head| candidate(&head.name, "")).collect()
}

/// What there is help on: commands, topics, codes of findings.
pub fn topics() -> Vec<CompletionCandidate> {
    let command = Line::command();
    let commands = command.get_subcommands().filter(|one| !one.is_hide_set());
    let commands = commands.filter_map(|one| candidate(one.get_name(), "command"));
    let topics = manual::topics().into_iter().filter_map(|topic| candidate(topic.name, topic.about));
    let codes = Code::ALL.iter().filter_map(|code| candidate(code.as_str(), "finding"));
    commands.chain(topics).chain(codes).collect()
}
