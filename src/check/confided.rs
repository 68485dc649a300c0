//! Before a password is sent to an address of this host: whoever listens there must be the unit, or somebody whom its file
//! names. A port that its service has left free is anybody's who binds it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::host::{self, Held};
use crate::model::host::Place;
use crate::model::unit::UnitName;
use crate::probe::confides_surely;
use crate::prober::Prober;
use crate::systemd::Instance;
use crate::systemd::identity::{Identity, identity};

/// Looking who listens.
const LOOK: Duration = Duration::from_secs(2);
/// Users of people begin here; below are those of the system, and so are those that `DynamicUser=` makes.
const PEOPLE: u32 = 1000;
const DYNAMIC: std::ops::RangeInclusive<u32> = 61_184..=65_519;

/// Who asks, and whom else it trusts.
#[derive(Clone, Copy, Debug)]
pub struct Asks<'a> {
    pub instance: Instance,
    pub unit: &'a UnitName,
    /// Besides the unit itself.
    pub requires: &'a [UnitName],
    /// Any service of the system may be meant: a queue is another server's.
    pub of_others: bool,
}

/// Why the password is not sent; and whether it is a stranger who would have got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub who: Who,
    pub why: String,
}

/// Who listens where the password would go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Stranger,
    /// Whoever begins to listen between this look and the question would be sent it.
    Nobody,
    Unknown,
}

/// Looks who listens where this question would send a password.
pub async fn refused(prober: &Prober, keys: &str, limit: Duration, asks: Asks<'_>) -> Option<Refused> {
    // Whose address it is, the network says: that is the prober's to ask.
    let addresses = match confides_surely(keys) {
        Some(addresses) => addresses,
        None => match prober.confides(asks.unit, keys, limit).await {
            Ok(addresses) => addresses,
            Err(cause) => {
                let why = format!(
                    "it was not found out whose address that is, so the password was not sent: {cause}"
                );
                return Some(Refused { who: Who::Unknown, why });
            }
        },
    };
    if addresses.is_empty() {
        return None;
    }
    let wanted = addresses.clone();
    let looked = timeout(LOOK, spawn_blocking(move || host::held(&wanted))).await;
    let Ok(Ok(Some(all))) = looked else {
        let why = "it was not found out who listens there, so the password was not sent".to_owned();
        return Some(Refused { who: Who::Unknown, why });
    };
    let port = addresses.first().map_or(0, SocketAddr::port);
    if all.is_empty() {
        let why = format!("connection refused, nothing listens on port {port}");
        return Some(Refused { who: Who::Nobody, why });
    }
    let suspects: Vec<Held> = all.into_iter().filter(|held| !is_known(held, asks)).collect();
    if suspects.is_empty() {
        return None;
    }
    // The service manager is asked for what else the unit is.
    let Identity { id, user } = identity(asks.instance, asks.unit).await.unwrap_or_default();
    let uids: BTreeSet<u32> = suspects
        .iter()
        .flat_map(|held| [Some(held.uid), held.by.as_ref().map(|by| by.uid)])
        .flatten()
        .collect();
    let names = spawn_blocking(move || host::users(Path::new("/"), &uids)).await.unwrap_or_default();
    let is_unit = |held: &Held| {
        let its_user =
            |uid: u32| user == uid.to_string() || names.get(&uid).is_some_and(|name| *name == user);
        let place = held.by.as_ref().and_then(|by| by.place.unit(false));
        (!user.is_empty() && its_user(held.uid))
            || (!id.is_empty() && place.is_some_and(|unit| unit.as_str() == id))
    };
    let stranger = suspects.iter().find(|held| !is_unit(held))?;
    let who = names.get(&stranger.uid).cloned().unwrap_or_else(|| format!("user {}", stranger.uid));
    Some(told(stranger, &who, port, asks))
}

