//! The commands people type; a file per command.

mod ack;
mod adopt;
mod audit;
mod baseline;
mod check;
mod complete;
mod completions;
mod daemon;
mod drill;
mod exit;
mod explain;
mod far;
mod fleet;
mod help;
mod hints;
mod hold;
mod holds;
mod incident;
mod incidents;
mod init;
mod logs;
mod man;
mod manual;
mod names;
mod postmortem;
mod recover;
pub mod render;
mod resume;
mod schema;
pub mod screen;
mod status;
mod terminal;
mod test_alert;
pub mod top;
mod verify;
mod version;
mod wait;
mod wait_all;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand};

use crate::api::client::Client;
use crate::api::socket_path;
use crate::prober;

use exit::Exit;
use terminal::Terminal;

/// Supervises systemd services: finds units that run but do not work, and repairs them.
#[derive(Debug, Parser)]
#[command(name = "steadfast", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Line {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
struct Options {
    /// Talk to the user instance
    #[arg(long, global = true, help_heading = "Global options")]
    user: bool,
    /// Print JSON
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    /// Disable colours (also: NO_COLOR in the environment)
    #[arg(long, global = true, help_heading = "Global options")]
    no_color: bool,
    /// Ask these hosts over ssh, not this one: HOST,HOST… or @FILE, a list with a host a line
    #[arg(
        short = 'H',
        long = "host",
        global = true,
        value_name = "HOST",
        value_delimiter = ',',
        help_heading = "Global options"
    )]
    hosts: Vec<String>,
    /// With -H: give up on a host after this long, besides what the command itself waits for
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = wait::duration, help_heading = "Global options")]
    host_timeout: Duration,
}

impl Options {
    /// The client of the chosen instance.
    fn client(&self) -> anyhow::Result<Client> {
        let socket = socket_path(self.user).map_err(anyhow::Error::msg)?;
        Ok(Client::new(socket, self.user))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the supervisor
    Daemon,
    /// Answer network probes in a process apart from the supervisor that starts it
    #[command(hide = true)]
    Prober,
    /// Set up this host: look at it, adopt units, configure and test an alert
    Init(init::Arguments),
    /// Show all managed units, or one in detail
    Status(status::Arguments),
    /// Live view of all units: what needs attention, why, and what happens next
    Top(top::Arguments),
    /// Explain the state of a unit: why, what was done, and what happens next; or what a finding means
    Explain(explain::Arguments),
    /// Evaluate every condition and probe once, without the daemon; change nothing
    Check(check::Arguments),
    /// Check the whole host for services that nothing watches or that would not survive a reboot; needs no configuration
    Audit,
    /// Record the state of the host and report what got worse, for example after an upgrade
    Baseline(baseline::Arguments),
    /// Generate unit files for running services
    Adopt(adopt::Arguments),
    /// Check settings and unit files for mistakes
    Verify(verify::Arguments),
    /// Print the JSON Schema of a unit file
    Schema(schema::Arguments),
    /// Wait until a unit's conditions hold: the last step of a deploy
    Wait(wait::Arguments),
    /// Start or restart a unit now, enable it, and check its endpoints
    Recover(recover::Arguments),
    /// Test detection, recovery and alerting by breaking a unit on purpose
    Drill(drill::Arguments),
    /// Suspend actions for a unit for a while, and its alerts in Alertmanager; it is still observed
    Hold(hold::Arguments),
    /// Show who has slots of the fleet's lock server, and who waits
    Fleet(fleet::Arguments),
    /// End a hold or a quarantine
    Resume(resume::Arguments),
    /// List incidents, newest first
    Incidents(incidents::Arguments),
    /// Show one incident with its timeline and evidence
    Incident(incident::Arguments),
    /// Print the post-mortem draft of an incident, as Markdown
    Postmortem(incident::Arguments),
    /// Acknowledge an incident: no reminders, no escalation
    Ack(incident::Arguments),
    /// Show the journal of a unit, with what systemd and Steadfast say of it
    Logs(logs::Arguments),
    /// Send a test alert to every sink and report the results
    TestAlert,
    /// Show the version, build facts, and whether the running daemon is the same
    Version,
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print help for a command, a finding code or a topic
    Help(help::Arguments),
    /// Write the man pages below a directory
    #[command(hide = true)]
    Man(man::Arguments),
}

/// Runs one command line; says on standard error why it could not.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(exit) = complete::answer(&arguments) {
        return exit.into();
    }
    let line = match Line::try_parse_from(&arguments) {
        Ok(line) => line,
        Err(error) => return refused(&error).into(),
    };
    let terminal = Terminal::of(&line.options);
    if let (Command::Prober, []) = (&line.command, line.options.hosts.as_slice()) {
        // What it gives up it gives up before there is a second thread.
        let ended = prober::run().map(|()| Exit::Ok);
        let exit = ended.unwrap_or_else(|error| {
            terminal.complain(&error);
            Exit::of_error(&error)
        });
        return exit.into();
    }
    let options = line.options.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) if options.hosts.is_empty() => runtime.block_on(dispatch(line, &terminal)),
        Ok(runtime) => runtime.block_on(far::run(&line.command, &options, &terminal, &arguments)),
        Err(error) => Err(anyhow::anyhow!("cannot start the runtime: {error}")),
    };
    let exit = ended.unwrap_or_else(|error| {
        terminal.complain(&error);
        if let Some(hint) = hints::with_sudo(&error, &options, &arguments) {
            terminal.remark(&hint);
        }
        Exit::of_error(&error)
    });
    exit.into()
}

