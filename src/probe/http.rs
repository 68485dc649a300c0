//! `http`: one GET, and the answer as it came. `http_answer` judges it.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::tls::TlsInfo;
use reqwest::{Client, Response, Url, redirect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::causes;
use crate::keys::{HttpUrl, Length, Pointer, Wrong};
use crate::model::probe::ProbeOutcome;
use crate::tls;

use super::blocking::{self, Stuck};
use super::expected::Expected;
use super::failure::Failure;
use super::http_answer::{Answer, Body, Statuses, judge};
use super::{Limit, Probe, names, text};

/// Longest body that is read.
const BODY: usize = 1 << 20;
/// Redirects followed, where the probe follows them.
const REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("steadfast/", env!("CARGO_PKG_VERSION"));

/// `http = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// GET this URL.
    pub http: HttpUrl,
    /// 200 or "200-299". Default: 200.
    #[serde(default)]
    pub status: Statuses,
    /// The media type of the answer.
    pub content_type: Option<String>,
    /// JSON pointer to an exact value or a comparison such as "< 100".
    #[serde(default)]
    pub json: BTreeMap<Pointer, Expected>,
    /// A right answer that comes later is a finding.
    pub max_latency: Option<Length>,
    /// The server's certificate must be valid for so long yet, such as "14d".
    pub min_validity: Option<Length>,
    /// Follow redirects. Default: false.
    #[serde(default)]
    pub follow_redirects: bool,
}

impl Probe for Http {
    fn check(&self) -> Result<(), Wrong> {
        let authority = self.http.split("://").nth(1).and_then(|rest| rest.split('/').next());
        if authority.and_then(|known| known.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':')) {
            let message = "cannot take a password from a unit file: others read it";
            return Err(Wrong::at("http", message).help("ask a page that needs none"));
        }
        if self.min_validity.is_some() && !self.http.starts_with("https://") {
            return Err(Wrong::at("http", "cannot use `min_validity`: only https:// shows a certificate"));
        }
        Ok(())
    }

    fn is_curable(&self) -> bool {
        self.min_validity.is_none()
    }

    fn weakness(&self, timeout: Duration) -> Option<String> {
        let Statuses(low, high) = self.status;
        if low <= 200 && high >= 599 && self.json.is_empty() && self.content_type.is_none() {
            return Some(format!("takes errors for health: status {low} to {high} is right for it"));
        }
        let slow = self.max_latency.map(|slow| slow.0).filter(|slow| *slow >= timeout)?;
        let (slow, timeout) = (slow.as_millis(), timeout.as_millis());
        Some(format!("is never slow: its timeout of {timeout} ms ends it before max_latency, {slow} ms"))
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(self, limit))
    }
}

async fn run(probe: &Http, limit: Limit) -> ProbeOutcome {
    let url = match Url::parse(&probe.http) {
        Ok(url) => url,
        Err(error) => {
            let asked = format!("GET {}", text::name(&probe.http));
            return Failure::unknown(format!("it is no URL ({error})")).of(&asked);
        }
    };
    let asked = format!("GET {}", text::name(shown(&url).as_str()));
    match fetch(probe.follow_redirects, url, limit).await {
        Ok(answer) => judge(probe, &asked, &answer),
        Err(failure) => failure.of(&asked),
    }
}

/// The status with which the URL answers now, whatever it is.
///
/// # Errors
/// Why there is none, one sentence.
pub async fn status(url: &str, timeout: Duration) -> Result<u16, String> {
    let asked = format!("GET {}", text::name(url));
    let parsed = Url::parse(url).map_err(|error| format!("{asked}: it is no URL ({error})"))?;
    let answer = fetch(false, parsed, Limit::new(timeout)).await;
    answer.map(|answer| answer.status).map_err(|failure| failure.of(&asked).message)
}

/// The URL without a password in it.
fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Refused only by a URL that cannot have one.
        shown.set_password(Some("***")).unwrap_or_default();
    }
    shown
}

