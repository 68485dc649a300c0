//! The page with a story behind it, for a browser: `stage ADDRESS STORY [CROWD]` serves what a story of `tests/pictures` publishes at
//! its end at an address, and at a socket beside it whose path it prints. Each line of its standard input is played next; `away`
//! closes the address and `back` opens it again. `stage svg STORY UNIT` prints what `top` shows of it, as an SVG.
#![expect(clippy::unwrap_used, clippy::panic, reason = "for tests alone")]

#[expect(dead_code, reason = "the tests of the commands use the rest")]
#[path = "../pictures/mod.rs"]
mod pictures;
mod svg;

use std::net::SocketAddr;
use std::{env, fs};

use pictures::{Past, TEN_O_CLOCK, now, story, well};
use steadfast::api::render::Look;
use steadfast::api::server::{serve, serve_reading};
use steadfast::api::wire::{Status, Unit};
use steadfast::cli::top::app::{App, Choice};
use steadfast::cli::top::draw::draw;
use steadfast::model::baseline::Head;
use steadfast::model::snapshot::Snapshot;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

/// What `top` shows at the end of a story, while this unit is chosen; always at the same time of day, so that it changes only when
/// what it shows does.
fn screen(file: &str, unit: &str) -> String {
    let snapshot = pictures::published(&fs::read_to_string(file).unwrap(), TEN_O_CLOCK);
    let zone = jiff::tz::TimeZone::UTC;
    let look = Look {
        now: snapshot.at.into(),
        zone,
        colour: true,
        unicode: true,
        size: None,
        user: false,
        root: true,
    };
    let mut app = App::new(look, String::new());
    app.take_status(Status::of(&snapshot));
    snapshot.events.iter().for_each(|event| app.take_event(event.into()));
    app.choose(Choice::Unit(unit.to_owned()));
    let status = &snapshot.units[&unit.into()];
    let mut whole = Unit::of(status);
    whole.recall(status, snapshot.at);
    let of_it = snapshot.events.iter().filter(|event| event.unit.as_ref() == Some(&status.unit));
    whole.events = of_it.map(Into::into).collect();
    app.take_unit(whole);
    let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(126, 38)).unwrap();
    terminal.draw(|frame| draw(frame, &mut app)).unwrap();
    svg::svg(terminal.backend().buffer())
}

/// A baseline that was taken so many minutes ago.
fn taken(name: &str, minutes: i64, before: Option<&str>) -> Head {
    Head {
        name: name.to_owned(),
        host: "web1".to_owned(),
        taken_ms: now().wall_ms - minutes * 60_000,
        by: "anna (uid 1000)".to_owned(),
        before: before.map(str::to_owned),
        ..Head::default()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(file)) = (arguments.next(), arguments.next()) else {
        panic!("stage ADDRESS STORY [CROWD]");
    };
    if address == "svg" {
        println!("{}", screen(&file, &arguments.next().unwrap()));
        return;
    }
    let address: SocketAddr = address.parse().unwrap();
    let crowd: usize = arguments.next().map_or(0, |number| number.parse().unwrap());
    let mut told = story(&fs::read_to_string(file).unwrap(), now());
    let shown = |snapshot: &Snapshot, listen| {
        let mut snapshot = snapshot.clone();
        snapshot.listen = listen;
        let names = (0..crowd).map(|n| format!("worker@{n:04}.service"));
        let more: Vec<_> = names.map(|name| (name.as_str().into(), well(&name, &snapshot))).collect();
        snapshot.units.extend(more);
        snapshot
    };
    let (snapshots, receiver) = watch::channel(shown(told.snapshot(), Some(address)));
    let (recall, history) = mpsc::channel(8);
    let (ask, _questions) = mpsc::channel(8);
    let mut past = Past::of(&told);
    past.baselines =
        vec![taken("apt-20261120-0930", 30, Some("apt")), taken("before-the-move", 48 * 60, None)];
    tokio::spawn(past.answer(history));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("steadfast.sock");
    tokio::spawn(serve(UnixListener::bind(&socket).unwrap(), receiver.clone(), ask.clone(), recall.clone()));
    tokio::spawn(serve_reading(receiver, ask, recall, socket.clone()));
    println!("{}", folder.path().display());
    let (say, mut said) = mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            drop(say.blocking_send(line));
        }
    });
    let mut listen = Some(address);
    while let Some(line) = said.recv().await {
        match line.trim() {
            "away" => listen = None,
            "back" => listen = Some(address),
            line => drop(told.play(line).unwrap_or_else(|why| panic!("{line}: {why}"))),
        }
        let mut snapshot = shown(told.snapshot(), listen);
        // The story has its own clock; people look at ours.
        snapshot.at = now();
        snapshots.send_replace(snapshot);
    }
}
