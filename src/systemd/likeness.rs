//! A command that runs as a unit runs: its user, directory, environment and the walls around it.

use std::time::Duration;

use tokio::time::timeout;
use zbus::{OwnedVariant, Variant};

use crate::model::unit::UnitName;

use super::bus::{self, property, unit_path, words};
use super::command::Command;
use super::orders::Orders;
use super::{Instance, proxies::ManagerProxy};

const SERVICE: &str = "org.freedesktop.systemd1.Service";
/// All readings of one likeness.
const LIMIT: Duration = Duration::from_secs(5);
/// Settings that are taken over as they are; a manager that does not know one has nothing to take over.
const TAKEN_OVER: [&str; 15] = [
    "SupplementaryGroups",
    "DynamicUser",
    "EnvironmentFiles",
    "UMask",
    "LimitNOFILE",
    "RootDirectory",
    "BindPaths",
    "BindReadOnlyPaths",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateNetwork",
];

/// The command, made to run with the unit's own user, group, directory, environment and file system.
///
/// # Errors
/// The unit or the manager cannot be asked; one sentence.
pub async fn like_unit(orders: &Orders, unit: &UnitName, command: Command) -> Result<Command, String> {
    let asked = async {
        let connection = bus::connect(orders.instance()).await.map_err(|error| error.to_string())?;
        let manager = ManagerProxy::new(&connection).await.map_err(|error| words(&error))?;
        manager.load_unit(unit.as_str()).await.map_err(|error| words(&error))?;
        let path = unit_path(unit.as_str());
        let read = async |name: &str| property::<OwnedVariant>(&connection, &path, SERVICE, name).await.ok();
        let text = async |name: &str| match read(name).await.map(Variant::from) {
            Some(Variant::Str(text)) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        let mut command = command;
        if orders.instance() == Instance::System {
            command.user = text("User").await;
            command.group = text("Group").await;
        }
        command.directory =
            text("WorkingDirectory").await.map(|path| path.trim_start_matches(['!', '-']).to_owned());
        if let Some(Variant::Array(environment)) = read("Environment").await.map(Variant::from) {
            let values = environment.inner().iter().filter_map(|value| match value {
                Variant::Str(text) => Some(text.to_string()),
                _ => None,
            });
            command.environment.extend(values);
        }
        for name in TAKEN_OVER {
            if let Some(value) = read(name).await.filter(is_set) {
                command.like.push((name, value));
            }
        }
        Ok(command)
    };
    timeout(LIMIT, asked)
        .await
        .unwrap_or_else(|_| Err(format!("no answer about {unit} within {} s", LIMIT.as_secs())))
}

/// Not the manager's way to say "nothing".
fn is_set(value: &OwnedVariant) -> bool {
    match &**value {
        Variant::Str(text) => !text.is_empty(),
        Variant::Array(items) => !items.inner().is_empty(),
        Variant::Bool(yes) => *yes,
        _ => true,
    }
}
