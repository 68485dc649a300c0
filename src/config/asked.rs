//! The keys of `[probe.NAME]` and `[progress.NAME]` as people write them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use toml::Spanned;

use super::file::{Length, OnStale};

/// A probe: exactly one of http, tcp, unix, command, redis, memcached, amqp, rabbitmq, postgres, mysql, file, disk, inodes, journal, timer.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// GET this URL.
    #[schemars(with = "Option<String>")]
    pub http: Option<Spanned<String>>,
    /// "host:port" accepts a connection.
    #[schemars(with = "Option<String>")]
    pub tcp: Option<Spanned<String>>,
    /// A stream socket at this path accepts a connection.
    #[schemars(with = "Option<String>")]
    pub unix: Option<Spanned<String>>,
    /// Exit status 0 healthy, 1 unhealthy, other unknown. Run as the unit's user.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// http: 200 or "200-299". Default: 200.
    #[schemars(with = "Option<serde_json::Value>")]
    pub status: Option<Spanned<toml::Value>>,
    /// http: the media type of the answer.
    pub content_type: Option<String>,
    /// http: JSON pointer to an exact value or a comparison such as "< 100".
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub json: BTreeMap<String, Spanned<toml::Value>>,
    /// http: a right answer that comes later is a finding.
    pub max_latency: Option<Length>,
    /// http: follow redirects. Default: false.
    pub follow_redirects: Option<bool>,
    /// Default: "10s".
    pub period: Option<Length>,
    /// Must be below period. Default: "3s".
    #[schemars(with = "Option<Length>")]
    pub timeout: Option<Spanned<Length>>,
    /// No verdict counts for this long after the unit became active. Default: "0s".
    pub initial_delay: Option<Length>,
    /// Default: 2.
    pub failure_threshold: Option<u32>,
    /// Default: 1.
    pub success_threshold: Option<u32>,
    /// restart or alert. Default: restart; alert where no restart helps: rabbitmq, disk, inodes, journal, timer, and with
    /// min_validity, keys, stats or expect.
    pub on_failure: Option<OnStale>,
    /// "redis://HOST/DB" answers PING.
    #[schemars(with = "Option<String>")]
    pub redis: Option<Spanned<String>>,
    /// redis: a key to "missing", a text, or a comparison with its number or length such as "< 1000".
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub keys: BTreeMap<String, Spanned<toml::Value>>,
    /// "host:port" of a memcached tells its figures.
    #[schemars(with = "Option<String>")]
    pub memcached: Option<Spanned<String>>,
    /// memcached: a figure of `stats` to a value or a comparison such as { uptime = "> 60" }.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub stats: BTreeMap<String, Spanned<toml::Value>>,
    /// "amqp://HOST" greets in AMQP; with a user, "amqp://USER@HOST/VHOST", it lets that user in.
    #[schemars(with = "Option<String>")]
    pub amqp: Option<Spanned<String>>,
    /// "http://USER@HOST:15672", RabbitMQ's management API: every node runs and none has an alarm.
    #[schemars(with = "Option<String>")]
    pub rabbitmq: Option<Spanned<String>>,
    /// rabbitmq: look at this queue, too.
    pub queue: Option<String>,
    /// rabbitmq: the queue's vhost. Default: "/".
    pub vhost: Option<String>,
    /// rabbitmq: more messages than this in the queue are unhealthy.
    pub max_depth: Option<u64>,
    /// rabbitmq: fewer consumers of the queue than this are unhealthy. Default: 1.
    pub min_consumers: Option<u64>,
    /// "postgres://USER@HOST/DB" lets that user in and answers.
    #[schemars(with = "Option<String>")]
    pub postgres: Option<Spanned<String>>,
    /// "mysql://USER@HOST/DB" (MySQL, MariaDB) lets that user in and answers.
    #[schemars(with = "Option<String>")]
    pub mysql: Option<Spanned<String>>,
    /// postgres, mysql: what is asked, in a read-only session. Default: SELECT 1.
    pub query: Option<String>,
    /// postgres, mysql: what the first column of the first row must be: a value or a comparison such as "< 100".
    #[schemars(with = "Option<serde_json::Value>")]
    pub expect: Option<Spanned<toml::Value>>,
    /// This file was written within max_age.
    #[schemars(with = "Option<String>")]
    pub file: Option<Spanned<String>>,
    /// file, timer: older than this is unhealthy.
    pub max_age: Option<Length>,
    /// The file system at this path has min_free bytes free.
    #[schemars(with = "Option<String>")]
    pub disk: Option<Spanned<String>>,
    /// The file system at this path has min_free inodes free.
    #[schemars(with = "Option<String>")]
    pub inodes: Option<Spanned<String>>,
    /// disk, inodes: "5%", "2GiB", or a number.
    #[schemars(with = "Option<String>")]
    pub min_free: Option<Spanned<String>>,
    /// http: the server's certificate must be valid for so long yet, such as "14d".
    pub min_validity: Option<Length>,
    /// redis, amqp, rabbitmq, postgres, mysql: the systemd credential of steadfast.service that holds the password.
    #[schemars(with = "Option<String>")]
    pub credential: Option<Spanned<String>>,
    /// redis, amqp, rabbitmq, postgres, mysql: a file that holds the password, readable for its owner alone.
    #[schemars(with = "Option<String>")]
    pub password_file: Option<Spanned<String>>,
    /// A new line of the unit's own log that matches this regular expression is unhealthy.
    #[schemars(with = "Option<String>")]
    pub journal: Option<Spanned<String>>,
    /// What "NAME.timer" starts last succeeded within max_age.
    #[schemars(with = "Option<String>")]
    pub timer: Option<Spanned<String>>,
}

