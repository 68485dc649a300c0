//! A command that runs as a unit's own processes do: same user, directory, environment and view of the disk.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;
use zbus::{OwnedVariant, Variant};

use super::bus::{self, Instance, PROPERTIES, SYSTEMD, UNIT, words};
use super::command::Command;
use super::orders::Orders;
use super::values;
use crate::model::unit::UnitName;

/// Reading what a unit is like.
const LIMIT: Duration = Duration::from_secs(10);
/// Taken over as they are, in any instance; docs/safety.md lists them. Directories that systemd makes and removes with a
/// unit are not: a second unit that names them would remove them from under the first. `NoNewPrivileges=` is always set.
const TAKEN_OVER: [&str; 56] = [
    // what it finds
    "Environment",
    "EnvironmentFiles",
    "PassEnvironment",
    "UnsetEnvironment",
    "UMask",
    // what it sees of the disk and of the host
    "RootDirectory",
    "PrivateTmp",
    "PrivateDevices",
    "PrivateNetwork",
    "PrivateUsers",
    "PrivateIPC",
    "PrivateMounts",
    "ProtectHome",
    "ProtectSystem",
    "ProtectProc",
    "ProcSubset",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "BindPaths",
    "BindReadOnlyPaths",
    "TemporaryFileSystem",
    "MountAPIVFS",
    // what it may do
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "SecureBits",
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "SystemCallArchitectures",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectKernelLogs",
    "ProtectControlGroups",
    "ProtectClock",
    "ProtectHostname",
    "DevicePolicy",
    "DeviceAllow",
    "IPAddressAllow",
    "IPAddressDeny",
    // how much it may use
    "LimitNOFILE",
    "LimitNOFILESoft",
    "LimitNPROC",
    "LimitAS",
    "LimitFSIZE",
    "LimitMEMLOCK",
    "LimitSTACK",
    "MemoryHigh",
    "MemoryMax",
];
/// Whose processes they are. A user's manager runs everything as that user.
const IDENTITY: [&str; 4] = ["User", "Group", "SupplementaryGroups", "DynamicUser"];

/// A command with the user, groups, directory, environment and sandbox of a service. Fields that are set on it later win.
///
/// # Errors
/// When the unit is not a loaded service, or the manager cannot be asked; the reason in words.
pub async fn like_unit(
    orders: &Orders,
    unit: &UnitName,
    argv: Vec<String>,
    limit: Duration,
) -> Result<Command, String> {
    let told = timeout(LIMIT, read(orders.instance(), unit))
        .await
        .map_err(|_| format!("no answer within {}s", LIMIT.as_secs()))??;
    let mut command = Command::new(argv, limit);
    command.description = format!("{} for {unit}", command.description);
    take_over(&mut command, told, orders.instance());
    Ok(command)
}

async fn read(instance: Instance, unit: &UnitName) -> Result<HashMap<String, OwnedVariant>, String> {
    if unit.kind() != "service" {
        return Err(format!("{unit} is not a service"));
    }
    let connection = bus::connect(instance).await.map_err(|error| error.to_string())?;
    let path = bus::unit_path(unit.as_str());
    let load: String =
        bus::property(&connection, &path, UNIT, "LoadState").await.map_err(|error| words(&error))?;
    if load != "loaded" {
        return Err(format!("{unit} is {load}"));
    }
    let reply = connection
        .call_method(Some(SYSTEMD), &path, Some(PROPERTIES), "GetAll", &"org.freedesktop.systemd1.Service")
        .await
        .map_err(|error| words(&error))?;
    reply.body().deserialize().map_err(|error| words(&error))
}

fn take_over(command: &mut Command, mut told: HashMap<String, OwnedVariant>, instance: Instance) {
    // Read as `!DIR`, set as `-DIR`: the directory may be missing.
    command.directory = told
        .get("WorkingDirectory")
        .and_then(|value| values::as_text(value))
        .filter(|directory| !directory.is_empty())
        .map(|directory| match directory.strip_prefix('!') {
            Some(directory) => format!("-{directory}"),
            None => directory.to_owned(),
        });
    let identity: &[&'static str] = match instance {
        Instance::System => &IDENTITY,
        Instance::User => &[],
    };
    for name in TAKEN_OVER.iter().chain(identity) {
        if let Some(value) = told.remove(*name)
            && says_something(&value)
        {
            command.like.push((name, value));
        }
    }
}

/// Whether a value is more than a default: some properties of an empty value are refused.
fn says_something(value: &Variant<'_>) -> bool {
    match value {
        Variant::Str(text) => !text.as_str().is_empty(),
        Variant::Bool(set) => *set,
        Variant::Array(items) => !items.is_empty(),
        // A list of what is allowed, or of what is not: no list. (Nothing allowed at all would run no command either.)
        Variant::Structure(parts) => match parts.fields() {
            [Variant::Bool(_), Variant::Array(items)] => !items.is_empty(),
            _ => true,
        },
        // Every bit set is every capability or namespace, and no limit of any kind.
        Variant::U64(number) => *number != u64::MAX,
        Variant::I32(number) => *number != 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> HashMap<String, OwnedVariant> {
        [
            ("User", Variant::from("www-data")),
            ("Group", Variant::from("")),
            ("DynamicUser", Variant::from(false)),
            ("WorkingDirectory", Variant::from("!/srv/app/current")),
            ("Environment", Variant::from(vec!["A=1"])),
            ("ReadWritePaths", Variant::from(Vec::<String>::new())),
            ("RuntimeDirectory", Variant::from(vec!["app"])),
            ("CapabilityBoundingSet", Variant::from(1_u64 << 10)),
            ("RestrictNamespaces", Variant::from(u64::MAX)),
            ("SystemCallFilter", Variant::from((true, vec!["read", "write"]))),
            ("RestrictAddressFamilies", Variant::from((false, Vec::<String>::new()))),
        ]
        .into_iter()
        .map(|(name, value)| {
            let value = value.try_into_owned().expect("no file descriptor");
            (name.to_owned(), value)
        })
        .collect()
    }

    fn names(instance: Instance) -> Vec<&'static str> {
        let mut command = Command::new(vec!["/bin/x".to_owned()], Duration::from_secs(1));
        take_over(&mut command, told(), instance);
        assert_eq!(command.directory.as_deref(), Some("-/srv/app/current"));
        command.like.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn what_is_set_is_taken_over_and_nothing_else() {
        assert_eq!(
            names(Instance::System),
            ["Environment", "CapabilityBoundingSet", "SystemCallFilter", "User"]
        );
        assert_eq!(names(Instance::User), ["Environment", "CapabilityBoundingSet", "SystemCallFilter"]);
    }
}
