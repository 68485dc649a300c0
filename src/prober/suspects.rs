//! Which questions may have ended the prober, and how they are asked from then on: on their own, and less and less often.

use crate::model::span::times;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After an end on its own, for so long nothing is asked; doubled with each further one.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Ends on its own that are no chance any more.
const PROVEN: u32 = 3;
/// Answers in a row after which a question that ended the prober on its own is like any other.
const TRUSTED: u32 = 10;
/// Questions that are named in one sentence.
const NAMED: usize = 3;
/// Who was not asked for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Who asks what: a probe of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub unit: String,
    /// `probe web`
    pub what: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.what, self.unit)
    }
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Beside all others.
    Together,
    /// In a process of its own.
    Alone,
    /// Not now: it ended the process so often, and is asked again after this pause; 0: it is being asked alone just now.
    NotNow { ended: u32, pause: Duration },
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    /// Ends in a row while it was asked on its own.
    ended: u32,
    /// Answers in a row since then.
    well: u32,
    again: Instant,
}

/// All that are suspected.
#[derive(Debug, Default)]
pub struct Suspects {
    known: BTreeMap<Subject, Suspect>,
}

impl Suspects {
    /// How this is asked now.
    #[must_use]
    pub fn way(&self, subject: &Subject, now: Instant) -> Way {
        match self.known.get(subject) {
            None => Way::Together,
            Some(suspect) if suspect.again <= now => Way::Alone,
            Some(suspect) => {
                Way::NotNow { ended: suspect.ended, pause: suspect.again.saturating_duration_since(now) }
            }
        }
    }

    /// The prober ended while this was asked beside others: it may be the cause.
    pub fn was_there(&mut self, subject: Subject, now: Instant) {
        self.known.retain(|_, suspect| now.saturating_duration_since(suspect.again) < FORGOTTEN);
        self.known.entry(subject).or_insert(Suspect { ended: 0, well: 0, again: now });
    }

    /// It is being asked alone, and is not asked again until that is over, or then.
    pub fn begun(&mut self, subject: &Subject, until: Instant) {
        if let Some(suspect) = self.known.get_mut(subject) {
            suspect.again = until;
        }
    }

    /// It was not asked after all.
    pub fn not_begun(&mut self, subject: &Subject, now: Instant) {
        if let Some(suspect) = self.known.get_mut(subject) {
            suspect.again = now;
        }
    }

    /// The process ended that asked this alone. Returns how often in a row, and the pause.
    pub fn ended(&mut self, subject: &Subject, now: Instant) -> (u32, Duration) {
        let suspect = self.known.entry(subject.clone()).or_insert(Suspect { ended: 0, well: 0, again: now });
        suspect.ended = suspect.ended.saturating_add(1);
        suspect.well = 0;
        let doubled = 1 << (suspect.ended - 1).min(16);
        let pause = PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        suspect.again = now + pause;
        (suspect.ended, pause)
    }

    /// It was asked alone, and answered.
    pub fn answered(&mut self, subject: &Subject, now: Instant) {
        if let Some(suspect) = self.known.get_mut(subject) {
            suspect.well += 1;
            suspect.again = now;
            if suspect.ended == 0 || suspect.well >= TRUSTED {
                self.known.remove(subject);
            }
        }
    }

    /// Those of which it is proven, in order.
    #[must_use]
    pub fn proven(&self) -> Vec<&Subject> {
        let proven = |suspect: &Suspect| suspect.ended >= PROVEN && suspect.well < TRUSTED / 3;
        self.known.iter().filter(|(_, suspect)| proven(suspect)).map(|(subject, _)| subject).collect()
    }

    /// What is to be told of those.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let proven = self.proven();
        let mut names: Vec<String> = proven.iter().take(NAMED).map(ToString::to_string).collect();
        if proven.len() > NAMED {
            names.push(format!("{} more", proven.len() - NAMED));
        }
        (!names.is_empty()).then(|| {
            format!(
                "the answer to {} ends the prober: it is asked on its own, less and less often, and stays unknown",
                names.join(", ")
            )
        })
    }
}

/// Why it is not asked now.
pub fn paused(ended: u32, pause: Duration) -> String {
    if ended == 0 {
        return "it is still being asked on its own, since the prober ended while it was asked".to_owned();
    }
    let times = if ended == 1 { times(ended) } else { format!("{} in a row", times(ended)) };
    let seconds = pause.as_secs().max(1);
    format!("the answer ended the prober {times}; it is asked again in {seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(unit: &str) -> Subject {
        Subject { unit: format!("{unit}.service"), what: "probe web".to_owned() }
    }

    #[test]
    fn who_was_there_is_asked_alone_and_cleared_by_one_answer() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        let innocent = subject("shop");
        assert_eq!(suspects.way(&innocent, now), Way::Together);
        suspects.was_there(innocent.clone(), now);
        assert_eq!(suspects.way(&innocent, now), Way::Alone);
        suspects.begun(&innocent, now + PAUSE);
        assert!(matches!(suspects.way(&innocent, now), Way::NotNow { ended: 0, .. }));
        suspects.not_begun(&innocent, now);
        assert_eq!(suspects.way(&innocent, now), Way::Alone);
        suspects.answered(&innocent, now);
        assert_eq!(suspects.way(&innocent, now), Way::Together);
        assert!(suspects.proven().is_empty());
    }

    #[test]
    fn who_ends_it_alone_is_named_and_asked_with_growing_pauses() {
        let (mut suspects, mut now) = (Suspects::default(), Instant::now());
        let killer = subject("bus");
        suspects.was_there(killer.clone(), now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let (ended, pause) = suspects.ended(&killer, now);
            assert_eq!(suspects.way(&killer, now), Way::NotNow { ended, pause });
            assert_eq!(suspects.proven().is_empty(), ended < PROVEN);
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(suspects.way(&killer, now), Way::Alone);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        // One good answer proves nothing.
        suspects.answered(&killer, now);
        assert_eq!((suspects.way(&killer, now), suspects.proven()), (Way::Alone, vec![&killer]));
        for _ in 1..TRUSTED {
            suspects.answered(&killer, now);
        }
        assert_eq!((suspects.way(&killer, now), suspects.proven()), (Way::Together, Vec::new()));
    }

    #[test]
    fn who_is_not_asked_any_more_is_forgotten() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        suspects.ended(&subject("gone"), now);
        let later = now + Duration::from_secs(2 * 3600);
        suspects.was_there(subject("shop"), later);
        assert_eq!(suspects.way(&subject("gone"), later), Way::Together);
    }
}
