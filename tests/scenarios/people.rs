//! The words of a scenario about telling people: sinks, what becomes of messages, what people say.

use std::time::Duration;

use steadfast::model::alert::{SinkKind, SinkSpec};
use steadfast::model::finding::Severity;
use steadfast::model::observation::Observation;
use steadfast::model::operator::{Ask, Request};

use super::words;

/// `mail min=critical after=15m repeat=1h burst=2 interval=10m unit=web-* alertmanager`
pub fn sink(name: &str, keys: &[&str]) -> Result<SinkSpec, String> {
    let mut sink = SinkSpec::usual(name.to_owned(), SinkKind::default());
    for word in keys {
        match word.split_once('=').unwrap_or((word, "")) {
            ("min", "critical") => sink.min_severity = Severity::Critical,
            ("after", length) => sink.after = words::duration(length)?,
            ("repeat", "never") => sink.repeat = None,
            ("repeat", length) => sink.repeat = Some(words::duration(length)?),
            ("burst", number) => sink.burst = number.parse().map_err(|_| "burst=number")?,
            ("interval", length) => sink.interval = words::duration(length)?,
            ("alertmanager", _) => {
                sink.kind.all = true;
                sink.repeat = Some(Duration::from_secs(60));
            }
            (label, pattern) if !pattern.is_empty() => {
                sink.matching.insert(label.to_owned(), pattern.to_owned());
            }
            (other, _) => return Err(format!("{other} is no key of a sink")),
        }
    }
    Ok(sink)
}

/// `ack 3`, `test-alert`
pub fn asked(verb: &str, rest: &[&str]) -> Result<Observation, String> {
    let number = || rest.first().and_then(|word| word.parse().ok()).ok_or("ack INCIDENT");
    let ask = match verb {
        "ack" => Ask::Acknowledge { incident: number()? },
        _ => Ask::TestAlerts,
    };
    Ok(Observation::OperatorAsked(Request { id: 1, who: "anna (uid 1000)".to_owned(), ask }))
}
