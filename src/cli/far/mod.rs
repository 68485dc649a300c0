//! `-H HOST[,HOST…]`: the same command on other hosts, by the user's own ssh; the answers are merged, the worst first.

mod answer;
mod fleet;
mod hosts;
mod print;
mod ssh;
mod words;

use std::cell::Cell;
use std::ffi::OsString;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use self::answer::Answer;
use self::ssh::Ssh;
use super::exit::Exit;
use super::terminal::{SeenEnough, Terminal, Waiting};
use super::{Command, Options, baseline};
use crate::api::client::Error;

/// Hosts that are asked at once.
const AT_ONCE: usize = 32;
/// Bytes of all answers together that are kept.
const ROOM: usize = 256 * 1024 * 1024;
/// A recovery and its proof take no longer, besides what a host is given anyway; the daemon gives up after 10 minutes.
const CHANGE_TIME: Duration = Duration::from_secs(630);
/// Somebody types a password meanwhile.
const TYPING_TIME: Duration = Duration::from_secs(60);

/// How the answers of many hosts are put on one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// One table of all units; `all`: also those that are well.
    Table { all: bool, sort: super::render::Sort },
    /// The host before each line.
    Lines,
    /// The host as a heading.
    Pages,
}

/// What is asked of each host.
#[derive(Debug)]
struct Plan {
    layout: Layout,
    /// The command itself waits so long, besides what a host is given to answer.
    waits: Duration,
    json: bool,
}

/// The command on each of the hosts.
pub async fn run(
    command: &Command,
    options: &Options,
    terminal: &Terminal,
    arguments: &[OsString],
) -> anyhow::Result<Exit> {
    let usage = |why: String| anyhow::Error::from(Error::Wrong(why));
    let plan = plan(command, options.json).map_err(usage)?;
    let hosts = hosts::listed(&options.hosts, &hosts::directories()).map_err(usage)?;
    let mut words = words::without_hosts(arguments).map_err(usage)?;
    if super::names_hosts(&words) {
        return Err(usage("write -H as a word of its own, before the command".to_owned()));
    }
    if matches!(plan.layout, Layout::Table { .. }) && !plan.json {
        words.insert(0, "--json".to_owned());
    }
    let attended = hosts.len() == 1 && terminal.can_ask();
    let typing = if attended { TYPING_TIME } else { Duration::ZERO };
    let ssh = Ssh { attended, limit: options.host_timeout + plan.waits + typing, room: Cell::new(ROOM) };
    let line = words::far_line(&words);
    let answers = ask_all(&ssh, &hosts, &line).await?;
    print::printed(terminal, &plan, answers)
}

/// Asks the hosts, some at once; the answers stand in the order of the hosts.
async fn ask_all(ssh: &Ssh, hosts: &[String], line: &str) -> anyhow::Result<Vec<Answer>> {
    let mut waiting = Waiting::new();
    let mut answers = Vec::new();
    // What is typed at a password's prompt is not written over.
    let quiet = ssh.attended;
    {
        let asked = stream::iter(hosts.iter().enumerate())
            .map(async |(number, host)| Answer::of(ssh, host, line).await.map(|answer| (number, answer)));
        let mut asked = std::pin::pin!(asked.buffer_unordered(AT_ONCE));
        while let Some(answer) = asked.try_next().await? {
            answers.push(answer);
            if !quiet {
                waiting.say(|| format!("{} of {} hosts answered", answers.len(), hosts.len()));
            }
        }
    }
    waiting.end();
    answers.sort_by_key(|(number, _)| *number);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

/// How this command is asked of other hosts.
///
/// # Errors
/// It is about this host or this terminal: one sentence, with what to do.
fn plan(command: &Command, json: bool) -> Result<Plan, String> {
    let one = |what: &str| Err(format!("{what} shows one host: ssh -t HOST steadfast {what}"));
    let (layout, waits, json) = match command {
        Command::Status(status) if status.watches() => return one("status --watch"),
        Command::Status(status) => match status.of_hosts() {
            Some((all, sort)) => (Layout::Table { all, sort }, Duration::ZERO, json || status.is_json()),
            None if status.is_names() => (Layout::Lines, Duration::ZERO, json),
            None => (Layout::Pages, Duration::ZERO, json),
        },
        Command::Top(_) => return one("top"),
        Command::Logs(logs) if logs.follows() => return one("logs --follow"),
        Command::Hold(hold) if hold.has_holder() => {
            return Err("a process of this host cannot hold units of others: give the hold a length (--for)"
                .to_owned());
        }
        Command::Wait(wait) => (Layout::Lines, wait.limit(), json),
        Command::Recover(_) => (Layout::Lines, CHANGE_TIME, json),
        Command::Hold(_) | Command::Resume(_) | Command::Ack(_) => (Layout::Lines, Duration::ZERO, json),
        Command::Check(check) if check.is_one_line() => (Layout::Lines, Duration::ZERO, json),
        Command::Baseline(baseline) if baseline.changes() => {
            return elsewhere("baseline (except diff, list and show)");
        }
        Command::Explain(_)
        | Command::Check(_)
        | Command::Audit
        | Command::Baseline(baseline::Arguments { .. })
        | Command::Incidents(_)
        | Command::Incident(_)
        | Command::Postmortem(_)
        | Command::Logs(_)
        | Command::Verify(_)
        | Command::Fleet(_)
        | Command::Version => (Layout::Pages, Duration::ZERO, json),
        Command::Daemon | Command::Prober => return elsewhere("the supervisor"),
        Command::Init(_) => return one("init"),
        Command::Adopt(_) => return elsewhere("adopt"),
        Command::Drill(_) => return elsewhere("drill"),
        Command::TestAlert => return elsewhere("test-alert"),
        Command::Schema(_) | Command::Completions(_) | Command::Help(_) | Command::Man(_) => {
            return Err("this is the same on every host: leave out -H".to_owned());
        }
    };
    Ok(Plan { layout, waits, json })
}

fn elsewhere(what: &str) -> Result<Plan, String> {
    Err(format!("{what} does not go with -H: run it on the host itself"))
}

/// Prints; a reader who went away is no trouble.
fn show(terminal: &Terminal, text: &str, exit: Exit) -> anyhow::Result<Exit> {
    SeenEnough::forgive(terminal.print(text), exit)
}
