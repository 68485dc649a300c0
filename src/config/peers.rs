//! `[fleet] peers`: where other hosts show their status.

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use toml::Spanned;

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
}

/// Their addresses, without a slash at the end.
///
/// # Errors
/// One is no address of a host, or there are too many.
pub fn peers(fleet: &Fleet) -> Result<Vec<String>, Mistake> {
    if let Some(over) = fleet.peers.get(PEERS) {
        return Err(Mistake::at(over.span(), format!("cannot use `peers`: at most {PEERS} are taken")));
    }
    fleet.peers.iter().map(peer).collect()
}

fn peer(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let name = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "._-:[]".contains(c));
    match name {
        Some(name) if !name.is_empty() && !name.contains(odd) => {
            Ok(text.strip_suffix('/').unwrap_or(text).to_owned())
        }
        _ => {
            let message = format!("cannot use `peers`: \"{text}\" is not the address of a host's status");
            Err(Mistake::at(written.span(), message).help("write it as \"http://web2:9631\""))
        }
    }
}
