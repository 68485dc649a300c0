//! `adopt`: what became of each unit; and what the file of another supervisor says, line by line.

use serde::Serialize;

use super::Look;
use super::page::Page;
use super::style::{FAINT, STRONG};
use super::text::{clean, count};
use crate::adopt::{Adopted, Fate, Imported, Matched};
use crate::api::wire::{Severity, Truth};
use crate::model::adopt::{About, CommentedOut, Entry};

/// Lines of a block that was commented out.
const BLOCK: usize = 60;

/// The report of a foreign file, as JSON.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    file: &'a str,
    entries: Vec<ReportedEntry<'a>>,
    commented_out: Vec<ReportedComment<'a>>,
    left: Vec<Statement<'a>>,
}

#[derive(Debug, Serialize)]
struct ReportedEntry<'a> {
    line: usize,
    kind: &'a str,
    name: &'a str,
    unit: Option<&'a str>,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_text: Option<&'a str>,
    taken: Vec<Statement<'a>>,
    left: Vec<Statement<'a>>,
}

/// A statement; `told`: what it became, or why it stays.
#[derive(Debug, Serialize)]
struct Statement<'a> {
    line: usize,
    text: &'a str,
    told: &'a str,
}

#[derive(Debug, Serialize)]
struct ReportedComment<'a> {
    line: usize,
    last: usize,
    what: &'a str,
    why: Option<&'a str>,
    text: &'a [String],
}

/// The same as data.
#[must_use]
pub fn report<'a>(file: &'a str, imported: &'a Imported) -> Report<'a> {
    let pairs = imported.foreign.entries.iter().zip(&imported.matched);
    Report {
        file,
        entries: pairs.map(|(entry, matched)| reported(entry, matched)).collect(),
        commented_out: imported
            .foreign
            .commented_out
            .iter()
            .map(|one| ReportedComment {
                line: one.line,
                last: one.last,
                what: &one.what,
                why: one.why.as_deref(),
                text: &one.text,
            })
            .collect(),
        left: imported
            .foreign
            .left
            .iter()
            .map(|left| Statement { line: left.line, text: &left.text, told: &left.why })
            .collect(),
    }
}

fn reported<'a>(entry: &'a Entry, matched: &'a Matched) -> ReportedEntry<'a> {
    let taken = entry.taken.iter();
    let left = entry.left.iter();
    ReportedEntry {
        line: entry.line,
        kind: &entry.kind,
        name: &entry.name,
        unit: matched.unit.as_ref().map(|unit| unit.as_str()),
        why: &matched.why,
        unit_text: matched.unit_text.as_deref(),
        taken: taken.map(|one| Statement { line: one.line, text: &one.text, told: &one.into }).collect(),
        left: left.map(|one| Statement { line: one.line, text: &one.text, told: &one.why }).collect(),
    }
}

/// What the foreign file says.
#[must_use]
pub fn foreign(look: &Look, file: &str, imported: &Imported) -> String {
    let mut page = Page::new(look);
    let (foreign, matched) = (&imported.foreign, &imported.matched);
    let units = matched.iter().filter(|one| one.unit.is_some()).count();
    let entries = if foreign.entries.len() == 1 {
        "1 entry".to_owned()
    } else {
        format!("{} entries", foreign.entries.len())
    };
    page.line(&format!(
        "{}: {entries}, {units} of them a unit of this host, {} commented out there",
        look.paint(STRONG, &clean(file)),
        foreign.commented_out.len()
    ));
    if !foreign.commented_out.is_empty() {
        page.heading("COMMENTED OUT THERE: not watched");
        for one in &foreign.commented_out {
            commented(&mut page, one);
        }
    }
    if !foreign.entries.is_empty() {
        page.heading("ENTRIES");
    }
    for (entry, matched) in foreign.entries.iter().zip(matched) {
        self::entry(&mut page, entry, matched, &imported.adopted);
    }
    if !foreign.left.is_empty() {
        page.heading("NOT TAKEN OVER, OF THE WHOLE FILE");
        for left in &foreign.left {
            statement(&mut page, left.line, &left.text, Err(&left.why));
        }
    }
    page.heading("FILES");
    page.into_text()
}

fn commented(page: &mut Page<'_>, one: &CommentedOut) {
    let look = page.look;
    let sign = look.sign(look.of_severity(Severity::Warning));
    let lines = if one.line == one.last {
        format!("line {}", one.line)
    } else {
        format!("lines {}-{}", one.line, one.last)
    };
    let why = one.why.as_ref().map_or_else(
        || "no comment says why".to_owned(),
        |why| format!("the comment beside it says \"{}\"", clean(why)),
    );
    page.labelled(&format!("  {sign} "), 4, &format!("{}, {lines}: {why}", clean(&one.what)));
    for (number, line) in (one.line..).zip(one.text.iter().take(BLOCK)) {
        page.line(&look.paint(FAINT, &format!("      {number:>4}  {}", clean(line))));
    }
    let more = one.text.len().saturating_sub(BLOCK);
    if more > 0 {
        page.faint(12, &format!("{} and {more} more lines", look.ellipsis()));
    }
}

