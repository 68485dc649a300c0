//! `rabbitmq`: its management API, asked for nodes, alarms and a queue. Never through the queue itself.

use futures_util::future::BoxFuture;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::progress::Sample;

use super::failure::Failure;
use super::http_answer::Body;
use super::server::{self, Server};
use super::{Limit, Probe, Wants, http, secret, text};

/// Schemes of the URL of a management API.
pub const SCHEMES: [&str; 2] = ["http", "https"];
/// What a path that leads nowhere is answered.
const NOT_FOUND: &str = "it knows no such thing (404)";
/// The vhost where none is named.
const VHOST: &str = "/";

/// `rabbitmq = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rabbitmq {
    /// "http://USER@HOST:15672", RabbitMQ's management API: every node runs and none has an alarm.
    rabbitmq: String,
    /// Look at this queue, too.
    queue: Option<String>,
    /// The queue's vhost. Default: "/".
    vhost: Option<String>,
    /// More messages than this in the queue are unhealthy.
    max_depth: Option<u64>,
    /// Fewer consumers of the queue than this are unhealthy. Default: 1.
    min_consumers: Option<u64>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Probe for Rabbitmq {
    fn check(&self) -> Result<(), Wrong> {
        server::check("rabbitmq", &self.rabbitmq, &SCHEMES, (&self.credential, &self.password_file))?;
        let of_queue = self.vhost.is_some() || self.max_depth.is_some() || self.min_consumers.is_some();
        if of_queue && self.queue.is_none() {
            let cause = "vhost, max_depth and min_consumers need a queue";
            return Err(Wrong::table(cause).help("add queue = \"NAME\""));
        }
        Ok(())
    }

    fn is_curable(&self) -> bool {
        false
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file))
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(self, limit))
    }
}

/// A queue of RabbitMQ.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    pub vhost: &'a str,
    pub name: &'a str,
}

impl<'a> Queue<'a> {
    /// In the usual vhost where none is named.
    pub fn of(name: &'a str, vhost: Option<&'a str>) -> Self {
        Self { vhost: vhost.unwrap_or(VHOST), name }
    }
}

async fn run(probe: &Rabbitmq, limit: Limit) -> ProbeOutcome {
    let server = Server::of(&probe.rabbitmq, (&probe.credential, &probe.password_file));
    let asked = format!("RabbitMQ at {}", server::shown(&server));
    let began = Instant::now();
    match ask(probe, &server, limit).await {
        Ok(told) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{asked}: {told}")),
            latency: Some(began.elapsed()),
        },
        Err(failure) => failure.of(&asked),
    }
}

async fn ask(probe: &Rabbitmq, server: &Server, limit: Limit) -> Result<String, Failure> {
    let nodes = get(server, &["api", "nodes"], limit).await?;
    let nodes = nodes.as_array().filter(|nodes| !nodes.is_empty()).ok_or_else(alien)?;
    for node in nodes {
        judge_node(node)?;
    }
    let runs = match nodes.len() {
        1 => "its node runs without alarm".to_owned(),
        count => format!("{count} nodes run without alarm"),
    };
    let Some(queue) = &probe.queue else {
        return Ok(runs);
    };
    let told = read(server, Queue::of(queue, probe.vhost.as_deref()), limit).await?;
    if let Some(why) = told.missing {
        return Err(Failure::unmet(why));
    }
    let (depth, consumers) = (told.depth, told.consumers.unwrap_or(0));
    let (name, wanted) = (text::name(queue), probe.min_consumers.unwrap_or(1));
    if consumers < wanted {
        let have = if consumers == 0 {
            "it has no consumer".to_owned()
        } else {
            format!("only {consumers} consume")
        };
        return Err(Failure::unmet(format!(
            "{have} queue {name}, which needs {wanted}; {depth} messages wait"
        )));
    }
    if let Some(most) = probe.max_depth.filter(|most| depth > *most) {
        return Err(Failure::unmet(format!("{depth} messages wait in queue {name}; at most {most} may")));
    }
    Ok(format!("{runs}; {depth} messages wait in queue {name}, consumers: {consumers}"))
}

fn judge_node(node: &Value) -> Result<(), Failure> {
    let name = text::name(node.get("name").and_then(Value::as_str).ok_or_else(alien)?);
    let is = |key: &str| node.get(key).and_then(Value::as_bool).unwrap_or(false);
    let figure = |key: &str| {
        let bytes = node.get(key).and_then(Value::as_u64);
        bytes.map_or_else(|| "an unknown number of bytes".to_owned(), text::bytes)
    };
    if !is("running") {
        return Err(Failure::unhealthy(format!("node {name} does not run")));
    }
    if is("disk_free_alarm") {
        let (free, limit) = (figure("disk_free"), figure("disk_free_limit"));
        return Err(Failure::unhealthy(format!(
            "disk alarm on {name}, {free} free and {limit} wanted: publishers are blocked"
        )));
    }
    if is("mem_alarm") {
        let (used, limit) = (figure("mem_used"), figure("mem_limit"));
        return Err(Failure::unhealthy(format!(
            "memory alarm on {name}, {used} used of {limit}: publishers are blocked"
        )));
    }
    match node.get("partitions").and_then(Value::as_array) {
        Some(others) if !others.is_empty() => {
            Err(Failure::unhealthy(format!("{name} is cut off from {} other nodes", others.len())))
        }
        _ => Ok(()),
    }
}

