//! What a host's answer comes to: a stranger's bytes, until they are read as what they should be.

use serde_json::Value;

use super::super::exit::Exit;
use super::ssh::{Heard, Ssh};

/// ssh itself failed.
const SSH_FAILED: i32 = 255;
/// A shell's statuses for a program that it cannot find, or not run.
const NOT_FOUND: i32 = 127;
const NOT_RUN: i32 = 126;
/// Lines of what a host says besides its answer.
const REMARKS_MAX: usize = 100;
/// Characters of such a line.
const REMARK_MAX: usize = 500;

/// How it went with one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answered,
    /// The user of the connection may not do that there.
    Denied,
    /// What was asked is not known there.
    Older,
    /// There is no `steadfast` that its user can run.
    Missing,
    Unreachable,
    Late,
}

impl Fate {
    /// As JSON has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Denied => "denied",
            Self::Older => "older",
            Self::Missing => "not-installed",
            Self::Unreachable => "unreachable",
            Self::Late => "timeout",
        }
    }
}

/// One host's answer.
#[derive(Debug)]
pub struct Answer {
    pub host: String,
    pub fate: Fate,
    pub exit: Exit,
    pub output: String,
    /// What it said on standard error.
    pub remarks: Vec<String>,
    /// Why there is no answer, or what to do about the one there is: one sentence.
    pub why: Option<String>,
    /// The output was longer than what is kept of it.
    pub cut: bool,
}

impl Answer {
    /// Asks one host.
    ///
    /// # Errors
    /// There is no ssh here.
    pub async fn of(ssh: &Ssh, host: &str, line: &str) -> anyhow::Result<Self> {
        let heard = ssh.run(host, line).await?;
        let late = heard.late;
        let mut answer = Self::read(host, heard);
        if late {
            answer.why = Some(format!("no answer within {} s (--host-timeout)", ssh.limit.as_secs()));
        }
        if answer.fate == Fate::Older {
            let heard = ssh.run(host, "steadfast --version").await?;
            let version =
                String::from_utf8_lossy(&heard.output).lines().next().unwrap_or_default().trim().to_owned();
            let version: String = version.chars().take(60).collect();
            let what = answer.remarks.first().cloned().unwrap_or_default();
            let there =
                if version.is_empty() { "its steadfast".to_owned() } else { format!("{version} there") };
            answer.why =
                Some(format!("{there} does not know what was asked ({what}): upgrade it, or ask for less"));
        }
        Ok(answer)
    }

    fn read(host: &str, heard: Heard) -> Self {
        let remarks = lines(&heard.remarks);
        let output = String::from_utf8_lossy(&heard.output).into_owned();
        let mut answer = Self {
            host: host.to_owned(),
            fate: Fate::Answered,
            exit: Exit::Unknown,
            output,
            remarks,
            why: None,
            cut: heard.cut,
        };
        match heard.code {
            None if heard.late => answer.fate = Fate::Late,
            None => answer.lost("ssh was ended by a signal"),
            Some(SSH_FAILED) => answer.lost("ssh failed, and did not say why"),
            Some(NOT_FOUND | NOT_RUN) => {
                answer.fate = Fate::Missing;
                let said =
                    answer.remarks.last().cloned().unwrap_or_else(|| "its shell did not say why".to_owned());
                answer.why = Some(format!("steadfast cannot be run there: {said}"));
            }
            Some(64) if answer.remarks.iter().any(|line| line.starts_with("error: ")) => {
                answer.fate = Fate::Older;
                answer.remarks.retain(|line| line.starts_with("error: "));
            }
            Some(code) => answer.exit = of_code(code),
        }
        let more_rights = |line: &String| line.starts_with("try: sudo ");
        if answer.fate == Fate::Answered && answer.remarks.iter().any(more_rights) {
            answer.fate = Fate::Denied;
            // That line is for somebody who is there.
            answer.remarks.retain(|line| !more_rights(line));
            let machine = host.rsplit_once('@').map_or(host, |(_, machine)| machine);
            answer.why =
                Some(format!("this user is not permitted: log in as one who is, such as -H root@{machine}"));
        }
        answer
    }

