//! Painted text and pieces of a page as elements.

use anstyle::{AnsiColor, Color, Effects, Style};
use maud::{Markup, html};

use crate::api::render::Look;
use crate::api::render::page::Block;
use crate::api::render::spans::spans;
use crate::api::render::style::Sign;
use crate::api::wire::{State, Time};

/// A text that may be painted.
pub fn painted(text: &str) -> Markup {
    html! {
        @for (style, part) in spans(text) {
            @match class(style) {
                Some(class) => span class=(class) { (part) },
                None => (part),
            }
        }
    }
}

/// What the style sheet calls a style.
fn class(style: Style) -> Option<&'static str> {
    Some(match style.get_fg_color() {
        Some(Color::Ansi(AnsiColor::Green)) => "g",
        Some(Color::Ansi(AnsiColor::Red)) => "r",
        Some(Color::Ansi(AnsiColor::Yellow)) => "y",
        Some(Color::Ansi(AnsiColor::Cyan)) => "c",
        Some(Color::Ansi(AnsiColor::Blue)) => "b",
        Some(Color::Ansi(AnsiColor::Magenta)) => "m",
        Some(_) => return None,
        None if style.get_effects().contains(Effects::DIMMED) => "f",
        None if style.get_effects().contains(Effects::BOLD) => "s",
        None => return None,
    })
}

/// A sign, for the eye alone: a word stands beside it.
pub fn sign(sign: Sign) -> Markup {
    html! { span class=(class(sign.style).unwrap_or_default()) aria-hidden="true" { (sign.sign) } }
}

/// Sign and word of a state.
pub fn state(look: &Look, state: State) -> Markup {
    html! { span class=(format!("state {}", state.as_str())) { (sign(look.of_state(state))) " " (state.as_str()) } }
}

/// A moment, as people say it here.
pub fn clock(look: &Look, time: Time) -> Markup {
    html! { time datetime=(time.to_string()) { (look.clock(time)) } }
}

/// Pieces of a page; headings of this level.
pub fn blocks(blocks: &[Block], level: u8) -> Markup {
    html! {
        @for block in blocks {
            @match block {
                Block::Gap => div.gap {},
                Block::Heading(title) => (heading(title, level)),
                Block::Line(line) => p.l { code { (painted(line.trim())) } },
                Block::Ends { left, right, .. } => p.l { (painted(left)) " " span.f { (right) } },
                Block::Labelled { label, text, .. } => p.l {
                    @if !label.trim().is_empty() { span.k { (painted(label)) } }
                    span { (painted(text.trim_start())) }
                },
                Block::Faint { text, .. } => p."l f" { span.k {} span { (text) } },
            }
        }
    }
}

fn heading(title: &str, level: u8) -> Markup {
    // Shouting is for terminals, which have no other letters for it.
    let (shout, rest) = title.split_once(',').map_or((title, None), |(shout, rest)| (shout, Some(rest)));
    let mut letters = shout.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    let title = format!("{first}{}", letters.as_str().to_lowercase().replace("steadfast", "Steadfast"));
    let title = rest.map_or(title.clone(), |rest| format!("{title},{rest}"));
    html! {
        @match level {
            2 => h2 { (title) },
            3 => h3 { (title) },
            _ => h4 { (title) },
        }
    }
}
