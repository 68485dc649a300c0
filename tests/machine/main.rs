//! Machine tests: Steadfast on a real systemd that boots, reboots and loses power. README.md tells how to write one.

mod rig;
mod rig_itself;