    /// ssh did not get there; its last line says why.
    fn lost(&mut self, silent: &str) {
        self.fate = Fate::Unreachable;
        let said = self.remarks.pop().unwrap_or_else(|| silent.to_owned());
        self.why = Some(format!("unreachable: {said}"));
    }

    /// The output as JSON: one value, or the list of its lines where each is one.
    ///
    /// # Errors
    /// It is something else: one sentence.
    pub fn json(&self) -> Result<Value, String> {
        let text = self.output.trim();
        if text.is_empty() {
            return Ok(Value::Null);
        }
        if let Ok(value) = serde_json::from_str(text) {
            return Ok(value);
        }
        let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        match lines {
            Ok(lines) => Ok(Value::Array(lines)),
            Err(_) if self.cut => Err("its answer is longer than what is kept of it".to_owned()),
            Err(error) => Err(format!("its answer is not JSON: {error}")),
        }
    }
}

fn of_code(code: i32) -> Exit {
    match code {
        0 => Exit::Ok,
        1 => Exit::Warning,
        2 => Exit::Critical,
        64 => Exit::Usage,
        78 => Exit::Config,
        _ => Exit::Unknown,
    }
}

/// The lines that say something, as far as they are kept.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    // ssh ends its lines with a carriage return, too.
    let lines = text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty());
    let ours =
        |line: &str| line.strip_prefix("steadfast: ").unwrap_or(line).chars().take(REMARK_MAX).collect();
    let mut lines: Vec<String> = lines.map(ours).collect();
    let over = lines.len().saturating_sub(REMARKS_MAX);
    lines.drain(..over);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: i32, output: &str, remarks: &str) -> Answer {
        let heard =
            Heard { code: Some(code), output: output.into(), remarks: remarks.into(), ..Heard::default() };
        Answer::read("me@web1", heard)
    }

    #[test]
    fn who_is_not_reached_is_unknown_with_the_reason_of_ssh() {
        let answer = read(255, "", "ssh: connect to host web1 port 22: Connection refused\r\n");
        assert_eq!((answer.fate, answer.exit), (Fate::Unreachable, Exit::Unknown));
        assert_eq!(answer.why.unwrap(), "unreachable: ssh: connect to host web1 port 22: Connection refused");
        assert_eq!(read(255, "", "").why.unwrap(), "unreachable: ssh failed, and did not say why");
    }

    #[test]
    fn who_may_not_is_told_how() {
        let answer = read(1, "", "steadfast: cannot hold a: only root may\ntry: sudo steadfast hold a\n");
        assert_eq!((answer.fate, answer.exit), (Fate::Denied, Exit::Warning));
        assert_eq!(answer.remarks, ["cannot hold a: only root may"]);
        assert!(answer.why.unwrap().ends_with("-H root@web1"));
    }

    #[test]
    fn a_program_that_is_missing_or_older_is_named() {
        let missing = read(127, "", "bash: line 1: steadfast: command not found\n");
        assert_eq!((missing.fate, missing.exit), (Fate::Missing, Exit::Unknown));
        let older = read(64, "", "error: unexpected argument '--sort' found\n\nUsage: steadfast status\n");
        assert_eq!((older.fate, older.remarks.len()), (Fate::Older, 1));
        let wrong = read(64, "", "steadfast: cannot find it\n");
        assert_eq!((wrong.fate, wrong.exit), (Fate::Answered, Exit::Usage));
    }

    #[test]
    fn json_is_one_value_or_one_a_line() {
        assert_eq!(read(0, "{\"a\": 1}\n", "").json().unwrap()["a"], 1);
        assert_eq!(read(0, "{\"a\":1}\n{\"a\":2}\n", "").json().unwrap()[1]["a"], 2);
        assert_eq!(read(0, "", "").json(), Ok(Value::Null));
        assert!(read(0, "hello\n", "").json().is_err());
        let deep = "[".repeat(100_000);
        assert!(read(0, &deep, "").json().is_err());
    }
}
