//! What Steadfast says of a unit, held against what systemctl shows. Written without a look at the policy.

use std::collections::BTreeMap;

use super::compose::Composed;

/// Restarts and starts that a file allows within a quarter of an hour, where it says nothing.
const BUDGET: usize = 3;

/// Properties of a unit.
#[derive(Debug, Default)]
pub struct Shown(BTreeMap<String, String>);

impl Shown {
    pub fn of(block: &str) -> Self {
        let pairs = block.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// What changes when something happens.
    pub fn brief(&self) -> String {
        ["Id", "ActiveState", "SubState", "InvocationID", "UnitFileState", "FreezerState", "NRestarts"]
            .map(|key| self.get(key))
            .join(" ")
    }
}

/// What Steadfast says of a unit.
#[derive(Debug)]
pub struct Seen {
    pub unit: String,
    pub state: String,
    /// Shown where something differs.
    pub blocked: String,
    pub findings: Vec<String>,
    /// Condition → (status, reason, message).
    pub conditions: BTreeMap<String, (String, String, String)>,
}

impl Seen {
    pub fn of(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_owned);
        let (unit, state, blocked) = (fields.next()?, fields.next()?, fields.next()?);
        let findings = fields.next()?.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect();
        let conditions = fields
            .next()?
            .split('|')
            .filter_map(|told| {
                let (kind, rest) = told.split_once('=')?;
                let (status, rest) = rest.split_once(':')?;
                let (reason, message) = rest.split_once(':')?;
                Some((kind.to_owned(), (status.to_owned(), reason.to_owned(), message.to_owned())))
            })
            .collect();
        Some(Self { unit, state, blocked, findings, conditions })
    }

    fn status(&self, condition: &str) -> &str {
        self.conditions.get(condition).map_or("", |told| told.0.as_str())
    }

    fn reason(&self, condition: &str) -> &str {
        self.conditions.get(condition).map_or("", |told| told.1.as_str())
    }

    fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|found| found == code)
    }
}

/// What differs, a sentence each.
pub fn differences(unit: &Composed, shown: &Shown, seen: &Seen, orders: &[String]) -> Vec<String> {
    let mut wrong: Vec<String> =
        of_state(shown, seen).into_iter().chain(of_enablement(shown, seen)).collect();
    let mut differs = |is: bool, what: String| {
        if is {
            wrong.push(what);
        }
    };
    differs(seen.status("Loaded") != "true", format!("loaded, and Loaded is {}", seen.status("Loaded")));
    let failed = shown.get("ActiveState") == "failed";
    differs(
        seen.state == "ok" && failed && seen.reason("Active") != "unit-skipped",
        "failed, and called ok".to_owned(),
    );
    differs(
        !seen.blocked.is_empty() && seen.state == "ok" && seen.findings.is_empty(),
        format!("nothing is wrong, and yet it is blocked: {}", seen.blocked),
    );
    differs(orders.len() > BUDGET, format!("{} orders, and {BUDGET} are allowed", orders.len()));
    if let Some(why) = unit.never {
        let most = usize::from(unit.one_may_tell);
        differs(orders.len() > most, format!("Steadfast gave {} orders, although {why}", orders.len()));
    }
    // A person's stop is the last word.
    let after = orders.iter().any(|order| order.contains("unit-stopped-by-operator"));
    differs(after, "started against a person's stop".to_owned());
    wrong
}

/// Does it run? What systemctl shows, against the condition Active.
fn of_state(shown: &Shown, seen: &Seen) -> Vec<String> {
    let active = shown.get("ActiveState");
    let (status, reason) = (seen.status("Active"), seen.reason("Active"));
    let frozen = shown.get("FreezerState").starts_with("froz");
    let waits = !matches!(shown.get("Job"), "" | "0");
    let is = format!("{active}, and Active is {status} {reason}");
    let wrong = match active {
        "active" | "reloading" if frozen => status != "unknown" || reason != "unit-frozen",
        "active" | "reloading" => {
            status != "true" && !seen.has("unit-crash-looping") && reason != "unit-crash-looping"
        }
        "failed" => {
            let by_will = matches!(reason, "unit-skipped" | "per-connection");
            let codes = ["unit-failed", "unit-crash-looping", "unit-stopped-by-operator", "unit-inactive"];
            let said = codes.iter().any(|code| seen.has(code));
            let along = matches!(reason, "stopped-with" | "upheld" | "auto-restart");
            match status {
                "true" => true,
                "unknown" => !by_will && !waits,
                _ => !said && !along,
            }
        }
        "inactive" => {
            let ran = !shown.get("InvocationID").is_empty();
            let done = shown.get("Type") == "oneshot" && shown.get("Result") == "success" && ran;
            let at_rest = matches!(reason, "armed" | "by-device" | "done");
            let stopped = matches!(reason, "stopped-with" | "unit-stopped-by-operator");
            (status == "true" && !done && !at_rest) || (done && status == "false" && !stopped)
        }
        "activating" => shown.get("SubState").starts_with("auto-restart") && status == "true",
        _ => false,
    };
    if wrong { vec![is] } else { Vec::new() }
}

fn of_enablement(shown: &Shown, seen: &Seen) -> Option<String> {
    let (enabled, reason) = (seen.status("Enabled"), seen.reason("Enabled"));
    let state = shown.get("UnitFileState");
    let wrong = match state {
        "enabled" => enabled != "true",
        "disabled" => enabled == "true" && reason == "enabled",
        _ => false,
    };
    wrong.then(|| format!("{state}, and Enabled is {enabled} {reason}"))
}
