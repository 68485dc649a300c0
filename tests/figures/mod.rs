//! Figures of `src`: how much of it is methods, how much a function takes along, which files lead to each other, and how
//! much the state of the policy holds. `make figures` prints them, `tests/tidy.rs` holds them.

mod circles;
mod functions;
mod reach;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use circles::Edges;
pub use functions::Function;
use reach::Reach;

/// The figures of a tree.
pub struct Figures {
    pub rooms: BTreeMap<String, Room>,
    /// What `State` reaches.
    pub state: Reach,
}

/// The figures of one room, its tests left out.
#[derive(Default)]
pub struct Room {
    /// Lines of its files, those of unit tests beside the code included; files that only hold tests are not.
    pub lines: usize,
    /// Lines without the unit tests.
    pub lines_without_tests: usize,
    pub functions: Vec<Function>,
    /// Circles of files that do not go through a parent, the largest first.
    pub circles: Vec<Vec<String>>,
    /// The files in the largest circle, if what a file names of its parents counts, too.
    pub circle_with_parents: usize,
}

impl Room {
    /// How many functions are so.
    pub fn count(&self, is: impl Fn(&Function) -> bool) -> usize {
        self.functions.iter().filter(|function| is(function)).count()
    }

    /// How many functions of a hundred are so.
    pub fn percent(&self, is: impl Fn(&Function) -> bool) -> f64 {
        percent(self.count(is), self.functions.len())
    }

    /// The files in its largest circle; 0 where there is none.
    pub fn largest_circle(&self) -> usize {
        self.circles.first().map_or(0, Vec::len)
    }
}

impl Figures {
    /// Of the tree whose `src` is below this folder.
    pub fn of(root: &Path) -> Result<Self, String> {
        let sources = source::read(root)?;
        let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
        for source in &sources {
            let room = rooms.entry(source.room.clone()).or_default();
            room.lines += source.lines;
            room.lines_without_tests += source.lines_before_tests;
            room.functions.append(&mut functions::of(source));
        }
        for (name, room) in &mut rooms {
            room.circles = circles::inside(name, &sources, Edges::OutsideParents);
            let all = circles::inside(name, &sources, Edges::All);
            room.circle_with_parents = all.first().map_or(0, Vec::len);
        }
        let state = reach::of("State", &["policy", "model"], &sources);
        Ok(Self { rooms, state })
    }

    /// All of them as a table, and the circles by name.
    pub fn table(&self) -> String {
        let mut page = format!(
            "{:10}{:>7}{:>9}{:>6}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>6}{:>8}{:>9}\n",
            "room",
            "lines",
            "no tests",
            "fns",
            "methods",
            "2+ &mut",
            "no self",
            "4+ par.",
            "3+&mut",
            "6+par.",
            "wake",
            "circle",
            "parents"
        );
        for (name, room) in &self.rooms {
            page.push_str(&row(name, room, &[room]));
        }
        let all: Vec<&Room> = self.rooms.values().collect();
        page.push_str(&row("all", &Room::default(), &all));
        let Reach { structs, fields, moments, flags } = self.state;
        page.push_str(&format!(
            "\nState reaches {structs} structs, {fields} fields, {moments} Option<Moment>, {flags} bool\n"
        ));
        for (name, room) in &self.rooms {
            for circle in &room.circles {
                page.push_str(&format!("\ncircle of {} in {name}: {}", circle.len(), circle.join(" ")));
            }
        }
        page.push('\n');
        page
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// A line of the table: the sum over these rooms, and the circles of one.
fn row(name: &str, circles: &Room, rooms: &[&Room]) -> String {
    let sum = |of: fn(&Room) -> usize| rooms.iter().map(|room| of(room)).sum::<usize>();
    let functions = sum(|room| room.functions.len());
    let share = |is: fn(&Function) -> bool| {
        let count: usize = rooms.iter().map(|room| room.count(is)).sum();
        format!("{:.1} %", percent(count, functions))
    };
    format!(
        "{name:10}{:>7}{:>9}{functions:>6}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>6}{:>8}{:>9}\n",
        sum(|room| room.lines),
        sum(|room| room.lines_without_tests),
        share(|function| function.method),
        share(|function| function.muts() >= 2),
        share(|function| function.mut_parameters >= 2),
        share(|function| function.parameters >= 4),
        sum(|room| room.count(|function| function.muts() > 2)),
        sum(|room| room.count(|function| function.parameters > 5)),
        sum(|room| room.count(|function| function.wake)),
        circles.largest_circle(),
        circles.circle_with_parents,
    )
}
