//! Addresses: how a listener is reached from this host, and which ports last.

/// Where the kernel takes ports from for whoever does not mind which.
const PASSING: u16 = 32_768;
/// Where RPC services of root take theirs from.
const RESERVED: std::ops::RangeInclusive<u16> = 600..=1023;
/// The usual ports among these.
const KNOWN_RESERVED: [u16; 21] = [
    601, 623, 631, 636, 646, 749, 750, 783, 808, 853, 873, 902, 953, 989, 990, 992, 993, 994, 995, 1012, 1021,
];

/// Host and port; the host without brackets.
pub fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

/// The host by which this host itself reaches what listens there.
pub fn reachable(host: &str) -> &str {
    match host {
        "0.0.0.0" | "::" | "*" | "" => "127.0.0.1",
        other => other,
    }
}

/// `127.0.0.1:80`, `[::1]:80`.
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The nearest first: this host alone, everywhere, IPv6, one address.
pub fn rank(host: &str) -> u8 {
    match host {
        "127.0.0.1" | "0.0.0.0" | "*" => 0,
        "::" => 1,
        "::1" => 2,
        _ => 3,
    }
}

/// Another port at each start, unless something names it: the kernel's own choice, or that of an RPC service.
pub fn passing(port: u16) -> bool {
    port >= PASSING || RESERVED.contains(&port) && !KNOWN_RESERVED.contains(&port)
}

/// The address is one of this host alone.
pub fn loopback(host: &str) -> bool {
    host.starts_with("127.") || host == "::1" || host == "localhost"
}

/// The port of a URL's scheme where it names none.
pub fn usual_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "http" => 80,
        "https" => 443,
        "redis" => 6379,
        "amqp" => 5672,
        "postgres" => 5432,
        "mysql" => 3306,
        _ => return None,
    })
}

/// What to call whoever listens at this port of another host.
pub fn role(port: u16) -> &'static str {
    match port {
        5671 | 5672 => "broker",
        5432 | 3306 | 1433 | 1521 | 27017 => "database",
        6379 => "redis",
        11211 => "cache",
        25 | 465 | 587 => "mail",
        389 | 636 => "directory",
        _ => "service",
    }
}

/// A URL, taken apart: scheme, user with its `@`, host and port, path. A plain `host:port` has no scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub scheme: String,
    pub user: String,
    pub host: String,
    /// The one in force, named or not.
    pub port: u16,
    pub named: bool,
    pub path: String,
}

/// Takes a URL or a `host:port` apart.
pub fn url(text: &str) -> Option<Url> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let end = rest.find('/').filter(|_| !scheme.is_empty()).unwrap_or(rest.len());
    let (place, path) = (rest.get(..end)?, rest.get(end..)?);
    let at = place.rfind('@').map_or(0, |at| at + 1);
    let (user, place) = (place.get(..at)?, place.get(at..)?);
    let (host, port) = match split(place) {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    };
    Some(Url {
        scheme: scheme.to_owned(),
        user: user.to_owned(),
        host: host.to_owned(),
        port: port.or_else(|| usual_port(scheme))?,
        named: port.is_some(),
        path: path.to_owned(),
    })
}

impl Url {
    /// In one again; the usual port of a scheme is not named unless it was.
    pub fn text(&self) -> String {
        if self.scheme.is_empty() {
            return join(&self.host, self.port);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = usual_port(&self.scheme) == Some(self.port) && !self.named;
        let port = if usual { String::new() } else { format!(":{}", self.port) };
        format!("{}://{}{host}{port}{}", self.scheme, self.user, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_and_together() {
        for text in [
            "http://127.0.0.1:8000/",
            "redis://[::1]:6380/0",
            "postgres://mon@127.0.0.1/postgres",
            "127.0.0.1:11211",
            "amqp://127.0.0.1",
        ] {
            assert_eq!(url(text).unwrap().text(), text);
        }
        let moved = Url { port: 5433, ..url("postgres://mon@127.0.0.1/postgres").unwrap() };
        assert_eq!(moved.text(), "postgres://mon@127.0.0.1:5433/postgres");
        assert_eq!(url("not a url"), None);
        assert_eq!((split("[::]:80"), reachable("::")), (Some(("::", 80)), "127.0.0.1"));
    }
}