/// A source of progress: exactly one of http, command, rabbitmq, redis, postgres, mysql. It is never asked through the queue itself.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Progress {
    /// GET this URL; `depth` and its kin point into its JSON.
    #[schemars(with = "Option<String>")]
    pub http: Option<Spanned<String>>,
    /// Prints `depth=12`, and where known `in_work=3 completed=4711 age=90 consumers=2 paused=0`. Run as the unit's user.
    #[schemars(with = "Option<Vec<String>>")]
    pub command: Option<Spanned<Vec<String>>>,
    /// http: JSON pointer to the number of items that wait.
    pub depth: Option<String>,
    /// http: JSON pointer to the number of items completed so far; redis: the key that counts them.
    pub completed: Option<String>,
    /// http: JSON pointer to the age of the oldest item in seconds.
    pub age: Option<String>,
    /// http: JSON pointer to the number of consumers.
    pub consumers: Option<String>,
    /// More items than this are a backlog.
    pub max_depth: Option<u64>,
    /// An oldest item older than this is a backlog.
    pub max_age: Option<Length>,
    /// Items wait and none was completed for this long. Default: "10m".
    pub stalled_after: Option<Length>,
    /// After what the unit requires came back, the queue must be empty, or drain, within this time. Default: "30m".
    pub drain_within: Option<Length>,
    /// restart or alert. Default: restart.
    pub on_stall: Option<OnStale>,
    /// Default: "15s".
    pub period: Option<Length>,
    /// Must be below period. Default: "5s".
    #[schemars(with = "Option<Length>")]
    pub timeout: Option<Spanned<Length>>,
    /// "http://USER@HOST:15672", RabbitMQ's management API, which knows the queue's messages and consumers.
    #[schemars(with = "Option<String>")]
    pub rabbitmq: Option<Spanned<String>>,
    /// "redis://HOST/DB": the length of the key `queue`.
    #[schemars(with = "Option<String>")]
    pub redis: Option<Spanned<String>>,
    /// rabbitmq: the queue; redis: its key.
    pub queue: Option<String>,
    /// rabbitmq: the queue's vhost. Default: "/".
    pub vhost: Option<String>,
    /// redis: the work is paused as long as this key exists.
    pub paused: Option<String>,
    /// "postgres://USER@HOST/DB"
    #[schemars(with = "Option<String>")]
    pub postgres: Option<Spanned<String>>,
    /// "mysql://USER@HOST/DB"
    #[schemars(with = "Option<String>")]
    pub mysql: Option<Spanned<String>>,
    /// postgres, mysql: one row with the column depth, and where known in_work, completed, age (seconds), consumers, paused.
    pub query: Option<String>,
    /// The systemd credential of steadfast.service that holds the password.
    #[schemars(with = "Option<String>")]
    pub credential: Option<Spanned<String>>,
    /// A file that holds the password, readable for its owner alone.
    #[schemars(with = "Option<String>")]
    pub password_file: Option<Spanned<String>>,
}
