//! `init`: from a fresh installation to watched services and a tested alert, by questions or by options.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::next::{Outcome, steps};
use super::Options;
use super::exit::Exit;
use super::render::adopt::adopted as pages;
use super::render::audit::{audit as rendered, findings};
use super::render::incidents::tested;
use super::render::text::{clean, cleaned, count};
use super::terminal::Terminal;
use crate::adopt::{self, Adopted, Fate, Purpose, Wish};
use crate::api::client::Error;
use crate::api::wire::{Status, Tested};
use crate::audit::{self, Audit};
use crate::config;

mod next;

/// The daemon is ready within this time.
const READY: Duration = Duration::from_secs(60);
/// It has read a file that was just written within this time.
const READ: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const PERIOD: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Ask nothing: adopt what audit calls unmanaged, observe only, and take the rest from the options
    #[arg(short, long)]
    yes: bool,
    /// Adopt only these units
    #[arg(long, value_name = "UNIT", value_delimiter = ',', value_parser = super::names::unit)]
    adopt: Vec<String>,
    /// Adopt nothing
    #[arg(long, conflicts_with_all = ["adopt", "act"])]
    no_adopt: bool,
    /// Act on adopted units at once, instead of observing them first
    #[arg(long)]
    act: bool,
    /// Send alerts by mail to this address, through this host's own mail server; may be given several times
    #[arg(long, value_name = "ADDRESS", group = "sink")]
    mail: Vec<String>,
    /// Send alerts to this URL; it is kept in a file that only root can read
    #[arg(long, value_name = "URL", group = "sink")]
    webhook: Option<String>,
    /// What the URL accepts
    #[arg(long, value_enum, default_value_t, requires = "webhook")]
    format: Format,
    /// Run this command for each alert
    #[arg(long, value_name = "PATH", group = "sink")]
    command: Option<PathBuf>,
    /// Change nothing; show what would be written
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Json,
    Slack,
    Ntfy,
}

/// A way to tell people, as it is written to the settings. `secret`: the file beside them, and what stands in it.
#[derive(Debug, PartialEq, Eq)]
struct Sink {
    table: String,
    secret: Option<(&'static str, String)>,
}

/// What was done, as JSON.
#[derive(Default, Serialize)]
struct Done {
    written: Vec<String>,
    refused: Vec<String>,
    /// Units that were adopted now, with their files.
    #[serde(skip)]
    adopted: Vec<(String, String)>,
    #[serde(skip)]
    observed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Tested>,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    if !arguments.yes && !arguments.dry_run && !terminal.can_ask() {
        terminal.remark(
            "steadfast: cannot ask: this is not a terminal (--yes asks nothing, --dry-run changes nothing)",
        );
        return Ok(Exit::Usage);
    }
    let asks = !arguments.yes && !arguments.dry_run;
    let setup = Setup { options, terminal, arguments, asks };
    let mut done = Done::default();
    let mut exit = setup.units(&mut done).await?;
    let has_sink = setup.sink(&mut done)?;
    if arguments.dry_run {
        return Ok(exit);
    }
    setup.daemon().await?;
    if has_sink {
        exit = exit.worse(setup.test(&mut done).await?);
    }
    setup.end(&done, has_sink)?;
    Ok(exit)
}

struct Setup<'a> {
    options: &'a Options,
    terminal: &'a Terminal,
    arguments: &'a Arguments,
    asks: bool,
}