/// A client for this one request: no connection, address or certificate outlives a probe and colours the next one.
pub async fn fetch(follow: bool, url: Url, limit: Limit) -> Result<Answer, Failure> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    let addresses = names::resolve(bare, port, limit).await?;
    let client = client(follow, url.scheme(), host, addresses, limit).await?;
    let began = Instant::now();
    let response = limit
        .within(client.get(url).send())
        .await
        .ok_or_else(|| Failure::late("no answer", limit))?
        .map_err(|error| unanswered(&error))?;
    let status = response.status().as_u16();
    let valid_for = response.extensions().get::<TlsInfo>().and_then(validity);
    let content_type = response
        .headers()
        .get(reqwest::header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = limit
        .within(read(response))
        .await
        .ok_or_else(|| Failure::late(&format!("answered {status}, but its body did not end"), limit))?;
    let body = body.map_err(|error| {
        Failure::unhealthy(format!("answered {status}, but its body broke off ({})", root_cause(&error)))
    })?;
    Ok(Answer { status, content_type, body, latency: began.elapsed(), valid_for })
}

/// How long the certificate that the server showed is valid yet.
fn validity(told: &TlsInfo) -> Option<Duration> {
    let (_, certificate) = X509Certificate::from_der(told.peer_certificate()?).ok()?;
    let left = certificate.validity().time_to_expiration();
    Some(
        left.map_or(Duration::ZERO, |left| {
            Duration::from_secs(u64::try_from(left.whole_seconds()).unwrap_or(0))
        }),
    )
}

async fn client(
    follow: bool,
    scheme: &str,
    host: String,
    addresses: Vec<SocketAddr>,
    limit: Limit,
) -> Result<Client, Failure> {
    let build = move |certificates: bool| {
        tls::init();
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .referer(false)
            .tls_info(true)
            .pool_max_idle_per_host(0)
            .redirect(if follow { redirect::Policy::limited(REDIRECTS) } else { redirect::Policy::none() })
            .resolve_to_addrs(&host, &addresses);
        if certificates { builder.build() } else { builder.tls_certs_only([]).build() }
    };
    // The system's certificates are read from disk: not on this thread, and not where no TLS can come. A host may have
    // none; then only a redirect to TLS fails.
    let plain = scheme == "http";
    let built = if plain && !follow {
        build(false)
    } else {
        let with_certificates = move || match build(true) {
            Err(_) if plain => build(false),
            built => built,
        };
        blocking::call(limit, with_certificates).await.map_err(|stuck| match stuck {
            Stuck::Late => Failure::unknown("the system's certificates were not read in time"),
            Stuck::NoSlot => Failure::unknown("earlier probes still hang"),
        })?
    };
    built.map_err(|error| Failure::unknown(format!("cannot prepare the request: {}", root_cause(&error))))
}

async fn read(mut response: Response) -> reqwest::Result<Body> {
    let mut read = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = BODY.saturating_sub(read.len());
        read.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok(Body::Longer(read));
        }
    }
    Ok(Body::Whole(read))
}

/// Why a request got no answer.
fn unanswered(error: &reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::unknown(format!("cannot ask ({})", root_cause(error)));
    }
    if error.is_redirect() {
        return Failure::unhealthy(format!("redirected in a circle or over {REDIRECTS} times"));
    }
    let chain = causes::of(error);
    let tls = chain.iter().find_map(|cause| cause.downcast_ref());
    if let Some(tls) = tls {
        let tls: &rustls::Error = tls;
        return Failure::unhealthy(format!("TLS failed, {tls}"));
    }
    let kernel = chain
        .iter()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .find(|io| io.raw_os_error().is_some());
    match kernel {
        Some(io) => Failure::connection(io),
        None if error.is_connect() => Failure::unhealthy(format!("cannot connect ({})", root_cause(error))),
        None => Failure::unhealthy(format!("no valid HTTP answer ({})", root_cause(error))),
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let chain = causes::of(error);
    let text = chain.last().map(ToString::to_string).unwrap_or_default();
    text::name(&text)
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
