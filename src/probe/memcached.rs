//! `memcached`: its version, and figures of `stats` that must be as expected. Its text protocol is smaller than any client.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::keys::HostPort;
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::expected::Expected;
use super::failure::Failure;
use super::{Limit, Probe, json, names, server, tcp, text};

/// `memcached = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Memcached {
    /// "host:port" of a memcached tells its figures.
    memcached: HostPort,
    /// A figure of `stats` to a value or a comparison such as { uptime = "> 60" }.
    #[serde(default)]
    stats: BTreeMap<String, Expected>,
}

impl Probe for Memcached {
    fn is_curable(&self) -> bool {
        self.stats.is_empty()
    }

    fn weakness(&self, _: Duration) -> Option<String> {
        let always = !self.stats.is_empty() && self.stats.values().all(Expected::is_met_by_every_count);
        always.then(|| "cannot fail: figures are never negative".to_owned())
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.memcached, &self.stats, limit))
    }
}

/// Longest answer that is read.
const ANSWER: usize = 64 * 1024;

async fn run(address: &str, stats: &BTreeMap<String, Expected>, limit: Limit) -> ProbeOutcome {
    let asked = format!("stats of memcached at {}", text::name(address));
    match ask(address, limit).await.and_then(|(figures, latency)| judge(&figures, stats, latency)) {
        Ok((told, latency)) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{asked}: {told}, answered in {}", text::figure(latency))),
            latency: Some(latency),
        },
        Err(failure) => failure.of(&asked),
    }
}

async fn ask(address: &str, limit: Limit) -> Result<(BTreeMap<String, String>, Duration), Failure> {
    let (host, port) = tcp::split(address)?;
    let addresses = names::resolve(host, port, limit).await?;
    let mut stream = server::connect(&addresses, limit).await?;
    let began = Instant::now();
    let talk = async {
        stream.write_all(b"stats\r\n").await?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        // A server of another kind says something else first, or hangs up.
        while !answer.ends_with(b"END\r\n") && b"STAT ".iter().zip(&answer).all(|(a, b)| a == b) {
            let read = stream.read(&mut chunk).await?;
            answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if read == 0 || answer.len() > ANSWER {
                break;
            }
        }
        Ok::<_, std::io::Error>(answer)
    };
    let answer = limit
        .within(talk)
        .await
        .ok_or_else(|| Failure::late("no answer", limit))?
        .map_err(|error| Failure::connection(&error))?;
    let latency = began.elapsed();
    if answer.is_empty() {
        return Err(Failure::unhealthy("the connection was closed too early"));
    }
    if !answer.ends_with(b"END\r\n") {
        return Err(server::stranger("memcached", &answer));
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let figure = |line: &str| {
        let (name, value) = line.strip_prefix("STAT ")?.split_once(' ')?;
        Some((name.to_owned(), value.to_owned()))
    };
    Ok((text.lines().filter_map(figure).collect(), latency))
}

fn judge(
    figures: &BTreeMap<String, String>,
    stats: &BTreeMap<String, Expected>,
    latency: Duration,
) -> Result<(String, Duration), Failure> {
    for (name, expected) in stats {
        let shown = text::name(name);
        let Some(text) = figures.get(name) else {
            return Err(Failure::unhealthy(format!("answered, but has no figure {shown}")));
        };
        let number = text.parse::<f64>().ok().filter(|_| !matches!(expected, Expected::Text(_)));
        let found = number.map_or_else(|| Value::from(text.as_str()), Value::from);
        json::holds(&found, expected)
            .map_err(|clause| Failure::unmet(format!("answered, but its {shown} {clause}")))?;
    }
    let figure = |name: &str| text::name(figures.get(name).map_or("?", String::as_str));
    Ok((format!("version {}, up for {} s", figure("version"), figure("uptime")), latency))
}
