//! A page of text that grows piece by piece. A terminal gets it as lines, a browser each piece as an element.

use super::Look;
use super::style::{FAINT, STRONG};
use super::text::wrap;

/// Pieces of text for one look.
#[derive(Debug)]
pub struct Page<'a> {
    pub look: &'a Look,
    blocks: Vec<Block>,
}

/// One piece. Texts may be painted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A line as it is.
    Line(String),
    Gap,
    /// The title of a part.
    Heading(String),
    /// Two texts at the two ends of a line. `long`: characters that `left` shows.
    Ends {
        left: String,
        long: usize,
        right: String,
    },
    /// A text behind a label that shows `long` characters.
    Labelled {
        label: String,
        long: usize,
        text: String,
    },
    /// A text that is read last.
    Faint {
        indent: usize,
        text: String,
    },
}

impl<'a> Page<'a> {
    #[must_use]
    pub fn new(look: &'a Look) -> Self {
        Self { look, blocks: Vec::new() }
    }

    /// Its pieces.
    #[must_use]
    pub fn into_blocks(self) -> Vec<Block> {
        self.blocks
    }

    /// The whole text, each line with its end.
    #[must_use]
    pub fn into_text(self) -> String {
        let mut text = Text { look: self.look, text: String::new() };
        self.blocks.iter().for_each(|block| text.block(block));
        text.text
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.blocks.push(Block::Line(line.to_owned()));
    }

    /// An empty line, unless there is one, or nothing yet.
    pub fn gap(&mut self) {
        self.blocks.push(Block::Gap);
    }

    /// The title of a part, with an empty line before it.
    pub fn heading(&mut self, title: &str) {
        self.blocks.push(Block::Heading(title.to_owned()));
    }

    /// Two texts at the two ends of a line; one after the other where there is no width.
    /// `left_long` is how many characters `left` shows, without its colours.
    pub fn ends(&mut self, left: &str, left_long: usize, right: &str) {
        let (left, right) = (left.to_owned(), right.to_owned());
        self.blocks.push(Block::Ends { left, long: left_long, right });
    }

    /// A text behind a painted label that shows `long` characters; further lines stand under the text.
    pub fn labelled(&mut self, label: &str, long: usize, text: &str) {
        let (label, text) = (label.to_owned(), text.to_owned());
        self.blocks.push(Block::Labelled { label, long, text });
    }

    /// The same in a faint style.
    pub fn faint(&mut self, indent: usize, text: &str) {
        self.blocks.push(Block::Faint { indent, text: text.to_owned() });
    }
}

/// Lines for a terminal.
struct Text<'a> {
    look: &'a Look,
    text: String,
}

impl Text<'_> {
    fn block(&mut self, block: &Block) {
        match block {
            Block::Line(line) => self.line(line),
            Block::Gap => self.gap(),
            Block::Heading(title) => {
                self.gap();
                self.line(&self.look.paint(STRONG, title));
            }
            Block::Ends { left, long, right } => self.ends(left, *long, right),
            Block::Labelled { label, long, text } => {
                for (number, line) in wrap(text, self.room(*long)).iter().enumerate() {
                    let before = if number == 0 { label.clone() } else { " ".repeat(*long) };
                    self.line(&format!("{before}{line}"));
                }
            }
            Block::Faint { indent, text } => {
                for line in wrap(text, self.room(*indent)) {
                    let line = self.look.paint(FAINT, &line);
                    self.line(&format!("{}{line}", " ".repeat(*indent)));
                }
            }
        }
    }

    fn room(&self, taken: usize) -> Option<usize> {
        self.look.width().map(|width| width.saturating_sub(taken).max(20))
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn ends(&mut self, left: &str, long: usize, right: &str) {
        let right_long = right.chars().count();
        let room = self.look.width().and_then(|width| width.checked_sub(long + right_long));
        let space = " ".repeat(room.unwrap_or(3).max(3));
        if right_long == 0 {
            self.line(left);
        } else {
            self.line(&format!("{left}{space}{}", self.look.paint(FAINT, right)));
        }
    }
}
