//! The last hours of a figure as a line, with its limit.

use maud::{Markup, html};

use crate::api::render::graph::{Kind, said};
use crate::api::wire::Recent;

/// Units of height.
const HEIGHT: f64 = 30.0;

/// The graph of one probe or queue; newest at the right.
pub fn graph(name: &str, kind: Kind, recent: &Recent) -> Markup {
    let wide = crate::model::trace::STRETCHES;
    let most = recent.most().unwrap_or(0.0).max(recent.limit.unwrap_or(0.0)).max(f64::MIN_POSITIVE);
    let height = |figure: f64| (HEIGHT - 1.0 - figure / most * (HEIGHT - 3.0)).round() as i64;
    // It ends at the right edge, however little is known.
    let left = wide.saturating_sub(recent.worst.len());
    let words = said(kind, recent);
    let told = format!("{name}: {words}");
    html! {
        figure.graph {
            figcaption { b { (name) } " " span.f { (words) } }
            svg viewBox={ "0 0 " (wide) " 30" } preserveAspectRatio="none" role="img" aria-label=(told) {
                title { (told) }
                @for place in stretches(&recent.wrong) {
                    rect.wrong x=(left + place.0) width=(place.1) height="30" {}
                }
                @if let Some(limit) = recent.limit { path.limit d={ "M0 " (height(limit)) "H" (wide) } {} }
                path.line d=(line(recent, left, height)) {}
            }
        }
    }
}

/// Places that follow each other as one: where they begin, and how many they are.
fn stretches(places: &[usize]) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match all.last_mut() {
            Some((first, many)) if *first + *many == *place => *many += 1,
            Some(_) | None => all.push((*place, 1)),
        }
    }
    all
}

/// A step for each stretch; where nothing was heard there is nothing.
fn line(recent: &Recent, left: usize, height: impl Fn(f64) -> i64) -> String {
    let mut path = String::new();
    let mut before = None;
    for (place, worst) in recent.worst.iter().enumerate() {
        let at = worst.map(&height);
        match (before, at) {
            (_, None) => {}
            (Some(before), Some(at)) if before == at => path.push_str("h1"),
            (Some(_), Some(at)) => path.push_str(&format!("V{at}h1")),
            (None, Some(at)) => path.push_str(&format!("M{} {at}h1", left + place)),
        }
        before = at;
    }
    path
}
