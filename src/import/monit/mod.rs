//! monit's control file.

mod condition;
mod tokens;

use crate::model::adopt::{About, Entry, Foreign, Left};

use super::values::{budget, unit_seconds};
use condition::Place;
use tokens::{Token, statements};

/// Reads the file.
pub fn read(text: &str) -> Foreign {
    let mut foreign = Foreign::default();
    let mut cycle = None;
    for statement in statements(text) {
        let words: Vec<&str> = statement.iter().map(|token| token.lower.as_str()).collect();
        let line = statement.first().map_or(0, |token| token.line);
        match words.as_slice() {
            ["set", "daemon", seconds, ..] => cycle = seconds.parse().ok(),
            ["set", "alert" | "mailserver" | "mail-format" | "eventqueue" | "mmonit", ..] => {
                let why = "alert receivers are set in steadfast.toml, [alert.NAME]; `steadfast test-alert` tries it";
                foreign.left.push(Left::new(line, &written(&statement), why));
            }
            ["include", ..] => {
                let why = "includes are not followed: read each with `adopt --from monit FILE`";
                foreign.left.push(Left::new(line, &written(&statement), why));
            }
            // How monit itself is run and spoken to.
            ["set", ..] => {}
            ["check", ..] => foreign.entries.push(check(&statement)),
            _ => match foreign.entries.last_mut() {
                Some(entry) => of_check(entry, &statement, cycle),
                None => foreign.left.push(Left::new(line, &written(&statement), "it is not understood")),
            },
        }
    }
    foreign
}

/// A statement as it is written, in one line.
fn written(statement: &[Token]) -> String {
    statement.iter().map(Token::shown).collect::<Vec<_>>().join(" ")
}

/// The word after one of these.
fn after<'t>(statement: &'t [Token], names: &[&str]) -> Option<&'t str> {
    let at = statement.iter().position(|token| !token.quoted && names.contains(&token.lower.as_str()))?;
    let noise = ["=", "path", "is"];
    let rest = statement.iter().skip(at + 1).find(|token| !noise.contains(&token.lower.as_str()));
    rest.map(|token| token.text.as_str())
}

/// `check process NAME with pidfile PATH`.
fn check(statement: &[Token]) -> Entry {
    let word = |at: usize| statement.get(at).map(|token| token.text.clone()).unwrap_or_default();
    let kind = word(1).to_ascii_lowercase();
    let mut entry = Entry {
        line: statement.first().map_or(0, |token| token.line),
        kind: format!("check {kind}"),
        name: word(2),
        ..Entry::default()
    };
    let text = written(statement);
    match kind.as_str() {
        "process" => {
            entry.pidfile = after(statement, &["pidfile"]).map(str::to_owned);
            entry.matching = after(statement, &["matching", "match"]).map(str::to_owned);
        }
        "host" => {
            entry.about = About::Thing;
            entry.directory = after(statement, &["address"]).map(str::to_owned);
        }
        "filesystem" | "device" | "file" | "fifo" | "directory" => {
            entry.about = About::Thing;
            entry.directory = after(statement, &["path"]).map(str::to_owned);
        }
        "program" => {
            entry.about = About::Thing;
            let why = "a dependency runs no command: put [probe.NAME] with command into the file of the unit that it is about";
            entry.leave(entry.line, &text, why);
        }
        _ => {
            entry.about = About::Thing;
            entry.leave(
                entry.line,
                &text,
                "Steadfast watches units and what they need, not the machine's figures",
            );
        }
    }
    entry
}

/// A statement of the check before it.
fn of_check(entry: &mut Entry, statement: &[Token], cycle: Option<u64>) {
    let line = statement.first().map_or(0, |token| token.line);
    let text = written(statement);
    let words: Vec<&str> = statement.iter().map(|token| token.lower.as_str()).collect();
    match words.as_slice() {
        ["start", ..] => start(entry, statement),
        ["stop" | "restart", ..] => {
            entry.leave(line, &text, "systemd stops and restarts it: ExecStop= of the unit");
        }
        ["depends" | "depend", rest @ ..] => {
            let names = statement.iter().skip(words.len() - rest.len()).filter(|token| token.lower != "on");
            let names = names.flat_map(|token| token.text.split(',')).filter(|name| !name.is_empty());
            entry.depends.extend(names.map(|name| (line, name.to_owned())));
            entry.took(line, &text, "`requires`, where it is a unit that is managed");
        }
        ["if", rest @ ..] => condition(entry, line, &text, rest, statement, cycle),
        ["group", ..] => entry.leave(line, &text, "systemd groups units by targets and slices"),
        ["mode", "passive", ..] => {
            entry.passive = true;
            entry.took(line, &text, "mode = \"observe\": it is reported, and nothing is done");
        }
        ["mode", ..] | ["onreboot", ..] => {
            entry.leave(line, &text, "`systemctl enable` decides what boot starts")
        }
        ["every", ..] => entry.leave(line, &text, "each probe has its own period"),
        ["alert" | "noalert", ..] => {
            entry.leave(line, &text, "alert receivers are set in steadfast.toml, [alert.NAME] with match");
        }
        _ => entry.leave(line, &text, "it is not understood"),
    }
}

/// `start program = "…" as uid "www" and gid "www" with timeout 60 seconds`.
fn start(entry: &mut Entry, statement: &[Token]) {
    let program = statement.iter().find(|token| token.quoted || token.text.starts_with('/'));
    entry.start = program.map(|token| token.text.clone());
    entry.user = after(statement, &["uid"]).map(str::to_owned);
    entry.group = after(statement, &["gid"]).map(str::to_owned);
}

fn condition(
    entry: &mut Entry,
    line: usize,
    text: &str,
    rest: &[&str],
    statement: &[Token],
    cycle: Option<u64>,
) {
    match rest {
        // `if 3 restarts within 5 cycles then unmonitor`
        [times, "restart" | "restarts", within @ ..] if times.parse::<u64>().is_ok() => {
            let number = within.iter().find_map(|word| word.parse::<u64>().ok());
            let unit = within.iter().find_map(|word| match *word {
                "cycle" | "cycles" => cycle,
                word => unit_seconds(word).filter(|_| !word.is_empty()),
            });
            let times = times.parse().unwrap_or(0);
            match (number, unit) {
                (Some(number), Some(unit)) if times > 0 && number > 0 => {
                    let seen = format!("monit, line {line}: a cycle has {unit}s");
                    entry.take(line, text, budget(times, number.saturating_mul(unit), &seen));
                }
                _ => entry.leave(line, text, "how long a cycle is, is not said (`set daemon SECONDS`)"),
            }
        }
        ["failed", ..] => {
            let place = Place { entry_kind: entry.kind.clone(), subject: entry.directory.clone() };
            match condition::failed(statement, line, &place) {
                Ok(table) => entry.take(line, text, table),
                Err(why) => entry.leave(line, text, why),
            }
        }
        ["not", "exist", ..] | ["does", "not", "exist", ..] if entry.about == About::Process => {
            entry.took(line, text, "the condition Active");
        }
        ["space" | "inode" | "inodes" | "timestamp" | "mtime", ..] => {
            match condition::figure(statement, line, entry.directory.as_deref()) {
                Ok(table) => entry.take(line, text, table),
                Err(why) => entry.leave(line, text, why),
            }
        }
        _ => entry.leave(line, text, condition::why_not(rest)),
    }
}
