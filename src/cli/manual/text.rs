//! A page as text for a terminal.

use super::{Block, Page, Part, parts, titled};
use crate::cli::render::Look;
use crate::cli::render::style::STRONG;
use crate::cli::render::text::wrap;

/// Lines are no longer than this, however wide the terminal is.
const WIDEST: usize = 100;

/// The page without its title line.
pub fn text(look: &Look, page: &Page) -> String {
    let width = look.width().unwrap_or(WIDEST).clamp(40, WIDEST);
    let mut out = String::new();
    let mut before: Option<&Block> = None;
    for block in &page.blocks {
        let pair = |one: &Block| matches!(one, Block::Heading(_));
        if !out.is_empty() && !before.is_some_and(pair) {
            out.push('\n');
        }
        match block {
            Block::Heading(text) => out.push_str(&format!("{}\n", look.paint(STRONG, &titled(text)))),
            Block::Text(text) => put(&mut out, look, (2, width), text),
            Block::Term(word, text) => {
                out.push_str(&format!("  {}\n", look.paint(STRONG, word)));
                put(&mut out, look, (6, width), text);
            }
            Block::Code(text) => text.lines().for_each(|line| out.push_str(&format!("    {line}\n"))),
        }
        before = Some(block);
    }
    out
}

/// A text in lines that begin at this column.
fn put(out: &mut String, look: &Look, (indent, width): (usize, usize), text: &str) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = parts(&text)
        .iter()
        .map(|part| match part {
            Part::Plain(text) | Part::Code(text) | Part::Stressed(text) => *text,
        })
        .collect();
    let plain = if look.unicode { plain } else { plain.replace('\u{2026}', "...").replace('\u{2192}', "->") };
    for line in wrap(&plain, Some(width.saturating_sub(indent))) {
        out.push_str(&format!("{}{line}\n", " ".repeat(indent)));
    }
}
