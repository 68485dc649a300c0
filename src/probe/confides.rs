//! Which questions tell a secret, and to whom at this host: whoever listens there must be known first.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use reqwest::Url;

use super::{Limit, names};

/// The keys that say where a password stands.
const SECRETS: [&str; 2] = ["credential", "password_file"];
/// Where servers listen whose URL names no port.
const PORTS: [(&str, u16); 5] =
    [("redis", 6379), ("amqp", 5672), ("postgres", 5432), ("postgresql", 5432), ("mysql", 3306)];

/// The addresses of this host to which this kind of question (its keys as text) sends a password. None where it sends none,
/// or only to other hosts, or where the name cannot be resolved: then it is not sent either. Asks the network.
pub async fn confides(keys: &str, timeout: Duration) -> Vec<SocketAddr> {
    let Some((host, port)) = asked(keys) else {
        return Vec::new();
    };
    let addresses = names::resolve(&host, port, Limit::new(timeout)).await.unwrap_or_default();
    addresses.into_iter().filter(|address| is_local(address.ip())).collect()
}

/// The same as far as it is known without the network; `None`: that has to be asked.
#[must_use]
pub fn confides_surely(keys: &str) -> Option<Vec<SocketAddr>> {
    let Some((host, port)) = asked(keys) else {
        return Some(Vec::new());
    };
    if let Some(both) = names::loopback(&host, port) {
        return Some(both);
    }
    let address = host.parse::<IpAddr>().ok().filter(|ip| ip.is_loopback() || ip.is_unspecified());
    address.map(|ip| vec![SocketAddr::new(ip, port)])
}

/// The host and port that are told a password.
fn asked(keys: &str) -> Option<(String, u16)> {
    let url = server(keys)?;
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let known = PORTS.iter().find(|(scheme, _)| *scheme == url.scheme()).map(|(_, port)| *port);
    Some((bare.to_owned(), url.port_or_known_default().or(known)?))
}

/// The server that is told a password.
fn server(keys: &str) -> Option<Url> {
    let all: toml::Table = toml::from_str(keys).ok()?;
    let (kind, keys) = all.iter().next()?;
    let keys = keys.as_table()?;
    SECRETS.iter().any(|key| keys.contains_key(*key)).then_some(())?;
    Url::parse(keys.get(kind)?.as_str()?).ok()
}

/// An address of this host: only such a one can be bound.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_15_only_a_password_for_this_host_is_confided() {
        let told = async |keys: &str| -> Vec<String> {
            let all = confides(keys, Duration::from_secs(1)).await;
            all.iter().map(ToString::to_string).collect()
        };
        let secret = "password_file = \"/etc/x\"";
        let redis = |url: &str, more: &str| format!("[redis]\nredis = \"{url}\"\n{more}\n");
        assert_eq!(told(&redis("redis://127.0.0.1", secret)).await, ["127.0.0.1:6379"]);
        assert_eq!(
            told(&redis("redis://joe@127.0.0.1:7000/1", "credential = \"x\"")).await,
            ["127.0.0.1:7000"]
        );
        assert_eq!(told(&redis("redis://localhost", secret)).await, ["127.0.0.1:6379", "[::1]:6379"]);
        assert!(told(&redis("redis://127.0.0.1", "")).await.is_empty(), "no password");
        assert!(told(&redis("redis://192.0.2.1", secret)).await.is_empty(), "another host");
        let rabbitmq = format!("[rabbitmq]\nrabbitmq = \"http://mon@127.0.0.1:15672\"\n{secret}\n");
        assert_eq!(told(&rabbitmq).await, ["127.0.0.1:15672"]);
        let surely =
            |keys: &str| confides_surely(keys).map(|all| all.iter().map(ToString::to_string).collect());
        let none: Option<Vec<String>> = Some(Vec::new());
        assert_eq!(surely(&redis("redis://127.0.0.1", "")), none, "no password");
        assert_eq!(surely(&redis("redis://[::1]", secret)), Some(vec!["[::1]:6379".to_owned()]));
        assert_eq!(surely(&redis("redis://LocalHost", secret)).map(|all| all.len()), Some(2));
        for asked in ["redis://192.0.2.1", "redis://cache.example.org"] {
            assert_eq!(surely(&redis(asked, secret)), None, "who has it is asked for");
        }
        let postgres = format!("[postgres]\npostgres = \"postgres://a@[::1]/x\"\n{secret}\n");
        assert_eq!(told(&postgres).await, ["[::1]:5432"]);
    }
}
