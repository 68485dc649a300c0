//! What somebody switched off by making it a comment: whole checks, and statements inside a check that is in force.

use crate::model::adopt::{CommentedOut, Format};

use crate::model::adopt::shown;

/// Blocks of one file that are told.
const BLOCKS: usize = 200;
/// Lines of a comment that says why.
const REASON: usize = 4;
/// Examples that the supervisors' own sample files bring.
const SAMPLES: [&str; 12] = [
    "check system $HOST",
    "check file apache_bin with path /usr/local/apache/bin/httpd",
    "check process apache with pidfile /usr/local/apache/logs/httpd.pid",
    "check filesystem datafs with path /dev/sdb1",
    "check file database with path /data/mydatabase.db",
    "check directory bin with path /bin",
    "check host myserver with address 192.168.1.1",
    "check network public with interface eth0",
    "check program myscript with path /usr/local/bin/myscript.sh",
    "[program:theprogramname]",
    "[eventlistener:theeventlistenername]",
    "[group:thegroupname]",
];

/// A line of a comment, without the sign that makes it one.
struct Line<'t> {
    number: usize,
    raw: &'t str,
    text: &'t str,
}

/// Every block that would be in force if it were no comment.
pub fn find(format: Format, text: &str) -> Vec<CommentedOut> {
    let runs = runs(format, text);
    let mut found = Vec::new();
    let mut before: &[Line<'_>] = &[];
    for run in &runs {
        let near =
            before.last().zip(run.first()).is_some_and(|(last, first)| first.number - last.number == 2);
        found.extend(of_run(format, run, if near { before } else { &[] }));
        before = run;
    }
    found.truncate(BLOCKS);
    found
}

/// Comments in consecutive lines.
fn runs(format: Format, text: &str) -> Vec<Vec<Line<'_>>> {
    let mut runs: Vec<Vec<Line<'_>>> = Vec::new();
    let mut embedded = false;
    for (number, raw) in (1..).zip(text.lines()) {
        let ruby = format == Format::God;
        if ruby && (raw.starts_with("=begin") || raw.starts_with("=end")) {
            embedded = raw.starts_with("=begin");
            continue;
        }
        let text = if embedded { Some(raw) } else { uncommented(format, raw) };
        let Some(text) = text else {
            continue;
        };
        let line = Line { number, raw, text };
        match runs.last_mut().filter(|run| run.last().is_some_and(|last| last.number + 1 == number)) {
            Some(run) => run.push(line),
            None => runs.push(vec![line]),
        }
    }
    runs
}

/// The line without its `#` (or `;`), where it is a comment as a whole.
fn uncommented(format: Format, raw: &str) -> Option<&str> {
    let line = raw.trim_start();
    let signs: &[char] = if format == Format::Supervisord { &[';', '#'] } else { &['#'] };
    let rest = line.strip_prefix(signs)?;
    Some(rest.trim_start_matches(signs))
}

fn of_run(format: Format, run: &[Line<'_>], before: &[Line<'_>]) -> Vec<CommentedOut> {
    let mut found = Vec::new();
    let (mut at, mut free) = (0, 0);
    while let Some(line) = run.get(at) {
        let rest = run.get(at..).unwrap_or_default();
        let long = match head(format, line.text) {
            Head::Block => block(format, rest),
            Head::Statement => rest.iter().take_while(|line| statement(format, line.text)).count(),
            Head::Prose => {
                at += 1;
                continue;
            }
        };
        let lines = rest.get(..long.max(1)).unwrap_or(rest);
        let after = rest.get(long.max(1)..).unwrap_or_default();
        let above = run.get(free..at).unwrap_or_default();
        at += lines.len();
        free = at;
        let what = what(format, lines);
        let sample = SAMPLES.contains(&line.text.trim());
        if !sample {
            found.push(CommentedOut {
                line: line.number,
                last: lines.last().map_or(line.number, |last| last.number),
                what,
                why: why(format, above, after, before),
                text: lines.iter().map(|line| line.raw.to_owned()).collect(),
            });
        }
    }
    found
}

