//! From the text of a unit file, or of steadfast.toml, to what it asks for.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

use crate::calendar::Window;
use crate::keys::Length;
use crate::model::finding::Severity;
use crate::model::installed::Kind;
use crate::model::spec::{
    CleanExit, DisabledSpec, DrainSpec, Ignored, Mode, Reaction, RecoverySpec, ReleaseSpec, Selector,
    Settings, Share, SmokeDirectory, SmokeSpec, Spec,
};
use crate::model::unit::{KINDS, UnitName};

use super::diagnose::{self, Mistake, nearest, of_toml};
use super::every::every;
use super::file::{
    self, Binaries, DependencyFile, Disabled, Drain, OnStale, Recovery, Release, Smoke, UnitFile,
};
use super::settings::{Coverage, SettingsFile};
use super::share::ShareKey;
use super::{alert, fleet, probe, progress, trusted};

/// The shortest slow reading; more often costs the service manager more than it tells.
const SHORTEST_RESYNC: Duration = Duration::from_secs(1);

/// The shortest time between two looks over the host.
const SHORTEST_AUDIT: Duration = Duration::from_secs(5);
/// Patterns of `[coverage]`.
const IGNORED: usize = 200;

/// How long a unit may finish what it works on, where its file does not say.
const DRAIN_WITHIN: Duration = Duration::from_secs(600);

/// Every mistake of syntax, or else the first one of meaning.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Vec<Mistake>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(diagnose::first(errors.iter().map(of_toml).collect()));
    }
    toml::from_str(text).map_err(|error| vec![of_toml(&error)])
}

/// The keys of one unit file, or of one dependency: its name tells which.
fn unit_file(file: &Path, text: &str) -> Result<UnitFile, Vec<Mistake>> {
    if is_dependency(file) { read::<DependencyFile>(text).map(UnitFile::from) } else { read(text) }
}

fn is_dependency(file: &Path) -> bool {
    file.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| UnitName::from(stem).is_dependency())
}

/// A fragment that is to be merged: only its syntax is looked at.
pub fn fragment(text: &str) -> Result<toml::Table, Vec<Mistake>> {
    read(text)
}

/// `steadfast.toml`; and the names of the sinks that cannot be used, with what is wrong in them.
pub fn settings(text: &str, owner: u32) -> Result<(Settings, alert::Bad), Vec<Mistake>> {
    first_of_settings(text, owner)
        .map_err(|_| every(text, |text| first_of_settings(text, owner).err().unwrap_or_default()))
}

/// Every mistake of `steadfast.toml`, those of its sinks included.
pub fn mistakes_of_settings(text: &str, owner: u32) -> Vec<Mistake> {
    every(text, |text| match first_of_settings(text, owner) {
        Ok((_, bad)) => bad.into_iter().map(|(_, mistake)| mistake).collect(),
        Err(mistakes) => mistakes,
    })
}

fn first_of_settings(text: &str, owner: u32) -> Result<(Settings, alert::Bad), Vec<Mistake>> {
    let keys: SettingsFile = read(text)?;
    let usual = Settings::default();
    let resync = keys.resync.map_or(usual.resync, |length| length.0);
    if resync < SHORTEST_RESYNC {
        return Err(vec![Mistake::whole("cannot use `resync`: it must be at least 1s")]);
    }
    let labels = alert::labels(&keys.labels).map_err(|one| vec![one])?;
    let (sinks, bad) = alert::sinks(text, owner).map_err(|one| vec![one])?;
    let settings = Settings {
        admin_group: keys.admin_group,
        resync,
        startup_hold: keys.startup_hold.map_or(usual.startup_hold, |length| length.0),
        changes_within: keys.changes_within.map_or(usual.changes_within, |length| length.0),
        postmortem_after: keys.postmortem_after.map_or(usual.postmortem_after, |length| length.0),
        listen: keys.listen.map(|listen| listen.0),
        allowed_hosts: keys.allowed_hosts,
        log_lines: keys.log_lines,
        page_url: keys.page_url.as_deref().map(page_url).transpose().map_err(|one| vec![one])?,
        heartbeat: keys.heartbeat.as_ref().map(alert::heartbeat).transpose().map_err(|one| vec![one])?,
        audit_every: keys.audit_every.map_or(usual.audit_every, |length| length.0),
        peers: fleet::peers(&keys.fleet).map_err(|one| vec![one])?,
        lock: fleet::lock(&keys.fleet).map_err(|one| vec![one])?,
        ignored: keys.coverage.as_ref().map(ignored).transpose().map_err(|one| vec![one])?,
        labels,
        sinks,
    };
    if settings.audit_every.is_some_and(|every| every < SHORTEST_AUDIT) {
        return Err(vec![Mistake::whole("cannot use `audit_every`: it must be at least 5s, or \"never\"")]);
    }
    Ok((settings, bad))
}

