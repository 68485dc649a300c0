//! What daemon and prober say to each other, in frames of JSON. Neither believes the other: what is too long, or is not what was
//! agreed, ends the connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::alert::Letter;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::progress::Sample;
use crate::probe::{self, Handed, LockAsked, LockSaid};

use super::fate::How;

/// Longest question, in bytes: the certificates of a file are in it.
pub const QUESTION: usize = 1 << 20;
/// Longest answer, in bytes.
pub const ANSWER: usize = 64 * 1024;

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub id: u64,
    pub asked: Asked,
    pub timeout: Duration,
    /// The next one comes after it.
    pub period: Duration,
    pub handed: Handed,
}

/// What is asked. The keys of a kind are a text, as in the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    Probe(String),
    Sample(String),
    /// With which status this URL answers.
    Page(String),
    /// What another host, at this URL, says of the probe of this name.
    Peer {
        url: String,
        probe: String,
        fresh: Duration,
    },
    /// To which addresses of this host a question with these keys sends a password.
    Confides(String),
    /// A lock server, of a group.
    Lock {
        keys: String,
        group: String,
        asked: LockAsked,
    },
    /// Nothing more: from here on it serves the status for reading, as `api::server` says.
    Listen,
    /// This is sent, once. `timeout`: the whole time that it had, as it is told.
    Letter {
        letter: Letter,
        timeout: Duration,
    },
}

/// What the prober says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// It begins. `apart`: it is another user than the daemon's, or the daemon is nobody special.
    Hello {
        apart: bool,
    },
    /// Its loop turns.
    Alive,
    /// From here on what it was to send may have arrived.
    Sends,
    Answer {
        id: u64,
        answer: Answer,
    },
    /// It takes no question any more, answers those that it has, and ends.
    Leaving,
    /// It has ended so, says who started it; nothing comes after this.
    Ended(How),
}

/// One answer, to the same variant of `Asked`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Probe(Outcome),
    Sample(Result<Figures, String>),
    Page(Result<u16, String>),
    Peer(Option<bool>),
    Carried(Result<(), String>),
    Confides(Vec<SocketAddr>),
    Lock(Result<LockSaid, String>),
}

/// An outcome of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    #[serde(with = "Status")]
    status: ProbeStatus,
    message: String,
    latency: Option<Duration>,
}

/// The variants of the model's, which is not serialisable itself.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ProbeStatus")]
enum Status {
    Healthy,
    Unhealthy,
    Slow,
    Unmet,
    Unresolved,
    Squatted,
    Unknown,
}

/// A sample of a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    depth: u64,
    in_work: u64,
    completed: Option<u64>,
    age: Option<Duration>,
    consumers: Option<u64>,
    paused: bool,
    missing: Option<String>,
}

impl From<ProbeOutcome> for Outcome {
    fn from(outcome: ProbeOutcome) -> Self {
        let ProbeOutcome { status, message, latency } = outcome;
        Self { status, message, latency }
    }
}

impl From<Outcome> for ProbeOutcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { status, message, latency } = outcome;
        Self { status, message: probe::sentence(&message), latency }
    }
}

impl From<Sample> for Figures {
    fn from(sample: Sample) -> Self {
        let Sample { depth, in_work, completed, age, consumers, paused, missing } = sample;
        Self { depth, in_work, completed, age, consumers, paused, missing }
    }
}

impl From<Figures> for Sample {
    fn from(figures: Figures) -> Self {
        let Figures { depth, in_work, completed, age, consumers, paused, missing } = figures;
        let missing = missing.map(|text| probe::sentence(&text));
        Self { depth, in_work, completed, age, consumers, paused, missing }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;
    use crate::frames::{Frames, frame};

    fn answer(id: u64) -> Said {
        let outcome =
            Outcome { status: ProbeStatus::Unmet, message: "x: \u{1b}[31m".to_owned(), latency: None };
        Said::Answer { id, answer: Answer::Probe(outcome) }
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let said = [Said::Hello { apart: true }, answer(1), Said::Alive, answer(u64::MAX), Said::Leaving];
        let bytes: Vec<u8> = said.iter().flat_map(|said| frame(said, ANSWER).expect("a short one")).collect();
        for size in [1, 2, 3, 7, 1000] {
            let mut frames = Frames::new(ANSWER);
            let mut heard = Vec::new();
            for part in bytes.chunks(size) {
                frames.push(part);
                while let Some(next) = frames.word::<Said>().expect("what was agreed") {
                    heard.push(next);
                }
            }
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn what_is_too_long_truncated_or_senseless_is_an_error_or_nothing() {
        let mut frames = Frames::new(ANSWER);
        frames.push(&u32::MAX.to_be_bytes());
        assert!(frames.word::<Said>().is_err_and(|why| why.contains("4294967295 bytes")));

        let whole = frame(&answer(7), ANSWER).expect("a short one");
        let mut frames = Frames::new(ANSWER);
        frames.push(whole.get(..whole.len() - 1).expect("a part"));
        assert_eq!(frames.word::<Said>(), Ok(None));

        for body in [&b""[..], b"{}", b"null", b"\"Goodbye\"", b"{\"Answer\":{\"id\":-1}}", b"\xff\xfe"] {
            let mut frames = Frames::new(ANSWER);
            frames.push(&u32::try_from(body.len()).expect("short").to_be_bytes());
            frames.push(body);
            assert!(frames.word::<Said>().is_err(), "{body:?}");
        }
        // Nested without end: no stack is used up.
        let deep = vec![b'['; ANSWER];
        let mut frames = Frames::new(ANSWER);
        frames.push(&u32::try_from(deep.len()).expect("short").to_be_bytes());
        frames.push(&deep);
        assert!(frames.word::<Said>().is_err());
        assert!(frame(&"x".repeat(ANSWER), ANSWER).is_err());
    }

    #[test]
    fn a_message_from_the_prober_is_made_harmless() {
        let Said::Answer { answer: Answer::Probe(outcome), .. } = answer(1) else {
            unreachable!("it is one")
        };
        assert_eq!(ProbeOutcome::from(outcome).message, "x:  [31m");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::new(100);
            frames.push(&bytes);
            for _ in 0..bytes.len() {
                match frames.word::<Said>() {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
            prop_assert!(frames.unread() <= bytes.len());
        }
    }
}