fn entry(page: &mut Page<'_>, entry: &Entry, matched: &Matched, adopted: &[Adopted]) {
    let look = page.look;
    let truth = if matched.unit.is_some() {
        Truth::True
    } else if entry.about == About::Process || entry.tables.is_empty() {
        Truth::False
    } else {
        Truth::Unknown
    };
    let sign = look.sign(look.of_truth(truth));
    let name = look.paint(STRONG, &clean(&entry.name));
    let told = format!("{name} ({}, line {}): {}", clean(&entry.kind), entry.line, clean(&matched.why));
    page.labelled(&format!("  {sign} "), 4, &told);
    let file = matched.unit.as_ref().and_then(|unit| adopted.iter().find(|one| one.unit == *unit));
    let taken =
        entry.taken.iter().map(|one| (one.line, &one.text, Ok(fate(&one.into, entry, matched, file))));
    let left = entry.left.iter().map(|one| (one.line, &one.text, Err(one.why.clone())));
    let mut statements: Vec<_> = taken.chain(left).collect();
    statements.sort_by_key(|(line, ..)| *line);
    for (line, text, told) in statements {
        statement(page, line, text, told.as_deref().map_err(String::as_str));
    }
    if let Some(text) = &matched.unit_text {
        let arrow = look.paint(FAINT, look.arrow());
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        let name = if entry.name.chars().all(plain) { entry.name.as_str() } else { "NAME" };
        page.line(&format!(
            "      {arrow} write its unit first, such as /etc/systemd/system/{name}.service:"
        ));
        for line in text.lines() {
            page.line(format!("          {}", clean(line)).trim_end());
        }
    }
}

/// What a statement became: in force, a comment because it was not well, or nothing yet.
fn fate(into: &str, entry: &Entry, matched: &Matched, file: Option<&Adopted>) -> String {
    let comment = file.is_some_and(|one| one.text.lines().any(|line| line == format!("# {into}")));
    if comment {
        format!("{into}, a comment: its trial failed just now")
    } else if matched.unit.is_none() && entry.about == About::Process && into.starts_with('[') {
        format!("{into}, once it is a unit")
    } else {
        into.to_owned()
    }
}

/// `Ok`: what it became; `Err`: why it stays behind.
fn statement(page: &mut Page<'_>, line: usize, text: &str, told: Result<&str, &str>) {
    let look = page.look;
    let (sign, told) = match told {
        Ok(into) => (look.sign(look.of_truth(Truth::True)), format!("{} {}", look.arrow(), clean(into))),
        Err(why) => (look.paint(FAINT, "-"), format!("not taken over: {}", clean(why))),
    };
    page.labelled(&format!("      {sign} {line:>4}  "), 14, &format!("{}  {told}", clean(text)));
}

/// A unit each: what is watched, and what comes next.
#[must_use]
pub fn adopted(look: &Look, adopted: &[Adopted], untold: &[String]) -> String {
    let mut page = Page::new(look);
    let widest = adopted.iter().map(|one| one.unit.as_str().chars().count()).max().unwrap_or(0);
    for one in adopted {
        let (truth, told) = match &one.fate {
            Fate::Written | Fate::Shown => (Truth::True, one.watched.join("; ")),
            Fate::Exists => {
                (Truth::Unknown, format!("{} is there already and stays as it is", one.file.display()))
            }
            Fate::Refused(why) => (Truth::False, format!("not adopted: {why}")),
        };
        let sign = look.sign(look.of_truth(truth));
        let name = look.paint(STRONG, &format!("{:<widest$}", clean(one.unit.as_str())));
        page.labelled(&format!("{sign} {name}  "), widest + 4, &clean(&told));
        for sentence in &one.from_now_on {
            page.labelled("    ", 4, &look.paint(FAINT, &clean(sentence)));
        }
        if let Some(next) = next(one, look.program()) {
            let arrow = look.paint(FAINT, look.arrow());
            page.line(&format!("  {arrow} {}", clean(&next)));
        }
    }
    if adopted.is_empty() {
        page.line("no file was written: no entry belongs to a unit of this host, or none could be tried");
    }
    if !untold.is_empty() {
        page.heading(look.not_known());
        let sign = look.sign(look.of_truth(Truth::Unknown));
        for sentence in untold {
            page.labelled(&format!("  {sign} "), 4, &clean(sentence));
        }
    }
    let written = adopted.iter().filter(|one| one.fate == Fate::Written).count();
    if adopted.len() > 1 && written > 0 {
        page.gap();
        page.line(&format!(
            "{} written; what was not tried, or failed, is a comment in each",
            count(written, "file")
        ));
    }
    page.into_text()
}

/// What to do next about it.
#[must_use]
pub fn next(one: &Adopted, program: &str) -> Option<String> {
    match &one.fate {
        Fate::Written if one.unit.is_dependency() => Some(format!("{program} check")),
        Fate::Written => Some(format!("{program} check {}", one.unit)),
        Fate::Exists if one.unit.is_dependency() => None,
        Fate::Exists => Some(format!("{program} adopt --diff {}", one.unit)),
        Fate::Shown | Fate::Refused(_) => None,
    }
}
