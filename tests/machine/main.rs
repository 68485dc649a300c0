//! Machine tests: Steadfast on a real systemd that boots, reboots and loses power. README.md tells how to write one.

mod audit;
mod commands;
mod hung;
mod outage_one;
mod outage_two;
mod outage_two_broken;
mod outage_two_flips;
mod outage_two_friends;
mod outage_two_masters;
mod probes;
mod rig;
mod rig_itself;
mod user_instance;
mod watched;
