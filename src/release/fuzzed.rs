//! The door for `fuzz/`: the readers of the files of a process, for any bytes.

use crate::clock;
use crate::model::outside::command_of;

use super::{process, sockets};

/// What `stat`, `cmdline`, `maps` and `net/tcp` of `/proc/PID` would say, were these their bytes.
#[must_use]
pub fn files_of_process(bytes: &[u8]) -> String {
    let stat = process::stat(bytes).map(|stat| (clock::after_boot_ms(stat.starttime), stat.comm));
    let gone: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(process::gone_executable).collect();
    let rows = sockets::rows(&String::from_utf8_lossy(bytes));
    let named = process::mentions(bytes, b"/srv/app/current");
    format!("{stat:?} {} {named} {gone:?} {rows:?}", command_of(bytes))
}
