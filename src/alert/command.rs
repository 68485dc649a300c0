//! `type = "command"`: systemd runs a program that is told of it by its environment.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::Argv;

use super::{Delivery, Sink};

/// Its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; it belongs to root.
    #[schemars(example = ["/PROGRAM", "ARGUMENT"])]
    command: Argv,
}

impl Sink for Command {
    fn command(&self) -> Option<&[String]> {
        Some(&self.command)
    }

    fn deliver<'a>(&'a self, _: Delivery<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("a command needs the service manager".to_owned()) })
    }
}
