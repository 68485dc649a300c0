//! `tcp`: a `host:port` accepts a connection.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::keys::HostPort;
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::failure::Failure;
use super::{Limit, Probe, names, server, text};

/// `tcp = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// "host:port" accepts a connection.
    tcp: HostPort,
}

impl Probe for Tcp {
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.tcp, limit))
    }
}

async fn run(address: &str, limit: Limit) -> ProbeOutcome {
    let asked = format!("connecting to {}", text::name(address));
    match connect(address, limit).await {
        Ok(latency) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!(
                "{} accepted a connection in {}",
                text::name(address),
                text::figure(latency)
            )),
            latency: Some(latency),
        },
        Err(failure) => failure.of(&asked),
    }
}

async fn connect(address: &str, limit: Limit) -> Result<std::time::Duration, Failure> {
    let (host, port) = split(address)?;
    let addresses = names::resolve(host, port, limit).await?;
    let began = Instant::now();
    to_any(&addresses, limit).await?;
    Ok(began.elapsed())
}

/// A connection to a `host:port`.
pub async fn stream(address: &str, limit: Limit) -> Result<TcpStream, Failure> {
    let (host, port) = split(address)?;
    let addresses = names::resolve(host, port, limit).await?;
    to_any(&addresses, limit).await
}

async fn to_any(addresses: &[SocketAddr], limit: Limit) -> Result<TcpStream, Failure> {
    let stream = server::connect(addresses, limit).await?;
    if meets_itself(&stream) {
        return Err(Failure::unhealthy("connection refused, nothing listens there"));
    }
    Ok(stream)
}

pub fn split(address: &str) -> Result<(&str, u16), Failure> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = parts.ok_or_else(|| Failure::unknown("it is no host:port"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok((bare.unwrap_or(host), port))
}

/// A connection to a local port in the ephemeral range on which nothing listens can meet its own other end.
fn meets_itself(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(local), Ok(peer)) if local == peer)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    async fn probe(address: &str) -> ProbeOutcome {
        run(address, Limit::new(LIMIT)).await
    }

    #[tokio::test]
    async fn a_listener_is_healthy_and_its_absence_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address").to_string();
        let outcome = probe(&address).await;
        assert_eq!(outcome.status, ProbeStatus::Healthy);
        assert!(outcome.latency.is_some());
        let start = format!("{address} accepted a connection in ");
        assert!(outcome.message.starts_with(&start), "{}", outcome.message);

        let by_name = address.replace("127.0.0.1", "localhost");
        assert_eq!(probe(&by_name).await.status, ProbeStatus::Healthy);

        drop(listener);
        let outcome = probe(&address).await;
        assert_eq!(outcome.status, ProbeStatus::Unhealthy);
        let wanted = format!("connecting to {address}: connection refused, nothing listens there");
        assert_eq!(outcome.message, wanted);
    }

    #[tokio::test]
    async fn a_full_backlog_is_unhealthy_at_the_timeout() {
        let server = tokio::net::TcpSocket::new_v4().expect("a socket");
        server.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let server = server.listen(0).expect("a listener");
        let address = server.local_addr().expect("an address").to_string();
        let _fills_it = std::net::TcpStream::connect(&address).expect("the only place");
        let outcome = run(&address, Limit::new(Duration::from_millis(200))).await;
        assert_eq!(outcome.status, ProbeStatus::Unhealthy);
        let wanted = format!("connecting to {address}: no connection within 200 ms");
        assert_eq!(outcome.message, wanted);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_and_an_address_that_is_none() {
        let outcome = probe("nowhere.invalid:80").await;
        // Without a resolver nothing is known of the name.
        assert_ne!(outcome.status, ProbeStatus::Healthy);
        assert!(outcome.message.contains("nowhere.invalid"), "{}", outcome.message);
        assert_eq!(probe("5672").await.status, ProbeStatus::Unknown);
        assert_eq!(split("[::1]:80"), Ok(("::1", 80)));
    }
}
