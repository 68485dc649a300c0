//! What inputs are made of: the files of `fuzz/corpus/TARGET`, and what was found to lead elsewhere while fuzzing.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::chance::Chance;
use crate::targets::Target;

/// Inputs that are kept.
const MOST: usize = 4096;
/// Of a hundred times, so often the shorter one of two is mutated.
const SHORTER: u64 = 80;
/// Of those that are mutated, so many in a hundred are among the last that were found.
const RECENT: u64 = 30;

/// The inputs of one target.
#[derive(Debug, Default)]
pub struct Corpus {
    /// In this order; the first `given` are files.
    pub inputs: Vec<Vec<u8>>,
    pub given: usize,
    seen: HashSet<u64>,
}

impl Corpus {
    /// The files of the target, by name.
    pub fn of(target: &Target) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = format!("fuzz/corpus/{}", target.name);
        let mut files: Vec<_> = std::iter::once(own.as_str())
            .chain(target.seeds.iter().copied())
            .flat_map(|folder| fs::read_dir(root.join(folder)).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .collect();
        files.sort();
        let read = files.iter().map(|file| fs::read(file).expect("a file of the corpus"));
        let inputs: Vec<Vec<u8>> = read.filter(|input| input.len() <= target.longest).collect();
        assert!(!inputs.is_empty(), "fuzz/corpus/{} has no file", target.name);
        Self { given: inputs.len(), inputs, seen: HashSet::new() }
    }

    /// One to be mutated: of two, most of the time, the shorter one, which is played sooner.
    pub fn pick(&self, chance: &mut Chance) -> &[u8] {
        let (one, other) = (self.any(chance), self.any(chance));
        if other.len() < one.len() && chance.percent(SHORTER) { other } else { one }
    }

    fn any(&self, chance: &mut Chance) -> &[u8] {
        let all = self.inputs.len();
        let recent = if chance.percent(RECENT) { 64.min(all) } else { all };
        self.inputs.get(all - 1 - below(chance, recent)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Different outcomes so far.
    pub fn outcomes(&self) -> u64 {
        self.seen.len() as u64
    }

    /// It led where none led before: what is made of it may lead further.
    pub fn led(&mut self, input: &[u8], outcome: u64, chance: &mut Chance) {
        if self.seen.len() >= MOST * 16 || !self.seen.insert(outcome) {
            return;
        }
        if self.inputs.len() < MOST {
            self.inputs.push(input.to_vec());
        } else {
            let at = self.given + below(chance, MOST - self.given);
            if let Some(old) = self.inputs.get_mut(at) {
                *old = input.to_vec();
            }
        }
    }
}

/// A number below `end`, to count with.
pub fn below(chance: &mut Chance, end: usize) -> usize {
    usize::try_from(chance.below(end as u64)).unwrap_or(0)
}
