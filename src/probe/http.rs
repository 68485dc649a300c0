//! `http`: one GET, and the answer as it came. `http_answer` judges it.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use reqwest::tls::TlsInfo;
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::causes;
use crate::keys::{FullPath, Length, PageUrl, Pointer, Wrong, behind_socket};
use crate::model::probe::ProbeOutcome;
use crate::tls::{self, Trust};

use super::blocking::{self, Stuck};
use super::expected::Expected;
use super::failure::Failure;
use super::http_answer::{Answer, Body, Statuses, judge};
use super::{Limit, PATIENCE, Probe, Wants, handed, names, text, unix};

/// Longest body that is read.
const BODY: usize = 1 << 20;
/// Redirects followed, where the probe follows them.
const REDIRECTS: usize = 5;
const USER_AGENT: &str = concat!("steadfast/", env!("CARGO_PKG_VERSION"));

/// `http = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// GET this URL; a page behind a socket is "unix:/run/app.sock:/page".
    #[schemars(example = "http://127.0.0.1:8080/health")]
    pub http: PageUrl,
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
    /// Trust the certificates of this file (PEM) instead of this host's own.
    pub ca_file: Option<FullPath>,
    /// Take any certificate. Default: false.
    #[serde(default)]
    pub insecure: bool,
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
        if self.ca_file.is_some() && self.insecure {
            let message = "cannot use `ca_file`: `insecure = true` takes any certificate";
            return Err(Wrong::at("ca_file", message).help("remove one of them"));
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
        let waits = timeout.saturating_add(PATIENCE);
        let slow = self.max_latency.map(|slow| slow.0).filter(|slow| *slow >= waits)?;
        let (slow, timeout) = (slow.as_millis(), timeout.as_millis());
        Some(format!("is never slow: its timeout of {timeout} ms ends it long before max_latency, {slow} ms"))
    }

    fn slow_after(&self) -> Option<Duration> {
        self.max_latency.map(|slow| slow.0)
    }

    fn wants(&self) -> Wants {
        let ca_file = self.ca_file.as_ref().map(|path| PathBuf::from(&**path));
        let mut wants = Wants { ca_file, ..wants(&self.http) };
        if let Some((_, connections)) = wants.socket.as_mut().filter(|_| self.follow_redirects) {
            *connections += REDIRECTS;
        }
        wants
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(self, limit))
    }
}

/// What is asked, and how.
#[derive(Clone, Debug)]
pub struct Page {
    url: Url,
    /// The page is behind this socket of this host.
    socket: Option<PathBuf>,
    follow: bool,
    ca_file: Option<PathBuf>,
    insecure: bool,
}

impl Page {
    /// This URL, or page behind a socket, by the usual rules.
    pub fn of(written: &str) -> Result<Self, Failure> {
        let (socket, url) = match behind_socket(written) {
            Some((socket, page)) => (Some(PathBuf::from(socket)), format!("http://localhost{page}")),
            None => (None, written.to_owned()),
        };
        let url = Url::parse(&url).map_err(|error| Failure::unknown(format!("it is no URL ({error})")))?;
        Ok(Self { socket, ..Self::at(url) })
    }

    /// This URL by the usual rules.
    pub fn at(url: Url) -> Self {
        Self { url, socket: None, follow: false, ca_file: None, insecure: false }
    }

    /// Whose certificate is trusted.
    pub fn trusting(self, ca_file: Option<PathBuf>, insecure: bool) -> Self {
        Self { ca_file, insecure, ..self }
    }

    fn of_probe(probe: &Http) -> Result<Self, Failure> {
        let ca_file = probe.ca_file.as_ref().map(|path| PathBuf::from(&**path));
        Ok(Self {
            follow: probe.follow_redirects,
            ca_file,
            insecure: probe.insecure,
            ..Self::of(&probe.http)?
        })
    }

    fn asked(&self, written: &str) -> String {
        let of_socket = self.socket.is_some();
        let shown = if of_socket { written.to_owned() } else { shown(&self.url).to_string() };
        format!("GET {}", text::name(&shown))
    }
}

/// What is handed over with a question for this page: a connection where it is behind a socket.
pub fn wants(written: &str) -> Wants {
    Wants::default().and_socket(behind_socket(written).map(|(socket, _)| PathBuf::from(socket)))
}

