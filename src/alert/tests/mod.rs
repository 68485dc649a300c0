//! Every sink against a small real server on loopback: what it is sent, and every way to fail.

mod http;
mod mail;
mod message;
mod silence;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Carrier, Letter, Limit, letter};
use crate::model::alert::{Alert, AlertStatus, Message, SinkKind, SinkSpec};
use crate::model::finding::Severity;
use crate::model::moment::Moment;

/// 2026-11-20T10:00:00.007Z
const BEGAN: i64 = 1_795_168_800_007;

fn moment(after: i64) -> Moment {
    Moment { boot_ms: 1_000_000 + after, wall_ms: BEGAN + after }
}

pub fn alert(status: AlertStatus) -> Alert {
    let labels = [
        ("host", "web1"),
        ("unit", "horizon.service"),
        ("code", "release-outdated"),
        ("severity", "critical"),
        ("k8s.io/team", "media"),
    ];
    Alert {
        key: "web1/horizon.service#17".to_owned(),
        status,
        repeats: 0,
        incident: 17,
        unit: Some("horizon.service".to_owned()),
        code: "release-outdated".to_owned(),
        severity: Severity::Critical,
        summary: "the main process 100 (php) runs 41 < 42 & not \"current\"".to_owned(),
        evidence: vec!["/proc/100/cwd is /srv/app/releases/41".to_owned()],
        done: vec!["restarted at 10:01:00, the new process failed its probe".to_owned()],
        next: Some("quarantined: a person must look".to_owned()),
        changes: vec!["release 41 → 42 at 09:59:30".to_owned(), "php8.2 upgraded".to_owned()],
        repair: Some("systemctl restart horizon.service".to_owned()),
        affected: vec!["shop.service".to_owned(), "worker@1.service".to_owned()],
        owner: Some("team-media".to_owned()),
        runbook: Some("https://wiki.example.org/horizon".to_owned()),
        link: None,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        started_at: moment(0),
        ended_at: (status == AlertStatus::Resolved).then(|| moment(245_000)),
    }
}

pub fn message(alerts: Vec<Alert>) -> Message {
    Message { id: 7, host: "web1".to_owned(), user_instance: false, alerts }
}

fn firing() -> Message {
    message(vec![alert(AlertStatus::Firing)])
}

fn resolved() -> Message {
    message(vec![alert(AlertStatus::Resolved)])
}

/// Delivers as the daemon does: from the keys that are handed on, by somebody who gets the letter as text.
async fn deliver(sink: &SinkSpec, message: &Message) -> Result<(), String> {
    let kind = super::of(sink)?;
    super::deliver(&*kind, sink.timeout, message, &Written).await
}

#[derive(Debug)]
struct Written;

impl Carrier for Written {
    fn carry(&self, letter: Letter, limit: Limit) -> BoxFuture<'_, Result<(), String>> {
        let text = serde_json::to_string(&letter).expect("a text");
        let read: Letter = serde_json::from_str(&text).expect("a letter");
        assert!(read == letter && text.len() < 3 * letter::LENGTH, "{} bytes", text.len());
        let shown = format!("{letter:?}");
        assert!(!["s3cret", "T0001", "0123456789abcdef"].iter().any(|part| shown.contains(part)), "{shown}");
        Box::pin(super::send(read, limit))
    }
}

/// A sink with these keys; a text in double quotes is a text of TOML.
fn sink(kind: &str, keys: &str) -> SinkSpec {
    let kind = SinkKind { keys: format!("[{kind}]\n{keys}"), all: kind == "alertmanager" };
    SinkSpec { timeout: Duration::from_secs(20), ..SinkSpec::usual("test".to_owned(), kind) }
}

fn webhook(url: &str, format: &str, secret: Option<Secret>) -> SinkSpec {
    let url = if url.is_empty() { String::new() } else { format!("url = {url:?}\n") };
    sink("webhook", &format!("{url}format = {format:?}\n{}", password(secret.as_ref())))
}

fn alertmanager(urls: &[String]) -> SinkSpec {
    sink("alertmanager", &format!("urls = {urls:?}\n"))
}

/// The path of a file that holds a secret.
type Secret = String;

fn password(secret: Option<&Secret>) -> String {
    secret.map(|path| format!("password_file = {path:?}\n")).unwrap_or_default()
}

/// A file of root's that holds a secret.
fn secret(text: &str) -> (tempfile::TempDir, Secret) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
    (directory, path.to_string_lossy().into_owned())
}

#[tokio::test]
async fn a_command_is_the_daemons_business() {
    let command = sink("command", "command = [\"/bin/true\"]");
    assert_eq!(deliver(&command, &firing()).await, Err("a command needs the service manager".to_owned()));
    assert_eq!(deliver(&command, &message(Vec::new())).await, Ok(()), "nothing to tell");
}
