//! Where processes listen.

use std::collections::BTreeSet;

use crate::model::host::{HostReading, Listener, Protocol};
use crate::policy::lists::listed;

/// Addresses that one line lists.
const ADDRESSES: usize = 3;

/// Where these processes listen and others can reach them; TCP first.
pub fn listening<'h>(host: &'h HostReading, pids: &[i32]) -> Vec<&'h Listener> {
    let pids: BTreeSet<i32> = pids.iter().copied().collect();
    let theirs = |listener: &&Listener| listener.pids.iter().any(|pid| pids.contains(pid));
    let reachable = |listener: &&Listener| match listener.protocol {
        Protocol::Tcp | Protocol::Udp => true,
        // An abstract name, or one that was made by `socketpair` and its kin, is between programs of one author.
        Protocol::Unix => listener.address.starts_with('/'),
    };
    let mut all: Vec<&Listener> = host.listeners.iter().filter(theirs).filter(reachable).collect();
    all.sort_by(|one, other| (one.protocol, &one.address).cmp(&(other.protocol, &other.address)));
    all
}

/// `listens on 0.0.0.0:80, [::]:80 and 2 more`
pub fn addresses(listeners: &[&Listener]) -> Option<String> {
    let names: Vec<String> = listeners
        .iter()
        .map(|listener| match listener.protocol {
            Protocol::Udp => format!("{} (udp)", listener.address),
            Protocol::Tcp | Protocol::Unix => listener.address.clone(),
        })
        .collect();
    (!names.is_empty()).then(|| format!("listens on {}", listed(&names, ADDRESSES)))
}
