//! The manual: pages that are made of the commands, of the schemas and of docs; as text for a terminal, and as man pages.

mod commands;
mod findings;
mod markdown;
mod roff;
mod schema;
mod text;
mod topics;

use std::path::Path;

use anyhow::Context;

pub use commands::command_help;
pub use findings::finding;
pub use text::text;
pub use topics::{Topic, topics};

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// `steadfast.unit`
    pub name: String,
    /// The section of the manual: 1 commands, 5 files, 7 the rest.
    pub section: u8,
    /// What it is about, in a few words.
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A piece of a page. Texts may have `code` in backquotes and *words* in asterisks.
#[derive(Clone, Debug)]
pub enum Block {
    Heading(String),
    Text(String),
    /// A word, and what it means.
    Term(String, String),
    /// Lines as they are.
    Code(String),
}

impl Block {
    fn heading(text: &str) -> Self {
        Self::Heading(text.to_owned())
    }

    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn term(word: &str, text: &str) -> Self {
        Self::Term(word.to_owned(), text.to_owned())
    }
}

/// A part of a text: plain, code or emphasised.
enum Part<'a> {
    Plain(&'a str),
    Code(&'a str),
    Stressed(&'a str),
}

/// A heading in capitals, unless it is a name that people type.
fn titled(heading: &str) -> String {
    if heading.contains(['[', '-']) { heading.to_owned() } else { heading.to_uppercase() }
}

/// The parts of a text with `code` and *emphasis*. An asterisk that encloses nothing is itself.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for (number, piece) in text.split('`').enumerate() {
        if number % 2 == 1 {
            parts.push(Part::Code(piece));
            continue;
        }
        let mut rest = piece;
        while let Some((before, behind)) = rest.split_once('*') {
            let stressed = behind.split_once('*').filter(|(inside, _)| {
                inside.starts_with(char::is_alphanumeric) && !inside.ends_with(char::is_whitespace)
            });
            let Some((inside, after)) = stressed else {
                break;
            };
            parts.push(Part::Plain(before));
            parts.push(Part::Stressed(inside));
            rest = after;
        }
        parts.push(Part::Plain(rest));
    }
    parts
}

/// Writes every man page below this directory: man1, man5 and man7.
///
/// # Errors
/// It cannot be written.
pub fn write(directory: &Path, command: clap::Command) -> anyhow::Result<usize> {
    let mut written = 0;
    let mut put = |section: u8, name: &str, page: &str| -> anyhow::Result<()> {
        let folder = directory.join(format!("man{section}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join(format!("{name}.{section}"));
        std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
        written += 1;
        Ok(())
    };
    for (name, page) in commands::man_pages(command)? {
        put(1, &name, &page)?;
    }
    for topic in topics() {
        if let Some(page) = topic.man {
            let page = page();
            put(page.section, &page.name, &roff::roff(&page))?;
        }
    }
    Ok(written)
}

/// Writes the reference part of the book.
///
/// # Errors
/// It cannot be written.
pub fn write_markdown(directory: &Path, command: &clap::Command) -> anyhow::Result<usize> {
    let mut pages = vec![("commands".to_owned(), markdown::commands(&commands::helps(command)))];
    for topic in topics().into_iter().filter(|topic| ["unit-file", "settings"].contains(&topic.name)) {
        pages.push((topic.name.to_owned(), markdown::markdown(&(topic.page)())));
    }
    for (name, page) in &pages {
        let file = directory.join(format!("{name}.md"));
        std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(pages.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_emphasis_are_told_apart_from_asterisks() {
        let shown = |text: &str| -> String {
            let show = |part: &Part<'_>| match part {
                Part::Plain(text) => (*text).to_owned(),
                Part::Code(text) => format!("<{text}>"),
                Part::Stressed(text) => format!("_{text}_"),
            };
            parts(text).iter().map(show).collect()
        };
        assert_eq!(shown("*Detected:* `web-*` is *odd*"), "_Detected:_ <web-*> is _odd_");
        assert_eq!(shown("2 * 3 and *"), "2 * 3 and *");
    }
}
