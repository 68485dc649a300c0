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

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::{Chosen, unit_or_pattern};
use super::recover::tell;
use super::terminal::Terminal;
use super::wait::duration;
use super::{Options, complete};
use crate::api::HOLD_MAX;
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
    /// Units, or patterns such as 'web-*'; quote patterns
    #[arg(value_name = "UNIT", required_unless_present = "all", conflicts_with = "all", value_parser = unit_or_pattern, add = ArgValueCandidates::new(complete::local_units))]
    units: Vec<String>,
    /// Every managed unit
    #[arg(long)]
    all: bool,
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
    #[arg(long, value_name = "TEXT", value_parser = sentence, required_unless_present_any = ["command", "holder"])]
    reason: Option<String>,
    /// Hold while this process lives; this command waits for it
    #[arg(long = "while", value_name = "PID", conflicts_with = "command", value_parser = clap::value_parser!(i32).range(1..))]
    holder: Option<i32>,
    /// Hold while this command runs; its exit status is passed on
    #[arg(last = true)]
    command: Vec<String>,
}

impl Arguments {
    /// It lasts as long as a process of this host.
    pub fn has_holder(&self) -> bool {
        self.holder.is_some() || !self.command.is_empty()
    }
}

/// What a process calls itself.
fn name(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "its name is not known".to_owned() } else { name }
}

/// Passed on as it was written.
fn checked(text: &str) -> Result<String, String> {
    match duration(text)? {
        Duration::ZERO => Err("a hold must be longer than 0s".to_owned()),
        length if length > HOLD_MAX => {
            Err("a hold may be at most 24h; for longer, use [disabled] in the unit's file".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Others will wonder why.
fn sentence(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty; write why".to_owned()) } else { Ok(text.to_owned()) }
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let usual = || match arguments.holder {
        Some(pid) => format!("process {pid} runs ({})", name(pid)),
        None => format!("{} runs", arguments.command.join(" ")),
    };
    let reason = arguments.reason.clone().unwrap_or_else(usual);
    let chosen = Chosen::of(&client, &arguments.units, arguments.all, |_| true).await?;
    if let Some(length) = &arguments.length {
        let hold = async |unit: &str| client.hold(unit, length, &reason).await;
        return chosen.each(options, terminal, hold).await;
    }
    // Held before the command begins, and before we wait: what cannot be held is not run.
    let holder = arguments.holder.map(watched).transpose()?;
    let mut lease = Lease { client: &client, terminal, units: Vec::new(), reason: &reason };
    for unit in &chosen.units {
        let reply = client.hold(unit, LEASE, &reason).await;
        let held = reply.as_ref().is_ok_and(|reply| reply.result == ReplyResult::Done);
        if !held {
            lease.end().await;
            return tell(options, terminal, &reply?);
        }
        lease.units.push(unit.clone());
    }
    let exit = match holder {
        Some(holder) => {
            lease.keep(holder).await;
            Exit::Ok
        }
        None => lease.run(&arguments.command).await?,
    };
    Ok(exit)
}

/// Holds that end by themselves soon after nobody renews them, however we end.
struct Lease<'a> {
    client: &'a Client,
    terminal: &'a Terminal,
    units: Vec<String>,
    reason: &'a str,
}

impl Lease<'_> {
    /// Runs the command and holds the units meanwhile.
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

    /// Renews the holds until the process has ended.
    async fn keep(&self, mut holder: JoinHandle<()>) {
        let mut renewals = interval(RENEWAL);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // The command gets it as well; we stay until it has ended.
                _ = tokio::signal::ctrl_c() => {}
                _ = &mut holder => break,
                _ = renewals.tick() => self.renew().await,
            }
        }
        self.end().await;
    }

    async fn renew(&self) {
        for unit in &self.units {
            if let Err(why) = self.client.hold(unit, LEASE, self.reason).await {
                self.terminal.remark(&format!("steadfast: cannot renew the hold of {unit}: {why}"));
            }
        }
    }

    async fn end(&self) {
        for unit in &self.units {
            if let Err(why) = self.client.hold(unit, END, self.reason).await {
                self.terminal.remark(&format!("steadfast: the hold of {unit} ends within {LEASE}: {why}"));
            }
        }
    }
}

/// Waits on a thread for the end of a process, whichever other one bears its number later.
fn watched(pid: i32) -> anyhow::Result<JoinHandle<()>> {
    let known = Pid::from_raw(pid).with_context(|| format!("{pid} is not a process ID"))?;
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
