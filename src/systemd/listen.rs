//! What a session listens to, and the few questions that a signal raises.

use zbus::{Connection, MatchRule, ObjectPath};

use super::bus::{self, MANAGER, PROPERTIES, SYSTEMD, UNITS};
use super::proxies::ManagerProxy;
use super::reading;
use crate::model::unit::JobKind;

/// What is listened to. Four rules, however many units: the bus allows 512, and every process pays for them.
pub(super) fn rules() -> zbus::Result<Vec<MatchRule<'static>>> {
    let from_systemd = || MatchRule::builder().sender(SYSTEMD);
    Ok(vec![
        // Of all interfaces: services tell theirs before `Unit`, sockets, timers and mounts have a result too.
        from_systemd().interface(PROPERTIES).member("PropertiesChanged").path_namespace(UNITS).build()?,
        from_systemd().interface(MANAGER).build()?,
        MatchRule::builder()
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, SYSTEMD)
            .build()?,
        MatchRule::builder()
            .sender("org.freedesktop.login1")
            .interface("org.freedesktop.login1.Manager")
            .member("PrepareForShutdown")
            .build()?,
    ])
}

/// Turns the signals on for as long as this connection lasts.
pub(super) async fn subscribe(listener: &Connection) -> zbus::Result<()> {
    let manager = ManagerProxy::new(listener).await?;
    match manager.subscribe().await {
        // Subscriptions outlive the execution of a new manager.
        Err(zbus::Error::MethodError(name, _, _)) if name.ends_with(".AlreadySubscribed") => Ok(()),
        other => other,
    }
}

/// The kind of a job that is still there.
pub(super) async fn kind_of(calls: &Connection, id: u32) -> zbus::Result<JobKind> {
    let path = ObjectPath::try_from(format!("/org/freedesktop/systemd1/job/{id}"))?;
    let word: String = bus::property(calls, &path, "org.freedesktop.systemd1.Job", "JobType").await?;
    Ok(reading::job_kind(&word))
}
