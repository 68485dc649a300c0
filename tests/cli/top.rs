//! `top`: what is drawn, and what keys do, without a terminal.

#[path = "../browser/svg.rs"]
mod svg;

use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use steadfast::api::wire::{Event, State};
use steadfast::cli::top::app::{App, Choice, Group, Mode, Row};
use steadfast::cli::top::ask::Order;
use steadfast::cli::top::draw::draw;
use steadfast::cli::top::keys::Wish;

fn plain(unicode: bool) -> Look {
    let zone = TimeZone::UTC;
    let now = Time(TEN_O_CLOCK.wall_ms);
    Look { now, zone, colour: false, unicode, size: Some((80, 24)), user: false, root: true }
}

fn app_of(snapshot: &Snapshot, look: Look) -> App {
    let mut app = App::new(look, String::new());
    app.take_status(cleaned(&Status::of(snapshot)).unwrap());
    for event in snapshot.events.iter() {
        app.take_event(cleaned(&Event::from(event)).unwrap());
    }
    whole(&mut app, snapshot);
    app
}

/// The chosen unit is read, as `top` does once it is chosen.
fn whole(app: &mut App, snapshot: &Snapshot) {
    let Some(name) = app.chosen_unit().map(str::to_owned) else {
        return;
    };
    let status = &snapshot.units[&name.as_str().into()];
    let mut unit = Unit::of(status);
    unit.recall(status, snapshot.at);
    let of_it = snapshot.events.iter().filter(|event| event.unit.as_ref() == Some(&status.unit));
    unit.events = of_it.map(Into::into).collect();
    app.take_unit(cleaned(&unit).unwrap());
}

fn drawn(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal.backend().to_string()
}

fn press(app: &mut App, keys: &str) -> Wish {
    let mut wish = Wish::Nothing;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            '\u{8}' => KeyCode::Backspace,
            letter => KeyCode::Char(letter),
        };
        wish = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    wish
}

#[test]
fn the_worst_is_chosen_and_explained() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let mut app = app_of(&zoo, plain(true));
    assert_eq!(app.chosen_unit(), Some("rabbitmq-server.service"), "the cause, not what it explains");
    insta::assert_snapshot!("top_80x24", drawn(&mut app, 80, 24));
    app.choose(Choice::Unit("shop.service".to_owned()));
    whole(&mut app, &zoo);
    insta::assert_snapshot!("top_120x40", drawn(&mut app, 120, 40));
    // Without colour and Unicode there is nothing beyond ASCII.
    let mut app = app_of(&zoo, plain(false));
    let ascii = drawn(&mut app, 80, 24);
    assert!(ascii.is_ascii(), "{ascii}");
    press(&mut app, "r");
    let ascii = drawn(&mut app, 80, 24);
    assert!(ascii.is_ascii() && ascii.contains("Do it?"), "{ascii}");
}

#[test]
fn the_picture_of_the_screen_can_be_made() {
    let mut app = app_of(&pictures::zoo(TEN_O_CLOCK), Look { colour: true, ..plain(true) });
    let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
    terminal.draw(|frame| draw(frame, &mut app)).unwrap();
    let picture = svg::svg(terminal.backend().buffer());
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert_eq!(picture.matches("<text ").count(), picture.matches("</text>").count());
    for shown in ["rabbitmq-server.service", "6\u{a0}need\u{a0}attention", "#ff7b84", "fill=\"#161b22\""] {
        assert!(picture.contains(shown), "{shown}");
    }
}

#[test]
fn every_size_is_drawn() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let mut app = app_of(&zoo, plain(true));
    for keys in ["", "?", "\u{1b}r", "\u{1b}h", "\u{1b}l", "l/x", "\u{1b}\t\t"] {
        press(&mut app, keys);
        for (width, height) in
            [(1, 1), (39, 10), (40, 9), (40, 10), (41, 15), (80, 16), (200, 60), (500, 5), (300, 200)]
        {
            drawn(&mut app, width, height);
        }
    }
}

