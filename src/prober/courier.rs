//! Alerts and the heartbeat go out by a process each: what one server answers ends nothing else, and no process knows the secrets
//! of two. A letter is handed over once a process has begun; from then on it may have arrived, whatever becomes of the process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::alert::{Carrier, Letter, Limit};
use crate::frames::{Reader, frame, send};
use crate::probe::Handed;

use super::door::{Door, End};
use super::wire::{ANSWER, Answer, Asked, QUESTION, Question, Said};

/// Letters that are under way at the same time.
const AT_ONCE: usize = 16;
/// A process that has not begun so soon is given up for another one; at most half of the time that the letter has.
const BEGINS: Duration = Duration::from_secs(4);
/// Its answer may come so long after the limit.
const ANSWERS: Duration = Duration::from_secs(1);
/// Processes that are tried, as long as nothing was sent.
const TRIES: u32 = 3;

/// It may have arrived, and is told again with the same key.
const UNSURE: &str = "the prober ended while it was sent: it may have arrived, and is sent again";
const UNBEGUN: &str = "the prober ended before it began";

/// Who takes letters out.
#[derive(Clone, Debug)]
pub struct Courier {
    door: Door,
    free: Arc<Semaphore>,
}

/// What became of a letter in one process.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Answered(Result<(), String>),
    /// The process ended, and had begun to send.
    Unsure,
    /// Nothing was sent, for this reason.
    Unsent(String),
}

impl Courier {
    /// By this door; where nobody opens it, by what stands in for it.
    #[must_use]
    pub fn new(door: Door) -> Self {
        Self { door, free: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn take(&self, letter: Letter, limit: Limit) -> Result<(), String> {
        let turn = timeout_at(limit.deadline, self.free.acquire()).await;
        let _turn = turn.map_err(|_| "the prober is busy with other alerts".to_owned())?;
        let mut why = UNBEGUN.to_owned();
        for tried in 0..TRIES {
            // The unit may be broken: an alert that says so must not depend on it.
            let last = self.door.last_resort();
            let door = if tried + 1 < TRIES { &self.door } else { &last };
            let left = limit.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match by(door, &letter, limit).await {
                Became::Answered(told) => return told,
                Became::Unsure => return Err(UNSURE.to_owned()),
                Became::Unsent(because) => why = because,
            }
        }
        Err(format!("the prober cannot send it: {why}"))
    }
}

impl Carrier for Courier {
    fn carry(&self, letter: Letter, limit: Limit) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.take(letter, limit))
    }
}

/// By one process.
async fn by(door: &Door, letter: &Letter, limit: Limit) -> Became {
    let left = limit.deadline.saturating_duration_since(Instant::now());
    let begins = Instant::now() + BEGINS.min(left / 2);
    let mut reader = Reader::new(ANSWER, false);
    let begun = async {
        let end = door.open().await?;
        match reader.next::<Said>(&end.stream).await {
            Ok(Some(Said::Hello { .. })) => Ok(end),
            Ok(_) | Err(_) => Err(UNBEGUN.to_owned()),
        }
    };
    let end = match timeout_at(begins, begun).await {
        Ok(Ok(end)) => end,
        Ok(Err(why)) => return Became::Unsent(why),
        Err(_) => return Became::Unsent("it did not begin in time".to_owned()),
    };
    let left = limit.deadline.saturating_duration_since(Instant::now());
    let asked = Asked::Letter { letter: letter.clone(), timeout: limit.timeout };
    let question = Question { id: 0, asked, timeout: left, period: left, handed: Handed::default() };
    let mut sends = false;
    let told = async {
        match frame(&question, QUESTION) {
            Ok(frame) => hand_over(&end, &frame, &mut reader, &mut sends).await,
            Err(why) => Some(Err(why)),
        }
    };
    match timeout_at(limit.deadline + ANSWERS, told).await {
        Ok(Some(told)) => Became::Answered(told),
        Ok(None) if sends => Became::Unsure,
        Ok(None) => Became::Unsent(UNBEGUN.to_owned()),
        Err(_) => Became::Answered(Err(limit.late())),
    }
}

