//! Runs one command once, as a transient unit: systemd starts it, bounds it, and cleans up after it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout};
use zbus::message::Message;
use zbus::{Connection, Fd, MatchRule, OwnedVariant, Variant};

use super::bus::{self, PROPERTIES, SYSTEMD, Signals, UNIT, words};
use super::handed_over::HandedOver;
use super::orders::Orders;
use super::output::{Output, OutputLimit};
use super::proxies::ManagerProxy;
use super::setting::Setting;
use super::values::{self, Values};
use crate::model::probe::{CommandEnd, CommandOutcome};

/// What a command's end may take beyond its own timeout: being queued, started, terminated, killed and told of.
const GRACE: Duration = Duration::from_secs(10);
/// Between SIGTERM and SIGKILL.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// Read from the command at once.
const CHUNK: usize = 64 * 1024;
/// Signals of one transient unit that may wait for us; a whole life is about ten.
const QUEUE: usize = 256;
/// `LogLevelMax=`: the manager's "Started …" and "Deactivated …" of every run stay out of the journal.
const WARNING: i32 = 4;
/// As a set of capabilities.
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
/// How the names of our transient units begin.
pub(super) const PREFIX: &str = "steadfast-run-";
/// Processes and threads of one command: a fork bomb ends here, and with the command's timeout.
const TASKS: u64 = 1024;
/// A command that writes more is ended: reading it for its whole timeout would cost a core.
const FLOOD: usize = 16 << 20;
/// How a command that has said all that is wanted, or far more, is ended.
const SIGKILL: i32 = 9;
/// Statuses that systemd gives a process that never became the command (`EXIT_CHDIR` and up).
const NOT_EXECUTED: std::ops::RangeInclusive<i32> = 200..=243;

/// What to run, and as whom. Standard output and standard error are read, standard input is empty.
#[derive(Debug)]
pub struct Command {
    /// The first is the path of the program, absolute.
    pub argv: Vec<String>,
    /// What the manager shows of it while it runs.
    pub description: String,
    /// `User=`; root, or the user whose manager it is, when not given.
    pub user: Option<String>,
    /// `Group=`.
    pub group: Option<String>,
    /// `WorkingDirectory=`; `/` when not given.
    pub directory: Option<String>,
    /// `NAME=value`, for everybody to see.
    pub environment: Vec<String>,
    /// `NAME=value`, for nobody else to see.
    pub secrets: Vec<String>,
    /// How long it may run; then it is terminated, and killed two seconds later.
    pub timeout: Duration,
    /// `PrivateTmp=`.
    pub private_tmp: bool,
    /// It may read every file, whoever it runs as.
    pub reads_all: bool,
    /// How much of its output is kept.
    pub output: OutputLimit,
    /// Once a line of the output contains this, the command has said all that is wanted and is killed.
    pub until: Option<String>,
    /// Further settings, as `execution::like_unit` read them of another unit.
    pub(super) like: Vec<(&'static str, OwnedVariant)>,
}

impl Command {
    /// It runs as another user than root.
    #[must_use]
    pub fn has_user(&self) -> bool {
        let named = |name: &str, value: &OwnedVariant| match name {
            "User" => values::as_text(value).is_some_and(|user| !matches!(user, "" | "root" | "0")),
            "DynamicUser" => true,
            _ => false,
        };
        self.user.is_some() || self.like.iter().any(|(name, value)| named(name, value))
    }

    /// A command with nothing but its arguments and its limit.
    #[must_use]
    pub fn new(argv: Vec<String>, timeout: Duration) -> Self {
        Self {
            description: format!("Steadfast: {}", argv.join(" ")),
            argv,
            user: None,
            group: None,
            directory: None,
            environment: Vec::new(),
            secrets: Vec::new(),
            timeout,
            private_tmp: false,
            reads_all: false,
            output: OutputLimit::default(),
            until: None,
            like: Vec::new(),
        }
    }

