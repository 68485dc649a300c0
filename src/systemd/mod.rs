//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod bus;
mod proxies;
mod values;

pub mod follow;
mod fragment;
mod listen;
mod manager;
mod outbox;
mod patterns;
mod reading;
mod session;
mod settings;
mod survey;
mod watched;

pub mod command;
pub mod likeness;
pub mod orders;
mod output;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
