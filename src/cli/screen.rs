//! The whole terminal as a canvas: taken, and given back as it was, however we end.

use std::io::{self, Stdout};
use std::sync::Once;

use anstyle::{AnsiColor, Color as Painted, Effects};
use anyhow::Context;
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::render::spans::spans;

/// Inputs that wait.
const WAITING: usize = 64;

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Screen(ratatui::Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Standard output is none, or cannot be written to.
    pub fn open() -> anyhow::Result<Self> {
        give_back_on_panic();
        let opened = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture))
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(io::stdout())));
        if opened.is_err() {
            give_back();
        }
        Ok(Self(opened.context("cannot use the terminal")?))
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.0.draw(draw).map(drop).context("cannot write to the terminal")
    }

    /// Draws all of it anew with the next picture.
    ///
    /// # Errors
    /// As for `draw`.
    pub fn forget(&mut self) -> anyhow::Result<()> {
        self.0.clear().context("cannot write to the terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // Nobody is left who could be told that it does not work.
    let _left =
        execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, ratatui::crossterm::cursor::Show);
    let _cooked = disable_raw_mode();
}

/// What a panic says is read on a terminal as it was.
fn give_back_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panicked| {
            give_back();
            usual(panicked);
        }));
    });
}

/// Keys, the mouse, and new sizes, read by a thread of their own.
#[must_use]
pub fn inputs() -> mpsc::Receiver<Event> {
    let (tell, told) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
    told
}

/// Returns when somebody wants us to end.
///
/// # Errors
/// Signals cannot be waited for.
pub async fn ended() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// A text from a line on, with a note of what does not fit; the line from which on it was drawn.
pub fn sheet(frame: &mut Frame<'_>, text: Text<'_>, (top, style): (usize, Style), area: Rect) -> usize {
    let height = usize::from(area.height);
    let top = top.min(text.lines.len().saturating_sub(height));
    let below = text.lines.len().saturating_sub(top + height);
    let shown: Vec<Line<'_>> = text.lines.into_iter().skip(top).take(height).collect();
    frame.render_widget(Paragraph::new(shown).style(style), area);
    if below > 0 {
        let more = format!(" {below} more: PgDn ");
        let width = u16::try_from(more.len()).unwrap_or(0).min(area.width);
        let corner = Rect { x: area.right() - width, y: area.bottom().saturating_sub(1), width, height: 1 };
        frame
            .render_widget(Paragraph::new(more).style(Style::new().add_modifier(Modifier::REVERSED)), corner);
    }
    top
}

/// A painted text for the canvas.
#[must_use]
pub fn canvas(text: &str) -> Text<'static> {
    text.lines().map(line).collect::<Vec<_>>().into()
}

/// A painted line for the canvas.
#[must_use]
pub fn line(text: &str) -> Line<'static> {
    let parts = spans(text).into_iter().map(|(style, part)| Span::styled(part.to_owned(), style_of(style)));
    parts.collect::<Vec<_>>().into()
}

fn style_of(style: anstyle::Style) -> Style {
    let colour = match style.get_fg_color() {
        Some(Painted::Ansi(AnsiColor::Red)) => Some(Color::Red),
        Some(Painted::Ansi(AnsiColor::Green)) => Some(Color::Green),
        Some(Painted::Ansi(AnsiColor::Yellow)) => Some(Color::Yellow),
        Some(Painted::Ansi(AnsiColor::Blue)) => Some(Color::Blue),
        Some(Painted::Ansi(AnsiColor::Magenta)) => Some(Color::Magenta),
        Some(Painted::Ansi(AnsiColor::Cyan)) => Some(Color::Cyan),
        Some(_) | None => None,
    };
    let mut shown = Style::new();
    shown.fg = colour;
    if style.get_effects().contains(Effects::BOLD) {
        shown = shown.add_modifier(Modifier::BOLD);
    }
    if style.get_effects().contains(Effects::DIMMED) {
        shown = shown.add_modifier(Modifier::DIM);
    }
    shown
}
