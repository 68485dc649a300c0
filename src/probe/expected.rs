//! What a value must be: itself, or a comparison such as "< 100".

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use super::text;

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Text(String),
    Number(f64),
    Boolean(bool),
    Null,
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    NotEqual(f64),
}

impl Expected {
    /// It holds for every number that is not negative.
    #[must_use]
    pub fn is_met_by_every_count(&self) -> bool {
        match self {
            Self::AtLeast(number) => *number <= 0.0,
            Self::Above(number) | Self::NotEqual(number) => *number < 0.0,
            Self::Text(_)
            | Self::Number(_)
            | Self::Boolean(_)
            | Self::Null
            | Self::Below(_)
            | Self::AtMost(_) => false,
        }
    }
}

impl Expected {
    /// It is a number, or a comparison with one.
    #[must_use]
    pub fn compares_numbers(&self) -> bool {
        match self {
            Self::Number(_)
            | Self::Below(_)
            | Self::AtMost(_)
            | Self::Above(_)
            | Self::AtLeast(_)
            | Self::NotEqual(_) => true,
            Self::Text(_) | Self::Boolean(_) | Self::Null => false,
        }
    }
}

impl From<String> for Expected {
    /// `< 100`, `<= 100`, `> 0`, `>= 1`, `!= 0`; any other text is meant literally.
    fn from(text: String) -> Self {
        type Make = fn(f64) -> Expected;
        let signs: [(&str, Make); 5] = [
            ("<=", Self::AtMost),
            (">=", Self::AtLeast),
            ("!=", Self::NotEqual),
            ("<", Self::Below),
            (">", Self::Above),
        ];
        let compared =
            signs.iter().find_map(|(sign, make)| text.strip_prefix(sign)?.trim().parse().ok().map(make));
        compared.unwrap_or(Self::Text(text))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(&text::quoted(text.as_bytes())),
            Self::Boolean(truth) => write!(formatter, "{truth}"),
            Self::Null => formatter.write_str("null"),
            Self::Number(number) => write!(formatter, "{number}"),
            Self::Below(bound) => write!(formatter, "< {bound}"),
            Self::AtMost(bound) => write!(formatter, "<= {bound}"),
            Self::Above(bound) => write!(formatter, "> {bound}"),
            Self::AtLeast(bound) => write!(formatter, ">= {bound}"),
            Self::NotEqual(other) => write!(formatter, "!= {other}"),
        }
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match toml::Value::deserialize(from)? {
            toml::Value::String(text) => text.into(),
            toml::Value::Boolean(value) => Self::Boolean(value),
            toml::Value::Float(value) => Self::Number(value),
            toml::Value::Integer(value) => Self::Number(
                i32::try_from(value)
                    .map_or_else(|_| value.to_string().parse().unwrap_or(f64::MAX), f64::from),
            ),
            other => {
                let what = other.type_str();
                return Err(D::Error::custom(format!(
                    "cannot compare with {what}: write a text, number, boolean or \"< 100\""
                )));
            }
        })
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Number(number) => to.serialize_f64(*number),
            Self::Boolean(truth) => to.serialize_bool(*truth),
            Self::Null => to.serialize_none(),
            Self::Below(_) | Self::AtMost(_) | Self::Above(_) | Self::AtLeast(_) | Self::NotEqual(_) => {
                to.collect_str(self)
            }
        }
    }
}

impl JsonSchema for Expected {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expected".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_every_count_asks_nothing() {
        for always in [Expected::AtLeast(0.0), Expected::Above(-1.0), Expected::NotEqual(-1.0)] {
            assert!(always.is_met_by_every_count(), "{always:?}");
        }
        for may_fail in
            [Expected::AtLeast(1.0), Expected::Above(0.0), Expected::Below(9.0), Expected::Number(0.0)]
        {
            assert!(!may_fail.is_met_by_every_count(), "{may_fail:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all = [
            Expected::Text("ok".to_owned()),
            Expected::Text("< many".to_owned()),
            Expected::Number(3.5),
            Expected::Number(7.0),
            Expected::Boolean(true),
            Expected::Below(0.1),
            Expected::AtMost(1e9),
            Expected::Above(-1.0),
            Expected::AtLeast(0.0),
            Expected::NotEqual(5.0),
        ];
        for expected in all {
            let written = toml::Value::try_from(&expected).expect("a value");
            assert_eq!(Expected::deserialize(written), Ok(expected));
        }
    }
}
