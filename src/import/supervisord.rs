//! supervisord's configuration: an INI file, as Python's configparser reads it.

use std::collections::BTreeMap;

use configparser::ini::Ini;

use crate::model::adopt::{Entry, Foreign, Left};

use super::values::budget;

/// Within which supervisord's own retries of a start count here: it has no such length.
const RETRIES_WITHIN: u64 = 900;

/// Reads the file.
///
/// # Errors
/// The line that cannot be read.
pub fn read(text: &str) -> Result<Foreign, String> {
    let mut ini = Ini::new_cs();
    ini.set_comment_symbols(&[';', '#']);
    // A `;` within a word is no comment there; `value` cuts those that are.
    ini.set_inline_comment_symbols(Some(&[]));
    ini.set_multiline(true);
    let sections = ini.read(text.to_owned())?;
    let places = places(text);
    let mut named: Vec<(&String, usize)> = sections
        .keys()
        .map(|name| (name, places.get(&(name.clone(), String::new())).copied().unwrap_or(0)))
        .collect();
    named.sort_by_key(|(_, line)| *line);
    let mut foreign = Foreign::default();
    for (section, line) in named {
        let Some(keys) = sections.get(section) else {
            continue;
        };
        let keys: Vec<Line> = keys
            .iter()
            .map(|(key, value)| Line {
                number: places.get(&(section.clone(), key.clone())).copied().unwrap_or(line),
                key: key.clone(),
                value: value.as_deref().map(self::value).unwrap_or_default(),
            })
            .collect();
        take(&mut foreign, section, line, keys);
    }
    Ok(foreign)
}

/// A key of a section.
struct Line {
    number: usize,
    key: String,
    value: String,
}

impl Line {
    fn written(&self) -> String {
        format!("{}={}", self.key, self.value)
    }
}

