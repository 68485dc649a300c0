//! The screen: units on the left, the chosen one explained on the right, events or its journal below, keys at the foot.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::app::{App, Group, Mode, Pane, Places, Row};
use super::ask::{Field, Order, Question};
use super::help::help;
use crate::api::render::details::event;
use crate::api::render::explain::explain;
use crate::api::render::graph;
use crate::api::render::page::Page;
use crate::api::render::style::{FAINT, STRONG};
use crate::api::render::text::{count, wrap};
use crate::api::render::{Look, since};
use crate::api::wire::{self, State, Status, Unit};
use crate::cli::screen::{canvas, line, sheet};

/// Nothing can be read on less.
const SMALLEST: (u16, u16) = (40, 10);
/// The left part.
const LIST: (u16, u16) = (26, 64);
/// Lines of events.
const FOOT: (u16, u16) = (3, 14);

const KEYS: [(&str, &str); 13] = [
    ("q", "quit"),
    ("?", "help"),
    ("/", "filter"),
    ("s", "state"),
    ("f", "fold"),
    ("l", "log"),
    ("r", "recover"),
    ("h", "hold"),
    ("R", "resume"),
    ("a", "ack"),
    ("Tab", "pane"),
    ("PgDn", "scroll"),
    ("^L", "redraw"),
];

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        frame.render_widget(
            Paragraph::new(format!("the terminal is too small: {width}x{height} at least")),
            area,
        );
        return;
    }
    app.look.size = Some((area.width, area.height));
    let foot = if area.height < 16 { 0 } else { (area.height / 4).clamp(FOOT.0, FOOT.1) };
    let [head, body, rule, below, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(5),
        Constraint::Length(u16::from(foot > 0)),
        Constraint::Length(foot),
        Constraint::Length(1),
    ])
    .areas(area);
    let list = (area.width * 2 / 5).clamp(LIST.0, LIST.1);
    let [left, split, right] =
        Layout::horizontal([Constraint::Length(list), Constraint::Length(1), Constraint::Min(10)])
            .areas(body);
    app.places = Places { list: left, detail: right, foot: below };
    header(frame, app, head);
    units(frame, app, left);
    let bar = if app.look.unicode { "│" } else { "|" };
    let bars: Vec<Line<'_>> = (0..split.height).map(|_| Line::styled(bar, dim())).collect();
    frame.render_widget(Paragraph::new(bars), split);
    match &app.mode {
        Mode::Help(top) => helped(frame, app, *top, right),
        Mode::Usual | Mode::Filter | Mode::Ask(_) => chosen(frame, app, right),
    }
    if foot > 0 {
        ruled(frame, app, rule);
        stream(frame, app, below);
    }
    last(frame, app, keys);
    if let Mode::Ask(question) = &app.mode {
        asked(frame, &app.look, question, area);
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Host, counts, and whether all this is still so.
fn header(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let look = &app.look;
    let left = app.status.as_ref().map(|status| summary(look, status, usize::from(area.width)));
    let left = left.unwrap_or_default();
    let right = match (&app.away, &app.status) {
        (None, Some(status)) => format!(" {} ", look.clock(status.generated_at)),
        (None, None) => " reading ".to_owned(),
        (Some(_), None) => " NO ANSWER, trying again ".to_owned(),
        (Some(_), Some(status)) => format!(" NO ANSWER, this is {} old ", look.age(status.generated_at)),
    };
    let long = u16::try_from(right.chars().count()).unwrap_or(u16::MAX).min(area.width);
    let [near, far] = Layout::horizontal([Constraint::Min(0), Constraint::Length(long)]).areas(area);
    let style = if app.away.is_some() { Style::new().add_modifier(Modifier::REVERSED) } else { dim() };
    frame.render_widget(Paragraph::new(line(&left)), near);
    frame.render_widget(Paragraph::new(right).style(style), far);
}

/// Host, counts, incidents, the first finding of the host. Where words do not fit, the signs stand alone.
fn summary(look: &Look, status: &Status, width: usize) -> String {
    let mut states: Vec<_> = status.summary.iter().filter(|(_, many)| **many > 0).collect();
    states.sort_by_key(|(state, _)| std::cmp::Reverse(state.rank()));
    let long = |(state, _): &(&State, &usize)| state.as_str().len() + 7;
    let words = status.host.chars().count() + states.iter().map(long).sum::<usize>() + 10 <= width;
    let mut text = look.paint(STRONG, &status.host);
    for (state, many) in states {
        let sign = look.of_state(*state);
        let word = if words { format!(" {}", state.as_str()) } else { String::new() };
        text.push_str(&format!("  {}", look.paint(sign.style, &format!("{} {many}{word}", sign.sign))));
    }
    if status.incidents_open > 0 {
        let open = count(status.incidents_open, "open incident");
        text.push_str(&look.paint(FAINT, &format!("  {open}")));
    }
    if let Some(finding) = status.findings.first() {
        let more = status.findings.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let sign = look.sign(look.of_severity(finding.severity));
        text.push_str(&format!("  {sign} {}{more}: {}", finding.code, finding.message));
    }
    text
}

/// The left part.
fn units(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let height = usize::from(area.height);
    let rows = app.rows();
    let at = rows.iter().position(|row| row.choice() == app.chosen).unwrap_or(0);
    let mut top = app.list_top.min(rows.len().saturating_sub(height));
    // The heading of the first unit is seen as well.
    let first = if at == 1 { 0 } else { at };
    top = top.min(first).max((at + 1).saturating_sub(height));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (number, row) in rows.iter().enumerate().skip(top).take(height) {
        let mut shown = match row {
            Row::Head { group, count, open } => heading(&app.look, *group, *count, *open),
            Row::Unit(unit) => unit_line(&app.look, unit, usize::from(area.width)),
        };
        if number == at {
            shown = shown.patch_style(Style::new().add_modifier(Modifier::REVERSED));
        } else if app.away.is_some() {
            shown = shown.patch_style(dim());
        }
        lines.push(shown);
    }
    if rows.is_empty() {
        let said = match (&app.status, app.filter.is_empty() && app.state.is_none()) {
            (None, _) => "",
            (Some(_), true) => "no unit is managed yet",
            (Some(_), false) => "no unit matches the filter (Esc clears it)",
        };
        lines.push(Line::styled(said, dim()));
    }
    app.list_top = top;
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(look: &Look, group: Group, many: usize, open: bool) -> Line<'static> {
    let sign = match (look.unicode, open) {
        (true, true) => "▾",
        (true, false) => "▸",
        (false, true) => "-",
        (false, false) => "+",
    };
    let said = match group {
        Group::Attention if many == 1 => "1 needs attention".to_owned(),
        Group::Attention => format!("{many} need attention"),
        Group::Alone => format!("{many} left alone on purpose"),
        Group::Well => format!("{many} ok"),
    };
    line(&look.paint(STRONG, &format!("{sign} {said}")))
}

/// Sign, name, state, since when; where there is no room, first the time gives way, and then the name.
fn unit_line(look: &Look, unit: &Unit, width: usize) -> Line<'static> {
    let sign = look.of_state(unit.state);
    let state = if unit.state == State::Ok { "" } else { unit.state.as_str() };
    let name = unit.unit.strip_suffix(".service").unwrap_or(&unit.unit);
    let age = since(unit).map(|since| look.age(since)).unwrap_or_default();
    let mut age = format!(" {age:>6}");
    let room = |age: &str| width.saturating_sub(5 + state.len() + age.len());
    if room(&age) < name.chars().count() {
        age.clear();
    }
    let room = room(&age);
    let full = unit.unit.chars().count() <= room;
    let name = shortened(look, if full { &unit.unit } else { name }, room);
    let gap = " ".repeat(room.saturating_sub(name.chars().count()));
    let (sign, state) = (look.sign(sign), look.paint(sign.style, state));
    line(&format!("  {sign} {name}{gap} {state}{}", look.paint(FAINT, &age)))
}

