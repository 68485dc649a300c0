//! `rabbitmq`: a queue, as RabbitMQ's management API knows it.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::progress::Sample;
use crate::probe::rabbitmq::{self, Queue};
use crate::probe::server::{self, Server};
use crate::probe::{Limit, Wants};

use super::Source;

/// `rabbitmq = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rabbitmq {
    /// "http://USER@HOST:15672", RabbitMQ's management API, which knows the queue's messages and consumers.
    rabbitmq: String,
    /// The queue.
    #[schemars(example = &"NAME")]
    queue: String,
    /// The queue's vhost. Default: "/".
    vhost: Option<String>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Source for Rabbitmq {
    fn check(&self) -> Result<(), Wrong> {
        let password = (&self.credential, &self.password_file);
        server::check("rabbitmq", &self.rabbitmq, &rabbitmq::SCHEMES, password)
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file))
    }

    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        Box::pin(async move {
            let server = Server::of(&self.rabbitmq, (&self.credential, &self.password_file));
            let queue = Queue::of(&self.queue, self.vhost.as_deref());
            let read = rabbitmq::read(&server, queue, limit).await;
            read.map_err(|failure| failure.of(&server::shown(&server)).message)
        })
    }
}
