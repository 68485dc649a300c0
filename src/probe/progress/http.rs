//! `http`: the figures stand in a JSON document.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::{PageUrl, Pointer};
use crate::model::progress::Sample;
use crate::probe::http_answer::Body;
use crate::probe::{Limit, Wants, http, json, text};

use super::{Source, whole};

/// `http = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// GET this URL, or page behind a socket ("unix:/run/app.sock:/page"); `depth` and its kin point into its JSON.
    http: PageUrl,
    /// JSON pointer to the number of items that wait.
    #[schemars(example = "/queue/depth")]
    depth: Pointer,
    /// JSON pointer to the number of items completed so far.
    completed: Option<Pointer>,
    /// JSON pointer to the age of the oldest item in seconds.
    age: Option<Pointer>,
    /// JSON pointer to the number of consumers.
    consumers: Option<Pointer>,
}

impl Source for Http {
    fn wants(&self) -> Wants {
        http::wants(&self.http)
    }

    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        Box::pin(sample(self, limit))
    }
}

async fn sample(source: &Http, limit: Limit) -> Result<Sample, String> {
    let asked = format!("GET {}", text::name(&source.http));
    let page = http::Page::of(&source.http).map_err(|failure| failure.of(&asked).message)?;
    let answer = http::fetch(page, limit).await.map_err(|failure| failure.of(&asked).message)?;
    if answer.status != 200 {
        return Err(format!("{asked} answered {}; expected 200", answer.status));
    }
    let Body::Whole(bytes) = &answer.body else {
        return Err(format!("{asked} answered with a body that is too long"));
    };
    figures(bytes, source).map_err(|why| text::sentence(&format!("{asked} answered 200, but {why}")))
}

fn figures(body: &[u8], pointers: &Http) -> Result<Sample, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| json::broken(body, &error))?;
    let figure = |pointer: &str| match document.pointer(pointer) {
        None => Err(format!("its JSON has no {}", text::name(pointer))),
        Some(value) => value
            .as_u64()
            .or_else(|| value.as_f64().filter(|figure| *figure >= 0.0).and_then(whole))
            .ok_or_else(|| format!("its {} is no number of items", text::name(pointer))),
    };
    let maybe = |pointer: &Option<Pointer>| pointer.as_deref().map(figure).transpose();
    Ok(Sample {
        depth: figure(&pointers.depth)?,
        completed: maybe(&pointers.completed)?,
        age: maybe(&pointers.age)?.map(Duration::from_secs),
        consumers: maybe(&pointers.consumers)?,
        ..Sample::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_the_figures() {
        let pointer = |text: &str| Pointer::try_from(text.to_owned()).expect("a pointer");
        let pointers = Http {
            http: "http://localhost/".to_owned().try_into().expect("a URL"),
            depth: pointer("/queue/depth"),
            completed: Some(pointer("/done")),
            age: Some(pointer("/oldest")),
            consumers: None,
        };
        let sample = figures(br#"{"queue":{"depth":3},"done":99,"oldest":12.7}"#, &pointers);
        let wanted =
            Sample { depth: 3, completed: Some(99), age: Some(Duration::from_secs(12)), ..Sample::default() };
        assert_eq!(sample, Ok(wanted));
        assert_eq!(figures(b"{}", &pointers), Err("its JSON has no /queue/depth".to_owned()));
        let text = figures(br#"{"queue":{"depth":"3"}}"#, &pointers);
        assert_eq!(text, Err("its /queue/depth is no number of items".to_owned()));
    }
}