/// Root's, the unit's own, or of somebody whom the unit's file names.
fn is_known(held: &Held, asks: Asks<'_>) -> bool {
    if held.uid == 0 || (asks.instance == Instance::User && held.uid == nix::unistd::getuid().as_raw()) {
        return true;
    }
    let Some(unit) = held.by.as_ref().and_then(|by| by.place.unit(false)) else {
        return false;
    };
    unit == asks.unit || asks.requires.contains(unit) || (means_others(asks) && is_service(held))
}

/// It is no unit that could be compared: what it needs is elsewhere, and may be here.
fn means_others(asks: Asks<'_>) -> bool {
    asks.of_others || asks.unit.is_dependency() || asks.requires.iter().any(UnitName::is_dependency)
}

/// A service of the system, and of no person.
fn is_service(held: &Held) -> bool {
    let service = held.by.as_ref().is_some_and(|by| matches!(by.place, Place::Unit(_)));
    service && (held.uid < PEOPLE || DYNAMIC.contains(&held.uid))
}

fn told(held: &Held, who: &str, port: u16, asks: Asks<'_>) -> Refused {
    let unit = asks.unit;
    let by = match &held.by {
        Some(by) => format!("{who}'s process {}", by.pid),
        None => format!("a process of {who}'s"),
    };
    let service = held.by.as_ref().and_then(|by| by.place.unit(false)).filter(|_| is_service(held));
    let (who, why) = match service {
        Some(service) => {
            let help = format!("if that is meant, add {service} to requires");
            (
                Who::Unknown,
                format!(
                    "port {port} is held by {by} of {service}, not by {unit}: its password was not sent; {help}"
                ),
            )
        }
        None => {
            (Who::Stranger, format!("port {port} is held by {by}, not by {unit}: its password was not sent"))
        }
    };
    Refused { who, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Holder;

    fn held(uid: u32, pid: i32, place: Place) -> Held {
        Held { uid, by: Some(Holder { pid, uid, place }) }
    }

    fn unit(name: &str) -> UnitName {
        UnitName::from(name)
    }

    #[test]
    fn row_15_the_unit_and_whom_it_names_are_known_and_strangers_are_not() {
        let (redis, horizon) = (unit("redis-server.service"), unit("horizon.service"));
        let asks = |unit, requires, of_others| Asks { instance: Instance::System, unit, requires, of_others };
        let of_redis = held(107, 5, Place::Unit(redis.clone()));
        let joes = held(1000, 812, Place::Session { scope: unit("session-3.scope"), uid: 1000 });
        let by_cron = held(1000, 813, Place::Unit(unit("cron.service")));
        let own = asks(&redis, &[], false);
        assert!(is_known(&of_redis, own) && is_known(&Held { uid: 0, by: None }, own));
        for stranger in [&joes, &by_cron, &held(33, 9, Place::Unit(unit("php-fpm.service")))] {
            assert!(!is_known(stranger, own), "{stranger:?}");
        }
        let required = [redis.clone()];
        assert!(!is_known(&of_redis, asks(&horizon, &[], false)));
        assert!(is_known(&of_redis, asks(&horizon, &required, false)));
        assert!(is_known(&of_redis, asks(&horizon, &[], true)), "a queue is another server's");
        assert!(
            !is_known(&joes, asks(&horizon, &required, true))
                && !is_known(&by_cron, asks(&horizon, &[], true))
        );
        let dependency = unit("cache.dependency");
        assert!(is_known(&of_redis, asks(&dependency, &[], false)));
        // A user's own service of the same name is another.
        let twin = held(1000, 9, Place::User { uid: 1000, unit: Some(redis.clone()) });
        assert!(!is_known(&twin, own));

        let told_of = |held: &Held, who| told(held, who, 6379, own);
        let why =
            "port 6379 is held by joe's process 812, not by redis-server.service: its password was not sent";
        assert_eq!(told_of(&joes, "joe"), Refused { who: Who::Stranger, why: why.to_owned() });
        let other = told_of(&held(33, 9, Place::Unit(unit("php-fpm.service"))), "www-data");
        assert!(
            other.who == Who::Unknown
                && other.why.ends_with("if that is meant, add php-fpm.service to requires"),
            "{other:?}"
        );
    }
}
