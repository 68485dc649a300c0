//! One sample of progress: from a JSON document over HTTP, or from what a command printed.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use crate::model::probe::{CommandEnd, CommandOutcome, Server};
use crate::model::progress::{Pointers, ProgressSource, ProgressSpec, Sample};

use super::failure::Failure;
use super::http_answer::Body;
use super::{Limit, http, rabbitmq, redis, server, sql, words};

/// Asks once within the source's timeout. `Err`: why nothing is known, one sentence.
///
/// # Errors
/// Whatever came instead of figures.
pub async fn sample(spec: &ProgressSpec) -> Result<Sample, String> {
    let limit = Limit::new(spec.timeout);
    let told = |asked: &Server, sample: Result<Sample, Failure>| {
        sample.map_err(|failure| failure.of(&server::shown(asked)).message)
    };
    match &spec.source {
        ProgressSource::Http { url, pointers } => from_http(url, pointers, limit).await,
        ProgressSource::Rabbitmq { server, queue } => {
            told(server, rabbitmq::read(server, queue, limit).await)
        }
        ProgressSource::Redis { server, queue, completed, paused } => {
            let sample = redis::sample(server, queue, completed.as_deref(), paused.as_deref(), limit);
            told(server, sample.await)
        }
        ProgressSource::Sql { engine, server, query } => {
            told(server, sql::sample(*engine, server, query, limit).await)
        }
        ProgressSource::Command { .. } => Err("it is run by the service manager".to_owned()),
    }
}

async fn from_http(url: &str, pointers: &Pointers, limit: Limit) -> Result<Sample, String> {
    let asked = format!("GET {}", words::name(url));
    let url = Url::parse(url).map_err(|error| format!("{asked}: it is no URL ({error})"))?;
    let answer = http::fetch(false, url, limit).await.map_err(|failure| failure.of(&asked).message)?;
    if answer.status != 200 {
        return Err(format!("{asked} answered {}; expected 200", answer.status));
    }
    let Body::Whole(bytes) = &answer.body else {
        return Err(format!("{asked} answered with a body that is too long"));
    };
    figures(bytes, pointers).map_err(|why| words::sentence(&format!("{asked} answered 200, but {why}")))
}

fn figures(body: &[u8], pointers: &Pointers) -> Result<Sample, String> {
    let document: Value =
        serde_json::from_slice(body).map_err(|_| format!("its body is not JSON: {}", words::quoted(body)))?;
    let figure = |pointer: &str| match document.pointer(pointer) {
        None => Err(format!("its JSON has no {}", words::name(pointer))),
        Some(value) => value
            .as_u64()
            .or_else(|| value.as_f64().filter(|figure| *figure >= 0.0).and_then(whole))
            .ok_or_else(|| format!("its {} is no number of items", words::name(pointer))),
    };
    let maybe = |pointer: &Option<String>| pointer.as_deref().map(figure).transpose();
    Ok(Sample {
        depth: figure(&pointers.depth)?,
        completed: maybe(&pointers.completed)?,
        age: maybe(&pointers.age)?.map(Duration::from_secs),
        consumers: maybe(&pointers.consumers)?,
        ..Sample::default()
    })
}

/// Cut off below the point, as by people who count.
pub fn whole(figure: f64) -> Option<u64> {
    format!("{:.0}", figure.floor()).parse().ok()
}

/// The figures that a command printed, as `depth=12 completed=4711`, in one line or several.
///
/// # Errors
/// How the command ended, or which word is not understood.
pub fn judge_sample(outcome: &CommandOutcome) -> Result<Sample, String> {
    let said = outcome.output.iter().find(|line| !line.trim().is_empty());
    match &outcome.ended {
        CommandEnd::Exited(0) => {}
        CommandEnd::Exited(status) => {
            let quote = said.map_or_else(String::new, |line| format!(": {}", words::quoted(line.as_bytes())));
            return Err(format!("the command exited with status {status}{quote}"));
        }
        CommandEnd::Signalled(signal) => return Err(format!("the command was killed by signal {signal}")),
        CommandEnd::TimedOut => return Err("the command did not end in time".to_owned()),
        CommandEnd::Flooded => return Err("the command wrote without end and was killed".to_owned()),
        CommandEnd::NotRun(why) => return Err(format!("the command could not be run: {}", words::name(why))),
    }
    let mut sample = Sample::default();
    let mut depth = None;
    for word in outcome.output.iter().flat_map(|line| line.split_whitespace()) {
        let figure = |text: &str| {
            let figure = text.parse::<u64>();
            figure.map_err(|_| {
                format!("the command printed {}; expected depth=NUMBER", words::quoted(word.as_bytes()))
            })
        };
        match word.split_once('=') {
            Some(("depth", text)) => depth = Some(figure(text)?),
            Some(("in_work", text)) => sample.in_work = figure(text)?,
            Some(("completed", text)) => sample.completed = Some(figure(text)?),
            Some(("age", text)) => sample.age = Some(Duration::from_secs(figure(text)?)),
            Some(("consumers", text)) => sample.consumers = Some(figure(text)?),
            Some(("paused", text)) => sample.paused = figure(text)? > 0,
            Some(_) | None => {
                return Err(format!(
                    "the command printed {}; expected depth=NUMBER, and where known in_work, completed, age, consumers, paused",
                    words::quoted(word.as_bytes())
                ));
            }
        }
    }
    sample.depth = depth.ok_or("the command printed no depth=NUMBER")?;
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &[&str]) -> Result<Sample, String> {
        judge_sample(&CommandOutcome {
            ended: CommandEnd::Exited(0),
            output: lines.iter().map(|&line| line.to_owned()).collect(),
            took: Duration::from_millis(12),
        })
    }

    #[test]
    fn a_command_prints_what_it_knows() {
        let sample = printed(&["depth=12 completed=4711", "age=90 consumers=0 in_work=3 paused=1"]);
        let wanted = Sample {
            depth: 12,
            in_work: 3,
            completed: Some(4711),
            age: Some(Duration::from_secs(90)),
            consumers: Some(0),
            paused: true,
        };
        assert_eq!(sample, Ok(wanted));
        assert_eq!(printed(&["depth=0"]), Ok(Sample::default()));
    }

    #[test]
    fn what_is_no_sample_is_told() {
        assert_eq!(printed(&[]), Err("the command printed no depth=NUMBER".to_owned()));
        let wrong = printed(&["depth=many"]).expect_err("no number");
        assert_eq!(wrong, "the command printed \"depth=many\"; expected depth=NUMBER");
        let prose = printed(&["12 items"]).expect_err("no figures");
        assert!(prose.starts_with("the command printed \"12\"; expected depth=NUMBER"), "{prose}");
    }

    #[test]
    fn pointers_lead_to_the_figures() {
        let pointers = Pointers {
            depth: "/queue/depth".to_owned(),
            completed: Some("/done".to_owned()),
            age: Some("/oldest".to_owned()),
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
