//! `[progress.NAME]`: from keys to a source of progress.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::model::probe::OnFailure;
use crate::model::progress::{Pointers, ProgressSource, ProgressSpec};

use super::diagnose::Mistake;
use super::file::{OnStale, Progress};
use super::probe;

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
    let pointers = [
        ("depth", &keys.depth),
        ("completed", &keys.completed),
        ("age", &keys.age),
        ("consumers", &keys.consumers),
    ];
    match (&keys.http, &keys.command) {
        (Some(url), None) => {
            for (key, pointer) in pointers {
                if let Some(pointer) = pointer.as_ref().filter(|pointer| !pointer.starts_with('/')) {
                    let message = format!("cannot use {key} = \"{pointer}\": a JSON pointer begins with /");
                    return Err(Mistake::at(span.clone(), message));
                }
            }
            let Some(depth) = keys.depth.clone() else {
                let message = format!("cannot use progress {name}: where its depth stands is not told");
                return Err(Mistake::at(span.clone(), message)
                    .help("add depth = \"/POINTER\", a JSON pointer to the number of items that wait"));
            };
            let pointers = Pointers {
                depth,
                completed: keys.completed.clone(),
                age: keys.age.clone(),
                consumers: keys.consumers.clone(),
            };
            Ok(ProgressSource::Http { url: probe::url(url)?, pointers })
        }
        (None, Some(argv)) => match pointers.iter().find(|(_, written)| written.is_some()) {
            Some((key, _)) => {
                let message = format!("cannot use `{key}` in progress {name}: it belongs to http");
                Err(Mistake::at(span.clone(), message).help("a command prints depth=… and its kin itself"))
            }
            None => Ok(ProgressSource::Command { argv: probe::command(argv)? }),
        },
        (asked, _) => {
            let what = if asked.is_none() { "nothing" } else { "more than one thing" };
            let message = format!("cannot use progress {name}: it asks {what}");
            Err(Mistake::at(span.clone(), message).help("give exactly one of http, command"))
        }
    }
}
