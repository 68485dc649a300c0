//! The units that a command is about: names, shell patterns, or all of them.

use globset::{GlobBuilder, GlobMatcher};

use super::Options;
use super::exit::Exit;
use super::recover::tell;
use super::render::text::clean;
use super::terminal::Terminal;
use crate::api::client::{Client, Error};
use crate::api::wire::{Reply, Unit};

/// Characters that make a pattern of a name.
const WILD: [char; 3] = ['*', '?', '['];

/// A unit's name as an argument. Whether there is such a unit, the daemon says.
///
/// # Errors
/// No unit can have this name: one sentence.
pub fn unit(text: &str) -> Result<String, String> {
    if is_pattern(text) {
        return Err("one unit is expected, not a pattern".to_owned());
    }
    unit_or_pattern(text)
}

/// A unit's name, or a shell pattern such as `web-*`.
///
/// # Errors
/// No unit can have this name: one sentence.
pub fn unit_or_pattern(text: &str) -> Result<String, String> {
    let odd = |letter: &char| letter.is_whitespace() || letter.is_control() || *letter == '/';
    if text.is_empty() {
        return Err("a unit name is expected".to_owned());
    }
    if let Some(letter) = text.chars().find(odd) {
        return Err(format!("a unit name cannot contain {letter:?}"));
    }
    if is_pattern(text) {
        matcher(text)?;
    }
    Ok(text.to_owned())
}

/// The text is a shell pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(WILD)
}

fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let built = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(false).build();
    built.map(|glob| glob.compile_matcher()).map_err(|error| format!("not a shell pattern: {}", error.kind()))
}

/// Whether a unit is meant by a pattern, with or without `.service`.
pub fn is_match(pattern: &str, unit: &str) -> bool {
    let matches = |name: &str| matcher(pattern).is_ok_and(|matcher| matcher.is_match(name));
    matches(unit) || unit.strip_suffix(".service").is_some_and(matches)
}

/// Units that a command is about.
#[derive(Debug)]
pub struct Chosen {
    pub units: Vec<String>,
    /// Patterns chose them, or there are several: each reply names its unit.
    pub several: bool,
}

impl Chosen {
    /// Named one by one; a pattern and `all` mean the managed units that `wanted` lets pass.
    ///
    /// # Errors
    /// A pattern that matches no managed unit; the daemon cannot be asked.
    pub async fn of(
        client: &Client,
        names: &[String],
        all: bool,
        wanted: impl Fn(&Unit) -> bool,
    ) -> Result<Self, Error> {
        if !all && !names.iter().any(|name| is_pattern(name)) {
            return Ok(Self { units: names.to_vec(), several: names.len() > 1 });
        }
        let known = client.status().await?.units;
        // A dependency is only probed: there is nothing to hold.
        let local = |unit: &&Unit| !unit.unit.ends_with(".dependency");
        let mut units = Vec::new();
        let patterns: &[String] = if all { &["*".to_owned()] } else { names };
        for pattern in patterns {
            if !is_pattern(pattern) {
                units.push(pattern.clone());
                continue;
            }
            let mut matching =
                known.iter().filter(local).filter(|unit| is_match(pattern, &unit.unit)).peekable();
            if matching.peek().is_none() && !all {
                return Err(Error::NotManaged(format!("cannot find a managed unit that matches {pattern}")));
            }
            units.extend(matching.filter(|unit| wanted(unit)).map(|unit| unit.unit.clone()));
        }
        let mut seen = std::collections::BTreeSet::new();
        units.retain(|unit| seen.insert(unit.clone()));
        Ok(Self { units, several: true })
    }

    /// Asks for each of them, and prints what became of it; the exit status is the worst.
    ///
    /// # Errors
    /// It cannot be printed; the only unit cannot be asked for.
    pub async fn each(
        &self,
        options: &Options,
        terminal: &Terminal,
        ask: impl AsyncFn(&str) -> Result<Reply, Error>,
    ) -> anyhow::Result<Exit> {
        if let ([unit], false) = (self.units.as_slice(), self.several) {
            return tell(options, terminal, &ask(unit).await?);
        }
        let mut exit = Exit::Ok;
        let mut replies = Vec::new();
        for unit in &self.units {
            let reply = match ask(unit).await {
                Ok(reply) => reply,
                Err(error) if matches!(error, Error::Unreachable(_)) => return Err(error.into()),
                Err(error) => {
                    exit = exit.worse(Exit::of_client(&error));
                    replies.push(
                        serde_json::json!({"unit": unit, "result": "refused", "error": error.to_string()}),
                    );
                    if !options.json {
                        terminal.remark(&format!("steadfast: {}", clean(&error.to_string())));
                    }
                    continue;
                }
            };
            exit = exit.worse(Exit::of_reply(&reply));
            if options.json {
                let mut value = serde_json::to_value(&reply)?;
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("unit".to_owned(), unit.as_str().into());
                }
                replies.push(value);
            } else {
                tell(options, terminal, &reply)?;
            }
        }
        if options.json {
            terminal.print_json(&replies)?;
        }
        Ok(exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_with_and_without_the_suffix() {
        assert!(is_match("web-?", "web-1.service") && is_match("web-*.service", "web-1.service"));
        assert!(is_match("worker@*", "worker@a.service") && is_match("*.timer", "dump.timer"));
        assert!(!is_match("web-?", "web-10.service") && !is_match("web", "web-1.service"));
        assert!(is_match("[ab].service", "a.service") && !is_match("[ab]", "c.service"));
    }

    #[test]
    fn what_no_unit_can_be_called_is_refused() {
        for wrong in ["", "a b", "../shop", "a\nb", "web-["] {
            assert!(unit_or_pattern(wrong).is_err(), "{wrong:?}");
        }
        assert!(unit("web-*").is_err() && unit("dev-disk\\x2dby.swap").is_ok());
    }
}