/// The value without the comments that Python would cut: those after a blank.
fn value(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let cut = line
            .char_indices()
            .zip(std::iter::once(' ').chain(line.chars()))
            .find(|((_, c), before)| matches!(c, ';' | '#') && before.is_whitespace());
        let end = cut.map_or(line.len(), |((at, _), _)| at);
        line.get(..end).unwrap_or(line).trim()
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Section and key → line; the section itself under an empty key.
fn places(text: &str) -> BTreeMap<(String, String), usize> {
    let mut places = BTreeMap::new();
    let mut section = String::new();
    for (number, raw) in (1..).zip(text.lines()) {
        let line = raw.trim();
        if line.starts_with([';', '#']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = name.trim().to_owned();
            places.insert((section.clone(), String::new()), number);
        } else if !raw.starts_with(char::is_whitespace) {
            let key = line.split(['=', ':']).next().unwrap_or_default().trim();
            places.entry((section.clone(), key.to_owned())).or_insert(number);
        }
    }
    places
}

fn take(foreign: &mut Foreign, section: &str, line: usize, mut keys: Vec<Line>) {
    keys.sort_by_key(|key| key.number);
    let (kind, name) = section.split_once(':').unwrap_or((section, ""));
    let text = format!("[{section}]");
    match kind {
        "program" | "fcgi-program" => {
            let mut entry = Entry { line, kind: kind.to_owned(), name: name.to_owned(), ..Entry::default() };
            for key in &keys {
                self::key(&mut entry, key);
            }
            if kind == "fcgi-program" {
                entry.leave(line, &text, "systemd passes a socket by a unit of its own, NAME.socket");
            }
            foreign.entries.push(entry);
        }
        "eventlistener" => {
            let why = "it receives events of supervisord, which ends with it; [alert.NAME] in steadfast.toml reports incidents";
            foreign.left.push(Left::new(line, &text, why));
        }
        "group" => {
            foreign.left.push(Left::new(line, &text, "systemd groups units by targets and slices"));
        }
        "include" => {
            let files = keys.iter().find(|key| key.key == "files").map(Line::written).unwrap_or_default();
            let why = "includes are not followed: read each with `adopt --from supervisord FILE`";
            foreign.left.push(Left::new(line, &format!("[include] {files}"), why));
        }
        // How supervisord itself is run and spoken to.
        _ => {}
    }
}

fn key(entry: &mut Entry, line: &Line) {
    let (number, text, value) = (line.number, line.written(), line.value.as_str());
    match line.key.as_str() {
        "command" => entry.start = Some(value.lines().collect::<Vec<_>>().join(" ")),
        "directory" => entry.directory = Some(value.to_owned()),
        "user" => entry.user = Some(value.to_owned()),
        "environment" => match environment(value) {
            Some(pairs) => entry.environment = pairs,
            None => entry.leave(number, &text, "it cannot be read as NAME=\"value\",…"),
        },
        "autorestart" if value == "false" => {
            entry.leave(
                number,
                &text,
                "Steadfast keeps active what it manages; mode = \"observe\" only reports",
            );
        }
        "autorestart" => entry.took(number, &text, "the condition Active; Restart= of the unit for crashes"),
        "autostart" if value == "false" => {
            entry.passive = true;
            entry.took(number, &text, "mode = \"observe\": it is not started by itself");
        }
        "autostart" => entry.took(number, &text, "the conditions Enabled and Boot"),
        "startretries" => match value.parse() {
            Ok(retries) if retries > 0 => {
                let seen =
                    format!("startretries of supervisord, line {number}; the interval is the usual one");
                entry.take(number, &text, budget(retries, RETRIES_WITHIN, &seen));
            }
            Ok(_) | Err(_) => entry.leave(number, &text, "no budget of no restarts"),
        },
        "numprocs" if value != "1" => {
            entry.leave(
                number,
                &text,
                "a template unit NAME@.service has several instances; a pattern manages them all",
            );
        }
        "stopsignal" | "stopwaitsecs" | "stopasgroup" | "killasgroup" => {
            entry.leave(number, &text, "KillSignal=, TimeoutStopSec= and KillMode= of the unit");
        }
        "exitcodes" => entry.leave(number, &text, "SuccessExitStatus= of the unit"),
        "startsecs" => entry.leave(number, &text, "a recovery is proven within verify_within of [recovery]"),
        "umask" => entry.leave(number, &text, "UMask= of the unit"),
        "priority" => entry.leave(number, &text, "After= of the unit orders what boot starts"),
        "process_name" | "numprocs" | "numprocs_start" | "redirect_stderr" => {}
        name if name.starts_with("stdout_") || name.starts_with("stderr_") => {
            entry.leave(number, &text, "the journal keeps what it writes");
        }
        _ => entry.leave(number, &text, "Steadfast has nothing like it"),
    }
}

/// `A="b",C='d'`, in one line or several.
fn environment(value: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = match after.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            Some(quote) => after.get(1..)?.split_once(quote)?,
            None => after.split_once([',', '\n']).unwrap_or((after, "")),
        };
        pairs.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = after.trim_start_matches([',', ' ', '\n', '\t']);
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_as_python_reads_it() {
        let text = "; main\n[program:mail]\ncommand=/usr/bin/mail --color=#fff;x ; really\nenvironment=A=\"b c\",\n  D='e'\nuser=www\nstartretries=5\nstopwaitsecs = 30\n";
        let foreign = read(text).unwrap();
        let mail = &foreign.entries[0];
        assert_eq!((mail.line, mail.name.as_str()), (2, "mail"));
        assert_eq!(mail.start.as_deref(), Some("/usr/bin/mail --color=#fff;x"));
        assert_eq!(mail.environment, [("A".into(), "b c".into()), ("D".into(), "e".into())]);
        assert_eq!(mail.tables[0].name, "recovery");
        assert_eq!((mail.left[0].line, mail.left[0].text.as_str()), (8, "stopwaitsecs=30"));
    }

    #[test]
    fn what_is_no_ini_file_is_told_by_its_line() {
        assert!(read("[program:x\n").unwrap_err().contains("line 1"));
    }
}
