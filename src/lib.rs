//! Steadfast: a service supervisor for what does not crash.
//! Modules in reading order; docs/ARCHITECTURE.md is the plan of the house.

pub use steadfast_core::{model, policy};

pub mod packages;
pub mod runtime;

pub mod alert;
pub mod calendar;
pub mod causes;
pub mod cgroup;
pub mod clock;
pub mod config;
pub mod escape;
pub mod evidence;
pub mod files;
pub mod frames;
pub mod host;
pub mod import;
pub mod keys;
pub mod ownership;
pub mod probe;
pub mod redact;
pub mod release;
pub mod secret;
pub mod store;
pub mod systemd;
pub mod tls;

pub mod prober;

pub mod check;

pub mod adopt;
pub mod audit;
pub mod baseline;

pub mod api;
pub mod cli;
pub mod daemon;