enum Head {
    Block,
    Statement,
    Prose,
}

/// What a comment would be if it were none.
fn head(format: Format, text: &str) -> Head {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let block = match format {
        Format::Monit => match words.as_slice() {
            ["check" | "CHECK", kind, _, how, ..] => is_kind(kind) && is_how(how),
            ["check" | "CHECK", "system", _] => true,
            _ => false,
        },
        Format::Supervisord => ["[program:", "[eventlistener:", "[fcgi-program:", "[group:"]
            .iter()
            .any(|start| text.starts_with(start) && text.contains(']')),
        Format::God => text.starts_with("God.watch do") || text.starts_with("God.watch {"),
    };
    if block {
        Head::Block
    } else if statement(format, text) {
        Head::Statement
    } else {
        Head::Prose
    }
}

fn is_kind(word: &str) -> bool {
    let kinds =
        ["process", "program", "host", "file", "fifo", "directory", "filesystem", "device", "network"];
    kinds.contains(&word.to_ascii_lowercase().as_str())
}

fn is_how(word: &str) -> bool {
    ["with", "pidfile", "path", "matching", "address", "interface"]
        .contains(&word.to_ascii_lowercase().as_str())
}

/// A statement of a check: exact enough not to take prose for one.
fn statement(format: Format, text: &str) -> bool {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    match format {
        Format::Monit => match words.as_slice() {
            [
                "if",
                "failed" | "not" | "does" | "cpu" | "mem" | "totalmem" | "memory" | "children" | "loadavg"
                | "space" | "inode" | "changed",
                ..,
            ] => text.contains(" then "),
            ["if", number, "restart" | "restarts", "within", ..] => number.parse::<u32>().is_ok(),
            ["depends", "on", _] => true,
            ["start" | "stop", "program", "=", ..] => true,
            _ => false,
        },
        // Its sample file is full of keys with their defaults.
        Format::Supervisord => false,
        Format::God => {
            let name: String = text.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let rest = text.get(name.len()..).unwrap_or_default();
            let blocky = text.ends_with('|') && text.contains(" do |");
            let call = rest.starts_with('.') && (rest.contains(" = ") || blocky);
            !name.is_empty() && call || text == "end"
        }
    }
}

/// How many lines the block has that begins with the first.
fn block(format: Format, lines: &[Line<'_>]) -> usize {
    let indent = |line: &Line<'_>| line.text.len() - line.text.trim_start().len();
    let first = lines.first().map_or(0, indent);
    let rest = lines.iter().skip(1);
    match format {
        Format::Monit => {
            let inside = |line: &&Line<'_>| {
                let text = line.text.trim();
                let header = matches!(head(format, text), Head::Block);
                !text.is_empty() && !header && (indent(line) > first || statement(format, text))
            };
            1 + rest.take_while(inside).count()
        }
        Format::Supervisord => {
            let inside = |line: &&Line<'_>| {
                let text = line.text.trim();
                !text.starts_with('[') && (text.contains('=') || indent(line) > first + 1)
            };
            1 + rest.take_while(inside).count()
        }
        Format::God => {
            let mut depth = 0_usize;
            for (at, line) in lines.iter().enumerate() {
                let text = line.text.trim();
                depth += usize::from(super::god::opens(text));
                if super::god::closes(text) {
                    depth = depth.saturating_sub(1);
                }
                if depth == 0 {
                    return at + 1;
                }
            }
            lines.len()
        }
    }
}

