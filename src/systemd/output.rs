//! What a command wrote, within a limit: its first and its last bytes, as lines.

use std::collections::VecDeque;

/// How much of a command's output is kept: half from its beginning, half from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    pub bytes: usize,
    pub lines: usize,
}

impl Default for OutputLimit {
    /// 64 KiB and 100 lines: enough for the stack trace of a smoke test.
    fn default() -> Self {
        Self { bytes: 64 * 1024, lines: 100 }
    }
}

/// Takes all that a command writes, keeps the ends.
#[derive(Debug)]
pub(super) struct Output {
    limit: OutputLimit,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
    /// The line that is being written, for `wait_for`.
    line: Vec<u8>,
}

impl Output {
    pub(super) fn new(limit: OutputLimit) -> Self {
        Self { limit, head: Vec::new(), tail: VecDeque::new(), left_out: 0, line: Vec::new() }
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = (self.limit.bytes / 2).saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.limit.bytes / 2);
        self.tail.drain(..over);
        self.left_out += over;
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> usize {
        self.head.len().saturating_add(self.tail.len()).saturating_add(self.left_out)
    }

    /// Whether a line that these next bytes continue or begin contains `wanted`.
    pub(super) fn says(&mut self, bytes: &[u8], wanted: &str) -> bool {
        let mut said = false;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // A line longer than the whole limit is not searched further.
            if self.line.len() < self.limit.bytes {
                self.line.extend_from_slice(piece);
            }
            said |= contains(&self.line, wanted.as_bytes());
            if piece.ends_with(b"\n") {
                self.line.clear();
            }
        }
        said
    }

    /// The lines that were kept, with a line that says how much was left out between them.
    pub(super) fn into_lines(self) -> Vec<String> {
        let mut head = self.head;
        let tail: Vec<u8> = self.tail.into_iter().collect();
        if self.left_out == 0 {
            head.extend_from_slice(&tail);
            return shorten(lines(&head), self.limit.lines);
        }
        let half = self.limit.lines / 2;
        let mut kept = lines(&head);
        kept.truncate(half);
        kept.push(format!("[… {} bytes left out …]", self.left_out));
        let last = lines(&tail);
        kept.extend(last.iter().skip(last.len().saturating_sub(half)).cloned());
        kept
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The first and the last half of too many lines.
fn shorten(all: Vec<String>, limit: usize) -> Vec<String> {
    if all.len() <= limit {
        return all;
    }
    let half = limit / 2;
    let left_out = all.len() - 2 * half;
    let mut kept: Vec<String> = all.iter().take(half).cloned().collect();
    kept.push(format!("[… {left_out} lines left out …]"));
    kept.extend(all.iter().skip(half + left_out).cloned());
    kept
}

fn contains(line: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && line.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: OutputLimit, written: &[&str]) -> Vec<String> {
        let mut output = Output::new(limit);
        for bytes in written {
            output.push(bytes.as_bytes());
        }
        assert_eq!(output.written(), written.iter().map(|bytes| bytes.len()).sum::<usize>());
        output.into_lines()
    }

    #[test]
    fn keeps_all_that_fits() {
        let limit = OutputLimit::default();
        assert_eq!(kept(limit, &["one\ntw", "o\nthree"]), ["one", "two", "three"]);
        assert_eq!(kept(limit, &[]), Vec::<String>::new());
    }

    #[test]
    fn keeps_both_ends_of_too_many_lines_and_bytes() {
        let limit = OutputLimit { bytes: 1024, lines: 4 };
        assert_eq!(kept(limit, &["1\n2\n3\n4\n5\n6\n"]), ["1", "2", "[… 2 lines left out …]", "5", "6"]);
        let limit = OutputLimit { bytes: 8, lines: 100 };
        assert_eq!(
            kept(limit, &["a\nb\n", "xxxxxxxx", "\ny\nz"]),
            ["a", "b", "[… 8 bytes left out …]", "", "y", "z"]
        );
    }

    #[test]
    fn finds_words_across_reads_and_not_across_lines() {
        let mut output = Output::new(OutputLimit::default());
        assert!(!output.says(b"Loaded un", "units and"));
        assert!(output.says(b"its and more\nLoaded", "units and"));
        assert!(!output.says(b" units\nand", "units and"));
    }
}
