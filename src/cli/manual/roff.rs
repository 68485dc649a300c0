//! A page as a man page.

use super::{Block, Page, Part, parts, titled};

/// The page in the language of man.
pub fn roff(page: &Page) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(
        ".TH {} {} \"\" \"steadfast {version}\" \"Steadfast Manual\"\n.nh\n.ad l\n.SH NAME\n{} \\- {}\n",
        page.name.to_uppercase(),
        page.section,
        escaped(&page.name),
        escaped(&page.title)
    );
    for block in &page.blocks {
        match block {
            Block::Heading(text) => out.push_str(&format!(".SH {}\n", quoted(&titled(text)))),
            Block::Text(text) => out.push_str(&format!(".PP\n{}\n", line(text))),
            Block::Term(word, text) => {
                out.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", escaped(word), line(text)));
            }
            Block::Code(text) => {
                let lines: String = text.lines().map(|one| format!("{}\n", begun(escaped(one)))).collect();
                out.push_str(&format!(".PP\n.RS 4\n.nf\n{lines}.fi\n.RE\n"));
            }
        }
    }
    out
}

/// A text on one line, with its code bold and its emphasis italic.
fn line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = parts(&text).into_iter().map(|part| match part {
        Part::Plain(text) => escaped(text),
        Part::Code(text) => format!("\\fB{}\\fR", escaped(text)),
        Part::Stressed(text) => format!("\\fI{}\\fR", escaped(text)),
    });
    begun(shown.collect())
}

/// A dot or a quote at the beginning of a line would be a command.
fn begun(line: String) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

/// An argument of a macro.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '\u{2026}' => out.push_str("..."),
            '\u{2192}' => out.push_str("\\(->"),
            letter if letter.is_ascii() => out.push(letter),
            letter => out.push_str(&format!("\\[u{:04X}]", u32::from(letter))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_command_of_roff() {
        let page = Page {
            name: "steadfast.unit".to_owned(),
            section: 5,
            title: "a file".to_owned(),
            blocks: vec![
                Block::text(".SH is no heading, `--all` is code \u{2192} x"),
                Block::term("[probe.NAME]", "'quoted'"),
                Block::Code(".hidden\na\\b".to_owned()),
            ],
        };
        let text = roff(&page);
        assert!(text.contains(".PP\n\\&.SH is no heading, \\fB\\-\\-all\\fR is code \\(-> x\n"), "{text}");
        assert!(text.contains("\\fB[probe.NAME]\\fR\n\\(aqquoted\\(aq\n"), "{text}");
        assert!(text.contains(".nf\n\\&.hidden\na\\eb\n.fi"), "{text}");
    }
}