impl Setup<'_> {
    fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.options.json { Ok(()) } else { self.terminal.print(text) }
    }

    /// Yes, unless somebody is asked and says no.
    fn agrees(&self, question: &str) -> bool {
        !self.asks || self.terminal.line(&format!("{question} [Y/n] ")).is_some_and(|answer| !is_no(&answer))
    }

    /// Looks at the host, and writes a file for each unit that is to be watched.
    async fn units(&self, done: &mut Done) -> anyhow::Result<Exit> {
        let unmanaged = self.look().await?;
        let named = &self.arguments.adopt;
        let wanted = !self.arguments.no_adopt && (unmanaged || !named.is_empty());
        if !wanted || !self.agrees("\nAdopt the unmanaged units of this host?") {
            return Ok(Exit::Ok);
        }
        let observe = !self.arguments.act
            && self.agrees(
                "Only observe them at first? Everything is reported, nothing is started or restarted.",
            );
        let purpose = if self.arguments.dry_run { Purpose::Show } else { Purpose::Write };
        done.observed = observe;
        let wish = Wish { purpose, observe };
        let (adopted, untold) = adopt::units(self.options.user, named, named.is_empty(), wish).await?;
        self.say(&format!("\n{}", self.shown(&adopted, &untold)))?;
        for one in &adopted {
            match &one.fate {
                Fate::Written => {
                    let file = one.file.display().to_string();
                    done.adopted.push((one.unit.to_string(), file.clone()));
                    done.written.push(file);
                }
                Fate::Refused(why) => done.refused.push(format!("{}: {why}", one.unit)),
                Fate::Shown | Fate::Exists => {}
            }
        }
        Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Warning })
    }

    fn shown(&self, adopted: &[Adopted], untold: &[String]) -> String {
        if !self.arguments.dry_run {
            return pages(&self.terminal.look(), adopted, untold);
        }
        let file =
            |one: &Adopted| format!("would write {}: {}\n", one.file.display(), one.watched.join(", "));
        let shown = adopted.iter().filter(|one| one.fate == Fate::Shown);
        shown.map(|one| clean(file(one).trim_end()) + "\n").collect()
    }

    /// Shows what audit finds; whether there are units that nobody manages.
    async fn look(&self) -> anyhow::Result<bool> {
        self.say("Looking at this host ...\n")?;
        let Audit { snapshot, untold, notes, looked } = audit::page(self.options.user).await?;
        let status = cleaned(&Status::of(&snapshot))?;
        let lines = |all: &[String]| all.iter().map(|line| clean(line)).collect::<Vec<_>>();
        let page = rendered(&self.terminal.look(), &status, &lines(&untold), (&lines(&notes), &looked));
        self.say(&page)?;
        let unmanaged = findings(&status).any(|(_, found)| found.code == "unmanaged");
        Ok(unmanaged)
    }

    /// Writes one way to tell people, where there is none; whether there is one now.
    fn sink(&self, done: &mut Done) -> anyhow::Result<bool> {
        let known = config::sinks(self.options.user);
        let asked = self.given()?;
        if !known.is_empty() && asked.is_none() {
            self.say(&format!("\nAlerts go to {}.\n", clean(&known.join(", "))))?;
            return Ok(true);
        }
        let sink = match asked {
            Some(sink) => Some(sink),
            None if self.asks => self.ask_for_sink()?,
            None => None,
        };
        let Some(sink) = sink else {
            self.say("\nNo alert sink is configured: problems are shown by steadfast status, and nobody is alerted.\n")?;
            return Ok(false);
        };
        if self.arguments.dry_run {
            self.say(&format!(
                "\nwould add to {}:\n{}",
                config::settings_file(self.options.user).display(),
                sink.table
            ))?;
            return Ok(true);
        }
        let secret = sink.secret.as_ref().map(|(name, text)| (*name, text.as_str()));
        let files =
            config::add_to_settings(self.options.user, &sink.table, secret).map_err(anyhow::Error::msg)?;
        done.written.extend(files.iter().map(|file| file.display().to_string()));
        Ok(true)
    }

    /// The way that the options name.
    fn given(&self) -> anyhow::Result<Option<Sink>> {
        let arguments = self.arguments;
        if !arguments.mail.is_empty() {
            return mail(&arguments.mail).map(Some);
        }
        if let Some(url) = &arguments.webhook {
            return webhook(self.options.user, url, arguments.format).map(Some);
        }
        arguments.command.as_ref().map(|path| command(&path.display().to_string())).transpose()
    }

    fn ask_for_sink(&self) -> anyhow::Result<Option<Sink>> {
        self.say("\nHow should alerts reach you?\n  1  mail, through the mail server of this host\n  2  Slack webhook\n  \
             3  ntfy topic\n  4  webhook that takes JSON\n  5  a command\n  0  later\n")?;
        let ask = |question: &str| self.terminal.line(question).map(|line| line.trim().to_owned());
        loop {
            let answer = ask("Number [0]: ").unwrap_or_default();
            let user = self.options.user;
            let made = match answer.as_str() {
                "" | "0" => return Ok(None),
                "1" => mail(&[ask("Mail address: ").unwrap_or_default()]),
                "2" => webhook(user, &ask("URL of the Slack webhook: ").unwrap_or_default(), Format::Slack),
                "3" => webhook(user, &ask("URL of the ntfy topic: ").unwrap_or_default(), Format::Ntfy),
                "4" => webhook(user, &ask("URL: ").unwrap_or_default(), Format::Json),
                "5" => command(&ask("Path of the command: ").unwrap_or_default()),
                _ => Err(anyhow::anyhow!("write a number from 0 to 5")),
            };
            match made {
                Ok(sink) => return Ok(Some(sink)),
                Err(why) => self.terminal.remark(&format!("{why:#}")),
            }
        }
    }

    /// Starts the daemon, now and at every boot, and waits until it has read everything.
    async fn daemon(&self) -> anyhow::Result<()> {
        let client = self.options.client()?;
        if client.health().await.is_err() && self.agrees("\nStart Steadfast, now and at every boot?") {
            self.systemctl(&["enable", "--now", "steadfast.socket", "steadfast.service"])?;
        }
        let began = Instant::now();
        loop {
            match client.health().await {
                Ok(health) if health.reasons.is_empty() => return Ok(()),
                Ok(health) if began.elapsed() >= READY => {
                    bail!("the supervisor is not ready: {}", health.reasons.join("; "));
                }
                Err(error) if began.elapsed() >= READY || matches!(error, Error::Denied(_)) => {
                    return Err(error.into());
                }
                Ok(_) | Err(_) => sleep(PERIOD).await,
            }
        }
    }

    fn systemctl(&self, words: &[&str]) -> anyhow::Result<()> {
        let mut systemctl = Command::new("systemctl");
        if self.options.user {
            systemctl.arg("--user");
        }
        let output = systemctl.arg("--quiet").args(words).output().context("cannot run systemctl")?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!("systemctl {} failed: {}", words.join(" "), clean(why.trim()));
        }
        Ok(())
    }

    /// Sends a test through every sink.
    async fn test(&self, done: &mut Done) -> anyhow::Result<Exit> {
        self.say("\nSending a test alert ...\n")?;
        let client = self.options.client()?;
        let began = Instant::now();
        let result = loop {
            match client.test_alert().await {
                // The settings that were just written are read within a second.
                Err(Error::Refused(_)) if began.elapsed() < READ => sleep(PERIOD).await,
                result => break result?,
            }
        };
        let exit = if result.sinks.iter().all(|sink| sink.arrived) { Exit::Ok } else { Exit::Critical };
        self.say(&tested(&self.terminal.look(), &cleaned(&result)?))?;
        done.test = Some(result);
        Ok(exit)
    }

    fn end(&self, done: &Done, has_sink: bool) -> anyhow::Result<()> {
        if self.options.json {
            return self.terminal.print_json(done);
        }
        let mut text = format!(
            "\n{} written{}\n",
            count(done.written.len(), "file"),
            if done.written.is_empty() { "" } else { ":" }
        );
        text.extend(done.written.iter().map(|file| format!("  {}\n", clean(file))));
        text.push_str("\nNext:\n");
        let outcome = Outcome { units: &done.adopted, observed: done.observed, has_sink };
        for (command, purpose) in steps(self.terminal.look().program(), &outcome) {
            text.push_str(&format!("  {}\n      {purpose}\n", clean(&command)));
        }
        self.terminal.print(&text)
    }
}

