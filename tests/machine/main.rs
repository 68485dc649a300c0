//! Machine tests: Steadfast on a real systemd that boots, reboots and loses power. README.md tells how to write one.

mod boot;
mod outage_one;
mod outage_two;
mod rig;
mod rig_itself;
mod watched;
