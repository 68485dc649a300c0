//! The client of the status socket: one connection for each request, every wait limited.

mod events;

pub use events::Events;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::wire::{
    BaselineBody, DrillBody, Failure, Health, HoldBody, IncidentDetails, Incidents, Reply, Status, Tested,
    Time, Unit,
};

/// Connecting takes no longer than this.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// An answer that only reads takes no longer than this.
const READ_TIME: Duration = Duration::from_secs(10);
/// One that reads afresh first takes no longer than this.
const LOOK_TIME: Duration = Duration::from_secs(20);
/// An answer to a change takes no longer than this; the server gives up after 10 minutes.
const CHANGE_TIME: Duration = Duration::from_secs(630);
/// Bytes of an answer. 10,000 units with everything that can be said of them fit.
const ANSWER_MAX: usize = 128 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon cannot be reached: what to do about it.
    #[error("{0}")]
    Unreachable(String),
    /// It was reached, and the conversation broke off.
    #[error("cannot get an answer from {socket}: {cause}")]
    Broken { socket: String, cause: String },
    /// No such managed unit, or no such incident.
    #[error("{0}")]
    NotManaged(String),
    /// The caller may not do that.
    #[error("{0}")]
    Denied(String),
    /// The daemon cannot make sense of what was asked.
    #[error("{0}")]
    Wrong(String),
    /// Any other error of the daemon, in its words.
    #[error("{0}")]
    Refused(String),
}

/// Speaks to the daemon behind one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    user: bool,
}

impl Client {
    /// `user`: the user instance, as far as advice goes.
    #[must_use]
    pub fn new(socket: PathBuf, user: bool) -> Self {
        Self { socket, user }
    }

    /// The whole picture.
    ///
    /// # Errors
    /// See [`Error`]; so for every other method.
    pub async fn status(&self) -> Result<Status, Error> {
        let response = self.send(Method::GET, "/v1/status", Body::empty(), READ_TIME);
        self.read(response.await?).await
    }

    /// One unit with its part of the timeline.
    ///
    /// # Errors
    /// [`Error::NotManaged`] where it is none of ours.
    pub async fn unit(&self, unit: &str) -> Result<Unit, Error> {
        let path = format!("/v1/units/{}", encoded(unit));
        let response = self.send(Method::GET, &path, Body::empty(), READ_TIME);
        self.read(response.await?).await
    }

    /// The same, after its processes and probes were read once more.
    ///
    /// # Errors
    /// [`Error::NotManaged`] where it is none of ours.
    pub async fn unit_afresh(&self, unit: &str) -> Result<Unit, Error> {
        let path = format!("/v1/units/{}?fresh=true", encoded(unit));
        let response = self.send(Method::GET, &path, Body::empty(), LOOK_TIME);
        self.read(response.await?).await
    }

    /// Start, enable and check the endpoints, now; waits for the outcome.
    ///
    /// # Errors
    /// See [`Error`]; a recovery that failed is a [`Reply`].
    pub async fn recover(&self, unit: &str) -> Result<Reply, Error> {
        self.change(unit, "recover", Body::empty()).await
    }

