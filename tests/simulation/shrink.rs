//! From a failing history to a small one: faults are left out, halves first, as long as it still fails.

use std::collections::BTreeSet;

use crate::run::{History, replay};

/// Runs that may be spent on one history.
const RUNS: usize = 300;

/// The story of the smallest failing history that was found, told line by line.
pub fn shrunk(history: &History) -> String {
    let mut best = history.clone();
    let mut why = replay(&best).expect_err("it fails");
    let mut runs = 0;
    // An hour has 180 chances of a fault.
    let mut size = 256;
    while size > 0 {
        let mut from = 0;
        while from < 512 && runs < RUNS {
            let left: BTreeSet<u64> =
                (from..from + size).filter(|fault| !best.spared.contains(fault)).collect();
            if !left.is_empty() {
                let mut tried = best.clone();
                tried.spared.extend(left);
                runs += 1;
                if let Err(still) = replay(&tried) {
                    (best, why) = (tried, still);
                }
            }
            from += size;
        }
        size /= 2;
    }
    best.told = true;
    let why = replay(&best).err().unwrap_or(why);
    format!("shrunk in {runs} runs to:\n{why}")
}
