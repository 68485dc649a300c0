//! `redis`: PING, and keys that must be as expected.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisConnectionInfo, RedisError, ServerErrorKind,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::expected::Expected;
use super::failure::Failure;
use super::secured::{self, Connection, Tls};
use super::server::{self, Server};
use super::{Limit, Probe, Wants, json, text};

/// `redis = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// "redis://HOST/DB" answers PING; over TLS "rediss://HOST/DB".
    redis: String,
    /// A key to "missing", a text, or a comparison with its number or length such as "< 1000".
    #[serde(default)]
    keys: BTreeMap<String, Expected>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
    /// For TLS: a file with the certificates of the authorities that are trusted instead of this host's.
    ca_file: Option<FullPath>,
    /// For TLS: any certificate will do. Default: false.
    #[serde(default)]
    insecure: bool,
}

impl Probe for Redis {
    fn check(&self) -> Result<(), Wrong> {
        let secured = self.redis.starts_with("rediss://");
        secured::check(&self.ca_file, self.insecure, secured, "redis = \"rediss://HOST\"")?;
        server::check("redis", &self.redis, &["redis", "rediss"], (&self.credential, &self.password_file))
    }

    fn is_curable(&self) -> bool {
        self.keys.is_empty()
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file)).and_authorities(&self.ca_file)
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(self, limit))
    }
}

/// The port where the URL names none.
const PORT: u16 = 6379;
/// Bytes of a text that are read.
const TEXT: i64 = 1024;

async fn run(probe: &Redis, limit: Limit) -> ProbeOutcome {
    let server = Server::of(&probe.redis, (&probe.credential, &probe.password_file));
    let server = Server { tls: Tls::of(&probe.ca_file, probe.insecure), ..server };
    let shown = format!("PING to {}", server::shown(&server));
    match ask(&server, &probe.keys, limit).await {
        Ok(latency) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{shown} was answered in {}", text::figure(latency))),
            latency: Some(latency),
        },
        Err(failure) => failure.of(&shown),
    }
}

async fn ask(asked: &Server, keys: &BTreeMap<String, Expected>, limit: Limit) -> Result<Duration, Failure> {
    let keys = keys.clone();
    let began = Instant::now();
    with(asked, limit, async move |mut connection| {
        let pong: String = query(&mut connection, redis::cmd("PING")).await?;
        if pong != "PONG" {
            return Err(Failure::unhealthy(format!("answered {}", text::quoted(pong.as_bytes()))));
        }
        let latency = began.elapsed();
        for (key, expected) in &keys {
            let found = value(&mut connection, key, matches!(expected, Expected::Text(_))).await?;
            judge(key, &found, expected)?;
        }
        Ok(latency)
    })
    .await
}

/// A key must be as expected. Redis removes an empty list: to a comparison, what is not there has length 0.
fn judge(key: &str, found: &Value, expected: &Expected) -> Result<(), Failure> {
    let key = text::name(key);
    if *expected == Expected::Text("missing".to_owned()) {
        let exists = |_| Failure::unmet(format!("answered, but its key {key} exists; it must be missing"));
        return json::holds(found, &Expected::Null).map_err(exists);
    }
    let (absent, none) = (found.is_null() && expected.compares_numbers(), Value::from(0));
    let (found, shown) = if absent { (&none, "is missing, its length ") } else { (found, "") };
    json::holds(found, expected)
        .map_err(|clause| Failure::unmet(format!("answered, but its key {key} {shown}{clause}")))
}