/// An address that a browser follows, without slashes at its end.
fn page_url(text: &str) -> Result<String, Mistake> {
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"'?#".contains(c);
    if host.is_none_or(str::is_empty) || text.contains(odd) {
        let message = format!("cannot use `page_url`: \"{text}\" is not the address of a page");
        return Err(Mistake::whole(message).help("write it as \"https://status.example.org/web1\""));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Which units a file of this name, with this `unit =`, selects.
pub fn selector(file: &Path, named: Option<&str>) -> Result<Selector, Mistake> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = named.unwrap_or(stem);
    if UnitName::from(stem).is_dependency() && !stem.starts_with('.') {
        return Ok(Selector::Unit(UnitName::from(stem)));
    }
    let cannot = |why: String| {
        let message = format!("cannot decide which unit is meant: \"{name}\" {why}");
        Mistake::whole(message)
            .help("name the file UNIT.toml (such as horizon.service.toml), or set unit = \"…\"")
    };
    if name.is_empty() || name.starts_with('.') {
        return Err(cannot("is not a unit name".to_owned()));
    }
    let meant = UnitName::meant(name);
    let name = meant.as_str();
    let written = named.unwrap_or(stem);
    if let Some((_, kind)) = written.rsplit_once('.').filter(|_| written != name)
        && let Some(near) = nearest(kind, &KINDS)
    {
        return Err(cannot(format!("ends in .{kind}; did you mean .{near}?")));
    }
    if let Some((prefix, suffix)) = name.split_once("@.") {
        return Ok(Selector::Pattern(format!("{prefix}@*.{suffix}")));
    }
    let pattern = name.contains(['*', '?', '[']);
    let wild = |letter: char| pattern && "*?[]!^".contains(letter);
    let known = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter) || wild(letter);
    if let Some(odd) = name.chars().find(|letter| !known(*letter)) {
        let why = format!("has {odd:?}, which no name of a unit has; systemd-escape writes it as \\x…");
        return Err(cannot(why));
    }
    Ok(if pattern { Selector::Pattern(name.to_owned()) } else { Selector::Unit(UnitName::from(name)) })
}

/// What the text of a unit file asks for, with every default.
///
/// `owner`: commands must belong to root or this user, since they decide what is done.
pub fn spec(file: &Path, text: &str, owner: u32) -> Result<Spec, Vec<Mistake>> {
    let first = |text: &str| {
        let keys = unit_file(file, text)?;
        of_keys(file, text, &keys, owner).map_err(|one| vec![one])
    };
    first(text).map_err(|_| every(text, |text| first(text).err().unwrap_or_default()))
}

fn of_keys(file: &Path, text: &str, keys: &UnitFile, owner: u32) -> Result<Spec, Mistake> {
    let dependency = is_dependency(file);
    let mut probes = probe::probes(text, dependency, owner)?;
    for probe in &mut probes {
        probe.kind.requires = keys.requires.iter().map(|name| UnitName::meant(name)).collect();
    }
    if dependency && probes.is_empty() {
        return Err(Mistake::whole(
            "cannot use a dependency without a probe: there would be nothing to check",
        )
        .help("add [probe.NAME] with tcp = \"HOST:PORT\", http = \"URL\" or another kind"));
    }
    let progress = progress::sources(text, owner)?;
    let selector = selector(file, keys.unit.as_deref())?;
    Ok(Spec {
        recovery: recovery(&keys.recovery, &selector, owner)?,
        selector,
        file: file.display().to_string(),
        mode: match keys.mode {
            file::Mode::Act => Mode::Act,
            file::Mode::Observe => Mode::Observe,
        },
        severity: match keys.severity {
            file::Severity::Critical => Severity::Critical,
            file::Severity::Warning => Severity::Warning,
        },
        owner: keys.owner.clone(),
        runbook: keys.runbook.clone(),
        requires: keys.requires.iter().map(|name| UnitName::from(name.as_str())).collect(),
        release: release(&keys.release)?,
        smoke: keys.smoke.as_ref().map(|smoke| self::smoke(smoke, owner)).transpose()?,
        probes,
        progress,
        disabled: keys.disabled.as_ref().map(disabled).transpose()?,
        slot: fleet::slot(&keys.fleet)?,
    })
}

