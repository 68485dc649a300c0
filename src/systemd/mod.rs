//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod bus;
mod fragment;
#[doc(hidden)]
pub mod fuzzed;
mod handed_over;
mod kin;
mod listed;
mod listen;
mod manager;
mod outbox;
mod output;
mod patterns;
mod proxies;
mod reading;
mod session;
mod setting;
mod settings;
mod starters;
mod survey;
mod unit_paths;
mod values;
mod watched;

pub mod boot;
pub mod command;
pub mod failures;
pub mod follow;
pub mod identity;
pub mod inventory;
pub mod likeness;
pub mod needs;
pub mod orders;
pub mod stand_in;
pub mod timer;
pub mod unit_files;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
