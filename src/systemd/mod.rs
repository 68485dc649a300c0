//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod bus;
mod proxies;
mod values;

pub mod boot;
pub mod command;
pub mod orders;
pub mod unit_paths;
mod output;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
