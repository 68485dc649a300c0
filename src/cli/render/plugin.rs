//! `check --nagios`: one plugin line with performance data.

use crate::api::wire::{State, Status};

/// The line for a result that the exit status calls `word` (`OK`, `WARNING`, `CRITICAL`, `UNKNOWN`).
#[must_use]
pub fn plugin(status: &Status, word: &str) -> String {
    let counts = status.summary.iter().filter(|(_, number)| **number > 0);
    let counts: Vec<String> = counts.map(|(state, n)| format!("{n} {}", state.as_str())).collect();
    let fine = [State::Ok, State::Disabled];
    let bad = status.units.iter().filter(|unit| !fine.contains(&unit.state));
    let bad: Vec<String> = bad
        .map(|unit| {
            // What a person holds is as that person wants it.
            let found = unit.findings.first().filter(|_| unit.state != State::Held);
            let code = found.map_or(unit.state.as_str(), |f| f.code.as_str());
            format!("{} {code}", unit.unit)
        })
        .collect();
    let mut text = if counts.is_empty() { "no unit is managed".to_owned() } else { counts.join(", ") };
    if !bad.is_empty() {
        text.push_str(": ");
        text.push_str(&bad.join(", "));
    }
    let mut data: Vec<String> =
        status.summary.iter().map(|(state, number)| format!("{}={number}", state.as_str())).collect();
    for unit in &status.units {
        for probe in &unit.probes {
            if let Some(latency) = probe.latency_ms {
                data.push(format!("'{} {}'={:.6}s", unit.unit, probe.name, latency / 1000.0));
            }
        }
    }
    // A bar would end the text.
    let text = text.replace('|', "/");
    format!("STEADFAST {word} - {text} | {}\n", data.join(" "))
}
