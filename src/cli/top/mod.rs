//! `top`: the host on one screen as it changes, and the orders that people give most.

pub mod app;
pub mod ask;
pub mod draw;
mod feed;
mod help;
pub mod keys;

use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyEventKind};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Options;
use super::exit::Exit;
use super::screen::{Screen, ended, inputs};
use super::terminal::Terminal;
use crate::api::client::Client;
use crate::api::wire::Time;

use app::{App, Choice};
use draw::draw;
use feed::{Came, WAITING};
use keys::Wish;

/// After an event others may follow at once: the picture is read for all of them.
const SETTLE: Duration = Duration::from_millis(200);
/// The picture is read at most this often, and at least that often: figures change without an event.
const PACE: Duration = Duration::from_secs(1);
const FIGURES: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only units whose names contain this
    #[arg(default_value = "")]
    filter: String,
}

pub(super) async fn run(
    options: &Options,
    terminal: &Terminal,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    if !terminal.is_interactive() {
        anyhow::bail!("cannot draw: standard output is not a terminal (try: steadfast status)");
    }
    let client = options.client()?;
    let app = App::new(terminal.look(), arguments.filter.clone());
    let (tell, came) = mpsc::channel(WAITING);
    let mut desk = Desk {
        app,
        client,
        user: options.user,
        tell,
        reading: None,
        wanted: None,
        read_at: Instant::now(),
        looking: None,
        journal: None,
    };
    let screen = Screen::open()?;
    tokio::select! {
        drawn = desk.serve(screen, came) => drawn?,
        waited = ended() => waited?,
    }
    Ok(Exit::Ok)
}

/// The screen, and what it waits for.
struct Desk {
    app: App,
    client: Client,
    user: bool,
    tell: mpsc::Sender<Came>,
    /// The picture is being read.
    reading: Option<JoinHandle<()>>,
    /// It is to be read then.
    wanted: Option<Instant>,
    read_at: Instant,
    /// Which unit was asked for last.
    looking: Option<String>,
    /// Whose journal is followed.
    journal: Option<(String, Option<Child>)>,
}

impl Desk {
    async fn serve(&mut self, mut screen: Screen, mut came: mpsc::Receiver<Came>) -> anyhow::Result<()> {
        let follower = tokio::spawn(feed::follow(self.client.clone(), self.tell.clone()));
        let mut inputs = inputs();
        self.wanted = Some(Instant::now());
        loop {
            self.app.look.now = Time::now();
            screen.draw(|frame| draw(frame, &mut self.app))?;
            let next = self.next();
            tokio::select! {
                input = inputs.recv() => {
                    let Some(input) = input else { break };
                    match self.input(input) {
                        Wish::Nothing => {}
                        Wish::Quit => break,
                        Wish::Redraw => screen.forget()?,
                        Wish::Give(order) => {
                            tokio::spawn(feed::give(self.client.clone(), order, self.tell.clone()));
                        }
                    }
                }
                Some(one) = came.recv() => {
                    self.take(one);
                    // What came along with it is drawn with it.
                    while let Ok(more) = came.try_recv() {
                        self.take(more);
                    }
                }
                () = sleep_until(next) => {}
            }
            self.follow_choice();
            self.read();
        }
        follower.abort();
        Ok(())
    }

    /// When something is to be done, or drawn, though nothing comes.
    fn next(&self) -> Instant {
        let figures = self.read_at + FIGURES;
        let tick = self.app.counts_down() || self.app.away.is_some();
        let tick = tick.then(|| Instant::now() + Duration::from_secs(1));
        [self.wanted.filter(|_| self.reading.is_none()), tick]
            .into_iter()
            .flatten()
            .fold(figures, Instant::min)
    }

    fn input(&mut self, input: Event) -> Wish {
        match input {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.app.key(key),
            Event::Mouse(mouse) => {
                self.app.mouse(mouse);
                Wish::Nothing
            }
            // A terminal of another size is drawn anew by itself.
            Event::Key(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost | Event::Paste(_) => {
                Wish::Nothing
            }
        }
    }

    fn take(&mut self, came: Came) {
        match came {
            Came::Connected => self.wanted = Some(Instant::now()),
            Came::Event(event) => {
                self.app.take_event(event);
                self.wanted.get_or_insert((Instant::now() + SETTLE).max(self.read_at + PACE));
            }
            Came::Away(why) => {
                self.app.away = Some(why);
                self.reading = None;
            }
            Came::Unread(why) => {
                self.app.away = Some(why);
                self.reading = None;
                // Events may come all the same: without them nobody would ask again for a minute.
                self.wanted.get_or_insert(Instant::now() + PACE);
            }
            Came::Status(status) => {
                self.reading = None;
                self.looking = None;
                self.app.take_status(*status);
            }
            Came::Unit(unit) => self.app.take_unit(*unit),
            Came::Done(said) => {
                self.app.said = Some(said);
                self.wanted = Some(Instant::now());
            }
            Came::Line(unit, line) => {
                if self.journal.as_ref().is_some_and(|(followed, _)| *followed == unit) {
                    self.app.take_line(line);
                }
            }
        }
    }

    /// Reads what is chosen, and its journal while that is shown.
    fn follow_choice(&mut self) {
        let chosen = self.app.seen().filter(|_| self.app.unit.is_none()).map(|unit| unit.unit.clone());
        if chosen.is_some() && chosen != self.looking {
            self.looking.clone_from(&chosen);
            if let Some(unit) = chosen {
                tokio::spawn(feed::look(self.client.clone(), unit, self.tell.clone()));
            }
        }
        let shown = self.app.log.is_some().then(|| self.app.chosen.clone());
        let shown = match shown {
            Some(Choice::Unit(unit)) => Some(unit),
            Some(Choice::Head(_)) | None => None,
        };
        if self.journal.as_ref().map(|(unit, _)| unit) != shown.as_ref() {
            self.journal = shown.map(|unit| {
                let child = feed::journal(self.user, unit.clone(), self.tell.clone());
                (unit, child)
            });
        }
    }

    /// Reads the picture, where that is due.
    fn read(&mut self) {
        let now = Instant::now();
        let due = self.wanted.is_some_and(|at| at <= now) || self.read_at + FIGURES <= now;
        if !due || self.reading.is_some() {
            return;
        }
        (self.wanted, self.read_at) = (None, now);
        let unit = self.app.chosen_unit().map(str::to_owned);
        self.reading = Some(tokio::spawn(feed::read(self.client.clone(), unit, self.tell.clone())));
    }
}
