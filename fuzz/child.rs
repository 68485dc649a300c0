//! One process that fuzzes one target: it counts panics, and ends itself when an input takes too long. The input that is played
//! stands in its note, for whoever started it, before it is played.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::chance::Chance;
use crate::corpus::Corpus;
use crate::mutate;
use crate::targets::{self, Target, shape};

/// An input that takes longer is a hang.
pub const HANG: Duration = Duration::from_secs(10);
/// The status with which a process ends that hangs, and one that ends itself as the prober does, for what a library left behind.
pub const HUNG: i32 = 97;
pub const WORN: i32 = 98;
/// Threads, and open files, of a process that is worn.
const THREADS: usize = 200;
const FILES: usize = 400;
/// Between two looks at what is left behind, where inputs are played fast.
const LOOK: Duration = Duration::from_millis(5);
/// Memory of one process; allocating more ends it.
const MEMORY: u64 = 1 << 30;
/// Panics at one place that are kept.
const KEPT: u64 = 3;

static PANICS: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<String> = Mutex::new(String::new());

/// What a process found. As a line: the figures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub inputs: u64,
    pub crashes: u64,
    pub hangs: u64,
    /// Panics of libraries that run in the prober alone: one of its processes ends, and the daemon goes on.
    pub ends: u64,
    /// Of the input that took longest.
    pub slowest: Duration,
    /// Different outcomes that were seen.
    pub outcomes: u64,
}

impl Report {
    pub fn line(&self) -> String {
        let Self { inputs, crashes, hangs, ends, slowest, outcomes } = self;
        format!("{inputs} {crashes} {hangs} {ends} {} {outcomes}", slowest.as_micros())
    }

    pub fn read(line: &str) -> Option<Self> {
        let mut figures = line.split_whitespace().map(str::parse);
        let mut next = || figures.next()?.ok();
        let (inputs, crashes, hangs, ends) = (next()?, next()?, next()?, next()?);
        Some(Self {
            inputs,
            crashes,
            hangs,
            ends,
            slowest: Duration::from_micros(next()?),
            outcomes: next()?,
        })
    }
}

/// Where an input is kept that broke something.
pub fn found(target: &str, kind: &str, input: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found").join(target);
    fs::create_dir_all(&folder).expect("a folder for what is found");
    let file = folder.join(format!("{kind}-{:016x}", targets::hash(input)));
    fs::write(&file, input).expect("a file for what is found");
    file
}

/// What is left for whoever started it: inputs played so far (8 bytes), the length of the one that is played (8), itself.
pub fn noted(note: &Path) -> Option<(u64, Vec<u8>)> {
    let bytes = fs::read(note).ok()?;
    let figure = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let length = usize::try_from(figure(8)?).ok()?;
    Some((figure(0)?, bytes.get(16..16 + length)?.to_vec()))
}

/// Panics are counted wherever they happen: a library's thread or task may swallow one.
pub fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let said = panic.payload();
        let said = said.downcast_ref::<String>().map(String::as_str).or(said.downcast_ref().copied());
        let said = said.unwrap_or("no text");
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = format!("{place}: {said}");
    }));
}

/// What went wrong.
#[derive(Debug)]
pub struct Broken {
    pub why: String,
    /// A library panicked that runs in the prober alone.
    pub contained: bool,
}

