//! The answers of many hosts on one page, or as one list of JSON. Every byte of theirs is a stranger's.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::super::render::Look;
use super::super::render::style::{STRONG, Sign};
use super::super::render::text::{clean, count};
use super::super::terminal::{SeenEnough, Terminal};
use super::answer::{Answer, Fate};
use super::{Layout, Plan, fleet, show};
use crate::api::wire::State;
use crate::escape;

/// Lines that are shown of one host's answer.
const LINES_MAX: usize = 100_000;

/// Prints them, and says how it went: the worst of them.
pub fn printed(terminal: &Terminal, plan: &Plan, mut answers: Vec<Answer>) -> anyhow::Result<Exit> {
    if matches!(plan.layout, Layout::Table { .. }) && !plan.json {
        answers.iter_mut().for_each(fleet::judge);
    }
    let exit = answers.iter().fold(Exit::Ok, |worst, answer| worst.worse(answer.exit));
    answers.sort_by_key(|answer| Reverse(answer.exit.rank()));
    let look = terminal.look();
    let mut text = String::new();
    if plan.json {
        return as_json(terminal, &answers, exit);
    }
    if answers.len() > 1 {
        text.push_str(&summary(&look, &answers));
    }
    match plan.layout {
        Layout::Table { all, sort } => text.push_str(&fleet::table(&look, &answers, (all, sort))),
        Layout::Lines => text.push_str(&in_lines(&look, &answers)),
        Layout::Pages => answers.iter().for_each(|answer| text.push_str(&page(&look, answer))),
    }
    show(terminal, &text, exit)
}

/// The list, with the host in each entry.
fn as_json(terminal: &Terminal, answers: &[Answer], mut exit: Exit) -> anyhow::Result<Exit> {
    let mut list = Vec::new();
    for answer in answers {
        let mut why = answer.why.clone();
        let mut fate = answer.fate.word();
        let mut code = answer.exit.status();
        let output = match answer.fate {
            Fate::Answered | Fate::Denied => answer.json().unwrap_or_else(|error| {
                why = Some(error);
                fate = "unreadable";
                code = Exit::Unknown.status();
                exit = exit.worse(Exit::Unknown);
                Value::Null
            }),
            Fate::Older | Fate::Missing | Fate::Unreachable | Fate::Late => Value::Null,
        };
        let remarks = &answer.remarks;
        list.push(json!({
            "host": answer.host, "result": fate, "exit": code, "error": why, "messages": remarks, "output": output,
        }));
    }
    SeenEnough::forgive(terminal.print_json(&list), exit)
}

/// The word for how it went with a host.
fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Ok => "ok",
        Exit::Warning => "warning",
        Exit::Critical => "critical",
        Exit::Unknown => "unknown",
        Exit::Usage => "wrong usage",
        Exit::Config => "bad configuration",
        Exit::OfCommand(_) => "failed",
    }
}

/// Its sign.
pub fn sign(look: &Look, exit: Exit) -> Sign {
    look.of_state(match exit {
        Exit::Ok => State::Ok,
        Exit::Warning => State::Degraded,
        Exit::Unknown => State::Unknown,
        Exit::Critical | Exit::Usage | Exit::Config | Exit::OfCommand(_) => State::Down,
    })
}

/// `40 hosts   ✖ 1 critical   ? 1 unknown   ● 38 ok`
fn summary(look: &Look, answers: &[Answer]) -> String {
    let mut line = look.paint(STRONG, &count(answers.len(), "host"));
    let mut rest = answers;
    while let Some(first) = rest.first() {
        let many = rest.iter().take_while(|answer| word(answer.exit) == word(first.exit)).count();
        line.push_str(&format!("   {} {many} {}", look.sign(sign(look, first.exit)), word(first.exit)));
        rest = rest.get(many..).unwrap_or_default();
    }
    line.push('\n');
    line
}

/// What one host said, line by line, harmless, and what is to be said of it.
fn said(answer: &Answer) -> Vec<String> {
    let output = answer.output.lines().take(LINES_MAX).map(|line| escape::lines(line).trim_end().to_owned());
    let mut lines: Vec<String> = match answer.fate {
        Fate::Answered | Fate::Denied => output.collect(),
        Fate::Older | Fate::Missing | Fate::Unreachable | Fate::Late => Vec::new(),
    };
    if answer.cut || answer.output.lines().nth(LINES_MAX).is_some() {
        lines.push("(its answer is longer; the rest is left out)".to_owned());
    }
    if answer.fate != Fate::Older {
        lines.extend(answer.remarks.iter().map(|line| clean(line)));
    }
    lines.extend(answer.why.iter().map(|why| clean(why)));
    lines
}

/// Each line behind its host.
fn in_lines(look: &Look, answers: &[Answer]) -> String {
    let width = answers.iter().map(|answer| answer.host.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for answer in answers {
        let mut lines = said(answer);
        lines.retain(|line| !line.trim().is_empty());
        if lines.is_empty() {
            lines.push(word(answer.exit).to_owned());
        }
        for line in lines {
            let host = format!("{:width$}", answer.host);
            text.push_str(&format!(
                "{} {}  {line}\n",
                look.sign(sign(look, answer.exit)),
                look.paint(STRONG, &host)
            ));
        }
    }
    text
}

/// A heading, and what the host said below it.
fn page(look: &Look, answer: &Answer) -> String {
    let host = look.paint(STRONG, &answer.host);
    let mut text = format!("\n{} {host}  {}\n", look.sign(sign(look, answer.exit)), word(answer.exit));
    for line in said(answer) {
        if line.is_empty() {
            text.push('\n');
        } else {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}