#[test]
fn units_that_are_well_are_folded_and_found() {
    let forty = pictures::forty(TEN_O_CLOCK);
    let mut app = app_of(&forty, plain(true));
    let closed = app.rows().len();
    assert!(matches!(app.rows().last(), Some(Row::Head { group: Group::Well, open: false, count: 39 })));
    assert!(drawn(&mut app, 80, 24).contains("▸ 39 ok"));
    press(&mut app, "f");
    assert_eq!(app.rows().len(), closed + 39);
    press(&mut app, "f/WORKER@07");
    assert_eq!(app.chosen_unit(), Some("worker@07.service"), "letters of either case find it");
    assert!(drawn(&mut app, 80, 24).contains("filter: WORKER@07"));
    press(&mut app, "\n");
    assert!(drawn(&mut app, 80, 24).contains("filter WORKER@07"));
    press(&mut app, "\u{1b}");
    assert!(app.filter.is_empty());
    press(&mut app, "/nobody\n");
    assert!(drawn(&mut app, 80, 24).contains("no unit matches the filter"));
    press(&mut app, "\u{1b}s");
    assert!(app.state == Some(State::Degraded) && app.rows().len() == 2);
    press(&mut app, "s");
    assert!(app.state == Some(State::Ok) && app.rows().len() == 40);
    press(&mut app, "s");
    assert!(app.state.is_none());
}

#[test]
fn an_order_is_given_only_after_its_question() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let mut app = app_of(&zoo, plain(true));
    let choose = |app: &mut App, unit: &str| {
        app.choose(Choice::Unit(unit.to_owned()));
        whole(app, &zoo);
    };
    choose(&mut app, "horizon.service");
    assert_eq!(press(&mut app, "r"), Wish::Nothing);
    insta::assert_snapshot!("top_asks", drawn(&mut app, 100, 30));
    assert_eq!(press(&mut app, "n"), Wish::Nothing);
    assert_eq!((press(&mut app, "y"), &app.mode), (Wish::Nothing, &Mode::Usual), "nothing is asked any more");
    assert_eq!(press(&mut app, "ry"), Wish::Give(Order::Recover("horizon.service".to_owned())));
    // A hold needs a length and a reason.
    press(&mut app, "h");
    assert_eq!(press(&mut app, "\u{8}\u{8}\u{8}2h\n\n\n"), Wish::Nothing, "no reason, no hold");
    insta::assert_snapshot!("top_asks_for_a_hold", drawn(&mut app, 100, 30));
    let hold = Order::Hold {
        unit: "horizon.service".to_owned(),
        length: "2h".to_owned(),
        reason: "disk yard".to_owned(),
    };
    assert_eq!(press(&mut app, "disk yard\ny"), Wish::Give(hold));
    // What is not there is neither resumed nor acknowledged.
    press(&mut app, "R");
    assert!(
        app.mode == Mode::Usual && app.said.as_ref().is_some_and(|said| said.contains("nothing to resume"))
    );
    assert_eq!(
        press(&mut app, "ay"),
        Wish::Give(Order::Acknowledge(zoo.units[&"horizon.service".into()].incident.unwrap()))
    );
    choose(&mut app, "report.service");
    assert_eq!(press(&mut app, "Ry"), Wish::Give(Order::Resume("report.service".to_owned())));
    choose(&mut app, "nginx.service");
    press(&mut app, "a");
    assert!(app.said.as_ref().is_some_and(|said| said.contains("nothing to acknowledge")));
}

