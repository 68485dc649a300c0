//! Machine tests: Steadfast on a real systemd that boots, reboots and loses power. README.md tells how to write one.

mod killed_midway;
mod outage_one;
mod outage_two;
mod resilience;
mod rig;
mod rig_itself;
mod thousand;
mod unit_files;
mod watched;