/// Only of several units some can be away.
fn in_turn(written: &Spanned<ShareKey>, selector: &Selector) -> Result<Share, Mistake> {
    let alone = |unit: &UnitName| unit.template().is_none();
    match selector {
        Selector::Unit(unit) if alone(unit) => {
            let message =
                format!("cannot use `max_unavailable`: {unit} is one unit, and no instance of several");
            let help = "write it into the file of a template, such as worker@.service.toml, or of a pattern";
            Err(Mistake::at(written.span(), message).help(help))
        }
        Selector::Unit(_) | Selector::Pattern(_) => Ok(written.get_ref().0),
    }
}

fn drain(keys: &Drain, owner: u32) -> Result<DrainSpec, Mistake> {
    let command = keys.command.get_ref();
    trusted::command(command, keys.command.span(), owner)?;
    let until = keys.until.as_ref().map(|line| {
        let script = line.get_ref();
        if script.trim().is_empty() || script.chars().any(char::is_control) {
            let message =
                "cannot use `until`: it is empty, or has a control character (a newline, a tab) in it";
            return Err(Mistake::at(line.span(), message).help("write one line for /bin/sh"));
        }
        // systemd would replace variables; they are the shell's.
        Ok(vec!["/bin/sh".to_owned(), "-c".to_owned(), script.replace('$', "$$")])
    });
    let timeout = keys.timeout.map_or(DRAIN_WITHIN, |length| length.0);
    if timeout.is_zero() {
        return Err(Mistake::at(keys.command.span(), "cannot drain: its timeout is zero"));
    }
    Ok(DrainSpec { command: command.to_vec(), until: until.transpose()?, timeout })
}

fn recovery(keys: &Recovery, selector: &Selector, owner: u32) -> Result<RecoverySpec, Mistake> {
    let usual = RecoverySpec::default();
    let length = |written: Option<Length>, usual: Duration| written.map_or(usual, |length| length.0);
    let after_stop = keys.after_manual_stop.map_or(usual.after_manual_stop, |length| length.0);
    let spec = RecoverySpec {
        start: keys.start.unwrap_or(usual.start),
        enable: keys.enable.unwrap_or(usual.enable),
        after_manual_stop: after_stop,
        after_manual_disable: keys.after_manual_disable.map_or(after_stop, |length| length.0),
        clean_exit: match keys.clean_exit {
            file::CleanExit::Start => CleanExit::Start,
            file::CleanExit::Hold => CleanExit::Hold,
        },
        clean_exit_delay: length(keys.clean_exit_delay, usual.clean_exit_delay),
        burst: keys.burst.unwrap_or(usual.burst),
        interval: length(keys.interval, usual.interval),
        delay: length(keys.delay, usual.delay),
        max_delay: length(keys.max_delay, usual.max_delay),
        verify_within: length(keys.verify_within, usual.verify_within),
        end_survivors: keys.end_survivors.unwrap_or(usual.end_survivors),
        max_unavailable: keys.max_unavailable.as_ref().map(|share| in_turn(share, selector)).transpose()?,
        drain: keys.drain.as_ref().map(|drain| self::drain(drain, owner)).transpose()?,
    };
    if spec.verify_within.is_zero() {
        return Err(Mistake::whole("cannot use `verify_within`: nothing can be proven in no time"));
    }
    if spec.delay > spec.max_delay {
        return Err(Mistake::whole("cannot use `delay`: it is above `max_delay`"));
    }
    Ok(spec)
}