#[test]
fn what_is_old_says_so_and_the_mouse_chooses() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let mut app = app_of(&zoo, plain(true));
    app.away = Some("it is not running".to_owned());
    app.look.now = Time(TEN_O_CLOCK.wall_ms + 65_000);
    assert!(drawn(&mut app, 120, 30).contains("NO ANSWER, this is 1m5s old"));
    app.take_status(cleaned(&Status::of(&zoo)).unwrap());
    let screen = drawn(&mut app, 120, 30);
    assert!(!screen.contains("NO ANSWER"));
    let line = screen.lines().position(|line| line.contains("billing.service")).unwrap();
    let at = |kind| MouseEvent {
        kind,
        column: 5,
        row: u16::try_from(line).unwrap(),
        modifiers: KeyModifiers::NONE,
    };
    app.mouse(at(MouseEventKind::Down(MouseButton::Left)));
    assert_eq!(app.chosen_unit(), Some("billing.service"));
    app.mouse(at(MouseEventKind::ScrollDown));
    assert_eq!(app.chosen_unit(), Some("shop.service"));
    assert_eq!(app.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Wish::Quit);
    // A unit that is gone leaves the choice to what is there.
    let left = pictures::only(&["nginx.service"], zoo);
    app.take_status(cleaned(&Status::of(&left)).unwrap());
    assert_eq!(app.chosen_unit(), Some("nginx.service"));
}

#[test]
fn what_people_chose_stays_chosen_while_others_fail_and_while_the_daemon_starts_anew() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let calm = pictures::only(&["nginx.service", "postgresql@16-main.service"], zoo.clone());
    let mut app = app_of(&calm, plain(true));
    app.choose(Choice::Unit("postgresql@16-main.service".to_owned()));
    let chosen = |app: &App| app.chosen_unit().map(str::to_owned);
    let kept = Some("postgresql@16-main.service".to_owned());
    // Another unit fails: what is well would be folded, were it not looked at.
    app.take_status(Status::of(&zoo));
    assert_eq!(chosen(&app), kept);
    assert!(app.rows().iter().any(|row| row.choice() == app.chosen), "and it is listed");
    // The daemon is away, and has read nothing yet when it is back.
    app.away = Some("the supervisor has stopped".to_owned());
    let mut empty = pictures::only(&[], zoo.clone());
    empty.ready = false;
    app.take_status(Status::of(&empty));
    assert_eq!((chosen(&app), app.away.is_some()), (kept.clone(), false));
    drawn(&mut app, 80, 24);
    app.take_status(Status::of(&calm));
    assert_eq!(chosen(&app), kept);
    // One that is managed no more is not.
    app.take_status(Status::of(&pictures::only(&["nginx.service"], zoo)));
    assert_eq!(chosen(&app), Some("nginx.service".to_owned()));
}

#[test]
fn every_word_of_the_screen_is_explained() {
    let mut app = app_of(&pictures::zoo(TEN_O_CLOCK), plain(true));
    press(&mut app, "?");
    let help = drawn(&mut app, 200, 200);
    for state in steadfast::model::snapshot::UnitState::ALL {
        assert!(help.contains(state.as_str()), "{}", state.as_str());
    }
    for word in ["Loaded", "Active", "Enabled", "Boot", "Release", "Serving", "Progressing"] {
        assert!(help.contains(word), "{word}");
    }
    for word in
        "found cleared decided acted outcome notice deployed changed operated ran measured told".split(' ')
    {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn row_12_nothing_of_others_steers_the_screen() {
    let nasty = "a\u{1b}[31m\u{202e}b\u{9b}2J<script>";
    let mut zoo = pictures::zoo(TEN_O_CLOCK);
    let name = "rabbitmq-server.service";
    let mut unit = steadfast::model::snapshot::UnitStatus::clone(&zoo.units[&name.into()]);
    unit.owner = Some(nasty.to_owned());
    unit.findings.iter_mut().for_each(|finding| finding.evidence.push(nasty.to_owned()));
    zoo.units.insert(name.into(), std::sync::Arc::new(unit));
    let mut app = app_of(&zoo, plain(true));
    let screen = drawn(&mut app, 200, 100);
    assert!(screen.contains("a\\u{1b}[31m\\u{202e}b\\u{9b}2J<script>"), "{screen}");
    assert!(!screen.chars().any(|letter| letter != '\n' && steadfast::escape::steers(letter)));
}
