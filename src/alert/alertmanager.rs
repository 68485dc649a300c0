//! `type = "alertmanager"`: each member of a cluster is told; it is enough that one takes it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keys::{Credential, FullPath, PostUrl, Wrong, password};
use crate::model::alert::{Alert, AlertStatus, Message, Silence};
use crate::model::moment::Moment;

use super::http::{Login, Post};
use super::letter::{self, Letter};
use super::silence::Quiet;
use super::{Delivery, Sink, Telling, blocking, message, text};

/// It fires for so long after we last said so; the policy says it again long before.
const FIRES: Duration = Duration::from_secs(240);
/// So long a test is shown.
const TEST: Duration = Duration::from_secs(60);
/// Alerts in one POST.
const ALERTS: usize = 500;
/// Longest value of a label, in characters.
const LABEL: usize = 200;
/// Longest description, in bytes.
const DESCRIPTION: usize = 4096;
/// Longest other annotation, in characters.
const ANNOTATION: usize = 500;

/// Members of a cluster.
const URLS: usize = 16;
/// It forgets after four minutes what it is not told again.
const LONGEST_REPEAT: Duration = Duration::from_secs(180);

/// Its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alertmanager {
    /// Where it is told.
    url: Option<PostUrl>,
    /// Every member of a cluster.
    urls: Option<Vec<PostUrl>>,
    /// Whose password it is; without it the secret is a token.
    user: Option<String>,
    /// The systemd credential of steadfast.service that holds the password or token.
    credential: Option<Credential>,
    /// A file that holds it, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Sink for Alertmanager {
    fn check(&self) -> Result<(), Wrong> {
        match (&self.url, &self.urls) {
            (Some(_), None) => {}
            (None, Some(all)) if (1..=URLS).contains(&all.len()) => {}
            (None, Some(_)) => {
                return Err(Wrong::at("urls", format!("cannot use `urls`: write 1 to {URLS} of them")));
            }
            (Some(_), Some(_)) => {
                return Err(Wrong::at("urls", "cannot use both `url` and `urls`").help("write urls alone"));
            }
            (None, None) => {
                return Err(Wrong::table("`urls` is missing").help("add urls = [\"http://…:9093\"]"));
            }
        }
        let secret = password(self.credential.as_ref(), self.password_file.as_ref())?;
        if self.user.is_some() && secret.is_none() {
            return Err(no_password());
        }
        Ok(())
    }

    fn takes_all(&self) -> bool {
        true
    }

    fn check_repeat(&self, every: Option<Duration>) -> Result<(), Wrong> {
        if every.is_some_and(|every| every <= LONGEST_REPEAT) {
            return Ok(());
        }
        let message = "cannot use `repeat`: Alertmanager takes for resolved what it is not told again";
        Err(Wrong::at("repeat", message).help("write at most \"3m\""))
    }

    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(deliver(self, delivery))
    }

    fn silence<'a>(&'a self, silence: &'a Silence, by: Telling<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(quiet(self, silence, by))
    }
}

/// One member is told, the first that takes it: the others learn of it from that one.
async fn quiet(cluster: &Alertmanager, silence: &Silence, by: Telling<'_>) -> Result<(), String> {
    let password = blocking::secret(&cluster.credential, &cluster.password_file).await?;
    let mut why = Vec::new();
    let members: Vec<&PostUrl> = cluster.url.iter().chain(cluster.urls.iter().flatten()).collect();
    let mut left = u32::try_from(members.len()).unwrap_or(u32::MAX);
    for url in members {
        let quiet = Quiet {
            url: url.to_string(),
            login: login(cluster, password.as_ref()),
            secret: password.clone(),
            host: text::line(&silence.host, LABEL),
            unit: text::line(silence.unit.as_str(), LABEL),
            key: text::line(&silence.key, ANNOTATION),
            who: text::line(&silence.who, LABEL),
            comment: text::line(&silence.reason, ANNOTATION),
            now: text::rfc3339(by.now.wall_ms),
            ends: silence.until.map(|until| text::rfc3339(until.wall_ms)),
        };
        // One that hangs leaves time for the others.
        let limit = by.limit.part(left);
        left = left.saturating_sub(1);
        match by.carrier.carry(Letter::Quiet(Box::new(quiet)), limit).await {
            Ok(()) => return Ok(()),
            Err(because) => why.push(because),
        }
    }
    Err(if why.is_empty() { "it has no URL".to_owned() } else { why.join("; ") })
}

/// Who we are to it.
fn login(cluster: &Alertmanager, password: Option<&String>) -> Login {
    match (&cluster.user, password) {
        (Some(user), Some(password)) => Login::Basic { user: user.clone(), password: password.clone() },
        (None, Some(token)) => Login::Bearer(token.clone()),
        (_, None) => Login::None,
    }
}

/// A user needs a password.
pub fn no_password() -> Wrong {
    Wrong::at("user", "cannot use `user`: its password is missing")
        .help("add credential = \"NAME\" or password_file = \"PATH\"")
}

