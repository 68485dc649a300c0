//! `[heartbeat]`: one POST without content tells a server elsewhere that we are well.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use crate::keys::{Credential, FullPath, Length, PostUrl, Wrong, password};
use crate::model::alert::Heartbeat;

use super::letter::{Carrier, Letter, Limit};
use super::{blocking, http, told};

/// Between two beats.
const PERIOD: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
/// A heartbeat that takes longer is not heard.
const BEAT: Duration = Duration::from_secs(10);

/// A server elsewhere that raises the alarm when nothing is heard of us.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatKeys {
    /// POST to this URL, without content.
    url: Option<PostUrl>,
    /// The systemd credential that holds the whole URL, where it is secret.
    credential: Option<Credential>,
    /// The file that holds the whole URL, where it is secret; root alone may read it.
    password_file: Option<FullPath>,
    /// Time between two of them. Default: "60s".
    period: Option<Length>,
}

impl HeartbeatKeys {
    /// What they say.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn heartbeat(&self) -> Result<Heartbeat, Wrong> {
        let secret = password(self.credential.as_ref(), self.password_file.as_ref())?;
        if self.url.is_some() == secret.is_some() {
            return Err(Wrong::value("cannot use `heartbeat`: it needs one URL").help(
                "write url = \"https://…\", or credential = \"NAME\" or password_file = \"PATH\" where the URL is secret",
            ));
        }
        let period = self.period.map_or(PERIOD, |length| length.0);
        if period < SHORTEST {
            return Err(Wrong::value("cannot use `heartbeat`: its period must be at least 1s"));
        }
        // What was read from TOML can be written as TOML.
        Ok(Heartbeat { keys: toml::to_string(self).unwrap_or_default(), period })
    }
}

/// Tells the server that we are well.
///
/// # Errors
/// One clause that says why it was not heard, without any secret.
pub async fn beat(heartbeat: &Heartbeat, carrier: &dyn Carrier) -> Result<(), String> {
    let keys: HeartbeatKeys = toml::from_str(&heartbeat.keys)
        .map_err(|why| format!("its keys cannot be read ({})", why.message()))?;
    let limit = Limit::new(BEAT);
    let secret = blocking::secret(&keys.credential, &keys.password_file);
    let secret = timeout_at(limit.deadline, secret).await.unwrap_or_else(|_| Err(limit.late()))?;
    let url = secret.clone().or_else(|| keys.url.clone().map(Into::into)).unwrap_or_default();
    let post = http::Post {
        url,
        content_type: "text/plain; charset=utf-8".to_owned(),
        headers: Vec::new(),
        login: http::Login::None,
        secret,
        body: String::new(),
    };
    carrier.carry(Letter::Posts(vec![post]), limit).await.map_err(|why| told(&why))
}
