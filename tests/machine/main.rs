//! Machine tests: Steadfast on a real systemd that boots, reboots and loses power. README.md tells how to write one.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

mod adopt;
mod alerts;
mod alerts_apart;
mod attacks;
mod attacks_around;
mod attacks_from_inside;
mod attribution;
mod audit;
mod baseline;
mod boot;
mod browser;
mod calendar;
mod cases;
mod commands;
mod coverage;
mod crowd;
mod directives;
mod directories;
mod drained;
mod drill;
mod enablement;
mod explored;
mod far;
mod faults;
mod figures;
mod fleet;
mod fuzz;
mod generated;
mod hostile;
mod hung;
mod installed;
mod killed_midway;
mod listen_apart;
mod outage_five;
mod outage_one;
mod outage_three;
mod outage_two;
mod outage_two_broken;
mod outage_two_flips;
mod outage_two_friends;
mod outage_two_masters;
mod outside;
mod package;
mod prober;
mod probes;
mod progress;
mod prometheus;
mod radius;
mod readers;
mod receiver;
mod resilience;
mod rig;
mod rig_itself;
mod servers;
mod thousand;
mod told_and_true;
mod top;
mod two_supervisors;
mod unit_files;
mod user_instance;
mod watched;
