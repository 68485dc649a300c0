//! `file`: a file was written lately. Its file system may hang.

use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{FullPath, Length};
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::span::span;
use crate::ownership;

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, Needs, Probe, text};

/// `file = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// This file was written within max_age.
    file: FullPath,
    /// Older than this is unhealthy.
    #[schemars(example = "5m")]
    max_age: Length,
}

impl Probe for File {
    fn needs(&self) -> Needs<'_> {
        Needs::Looking
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(age(&self.file, self.max_age.0, limit))
    }
}

/// A file was written lately.
async fn age(path: &str, max_age: Duration, limit: Limit) -> ProbeOutcome {
    let asked = text::name(path);
    let at = path.to_owned();
    let look = move || {
        let found = ownership::open_asked(Path::new(&at))?;
        std::fs::File::from(found.file).metadata()?.modified()
    };
    let read = blocking::call(limit, look).await;
    let judged = done(read, limit).and_then(|written| {
        let written = written.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::unhealthy("there is no such file"),
            _ => Failure::unknown(format!("it cannot be looked at ({error})")),
        })?;
        // A time in the future is as fresh as can be.
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        let (age, most) = (age, span(max_age));
        if age > max_age {
            let ago = span(age);
            return Err(Failure::unhealthy(format!(
                "it was last written {ago} ago; at most {most} are right"
            )));
        }
        Ok(format!("it was written {} ago", span(age)))
    });
    outcome(&asked, judged)
}

/// What was read, unless the file system hangs.
pub fn done<T>(read: Result<T, Stuck>, limit: Limit) -> Result<T, Failure> {
    read.map_err(|stuck| match stuck {
        Stuck::Late => Failure::unknown(format!("its file system did not answer within {}", limit.shown())),
        Stuck::NoSlot => Failure::unknown("earlier probes of file systems still hang"),
    })
}

/// The outcome of what was judged.
pub fn outcome(asked: &str, judged: Result<String, Failure>) -> ProbeOutcome {
    match judged {
        Ok(told) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{asked}: {told}")),
            latency: None,
        },
        Err(failure) => failure.of(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_heartbeat_must_be_fresh() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("heartbeat");
        let ask = || {
            age(path.to_str().expect("utf-8"), Duration::from_secs(60), Limit::new(Duration::from_secs(5)))
        };
        let missing = ask().await;
        assert_eq!(missing.status, ProbeStatus::Unhealthy);
        assert!(missing.message.ends_with("there is no such file"), "{}", missing.message);
        let file = std::fs::File::create(&path).expect("created");
        assert_eq!(ask().await.status, ProbeStatus::Healthy);
        file.set_modified(SystemTime::now() - Duration::from_secs(600)).expect("aged");
        let stale = ask().await;
        assert!(
            stale.message.contains("last written 10 min ago; at most 1 min are right"),
            "{}",
            stale.message
        );
    }
}
