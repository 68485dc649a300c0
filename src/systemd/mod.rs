//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod bus;
mod fragment;
mod proxies;
mod settings;
mod unit_paths;
mod values;

pub mod boot;
pub mod command;
pub mod orders;
mod output;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
