//! The commands people type; a file per command.

mod ack;
mod adopt;
mod audit;
mod baseline;
mod check;
mod completions;
mod daemon;
mod drill;
mod exit;
mod explain;
mod hold;
mod holds;
mod incident;
mod incidents;
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
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::api::client::Client;
use crate::api::socket_path;
use crate::prober;

use exit::Exit;
use terminal::Terminal;

/// Supervises systemd services: finds units that run but do not work, and repairs them.
#[derive(Debug, Parser)]
#[command(name = "steadfast", version, arg_required_else_help = true)]
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
    #[arg(long, global = true)]
    user: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Disable colours (also: NO_COLOR in the environment)
    #[arg(long, global = true)]
    no_color: bool,
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
    /// Show all managed units, or one in detail
    Status(status::Arguments),
    /// Live view of all units: what needs attention, why, and what happens next
    Top(top::Arguments),
    /// Explain the state of a unit: why, what was done, and what happens next
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
    Schema,
    /// Wait until a unit's conditions hold: the last step of a deploy
    Wait(wait::Arguments),
    /// Start or restart a unit now, enable it, and check its endpoints
    Recover(recover::Arguments),
    /// Test detection, recovery and alerting by breaking a unit on purpose
    Drill(drill::Arguments),
    /// Suspend actions for a unit for a while; it is still observed
    Hold(hold::Arguments),
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
    /// Send a test alert to every sink and report the results
    TestAlert,
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Runs one command line; says on standard error why it could not.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            // `--help` and `--version` are no errors. A closed pipe is nothing to complain about.
            let _printed = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            return exit.into();
        }
    };
    let terminal = Terminal::of(&line.options);
    if let Command::Prober = line.command {
        // What it gives up it gives up before there is a second thread.
        let ended = prober::run().map(|()| Exit::Ok);
        let exit = ended.unwrap_or_else(|error| {
            terminal.complain(&error);
            Exit::of_error(&error)
        });
        return exit.into();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(line, &terminal)),
        Err(error) => Err(anyhow::anyhow!("cannot start the runtime: {error}")),
    };
    let exit = ended.unwrap_or_else(|error| {
        terminal.complain(&error);
        Exit::of_error(&error)
    });
    exit.into()
}

async fn dispatch(line: Line, terminal: &Terminal) -> anyhow::Result<Exit> {
    let options = &line.options;
    match line.command {
        Command::Daemon => daemon::run(options).await,
        Command::Prober => prober::run().map(|()| Exit::Ok),
        Command::Status(arguments) => status::run(options, terminal, &arguments).await,
        Command::Top(arguments) => top::run(options, terminal, &arguments).await,
        Command::Explain(arguments) => explain::run(options, terminal, &arguments).await,
        Command::Check(arguments) => check::run(options, terminal, &arguments).await,
        Command::Audit => audit::run(options, terminal).await,
        Command::Baseline(arguments) => baseline::run(options, terminal, arguments).await,
        Command::Adopt(arguments) => adopt::run(options, terminal, &arguments).await,
        Command::Verify(arguments) => verify::run(options, terminal, &arguments).await,
        Command::Schema => schema::run(terminal),
        Command::Wait(arguments) => wait::run(options, terminal, &arguments).await,
        Command::Recover(arguments) => recover::run(options, terminal, &arguments).await,
        Command::Drill(arguments) => drill::run(options, terminal, &arguments).await,
        Command::Hold(arguments) => hold::run(options, terminal, &arguments).await,
        Command::Resume(arguments) => resume::run(options, terminal, &arguments).await,
        Command::Incidents(arguments) => incidents::run(options, terminal, &arguments).await,
        Command::Incident(arguments) => incident::run(options, terminal, &arguments).await,
        Command::Postmortem(arguments) => postmortem::run(options, terminal, &arguments).await,
        Command::Ack(arguments) => ack::run(options, terminal, &arguments).await,
        Command::TestAlert => test_alert::run(options, terminal).await,
        Command::Completions(arguments) => completions::run(terminal, &arguments),
    }
}
