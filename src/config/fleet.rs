//! `[fleet]`: where other hosts show their status, and the lock server that gives out slots for restarts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use toml::Spanned;

use crate::keys::{Credential, FullPath, Length, password};
use crate::model::fleet::{LockSpec, SlotSpec};
use crate::probe::{ADDRESSES, Lock};

use super::diagnose::Mistake;

/// Peers of one host.
const PEERS: usize = 1000;

/// Other hosts.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// Where other hosts show their status for reading (their `listen`): when a probe of a dependency fails here, up to three of
    /// them are asked once what they see of it. Default: nobody is asked.
    #[schemars(with = "Vec<String>", example = ["http://web2:9631", "http://web3:9631"])]
    pub peers: Vec<Spanned<String>>,
    /// The addresses of an etcd cluster: a restart that takes a working process away needs a slot of the unit's group, and gives it
    /// back when it is proven. The next address is asked when one does not answer. Default: no slots.
    #[schemars(with = "Vec<String>", example = ["https://10.0.0.1:2379", "https://10.0.0.2:2379"])]
    pub etcd: Vec<Spanned<String>>,
    /// The address of a server that speaks FleetLock, instead of etcd.
    #[schemars(with = "Option<String>", example = &"https://lock.example.org")]
    pub fleetlock: Option<Spanned<String>>,
    /// The group of units whose file names none. Default: units need a slot only where their file names a group.
    #[schemars(with = "Option<String>", example = &"web")]
    pub group: Option<Spanned<String>>,
    /// Slots of each group; the same number on every host. FleetLock: the server decides. Default: 1.
    #[schemars(with = "Option<usize>")]
    pub slots: Option<Spanned<usize>>,
    /// How long each address of the lock server is waited for. Default: "2s".
    pub timeout: Option<Length>,
    /// When no slot has been free for this long it is a finding. Default: "10m".
    pub patience: Option<Length>,
    /// The user at the lock server.
    pub user: Option<String>,
    /// The systemd credential of steadfast.service that holds his password.
    pub credential: Option<Credential>,
    /// A file that holds his password, readable for its owner alone.
    pub password_file: Option<FullPath>,
    /// Trust the certificates of this file (PEM) instead of this host's own.
    pub ca_file: Option<FullPath>,
}

/// `[fleet]` of a unit file.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UnitFleet {
    /// A restart of it needs a slot of this group. Default: the group of steadfast.toml.
    #[schemars(with = "Option<String>")]
    pub group: Option<Spanned<String>>,
    /// It needs a slot. Default: true.
    pub slot: Option<bool>,
}

/// Restarts wait so long for a slot until that is told, and a server has so long to answer.
const PATIENCE: Duration = Duration::from_secs(600);
const TIMEOUT: Duration = Duration::from_secs(2);

/// The lock server, where one is named.
///
/// # Errors
/// What is written does not fit together.
pub fn lock(fleet: &Fleet) -> Result<Option<LockSpec>, Mistake> {
    let secret = password(fleet.credential.as_ref(), fleet.password_file.as_ref())
        .map_err(|_| Mistake::whole("cannot use `[fleet]`: the password stands in two places"))?;
    let group = fleet.group.as_ref().map(named).transpose()?;
    let first = fleet.etcd.first().or(fleet.fleetlock.as_ref());
    let Some(first) = first else {
        let idle = group.is_some() || fleet.slots.is_some() || fleet.user.is_some() || secret.is_some();
        let message = "cannot use `[fleet]`: it names no lock server";
        let help = "add etcd = [\"https://10.0.0.1:2379\"] or fleetlock = \"https://lock.example.org\"";
        return if idle { Err(Mistake::whole(message).help(help)) } else { Ok(None) };
    };
    if let (Some(other), false) = (&fleet.fleetlock, fleet.etcd.is_empty()) {
        return Err(Mistake::at(other.span(), "cannot use `fleetlock`: `etcd` is the lock server already"));
    }
    if let Some(over) = fleet.etcd.get(ADDRESSES) {
        return Err(Mistake::at(over.span(), format!("cannot use `etcd`: at most {ADDRESSES} are asked")));
    }
    if fleet.user.is_some() != secret.is_some() {
        let message = "cannot use `[fleet]`: `user` and a password (credential, password_file) go together";
        return Err(Mistake::at(first.span(), message));
    }
    let slots = fleet.slots.as_ref().map_or(1, |slots| *slots.get_ref());
    if let (Some(slots), 0) = (&fleet.slots, slots) {
        return Err(Mistake::at(slots.span(), "cannot use `slots`: with none nothing is ever restarted"));
    }
    let timeout = fleet.timeout.unwrap_or(Length(TIMEOUT));
    if timeout.0.is_zero() {
        return Err(Mistake::at(first.span(), "cannot use `[fleet]`: its timeout is zero"));
    }
    let lock = Lock {
        etcd: fleet.etcd.iter().map(|one| host(one, "etcd")).collect::<Result<_, _>>()?,
        fleetlock: fleet.fleetlock.as_ref().map(|one| host(one, "fleetlock")).transpose()?,
        slots,
        timeout: Some(timeout),
        user: fleet.user.clone(),
        credential: fleet.credential.clone(),
        password_file: fleet.password_file.clone(),
        ca_file: fleet.ca_file.clone(),
    };
    let patience = fleet.patience.map_or(PATIENCE, |length| length.0);
    Ok(Some(LockSpec { keys: lock.keys(), group, patience, limit: lock.limit() }))
}

/// The slot that a unit's file asks for.
///
/// # Errors
/// The group is no name.
pub fn slot(fleet: &UnitFleet) -> Result<SlotSpec, Mistake> {
    let group = fleet.group.as_ref().map(named).transpose()?;
    if fleet.slot == Some(false) {
        return Ok(SlotSpec::Free);
    }
    Ok(group.map_or(SlotSpec::Usual, SlotSpec::Group))
}

/// What may stand in a key of etcd, and in the protocol.
fn named(group: &Spanned<String>) -> Result<String, Mistake> {
    let text = group.get_ref();
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
    if text.is_empty() || text.len() > 64 || text.contains(odd) {
        let message = format!("cannot use `group`: \"{}\" is no name", text.escape_debug());
        return Err(Mistake::at(group.span(), message).help("write letters, digits, and . _ - between them"));
    }
    Ok(text.clone())
}

/// Their addresses, without a slash at the end.
///
/// # Errors
/// One is no address of a host, or there are too many.
pub fn peers(fleet: &Fleet) -> Result<Vec<String>, Mistake> {
    if let Some(over) = fleet.peers.get(PEERS) {
        return Err(Mistake::at(over.span(), format!("cannot use `peers`: at most {PEERS} are taken")));
    }
    fleet.peers.iter().map(|one| host(one, "peers")).collect()
}

/// An address without a slash at its end.
fn host(written: &Spanned<String>, key: &str) -> Result<String, Mistake> {
    let text = written.get_ref();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let name = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "._-:[]".contains(c));
    match name {
        Some(name) if !name.is_empty() && !name.contains(odd) => {
            Ok(text.strip_suffix('/').unwrap_or(text).to_owned())
        }
        _ => {
            let (what, like) = match key {
                "peers" => ("a host's status", "http://web2:9631"),
                "etcd" => ("an etcd server", "https://10.0.0.1:2379"),
                _ => ("a lock server", "https://lock.example.org"),
            };
            let message = format!("cannot use `{key}`: \"{text}\" is not the address of {what}");
            Err(Mistake::at(written.span(), message).help(format!("write it as \"{like}\"")))
        }
    }
}
