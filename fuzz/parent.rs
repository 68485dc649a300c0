//! Fuzzes the targets in turn, each in a process of its own that may die, and prints what came of it.

use std::collections::VecDeque;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::child::{HUNG, Report, WORN, found, noted};
use crate::targets::{TARGETS, Target};

/// Processes at one time, where `THREADS` says nothing.
const AT_ONCE: usize = 2;

/// What is known of one target at the end.
struct Row {
    name: &'static str,
    report: Report,
    took: Duration,
    /// Processes that ended themselves for what a library left behind.
    worn: u64,
}

fn number(name: &str, usual: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// `minutes` in all, over the targets of these names, or all of them.
pub fn run(minutes: &str, named: &[&str]) -> ExitCode {
    let minutes: f64 = minutes.parse().expect("a number of minutes");
    let chosen: VecDeque<&'static Target> =
        TARGETS.iter().filter(|target| named.is_empty() || named.contains(&target.name)).collect();
    let threads = usize::try_from(number("THREADS", AT_ONCE as u64)).unwrap_or(AT_ONCE).clamp(1, 64);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seed = number("SEED", seconds);
    let shares: f64 = chosen.iter().map(|target| target.share).sum();
    let share = |target: &Target| minutes * 60.0 * threads as f64 / shares.max(1e-9) * target.share;
    println!("SEED={seed}, {} targets, {threads} at once, {minutes} minutes", chosen.len());
    println!("{}", head());
    let (left, rows) = (Mutex::new(chosen), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(target) = next else { break };
                    let row = fuzz(target, Duration::from_secs_f64(share(target)), seed);
                    println!("{}", row.shown());
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
                }
            });
        }
    });
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let all = sum(&rows);
    println!("{}", all.shown());
    if all.report.crashes + all.report.hangs == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn head() -> String {
    format!(
        "{:<14} {:>12} {:>8} {:>10} {:>8} {:>6} {:>12} {:>11} {:>9} {:>5}",
        "target",
        "inputs",
        "seconds",
        "inputs/s",
        "crashes",
        "hangs",
        "prober ends",
        "slowest ms",
        "outcomes",
        "worn"
    )
}

impl Row {
    fn shown(&self) -> String {
        let Report { inputs, crashes, hangs, ends, slowest, outcomes } = self.report;
        let seconds = self.took.as_secs_f64();
        format!(
            "{:<14} {inputs:>12} {seconds:>8.0} {:>10.0} {crashes:>8} {hangs:>6} {ends:>12} {:>11.1} {outcomes:>9} {:>5}",
            self.name,
            inputs as f64 / seconds.max(1e-9),
            slowest.as_secs_f64() * 1000.0,
            self.worn,
        )
    }

    fn add(&mut self, more: Report) {
        let all = &mut self.report;
        all.inputs += more.inputs;
        all.crashes += more.crashes;
        all.hangs += more.hangs;
        all.ends += more.ends;
        all.slowest = all.slowest.max(more.slowest);
        all.outcomes = all.outcomes.max(more.outcomes);
    }
}

fn sum(rows: &[Row]) -> Row {
    let mut all = Row { name: "all", report: Report::default(), took: Duration::ZERO, worn: 0 };
    for row in rows {
        let outcomes = all.report.outcomes + row.report.outcomes;
        all.add(row.report);
        all.report.outcomes = outcomes;
        all.took += row.took;
        all.worn += row.worn;
    }
    all
}

/// Starts a process again and again, until the time is over.
fn fuzz(target: &'static Target, time: Duration, seed: u64) -> Row {
    let note = place(target.name);
    let began = Instant::now();
    let mut row = Row { name: target.name, report: Report::default(), took: Duration::ZERO, worn: 0 };
    for number in 0_u64.. {
        let left = time.saturating_sub(began.elapsed());
        if left < Duration::from_millis(100) {
            break;
        }
        let report = one(target, left, seed.wrapping_mul(1000).wrapping_add(number), &note);
        row.worn += u64::from(report.1);
        row.add(report.0);
    }
    drop(std::fs::remove_file(&note));
    row.took = began.elapsed();
    row
}

/// One process; whether it ended because it was worn.
fn one(target: &Target, time: Duration, seed: u64, note: &Path) -> (Report, bool) {
    let program = env::current_exe().expect("this program");
    let seconds = format!("{:.3}", time.as_secs_f64());
    let child = Command::new(program)
        .args(["child", target.name, &seconds, &seed.to_string()])
        .arg(note)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("a process");
    let said = String::from_utf8_lossy(&child.stdout);
    let report = said.lines().filter_map(Report::read).next_back();
    match (report, child.status.code()) {
        (Some(report), Some(0)) => return (report, false),
        (Some(report), Some(WORN)) => return (report, true),
        _ => {}
    }
    let (inputs, input) = noted(note).unwrap_or_default();
    let hangs = child.status.code() == Some(HUNG);
    let file = found(target.name, if hangs { "hang" } else { "end" }, &input);
    eprintln!("{} with seed {seed}: {}\n  {}", target.name, child.status, file.display());
    let inputs = inputs + 1;
    let ends = !hangs && target.in_prober;
    let crashes = u64::from(!hangs && !ends);
    (Report { inputs, crashes, hangs: u64::from(hangs), ends: u64::from(ends), ..Report::default() }, false)
}

/// A note is written for each input: in memory, where there is such a place.
fn place(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    folder.join(format!("steadfast-fuzz-{}-{name}", std::process::id()))
}
