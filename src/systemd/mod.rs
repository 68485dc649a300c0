//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod bus;
mod fragment;
mod proxies;
mod settings;
mod values;

pub mod command;
pub mod orders;
mod output;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
