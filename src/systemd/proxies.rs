//! The parts of the manager's, a job's and logind's interfaces that we use, written by hand.
//!
//! No properties of units here: a proxy with properties caches them all, and reading all of a unit is what PID 1 must
//! be spared. `bus::property` asks for one at a time.

use zbus::OwnedObjectPath;

use super::setting::Setting;

/// One unit in the list of those that are loaded: name, description, load state, active state, sub state,
/// followed unit, object, job id, job type, job object.
pub(super) type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// `org.freedesktop.systemd1.Manager`.
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    /// Turns signals on for the whole bus, as long as we are on it.
    fn subscribe(&self) -> zbus::Result<()>;

    /// All loaded units. Without side effects.
    fn list_units(&self) -> zbus::Result<Vec<Listed>>;

    /// All unit files with their states. Quadratic in the manager: a second per thousand files; never on a timer.
    fn list_unit_files(&self) -> zbus::Result<Vec<(String, String)>>;

    /// Loads the unit if it is not loaded; never call it because of `UnitNew` or `UnitRemoved`.
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;

    /// Loads the unit and keeps it loaded as long as we are on the bus; fails when it cannot be used.
    fn ref_unit(&self, name: &str) -> zbus::Result<()>;

    fn unref_unit(&self, name: &str) -> zbus::Result<()>;

    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;

    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;

    /// The last argument, auxiliary units, is always empty.
    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[Setting<'_>],
        auxiliary: &[(&str, &[Setting<'_>])],
    ) -> zbus::Result<OwnedObjectPath>;

    /// Reads the disk, not the cache of the property of the same name.
    fn get_unit_file_state(&self, name: &str) -> zbus::Result<String>;

    /// Returns whether there was an `[Install]` section, and the changes: kind, path, source.
    fn enable_unit_files(
        &self,
        names: &[&str],
        runtime: bool,
        force: bool,
    ) -> zbus::Result<(bool, Vec<(String, String, String)>)>;

    fn reload(&self) -> zbus::Result<()>;
}
