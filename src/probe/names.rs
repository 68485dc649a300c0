//! Host and port to addresses. A name that does not resolve keeps away everybody who needs the service; no restart helps.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, text};

/// Addresses tried for one name.
const ADDRESSES: usize = 8;

/// The addresses of a host, never none.
pub async fn resolve(host: &str, port: u16, limit: Limit) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if let Some(both) = loopback(host, port) {
        return Ok(both);
    }
    let asked = host.to_owned();
    let found = blocking::call(limit, move || {
        (asked.as_str(), port)
            .to_socket_addrs()
            .map(|addresses| addresses.take(ADDRESSES).collect::<Vec<_>>())
    });
    let shown = text::name(host);
    match found.await {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(Ok(_)) => Err(Failure::unresolved(format!("the name {shown} has no address"))),
        Ok(Err(error)) => Err(unresolved(&shown, &error)),
        Err(Stuck::Late) => {
            Err(Failure::unresolved(format!("the name {shown} was not resolved within {}", limit.shown())))
        }
        Err(Stuck::NoSlot) => {
            Err(Failure::unknown(format!("the name {shown} was not looked up, earlier lookups still hang")))
        }
    }
}

/// RFC 6761: this name is always loopback. A dead name server must not hide a local service.
pub fn loopback(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    host.eq_ignore_ascii_case("localhost").then(|| both.map(|ip| SocketAddr::new(ip, port)).to_vec())
}

fn unresolved(host: &str, error: &io::Error) -> Failure {
    let text = error.to_string();
    let reason = text.rsplit(": ").next().unwrap_or_default();
    // Our own trouble: nothing is known of the name.
    if error.raw_os_error().is_some() {
        return Failure::unknown(format!("the name {host} cannot be looked up ({reason})"));
    }
    // The C library's codes are not passed on, its words are: EAI_AGAIN (glibc, musl) is a resolver out of reach.
    if reason.contains("Temporary failure") || reason.contains("Try again") {
        return Failure::unresolved(format!("the name {host} does not resolve: no name server answers"));
    }
    Failure::unresolved(format!("the name {host} does not resolve ({reason})"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::probe::ProbeStatus;

    fn status(failure: Failure) -> ProbeStatus {
        failure.of("x").status
    }

    #[test]
    fn a_name_that_does_not_resolve_is_wrong_for_all_who_need_it() {
        let said = |text: &str| {
            let error = io::Error::other(format!("failed to lookup address information: {text}"));
            status(unresolved("x", &error))
        };
        assert_eq!(said("Name or service not known"), ProbeStatus::Unresolved);
        assert_eq!(said("Temporary failure in name resolution"), ProbeStatus::Unresolved);
        assert_eq!(status(unresolved("x", &io::Error::from_raw_os_error(24))), ProbeStatus::Unknown);
    }

    #[tokio::test]
    async fn literals_and_localhost_need_no_resolver() {
        let limit = Limit::new(Duration::from_secs(5));
        let of = async |host| resolve(host, 80, limit).await.expect("addresses");
        assert_eq!(of("::1").await, ["[::1]:80".parse().expect("an address")]);
        assert_eq!(of("localhost").await.len(), 2);
    }
}
