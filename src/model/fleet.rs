//! Restarts over many hosts: a lock server gives out so many slots of a group, and a restart that takes a working process away
//! needs one.

use std::time::Duration;

use super::moment::{Moment, kept, timeless};

timeless!(SlotState);

/// The lock server of `[fleet]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSpec {
    /// Its keys as text. The room `probe` wrote them and reads them again; here they are handed on.
    pub keys: String,
    /// The group of units whose file names none.
    pub group: Option<String>,
    /// A slot that is not free for longer is told.
    pub patience: Duration,
    /// How long one question may take, over all its addresses.
    pub limit: Duration,
}

/// Which slot a unit needs, as its file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SlotSpec {
    /// One of the group that the settings name.
    #[default]
    Usual,
    Group(String),
    Free,
}

/// What is asked of a lock server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotAsk {
    /// A slot; for what, one clause. Asked again by the same holder it is the same slot. `machine`: tells hosts of one name apart.
    Take { what: String, machine: String },
    /// The slot is given back; one that is not there is nothing, and one of another machine stays.
    Leave { machine: String },
}

/// What a lock server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotSaid {
    Ours,
    /// None is free. Who has them.
    Busy(Vec<Holder>),
    Left,
}

/// Who has a slot, as far as the lock server tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// `web2/shop.service`.
    pub name: String,
    /// For what, one clause.
    pub what: Option<String>,
    /// Unix time in milliseconds.
    pub since_ms: Option<i64>,
}

kept! {
    /// A slot that a unit may have at the lock server.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Slot {
        pub group: String,
        pub since: Moment,
        pub state: SlotState,
        /// The process that worked was taken away, and what came after it is not proven yet.
        pub used: bool,
    }
}

/// How sure a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// It is asked for, and may be there.
    Asked,
    Held,
    /// It is given back, and may still be there.
    Leaving,
}

impl SlotState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Held => "held",
            Self::Leaving => "leaving",
        }
    }
}
