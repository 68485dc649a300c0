//! The rig: throw-away machines, each a real systemd as PID 1 in a container, for the machine tests and the demo.
//!
//! A [`Machine`] is an overlay over a Debian root that `root.sh` builds once, booted by systemd-nspawn with its own network
//! and its own control groups. It needs root, and nothing but the standard library and nix, so that another program can
//! include it with `#[path = "…/rig/mod.rs"] mod rig;`.
//!
//! Trouble panics, with what was tried and what came back: the callers are tests.
#![expect(clippy::panic, reason = "a machine test fails by panicking, and so does what it stands on")]

mod files;
mod install;
mod machine;
mod power;
mod run;
mod scratch;
mod slowfs;
mod wait;

pub use machine::Machine;
pub use run::Output;
