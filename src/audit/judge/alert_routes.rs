//! Alerts that reach nobody: no sink at all, or none that takes what concerns a unit, warnings, or the host.

use std::collections::BTreeMap;

use crate::model::alert::SinkSpec;
use crate::model::audit::Gap;
use crate::model::finding::{Code, Severity};
use crate::model::spec::Spec;
use crate::policy::alerts::matches;

use super::Look;

/// Nothing is to be told while nothing is managed.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let managed = look.snapshot.units.values().filter(|status| !status.file.is_empty());
    let count = managed.clone().count();
    if count == 0 {
        return Vec::new();
    }
    let sinks = &look.settings.sinks;
    if sinks.is_empty() {
        let units =
            if count == 1 { "the managed unit".to_owned() } else { format!("the {count} managed units") };
        let message = format!("no [alert.NAME] is set in steadfast.toml: nobody is alerted about {units}");
        return vec![told(look, "nowhere", message)];
    }
    let mut gaps = Vec::new();
    for status in managed {
        let Some(spec) = look.specs.iter().find(|spec| spec.file == status.file) else {
            continue;
        };
        let off = spec.disabled.as_ref().is_some_and(|off| look.at().wall_ms < off.until_ms);
        let unit = status.unit.as_str();
        if !off && !anybody(sinks, &labels(look, Some((unit, spec)), spec.severity), spec.severity) {
            let owner = spec.owner.as_ref().map_or(String::new(), |owner| format!(", owner {owner}"));
            let severity = spec.severity.as_str();
            let message = format!(
                "no [alert.NAME] matches {unit} (severity {severity}{owner}): nobody is alerted about it"
            );
            gaps.push(told(look, unit, message));
        }
    }
    if !sinks.iter().any(|sink| sink.min_severity == Severity::Warning) {
        let message = "no [alert.NAME] accepts warnings (min_severity): nobody is alerted about what breaks at the next boot or deploy";
        gaps.push(told(look, "warnings", message.to_owned()));
    } else if !anybody(sinks, &labels(look, None, Severity::Critical), Severity::Critical) {
        let message =
            "no [alert.NAME] matches findings of the host itself (match): nobody is alerted about them";
        gaps.push(told(look, "host", message.to_owned()));
    }
    gaps
}

fn told(look: &Look, about: &str, message: String) -> Gap {
    let gap = Gap::new(Code::AlertUndeliverable, (about, about), message, look.at());
    gap.proven(Vec::new(), "steadfast test-alert".to_owned())
}

/// The labels that an alert of it would have, besides its code.
fn labels(look: &Look, unit: Option<(&str, &Spec)>, severity: Severity) -> BTreeMap<String, String> {
    let mut labels = look.settings.labels.clone();
    let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    set("host", &look.snapshot.host.name);
    set("severity", severity.as_str());
    if let Some((unit, spec)) = unit {
        set("unit", unit);
        if let Some(owner) = &spec.owner {
            set("owner", owner);
        }
    }
    labels
}

/// A sink that takes an alert with these labels and some code.
fn anybody(sinks: &[SinkSpec], labels: &BTreeMap<String, String>, severity: Severity) -> bool {
    sinks.iter().any(|sink| {
        let fits = |(label, pattern): (&String, &String)| {
            label == "code" || labels.get(label).is_some_and(|value| matches(pattern, value))
        };
        severity >= sink.min_severity && sink.matching.iter().all(fits)
    })
}
