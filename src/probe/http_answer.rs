//! Judges an HTTP answer: status, then body, content type, JSON, latency; the first that is wrong is told.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

use crate::keys::Length;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::span::span;

use super::http::Http;
use super::{json, text};

/// The statuses that are right, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses(pub u16, pub u16);

impl Default for Statuses {
    fn default() -> Self {
        Self(200, 200)
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = toml::Value::deserialize(from)?;
        let number = |text: &str| text.trim().parse::<u16>().ok();
        let range = match &written {
            toml::Value::Integer(status) => u16::try_from(*status).ok().map(|status| (status, status)),
            toml::Value::String(text) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                number(first).zip(number(last))
            }
            _ => None,
        };
        let valid = |status: &u16| (100..=599).contains(status);
        let range = range.filter(|(first, last)| valid(first) && valid(last) && first <= last);
        let (first, last) =
            range.ok_or_else(|| D::Error::custom("cannot use this status: write 200 or \"200-299\""))?;
        Ok(Self(first, last))
    }
}

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self(first, last) if first == last => to.serialize_u16(*first),
            Self(first, last) => to.collect_str(&format_args!("{first}-{last}")),
        }
    }
}

impl JsonSchema for Statuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "examples": [200, "200-299"] })
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    /// Another server than the one that was asked gave it: a redirect led there.
    pub elsewhere: bool,
    pub body: Body,
    /// From the first attempt to connect to the last byte of the body.
    pub latency: Duration,
    /// How long the server's certificate is valid yet; zero: not any more. `None`: it showed none.
    pub valid_for: Option<Duration>,
    /// The day on which that ends.
    pub valid_until: Option<String>,
}

/// What was read of a body.
#[derive(Debug)]
pub enum Body {
    Whole(Vec<u8>),
    /// It goes on beyond the limit.
    Longer(Vec<u8>),
}

impl Body {
    /// All of it, where all was read.
    pub fn whole(&self) -> Option<&[u8]> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Longer(_) => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) | Self::Longer(bytes) => bytes,
        }
    }

    /// ` with an empty body`, or ` "what it said"`.
    fn shown(&self) -> String {
        if self.bytes().is_empty() {
            " with an empty body".to_owned()
        } else {
            format!(" {}", text::quoted(self.bytes()))
        }
    }
}

/// The outcome of `asked`, such as `GET http://127.0.0.1:8080/health`.
pub fn judge(probe: &Http, asked: &str, answer: &Answer) -> ProbeOutcome {
    let status = answer.status;
    let outcome = |status, sentence: String| ProbeOutcome {
        status,
        message: text::sentence(&format!("{asked} {sentence}")),
        latency: Some(answer.latency),
    };
    // Whoever is asked may lead us to what only this host reaches: whether that is right is said, and not what it says.
    let fault = |sentence: String| {
        if !answer.elsewhere {
            return sentence;
        }
        format!(
            "led to another server, and its answer ({status}) is not as it must be; what it says is not shown"
        )
    };
    if let Err(sentence) = wrong_status(probe, answer) {
        return outcome(ProbeStatus::Unhealthy, fault(sentence));
    }
    if let Err(sentence) = wrong_certificate(probe, answer) {
        return outcome(ProbeStatus::Unmet, format!("answered {status}, but {sentence}"));
    }
    if let Err(sentence) = wrong_content(probe, answer) {
        return outcome(ProbeStatus::Unhealthy, fault(sentence));
    }
    let took = text::figure(answer.latency);
    match probe.max_latency.map(|most| most.0) {
        Some(most) if answer.latency > most => {
            let most = text::figure(most);
            let sentence = format!("answered {status} in {took}; expected within {most}");
            outcome(ProbeStatus::Slow, sentence)
        }
        Some(_) | None => outcome(ProbeStatus::Healthy, format!("answered {status} in {took}")),
    }
}

fn wrong_status(probe: &Http, answer: &Answer) -> Result<(), String> {
    let (status, Statuses(low, high)) = (answer.status, probe.status);
    if (low..=high).contains(&status) {
        return Ok(());
    }
    let body = answer.body.shown();
    let expected = if low == high { low.to_string() } else { format!("{low}-{high}") };
    Err(format!("answered {status}{body}; expected {expected}"))
}

fn wrong_certificate(probe: &Http, answer: &Answer) -> Result<(), String> {
    let Some(Length(wanted)) = probe.min_validity else {
        return Ok(());
    };
    let least = span(wanted);
    match answer.valid_for {
        None => Err("showed no certificate".to_owned()),
        Some(left) if left < wanted => {
            let day = answer.valid_until.as_ref().map_or(String::new(), |day| format!("on {day}, "));
            Err(format!("its certificate ends {day}in {}; at least {least} are right", span(left)))
        }
        Some(_) => Ok(()),
    }
}

fn wrong_content(probe: &Http, answer: &Answer) -> Result<(), String> {
    let status = answer.status;
    if probe.content_type.is_none() && probe.json.is_empty() {
        return Ok(());
    }
    let wanted = probe.content_type.as_deref().unwrap_or("JSON");
    if answer.body.bytes().is_empty() {
        return Err(format!("answered {status} with an empty body; expected {wanted}"));
    }
    if let Some(wanted) = &probe.content_type {
        check_type(answer.content_type.as_deref(), wanted)
            .map_err(|why| format!("answered {status} {why}; expected {wanted}"))?;
    }
    if probe.json.is_empty() {
        return Ok(());
    }
    match &answer.body {
        Body::Whole(bytes) => {
            json::check(bytes, &probe.json).map_err(|why| format!("answered {status}, but {why}"))
        }
        Body::Longer(bytes) => {
            Err(format!("answered {status} with more than {} MiB; expected JSON", bytes.len() >> 20))
        }
    }
}

/// Compares media types, without their parameters.
fn check_type(got: Option<&str>, wanted: &str) -> Result<(), String> {
    let Some(got) = got else {
        return Err("without a content type".to_owned());
    };
    let media = got.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(format!("with content type {}", text::quoted(got.as_bytes())))
    }
}
