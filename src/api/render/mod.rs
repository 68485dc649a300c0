//! What people read of the wire's picture, in a terminal and on the page: pure functions to text, the same words for all.

pub mod details;
pub mod drill;
pub mod explain;
pub mod graph;
pub mod grid;
pub mod incidents;
mod overview;
pub mod page;
pub mod radius;
mod sort;
pub mod spans;
pub mod style;
pub mod text;

use jiff::tz::TimeZone;

pub use explain::coming;
pub use overview::{Table, due, held, overview, overview_of, since, why};
pub use sort::Sort;

use crate::api::wire::Time;

/// How a page is to look.
#[derive(Clone, Debug)]
pub struct Look {
    /// The present, for ages.
    pub now: Time,
    /// For times of day.
    pub zone: TimeZone,
    pub colour: bool,
    /// Characters beyond ASCII may be used.
    pub unicode: bool,
    /// Width and height of the terminal; `None` for a pipe, which gets whole lines and no advice.
    pub size: Option<(u16, u16)>,
    /// Advice is for the user instance.
    pub user: bool,
    /// Nobody may see more than we do.
    pub root: bool,
}

impl Look {
    /// The heading of what could not be told.
    #[must_use]
    pub fn not_known(&self) -> &'static str {
        if self.root { "NOT KNOWN" } else { "NOT KNOWN (root may know more)" }
    }

    /// Characters of a line; `None` without a limit.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.size.map(|(width, _)| usize::from(width))
    }

    /// `steadfast`, as the reader has to type it.
    #[must_use]
    pub fn program(&self) -> &'static str {
        if self.user { "steadfast --user" } else { "steadfast" }
    }
}