/// Plays one input.
pub fn play(target: &Target, player: &mut dyn targets::Play, input: &[u8]) -> Result<u64, Broken> {
    let before = PANICS.load(Ordering::SeqCst);
    let played = catch_unwind(AssertUnwindSafe(|| player.play(input)));
    if PANICS.load(Ordering::SeqCst) != before {
        let why = format!("panic at {}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        let contained = target.in_prober && why.contains("/registry/src/");
        return Err(Broken { why, contained });
    }
    let told = played.unwrap_or_else(|_| Err("panic".to_owned()));
    told.map_err(|why| Broken { why, contained: false })
}

pub fn run(name: &str, seconds: &str, seed: &str, note: &Path) -> ExitCode {
    let target = targets::named(name).expect("a target of this name");
    let time = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let seed = seed.parse().expect("a seed");
    let limit = getrlimit(Resource::Data).maximum;
    setrlimit(Resource::Data, Rlimit { current: Some(MEMORY), maximum: limit }).expect("a limit of memory");
    count_panics();
    let note = File::create(note).expect("a note");
    // As the threads of the daemon have it.
    let fuzzing = std::thread::Builder::new().stack_size(2 << 20);
    let fuzzing = fuzzing.spawn(move || fuzz(target, time, seed, &note)).expect("a thread");
    let report = fuzzing.join().expect("a report");
    println!("{}", report.line());
    ExitCode::SUCCESS
}

fn fuzz(target: &'static Target, time: Duration, seed: u64, note: &File) -> Report {
    let mut chance = Chance::new(seed);
    let mut corpus = Corpus::of(target);
    let mut player = (target.make)();
    let mut report = Report::default();
    let mut places: BTreeMap<u64, u64> = BTreeMap::new();
    let watch = Watch::begin();
    let began = Instant::now();
    let mut looked = began;
    let mut noted = Vec::new();
    while began.elapsed() < time {
        let index = usize::try_from(report.inputs).unwrap_or(usize::MAX);
        let given = corpus.inputs.get(index).filter(|_| index < corpus.given).cloned();
        let input = given.unwrap_or_else(|| mutate::next(target, &corpus, &mut chance));
        noted.clear();
        noted.extend_from_slice(&report.inputs.to_le_bytes());
        noted.extend_from_slice(&(input.len() as u64).to_le_bytes());
        noted.extend_from_slice(&input);
        note.write_all_at(&noted, 0).expect("a note that can be written");
        watch.starts();
        let start = Instant::now();
        let played = play(target, player.as_mut(), &input);
        report.slowest = report.slowest.max(start.elapsed());
        watch.ends();
        report.inputs += 1;
        match played {
            Ok(outcome) => corpus.led(&input, outcome, &mut chance),
            Err(Broken { why, contained }) => {
                report.crashes += u64::from(!contained);
                report.ends += u64::from(contained);
                let times = places.entry(shape(&why)).or_default();
                *times += 1;
                if *times <= KEPT {
                    let kind = if contained { "contained" } else { "crash" };
                    let file = found(target.name, kind, &input);
                    eprintln!("{}: {why}\n  {}", target.name, file.display());
                }
                player = (target.make)();
            }
        }
        let looks = report.inputs % 64 == 0 && looked.elapsed() > LOOK;
        if looks {
            looked = Instant::now();
        }
        if looks && worn() {
            report.outcomes = corpus.outcomes();
            println!("{}", report.line());
            std::io::stdout().flush().expect("somebody who listens");
            std::process::exit(WORN);
        }
    }
    report.outcomes = corpus.outcomes();
    report
}

/// Libraries left too much behind: the prober would end itself.
fn worn() -> bool {
    let many = |folder: &str, most: usize| fs::read_dir(folder).is_ok_and(|entries| entries.count() > most);
    many("/proc/self/task", THREADS) || many("/proc/self/fd", FILES)
}

/// Ends the process when one input takes too long.
struct Watch {
    plays: Arc<AtomicBool>,
    inputs: Arc<AtomicU64>,
}

impl Watch {
    fn begin() -> Self {
        let watch = Self { plays: Arc::default(), inputs: Arc::default() };
        let (plays, inputs) = (Arc::clone(&watch.plays), Arc::clone(&watch.inputs));
        std::thread::spawn(move || {
            let mut last = (0, Instant::now());
            loop {
                std::thread::sleep(Duration::from_millis(200));
                let now = inputs.load(Ordering::Relaxed);
                if now != last.0 || !plays.load(Ordering::Relaxed) {
                    last = (now, Instant::now());
                } else if last.1.elapsed() > HANG {
                    std::process::exit(HUNG);
                }
            }
        });
        watch
    }

    fn starts(&self) {
        self.inputs.fetch_add(1, Ordering::Relaxed);
        self.plays.store(true, Ordering::Relaxed);
    }

    fn ends(&self) {
        self.plays.store(false, Ordering::Relaxed);
    }
}
