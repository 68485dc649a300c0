//! What is worth asking of a live unit on the spot: what others asked of it before, the recipe of its software, and for each
//! address at which it listens what may be asked there without harm.

use std::collections::BTreeMap;

use crate::model::adopt::{Key, Recipe, Table, Value, Written};
use crate::model::host::{Listener, Protocol, base};
use crate::model::span::written;
use crate::policy::probe_manner::Manner;

use super::addresses::{self, join, rank, reachable, split, url};
use super::live::Live;
use super::period::{max_age, period};
use super::software::recognised;

/// Addresses of one unit that are asked.
const ADDRESSES: usize = 12;
/// Keys whose value is a URL, or a host and port.
const PLACES: [&str; 12] = [
    "http",
    "tcp",
    "redis",
    "memcached",
    "amqp",
    "postgres",
    "mysql",
    "rabbitmq",
    "smtp",
    "imap",
    "pop3",
    "ssh",
];
/// Recipes of programs that answer in HTTP wherever they listen.
const WEB: [&str; 2] = ["gunicorn.service", "puma.service"];
/// A page has no address of its own on a socket with a path.
const AT_SOCKET: &str = "unix:";

/// A table that may be put in a file, if what it asks is well right now.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub table: Table,
    /// GET and take the status that comes.
    pub page: bool,
}

/// Ways to ask the same thing: the first that is well is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The address that they ask; empty where none but this group does.
    pub address: String,
    pub ways: Vec<Candidate>,
    /// What is not well is not even worth a comment.
    pub only_if_well: bool,
}

impl Candidate {
    /// What it is known to leave in the log of the service each time, as a sentence.
    pub fn is_logged(&self) -> Option<&'static str> {
        let broker = self.table.text("amqp")?;
        let why = "RabbitMQ logs a warning for each handshake that does not log in; name a user (amqp://USER@HOST) to have it asked";
        (!broker.contains('@')).then_some(why)
    }

    /// It is asked over a connection that the other side may log.
    pub fn connects(&self) -> bool {
        let first = self.table.keys.first().map(|key| key.name.as_str());
        !self.page && first.is_some_and(|key| key == "unix" || key != "http" && PLACES.contains(&key))
    }
}

impl Group {
    /// There is no other way to ask it.
    #[must_use]
    pub fn one_way(table: Table) -> Self {
        Self { ways: vec![Candidate { table, page: false }], ..Self::default() }
    }
}

/// The questions, in the order in which they are asked.
#[must_use]
pub fn groups(live: &Live, recipes: &[Recipe]) -> Vec<Group> {
    let mut groups = told(live);
    groups.extend(timer(live));
    groups.extend(of_recipe(live, recipes));
    groups.extend(login(live));
    groups.extend(listening(live));
    groups
}

/// This address is asked by something that is in force already; or the very same question is.
#[must_use]
pub fn covered(written: &[Written], group: &Group) -> bool {
    let in_force = || written.iter().filter(|one| one.in_force).map(|one| &one.table);
    if !group.address.is_empty() {
        return in_force().filter_map(address).any(|known| same_place(&known, &group.address));
    }
    let Some(first) = group.ways.first().map(|way| &way.table) else {
        return true;
    };
    let kind = |table: &Table| table.keys.first().map(|key| key.name.clone());
    let place = address(first);
    place.is_some_and(|place| {
        let same = |known: &&Table| kind(known) == kind(first);
        in_force().filter(same).filter_map(address).any(|known| same_place(&known, &place))
    })
}

/// One and the same, as seen from this host.
fn same_place(one: &str, other: &str) -> bool {
    match (split(one), split(other)) {
        (Some((host, port)), Some((other, same))) => {
            let near = |host: &str| addresses::loopback(reachable(host));
            port == same && (host == other || near(host) && near(other))
        }
        _ => one == other,
    }
}

/// What a table asks: `host:port`, or the path of a socket.
fn address(table: &Table) -> Option<String> {
    if table.kind() != "probe" {
        return None;
    }
    if let Some(path) = table.text("unix") {
        return Some(path.to_owned());
    }
    if let Some(rest) = table.text("http").and_then(|url| url.strip_prefix(AT_SOCKET)) {
        return Some(rest.split(':').next().unwrap_or(rest).to_owned());
    }
    let place = PLACES.iter().find_map(|key| table.text(key)).and_then(url)?;
    Some(join(&place.host, place.port))
}

/// What a foreign file asks of it.
fn told(live: &Live) -> Vec<Group> {
    let tables = live.told.iter().flat_map(|entry| &entry.tables);
    tables.filter(|table| table.kind() == "probe").cloned().map(Group::one_way).collect()
}

