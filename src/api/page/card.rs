//! One unit that needs attention: its state, why, what comes next, what is known of it, and the whole explanation folded.

use maud::{Markup, html};

use super::front::mark;
use super::graph::graph;
use super::html::{blocks, clock, painted, sign, state};
use super::strip::strip;
use super::{Sight, to_unit};
use crate::api::render::details::{progress, release, transition};
use crate::api::render::drill::last;
use crate::api::render::explain::{chain, coming};
use crate::api::render::graph::Kind;
use crate::api::render::page::Page;
use crate::api::render::text::latency;
use crate::api::render::{Look, since, why};
use crate::api::wire::{Probe, ProbeStatus, State, Unit};

/// Lines of its own log.
const LINES: usize = 6;
/// Graphs of a card.
const GRAPHS: usize = 3;
/// Probes that a card names.
const PROBES: usize = 8;

impl Sight<'_> {
    /// A card on the front page. `anchor`: the first of its state.
    pub fn card(&self, unit: &Unit, anchor: Option<State>) -> Markup {
        let look = &self.look;
        let mut page = Page::new(look);
        chain(&mut page, unit);
        html! {
            article id=[anchor.map(mark)] class=(format!("card {}", unit.state.as_str())) {
                h3 {
                    a.unit href=(to_unit("", &unit.unit)) { (unit.unit) }
                    (state(look, unit.state)) (self.lasting(unit))
                }
                (self.body(unit, ""))
                details data-k=(format!("why {}", unit.unit)) {
                    summary { "Explain" }
                    div.explain { (blocks(&page.into_blocks(), 4)) }
                }
            }
        }
    }

    /// How long it has been in its state.
    pub fn lasting(&self, unit: &Unit) -> Markup {
        html! {
            @if let Some(since) = since(unit) {
                span.age { "for " time datetime=(since.to_string()) { (self.look.age(since)) } }
            }
        }
    }

    /// What a card says below its title.
    pub fn body(&self, unit: &Unit, root: &str) -> Markup {
        let look = &self.look;
        let incidents = self.incidents_of(&unit.unit);
        let over = incidents.iter().find(|incident| incident.resolved_at.is_some());
        html! {
            p.why { (painted(&why(look, unit))) }
            ul.next {
                @for line in coming(look, unit) {
                    // Steps of what is under way stand below it.
                    li class=[line.starts_with(' ').then_some("sub")] { (painted(line.trim_start())) }
                }
            }
            @if !unit.probes.is_empty() { (probes(look, &unit.probes)) }
            dl.facts {
                @if !unit.progress.is_empty() {
                    dt { "Queues" }
                    @for one in &unit.progress { dd { (painted(&progress(look, one))) } }
                }
                @if let Some(known) = &unit.release {
                    dt { "Release" }
                    @for line in release(look, known) { dd { (painted(&line)) } }
                }
                @if let Some(last) = &unit.last_transition { dt { "Changed" } dd { (transition(look, last)) } }
                @if let Some(drill) = &unit.drill { dt { "Drilled" } dd { (last(look, drill)) } }
                @if let Some(id) = unit.incident {
                    dt { "Incident" } dd { a href=(format!("{root}incidents/{id}")) { "incident " (id) } ", open" }
                } @else if let Some(over) = over {
                    dt { "Last" }
                    dd {
                        a href=(format!("{root}incidents/{}", over.id)) { "incident " (over.id) } " "
                        @if let Some(at) = over.resolved_at { "over at " (clock(look, at)) }
                        ": " (over.cause)
                    }
                }
                @if let Some(owner) = &unit.owner { dt { "Owner" } dd { (owner) } }
                @if let Some(book) = &unit.runbook { dt { "Runbook" } dd { (link(book)) } }
            }
            (self.graphs(unit, if root.is_empty() { GRAPHS } else { usize::MAX }))
            @if !unit.last_lines.is_empty() {
                p.label { "It wrote" }
                pre tabindex="0" { @for line in unit.last_lines.iter().take(LINES) { (line) "\n" } }
            }
            @if self.past.is_ok() { (strip(self.now(), &incidents)) }
        }
    }
}

impl Sight<'_> {
    /// The last hours of its probes and queues, at most so many; those that are not well first.
    fn graphs(&self, unit: &Unit, most: usize) -> Markup {
        let mut probes: Vec<&Probe> = unit.probes.iter().collect();
        probes.sort_by_key(|probe| probe.status == ProbeStatus::Healthy);
        let queues = unit.progress.iter().map(|one| (&one.name, Kind::Depth, &one.recent));
        let all = queues.chain(probes.into_iter().map(|one| (&one.name, Kind::Latency, &one.recent)));
        html! {
            @for (name, kind, recent) in all.take(most) {
                @if let Some(recent) = recent { (graph(name, kind, recent)) }
            }
        }
    }
}

/// A link where it is one that a browser may follow, else its text.
fn link(text: &str) -> Markup {
    let follows = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    html! {
        @if follows { a href=(text) rel="noreferrer noopener" { (text) } } @else { (text) }
    }
}

/// Sign, name and latency of each.
pub fn probes(look: &Look, all: &[Probe]) -> Markup {
    let mut all: Vec<&Probe> = all.iter().collect();
    all.sort_by_key(|probe| probe.status == ProbeStatus::Healthy);
    html! {
        ul.probes {
            @for probe in all.iter().take(PROBES) {
                li title=[probe.message.as_deref()] {
                    (sign(look.of_probe(probe.status))) " " (probe.name)
                    span.sr { " " (probe.status.as_str()) }
                    @if let Some(took) = probe.latency_ms { " " span.f { (latency(took)) } }
                }
            }
            @if all.len() > PROBES { li.f { (all.len() - PROBES) " more" } }
        }
    }
}