    /// The properties of the transient unit. `Type=exec`: a program that cannot be executed is told apart from one that fails.
    ///
    /// # Errors
    /// Why the command cannot be run: one of its parts cannot be written into a unit file.
    fn settings(&self, out: &OwnedFd) -> Result<Vec<Setting<'_>>, String> {
        let program = self.argv.first().map_or("", String::as_str);
        let exec = vec![(program, self.argv.clone(), false)];
        let mut settings = vec![
            Setting::new("Description", self.description.as_str())?,
            Setting::new("Type", "exec")?,
            Setting::new("ExecStart", exec)?,
            Setting::new("RuntimeMaxUSec", micros(self.timeout))?,
            Setting::new("TimeoutStartUSec", micros(self.timeout))?,
            Setting::new("TimeoutStopUSec", micros(STOP_LIMIT))?,
            Setting::new("KillMode", "control-group")?,
            Setting::new("CollectMode", "inactive-or-failed")?,
            Setting::new("NoNewPrivileges", true)?,
            Setting::new("TasksMax", TASKS)?,
            Setting::new("LogLevelMax", WARNING)?,
        ];
        for name in ["StandardOutputFileDescriptor", "StandardErrorFileDescriptor"] {
            let out = out.try_clone().map_err(|error| error.to_string())?;
            settings.push(Setting::new(name, Fd::Owned(out))?);
        }
        for (name, value) in &self.like {
            let value = value.try_clone().map_err(|error| words(&error))?;
            settings.push(Setting::new(name, Variant::from(value))?);
        }
        let texts = [("User", &self.user), ("Group", &self.group), ("WorkingDirectory", &self.directory)];
        for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            settings.push(Setting::new(name, text.as_str())?);
        }
        if !self.environment.is_empty() {
            settings.push(Setting::new("Environment", self.environment.clone())?);
        }
        for name in ["AmbientCapabilities", "CapabilityBoundingSet"].iter().filter(|_| self.reads_all) {
            settings.push(Setting::new(name, CAP_DAC_READ_SEARCH)?);
        }
        if self.private_tmp {
            settings.push(Setting::new("PrivateTmp", true)?);
        }
        if self.until.is_some() {
            // Killing it is the way it is meant to end; the journal need not call that a failure.
            settings.push(Setting::new("SuccessExitStatus", (Vec::<i32>::new(), vec![SIGKILL]))?);
        }
        Ok(settings)
    }
}

/// Runs the command and waits for its end, never longer than its timeout and a few seconds.
///
/// Whatever goes wrong is in the outcome: a command that could not be run has `CommandEnd::NotRun` and the reason.
pub async fn run(orders: &Orders, command: Command) -> CommandOutcome {
    let began = Instant::now();
    let mut output = Output::new(command.output);
    let ended = match timeout(command.timeout.saturating_add(GRACE), orders.command_turn()).await {
        Ok(Some(_turn)) => carry_out(orders, &command, &mut output).await,
        Ok(None) | Err(_) => Err("too many commands are running".to_owned()),
    };
    CommandOutcome {
        ended: ended.unwrap_or_else(CommandEnd::NotRun),
        output: output.into_lines(),
        took: began.elapsed(),
    }
}

async fn carry_out(orders: &Orders, command: &Command, output: &mut Output) -> Result<CommandEnd, String> {
    let (writer, reader) = pipe::pipe().map_err(|error| error.to_string())?;
    // The command must be able to wait for us when it writes faster than we read.
    let writer = writer.into_blocking_fd().map_err(|error| error.to_string())?;
    // Refused, if it must be, before systemd hears of it.
    let mut settings = command.settings(&writer)?;
    drop(writer);
    let unit = unit_name();
    // Kept until the command has ended.
    let handed_over = if command.secrets.is_empty() {
        None
    } else {
        Some(HandedOver::write(orders.instance(), &unit, &command.secrets)?)
    };
    if let Some(file) = &handed_over {
        settings.push(Setting::new("EnvironmentFiles", vec![(file.path(), false)])?);
    }
    let connection = bus::connect(orders.instance()).await.map_err(|error| error.to_string())?;
    let limit = command.timeout.saturating_add(GRACE);
    let lived = timeout(limit, async {
        let begun = Life::begin(&connection, &unit, settings, reader).await;
        let mut life = begun.map_err(|error| words(&error))?;
        life.follow(&connection, command, output).await
    });
    match lived.await {
        Ok(ended) => ended,
        Err(_) => {
            // systemd should have ended it by now; ask once, whatever comes of it.
            let stopped = timeout(STOP_LIMIT, stop(&connection, &unit)).await;
            drop(stopped);
            Ok(CommandEnd::TimedOut)
        }
    }
}