/// Whether these words, without the program's name, still choose other hosts.
fn names_hosts(words: &[String]) -> bool {
    let line = std::iter::once("steadfast").chain(words.iter().map(String::as_str));
    Line::try_parse_from(line).is_ok_and(|line| !line.options.hosts.is_empty())
}

/// Whether this is a command line; nothing is done.
///
/// # Errors
/// What is wrong with it.
pub fn parses(arguments: impl IntoIterator<Item = String>) -> Result<(), String> {
    match Line::try_parse_from(arguments) {
        Ok(_) => Ok(()),
        Err(error) if !error.use_stderr() => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Prints what is wrong with a command line, or the help that it asks for.
fn refused(error: &clap::Error) -> Exit {
    // `--help` and `--version` are no errors. A closed pipe is nothing to complain about.
    let _printed = error.print();
    let word = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word),
        _ => None,
    };
    if let Some(ours) = word.and_then(|word| hints::command(word)) {
        let _printed = writeln!(io::stderr(), "\n  tip: did you mean 'steadfast {ours}'?");
    }
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

async fn dispatch(line: Line, terminal: &Terminal) -> anyhow::Result<Exit> {
    let options = &line.options;
    match line.command {
        Command::Daemon => daemon::run(options).await,
        Command::Prober => prober::run().map(|()| Exit::Ok),
        Command::Init(arguments) => init::run(options, terminal, &arguments).await,
        Command::Status(arguments) => status::run(options, terminal, &arguments).await,
        Command::Top(arguments) => top::run(options, terminal, &arguments).await,
        Command::Explain(arguments) => explain::run(options, terminal, &arguments).await,
        Command::Check(arguments) => check::run(options, terminal, &arguments).await,
        Command::Audit => audit::run(options, terminal).await,
        Command::Baseline(arguments) => baseline::run(options, terminal, arguments).await,
        Command::Adopt(arguments) => adopt::run(options, terminal, &arguments).await,
        Command::Verify(arguments) => verify::run(options, terminal, &arguments).await,
        Command::Schema(arguments) => schema::run(terminal, &arguments),
        Command::Wait(arguments) => wait::run(options, terminal, &arguments).await,
        Command::Recover(arguments) => recover::run(options, terminal, &arguments).await,
        Command::Drill(arguments) => drill::run(options, terminal, &arguments).await,
        Command::Hold(arguments) => hold::run(options, terminal, &arguments).await,
        Command::Fleet(arguments) => fleet::run(options, terminal, &arguments).await,
        Command::Resume(arguments) => resume::run(options, terminal, &arguments).await,
        Command::Incidents(arguments) => incidents::run(options, terminal, &arguments).await,
        Command::Incident(arguments) => incident::run(options, terminal, &arguments).await,
        Command::Postmortem(arguments) => postmortem::run(options, terminal, &arguments).await,
        Command::Ack(arguments) => ack::run(options, terminal, &arguments).await,
        Command::Logs(arguments) => logs::run(options, &arguments).await,
        Command::Version => version::run(options, terminal).await,
        Command::TestAlert => test_alert::run(options, terminal).await,
        Command::Completions(arguments) => completions::run(terminal, &arguments),
        Command::Help(arguments) => help::run(terminal, &arguments),
        Command::Man(arguments) => man::run(terminal, &arguments),
    }
}
