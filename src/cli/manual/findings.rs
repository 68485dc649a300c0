//! The pages of the findings: docs/findings.md, which the program carries.

use super::{Block, Page};

const FINDINGS: &str = include_str!("../../../docs/findings.md");

/// The codes that have a section, in its order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    FINDINGS.lines().filter_map(|line| line.strip_prefix("## "))
}

/// The page of one finding.
pub fn finding(code: &str) -> Option<Page> {
    let code = codes().find(|known| *known == code)?;
    let title = format!("what the finding {code} means, and how to repair it");
    let mut blocks = vec![Block::heading(code)];
    blocks.extend(paragraphs(section(code)?));
    Some(Page { name: code.to_owned(), section: 7, title, blocks })
}

/// All of them.
pub fn all() -> Page {
    let mut blocks = vec![Block::heading("Description"), Block::text(introduction())];
    for code in codes() {
        blocks.push(Block::heading(code));
        blocks.extend(section(code).into_iter().flat_map(paragraphs));
    }
    blocks.push(Block::heading("See also"));
    blocks.push(Block::text(
        "`steadfast`(1), `steadfast-explain`(1), `steadfast.unit`(5), `steadfast.toml`(5)",
    ));
    let title = "every finding of Steadfast: meaning, detection, repair".to_owned();
    Page { name: "steadfast-findings".to_owned(), section: 7, title, blocks }
}

fn introduction() -> &'static str {
    FINDINGS
        .split("\n## ")
        .next()
        .and_then(|head| head.split_once("\n\n"))
        .map_or("", |(_, text)| text.trim())
}

fn section(code: &str) -> Option<&'static str> {
    FINDINGS.split("\n## ").skip(1).find_map(|section| section.strip_prefix(code)?.strip_prefix('\n'))
}

fn paragraphs(section: &str) -> impl Iterator<Item = Block> + '_ {
    section.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).flat_map(|text| {
        let table = text.starts_with('|');
        let rows = text.lines().filter(move |_| table).skip(2).filter_map(row);
        rows.chain((!table).then(|| block(text)))
    })
}

/// A row of a table: its first cell, and what the others say of it.
fn row(line: &str) -> Option<Block> {
    let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
    let word = cells.next()?.replace('`', "");
    Some(Block::Term(word, cells.collect::<Vec<_>>().join("; ")))
}

/// A paragraph, a list or lines of code of our Markdown.
fn block(text: &str) -> Block {
    if let Some(code) = text.strip_prefix("```") {
        let code = code.split_once('\n').map_or("", |(_, code)| code);
        return Block::Code(code.trim_end().trim_end_matches("```").trim_end().to_owned());
    }
    if text.lines().all(|line| line.starts_with("    ")) {
        return Block::Code(text.lines().map(|line| line.trim_start().to_owned() + "\n").collect());
    }
    Block::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Code;

    #[test]
    fn every_code_has_a_page() {
        for code in Code::ALL {
            let page = finding(code.as_str()).unwrap_or_else(|| panic!("{} has no page", code.as_str()));
            assert!(page.blocks.len() >= 4, "{page:?}");
        }
        assert!(finding("no-such-code").is_none() && finding("Findings").is_none());
        let page = finding("release-outdated").map(|page| page.blocks).unwrap_or_default();
        let row = page.iter().find_map(|block| match block {
            Block::Term(word, text) if word == "venv" => Some(text),
            _ => None,
        });
        assert!(row.is_some_and(|text| text.contains("; ") && !text.contains('|')), "{page:?}");
        assert!(introduction().starts_with("Every code"), "{}", introduction());
    }
}
