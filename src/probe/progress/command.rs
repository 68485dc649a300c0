//! `command`: systemd ran it, here its figures are read.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::Argv;
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::progress::Sample;
use crate::probe::{Limit, text};

use super::Source;

/// `command = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Prints `depth=12`, and where known `in_work=3 completed=4711 age=90 consumers=2 paused=0`. Run as the unit's user.
    command: Argv,
}

impl Source for Command {
    fn command(&self) -> Option<&[String]> {
        Some(&self.command)
    }

    fn sample(&self, _: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        Box::pin(async { Err("it is run by the service manager".to_owned()) })
    }
}

/// The figures that a command printed, as `depth=12 completed=4711`, in one line or several.
///
/// # Errors
/// How the command ended, or which word is not understood.
pub fn judge(outcome: &CommandOutcome) -> Result<Sample, String> {
    let said = outcome.output.iter().find(|line| !line.trim().is_empty());
    match &outcome.ended {
        CommandEnd::Exited(0) => {}
        CommandEnd::Exited(status) => {
            let quote = said.map_or_else(String::new, |line| format!(": {}", text::quoted(line.as_bytes())));
            return Err(format!("the command exited with status {status}{quote}"));
        }
        CommandEnd::Signalled(signal) => return Err(format!("the command was killed by signal {signal}")),
        CommandEnd::TimedOut => return Err("the command did not end in time".to_owned()),
        CommandEnd::Flooded => return Err("the command wrote without end and was killed".to_owned()),
        CommandEnd::NotRun(why) => return Err(format!("the command could not be run: {}", text::name(why))),
    }
    let mut sample = Sample::default();
    let mut depth = None;
    for word in outcome.output.iter().flat_map(|line| line.split_whitespace()) {
        let figure = |text: &str| {
            let figure = text.parse::<u64>();
            figure.map_err(|_| {
                format!("the command printed {}; expected depth=NUMBER", text::quoted(word.as_bytes()))
            })
        };
        match word.split_once('=') {
            Some(("depth", text)) => depth = Some(figure(text)?),
            Some(("in_work", text)) => sample.in_work = figure(text)?,
            Some(("completed", text)) => sample.completed = Some(figure(text)?),
            Some(("age", text)) => sample.age = Some(Duration::from_secs(figure(text)?)),
            Some(("consumers", text)) => sample.consumers = Some(figure(text)?),
            Some(("paused", text)) => sample.paused = figure(text)? > 0,
            Some(_) | None => {
                return Err(format!(
                    "the command printed {}; expected depth=NUMBER, and where known in_work, completed, age, consumers, paused",
                    text::quoted(word.as_bytes())
                ));
            }
        }
    }
    sample.depth = depth.ok_or("the command printed no depth=NUMBER")?;
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &[&str]) -> Result<Sample, String> {
        judge(&CommandOutcome {
            ended: CommandEnd::Exited(0),
            output: lines.iter().map(|&line| line.to_owned()).collect(),
            took: Duration::from_millis(12),
        })
    }

    #[test]
    fn a_command_prints_what_it_knows() {
        let sample = printed(&["depth=12 completed=4711", "age=90 consumers=0 in_work=3 paused=1"]);
        let wanted = Sample {
            depth: 12,
            in_work: 3,
            completed: Some(4711),
            age: Some(Duration::from_secs(90)),
            consumers: Some(0),
            paused: true,
            missing: None,
        };
        assert_eq!(sample, Ok(wanted));
        assert_eq!(printed(&["depth=0"]), Ok(Sample::default()));
    }

    #[test]
    fn what_is_no_sample_is_told() {
        assert_eq!(printed(&[]), Err("the command printed no depth=NUMBER".to_owned()));
        let wrong = printed(&["depth=many"]).expect_err("no number");
        assert_eq!(wrong, "the command printed \"depth=many\"; expected depth=NUMBER");
        let prose = printed(&["12 items"]).expect_err("no figures");
        assert!(prose.starts_with("the command printed \"12\"; expected depth=NUMBER"), "{prose}");
    }
}
