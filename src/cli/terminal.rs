//! Where the output goes: a terminal or not, how wide, with which characters. Writing to a closed pipe ends quietly.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::Options;
use super::exit::Exit;
use super::render::Look;
use super::render::text::clean;
use crate::api::wire::Time;
use crate::escape;

/// Standard output and standard error of one command.
#[derive(Clone, Debug)]
pub struct Terminal {
    colour: bool,
    unicode: bool,
    /// Standard output is a terminal, of this size if it is known.
    size: Option<(u16, u16)>,
    user: bool,
    zone: TimeZone,
}

/// A line on standard error that says how far a command is, while somebody looks on.
#[derive(Debug)]
pub struct Waiting {
    watched: bool,
    told: Option<Instant>,
}

impl Waiting {
    /// How often the line is written anew.
    const PACE: Duration = Duration::from_millis(100);

    pub fn new() -> Self {
        let plain = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { watched: io::stderr().is_terminal() && !plain, told: None }
    }

    /// Somebody sees the line.
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// So many units were read, of so many.
    pub fn tell(&mut self, read: usize, all: usize) {
        self.say(|| format!("checking: {read} of {all} units answered"));
    }

    /// Writes the line anew, as much of it as fits.
    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if self.watched && self.told.is_none_or(|told| told.elapsed() >= Self::PACE) {
            self.told = Some(Instant::now());
            let size = terminal_size::terminal_size_of(io::stderr());
            let width = size.map_or(USUAL_SIZE.0, |(width, _)| width.0);
            let fits: String = clean(&line()).chars().take(usize::from(width.saturating_sub(1))).collect();
            Self::write(&format!("\r\x1b[K{fits}"));
        }
    }

    /// Takes the line away.
    pub fn end(&mut self) {
        if self.told.take().is_some() {
            Self::write("\r\x1b[K");
        }
    }

    fn write(text: &str) {
        let mut stderr = io::stderr().lock();
        // Nobody is helped by an error about a line that only passes the time.
        let _written = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// A terminal that does not tell its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

impl Terminal {
    pub fn of(options: &Options) -> Self {
        let stdout = io::stdout();
        let wanted = anstream::AutoStream::choice(&stdout);
        let size = terminal_size::terminal_size().map(|(width, height)| (width.0, height.0));
        Self {
            colour: !options.no_color && wanted != anstream::ColorChoice::Never,
            unicode: speaks_utf8(|name| env::var(name).ok()),
            size: stdout.is_terminal().then(|| size.unwrap_or(USUAL_SIZE)),
            user: options.user,
            zone: TimeZone::system(),
        }
    }

    /// A person looks at it, now.
    pub fn is_interactive(&self) -> bool {
        self.size.is_some()
    }

    /// Somebody is there to answer a question.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks, and waits for a line that agrees.
    pub fn ask(&self, question: &str) -> bool {
        let answer = self.line(question).unwrap_or_default();
        matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Asks, and waits for a line; nothing, where there is none.
    pub fn line(&self, question: &str) -> Option<String> {
        let mut stderr = io::stderr().lock();
        stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).ok()?;
        drop(stderr);
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer).ok()?;
        (read > 0).then_some(answer)
    }

    /// How a page is to look if it is printed now.
    pub fn look(&self) -> Look {
        Look {
            now: Time::now(),
            zone: self.zone.clone(),
            colour: self.colour,
            unicode: self.unicode,
            size: self.size,
            user: self.user,
            root: nix::unistd::geteuid().is_root(),
        }
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// It cannot be written, for any other reason than a reader who has seen enough.
    pub fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(SeenEnough.into()),
            Err(error) => Err(anyhow::anyhow!("cannot write to standard output: {error}")),
            Ok(()) => Ok(()),
        }
    }

    /// Writes as JSON, indented.
    ///
    /// # Errors
    /// As for `print`.
    pub fn print_json(&self, data: &impl Serialize) -> anyhow::Result<()> {
        let mut json = escape::json(serde_json::to_string_pretty(data)?);
        json.push('\n');
        self.print(&json)
    }

    /// Says on standard error why a command ended.
    pub fn complain(&self, error: &anyhow::Error) {
        if error.is::<SeenEnough>() {
            return;
        }
        let mut line = String::from("steadfast: ");
        let _infallible = write!(line, "{error:#}");
        self.remark(&line);
    }

    /// One line to standard error.
    pub fn remark(&self, line: &str) {
        // Nobody is left who could be told that standard error is closed.
        let _written = writeln!(io::stderr(), "{}", clean(line));
    }
}

/// The reader of our output went away, as `head` does.
#[derive(Debug, thiserror::Error)]
#[error("the reader has seen enough")]
pub struct SeenEnough;

impl SeenEnough {
    /// Printing to a reader that went away is no trouble: the exit status is that of the command.
    ///
    /// # Errors
    /// Any other error.
    pub fn forgive(printed: anyhow::Result<()>, exit: Exit) -> anyhow::Result<Exit> {
        match printed {
            Err(error) if !error.is::<Self>() => Err(error),
            Ok(()) | Err(_) => Ok(exit),
        }
    }
}

/// As the C library decides: the first of these that is set and not empty.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.ends_with("utf-8") || locale.ends_with("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_beyond_ascii_only_where_the_locale_has_them() {
        let speaks = |set: &[(&str, &str)]| {
            speaks_utf8(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(speaks(&[("LANG", "en_GB.UTF-8")]));
        assert!(speaks(&[("LANG", "C"), ("LC_CTYPE", "C.utf8")]));
        assert!(!speaks(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")]));
        assert!(!speaks(&[("LANG", "C")]));
        assert!(!speaks(&[]));
    }
}