/// Connects, logs in, works, and hangs up: all within the limit.
pub async fn with<T>(
    asked: &Server,
    limit: Limit,
    work: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let known = server::known(asked, PORT, limit).await?;
    let stream = server::connect(&known.addresses, limit).await?;
    let stream: Connection = match known.url.scheme() {
        "rediss" => secured::secure(stream, known.host(), &asked.tls, limit).await?,
        _ => Box::new(stream),
    };
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(user) = known.user() {
        login = login.set_username(user);
    }
    if let Some(password) = &known.password {
        login = login.set_password(password);
    }
    if let Ok(database) = known.path().parse() {
        login = login.set_db(database);
    }
    // The limit of the probe is ours.
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let (stream, first) = server::bounded(stream);
    let talk = async {
        let (connection, driver) = MultiplexedConnection::new_with_config(&login, stream, config)
            .await
            .map_err(|error| told(&error))?;
        tokio::select! {
            result = work(connection) => result,
            () = driver => Err(Failure::unhealthy("the connection was closed too early")),
        }
    };
    let done = limit.within(talk).await;
    if done.as_ref().is_none_or(Result::is_err) {
        server::speaks("Redis", &first, |byte| b"+-:$*%_#,(=~!>|".contains(&byte))?;
    }
    done.ok_or_else(|| Failure::late("no answer", limit))?
}

async fn query<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: Cmd,
) -> Result<T, Failure> {
    command.query_async(connection).await.map_err(|error| told(&error))
}

/// A key's text where that is wanted; else its number or its length. Null: it does not exist.
pub async fn value(connection: &mut MultiplexedConnection, key: &str, text: bool) -> Result<Value, Failure> {
    let of = |command: &str| {
        let mut command = redis::cmd(command);
        command.arg(key);
        command
    };
    let kind: String = query(connection, of("TYPE")).await?;
    let length = match kind.as_str() {
        "none" => return Ok(Value::Null),
        "string" => {
            let mut range = of("GETRANGE");
            range.arg(0).arg(TEXT);
            let bytes: Vec<u8> = query(connection, range).await?;
            let found = String::from_utf8_lossy(&bytes).into_owned();
            let number = found.parse::<f64>().ok().filter(|_| !text);
            return Ok(number.map_or(Value::String(found), Value::from));
        }
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "hash" => "HLEN",
        "stream" => "XLEN",
        other => {
            let other = text::quoted(other.as_bytes());
            return Err(Failure::unhealthy(format!("answered, but {} is of type {other}", text::name(key))));
        }
    };
    let length: u64 = query(connection, of(length)).await?;
    Ok(Value::from(length))
}

/// What the server or the connection said.
fn told(error: &RedisError) -> Failure {
    let code = error.code().unwrap_or_default();
    let detail = || text::quoted(error.detail().unwrap_or(code).as_bytes());
    match error.kind() {
        _ if code == "NOAUTH" => Failure::unknown("authentication failed, it wants a password"),
        ErrorKind::AuthenticationFailed => {
            Failure::unknown("authentication failed, it refuses the user or the password")
        }
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            Failure::unknown(format!("this user may not ask that, {}", detail()))
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            Failure::unhealthy("it is still loading its data from disk (LOADING)")
        }
        ErrorKind::Parse => Failure::unhealthy("what listens there does not speak Redis"),
        ErrorKind::Io if error.is_connection_dropped() => {
            Failure::unhealthy("the connection was closed too early")
        }
        _ if code.is_empty() => Failure::unhealthy(text::name(&error.to_string())),
        _ => Failure::unhealthy(format!("answered the error {code}, {}", detail())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O24: README's own example is well while the queue is empty.
    #[test]
    fn a_key_that_is_not_there_has_length_0() {
        let said = |found: Value, expected: &str| {
            judge("queues:default", &found, &Expected::from(expected.to_owned()))
                .map_err(|failure| failure.of("PING").message)
        };
        for (found, expected) in [
            (Value::Null, "< 1000"),
            (Value::from(7), "< 1000"),
            (Value::Null, "missing"),
            (Value::Null, ">= 0"),
        ] {
            assert_eq!(said(found, expected), Ok(()), "{expected}");
        }
        let told = said(Value::Null, "> 0").unwrap_err();
        assert_eq!(
            told,
            "PING: answered, but its key queues:default is missing, its length is 0; expected > 0"
        );
        let told = said(Value::from(1000), "< 1000").unwrap_err();
        assert_eq!(told, "PING: answered, but its key queues:default is 1000; expected < 1000");
        let told = said(Value::Null, "ready").unwrap_err();
        assert_eq!(told, "PING: answered, but its key queues:default is null; expected \"ready\"");
        assert!(said(Value::from(1), "missing").is_err());
    }
}
