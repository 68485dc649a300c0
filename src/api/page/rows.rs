//! What is folded: units that are well, incidents, drills.

use maud::{Markup, html};

use super::card::probes;
use super::front::mark;
use super::html::{blocks, clock, sign};
use super::strip::strip;
use super::{Sight, to_unit};
use crate::api::render::drill::last;
use crate::api::render::incidents::{event, how};
use crate::api::render::page::Page;
use crate::api::render::text::{clean, cleaned, count};
use crate::api::render::why;
use crate::api::wire::{self, BaselineHead, Drill, Incident, State};
use crate::model::snapshot::UnitStatus;

/// Of so many units that are well it is shown how they are; of more only their names.
const DETAILED: usize = 80;
/// Open incidents with a timeline, and lines of it; those that are over.
const OPEN: usize = 20;
const TIMELINE: usize = 8;
const OVER: usize = 50;
/// Drills; and units that were never drilled, by name.
const DRILLS: usize = 20;
/// Baselines.
const BASELINES: usize = 10;

impl Sight<'_> {
    /// `14 ok`, and which.
    pub fn well(&self, groups: &[(State, Vec<&UnitStatus>)]) -> serde_json::Result<Markup> {
        let units = groups.iter().find(|(state, _)| *state == State::Ok).map(|(_, units)| units.as_slice());
        let units = units.unwrap_or_default();
        let mut rows = Vec::new();
        for unit in units.iter().filter(|_| units.len() <= DETAILED) {
            rows.push(self.row(unit)?);
        }
        Ok(html! {
            @if !units.is_empty() {
                section #well {
                    h2.sr { "Well" }
                    details data-k="well" {
                        summary { (sign(self.look.of_state(State::Ok))) " " (units.len()) " ok" }
                        @if rows.is_empty() {
                            ul.names #(mark(State::Ok)) {
                                @for unit in units {
                                    li { a href=(to_unit("", unit.unit.as_str())) { (clean(unit.unit.as_str())) } }
                                }
                            }
                        } @else {
                            ul.rows #(mark(State::Ok)) { @for row in &rows { (row) } }
                        }
                    }
                }
            }
        })
    }

    fn row(&self, status: &UnitStatus) -> serde_json::Result<Markup> {
        let unit = self.unit(status)?;
        Ok(html! {
            li {
                a.unit href=(to_unit("", &unit.unit)) { (unit.unit) }
                span.f { (why(&self.look, &unit)) " " (self.lasting(&unit)) }
                @if unit.probes.is_empty() { span {} } @else { (probes(&self.look, &unit.probes)) }
                @if self.past.is_ok() { (strip(self.now(), &self.incidents_of(&unit.unit))) }
            }
        })
    }

    /// Those that are open, each with its timeline.
    pub fn incidents(&self) -> serde_json::Result<Markup> {
        let open = self.snapshot.incidents.iter().filter(|incident| incident.resolved_at.is_none());
        let mut open: Vec<Incident> = open.map(Into::into).collect();
        if !self.log {
            open.iter_mut().for_each(Incident::hide_log);
        }
        open.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.opened_at));
        let all = open.len();
        open.truncate(OPEN);
        let open = cleaned(&open)?;
        let mut shown = Vec::new();
        for incident in &open {
            let of_it = |event: &&crate::model::incident::Event| event.incident == Some(incident.id);
            let events: Vec<wire::Event> =
                self.snapshot.events.iter().filter(of_it).map(Into::into).collect();
            shown.push((incident, cleaned(&events)?));
        }
        Ok(html! {
            @if all > 0 {
                section #incidents {
                    h2 { (count(all, "open incident")) }
                    ul.lines {
                        @for (incident, events) in &shown { li { (self.incident(incident, "")) (self.timeline(incident, events)) } }
                        @if all > OPEN { li.f { "and " (all - OPEN) " more: " code { (self.look.program()) " incidents --open" } } }
                    }
                }
            }
        })
    }

    /// One in a line.
    pub fn incident(&self, incident: &Incident, root: &str) -> Markup {
        let unit = incident.unit.as_deref();
        html! {
            (sign(self.look.of_severity(incident.severity))) " "
            a href=(format!("{root}incidents/{}", incident.id)) { "incident " (incident.id) } " of "
            @match unit { Some(unit) => a.unit href=(to_unit(root, unit)) { (unit) }, None => "the host" }
            @if incident.drill { " (a drill)" }
            ", since " (clock(&self.look, incident.opened_at)) ", " (how(&self.look, incident)) ": "
            span.why { (incident.cause) ": " (incident.summary) }
            @if let Some(known) = &incident.acknowledged { "; acknowledged by " (known.who) }
            @if !incident.affected.is_empty() { "; affected: " (incident.affected.join(", ")) }
        }
    }

    fn timeline(&self, incident: &Incident, events: &[wire::Event]) -> Markup {
        let mut page = Page::new(&self.look);
        let unit = incident.unit.as_deref().unwrap_or("the host");
        for one in events.iter().skip(events.len().saturating_sub(TIMELINE)) {
            event(&mut page, one, unit);
        }
        html! {
            @if !events.is_empty() {
                details data-k=(format!("incident {}", incident.id)) {
                    summary { "Timeline" }
                    div.explain { (blocks(&page.into_blocks(), 4)) }
                }
            }
        }
    }

    /// Those of the last day that are over.
    pub fn past(&self) -> Markup {
        let over = self.past.iter().flatten().filter(|incident| incident.resolved_at.is_some());
        let over: Vec<&Incident> = over.collect();
        html! {
            @if !over.is_empty() {
                section #over {
                    h2.sr { "Incidents that are over" }
                    details data-k="over" {
                        summary { (count(over.len(), "incident")) " over within 24 hours" }
                        ul.lines {
                            @for incident in over.iter().take(OVER) { li { (self.incident(incident, "")) } }
                            @if over.len() > OVER {
                                li.f { "and " (over.len() - OVER) " more: " code { (self.look.program()) " incidents --since 24h" } }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The last drill of each, newest first; and who was never drilled.
    pub fn drills(&self) -> serde_json::Result<Markup> {
        let units = self.snapshot.units.values();
        let mut known: Vec<(String, Drill)> = Vec::new();
        let mut never = Vec::new();
        for unit in units {
            let name = clean(unit.unit.as_str());
            match &unit.drill {
                Some(drill) => known.push((name, cleaned(&Drill::from(drill))?)),
                None => never.push(name),
            }
        }
        known.sort_by_key(|(_, drill)| std::cmp::Reverse(drill.at));
        Ok(html! {
            @if !known.is_empty() {
                section #drills {
                    h2.sr { "Drills" }
                    details data-k="drills" {
                        summary { (count(known.len(), "unit")) " drilled, " (never.len()) " never" }
                        ul.lines {
                            @for (unit, drill) in known.iter().take(DRILLS) {
                                li { a.unit href=(to_unit("", unit)) { (unit) } ": " (last(&self.look, drill)) }
                            }
                            @if known.len() > DRILLS { li.f { "and " (known.len() - DRILLS) " more" } }
                            @if !never.is_empty() {
                                li.f {
                                    "never: " (never.iter().take(DRILLS).cloned().collect::<Vec<_>>().join(", "))
                                    @if never.len() > DRILLS { " and " (never.len() - DRILLS) " more (" code { (self.look.program()) " audit" } " lists them)" }
                                }
                            }
                        }
                    }
                }
            }
        })
    }

    /// Those that are kept, and how to compare with one.
    pub fn baselines(&self, kept: &Result<Vec<BaselineHead>, String>) -> Markup {
        let program = self.look.program();
        html! {
            @match kept.as_deref() {
                Err(why) => p.note { "the baselines are not known: " (clean(why)) },
                Ok([]) => {},
                Ok(heads @ [newest, ..]) => section #baselines {
                    h2.sr { "Baselines" }
                    details data-k="baselines" {
                        summary { (count(heads.len(), "baseline")) ", the newest " (self.look.age(newest.taken_at)) " old" }
                        ul.lines {
                            @for head in heads.iter().take(BASELINES) {
                                li {
                                    b { (head.name) } " taken at " (clock(&self.look, head.taken_at)) " by " (head.by)
                                    @if let Some(what) = &head.before { ", before " (what) }
                                    ": " code { (program) " baseline diff " (head.name) }
                                }
                            }
                            @if heads.len() > BASELINES {
                                li.f { "and " (heads.len() - BASELINES) " more: " code { (program) " baseline list" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
