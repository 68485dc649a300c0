//! `GET /units/UNIT`: everything that is known of one unit.

use maud::html;

use super::html::{blocks, painted, state};
use super::shell::Shell;
use super::{Sight, encoded};
use crate::api::render::details::{activity, policy};
use crate::api::render::explain::chain;
use crate::api::render::page::Page;
use crate::api::render::text::clean;
use crate::api::wire::Unit;
use crate::model::snapshot::UnitStatus;

/// Incidents of the last day.
const INCIDENTS: usize = 50;

/// The page of this unit.
///
/// # Errors
/// None for data of the wire.
pub fn unit(sight: &Sight<'_>, status: &UnitStatus) -> serde_json::Result<String> {
    let root = "../";
    let look = &sight.look;
    let unit = sight.whole(status)?;
    let mut page = Page::new(look);
    chain(&mut page, &unit);
    let head = html! {
        p.up { a href=(root) { (clean(&sight.snapshot.host.name)) } }
        h1 { (unit.unit) }
        p.counts { (state(look, unit.state)) " " (sight.lasting(&unit)) }
    };
    let content = html! {
        section.one {
            h2.sr { "State" }
            p.f { (painted(&activity(look, &unit))) " · " (policy(look, &unit)) " · " (unit.file) }
            (sight.body(&unit, root))
        }
        section.explain { (blocks(&page.into_blocks(), 2)) }
        (past(sight, &unit))
        p.f { a href=(format!("{root}v1/units/{}", encoded(&unit.unit))) { "This unit as JSON" } }
    };
    let title = format!("{} {}", unit.unit, unit.state.as_str());
    Ok(Shell { look, root, title: &title, state: unit.state, head }.around(&content))
}

fn past(sight: &Sight<'_>, unit: &Unit) -> maud::Markup {
    let incidents = sight.incidents_of(&unit.unit);
    html! {
        section {
            h2 { "Incidents within 24 hours" }
            @match &sight.past {
                Err(why) => p.note { "cannot read the history: " (clean(why)) },
                Ok(_) if incidents.is_empty() => p.f { "none" },
                Ok(_) => ul.lines { @for one in incidents.iter().take(INCIDENTS) { li { (sight.incident(one, "../")) } } },
            }
        }
    }
}
