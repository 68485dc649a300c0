//! The lock server of the fleet: one slot, which other hosts want, too. It may be away, answer late, or do what it never answers.

use std::time::Duration;

use steadfast::model::fleet::{Holder, SlotAsk, SlotSaid};
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::unit::UnitName;

use crate::host::{Event, Host};

/// What it knows.
#[derive(Clone, Debug, Default)]
pub struct LockServer {
    pub holder: Option<String>,
    /// Another host gives its slot back then.
    others_until: Moment,
    away_until: Moment,
    /// Questions so far; a slot that was asked for before the last question to give it back is not given any more.
    asked: u64,
    left_at: u64,
}

const OTHER: &str = "other/shop.service";

/// A question on its way.
#[derive(Clone, Debug)]
pub struct Asked {
    unit: UnitName,
    holder: String,
    ask: SlotAsk,
    number: u64,
}

impl Host {
    pub fn ask_lock(&mut self, unit: UnitName, holder: String, ask: SlotAsk) {
        self.lock.asked += 1;
        let late =
            if self.chance.percent(5) { 3_000 + self.chance.below(10_000) } else { self.chance.below(50) };
        let number = self.lock.asked;
        self.later(1 + late, Event::LockServed(Asked { unit, holder, ask, number }));
    }

    pub fn lock_served(&mut self, asked: Asked) {
        let Asked { unit, holder, ask, number } = asked;
        if !self.calm && self.chance.percent(5) {
            self.lock.away_until = self.now.plus(Duration::from_secs(self.chance.below(900)));
        }
        let away = self.lock.away_until > self.now && !self.calm;
        // What it does then, nobody hears of.
        let done = !away || self.chance.percent(10);
        let said = done.then(|| self.lock_does(&holder, &ask, number));
        let said = if away { Err("10.0.0.1: no answer".to_owned()) } else { said.expect("it was done") };
        self.perhaps(if away { 2_000 } else { 1 }, Observation::LockAnswered { unit, said });
    }

    fn lock_does(&mut self, holder: &str, ask: &SlotAsk, number: u64) -> Result<SlotSaid, String> {
        let ours = self.lock.holder.as_deref() == Some(holder);
        let others = self.lock.holder.as_deref() == Some(OTHER);
        if others && (self.calm || self.lock.others_until <= self.now) {
            self.lock.holder = None;
        }
        match ask {
            SlotAsk::Leave { .. } => {
                self.lock.left_at = number;
                self.lock.holder.take_if(|known| known == holder);
                Ok(SlotSaid::Left)
            }
            SlotAsk::Take { .. } if ours => Ok(SlotSaid::Ours),
            SlotAsk::Take { .. } if number < self.lock.left_at => Err("somebody changed it".to_owned()),
            SlotAsk::Take { .. } => {
                if self.lock.holder.is_none() && !self.calm && self.chance.percent(20) {
                    self.lock.holder = Some(OTHER.to_owned());
                    self.lock.others_until = self.now.plus(Duration::from_secs(self.chance.below(300)));
                }
                if self.lock.holder.is_none() {
                    self.lock.holder = Some(holder.to_owned());
                    return Ok(SlotSaid::Ours);
                }
                let holder = Holder { name: OTHER.to_owned(), ..Holder::default() };
                Ok(SlotSaid::Busy(vec![holder]))
            }
        }
    }
}
