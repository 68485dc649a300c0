//! `hold UNIT --for 30m --reason "…"`: observe only, until then; or while a process lives, or a command runs.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use super::Options;
use super::exit::Exit;
use super::recover::tell;
use super::terminal::Terminal;
use super::wait::duration;
use crate::api::client::Client;
use crate::api::wire::ReplyResult;

/// A hold with a holder lasts this long after the holder was last seen …
const LEASE: &str = "60s";
/// … which is looked at this often.
const RENEWAL: Duration = Duration::from_secs(20);
/// The shortest hold there is: it ends a lease.
const END: &str = "1s";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    unit: String,
    /// How long, such as 30m; at most 24h
    #[arg(
        long = "for",
        value_name = "DURATION",
        value_parser = checked,
        required_unless_present_any = ["holder", "command"],
        conflicts_with_all = ["holder", "command"]
    )]
    length: Option<String>,
    /// Why, as status shows it (default: the command or the process)
    #[arg(long, required_unless_present_any = ["command", "holder"])]
    reason: Option<String>,
    /// Hold while this process lives; this command waits for it
    #[arg(long = "while", value_name = "PID", conflicts_with = "command")]
    holder: Option<i32>,
    /// Hold while this command runs; its exit status is passed on
    #[arg(last = true)]
    command: Vec<String>,
}

/// What a process calls itself.
fn name(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "its name is not known".to_owned() } else { name }
}

/// Passed on as it was written; the daemon says how long is too long.
fn checked(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let usual = || match arguments.holder {
        Some(pid) => format!("process {pid} runs ({})", name(pid)),
        None => format!("{} runs", arguments.command.join(" ")),
    };
    let reason = arguments.reason.clone().unwrap_or_else(usual);
    if let Some(length) = &arguments.length {
        return tell(options, terminal, &client.hold(&arguments.unit, length, &reason).await?);
    }
    // Held before the command begins, and before we wait: what cannot be held is not run.
    let holder = arguments.holder.map(watched).transpose()?;
    let reply = client.hold(&arguments.unit, LEASE, &reason).await?;
    if reply.result != ReplyResult::Done {
        return tell(options, terminal, &reply);
    }
    let lease = Lease { client: &client, terminal, unit: &arguments.unit, reason: &reason };
    let exit = match holder {
        Some(holder) => {
            lease.keep(holder).await;
            Exit::Ok
        }
        None => lease.run(&arguments.command).await?,
    };
    Ok(exit)
}

/// A hold that ends by itself soon after nobody renews it, however we end.
struct Lease<'a> {
    client: &'a Client,
    terminal: &'a Terminal,
    unit: &'a str,
    reason: &'a str,
}

impl Lease<'_> {
    /// Runs the command and holds the unit meanwhile.
    async fn run(&self, command: &[String]) -> anyhow::Result<Exit> {
        let (program, arguments) = command.split_first().context("there is no command to run")?;
        let child = std::process::Command::new(program).args(arguments).spawn();
        let started = child.with_context(|| format!("cannot run {program}")).and_then(|child| {
            let pid = i32::try_from(child.id()).context("the process has no usable id")?;
            Ok((child, watched(pid)?))
        });
        let (mut child, fd) = match started {
            Ok(started) => started,
            Err(why) => {
                self.end().await;
                return Err(why);
            }
        };
        self.keep(fd).await;
        Ok(of_command(child.wait()?))
    }

    /// Renews the hold until the process has ended.
    async fn keep(&self, mut holder: JoinHandle<()>) {
        let mut renewals = interval(RENEWAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // The command gets it as well; we stay until it has ended.
                _ = tokio::signal::ctrl_c() => {}
                _ = &mut holder => break,
                _ = renewals.tick() => {
                    if let Err(why) = self.client.hold(self.unit, LEASE, self.reason).await {
                        self.terminal.remark(&format!("steadfast: cannot renew the hold of {}: {why}", self.unit));
                    }
                }
            }
        }
        self.end().await;
    }

    async fn end(&self) {
        if let Err(why) = self.client.hold(self.unit, END, self.reason).await {
            self.terminal.remark(&format!("steadfast: the hold of {} ends within {LEASE}: {why}", self.unit));
        }
    }
}

/// Waits on a thread for the end of a process, whichever other one bears its number later.
fn watched(pid: i32) -> anyhow::Result<JoinHandle<()>> {
    let known = Pid::from_raw(pid).with_context(|| format!("{pid} is no process id"))?;
    let fd =
        pidfd_open(known, PidfdFlags::empty()).with_context(|| format!("cannot follow process {pid}"))?;
    Ok(spawn_blocking(move || {
        // It fails only when a signal comes in between.
        while poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).is_err() {}
    }))
}

/// The status as a shell tells it.
fn of_command(status: ExitStatus) -> Exit {
    let signal = status.signal().map_or(0, |signal| signal.saturating_add(128));
    Exit::OfCommand(u8::try_from(status.code().unwrap_or(signal)).unwrap_or(u8::MAX))
}
