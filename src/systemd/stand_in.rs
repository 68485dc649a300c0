//! Where steadfast-prober.service cannot be had: a transient unit with its rights and limits, which asks at the other end of a
//! socket, and ends with that. We have no network of our own to ask over.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;
use zbus::Fd;

use super::bus::{self, Instance, words};
use super::command::unit_name;
use super::proxies::ManagerProxy;
use super::setting::Setting;

/// To have it begun.
const LIMIT: Duration = Duration::from_secs(5);
/// This program, even where an upgrade replaced its file; and how the kernel says so.
const PROGRAM: &str = "/proc/self/exe";
const REPLACED: &str = " (deleted)";
/// Bytes, tasks and descriptors, as the unit has them.
const MEMORY: u64 = 512 << 20;
const TASKS: u64 = 256;
const FILES: u64 = 4096;
/// `LogLevelMax=`: the manager's own words stay out of the journal, what goes wrong does not.
const WARNING: i32 = 4;

/// Begins it, with this as its standard input.
///
/// # Errors
/// Why there is none, one clause.
pub async fn begin(socket: OwnedFd) -> Result<(), String> {
    let begun = timeout(LIMIT, async {
        let settings = settings(socket)?;
        let connection = bus::connect(Instance::System).await.map_err(|error| error.to_string())?;
        let manager = ManagerProxy::new(&connection).await.map_err(|error| words(&error))?;
        let started = manager.start_transient_unit(&unit_name(), "fail", &settings, &[]).await;
        started.map(drop).map_err(|error| words(&error))
    });
    begun.await.unwrap_or_else(|_| Err("systemd does not answer".to_owned()))
}

fn settings(socket: OwnedFd) -> Result<Vec<Setting<'static>>, String> {
    let program = std::fs::read_link(PROGRAM).map_err(|error| error.to_string())?;
    let program = program.to_string_lossy();
    let program = Path::new(program.strip_suffix(REPLACED).unwrap_or(&program)).display().to_string();
    let argv = vec![program.clone(), "prober".to_owned()];
    let mut settings = vec![
        Setting::new("Description", "Steadfast: asks in the place of steadfast-prober.service")?,
        Setting::new("Type", "exec")?,
        Setting::new("ExecStart", vec![(program, argv, false)])?,
        Setting::new("StandardInputFileDescriptor", Fd::Owned(socket))?,
        Setting::new("CollectMode", "inactive-or-failed")?,
        Setting::new("LogLevelMax", WARNING)?,
        Setting::new("OOMScoreAdjust", 500_i32)?,
        Setting::new("ProtectSystem", "strict")?,
        Setting::new("ProtectHome", "yes")?,
        Setting::new("ProtectProc", "invisible")?,
        Setting::new("ProcSubset", "pid")?,
        Setting::new("InaccessiblePaths", vec!["-/etc/steadfast", "-/var/lib/steadfast", "-/srv"])?,
        Setting::new(
            "RestrictAddressFamilies",
            (true, vec!["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]),
        )?,
        Setting::new("SystemCallArchitectures", vec!["native"])?,
        Setting::new("SystemCallFilter", (true, vec!["@system-service"]))?,
        Setting::new("SystemCallFilter", (false, vec!["@privileged", "@resources"]))?,
        Setting::new("SystemCallFilter", (true, vec!["prlimit64"]))?,
        Setting::new("SystemCallErrorNumber", 1_i32)?,
    ];
    for (name, most) in [
        ("MemoryMax", MEMORY),
        ("MemorySwapMax", 0),
        ("TasksMax", TASKS),
        ("LimitNOFILE", FILES),
        ("LimitCORE", 0),
        ("LimitFSIZE", 0),
        ("CapabilityBoundingSet", 0),
        ("RestrictNamespaces", 0),
    ] {
        settings.push(Setting::new(name, most)?);
    }
    for name in [
        "DynamicUser",
        "NoNewPrivileges",
        "PrivateTmp",
        "PrivateDevices",
        "PrivateUsers",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectHostname",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "RestrictRealtime",
        "RestrictSUIDSGID",
        "LockPersonality",
        "MemoryDenyWriteExecute",
    ] {
        settings.push(Setting::new(name, true)?);
    }
    Ok(settings)
}