/// `God.watch delayed_job`, `check process nginx`, `[program:mail]`, or the statement itself.
fn what(format: Format, lines: &[Line<'_>]) -> String {
    let first = lines.first().map_or("", |line| line.text.trim());
    let words: Vec<&str> = first.split_whitespace().collect();
    match (format, words.as_slice()) {
        (Format::Monit, ["check" | "CHECK", kind, name, ..]) => format!("check {kind} {name}"),
        (Format::Supervisord, _) => shown(first.split_inclusive(']').next().unwrap_or(first)),
        (Format::God, ["God.watch", ..]) => {
            let named = lines.iter().find_map(|line| super::god::name(line.text));
            named.map_or_else(|| "God.watch".to_owned(), |name| format!("God.watch {name}"))
        }
        _ => shown(first),
    }
}

/// The comment that stands beside it: right above, else right below, else the one above a blank line.
fn why(format: Format, above: &[Line<'_>], after: &[Line<'_>], before: &[Line<'_>]) -> Option<String> {
    let prose =
        |line: &&Line<'_>| !line.text.trim().is_empty() && matches!(head(format, line.text), Head::Prose);
    let join = |lines: Vec<&Line<'_>>| -> Option<String> {
        let text = lines.iter().map(|line| line.text.trim()).collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then(|| shown(&text))
    };
    let last = |lines: &[Line<'_>]| {
        let mut kept: Vec<usize> =
            lines.iter().enumerate().rev().take_while(|(_, line)| prose(line)).map(|(at, _)| at).collect();
        kept.truncate(REASON);
        kept.reverse();
        join(kept.into_iter().filter_map(|at| lines.get(at)).collect())
    };
    last(above)
        .or_else(|| join(after.iter().take_while(prose).take(REASON).collect()))
        .or_else(|| if above.is_empty() { last(before) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(format: Format, text: &str) -> Vec<(usize, usize, String, Option<String>)> {
        find(format, text).into_iter().map(|one| (one.line, one.last, one.what, one.why)).collect()
    }

    #[test]
    fn a_watch_that_was_switched_off_is_told_with_the_reason_beside_it() {
        let text = "God.watch do |w|\n  w.name = \"web\"\nend\n\n# This is buggy\n# God.watch do |w|\n#   w.name = \"dj\"\n#   w.start_if do |start|\n#     start.condition(:process_running) { |c| c.running = false }\n#   end\n# end\n# God.pid_file_directory is elsewhere\n";
        let dj = (6, 11, "God.watch dj".to_owned(), Some("This is buggy".to_owned()));
        assert_eq!(told(Format::God, text), [dj]);
    }

    #[test]
    fn a_reason_may_stand_above_a_blank_line_or_below() {
        let above = "# Flaps since Tuesday.\n\n#[program:mail]\n#command=/bin/mail\n";
        let mail = (3, 4, "[program:mail]".to_owned(), Some("Flaps since Tuesday.".to_owned()));
        assert_eq!(told(Format::Supervisord, above), [mail]);
        let below = ";[program:mail]\n;command=/bin/mail\n; nobody needs it\n";
        let mail = (1, 2, "[program:mail]".to_owned(), Some("nobody needs it".to_owned()));
        assert_eq!(told(Format::Supervisord, below), [mail]);
    }

    #[test]
    fn statements_of_a_check_that_is_in_force_are_told_and_prose_is_not() {
        let text = "check process nginx with pidfile /run/nginx.pid\n  start program = \"/bin/true\"\n  # if failed port 80 then restart\n  # if it fails, call Joe\n# check process old with pidfile /run/old.pid\n#   if 3 restarts within 5 cycles then unmonitor\n";
        let told: Vec<_> = told(Format::Monit, text).into_iter().map(|one| (one.0, one.1, one.2)).collect();
        assert_eq!(
            told,
            [(3, 3, "if failed port 80 then restart".to_owned()), (5, 6, "check process old".to_owned())]
        );
    }

    #[test]
    fn samples_that_a_package_brings_are_not_told() {
        let text = "#  check process apache with pidfile /usr/local/apache/logs/httpd.pid\n#    if children > 250 then restart\n";
        assert_eq!(told(Format::Monit, text), []);
        assert_eq!(told(Format::Supervisord, ";[program:theprogramname]\n;command=/bin/cat\n"), []);
    }

    #[test]
    fn an_embedded_document_of_ruby_is_a_comment() {
        let text = "=begin\nThis is buggy\nGod.watch do |w|\n  w.name = 'dj'\nend\n=end\n";
        let dj = (3, 5, "God.watch dj".to_owned(), Some("This is buggy".to_owned()));
        assert_eq!(told(Format::God, text), [dj]);
    }
}