    /// Observe only, for `length` (such as `30m`).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn hold(&self, unit: &str, length: &str, reason: &str) -> Result<Reply, Error> {
        let body = HoldBody { length: length.to_owned(), reason: reason.to_owned() };
        let body = serde_json::to_vec(&body).map_err(|error| self.broken(error))?;
        self.change(unit, "hold", Body::from(body)).await
    }

    /// End a hold or a quarantine.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resume(&self, unit: &str) -> Result<Reply, Error> {
        self.change(unit, "resume", Body::empty()).await
    }

    /// Prove the whole path by a fault; waits until the drill is over. `rehearse`: only what it would do.
    ///
    /// # Errors
    /// See [`Error`]; a drill that failed is a [`Reply`].
    pub async fn drill(&self, unit: &str, probe: Option<&str>, rehearse: bool) -> Result<Reply, Error> {
        let body = DrillBody { probe: probe.map(str::to_owned), dry_run: rehearse };
        let body = serde_json::to_vec(&body).map_err(|error| self.broken(error))?;
        self.change(unit, "drill", Body::from(body)).await
    }

    /// Incidents, newest first: of one unit, not over before a moment, or only those that are open.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn incidents(
        &self,
        unit: Option<&str>,
        since: Option<Time>,
        open: bool,
    ) -> Result<Incidents, Error> {
        let mut query = format!("?open={open}");
        if let Some(unit) = unit {
            query.push_str(&format!("&unit={}", encoded(unit)));
        }
        if let Some(since) = since {
            query.push_str(&format!("&since={}", encoded(&since.timestamp().to_string())));
        }
        let path = format!("/v1/incidents{query}");
        let response = self.send(Method::GET, &path, Body::empty(), READ_TIME).await?;
        self.read(response).await
    }

    /// One incident with its timeline.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn incident(&self, id: u64) -> Result<IncidentDetails, Error> {
        let path = format!("/v1/incidents/{id}");
        let response = self.send(Method::GET, &path, Body::empty(), READ_TIME).await?;
        self.read(response).await
    }

    /// How the daemon itself is.
    ///
    /// # Errors
    /// See [`Error`]; a daemon that is not well answers all the same.
    pub async fn health(&self) -> Result<Health, Error> {
        let response = self.send(Method::GET, "/healthz", Body::empty(), READ_TIME).await?;
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => self.parse(response).await,
            _ => self.read(response).await,
        }
    }

    /// Somebody knows of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn acknowledge(&self, id: u64) -> Result<Reply, Error> {
        self.order(&format!("/v1/incidents/{id}/ack"), Body::empty()).await
    }

    /// Tells every sink a test, and waits for what became of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn test_alert(&self) -> Result<Tested, Error> {
        let response = self.send(Method::POST, "/v1/alerts/test", Body::empty(), CHANGE_TIME).await?;
        match response.status() {
            // It carries what each of them answered.
            StatusCode::BAD_GATEWAY => self.parse(response).await,
            _ => self.read(response).await,
        }
    }

    /// Tells what a comparison with a baseline found.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tell_baseline(&self, body: &BaselineBody) -> Result<Reply, Error> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.order("/v1/baseline", Body::from(body)).await
    }

    /// It is to be as it is now: what is worse than a baseline is accepted.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn accept_baseline(&self) -> Result<Reply, Error> {
        self.order("/v1/baseline/accept", Body::empty()).await
    }

    /// The timeline as it grows: after the event with this id, or from now on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn events(&self, unit: Option<&str>, after: Option<u64>) -> Result<Events, Error> {
        let query = unit.map_or(String::new(), |unit| format!("?unit={}", encoded(unit)));
        let mut request = self.request(Method::GET, &format!("/v1/events{query}"), Body::empty())?;
        if let Some(after) = after {
            request.headers_mut().insert("last-event-id", after.into());
        }
        let response = self.exchange(request, READ_TIME).await?;
        if response.status() != StatusCode::OK {
            return Err(self.failure(response).await);
        }
        Ok(Events::new(self.clone(), Body::new(response.into_body())))
    }

    async fn change(&self, unit: &str, verb: &str, body: Body) -> Result<Reply, Error> {
        self.order(&format!("/v1/units/{}/{verb}", encoded(unit)), body).await
    }

    async fn order(&self, path: &str, body: Body) -> Result<Reply, Error> {
        let response = self.send(Method::POST, path, body, CHANGE_TIME).await?;
        match response.status() {
            // These carry the whole reply: which step did not work, or why nothing was tried.
            StatusCode::CONFLICT | StatusCode::INTERNAL_SERVER_ERROR => self.parse(response).await,
            _ => self.read(response).await,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
        limit: Duration,
    ) -> Result<Response<Incoming>, Error> {
        self.exchange(self.request(method, path, body)?, limit).await
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Result<Request<Body>, Error> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| self.broken(error))
    }

    async fn exchange(&self, request: Request<Body>, limit: Duration) -> Result<Response<Incoming>, Error> {
        let connecting = timeout(CONNECT_TIME, UnixStream::connect(&self.socket));
        let stream = match connecting.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Error::Unreachable(self.advice(&error))),
            Err(_) => {
                let sentence = format!(
                    "cannot reach the supervisor at {}: it does not accept connections \
                     (see: {} status steadfast)",
                    self.socket.display(),
                    self.systemctl()
                );
                return Err(Error::Unreachable(sentence));
            }
        };
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.broken(error))?;
        // Ends by itself when the response is read or dropped.
        tokio::spawn(connection);
        let answer = timeout(limit, sender.send_request(request)).await;
        let answer = answer.map_err(|_| self.broken(format!("none within {} s", limit.as_secs())))?;
        answer.map_err(|error| self.broken(error))
    }

    async fn read<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, Error> {
        if response.status().is_success() {
            self.parse(response).await
        } else {
            Err(self.failure(response).await)
        }
    }

    async fn parse<T: DeserializeOwned>(&self, response: Response<Incoming>) -> Result<T, Error> {
        let body = to_bytes(Body::new(response.into_body()), ANSWER_MAX);
        let body = timeout(READ_TIME, body)
            .await
            .map_err(|_| self.broken(format!("not complete within {} s", READ_TIME.as_secs())))?
            .map_err(|error| self.broken(error))?;
        serde_json::from_slice(&body).map_err(|error| self.broken(error))
    }

    async fn failure(&self, response: Response<Incoming>) -> Error {
        let status = response.status();
        let Failure { error } = match self.parse(response).await {
            Ok(failure) => failure,
            Err(_) => return self.broken(format!("HTTP status {status}")),
        };
        match status {
            StatusCode::NOT_FOUND => Error::NotManaged(error),
            StatusCode::FORBIDDEN => Error::Denied(error),
            StatusCode::BAD_REQUEST => Error::Wrong(error),
            _ => Error::Refused(error),
        }
    }

    fn broken(&self, cause: impl ToString) -> Error {
        Error::Broken { socket: self.socket.display().to_string(), cause: cause.to_string() }
    }

    fn systemctl(&self) -> &'static str {
        if self.user { "systemctl --user" } else { "systemctl" }
    }

    /// What to do about a socket that does not take us in.
    fn advice(&self, error: &io::Error) -> String {
        let next = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "it is not running, or not installed (start it with: {} start steadfast)",
                self.systemctl()
            ),
            io::ErrorKind::ConnectionRefused => {
                format!("it is not running (start it with: {} start steadfast)", self.systemctl())
            }
            io::ErrorKind::PermissionDenied => {
                "permission denied (only root and members of the group steadfast may read it)".to_owned()
            }
            _ => error.to_string(),
        };
        format!("cannot reach the supervisor at {}: {next}", self.socket.display())
    }

    /// The socket that it speaks to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// A unit's name as one segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_is_one_segment_of_the_path() {
        assert_eq!(encoded("worker@a.service"), "worker@a.service");
        assert_eq!(encoded("dev-disk\\x2dby.swap"), "dev-disk%5Cx2dby.swap");
        assert_eq!(encoded("a/b?c"), "a%2Fb%3Fc");
    }
}
