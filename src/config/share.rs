//! `max_unavailable`: a number of units, or per cent of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use crate::model::spec::Share;

/// `1`, or `"25%"`.
#[derive(Clone, Copy, Debug)]
pub struct ShareKey(pub Share);

/// What it looks like; it follows every sentence that refuses one.
const WRITTEN: &str = "write a number such as 1, or per cent such as \"25%\"";

impl<'de> Deserialize<'de> for ShareKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(from)?;
        let share = match &value {
            toml::Value::Integer(count) => usize::try_from(*count).ok().map(Share::Count),
            toml::Value::String(text) => {
                let part = text.strip_suffix('%').and_then(|part| part.parse::<usize>().ok());
                part.filter(|part| *part <= 100).map(Share::PerCent)
            }
            _ => None,
        };
        match share {
            Some(Share::Count(0) | Share::PerCent(0)) => {
                Err(D::Error::custom(format!("with none away nothing could ever be restarted; {WRITTEN}")))
            }
            Some(share) => Ok(Self(share)),
            None => Err(D::Error::custom(format!("{value} is no part of a group; {WRITTEN}"))),
        }
    }
}

impl JsonSchema for ShareKey {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 1,
            "pattern": "^([1-9][0-9]?|100)%$",
            "description": "A number of units, or per cent of them: 1, 25%.",
            "examples": [1, "25%"]
        })
    }
}
