//! `redis`: the length of a key (a list, a set, a stream …), and counters beside it.

use ::redis::aio::MultiplexedConnection;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::progress::Sample;
use crate::probe::failure::Failure;
use crate::probe::server::{self, Server};
use crate::probe::{Limit, Wants, redis, text};

use super::{Source, whole};

/// `redis = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// "redis://HOST/DB": the length of the key `queue`.
    redis: String,
    /// The queue's key.
    #[schemars(example = &"NAME")]
    queue: String,
    /// The key that counts the items completed so far.
    completed: Option<String>,
    /// The work is paused as long as this key exists.
    paused: Option<String>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Source for Redis {
    fn check(&self) -> Result<(), Wrong> {
        server::check("redis", &self.redis, &["redis"], (&self.credential, &self.password_file))
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file))
    }

    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        Box::pin(async move {
            let server = Server::of(&self.redis, (&self.credential, &self.password_file));
            let read = sample(self.clone(), &server, limit).await;
            read.map_err(|failure| failure.of(&server::shown(&server)).message)
        })
    }
}

async fn sample(source: Redis, server: &Server, limit: Limit) -> Result<Sample, Failure> {
    redis::with(server, limit, async move |mut connection| {
        let depth = figure(&mut connection, &source.queue).await?;
        let completed = match &source.completed {
            Some(key) => Some(figure(&mut connection, key).await?),
            None => None,
        };
        let paused = match &source.paused {
            Some(key) => !redis::value(&mut connection, key, true).await?.is_null(),
            None => false,
        };
        Ok(Sample { depth, completed, paused, ..Sample::default() })
    })
    .await
}

/// A length or a counter; what does not exist is empty.
async fn figure(connection: &mut MultiplexedConnection, key: &str) -> Result<u64, Failure> {
    let found = redis::value(connection, key, false).await?;
    let whole = match &found {
        Value::Null => Some(0),
        other => other.as_u64().or_else(|| other.as_f64().and_then(whole)),
    };
    whole.ok_or_else(|| Failure::unhealthy(format!("its key {} is no number", text::name(key))))
}