fn timer(live: &Live) -> Option<Group> {
    let schedule = live.needs.schedule.as_ref()?;
    let (seconds, setting) = period(schedule)?;
    let seen = format!("{setting}: at most {} apart, and some room", written(seconds));
    let mut keys = vec![
        Key::text("timer", live.unit.as_str(), format!("it starts {}", schedule.unit)),
        Key::text("max_age", written(max_age(seconds, schedule.spread)), seen),
    ];
    if seconds >= 3600 {
        keys.push(Key::text("period", "5m", "it does not change more often"));
    }
    Some(Group::one_way(Table { name: "probe.run".to_owned(), keys }))
}

/// The recipe's questions, at the addresses of this unit.
fn of_recipe(live: &Live, recipes: &[Recipe]) -> Vec<Group> {
    let Some(((name, _), sure)) = recognised(live) else {
        return Vec::new();
    };
    let Some(recipe) = recipes.iter().find(|recipe| recipe.name == name) else {
        return Vec::new();
    };
    // What a process calls itself is its own choice: for that no command is run.
    let of_unit = Live { processes: Vec::new(), ..live.clone() };
    let by_unit = recognised(&of_unit).is_some_and(|((by_unit, _), sure)| sure && by_unit == name);
    let asked = recipe.tables.iter().filter(|table| by_unit || table.text("command").is_none());
    let tables = asked.filter_map(|table| placed(live, table)).map(|mut table| {
        for key in table.keys.iter_mut().filter(|key| key.seen.is_empty()) {
            key.seen = format!("recipe {}", recipe.name);
        }
        table
    });
    tables.map(|table| Group { only_if_well: !sure, ..Group::one_way(table) }).collect()
}

/// The table at the addresses of this unit; `None` where it listens in another way.
fn placed(live: &Live, table: &Table) -> Option<Table> {
    let mut table = table.clone();
    let own = table.kind() == "probe";
    for key in &mut table.keys {
        let Value::Text(text) = &mut key.value else {
            continue;
        };
        if key.name == "unix" {
            let path = unix(live).next()?;
            *text = path.address.clone();
            key.seen = "it listens on it".to_owned();
        } else if matches!(key.name.as_str(), "disk" | "inodes") {
            if let Some(directory) = kept_in(live, text) {
                *text = directory;
                key.seen = "its main process works there".to_owned();
            }
        } else if PLACES.contains(&key.name.as_str()) {
            let Some(place) = url(text) else {
                continue;
            };
            let (moved, seen) = if own { at_own(live, place)? } else { at_remote(live, place) };
            *text = moved.text();
            key.seen = seen;
        }
    }
    Some(table)
}

/// The URL at the unit's own port: the recipe's, or the lowest that it listens on. `None` where it listens on no port.
fn at_own(live: &Live, place: addresses::Url) -> Option<(addresses::Url, String)> {
    let ports = ports(live);
    let own = ports.get(&place.port);
    // The management API of a broker, say: a port besides its usual one.
    let besides = place.scheme == "http" && !matches!(place.port, 80 | 8000 | 9292);
    if own.is_none() && besides {
        return Some((place, "the recipe's; it does not listen there".to_owned()));
    }
    let lowest = ports.iter().find(|(port, _)| !live.is_passing(**port));
    let (port, listener) = own.map(|one| (place.port, *one)).or(lowest.map(|(port, one)| (*port, *one)))?;
    let host = split(&listener.address).map_or("127.0.0.1", |(host, _)| reachable(host)).to_owned();
    let named = place.named || Some(port) != addresses::usual_port(&place.scheme);
    let seen = format!("it listens on {}", listener.address);
    Some((addresses::Url { host, port, named, ..place }, seen))
}

/// The URL of a server that the unit is connected to; the recipe's where no connection is seen.
fn at_remote(live: &Live, place: addresses::Url) -> (addresses::Url, String) {
    // The management API stands beside the broker.
    let spoken = if place.port == 15_672 { 5672 } else { place.port };
    let remotes = live.connections.iter().filter_map(|(remote, _)| Some((remote, split(remote)?)));
    match remotes.into_iter().find(|(_, (_, port))| *port == spoken) {
        Some((remote, (host, _))) => {
            let host = host.to_owned();
            (addresses::Url { host, ..place }, format!("it is connected to {remote}"))
        }
        None => (place, "the recipe's; no connection was seen".to_owned()),
    }
}

/// Where this unit keeps its data, if that is elsewhere than the recipe thinks: servers work in the directory of their data.
fn kept_in(live: &Live, usual: &str) -> Option<String> {
    let directory = live.processes.first()?.directory.as_deref()?;
    let data = ["/var/lib/", "/srv/", "/opt/", "/home/", "/data/", "/mnt/"];
    let elsewhere = !directory.starts_with(usual) && data.iter().any(|place| directory.starts_with(place));
    elsewhere.then(|| directory.to_owned())
}

