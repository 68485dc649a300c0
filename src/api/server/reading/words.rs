//! What the daemon and the process that listens say to each other. Each word is short, and neither waits for the other: a part of
//! an answer comes only after the last one was asked for.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::page::Page;

/// Longest frame that the daemon says: a part of an answer, or the names to answer to.
pub const TOLD: usize = 256 * 1024;
/// Longest frame that it hears.
pub const HEARD: usize = 4096;
/// Bytes of one part of an answer.
pub const PART: usize = 128 * 1024;
/// Answers that are under way at one time.
pub const AT_ONCE: usize = 128;

/// Where to listen, and what is known of this host there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub address: SocketAddr,
    /// This host's name.
    pub host: String,
    /// Further names that it answers to.
    pub allowed: Vec<String>,
    /// Where changes are asked for instead.
    pub socket: String,
}

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Here, and nowhere else. It comes first, and again with each change.
    Listen(Settings),
    /// So the answer begins.
    Head { id: u64, head: Head },
    /// More of it is the next frame.
    Part { id: u64 },
    /// Nothing more comes. `whole`: nothing is missing.
    Over { id: u64, whole: bool },
}

/// How an answer begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub status: u16,
    /// Names and values of the header, without the length.
    pub header: Vec<(String, String)>,
}

/// What the process that listens says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heard {
    /// Its loop turns.
    Alive,
    /// It listens where it was told to.
    Listens {
        address: SocketAddr,
    },
    /// It cannot, by this error of the kernel, and tries again.
    Cannot {
        address: SocketAddr,
        errno: i32,
    },
    Asks {
        id: u64,
        page: Page,
    },
    /// The next part may come.
    More {
        id: u64,
    },
    /// Nobody reads it any more.
    Leaves {
        id: u64,
    },
    /// It has ended so, says who started it; nothing comes after this.
    Ended(String),
}

#[cfg(test)]
mod tests {
    use super::super::page::Name;
    use super::*;
    use crate::api::server::incidents::Filter;
    use crate::api::wire::Time;
    use crate::frames::frame;

    #[test]
    fn the_longest_page_that_can_be_asked_for_fits_into_a_frame() {
        // Each letter is six in JSON.
        let name = "\u{1}".repeat(256);
        assert!(Name::of(&"x".repeat(257)).is_none());
        let known = Name::of(&name).expect("a name");
        let filter =
            Filter { unit: Some("\u{1}".repeat(100_000)), since: Some(Time(i64::MIN)), open: Some(false) };
        for page in [
            Page::Unit(known.clone()),
            Page::Events { unit: Some(known), after: Some(u64::MAX) },
            Page::Incidents(filter.bounded()),
        ] {
            assert!(frame(&Heard::Asks { id: u64::MAX, page }, HEARD).is_ok());
        }
    }
}
