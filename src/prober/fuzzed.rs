//! The door for `fuzz/`: frames in both directions, for any bytes.

use crate::api;
use crate::frames::Frames;
use crate::model::probe::ProbeOutcome;
use crate::model::progress::Sample;
use crate::probe;

use super::wire::{ANSWER, Answer, Asked, QUESTION, Question, Said};

/// What the daemon hears in these bytes of a prober that was taken over: each message that would reach it, and the error that
/// ends the connection.
#[must_use]
pub fn heard(bytes: &[u8]) -> Vec<String> {
    // The same bytes, of the one that listens.
    let mut heard = vec![format!("{} words of the one that listens", api::server::heard(bytes))];
    let ended = each(bytes, ANSWER, |said: Said| {
        heard.push(match said {
            Said::Answer { answer: Answer::Probe(outcome), .. } => ProbeOutcome::from(outcome).message,
            Said::Answer { answer: Answer::Sample(Ok(figures)), .. } => {
                Sample::from(figures).missing.unwrap_or_default()
            }
            Said::Answer { answer: Answer::Sample(Err(why)) | Answer::Page(Err(why)), .. } => {
                probe::sentence(&why)
            }
            Said::Answer { answer: Answer::Peer(saw), .. } => format!("{saw:?}"),
            Said::Answer { answer: Answer::Page(Ok(status)), .. } => status.to_string(),
            Said::Answer { answer: Answer::Lock(said), .. } => format!("{said:?}"),
            Said::Answer { answer: Answer::Confides(addresses), .. } => format!("{addresses:?}"),
            Said::Answer { answer: Answer::Carried(carried), .. } => {
                carried.map_or_else(|why| probe::sentence(&why), |()| String::new())
            }
            Said::Hello { .. } | Said::Alive | Said::Sends | Said::Leaving | Said::Ended(_) => String::new(),
        });
    });
    heard.extend(ended.err());
    heard
}

/// What the prober is asked in these bytes: whether each can be asked.
#[must_use]
pub fn asked(bytes: &[u8]) -> Vec<String> {
    let mut asked = Vec::new();
    let ended = each(bytes, QUESTION, |question: Question| {
        asked.push(match question.asked {
            Asked::Probe(keys) => {
                let spec = crate::model::probe::ProbeKind { keys, ..Default::default() };
                probe::of(&spec).map_or_else(|outcome| outcome.message, |probe| format!("{probe:?}"))
            }
            Asked::Sample(keys) => {
                probe::source(&keys).map_or_else(|why| why, |source| format!("{source:?}"))
            }
            Asked::Page(url) | Asked::Confides(url) | Asked::Peer { url, .. } => url,
            Asked::Lock { group, asked, .. } => format!("{group}: {asked:?}"),
            Asked::Listen => String::new(),
            Asked::Letter { letter, .. } => format!("{letter:?}"),
        });
    });
    asked.extend(ended.err());
    asked
}

/// Gives each whole frame on, in parts as a socket would.
fn each<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    longest: usize,
    mut take: impl FnMut(T),
) -> Result<(), String> {
    let mut frames = Frames::new(longest);
    for part in bytes.chunks(1000) {
        frames.push(part);
        while let Some(said) = frames.word()? {
            take(said);
        }
    }
    Ok(())
}
