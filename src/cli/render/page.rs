//! A page of text that grows line by line.

use super::Look;
use super::style::{FAINT, STRONG};
use super::text::wrap;

/// Lines of text for one look.
#[derive(Debug)]
pub struct Page<'a> {
    pub look: &'a Look,
    text: String,
}

impl<'a> Page<'a> {
    pub fn new(look: &'a Look) -> Self {
        Self { look, text: String::new() }
    }

    /// The whole text, each line with its end.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless there is one, or nothing yet.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// The title of a part, with an empty line before it.
    pub fn heading(&mut self, title: &str) {
        self.gap();
        let title = self.look.paint(STRONG, title);
        self.line(&title);
    }

    /// Two texts at the two ends of a line; one after the other where there is no width.
    /// `left_long` is how many characters `left` shows, without its colours.
    pub fn ends(&mut self, left: &str, left_long: usize, right: &str) {
        let right_long = right.chars().count();
        let room = self.look.width().and_then(|width| width.checked_sub(left_long + right_long));
        let space = " ".repeat(room.unwrap_or(3).max(3));
        let right = self.look.paint(FAINT, right);
        if right_long == 0 {
            self.line(left);
        } else {
            self.line(&format!("{left}{space}{right}"));
        }
    }

    /// A text behind a painted label that shows `long` characters; further lines stand under the text.
    pub fn labelled(&mut self, label: &str, long: usize, text: &str) {
        let width = self.look.width().map(|width| width.saturating_sub(long).max(20));
        for (number, line) in wrap(text, width).iter().enumerate() {
            if number == 0 {
                self.line(&format!("{label}{line}"));
            } else {
                self.line(&format!("{}{line}", " ".repeat(long)));
            }
        }
    }

    /// The same in a faint style.
    pub fn faint(&mut self, indent: usize, text: &str) {
        let width = self.look.width().map(|width| width.saturating_sub(indent).max(20));
        for line in wrap(text, width) {
            let line = self.look.paint(FAINT, &line);
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
}
