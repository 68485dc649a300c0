//! The name under which a unit's processes live, and its user.

use std::time::Duration;

use tokio::time::timeout;

use super::bus::{self, Instance, UNIT};
use crate::model::unit::UnitName;

/// The interface of a service.
const SERVICE: &str = "org.freedesktop.systemd1.Service";
/// Asking for it.
const LIMIT: Duration = Duration::from_secs(2);

/// What a unit is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `Id=`: it may be asked for by another of its names.
    pub id: String,
    /// `User=`, a name or a number; empty for root, and for what is no service.
    pub user: String,
}

/// `None`: the service manager does not say.
pub async fn identity(instance: Instance, unit: &UnitName) -> Option<Identity> {
    if unit.is_dependency() {
        return None;
    }
    let asked = async {
        let connection = bus::connect(instance).await.ok()?;
        let path = bus::unit_path(unit.as_str());
        let id: String = bus::property(&connection, &path, UNIT, "Id").await.ok()?;
        let user: String = bus::property(&connection, &path, SERVICE, "User").await.unwrap_or_default();
        Some(Identity { id, user })
    };
    timeout(LIMIT, asked).await.ok().flatten()
}
