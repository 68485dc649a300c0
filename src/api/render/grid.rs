//! A table without borders: one line for each row, as wide as the terminal, the least needed columns left out first.

use anstyle::Style;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::Look;
use super::style::FAINT;

/// Characters before the first column.
const INDENT: u16 = 2;
/// Characters between two columns.
const GAP: u16 = 2;
/// Cleaned text never has it: the last column is cut anywhere, not before a word.
const NO_DELIMITER: char = '\u{1}';
/// No other column takes more of the terminal than this part.
const SHARE_MAX: u16 = 3;

/// A column's title, and what it is worth.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// It is left out where the last column would have fewer characters than this; 0 always stays.
    pub worth: u16,
}

/// A row's texts, and what to paint of them, in the order in which it stands in the row.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub cells: Vec<String>,
    pub paint: Vec<(String, Style)>,
}

/// The lines of the table, title line first. Columns without any text are left out.
pub fn grid(look: &Look, columns: &[Column], lines: &[Line]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_truncation_indicator(look.ellipsis());
    table.set_header(row(columns.iter().map(|column| column.title)));
    for line in lines {
        table.add_row(row(line.cells.iter().map(String::as_str)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
        column.set_delimiter(NO_DELIMITER);
    }
    hide_empty(&mut table, lines);
    match look.size {
        Some((width, _)) => fit(&mut table, columns, width.saturating_sub(INDENT)),
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    let mut drawn = Vec::new();
    for (number, text) in table.lines().enumerate() {
        let text = text.trim_end();
        let line = number.checked_sub(1).and_then(|number| lines.get(number));
        let text = match line {
            Some(line) => paint(look, text, &line.paint),
            None => look.paint(FAINT, text),
        };
        drawn.push(format!("{}{text}", " ".repeat(usize::from(INDENT))));
    }
    drawn
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> Row {
    let mut row = Row::from(cells.map(Cell::new).collect::<Vec<_>>());
    row.max_height(1);
    row
}

fn hide_empty(table: &mut Table, lines: &[Line]) {
    for (index, column) in table.column_iter_mut().enumerate() {
        let is_empty = |line: &Line| line.cells.get(index).is_none_or(String::is_empty);
        if lines.iter().all(is_empty) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
}

/// Every column but the last gets what its content needs; where that leaves the last too little, columns give way.
fn fit(table: &mut Table, columns: &[Column], width: u16) {
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    let most = (width / SHARE_MAX).max(12);
    let content = table.column_max_content_widths();
    let last = columns.len().saturating_sub(1);
    let wanted: Vec<u16> = content.iter().map(|content| (*content).min(most)).collect();
    let visible = |table: &Table, index: usize| table.column(index).is_some_and(|column| !column.is_hidden());
    loop {
        let shown = (0..last).filter(|index| visible(table, *index));
        let taken: u16 = shown.filter_map(|i| wanted.get(i)).map(|w| w + GAP).sum();
        let left = width.saturating_sub(taken);
        let columns = columns.iter().enumerate().take(last);
        let squeezing = columns.filter(|(index, column)| column.worth > left && visible(table, *index));
        let Some((index, _)) = squeezing.max_by_key(|(_, column)| column.worth) else {
            break;
        };
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
    for (index, wanted) in wanted.iter().enumerate().take(last) {
        if let Some(column) = table.column_mut(index).filter(|column| !column.is_hidden()) {
            // A fixed width counts the gap as well.
            let fixed = Width::Fixed(wanted + GAP);
            column.set_constraint(ColumnConstraint::Absolute(fixed));
        }
    }
}

/// Paints each part where it stands after the one before. A part that was cut off stays plain.
fn paint(look: &Look, text: &str, parts: &[(String, Style)]) -> String {
    let mut painted = String::new();
    let mut rest = text;
    for (part, style) in parts {
        if let Some((before, after)) = rest.split_once(part.as_str()) {
            painted.push_str(before);
            painted.push_str(&look.paint(*style, part));
            rest = after;
        }
    }
    painted.push_str(rest);
    painted
}