/// One sample of a queue.
pub async fn read(server: &Server, queue: Queue<'_>, limit: Limit) -> Result<Sample, Failure> {
    let told = match get(server, &["api", "queues", queue.vhost, queue.name], limit).await {
        Ok(told) => told,
        Err(failure) if failure.says(NOT_FOUND) => {
            let (name, vhost) = (text::name(queue.name), text::name(queue.vhost));
            let missing = Some(format!("it has no queue {name} in vhost {vhost}"));
            return Ok(Sample { missing, ..Sample::default() });
        }
        Err(failure) => return Err(failure),
    };
    let figure = |pointer: &str| told.pointer(pointer).and_then(Value::as_u64);
    let counted = |name: &str| figure(&format!("/message_stats/{name}")).unwrap_or(0);
    // A queue that was declared a moment ago has no figures yet.
    let Some(depth) = figure("/messages_ready") else {
        return Err(Failure::unknown("it has no figures of the queue yet"));
    };
    Ok(Sample {
        depth,
        in_work: figure("/messages_unacknowledged").unwrap_or(0),
        // What is delivered without acknowledgement is completed with its delivery.
        completed: Some(
            counted("ack").saturating_add(counted("deliver_no_ack")).saturating_add(counted("get_no_ack")),
        ),
        consumers: figure("/consumers"),
        ..Sample::default()
    })
}

async fn get(server: &Server, path: &[&str], limit: Limit) -> Result<Value, Failure> {
    let mut url =
        Url::parse(&server.url).map_err(|error| Failure::unknown(format!("it is no URL ({error})")))?;
    let password = secret::of(server, limit).await?;
    if let Some(password) = &password {
        // Refused only by a URL that cannot have one.
        url.set_password(Some(password)).unwrap_or_default();
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    let asks = Asks { user: text::name(url.username()), vhost: vhost_of(path) };
    let answer = http::fetch(http::Page::at(url), limit).await?;
    match answer.status {
        200 => {}
        401 | 403 => return Err(asks.refused(&answer.body)),
        404 => return Err(Failure::unhealthy(NOT_FOUND)),
        status => return Err(Failure::unhealthy(format!("its management API answered {status}"))),
    }
    match &answer.body {
        Body::Whole(bytes) => serde_json::from_slice(bytes).map_err(|_| alien()),
        Body::Longer(_) => Err(Failure::unknown("its answer is too long to be read")),
    }
}

/// The vhost that a path is about.
fn vhost_of<'a>(path: &[&'a str]) -> Option<&'a str> {
    match path {
        ["api", "queues", vhost, ..] => Some(vhost),
        _ => None,
    }
}

/// Who asks, and in which vhost.
struct Asks<'a> {
    user: String,
    vhost: Option<&'a str>,
}

impl Asks<'_> {
    /// Why somebody is not let in, and what lets in: "Login failed", "Not management user", "User not authorised to access
    /// virtual host".
    fn refused(&self, body: &Body) -> Failure {
        let reason = match body {
            Body::Whole(bytes) => serde_json::from_slice::<Value>(bytes).ok(),
            Body::Longer(_) => None,
        };
        let reason = reason.as_ref().and_then(|told| told.get("reason")?.as_str()).unwrap_or("no reason");
        let user = &self.user;
        let lower = reason.to_ascii_lowercase();
        Failure::unknown(match self.vhost {
            Some(vhost) if lower.contains("virtual host") || lower.contains("vhost") => {
                let vhost = text::name(vhost);
                format!(
                    "user {user} may not see vhost {vhost} (rabbitmqctl set_permissions -p {vhost} {user} '^$' '^$' '^$')"
                )
            }
            _ if lower.contains("management user") || lower.contains("monitor") => {
                format!("user {user} may not ask that (rabbitmqctl set_user_tags {user} monitoring)")
            }
            _ => {
                let quote = text::quoted(reason.as_bytes());
                format!("authentication failed, it refuses user {user} or the password, {quote}")
            }
        })
    }
}

fn alien() -> Failure {
    Failure::unhealthy("what answers there is not RabbitMQ's management API")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O16: what a person has to do stands in the sentence.
    #[test]
    fn a_refusal_says_what_lets_in() {
        let said = |reason: &str, vhost: Option<&str>| {
            let body =
                Body::Whole(format!(r#"{{"error":"not_authorised","reason":"{reason}"}}"#).into_bytes());
            Asks { user: "mon".to_owned(), vhost }.refused(&body).of("RabbitMQ").message
        };
        assert_eq!(
            said("User not authorised to access virtual host", Some("/shop")),
            "RabbitMQ: user mon may not see vhost /shop (rabbitmqctl set_permissions -p /shop mon '^$' '^$' '^$')"
        );
        assert_eq!(
            said("Not management user", None),
            "RabbitMQ: user mon may not ask that (rabbitmqctl set_user_tags mon monitoring)"
        );
        assert_eq!(
            said("Login failed", Some("/")),
            "RabbitMQ: authentication failed, it refuses user mon or the password, \"Login failed\""
        );
        assert_eq!(vhost_of(&["api", "queues", "/", "jobs"]), Some("/"));
        assert_eq!(vhost_of(&["api", "nodes"]), None);
    }
}
