//! One look over the whole host: what systemd has, through the same policy, and what runs besides.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::check::{look, unasked, with_unmanaged};
use crate::config::{self, Directories, Loaded, Loader};
use crate::host;
use crate::model::host::HostReading;
use crate::model::unit::UnitName;
use crate::redact::redacted;
use crate::systemd::{Instance, inventory, timer};

use super::judge::{Look, Surroundings};
use super::{Records, supervisor_files};

/// Processes, sockets and files; a disk that does not answer by then tells nothing.
const HOST_LIMIT: Duration = Duration::from_secs(30);
/// Homes may lie on another host.
const HOMES_LIMIT: Duration = Duration::from_secs(5);
/// All timers together.
const TIMERS_LIMIT: Duration = Duration::from_secs(15);

/// Looks over the whole host. `probes`: the probes of what is managed are run as well.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn gather(user: bool, records: Records, probes: bool) -> anyhow::Result<Look> {
    let (instance, directories) = (Instance::of(user), Directories::of(user));
    let folders = directories.clone();
    let loaded = spawn_blocking(move || Loader::new(folders).load()).await?;
    let Loaded { settings, specs, problems } = loaded;
    let present = inventory::whole(instance).await?;
    let ours = if probes { specs.clone() } else { unasked(specs.clone()) };
    let all = with_unmanaged(ours, present.units);
    let loaded = Loaded { settings: settings.clone(), specs: all, problems };
    let (mut snapshot, boot) = look(user, loaded, |_, _| {}).await?;
    // What is wrong with what is switched off is nobody's business until its end.
    for status in snapshot.units.values_mut().filter(|status| status.disabled.is_some()) {
        Arc::make_mut(status).findings.clear();
    }
    let armed: Vec<UnitName> = snapshot.units.keys().filter(|unit| unit.kind() == "timer").cloned().collect();
    let (timers, in_time) = timer::facts(instance, &armed, TIMERS_LIMIT).await;
    let mut around = timeout(HOST_LIMIT, spawn_blocking(move || surroundings(&directories)))
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_else(unread);
    if !user && rustix::process::geteuid().is_root() {
        around.user_units = timeout(HOMES_LIMIT, spawn_blocking(|| host::managers(Path::new("/"))))
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_else(|| {
                around.host.untold.push("units of users: a home does not answer".to_owned());
                Vec::new()
            });
    }
    around.unit_files = present.files;
    around.timers = timers;
    if !in_time {
        around.host.untold.push("when some timers last ran: systemd did not answer in time".to_owned());
    }
    around.records = records;
    Ok(Look { snapshot, boot, specs, settings, around })
}

/// What is on this host besides its units. Blocks.
fn surroundings(directories: &Directories) -> Surroundings {
    let mut host = host::read();
    let claims = supervisor_files::claims(&host);
    for process in &mut host.processes {
        // Others choose their names and arguments, and leave secrets in them.
        for text in process.arguments.iter_mut().chain([&mut process.name]) {
            *text = redacted(&text.replace(char::is_control, " "));
        }
        hide_values(&mut process.arguments);
    }
    let uids: BTreeSet<u32> = host.processes.iter().map(|process| process.uid).collect();
    Surroundings {
        host,
        users: host::users(Path::new("/"), &uids),
        off: config::switched_off(directories),
        claims,
        ..Surroundings::default()
    }
}

/// `--password VALUE`: the value stands in an argument of its own.
fn hide_values(arguments: &mut [String]) {
    let secret = |pair: &[String]| {
        let both = pair.join(" ");
        redacted(&both) != both
    };
    let hidden: Vec<bool> = arguments.windows(2).map(secret).collect();
    for (argument, hidden) in arguments.iter_mut().skip(1).zip(hidden) {
        if hidden {
            "***".clone_into(argument);
        }
    }
}

fn unread() -> Surroundings {
    let untold = vec!["the processes of this host: a file system does not answer".to_owned()];
    Surroundings { host: HostReading { untold, ..HostReading::default() }, ..Surroundings::default() }
}
