//! `[progress.NAME]`: from keys to a source of progress.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::model::probe::{Engine, OnFailure};
use crate::model::progress::{Pointers, ProgressSource, ProgressSpec};

use super::asked::Progress;
use super::diagnose::Mistake;
use super::file::OnStale;
use super::probe;
use super::question::{self, server};

/// The source, or what is wrong with it.
pub fn progress(name: &str, written: &Spanned<Progress>) -> Result<ProgressSpec, Mistake> {
    let (span, keys) = (written.span(), written.get_ref());
    probe::named("progress", name, &span)?;
    let seconds = Duration::from_secs;
    let period = keys.period.map_or(seconds(15), |length| length.0);
    let usual = seconds(5).min(period / 2);
    let timeout = keys.timeout.as_ref().map_or(usual, |written| written.get_ref().0);
    if timeout >= period || timeout.is_zero() {
        let at = keys.timeout.as_ref().map_or(span, Spanned::span);
        let message =
            format!("cannot use progress {name}: timeout {timeout:?} is not below period {period:?}");
        return Err(Mistake::at(at, message).help("a question must end before the next one begins"));
    }
    let stalled_after = keys.stalled_after.map_or(seconds(600), |length| length.0);
    if stalled_after < period {
        let message = format!("cannot use progress {name}: stalled_after is below the period {period:?}");
        return Err(Mistake::at(span, message).help("progress is judged by several samples"));
    }
    Ok(ProgressSpec {
        name: name.to_owned(),
        source: source(name, &span, keys)?,
        period,
        timeout,
        max_depth: keys.max_depth,
        max_age: keys.max_age.map(|length| length.0),
        stalled_after,
        drain_within: keys.drain_within.map_or(seconds(1800), |length| length.0),
        on_stall: match keys.on_stall {
            Some(OnStale::Alert) => OnFailure::Alert,
            Some(OnStale::Restart) | None => OnFailure::Restart,
        },
    })
}

/// Exactly one kind, and only its own keys.
fn source(name: &str, span: &Range<usize>, keys: &Progress) -> Result<ProgressSource, Mistake> {
    let asked = [
        ("http", keys.http.is_some()),
        ("command", keys.command.is_some()),
        ("rabbitmq", keys.rabbitmq.is_some()),
        ("redis", keys.redis.is_some()),
        ("postgres", keys.postgres.is_some()),
        ("mysql", keys.mysql.is_some()),
    ];
    let mut asked = asked.iter().filter(|(_, written)| *written).map(|(kind, _)| *kind);
    let (kind, another) = (asked.next(), asked.next());
    let Some(kind) = kind.filter(|_| another.is_none()) else {
        let what = if kind.is_none() { "nothing" } else { "more than one thing" };
        let message = format!("cannot use progress {name}: it asks {what}");
        return Err(Mistake::at(span.clone(), message)
            .help("give exactly one of http, command, rabbitmq, redis, postgres, mysql"));
    };
    if let Some((key, kinds)) = stray(kind, keys) {
        let message = format!("cannot use `{key}` in progress {name}: it belongs to {}", kinds.join(", "));
        let mistake = Mistake::at(span.clone(), message);
        return Err(if kind == "command" {
            mistake.help("a command prints depth=… and its kin itself")
        } else {
            mistake
        });
    }
    of_kind(name, span, keys)
}

/// A key that is written and belongs to other kinds.
fn stray(kind: &str, keys: &Progress) -> Option<(&'static str, &'static [&'static str])> {
    const HTTP: &[&str] = &["http"];
    let owned: [(&str, bool, &[&str]); 10] = [
        ("depth", keys.depth.is_some(), HTTP),
        ("completed", keys.completed.is_some(), &["http", "redis"]),
        ("age", keys.age.is_some(), HTTP),
        ("consumers", keys.consumers.is_some(), HTTP),
        ("queue", keys.queue.is_some(), &["rabbitmq", "redis"]),
        ("vhost", keys.vhost.is_some(), &["rabbitmq"]),
        ("paused", keys.paused.is_some(), &["redis"]),
        ("query", keys.query.is_some(), &["postgres", "mysql"]),
        ("credential", keys.credential.is_some(), &["rabbitmq", "redis", "postgres", "mysql"]),
        ("password_file", keys.password_file.is_some(), &["rabbitmq", "redis", "postgres", "mysql"]),
    ];
    let stray = owned.iter().find(|(_, written, kinds)| *written && !kinds.contains(&kind));
    stray.map(|(key, _, kinds)| (*key, *kinds))
}

fn of_kind(name: &str, span: &Range<usize>, keys: &Progress) -> Result<ProgressSource, Mistake> {
    let missing = |what: &str, help: &str| {
        Mistake::at(span.clone(), format!("cannot use progress {name}: {what}")).help(help.to_owned())
    };
    let password = (&keys.credential, &keys.password_file);
    let queue =
        || keys.queue.clone().ok_or_else(|| missing("which queue is not told", "add queue = \"NAME\""));
    if let Some(url) = &keys.http {
        let pointers = pointers(span, keys, || {
            let help = "add depth = \"/POINTER\", a JSON pointer to the number of items that wait";
            missing("where its depth stands is not told", help)
        })?;
        return Ok(ProgressSource::Http { url: probe::url(url)?, pointers });
    }
    if let Some(argv) = &keys.command {
        return Ok(ProgressSource::Command { argv: probe::command(argv)? });
    }
    if let Some(url) = &keys.rabbitmq {
        let queue = question::in_vhost(&queue()?, keys.vhost.as_deref());
        return Ok(ProgressSource::Rabbitmq { server: server(url, &["http", "https"], password)?, queue });
    }
    if let Some(url) = &keys.redis {
        return Ok(ProgressSource::Redis {
            server: server(url, &["redis"], password)?,
            queue: queue()?,
            completed: keys.completed.clone(),
            paused: keys.paused.clone(),
        });
    }
    let (engine, url, schemes): (_, _, &[&str]) = match (&keys.postgres, &keys.mysql) {
        (Some(url), _) => (Engine::Postgres, url, &["postgres", "postgresql"]),
        (None, Some(url)) => (Engine::Mysql, url, &["mysql"]),
        (None, None) => return Err(missing("it asks nothing", "name a source")),
    };
    let help = "add query = \"SELECT count(*) AS depth FROM …\"";
    let query = keys.query.clone().ok_or_else(|| missing("what is asked is not told", help))?;
    Ok(ProgressSource::Sql { engine, server: server(url, schemes, password)?, query })
}

fn pointers(
    span: &Range<usize>,
    keys: &Progress,
    no_depth: impl FnOnce() -> Mistake,
) -> Result<Pointers, Mistake> {
    let written = [
        ("depth", &keys.depth),
        ("completed", &keys.completed),
        ("age", &keys.age),
        ("consumers", &keys.consumers),
    ];
    for (key, pointer) in written {
        if let Some(pointer) = pointer.as_ref().filter(|pointer| !pointer.starts_with('/')) {
            let message = format!("cannot use {key} = \"{pointer}\": a JSON pointer begins with /");
            return Err(Mistake::at(span.clone(), message));
        }
    }
    Ok(Pointers {
        depth: keys.depth.clone().ok_or_else(no_depth)?,
        completed: keys.completed.clone(),
        age: keys.age.clone(),
        consumers: keys.consumers.clone(),
    })
}