fn is_no(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "n" | "no")
}

fn mail(addresses: &[String]) -> anyhow::Result<Sink> {
    for address in addresses {
        let whole = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        if !whole || address.chars().any(|c| c.is_whitespace() || c.is_control() || "\"\\".contains(c)) {
            bail!("cannot send mail to {address:?}: it is not a mail address");
        }
    }
    let to: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    let host = if host.is_empty() { "localhost".to_owned() } else { host };
    let table =
        format!("[alert.mail]\ntype = \"smtp\"\nfrom = \"steadfast@{host}\"\nto = [{}]\n", to.join(", "));
    Ok(Sink { table, secret: None })
}

/// The address of a webhook lets everybody post who knows it: it is no text for a file that all may read.
fn webhook(user: bool, url: &str, format: Format) -> anyhow::Result<Sink> {
    let https = url.starts_with("https://") || url.starts_with("http://");
    if !https || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        bail!("cannot use {url:?}: it is not an http:// or https:// URL");
    }
    let format = match format {
        Format::Json => "json",
        Format::Slack => "slack",
        Format::Ntfy => "ntfy",
    };
    let file = config::settings_file(user).with_file_name("alert.url");
    let table = format!(
        "[alert.webhook]\ntype = \"webhook\"\nformat = \"{format}\"\npassword_file = {:?}\n",
        file.display().to_string()
    );
    Ok(Sink { table, secret: Some(("alert.url", format!("{url}\n"))) })
}

fn command(path: &str) -> anyhow::Result<Sink> {
    if !path.starts_with('/') || path.chars().any(|c| c.is_control() || "\"\\".contains(c)) {
        bail!("cannot run {path:?}: write the absolute path of a program");
    }
    Ok(Sink { table: format!("[alert.command]\ntype = \"command\"\ncommand = [\"{path}\"]\n"), secret: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_a_table_that_the_daemon_reads() {
        let addresses = ["ops@example.org".to_owned(), "a+b@example.org".to_owned()];
        let sinks = [mail(&addresses), webhook(false, "https://hooks.example.org/T/B/x", Format::Slack)];
        for sink in sinks {
            let table = sink.expect("a sink").table;
            let wrong = config::mistakes_in_settings(&table);
            assert!(wrong.is_empty(), "{table}: {wrong:?}");
        }
        assert!(
            webhook(false, "https://x/", Format::Ntfy).is_ok_and(|sink| !sink.table.contains("https://x/"))
        );
        for wrong in ["ops", "@example.org", "a b@example.org", "a\"@example.org"] {
            assert!(mail(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(webhook(false, "ftp://x", Format::Json).is_err() && command("notify").is_err());
    }
}