async fn stop(connection: &Connection, unit: &str) -> zbus::Result<()> {
    let manager = ManagerProxy::new(connection).await?;
    manager.stop_unit(unit, "replace").await.map(drop)
}

/// Unique among all runs of all daemons on the machine.
pub(super) fn unit_name() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    // Keyed at random by the standard library for every new state.
    let random = RandomState::new().build_hasher().finish();
    format!("{PREFIX}{run}-{random:016x}.service")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One run of a command, from its job to its end.
struct Life {
    unit: String,
    signals: Signals,
    /// `None` once all writers are gone.
    pipe: Option<pipe::Receiver>,
    /// How the job that started it ended.
    started: Option<String>,
    seen: Seen,
}

/// What its last signal told of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// `Result=`.
    result: String,
    /// `ExecMainCode=`: 0 never ran, 1 exited, 2 killed, 3 dumped.
    code: u64,
    /// `ExecMainStatus=`: exit status or signal.
    status: i32,
    /// Inactive or failed, with no job left.
    over: bool,
}

impl Life {
    /// Starts the transient unit, listening first.
    async fn begin(
        connection: &Connection,
        unit: &str,
        settings: Vec<Setting<'_>>,
        reader: pipe::Receiver,
    ) -> zbus::Result<Self> {
        let path = bus::unit_path(unit);
        let rules = vec![
            MatchRule::builder()
                .sender(SYSTEMD)
                .path(path)
                .interface(PROPERTIES)
                .member("PropertiesChanged")
                .build()?,
            MatchRule::builder().sender(SYSTEMD).member("JobRemoved").arg(2, unit).build()?,
        ];
        let signals = Signals::open(connection, rules, QUEUE).await?;
        let manager = ManagerProxy::new(connection).await?;
        manager.subscribe().await?;
        manager.start_transient_unit(unit, "fail", &settings, &[]).await?;
        Ok(Self { unit: unit.to_owned(), signals, pipe: Some(reader), started: None, seen: Seen::default() })
    }

    /// Reads what it writes until systemd says that it is over.
    async fn follow(
        &mut self,
        connection: &Connection,
        command: &Command,
        output: &mut Output,
    ) -> Result<CommandEnd, String> {
        let mut chunk = vec![0_u8; CHUNK];
        let mut until = command.until.as_deref();
        let mut flooded = false;
        while !self.seen.over {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    Some(message) => self.take(&message),
                    None => return Err("the connection to the bus was lost while it ran".to_owned()),
                },
                read = read(&mut self.pipe, &mut chunk) => {
                    let bytes = chunk.get(..read).unwrap_or_default();
                    output.push(bytes);
                    if !flooded && output.written() > FLOOD {
                        flooded = true;
                        self.kill(connection).await.map_err(|error| words(&error))?;
                    }
                    if until.is_some_and(|wanted| output.says(bytes, wanted)) {
                        until = None;
                        self.kill(connection).await.map_err(|error| words(&error))?;
                    }
                }
            }
        }
        // Every writer is dead by now, so that what is in the pipe is all there is.
        if let Some(pipe) = &self.pipe {
            while let Ok(read @ 1..) = pipe.try_read(&mut chunk) {
                output.push(chunk.get(..read).unwrap_or_default());
            }
        }
        if flooded {
            return Ok(CommandEnd::Flooded);
        }
        Ok(end(self.started.as_deref(), &self.seen, command))
    }

    async fn kill(&self, connection: &Connection) -> zbus::Result<()> {
        let manager = ManagerProxy::new(connection).await?;
        manager.kill_unit(&self.unit, "all", SIGKILL).await
    }

    /// Takes a signal of the unit or of its job; one that cannot be read changes nothing.
    fn take(&mut self, message: &Message) {
        let body = message.body();
        if let Ok((_, _, _, result)) = body.deserialize::<(u32, zbus::ObjectPath<'_>, &str, &str)>() {
            self.started = Some(result.to_owned());
        } else if let Ok((interface, values, _)) = body.deserialize::<(&str, Values<'_>, Vec<&str>)>() {
            self.seen.take(interface, &values);
        }
    }
}

