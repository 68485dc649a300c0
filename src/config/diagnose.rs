//! From a mistake at a place in a text to a problem that a person can mend: file, line, column, caret, suggestion.

use std::ops::Range;
use std::path::Path;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::model::spec::Problem;

/// How alike a wrong key and a known one must be to be suggested (Jaro-Winkler).
const ALIKE: f64 = 0.75;

/// Keys of a unit file and of steadfast.toml that stand in no table.
const TOP: [&str; 13] = [
    "admin_group",
    "audit_every",
    "changes_within",
    "listen",
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

/// The problem as people see it.
pub fn problem(file: &Path, text: &str, mistake: &Mistake) -> Problem {
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
    let mut group =
        Level::ERROR.primary_title(mistake.message.as_str()).elements(mistake.span.clone().map(|span| {
            let end = span.end.clamp(span.start, text.len());
            let mark = AnnotationKind::Primary.span(span.start.min(text.len())..end);
            Snippet::source(text).path(path.as_str()).annotation(mark)
        }));
    let whole = format!("in {path}");
    if mistake.span.is_none() {
        group = group.element(Level::NOTE.message(whole.as_str()));
    }
    if let Some(help) = &mistake.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let report = [group];
    Renderer::plain().decor_style(DecorStyle::Ascii).render(&report)
}
