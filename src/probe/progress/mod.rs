//! The kinds of sources of progress: a file per kind has its keys and takes one sample. Never through the queue itself.

mod command;
mod http;
mod rabbitmq;
mod redis;
mod sql;

use std::fmt;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{self, Kind, Wrong};
use crate::model::progress::Sample;

use super::{Limit, Wants};

pub use command::judge as judge_sample;

/// Every kind of source. A new one is a line here and a file.
pub static KINDS: [Kind<dyn Source>; 6] = [
    kind::<http::Http>("http"),
    kind::<command::Command>("command"),
    kind::<rabbitmq::Rabbitmq>("rabbitmq"),
    kind::<redis::Redis>("redis"),
    kind::<sql::Postgres>("postgres"),
    kind::<sql::Mysql>("mysql"),
];

/// What every kind of source can do. Its fields are its keys, and the first one names it.
pub trait Source: fmt::Debug + Send + Sync {
    /// Whether its keys fit together; each value was checked when it was read.
    ///
    /// # Errors
    /// They do not.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// The command that the service manager runs as the unit's user; `judge_sample` reads what it printed.
    fn command(&self) -> Option<&[String]> {
        None
    }

    /// What is handed over with each question.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Takes one sample within the limit, where it is not a command. `Err`: why nothing is known, one sentence.
    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>>;
}

const fn kind<T>(name: &'static str) -> Kind<dyn Source>
where
    T: Source + Serialize + DeserializeOwned + JsonSchema + 'static,
{
    Kind {
        name,
        keys: keys::names::<T>,
        schema: T::json_schema,
        read: |table| {
            let (source, keys) = keys::read::<T>(table)?;
            Ok((Box::new(source), keys))
        },
    }
}

/// The source whose keys were read before.
///
/// # Errors
/// One sentence: another version wrote them.
pub fn source(text: &str) -> Result<Box<dyn Source>, String> {
    keys::read_again(&KINDS, text).map_err(|why| format!("its keys cannot be read ({why})"))
}

/// Cut off below the point, as by people who count.
pub fn whole(figure: f64) -> Option<u64> {
    format!("{:.0}", figure.floor()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_of_a_kind_names_it() {
        for kind in &KINDS {
            assert_eq!((kind.keys)().first(), Some(&kind.name));
        }
    }
}