/// What it answers; `None`: it ended without.
async fn hand_over(
    end: &End,
    letter: &[u8],
    reader: &mut Reader,
    sends: &mut bool,
) -> Option<Result<(), String>> {
    // Where it has ended already, it says so below.
    let _may_be_gone = send(&end.stream, letter, &[]).await;
    while let Ok(Some(said)) = reader.next::<Said>(&end.stream).await {
        match said {
            Said::Sends => *sends = true,
            Said::Answer { answer: Answer::Carried(told), .. } => return Some(told),
            Said::Answer { .. } => return Some(Err(super::ASTRAY.to_owned())),
            Said::Hello { .. } | Said::Alive | Said::Leaving | Said::Ended(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinHandle;

    use super::super::door::StandIn;
    use super::*;

    /// What one process of a made-up prober does with what it is handed.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Does {
        EndAtOnce,
        EndBeforeItSends,
        EndWhileItSends,
        Answer(bool),
        Hang,
    }

    /// Does this with one connection after the other, and says how many letters it was handed.
    async fn made_up(all: &[Does]) -> (tempfile::TempDir, Courier, JoinHandle<usize>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).expect("a socket");
        let all = all.to_vec();
        let served = tokio::spawn(async move {
            let mut letters = 0;
            for does in all {
                let (stream, _) = listener.accept().await.expect("a caller");
                letters += usize::from(one(&stream, does).await);
            }
            letters
        });
        let none = StandIn::new(async |_| Err("there is none".to_owned()));
        (folder, Courier::new(Door::Unit(path, none)), served)
    }

    /// Whether it was handed a letter.
    async fn one(stream: &UnixStream, does: Does) -> bool {
        if does == Does::EndAtOnce {
            return false;
        }
        say(stream, &Said::Hello { apart: true }).await;
        let mut reader = Reader::new(QUESTION, true);
        let question: Question = reader.next(stream).await.expect("agreed").expect("a question");
        assert!(matches!(question.asked, Asked::Letter { .. }));
        if does != Does::EndBeforeItSends {
            say(stream, &Said::Sends).await;
        }
        if let Does::Answer(well) = does {
            let told = if well { Ok(()) } else { Err("http://x answered 500".to_owned()) };
            say(stream, &Said::Answer { id: 0, answer: Answer::Carried(told) }).await;
        }
        if does == Does::Hang {
            // Until whoever asked goes away.
            drop(reader.next::<Question>(stream).await);
        }
        true
    }

    async fn say(stream: &UnixStream, said: &Said) {
        let frame = frame(said, ANSWER).expect("a short one");
        send(stream, &frame, &[]).await.expect("a listener");
    }

    async fn carried(courier: &Courier, timeout: Duration) -> Result<(), String> {
        courier.carry(Letter::Posts(Vec::new()), Limit::new(timeout)).await
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_was_surely_not_sent_is_sent_by_another_process() {
        for first in [Does::EndAtOnce, Does::EndBeforeItSends] {
            let (_folder, courier, served) = made_up(&[first, Does::Answer(true)]).await;
            assert_eq!(carried(&courier, LONG).await, Ok(()));
            served.await.expect("served");
        }
    }

    #[tokio::test]
    async fn what_may_have_arrived_is_not_sent_again_by_us() {
        let (_folder, courier, served) = made_up(&[Does::EndWhileItSends]).await;
        assert_eq!(carried(&courier, LONG).await, Err(UNSURE.to_owned()));
        assert_eq!(served.await.expect("served"), 1, "nobody else was asked");
    }

    #[tokio::test]
    async fn what_the_process_says_is_told_and_one_that_hangs_is_left_in_time() {
        let (_folder, courier, _served) = made_up(&[Does::Answer(false), Does::Hang]).await;
        assert_eq!(carried(&courier, LONG).await, Err("http://x answered 500".to_owned()));
        let told = carried(&courier, Duration::from_millis(300)).await;
        assert_eq!(told, Err("no answer within 300 ms".to_owned()));
    }
}
