//! The last hours of a figure as a line of blocks, and what is to be read off it.

use super::Look;
use super::page::Page;
use super::style::{BAD, ODD};
use super::text::{latency, length};
use crate::api::wire::{Recent, Unit};

/// Blocks of a line at most.
const ROOM: usize = 90;

const BLOCKS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const LETTERS: [&str; 8] = ["_", ".", "-", "=", "+", "*", "%", "#"];

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Latency,
    Depth,
}

impl Kind {
    fn said(self, figure: f64) -> String {
        match self {
            Self::Latency => latency(figure),
            Self::Depth => format!("{figure:.0}"),
        }
    }
}

/// `at most 41ms within 6h, 2 times no good answer, limit 800ms`.
#[must_use]
pub fn said(kind: Kind, recent: &Recent) -> String {
    let over = i64::try_from(recent.every_s).unwrap_or(0).saturating_mul(1000);
    let over = length(over.saturating_mul(i64::try_from(recent.worst.len()).unwrap_or(0)));
    let most =
        recent.most().map_or("no good answer".to_owned(), |most| format!("at most {}", kind.said(most)));
    let mut facts = vec![format!("{most} within {over}")];
    if !recent.wrong.is_empty() {
        let wrong = i64::try_from(recent.wrong.len()).unwrap_or(0).saturating_mul(1000);
        let wrong = length(wrong.saturating_mul(i64::try_from(recent.every_s).unwrap_or(0)));
        facts.push(format!("wrong answers in {wrong} of it"));
    }
    facts.extend(recent.limit.map(|limit| format!("limit {}", kind.said(limit))));
    facts.join(", ")
}

/// A line for each queue and probe of a unit that was heard of.
pub fn last_hours(page: &mut Page<'_>, unit: &Unit) {
    let queues = unit.progress.iter().map(|one| (&one.name, Kind::Depth, &one.recent));
    let probes = unit.probes.iter().map(|one| (&one.name, Kind::Latency, &one.recent));
    let known: Vec<(&String, Kind, &Recent)> = queues
        .chain(probes)
        .filter_map(|(name, kind, recent)| Some((name, kind, recent.as_ref()?)))
        .collect();
    if known.is_empty() {
        return;
    }
    page.heading("LAST HOURS");
    let room = page.look.width().unwrap_or(ROOM).saturating_sub(4).min(ROOM);
    for (name, kind, recent) in known {
        page.labelled("  ", 2, &format!("{name}: {}", said(kind, recent)));
        page.line(&format!("  {}", spark(page.look, recent, room)));
    }
}

/// As many blocks as there is room for; the newest at the right. What is beyond the limit has another colour, and a wrong answer is
/// a cross.
#[must_use]
pub fn spark(look: &Look, recent: &Recent, room: usize) -> String {
    let all = recent.worst.len();
    let each = all.div_ceil(room.max(1)).max(1);
    let most = recent.most().unwrap_or(0.0).max(recent.limit.unwrap_or(0.0)).max(f64::MIN_POSITIVE);
    let blocks = if look.unicode { BLOCKS } else { LETTERS };
    let cross = look.of_truth(crate::api::wire::Truth::False);
    let mut line = String::new();
    // Groups end with the newest, so that it is whole.
    let first = all % each;
    let mut begins = if first == 0 { 0 } else { first };
    if first > 0 {
        line.push_str(&column(look, recent, 0..first, (most, blocks, cross)));
    }
    while begins < all {
        line.push_str(&column(look, recent, begins..begins + each, (most, blocks, cross)));
        begins += each;
    }
    line
}

/// One column of it.
fn column(
    look: &Look,
    recent: &Recent,
    places: std::ops::Range<usize>,
    (most, blocks, cross): (f64, [&str; 8], super::style::Sign),
) -> String {
    if recent.wrong.iter().any(|place| places.contains(place)) {
        return look.paint(BAD, cross.sign);
    }
    let worst = recent.worst.get(places).unwrap_or_default().iter().flatten().copied().reduce(f64::max);
    let Some(worst) = worst else {
        return " ".to_owned();
    };
    let level = (worst / most * 7.0).round().clamp(0.0, 7.0) as usize;
    let block = blocks.get(level).copied().unwrap_or("#");
    if recent.limit.is_some_and(|limit| worst > limit) { look.paint(ODD, block) } else { block.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::Time;

    fn look(unicode: bool) -> Look {
        let zone = jiff::tz::TimeZone::UTC;
        Look { now: Time(0), zone, colour: false, unicode, size: None, user: false, root: true }
    }

    #[test]
    fn a_line_of_blocks_shows_the_worst_and_what_was_wrong() {
        let worst = vec![Some(1.0), Some(4.0), None, Some(8.0), None, Some(2.0)];
        let recent = Recent { every_s: 120, until: Time(0), limit: Some(7.0), worst, wrong: vec![4] };
        assert_eq!(spark(&look(true), &recent, 80), "▂▅ █✖▃");
        assert_eq!(spark(&look(false), &recent, 3), "+#x");
        assert_eq!(
            said(Kind::Latency, &recent),
            "at most 8.0ms within 12m, wrong answers in 2m of it, limit 7.0ms"
        );
        assert_eq!(
            said(Kind::Depth, &Recent { wrong: Vec::new(), limit: None, ..recent }),
            "at most 8 within 12m"
        );
        let none = Recent { every_s: 120, until: Time(0), limit: None, worst: Vec::new(), wrong: Vec::new() };
        assert_eq!(spark(&look(true), &none, 0), "");
    }
}
