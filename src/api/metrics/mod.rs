//! A snapshot as Prometheus reads it: OpenMetrics text, or the classic text for those who know no other.

mod families;
mod process;

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use crate::model::snapshot::Snapshot;

use families::Picture;

/// The format of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Form {
    OpenMetrics,
    /// Version 0.0.4: `promtool check metrics` and Prometheus before 2.5.
    Classic,
}

impl Form {
    /// The form that an `Accept` header asks for; OpenMetrics for whoever has no wish.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        let weight = |kind: &str| {
            let ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
            let weights = ranges.filter_map(|mut range| {
                let same = range.next().is_some_and(|named| named.eq_ignore_ascii_case(kind));
                let given = range.find_map(|parameter| parameter.strip_prefix("q="));
                let weight = given.map_or(Some(1.0), |given| given.parse::<f32>().ok());
                weight.filter(|_| same)
            });
            weights.fold(0.0, f32::max)
        };
        let classic = weight("text/plain") > weight("application/openmetrics-text");
        if classic { Self::Classic } else { Self::OpenMetrics }
    }

    /// `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// All metrics of this picture, and of our own process. Reads /proc.
///
/// # Errors
/// Never, as far as is known: a text takes whatever is written to it.
pub fn text(snapshot: Snapshot, form: Form) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Picture { snapshot, process: process::read().ok() }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(match form {
        Form::OpenMetrics => text,
        Form::Classic => classic(&text),
    })
}

/// The same in the classic format: there a counter's name is that of its samples, and no line says `EOF`.
fn classic(text: &str) -> String {
    let mut classic = String::with_capacity(text.len());
    let mut help = "";
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said;
        } else if let Some(said) = line.strip_prefix("# TYPE ") {
            let (name, kind) = said.split_once(' ').unwrap_or((said, "untyped"));
            let (_, meaning) = help.split_once(' ').unwrap_or_default();
            let total = if kind == "counter" { "_total" } else { "" };
            classic.push_str(&format!("# HELP {name}{total} {meaning}\n# TYPE {name}{total} {kind}\n"));
        } else if !line.starts_with('#') {
            classic.push_str(line);
            classic.push('\n');
        }
    }
    classic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_the_classic_text_gets_it() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                          version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for accept in ["", "*/*", "application/json", prometheus] {
            assert_eq!(Form::wanted(accept), Form::OpenMetrics, "{accept}");
        }
        for accept in ["text/plain", "text/plain;version=0.0.4;q=1,*/*;q=0.1", "Text/Plain"] {
            assert_eq!(Form::wanted(accept), Form::Classic, "{accept}");
        }
    }

    #[test]
    fn a_counter_of_the_classic_text_is_named_like_its_samples() {
        let text = "# HELP a_seconds How long.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
                    a_seconds_sum 1.0\n# HELP b How often.\n# TYPE b counter\nb_total{x=\"# y\"} 2\n# EOF\n";
        assert_eq!(
            classic(text),
            "# HELP a_seconds How long.\n# TYPE a_seconds histogram\na_seconds_sum 1.0\n\
             # HELP b_total How often.\n# TYPE b_total counter\nb_total{x=\"# y\"} 2\n"
        );
    }
}