async fn run(probe: &Http, limit: Limit) -> ProbeOutcome {
    let page = match Page::of_probe(probe) {
        Ok(page) => page,
        Err(failure) => return failure.of(&format!("GET {}", text::name(&probe.http))),
    };
    // A right answer that comes late is slow; only what does not come at all is no answer.
    let limit = if probe.max_latency.is_some() { limit.patient() } else { limit };
    let asked = page.asked(&probe.http);
    match fetch(page, limit).await {
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
    let page = Page::of(url).map_err(|failure| failure.of(&asked).message)?;
    let answer = fetch(page, Limit::new(timeout)).await;
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

/// JSON that is posted.
#[derive(Clone, Debug)]
pub struct Post {
    pub json: String,
    pub headers: Vec<(&'static str, String)>,
}

/// GET.
pub async fn fetch(page: Page, limit: Limit) -> Result<Answer, Failure> {
    send(page, None, limit).await
}

/// A client for this one request: no connection, address or certificate outlives a probe and colours the next one.
pub async fn send(page: Page, post: Option<Post>, limit: Limit) -> Result<Answer, Failure> {
    let (url, socket) = (page.url.clone(), page.socket.clone());
    let addresses = match &socket {
        Some(_) => Vec::new(),
        None => {
            let host = url.host_str().unwrap_or_default();
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            names::resolve(bare, url.port_or_known_default().unwrap_or_default(), limit).await?
        }
    };
    let leads = match &socket {
        Some(socket) => Some(handed::path(socket, limit).await?),
        None => None,
    };
    let client = client(Page { socket: leads, ..page }, addresses, limit).await?;
    let (began, asked_origin) = (Instant::now(), url.origin());
    let response = limit
        .within(request(&client, url, post).send())
        .await
        .ok_or_else(|| Failure::late("no answer", limit))?
        .map_err(|error| unanswered(&error, socket.as_deref()))?;
    let status = response.status().as_u16();
    let elsewhere = response.url().origin() != asked_origin;
    let shown = response.extensions().get::<TlsInfo>();
    let valid_for = shown.and_then(validity);
    let valid_until = shown.and_then(|shown| tls::ends(shown.peer_certificate()?));
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = limit
        .within(read(response))
        .await
        .ok_or_else(|| Failure::late(&format!("answered {status}, but its body did not end"), limit))?;
    let body = body.map_err(|error| {
        Failure::unhealthy(format!("answered {status}, but its body broke off ({})", root_cause(&error)))
    })?;
    Ok(Answer { status, content_type, elsewhere, body, latency: began.elapsed(), valid_for, valid_until })
}

fn request(client: &Client, url: Url, post: Option<Post>) -> RequestBuilder {
    let Some(Post { json, headers }) = post else {
        return client.get(url);
    };
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(json);
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
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

async fn client(page: Page, addresses: Vec<SocketAddr>, limit: Limit) -> Result<Client, Failure> {
    let Page { url, socket, follow, ca_file, insecure } = page;
    let plain = url.scheme() == "http" && !follow;
    let authorities = match &ca_file {
        Some(_) => handed::authorities().transpose()?,
        None => None,
    };
    let build = move |certificates: bool| {
        tls::init();
        let host = url.host_str().unwrap_or_default();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .referer(false)
            .tls_info(true)
            .pool_max_idle_per_host(0)
            .redirect(if follow { redirect::Policy::limited(REDIRECTS) } else { redirect::Policy::none() })
            .resolve_to_addrs(host, &addresses);
        if let Some(socket) = &socket {
            builder = builder.unix_socket(socket.as_path());
        }
        let builder = if certificates {
            let trust = match (&authorities, &ca_file) {
                (Some(pem), Some(file)) => Trust::Given(pem, file),
                (None, Some(file)) => Trust::File(file),
                (_, None) => Trust::Host,
            };
            builder.tls_backend_preconfigured(tls::client(trust, insecure)?)
        } else {
            builder.tls_certs_only([])
        };
        builder.build().map_err(|error| format!("cannot prepare the request: {}", root_cause(&error)))
    };
    // The certificates are read from disk: not on this thread, and not where no TLS can come.
    let built = if plain {
        build(false)
    } else {
        blocking::call(limit, move || build(true)).await.map_err(|stuck| match stuck {
            Stuck::Late => Failure::unknown("the trusted certificates were not read in time"),
            Stuck::NoSlot => Failure::unknown("earlier probes still hang"),
        })?
    };
    built.map_err(Failure::unknown)
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
fn unanswered(error: &reqwest::Error, socket: Option<&Path>) -> Failure {
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
        return Failure::unhealthy(tls::sentence(tls));
    }
    let kernel = chain
        .iter()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .find(|io| io.raw_os_error().is_some());
    match (kernel, socket) {
        (Some(io), Some(socket)) => unix::refused(socket, io),
        (Some(io), None) => Failure::connection(io),
        (None, _) if error.is_connect() => {
            Failure::unhealthy(format!("cannot connect ({})", root_cause(error)))
        }
        (None, _) => Failure::unhealthy(format!("no valid HTTP answer ({})", root_cause(error))),
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

#[cfg(test)]
#[path = "http_tls_tests.rs"]
mod tls_tests;
