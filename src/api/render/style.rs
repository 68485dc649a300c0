//! Colours and signs. A colour never stands alone: beside it are a sign and a word.

use anstyle::{AnsiColor, Style};

use super::Look;
use crate::api::wire::{ProbeStatus, Severity, State, StepResult, Truth};

const PLAIN: Style = Style::new();
const GOOD: Style = AnsiColor::Green.on_default();
/// For what is wrong, and for what is odd.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const ODD: Style = AnsiColor::Yellow.on_default();
const BUSY: Style = AnsiColor::Cyan.on_default();
const CALM: Style = AnsiColor::Blue.on_default();
const GIVEN_UP: Style = AnsiColor::Magenta.on_default().bold();

/// For what is read last.
pub const FAINT: Style = Style::new().dimmed();
/// For headings and names.
pub const STRONG: Style = Style::new().bold();

/// One character with its colour.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    pub sign: &'static str,
    pub style: Style,
}

impl Look {
    /// Text in a style, where colours are wished.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && style != PLAIN { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The sign in its colour.
    #[must_use]
    pub fn sign(&self, sign: Sign) -> String {
        self.paint(sign.style, sign.sign)
    }

    fn choose(&self, unicode: &'static str, ascii: &'static str, style: Style) -> Sign {
        let sign = if self.unicode { unicode } else { ascii };
        Sign { sign, style }
    }

    /// Of a unit's state.
    #[must_use]
    pub fn of_state(&self, state: State) -> Sign {
        match state {
            State::Ok => self.choose("●", "*", GOOD),
            State::Degraded => self.choose("▲", "!", ODD),
            State::Down => self.choose("✖", "x", BAD),
            State::Recovering => self.choose("↻", "~", BUSY),
            State::Held => self.choose("‖", "=", CALM),
            State::Quarantined => self.choose("⊘", "#", GIVEN_UP),
            State::Unknown => self.choose("?", "?", ODD),
            State::Disabled => self.choose("○", "o", FAINT),
        }
    }

    /// Of a condition.
    #[must_use]
    pub fn of_truth(&self, truth: Truth) -> Sign {
        match truth {
            Truth::True => self.choose("✓", "+", GOOD),
            Truth::False => self.choose("✖", "x", BAD),
            Truth::Unknown => self.choose("?", "?", ODD),
        }
    }

    /// Of a probe.
    #[must_use]
    pub fn of_probe(&self, status: ProbeStatus) -> Sign {
        self.of_truth(match status {
            ProbeStatus::Healthy => Truth::True,
            ProbeStatus::Unhealthy => Truth::False,
            ProbeStatus::Unknown => Truth::Unknown,
        })
    }

    /// Of a recovery's step.
    #[must_use]
    pub fn of_step(&self, result: StepResult) -> Sign {
        match result {
            StepResult::Done => self.of_truth(Truth::True),
            StepResult::Failed => self.of_truth(Truth::False),
            StepResult::Skipped => self.choose("–", "-", FAINT),
        }
    }

    /// Of a finding.
    #[must_use]
    pub fn of_severity(&self, severity: Severity) -> Sign {
        match severity {
            Severity::Critical => self.of_state(State::Down),
            Severity::Warning => self.of_state(State::Degraded),
        }
    }

    /// Leads from one thing to the next.
    #[must_use]
    pub fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// Between facts of one line.
    #[must_use]
    pub fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }

    /// Where something was cut off.
    #[must_use]
    pub fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }
}
