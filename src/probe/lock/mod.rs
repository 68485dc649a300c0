//! A lock server that gives out slots of a group: etcd, in the place and form of airlock, or anything that speaks FleetLock.

mod etcd;
mod fleetlock;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::{Credential, FullPath, Length};
use crate::model::fleet::Holder;

use super::failure::Failure;
use super::http::{Page, Post, send};
use super::{Limit, Wants, secret, text};

/// Addresses of one lock server.
pub const ADDRESSES: usize = 9;

/// `[fleet]`, as far as the lock server is meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    pub etcd: Vec<String>,
    pub fleetlock: Option<String>,
    pub slots: usize,
    /// For each address.
    pub timeout: Option<Length>,
    pub user: Option<String>,
    pub credential: Option<Credential>,
    pub password_file: Option<FullPath>,
    pub ca_file: Option<FullPath>,
}

/// What is asked, of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockAsked {
    Take {
        holder: String,
        what: String,
        /// Another host of the same name has another.
        machine: String,
        /// Unix time in milliseconds.
        now_ms: i64,
    },
    Leave {
        holder: String,
        machine: String,
    },
    /// Who has slots, and who waits.
    Look,
    /// The slots of this host, or of this unit of it, are given back for it, and why.
    Release {
        holder: String,
        why: String,
        now_ms: i64,
    },
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockSaid {
    Ours,
    Busy(Vec<Known>),
    Left,
    Group {
        slots: usize,
        holders: Vec<Known>,
        waiting: Vec<Known>,
        /// Given back by people, lately.
        released: Vec<Known>,
    },
    Released(Vec<String>),
}

/// Who has a slot, or waits for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    #[serde(default)]
    pub name: String,
    pub what: Option<String>,
    pub since_ms: Option<i64>,
    #[serde(default)]
    pub machine: Option<String>,
}

impl From<Known> for Holder {
    fn from(known: Known) -> Self {
        let what = known.what.map(|what| text::sentence(&what));
        Self { name: text::name(&known.name), what, since_ms: known.since_ms }
    }
}

impl Lock {
    /// As text.
    #[must_use]
    pub fn keys(&self) -> String {
        // What was read from TOML can be written as TOML.
        toml::to_string(self).unwrap_or_default()
    }

    /// How long one question may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        let addresses = u32::try_from(self.etcd.len().max(1)).unwrap_or(1);
        // The answer of the last address is awaited as long as that of the first.
        self.each().saturating_mul(addresses.saturating_add(1))
    }

    fn each(&self) -> Duration {
        self.timeout.map_or(Duration::from_secs(2), |length| length.0)
    }

    /// What is handed over with a question.
    #[must_use]
    pub fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file)).and_authorities(&self.ca_file)
    }

    async fn password(&self, limit: Limit) -> Result<String, Failure> {
        let server = super::server::Server::of("", (&self.credential, &self.password_file));
        Ok(secret::of(&server, limit).await?.unwrap_or_default())
    }

    /// Posts JSON to this address, and reads the answer: its status and what it says.
    async fn post(
        &self,
        (address, path): (&str, &str),
        json: &Value,
        headers: Vec<(&'static str, String)>,
    ) -> Result<(u16, Value), Failure> {
        let limit = Limit::new(self.each());
        let url = format!("{}{path}", address.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| Failure::unknown(format!("it is no URL ({error})")))?;
        let ca_file = self.ca_file.as_ref().map(|path| PathBuf::from(&**path));
        let page = Page::at(url).trusting(ca_file, false);
        let answer = send(page, Some(Post { json: json.to_string(), headers }), limit).await?;
        let told = answer.body.whole().map(serde_json::from_slice).and_then(Result::ok);
        Ok((answer.status, told.unwrap_or(Value::Null)))
    }
}

/// Asks the lock server of these keys once, one address after the other until one answers.
///
/// # Errors
/// Why nothing is known, one clause.
pub async fn lock(keys: &str, group: &str, asked: &LockAsked) -> Result<LockSaid, String> {
    let lock: Lock =
        toml::from_str(keys).map_err(|why| format!("its keys cannot be read ({})", why.message()))?;
    let said = match &lock.fleetlock {
        Some(address) => fleetlock::ask(&lock, address, group, asked).await,
        None => etcd::ask(&lock, group, asked).await,
    };
    said.map_err(|failure| failure.parts().1)
}
