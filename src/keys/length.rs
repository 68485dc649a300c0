//! Lengths of time.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use crate::clock;

/// A length of time: "90s", "15m", "2h".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(from)? {
            toml::Value::String(text) => clock::length(&text).map(Self).map_err(D::Error::custom),
            toml::Value::Integer(number) => {
                Err(D::Error::custom(format!("a time needs a unit: write \"{number}s\"")))
            }
            other => Err(D::Error::custom(format!("a time such as \"90s\" is expected, not {other}"))),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => to.collect_str(&format_args!("{}s", self.0.as_secs())),
            _ => to.collect_str(&format_args!("{}ns", self.0.as_nanos())),
        }
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A length of time: 90s, 15m, 2h.", "examples": ["90s", "15m", "2h"] })
    }
}

/// A length of time, or "never".
#[derive(Clone, Copy, Debug)]
pub struct LengthOrNever(pub Option<Duration>);

impl<'de> Deserialize<'de> for LengthOrNever {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(from)?;
        if value.as_str() == Some("never") {
            return Ok(Self(None));
        }
        Length::deserialize(value).map(|length| Self(Some(length.0))).map_err(D::Error::custom)
    }
}

impl JsonSchema for LengthOrNever {
    fn schema_name() -> Cow<'static, str> {
        "LengthOrNever".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A length of time such as 30m, or never." })
    }
}
