//! `command`: systemd ran it, here its end is judged. 0 healthy, 1 unhealthy, anything else unknown.

use crate::model::probe::{CommandEnd, CommandOutcome, ProbeOutcome, ProbeStatus};

use super::words;

/// The answer of a command probe.
#[must_use]
pub fn judge_command(outcome: &CommandOutcome) -> ProbeOutcome {
    let took = words::figure(outcome.took);
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
        CommandEnd::NotRun(why) => (ProbeStatus::Unknown, format!("could not be run: {}", words::name(why))),
    };
    let said = outcome.output.iter().find(|line| !line.trim().is_empty());
    let quote = said.map_or_else(String::new, |line| format!(": {}", words::quoted(line.as_bytes())));
    let ran = !matches!(outcome.ended, CommandEnd::NotRun(_));
    ProbeOutcome {
        status,
        message: words::sentence(&format!("the command {ended}{quote}")),
        latency: ran.then_some(outcome.took),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn judged(ended: CommandEnd, output: &[&str]) -> (ProbeStatus, String) {
        let outcome = judge_command(&CommandOutcome {
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
}