/// Sockets with a path that outlasts a restart, as far as the path shows.
pub fn unix(live: &Live) -> impl Iterator<Item = &Listener> {
    let unix = live.listeners.iter().filter(|one| one.protocol == Protocol::Unix);
    // An abstract one has no path that a probe could ask; one among temporary files is another one after each start.
    let lasting =
        |path: &str| path.starts_with('/') && !path.starts_with("/tmp/") && !path.starts_with("/var/tmp/");
    unix.filter(move |one| lasting(&one.address))
}

/// A database that takes a connection without a login for an attack: root is let in by its socket as Debian sets it up.
fn login(live: &Live) -> Option<Group> {
    let programs = live.programs();
    let database = programs.iter().any(|program| matches!(*program, "mysqld" | "mariadbd"));
    let socket = unix(live).find(|one| database && one.address.ends_with("sock"))?;
    let url = format!("mysql://root@localhost/?socket={}", socket.address);
    let key = Key::text("mysql", url, "root is let in without a password on this socket");
    let table = Table { name: "probe.login".to_owned(), keys: vec![key] };
    Some(Group { only_if_well: true, ..Group::one_way(table) })
}

/// Port → the listener by which this host reaches it best.
fn ports(live: &Live) -> BTreeMap<u16, &Listener> {
    let mut ports: BTreeMap<u16, &Listener> = BTreeMap::new();
    for listener in live.listeners.iter().filter(|one| one.protocol == Protocol::Tcp) {
        let Some((host, port)) = split(&listener.address) else {
            continue;
        };
        let nearer =
            |known: &&Listener| split(&known.address).is_none_or(|(known, _)| rank(host) < rank(known));
        if ports.get(&port).is_none_or(nearer) {
            ports.insert(port, listener);
        }
    }
    ports
}

/// The TCP ports of this unit that are the same after a restart, as far as can be seen: each with its nearest listener.
pub fn lasting_ports(live: &Live) -> impl Iterator<Item = (u16, &Listener)> {
    ports(live).into_iter().filter(|(port, _)| !live.is_passing(*port))
}

/// For each address at which it listens what may be asked there: a page, a greeting, a connection.
fn listening(live: &Live) -> Vec<Group> {
    // A question would start what a socket unit waits for.
    let asked = live.active && live.unit.kind() != "socket";
    if !asked {
        return Vec::new();
    }
    let mut groups: Vec<Group> = lasting_ports(live)
        .filter_map(|(port, listener)| at_port(live, port, listener))
        .take(ADDRESSES)
        .collect();
    groups.extend(unix(live).filter_map(|listener| at_path(live, listener)).take(ADDRESSES));
    groups
}

/// That a connection is accepted at a path shows only that the kernel does: asked is what answers in HTTP, and the socket of
/// PostgreSQL, by which its own clients come.
fn at_path(live: &Live, listener: &Listener) -> Option<Group> {
    let path = &listener.address;
    let seen = "it listens on it";
    let web = recognised(live).is_some_and(|((recipe, _), _)| WEB.contains(&recipe));
    if web {
        let key = Key::text("http", format!("{AT_SOCKET}{path}:/"), seen);
        let table = Table { name: "probe.page".to_owned(), keys: vec![key] };
        let ways = vec![Candidate { table, page: true }];
        return Some(Group { address: path.clone(), ways, only_if_well: true });
    }
    if !base(path).starts_with(".s.PGSQL.") {
        return None;
    }
    let table = Table { name: "probe.socket".to_owned(), keys: vec![Key::text("unix", path, seen)] };
    Some(Group { address: path.clone(), ..Group::one_way(table) })
}

fn at_port(live: &Live, port: u16, listener: &Listener) -> Option<Group> {
    let (host, _) = split(&listener.address)?;
    let seen = format!("it listens on {}", listener.address);
    let address = join(reachable(host), port);
    let mut ways = Vec::new();
    let manner = live.manner(port);
    match manner {
        Manner::Not(_) => return None,
        Manner::Greets(kind) => {
            let table = greeting(kind, address.clone(), &seen);
            return Some(Group { address, ..Group::one_way(table) });
        }
        Manner::Page | Manner::Connect => {}
    }
    if manner == Manner::Page {
        let key = Key::text("http", format!("http://{address}/"), &seen);
        ways.push(Candidate { table: Table { name: "probe.page".to_owned(), keys: vec![key] }, page: true });
    }
    let tcp = |address: String| Candidate {
        table: Table {
            name: format!("probe.port-{port}"),
            keys: vec![Key::text("tcp", address, seen.clone())],
        },
        page: false,
    };
    ways.push(tcp(address.clone()));
    if host == "::" {
        ways.push(tcp(join("::1", port)));
    }
    Some(Group { address, ways, only_if_well: false })
}

/// `[probe.smtp] smtp = "127.0.0.1:25"`
pub fn greeting(kind: &str, address: String, seen: &str) -> Table {
    Table { name: format!("probe.{kind}"), keys: vec![Key::text(kind, address, seen)] }
}