/// The end of a name tells instances apart: what is cut is the middle.
fn shortened(look: &Look, name: &str, room: usize) -> String {
    let long = name.chars().count();
    if long <= room {
        return name.to_owned();
    }
    let dots = look.ellipsis();
    let kept = room.saturating_sub(dots.chars().count());
    let (before, after) = (kept.div_ceil(2), kept / 2);
    let start: String = name.chars().take(before).collect();
    let end: String = name.chars().skip(long.saturating_sub(after)).collect();
    format!("{start}{dots}{end}")
}

/// The chosen unit, explained.
fn chosen(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let width = area.width.saturating_sub(1);
    let look = Look { size: Some((width, area.height)), ..app.look.clone() };
    let text = match (app.whole(), &app.status) {
        (Some(unit), _) => format!("{}{}", explain(&look, unit), hours(&look, unit)),
        (None, Some(status)) => crate::api::render::overview(&look, status, true),
        (None, None) => {
            app.away.clone().map(|why| wrap(&why, Some(usize::from(width))).join("\n")).unwrap_or_default()
        }
    };
    app.detail_top =
        scrolled(frame, &text, (app.detail_top, app.focus == Pane::Detail, app.away.is_some()), area);
}

/// Latencies and depths of the last hours.
fn hours(look: &Look, unit: &Unit) -> String {
    let mut page = Page::new(look);
    graph::last_hours(&mut page, unit);
    let text = page.into_text();
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// A text from a line on; the line that it can be scrolled to.
fn scrolled(
    frame: &mut Frame<'_>,
    text: &str,
    (top, focus, stale): (usize, bool, bool),
    area: Rect,
) -> usize {
    let [edge, inside] = Layout::horizontal([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    if focus {
        frame.render_widget(Paragraph::new(">"), edge);
    }
    sheet(frame, canvas(text), (top, if stale { dim() } else { Style::new() }), inside)
}

fn helped(frame: &mut Frame<'_>, app: &mut App, top: usize, area: Rect) {
    let look = Look { size: Some((area.width.saturating_sub(1), area.height)), ..app.look.clone() };
    let top = scrolled(frame, &help(&look), (top, true, false), area);
    app.mode = Mode::Help(top);
}

/// What stands below.
fn ruled(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let dash = if app.look.unicode { "─" } else { "-" };
    let said = match (&app.log, app.chosen_unit()) {
        (Some(_), Some(unit)) => format!("journal of {unit}"),
        (Some(_), None) => "journal: choose a unit".to_owned(),
        (None, _) => "events".to_owned(),
    };
    let back = if app.foot_back > 0 { format!(", {} back", app.foot_back) } else { String::new() };
    let mark = if app.focus == Pane::Foot { ">" } else { dash };
    let title = format!("{mark}{dash} {said}{back} ");
    let rest = usize::from(area.width).saturating_sub(title.chars().count());
    frame.render_widget(Paragraph::new(format!("{title}{}", dash.repeat(rest))).style(dim()), area);
}

/// The events, or the journal of the chosen unit; the newest at the bottom.
fn stream(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let look = Look { size: Some((area.width, area.height)), ..app.look.clone() };
    let mut page = Page::new(&look);
    match &app.log {
        Some(lines) => lines.iter().for_each(|line| page.labelled("  ", 2, line)),
        None => {
            for one in &app.events {
                match one.unit.as_deref().filter(|unit| !one.message.contains(*unit)) {
                    Some(unit) => event(
                        &mut page,
                        &wire::Event { message: format!("{unit}: {}", one.message), ..one.clone() },
                    ),
                    None => event(&mut page, one),
                }
            }
        }
    }
    let text = canvas(&page.into_text());
    let height = usize::from(area.height);
    app.foot_back = app.foot_back.min(text.lines.len().saturating_sub(height));
    let last = text.lines.len().saturating_sub(app.foot_back);
    let shown: Vec<Line<'_>> = text.lines.into_iter().take(last).skip(last.saturating_sub(height)).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

/// The filter while it is written, what became of an order, or the keys.
fn last(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let state = app.state.map(|state| format!("state {}  ", state.as_str())).unwrap_or_default();
    let text = match &app.mode {
        Mode::Filter => Line::raw(format!("{state}filter: {}_   Enter keeps it, Esc ends it", app.filter)),
        Mode::Usual | Mode::Help(_) | Mode::Ask(_) => match &app.said {
            Some(said) => Line::raw(said.clone()).patch_style(Style::new().add_modifier(Modifier::BOLD)),
            None => keys(app, &state, usize::from(area.width)),
        },
    };
    frame.render_widget(Paragraph::new(text), area);
}

/// As many keys as there is room for.
fn keys(app: &App, state: &str, width: usize) -> Line<'static> {
    let filter = if app.filter.is_empty() { String::new() } else { format!("filter {}  ", app.filter) };
    let picked = format!("{state}{filter}");
    let mut room = width.saturating_sub(picked.chars().count());
    let mut parts = vec![Span::styled(picked, Style::new().add_modifier(Modifier::REVERSED))];
    for (key, does) in KEYS {
        let long = key.len() + does.len() + 2;
        if long > room + 1 {
            break;
        }
        room = room.saturating_sub(long);
        parts.push(Span::styled(key, Style::new().add_modifier(Modifier::BOLD)));
        parts.push(Span::styled(format!(" {does} "), dim()));
    }
    parts.into()
}

/// The question before an order, over everything else.
fn asked(frame: &mut Frame<'_>, look: &Look, question: &Question, area: Rect) {
    let width = area.width.saturating_sub(4).min(84);
    let room = Some(usize::from(width.saturating_sub(4)));
    let mut lines: Vec<String> = vec![look.paint(STRONG, &question.order.said()), String::new()];
    for text in &question.lines {
        // What is set in stays set in.
        let indent = " ".repeat(text.len() - text.trim_start().len());
        lines.extend(wrap(text.trim_start(), room).into_iter().map(|line| format!("{indent}{line}")));
    }
    lines.push(String::new());
    if let Order::Hold { length, reason, .. } = &question.order {
        let mark = |field| if question.field == Some(field) { "_" } else { "" };
        lines.push(format!("for     {length}{}", mark(Field::Length)));
        lines.push(format!("reason  {reason}{}", mark(Field::Reason)));
        lines.push(String::new());
    }
    lines.push(match question.field {
        Some(_) => "Tab: the other field, Enter: on, Esc: back".to_owned(),
        None => "Do it?  y yes   n no".to_owned(),
    });
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let edge = if look.unicode {
        ratatui::symbols::border::PLAIN
    } else {
        ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        }
    };
    let frame_of = ratatui::widgets::Block::bordered()
        .border_set(edge)
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, place);
    // What is asked stands at the end: where there is no room, the middle gives way.
    let inside = usize::from(height.saturating_sub(2));
    let more = lines.len().saturating_sub(inside);
    if more > 0 {
        let keep = inside.saturating_sub(4);
        lines.drain(keep..keep + more);
    }
    frame.render_widget(Paragraph::new(canvas(&lines.join("\n"))).block(frame_of), place);
}
