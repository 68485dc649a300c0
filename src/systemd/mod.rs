//! The service manager over D-Bus: readings, jobs, enablement, boot, transient units.

mod activators;
mod bulk_read;
mod bus;
mod catalog;
mod compare;
mod fragment;
#[doc(hidden)]
pub mod fuzzed;
mod handed_over;
mod job_causes;
mod manager;
mod output;
mod patterns;
mod pending;
mod proxies;
mod reading;
mod session;
mod setting;
mod settings;
mod subscriptions;
mod unit_list;
mod unit_paths;
mod unit_table;
mod values;

pub mod boot;
pub mod command;
pub mod dependencies;
pub mod enablement;
pub mod execution;
pub mod failures;
pub mod follow;
pub mod identity;
pub mod inventory;
pub mod orders;
pub mod stand_in;
pub mod timer;
pub mod unit_files;

pub use bus::{BusError, Instance};
pub use output::OutputLimit;
