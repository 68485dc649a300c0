//! `command`: systemd ran it, here its end is judged. 0 healthy, 1 unhealthy, anything else unknown.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::Argv;
use crate::model::probe::{CommandEnd, CommandOutcome, ProbeOutcome, ProbeStatus};

use super::{Limit, Needs, Probe, not_here, text};

/// `command = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Exit status 0 healthy, 1 unhealthy, other unknown. Run as the unit's user.
    command: Argv,
}

impl Probe for Command {
    fn weakness(&self, _: Duration) -> Option<String> {
        always_succeeds(&self.command).map(|why| format!("cannot fail: {why}"))
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Command(&self.command)
    }

    fn run(&self, _: Limit) -> BoxFuture<'_, ProbeOutcome> {
        not_here()
    }
}

/// The answer of a command probe.
#[must_use]
pub fn judge(outcome: &CommandOutcome) -> ProbeOutcome {
    let took = text::figure(outcome.took);
    let (status, ended) = match &outcome.ended {
        CommandEnd::Exited(0) => (ProbeStatus::Healthy, format!("exited 0 in {took}")),
        CommandEnd::Exited(1) => (ProbeStatus::Unhealthy, format!("exited 1 in {took}")),
        CommandEnd::Exited(code) => {
            (ProbeStatus::Unknown, format!("exited {code} in {took}; expected 0 (healthy) or 1 (unhealthy)"))
        }
        CommandEnd::Signalled(signal) => {
            (ProbeStatus::Unknown, format!("was killed by signal {signal} after {took}"))
        }
        CommandEnd::TimedOut => {
            (ProbeStatus::Unknown, format!("did not end in time and was stopped after {took}"))
        }
        CommandEnd::Flooded => {
            (ProbeStatus::Unknown, format!("wrote without end and was killed after {took}"))
        }
        CommandEnd::NotRun(why) => (ProbeStatus::Unknown, format!("could not be run: {}", text::name(why))),
    };
    let said = outcome.output.iter().find(|line| !line.trim().is_empty());
    let quote = said.map_or_else(String::new, |line| format!(": {}", text::quoted(line.as_bytes())));
    let ran = !matches!(outcome.ended, CommandEnd::NotRun(_));
    ProbeOutcome {
        status,
        message: text::sentence(&format!("the command {ended}{quote}")),
        latency: ran.then_some(outcome.took),
    }
}

/// The words by which this command always exits with 0.
fn always_succeeds(argv: &[String]) -> Option<String> {
    let program = argv.first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    if matches!(name, "true" | "echo" | "printf") {
        return Some(format!("{program} always succeeds"));
    }
    if !matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh") {
        return None;
    }
    let options: Vec<&String> = argv.iter().skip(1).take_while(|word| word.starts_with('-')).collect();
    let script = argv.get(options.len() + 1)?;
    let asked = options.iter().any(|option| option.contains('c'));
    let strict = options.iter().any(|option| option.contains('e')) || script.contains("set -e");
    let end = ends_well(script).filter(|_| asked && !strict)?;
    Some(format!("its script ends with `{end}`"))
}

/// The last words of a script by which it ends with 0 whatever went before.
fn ends_well(script: &str) -> Option<String> {
    let script = script.trim().trim_end_matches(';').trim_end();
    let last = ["true", ":", "exit 0", "/bin/true", "/usr/bin/true"];
    let last = last.into_iter().find(|last| {
        script
            .strip_suffix(last)
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', ';', '\n', '|', '&']))
    })?;
    let before = script.strip_suffix(last)?.trim_end_matches([' ', '\t']);
    let by = ["||", ";", "\n", "&"].into_iter().find(|by| before.ends_with(by));
    // `a && true` ends as `a` does.
    let by = if before.ends_with("&&") { None } else { by };
    // Another way out may end it otherwise.
    let other_exit = before.contains("exit") || before.contains("return") || before.contains("exec ");
    match by {
        _ if before.is_empty() => Some(last.to_owned()),
        Some(by) if !other_exit => Some(format!("{} {last}", by.trim()).trim().to_owned()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ended: CommandEnd, output: &[&str]) -> (ProbeStatus, String) {
        let outcome = judge(&CommandOutcome {
            ended,
            output: output.iter().map(|&line| line.to_owned()).collect(),
            took: Duration::from_millis(12),
        });
        (outcome.status, outcome.message)
    }

    #[test]
    fn every_end_has_its_sentence() {
        use ProbeStatus::{Healthy, Unhealthy, Unknown};
        let cases = [
            (CommandEnd::Exited(0), Healthy, "exited 0 in 12 ms"),
            (CommandEnd::Exited(1), Unhealthy, "exited 1 in 12 ms"),
            (CommandEnd::Exited(2), Unknown, "exited 2 in 12 ms; expected 0 (healthy) or 1 (unhealthy)"),
            (CommandEnd::Signalled(11), Unknown, "was killed by signal 11 after 12 ms"),
            (CommandEnd::TimedOut, Unknown, "did not end in time and was stopped after 12 ms"),
            (CommandEnd::Flooded, Unknown, "wrote without end and was killed after 12 ms"),
            (CommandEnd::NotRun("no such user".to_owned()), Unknown, "could not be run: no such user"),
        ];
        for (ended, status, sentence) in cases {
            let wanted = (status, format!("the command {sentence}"));
            assert_eq!(judged(ended, &[]), wanted);
        }
    }

    #[test]
    fn the_first_line_is_quoted() {
        let (_, message) = judged(CommandEnd::Exited(1), &["", "queue\tdead", "more"]);
        assert_eq!(message, "the command exited 1 in 12 ms: \"queue\\tdead\"");
    }

    #[test]
    fn a_script_that_always_ends_well_is_no_check() {
        let argv = |script: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        for script in [
            "curl -f localhost || true",
            "curl -f localhost; true",
            "curl -f localhost || :",
            "curl -f localhost\nexit 0",
            "curl -f localhost || exit 0;",
            "check & true",
            "true",
        ] {
            assert!(always_succeeds(&argv(script)).is_some(), "{script}");
        }
        for script in [
            "curl -f localhost",
            "curl -f localhost && true",
            "test -f /run/bad && exit 1; exit 0",
            "set -e; curl -f localhost; true",
            "grep -q istrue",
            "echo '; true'",
            "curl localhost | grep :",
        ] {
            assert_eq!(always_succeeds(&argv(script)), None, "{script}");
        }
        assert!(always_succeeds(&["/bin/true".to_owned()]).is_some());
        assert_eq!(always_succeeds(&["/usr/lib/app/check".to_owned()]), None);
    }
}