/// Delivers it to all at once.
async fn deliver(cluster: &Alertmanager, delivery: Delivery<'_>) -> Result<(), String> {
    let Delivery { message, now, limit, carrier } = delivery;
    let password = blocking::secret(&cluster.credential, &cluster.password_file).await?;
    let bodies = bodies(message, now);
    // Each within the limit, so that one that hangs hides no other that took it.
    let asked = cluster.url.iter().chain(cluster.urls.iter().flatten()).map(|url| {
        let posts = bodies.iter().map(|body| post(cluster, url, password.as_ref(), body)).collect::<Vec<_>>();
        async move {
            for post in posts {
                carrier.carry(Letter::Posts(vec![post]), limit).await?;
            }
            Ok(())
        }
    });
    let answers: Vec<Result<(), String>> = join_all(asked).await;
    if answers.iter().any(Result::is_ok) {
        return Ok(());
    }
    let why: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
    Err(if why.is_empty() { "it has no URL".to_owned() } else { why.join("; ") })
}

/// One part of what a member is told.
fn post(cluster: &Alertmanager, url: &str, password: Option<&String>, body: &str) -> Post {
    Post {
        url: format!("{}/api/v2/alerts", url.trim_end_matches('/')),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        login: login(cluster, password),
        secret: password.cloned(),
        body: body.to_owned(),
    }
}

/// Lists of alerts, each of a length that one letter may have: to Alertmanager two lists are as good as one.
fn bodies(message: &Message, now: Moment) -> Vec<String> {
    let mut bodies = Vec::new();
    let (mut list, mut length) = (Vec::new(), 0);
    for alert in message.alerts.iter().take(ALERTS) {
        let told = one(message, alert, now).to_string();
        if length + told.len() > letter::LENGTH && !list.is_empty() {
            bodies.push(format!("[{}]", list.join(",")));
            (list, length) = (Vec::new(), 0);
        }
        length += told.len();
        list.push(told);
    }
    bodies.push(format!("[{}]", list.join(",")));
    bodies
}

fn one(message: &Message, alert: &Alert, now: Moment) -> Value {
    let ends = match alert.status {
        AlertStatus::Firing => now.plus(FIRES),
        AlertStatus::Resolved => alert.ended_at.unwrap_or(now),
        AlertStatus::Test => now.plus(TEST),
    };
    let mut annotations = BTreeMap::from([
        ("summary", text::line(&alert.summary, ANNOTATION)),
        ("description", message::of_alert(message, alert, now, DESCRIPTION)),
    ]);
    annotations.extend(alert.runbook.as_ref().map(|url| ("runbook_url", text::line(url, ANNOTATION))));
    let mut told = json!({
        "labels": labels(&message.host, alert),
        "annotations": annotations,
        "startsAt": text::rfc3339(alert.started_at.wall_ms),
        "endsAt": text::rfc3339(ends.wall_ms),
    });
    if let (Some(link), Some(told)) = (&alert.link, told.as_object_mut()) {
        told.insert("generatorURL".to_owned(), text::line(link, ANNOTATION).into());
    }
    told
}

/// They are its identity: nothing in them may change between firing and resolved.
fn labels(host: &str, alert: &Alert) -> BTreeMap<String, String> {
    let name = match alert.status {
        AlertStatus::Test => "Test".to_owned(),
        AlertStatus::Firing | AlertStatus::Resolved => camel_case(&alert.code),
    };
    // To Alertmanager an empty label is none.
    let full = alert.labels.iter().filter(|(_, value)| !value.is_empty());
    let mut labels: BTreeMap<String, String> =
        full.map(|(name, value)| (valid(name), text::line(value, LABEL))).collect();
    labels.insert("alertname".to_owned(), format!("Steadfast{name}"));
    labels.insert("instance".to_owned(), text::line(host, LABEL));
    labels
}

/// `unit-inactive` → `UnitInactive`
fn camel_case(code: &str) -> String {
    let words = code.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

/// A name as Prometheus takes it: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn valid(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let valid: String = name.chars().take(LABEL).map(plain).collect();
    if valid.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { valid } else { format!("_{valid}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_told_in_parts() {
        let label = |n: usize| (format!("label{n}"), "x".repeat(LABEL));
        let alert =
            Alert { labels: (0..50).map(label).collect(), ..crate::alert::tests::alert(AlertStatus::Firing) };
        let message = crate::alert::tests::message(vec![alert; 100]);
        let bodies = bodies(&message, Moment { boot_ms: 0, wall_ms: 0 });
        assert!(bodies.len() > 1 && bodies.iter().all(|body| body.len() < letter::LENGTH + 1000));
        let alerts =
            bodies.iter().map(|body| serde_json::from_str::<Vec<Value>>(body).expect("a list").len());
        assert_eq!(alerts.sum::<usize>(), 100);
    }

    #[test]
    fn names_are_as_prometheus_takes_them() {
        assert_eq!(camel_case("unit-crash-looping"), "UnitCrashLooping");
        assert_eq!(
            [valid("team"), valid("k8s.io/x"), valid("1st"), valid("")],
            ["team", "k8s_io_x", "_1st", "_"]
        );
    }
}
