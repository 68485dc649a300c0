//! `GET /incidents/ID`: one incident from its beginning to its end.

use maud::html;

use super::html::{blocks, sign};
use super::shell::Shell;
use super::to_unit;
use crate::api::render::Look;
use crate::api::render::incidents::{how, tale};
use crate::api::render::page::Page;
use crate::api::render::text::clean;
use crate::api::wire::{IncidentDetails, Severity, State};

/// The page of this incident, whose texts are harmless.
pub fn incident(look: &Look, host: &str, details: &IncidentDetails) -> String {
    let root = "../";
    let incident = &details.incident;
    let mut page = Page::new(look);
    tale(&mut page, details);
    let state = match (incident.resolved_at, incident.severity) {
        (Some(_), _) => State::Ok,
        (None, Severity::Critical) => State::Down,
        (None, Severity::Warning) => State::Degraded,
    };
    // What is over is well again, however grave it was.
    let over = incident.resolved_at.is_some();
    let mark = if over { look.of_state(State::Ok) } else { look.of_severity(incident.severity) };
    let head = html! {
        p.up { a href=(root) { (clean(host)) } }
        h1 { "Incident " (incident.id) " of " (incident.unit.as_deref().unwrap_or("the host")) }
        p.counts {
            span class=(format!("state {}", state.as_str())) {
                (sign(mark)) " " (how(look, incident))
            }
            @if incident.drill { span.state { "a drill" } }
        }
    };
    let content = html! {
        section.explain { h2.sr { "What happened" } (blocks(&page.into_blocks(), 2)) }
        @if !incident.last_lines.is_empty() {
            section {
                h2 { "It wrote" }
                pre tabindex="0" { @for line in &incident.last_lines { (line) "\n" } }
            }
        }
        p {
            @if let Some(unit) = &incident.unit { a href=(to_unit(root, unit)) { (unit) } " · " }
            a href=(format!("{root}v1/incidents/{}", incident.id)) { "This incident as JSON" }
        }
    };
    let title = format!("incident {}: {}", incident.id, how(look, incident));
    Shell { look, root, title: &title, state, head }.around(&content)
}
