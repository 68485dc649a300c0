//! Painted text taken apart again: for whoever paints otherwise than a terminal does.

use anstyle::{AnsiColor, Effects, Style};

/// The parts of a line that was painted by `Look::paint`, each with its style. Cleaned text of others has no escape sequence: all
/// that is found here is ours.
#[must_use]
pub fn spans(text: &str) -> Vec<(Style, &str)> {
    let mut parts = Vec::new();
    let mut style = Style::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        if !before.is_empty() {
            parts.push((style, before));
        }
        let (codes, next) = after.split_once('m').unwrap_or((after, ""));
        style = codes.split(';').fold(style, changed);
        rest = next;
    }
    if !rest.is_empty() {
        parts.push((style, rest));
    }
    parts
}

fn changed(style: Style, code: &str) -> Style {
    match code {
        "1" => style.effects(style.get_effects() | Effects::BOLD),
        "2" => style.effects(style.get_effects() | Effects::DIMMED),
        "31" => style.fg_color(Some(AnsiColor::Red.into())),
        "32" => style.fg_color(Some(AnsiColor::Green.into())),
        "33" => style.fg_color(Some(AnsiColor::Yellow.into())),
        "34" => style.fg_color(Some(AnsiColor::Blue.into())),
        "35" => style.fg_color(Some(AnsiColor::Magenta.into())),
        "36" => style.fg_color(Some(AnsiColor::Cyan.into())),
        _ => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::render::Look;
    use crate::api::wire::{State, Time};

    #[test]
    fn every_style_that_is_painted_is_read_back() {
        let look = Look {
            now: Time(0),
            zone: jiff::tz::TimeZone::UTC,
            colour: true,
            unicode: true,
            size: None,
            user: false,
            root: true,
        };
        let states =
            [State::Ok, State::Down, State::Degraded, State::Recovering, State::Held, State::Quarantined];
        for sign in states.into_iter().chain([State::Disabled]).map(|state| look.of_state(state)) {
            let painted = format!("a {} b", look.sign(sign));
            let plain = Style::new();
            assert_eq!(spans(&painted), [(plain, "a "), (sign.style, sign.sign), (plain, " b")]);
        }
        assert_eq!(spans("no colour"), [(Style::new(), "no colour")]);
        assert!(spans("").is_empty());
    }
}
