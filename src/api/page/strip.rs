//! The last day of a unit as a strip: when an incident of it was open.

use maud::{Markup, html};

use super::DAY_MS;
use crate::api::render::text::{count, length};
use crate::api::wire::{Incident, Severity, Time};

/// Units of width; one is five minutes.
const WIDTH: i64 = 288;

/// The strip; newest at the right. Nothing where the unit's past is not known.
pub fn strip(now: Time, incidents: &[&Incident]) -> Markup {
    let begin = now.0.saturating_sub(DAY_MS);
    let mut stretches = Vec::new();
    let mut open_ms = 0_i64;
    for incident in incidents {
        let from = incident.opened_at.0.max(begin);
        let until = incident.resolved_at.unwrap_or(now).0.min(now.0);
        if until < from {
            continue;
        }
        open_ms = open_ms.saturating_add(until - from);
        let x = (from - begin).saturating_mul(WIDTH) / DAY_MS;
        let width = ((until - from).saturating_mul(WIDTH) / DAY_MS).max(1);
        let class = match incident.severity {
            Severity::Critical => "crit",
            Severity::Warning => "warn",
        };
        stretches.push((x.min(WIDTH - 1), width, class));
    }
    // Worse lies on top.
    stretches.sort_by_key(|(_, _, class)| *class == "crit");
    let told = match stretches.len() {
        0 => "no incident within 24 hours".to_owned(),
        many => format!("{} within 24 hours, open for {} in all", count(many, "incident"), length(open_ms)),
    };
    html! {
        div.last-day { span.f aria-hidden="true" { "24 h" } svg.strip viewBox="0 0 288 10" preserveAspectRatio="none" role="img" aria-label=(told) {
            title { (told) }
            rect.day width="288" height="10" {}
            @for (x, width, class) in stretches {
                rect class=(class) x=(x) width=(width) height="10" {}
            }
        } }
    }
}
