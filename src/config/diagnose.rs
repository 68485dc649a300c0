//! From a mistake at a place in a text to a problem that a person can mend: file, line, column, caret, suggestion.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::words;
use crate::escape;
use crate::model::spec::Problem;

/// How alike a wrong key and a known one must be to be suggested (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// Problems of one file that are told; where there are more, the last one says how many.
pub const PROBLEMS: usize = 10;
/// Characters of a sentence about a mistake: it names keys and values as they are written.
const SENTENCE: usize = 500;
/// Bytes of a line that is shown whole.
const LINE: usize = 300;
/// Characters around the mistake in a line that is not.
const AROUND: usize = 80;

/// Keys of a unit file and of steadfast.toml that stand in no table.
const TOP: [&str; 16] = [
    "admin_group",
    "allowed_hosts",
    "audit_every",
    "changes_within",
    "listen",
    "log_lines",
    "page_url",
    "postmortem_after",
    "resync",
    "startup_hold",
    "mode",
    "owner",
    "requires",
    "runbook",
    "severity",
    "unit",
];

/// A mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes of the text; `None` means the whole file.
    pub span: Option<Range<usize>>,
    /// "cannot X: cause", without the place.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake at a place.
    pub fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span: Some(span), message: message.into(), help: None }
    }

    /// A mistake of the whole file.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { span: None, message: message.into(), help: None }
    }

    /// The same with a way out.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// What toml, serde and our own types of keys say, in our words.
pub fn of_toml(error: &toml::de::Error) -> Mistake {
    let span = error.span();
    // The second line is the way out, where a type of ours says one.
    let mut lines = error.message().trim().lines();
    let said = lines.next().unwrap_or_default();
    if let Some((key, known)) = expected_keys(said) {
        return unknown_key(span, key, &known);
    }
    if said.starts_with("cannot ") {
        return Mistake { span, message: said.to_owned(), help: lines.next().map(str::to_owned) };
    }
    if let Some((message, help)) = words::in_words(said) {
        return Mistake { span, message, help };
    }
    Mistake { span, message: format!("cannot read it: {said}"), help: None }
}

/// A key that is not among those that are known there.
pub fn unknown_key(span: Option<Range<usize>>, key: &str, known: &[&str]) -> Mistake {
    let message = format!("cannot use `{key}`: there is no such key");
    if TOP.contains(&key) && !known.contains(&key) {
        let help = format!("`{key}` belongs above the first [table]: a key below one is a key of that table");
        return Mistake { span, message, help: Some(help) };
    }
    let help = nearest(key, known).map_or_else(
        || format!("known here are {}", known.join(", ")),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    Mistake { span, message, help: Some(help) }
}

/// ``unknown field `x`, expected one of `a`, `b` ``.
fn expected_keys(said: &str) -> Option<(&str, Vec<&str>)> {
    let rest = said.strip_prefix("unknown field `")?;
    let key = rest.split('`').next()?;
    Some((key, rest.split('`').skip(2).step_by(2).collect()))
}

pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|name| (strsim::jaro_winkler(key, name), *name));
    let best = near.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// As many as are told of one file.
pub fn first(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    let all = mistakes.len();
    if all > PROBLEMS {
        mistakes.truncate(PROBLEMS - 1);
        let more = all - mistakes.len();
        let message = format!("cannot read it: {more} more mistakes stand in it");
        mistakes.push(
            Mistake::whole(message)
                .help("is it a file for Steadfast? correct the first ones, then look again"),
        );
    }
    mistakes
}

/// A text of others that is short enough to be told.
fn clipped(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The problem as people see it.
pub fn problem(file: &Path, text: &str, mistake: &Mistake) -> Problem {
    let shorter = Mistake {
        span: mistake.span.clone(),
        message: clipped(&mistake.message, SENTENCE),
        help: mistake.help.as_deref().map(|help| clipped(help, SENTENCE)),
    };
    let mistake = &shorter;
    let (line, column) = mistake.span.as_ref().map_or((0, 0), |span| place(text, span.start));
    let mut message = mistake.message.clone();
    if let Some(help) = &mistake.help {
        message = format!("{message}; {help}");
    }
    Problem {
        file: file.display().to_string(),
        line,
        column,
        message,
        rendered: rendered(file, text, mistake),
        last_good_in_force: false,
    }
}

/// 1-based line and column (in characters) of a byte.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

fn rendered(file: &Path, text: &str, mistake: &Mistake) -> String {
    let path = file.display().to_string();
    let long = mistake.span.as_ref().and_then(|span| long_line(text, span));
    let shown = mistake.span.clone().filter(|_| long.is_none());
    let mut group = Level::ERROR.primary_title(mistake.message.as_str()).elements(shown.map(|span| {
        let end = span.end.clamp(span.start, text.len());
        let mark = AnnotationKind::Primary.span(span.start.min(text.len())..end);
        Snippet::source(text).path(path.as_str()).annotation(mark)
    }));
    let whole = match (&mistake.span, long) {
        (Some(span), Some(part)) => {
            let (line, column) = place(text, span.start);
            format!("in {path}:{line}:{column}, a long line: {part}")
        }
        _ => format!("in {path}"),
    };
    if mistake.span.is_none() || whole.contains(", a long line: ") {
        group = group.element(Level::NOTE.message(whole.as_str()));
    }
    if let Some(help) = &mistake.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let report = [group];
    Renderer::plain().decor_style(DecorStyle::Ascii).render(&report)
}

/// A part of the first or last line that a mistake stands in, where one of them is too long to be shown.
fn long_line(text: &str, span: &Range<usize>) -> Option<String> {
    let start = span.start.min(text.len());
    let lines = [start, span.end.clamp(start, text.len())].map(|at| {
        let before = text.get(..at).unwrap_or(text);
        let begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        text.get(begins..).and_then(|rest| rest.lines().next()).unwrap_or_default().len()
    });
    if lines.into_iter().all(|length| length <= LINE) {
        return None;
    }
    let rest = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    Some(escape::line(&clipped(rest, AROUND)))
}