fn release(keys: &Release) -> Result<ReleaseSpec, Mistake> {
    if let Some(link) = keys.link.as_ref().filter(|link| !link.starts_with('/')) {
        return Err(Mistake::whole(format!(
            "cannot use the release link \"{link}\": write an absolute path"
        )));
    }
    if let Some(written) = &keys.window {
        Window::parse(written.get_ref()).map_err(|why| {
            Mistake::at(written.span(), format!("cannot read the window: {why}"))
                .help("write days and hours, such as \"Mon..Fri 02:00..05:00\"")
        })?;
    }
    if keys.max_wait.is_some() && keys.window.is_none() {
        return Err(Mistake::whole("cannot use `max_wait`: there is no `window` to wait for"));
    }
    let usual = ReleaseSpec::default();
    let on_stale = keys.on_stale.map(|written| match written {
        OnStale::Alert => Reaction::Alert,
        OnStale::Restart => Reaction::Restart,
    });
    let binaries = keys.binaries.map(|written| match written {
        Binaries::Restart => Reaction::Restart,
        Binaries::Ignore => Reaction::Ignore,
        Binaries::Alert => Reaction::Alert,
    });
    Ok(ReleaseSpec {
        link: keys.link.clone(),
        on_stale: on_stale.unwrap_or(usual.on_stale),
        settle: keys.settle.map_or(usual.settle, |length| length.0),
        drain_within: keys.drain_within.map_or(usual.drain_within, |length| length.0),
        binaries: binaries.unwrap_or(usual.binaries),
        window: keys.window.as_ref().map(|written| written.get_ref().clone()),
        max_wait: keys.max_wait.map(|length| length.0),
        kinds: keys
            .kinds
            .as_ref()
            .map_or(usual.kinds, |kinds| kinds.iter().map(|kind| (*kind).into()).collect()),
    })
}

impl From<file::Kind> for Kind {
    fn from(written: file::Kind) -> Self {
        match written {
            file::Kind::Link => Self::Link,
            file::Kind::Directory => Self::Directory,
            file::Kind::Venv => Self::Venv,
            file::Kind::Npm => Self::Npm,
            file::Kind::File => Self::File,
            file::Kind::Git => Self::Git,
            file::Kind::Container => Self::Container,
            file::Kind::Package => Self::Package,
        }
    }
}

fn smoke(keys: &Smoke, owner: u32) -> Result<SmokeSpec, Mistake> {
    let command = keys.command.get_ref();
    trusted::command(command, keys.command.span(), owner)?;
    let directory = match keys.directory.as_deref() {
        None | Some("release") => SmokeDirectory::Release,
        Some("unit") => SmokeDirectory::Unit,
        Some(path) if path.starts_with('/') => SmokeDirectory::Path(path.to_owned()),
        Some(other) => {
            return Err(Mistake::whole(format!("cannot run the smoke test in \"{other}\""))
                .help("directory is \"release\", \"unit\" or an absolute path"));
        }
    };
    let timeout = keys.timeout.map_or(Duration::from_secs(30), |length| length.0);
    if timeout.is_zero() {
        return Err(Mistake::at(keys.command.span(), "cannot run the smoke test: its timeout is zero"));
    }
    Ok(SmokeSpec { command: command.to_vec(), directory, timeout })
}

fn disabled(keys: &Disabled) -> Result<DisabledSpec, Mistake> {
    let until_ms = end(&keys.reason, &keys.until)?;
    Ok(DisabledSpec { reason: keys.reason.clone(), until_ms })
}

/// What is switched off says why, and until when.
fn end(reason: &str, until: &Spanned<toml::value::Datetime>) -> Result<i64, Mistake> {
    if reason.trim().is_empty() {
        return Err(Mistake::at(until.span(), "cannot switch it off without a reason"));
    }
    let written = until.get_ref().to_string();
    let end: jiff::Timestamp = written.parse().map_err(|_| {
        Mistake::at(until.span(), format!("cannot read the end \"{written}\""))
            .help("write date, time and zone, such as 2026-12-24T00:00:00Z")
    })?;
    Ok(end.as_millisecond())
}

/// `[coverage]`.
fn ignored(keys: &Coverage) -> Result<Ignored, Mistake> {
    let patterns = keys.ignore.get_ref();
    if !(1..=IGNORED).contains(&patterns.len()) {
        let message = format!("cannot use `ignore`: write 1 to {IGNORED} names or patterns");
        return Err(Mistake::at(keys.ignore.span(), message));
    }
    if patterns.iter().any(|pattern| pattern.trim_matches(['*', '?', '.']).is_empty()) {
        let message = "cannot use `ignore`: a pattern that matches everything would hide every gap";
        return Err(
            Mistake::at(keys.ignore.span(), message).help("name what is meant, such as \"legacy-*.service\"")
        );
    }
    let until_ms = end(&keys.reason, &keys.until)?;
    Ok(Ignored { patterns: patterns.clone(), reason: keys.reason.clone(), until_ms })
}
