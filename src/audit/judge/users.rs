//! Services of users' own service managers, as root sees them: enabled where nothing starts their manager at boot, running and
//! managed by nobody.

use std::collections::BTreeSet;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Place, UserUnits};
use crate::model::unit::UnitName;
use crate::policy::lists::listed;

use super::listeners::{addresses, listening};
use super::{Look, NAMED};

/// Gaps of every user.
pub fn gaps(look: &Look) -> Vec<Gap> {
    look.around.user_units.iter().flat_map(|user| of_user(look, user)).collect()
}

fn of_user(look: &Look, user: &UserUnits) -> Vec<Gap> {
    let name = &user.user;
    let mut gaps = Vec::new();
    let enabled: Vec<&str> = user.enabled.iter().map(UnitName::as_str).collect();
    if !user.lingers && !enabled.is_empty() {
        let message = format!(
            "no manager of {name} runs at boot, lingering is off: {} will not start before {name} logs in",
            listed(&enabled, NAMED)
        );
        let gap = Gap::new(Code::NoLinger, (&format!("user {name}"), name), message, look.at());
        gaps.push(gap.proven(Vec::new(), format!("loginctl enable-linger {name}")));
    }
    let host = &look.around.host;
    let theirs = |process: &&HostProcess, unit: &UnitName| matches!(&process.place, Place::User { uid, unit: Some(known) } if *uid == user.uid && known == unit);
    let running: BTreeSet<&UnitName> = user
        .own
        .iter()
        .filter(|unit| unit.kind() == "service" && !user.managed.contains(*unit))
        .filter(|unit| host.processes.iter().any(|process| theirs(&process, unit)))
        .collect();
    for unit in running {
        let pids: Vec<i32> = host
            .processes
            .iter()
            .filter(|process| theirs(process, unit))
            .map(|process| process.pid)
            .collect();
        let mut clauses = vec!["runs".to_owned()];
        clauses.extend(addresses(&listening(host, &pids)));
        let subject = format!("{unit} of {name}");
        let line = format!("{subject}: {}", clauses.join(", "));
        let message = format!("{subject} is managed by nobody ({})", clauses.join(", "));
        let gap = Gap::new(Code::Unmanaged, (&subject, &subject), message, look.at());
        let repair =
            format!("sudo -u {name} XDG_RUNTIME_DIR=/run/user/{} steadfast --user adopt {unit}", user.uid);
        gaps.push(gap.proven(vec![line], repair));
    }
    gaps
}
