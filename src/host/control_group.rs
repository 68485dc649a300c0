//! Where a process belongs, read off its control group.

use crate::model::host::Place;
use crate::model::unit::UnitName;

/// The place that a control group's path (`/system.slice/cron.service`) stands for.
pub(super) fn of(control_group: &str) -> Place {
    let parts: Vec<&str> = control_group.split('/').filter(|part| !part.is_empty()).collect();
    let unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    // A container's own tree may stand beside the host's slices, with the names of services in it.
    let ours = parts.first().is_some_and(|first| first.ends_with(".slice") || *first == "init.scope");
    let Some(at) = parts.iter().filter(|_| ours).position(unit) else {
        return Place::Outside;
    };
    let name = parts.get(at).copied().unwrap_or_default();
    let user = parts
        .first()
        .filter(|first| **first == "user.slice")
        .and(parts.get(1))
        .and_then(|slice| slice.strip_prefix("user-")?.strip_suffix(".slice")?.parse::<u32>().ok());
    match user {
        Some(uid) if name == format!("user@{uid}.service") => {
            // The last one counts: a scope may be below an application's slice.
            let below = parts.iter().skip(at + 1).rfind(|part| unit(part) && **part != "init.scope");
            Place::User { uid, unit: below.map(|part| UnitName::from(*part)) }
        }
        Some(uid) if name.ends_with(".scope") => Place::Session { scope: UnitName::from(name), uid },
        _ if parts.len() == 1 && name == "init.scope" => Place::Manager,
        _ if name.ends_with(".scope") => Place::Scope(UnitName::from(name)),
        _ => Place::Unit(UnitName::from(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_tells_who_is_responsible() {
        let unit = |name: &str| UnitName::from(name);
        for (group, place) in [
            ("/", Place::Outside),
            ("/init.scope", Place::Manager),
            ("/lxc.payload.web/system.slice/nginx.service", Place::Outside),
            ("/system.slice/cron.service", Place::Unit(unit("cron.service"))),
            ("/system.slice/system-getty.slice/getty@tty1.service", Place::Unit(unit("getty@tty1.service"))),
            ("/system.slice/docker.service/below", Place::Unit(unit("docker.service"))),
            ("/machine.slice/machine-a.scope/payload/init.scope", Place::Scope(unit("machine-a.scope"))),
            (
                "/user.slice/user-1000.slice/session-3.scope",
                Place::Session { scope: unit("session-3.scope"), uid: 1000 },
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope",
                Place::User { uid: 1000, unit: None },
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/bus.service",
                Place::User { uid: 1000, unit: Some(unit("bus.service")) },
            ),
        ] {
            assert_eq!(of(group), place, "{group}");
        }
    }
}
