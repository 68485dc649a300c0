//! What our own process takes, under the names that every exporter uses.

use procfs::ProcResult;
use procfs::process::Process as Pid;
use procfs::{WithCurrentSystemInfo, boot_time_secs, ticks_per_second};

/// What /proc says of us.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub open_fds: u64,
    pub max_fds: Option<u64>,
    pub start_seconds: f64,
}

/// Reads it.
///
/// # Errors
/// /proc is hidden from us, or we are out of descriptors.
pub fn read() -> ProcResult<Process> {
    let ours = Pid::myself()?;
    let stat = ours.stat()?;
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second().max(1) as f64;
    Ok(Process {
        cpu_seconds: seconds(stat.utime.saturating_add(stat.stime)),
        resident_bytes: stat.rss_bytes().get(),
        virtual_bytes: stat.vsize,
        open_fds: ours.fd_count()? as u64,
        max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        start_seconds: boot_time_secs()? as f64 + seconds(stat.starttime),
    })
}
