//! A page as Markdown: the reference part of the book.

use super::{Block, Page};

/// The page with its title. Where it comes from stands in its first line.
pub fn markdown(page: &Page) -> String {
    let mut out = format!("{HEAD}\n\n# {}\n", capital(&page.title));
    for block in &page.blocks {
        out.push_str(&match block {
            Block::Heading(text) => format!("\n## {}\n", text.replace('[', "\\[")),
            Block::Text(text) => format!("\n{}\n", joined(text)),
            Block::Term(word, text) => format!("\n`{word}`  \n{}\n", joined(text)),
            Block::Code(text) => format!("\n```toml\n{}\n```\n", text.trim_end()),
        });
    }
    out
}

/// The help of every command, under its name.
pub fn commands(helps: &[(String, String)]) -> String {
    let mut out = format!("{HEAD}\n\n# Commands\n");
    for (name, help) in helps {
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        out.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim()));
    }
    out
}

const HEAD: &str = "<!-- Generated: UPDATE_EXPECT=1 cargo nextest run --test book. Do not edit. -->";

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