/// How it ended, by the result of its start job and by what was seen last.
fn end(started: Option<&str>, seen: &Seen, command: &Command) -> CommandEnd {
    match seen.code {
        _ if seen.result == "timeout" => CommandEnd::TimedOut,
        1 if started != Some("done") && NOT_EXECUTED.contains(&seen.status) => {
            CommandEnd::NotRun(not_executed(seen.status, command))
        }
        1 => CommandEnd::Exited(seen.status),
        2 | 3 => CommandEnd::Signalled(seen.status),
        _ => {
            let why = match seen.result.as_str() {
                "" | "success" => started.unwrap_or("no reason given"),
                result => result,
            };
            CommandEnd::NotRun(format!("systemd did not start it: {why}"))
        }
    }
}

impl Seen {
    /// Each change is told in two signals, `Service` first, then `Unit`, each with the whole new state.
    fn take(&mut self, interface: &str, told: &Values<'_>) {
        if interface == UNIT {
            let active = values::text(told, "ActiveState");
            self.over = matches!(active, Some("inactive" | "failed")) && values::job_id(told).is_none();
        } else if let Some(result) = values::text(told, "Result") {
            result.clone_into(&mut self.result);
            self.code = values::number(told, "ExecMainCode").unwrap_or(0);
            self.status = values::number(told, "ExecMainStatus")
                .and_then(|status| i32::try_from(status).ok())
                .unwrap_or(0);
        }
    }
}

/// Bytes that could be read; waits forever once the pipe is at its end.
async fn read(pipe: &mut Option<pipe::Receiver>, chunk: &mut [u8]) -> usize {
    loop {
        let Some(open) = pipe else {
            std::future::pending::<()>().await;
            return 0;
        };
        match open.read(chunk).await {
            Ok(read @ 1..) => return read,
            Ok(0) | Err(_) => *pipe = None,
        }
    }
}

/// What systemd's exit statuses for a process that never became the command mean.
fn not_executed(status: i32, command: &Command) -> String {
    let program = command.argv.first().map_or("", String::as_str);
    match status {
        200 => format!(
            "cannot change to its working directory {}",
            command.directory.as_deref().unwrap_or_default()
        ),
        203 => format!("cannot execute {program}: missing or not executable (status 203)"),
        216 => format!("unknown group {}", command.group.as_deref().unwrap_or_default()),
        217 => format!("unknown user {}", command.user.as_deref().unwrap_or_default()),
        226 => "cannot set up its mount namespace".to_owned(),
        other => format!("systemd could not prepare it (status {other})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(started: &str, result: &str, code: u64, status: i32) -> CommandEnd {
        let command = Command::new(vec!["/bin/x".to_owned()], Duration::from_secs(1));
        let seen = Seen { result: result.to_owned(), code, status, over: true };
        end(Some(started), &seen, &command)
    }

    #[test]
    fn an_end_is_told_from_a_start_that_failed() {
        assert_eq!(ended("done", "success", 1, 0), CommandEnd::Exited(0));
        assert_eq!(ended("done", "exit-code", 1, 203), CommandEnd::Exited(203));
        assert_eq!(
            ended("failed", "exit-code", 1, 203),
            CommandEnd::NotRun("cannot execute /bin/x: missing or not executable (status 203)".to_owned())
        );
        assert_eq!(ended("done", "timeout", 2, 15), CommandEnd::TimedOut);
        assert_eq!(ended("done", "signal", 2, 9), CommandEnd::Signalled(9));
        assert_eq!(
            ended("failed", "resources", 0, 0),
            CommandEnd::NotRun("systemd did not start it: resources".to_owned())
        );
    }

    /// Refuses before it asks: `Orders` of a bus that is not there would say something else.
    #[tokio::test]
    async fn a_directory_that_would_be_a_line_of_a_unit_file_is_refused() {
        let mut command = Command::new(vec!["/bin/x".to_owned()], Duration::from_secs(1));
        command.directory = Some("/srv/app/2\nExecStopPost=+/bin/sh".to_owned());
        let outcome = run(&Orders::new(bus::Instance::User), command).await;
        let why = "its working directory contains a control character".to_owned();
        assert_eq!(outcome.ended, CommandEnd::NotRun(why));
    }

    #[test]
    fn names_of_runs_differ() {
        assert_ne!(unit_name(), unit_name());
    }
}
