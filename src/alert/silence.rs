//! A silence in Alertmanager, by its API of version 2: found by our key, made, prolonged, or ended. Told twice it is there once.

use std::fmt;

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{self, Login, Post};

/// Bytes of its list of silences of one unit.
const LIST: usize = 1024 * 1024;
/// Silences of ours that are ended at once: more than there can be.
const OURS: usize = 50;
/// Characters of a silence's id.
const ID: usize = 64;

/// What is to be so.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// Of the Alertmanager, without its path.
    pub url: String,
    pub login: Login,
    /// Struck out of answers.
    pub secret: Option<String>,
    pub host: String,
    pub unit: String,
    /// In the comment: by this it is found again.
    pub key: String,
    pub who: String,
    pub comment: String,
    /// RFC 3339.
    pub now: String,
    /// RFC 3339; `None`: it ends now.
    pub ends: Option<String>,
}

/// Never with what is secret.
impl fmt::Debug for Quiet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Quiet")
            .field("key", &self.key)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// A silence, as far as it is read.
#[derive(Debug, Deserialize)]
struct Known {
    id: String,
    #[serde(default)]
    comment: String,
    status: Status,
    #[serde(rename = "startsAt")]
    starts: String,
    #[serde(rename = "endsAt")]
    ends: String,
}

#[derive(Debug, Deserialize)]
struct Status {
    state: String,
}

impl Quiet {
    /// Brings it about.
    ///
    /// # Errors
    /// One clause, without any secret.
    pub async fn tell(self) -> Result<(), String> {
        let mut ours = self.ours().await?.into_iter();
        let Some(ends) = &self.ends else {
            for known in ours.take(OURS) {
                self.end(&known.id).await?;
            }
            return Ok(());
        };
        let known = ours.next();
        // Two members that did not know of each other may have one each.
        for twice in ours.take(OURS) {
            self.end(&twice.id).await?;
        }
        match known {
            Some(known) if same_time(&known.ends, ends) => Ok(()),
            known => self.put(known.as_ref(), ends).await,
        }
    }

    /// Those of this key that are not over.
    async fn ours(&self) -> Result<Vec<Known>, String> {
        let escaped = self.unit.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = format!("unit=\"{escaped}\"");
        let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
        let list = self.ask(Method::GET, &format!("silences?filter={filter}"), "", LIST).await?;
        let list: Vec<Known> =
            serde_json::from_slice(&list).map_err(|_| "its list of silences cannot be read".to_owned())?;
        let marked = format!("[{}]", self.key);
        let plain = |id: &str| {
            (1..=ID).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let ours = |known: &Known| {
            known.status.state != "expired" && known.comment.ends_with(&marked) && plain(&known.id)
        };
        Ok(list.into_iter().filter(ours).collect())
    }

    async fn put(&self, known: Option<&Known>, ends: &str) -> Result<(), String> {
        let mut silence = json!({
            "matchers": [
                matcher("unit", &self.unit, false),
                // As we name the host, and as whoever scrapes it does.
                matcher("instance", &format!("{}(:[0-9]+)?", regex::escape(&self.host)), true),
            ],
            "startsAt": known.map_or(&self.now, |known| &known.starts),
            "endsAt": ends,
            "createdBy": self.who,
            "comment": format!("{} [{}]", self.comment, self.key),
        });
        if let (Some(known), Some(fields)) = (known, silence.as_object_mut()) {
            fields.insert("id".to_owned(), known.id.as_str().into());
        }
        self.ask(Method::POST, "silences", &silence.to_string(), 0).await.map(drop)
    }

    async fn end(&self, id: &str) -> Result<(), String> {
        self.ask(Method::DELETE, &format!("silence/{id}"), "", 0).await.map(drop)
    }

    /// One request, and the beginning of its answer.
    async fn ask(&self, method: Method, path: &str, body: &str, most: usize) -> Result<Vec<u8>, String> {
        let post = Post {
            url: format!("{}/api/v2/{path}", self.url.trim_end_matches('/')),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            login: self.login.clone(),
            secret: self.secret.clone(),
            body: body.to_owned(),
        };
        http::exchange(method, post, most).await
    }
}

fn matcher(name: &str, value: &str, pattern: bool) -> Value {
    json!({"name": name, "value": value, "isRegex": pattern, "isEqual": true})
}

/// The same second.
fn same_time(one: &str, other: &str) -> bool {
    let parsed = |text: &str| text.parse::<Timestamp>().map(Timestamp::as_second);
    matches!((parsed(one), parsed(other)), (Ok(one), Ok(other)) if one == other)
}
