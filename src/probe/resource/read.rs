//! What a unit uses, read from its control group and /proc.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cgroup;
use crate::clock;
use crate::model::probe::{Figure, FigureKind, RunFacts};
use crate::model::span::{span, times};

use super::bound::{Amount, Bound};
use super::{Of, Resource};
use crate::probe::failure::Failure;
use crate::probe::text;

/// Groups of one unit that are looked at.
const GROUPS: usize = 256;
/// Processes of one unit that are looked at.
const PROCESSES: usize = 1024;
/// Processor time is measured over so long.
const SPELL: Duration = Duration::from_secs(1);
/// The largest file of the kernel that is read.
const CHUNK: usize = 64 * 1024;

/// What was read: a sentence where it is right.
pub type Judged = Result<(String, Option<Figure>), (Failure, Option<Figure>)>;

fn unknown(why: impl Into<String>) -> (Failure, Option<Figure>) {
    (Failure::unknown(why), None)
}

/// Reads and judges. Processor time is measured over a second.
pub async fn judge(resource: &Resource, facts: &RunFacts) -> Judged {
    let Some(group) = cgroup::directory(Path::new(cgroup::ROOT), &facts.control_group) else {
        return of_run(resource, facts).unwrap_or_else(|| Err(unknown("it has no control group")));
    };
    if resource.of == Of::Cpu {
        let before = processor_time(&group);
        let began = tokio::time::Instant::now();
        tokio::time::sleep(SPELL).await;
        let took = began.elapsed();
        return match before.zip(processor_time(&group)) {
            Some((before, after)) => cpu(&resource.bound, after.saturating_sub(before), took),
            None => Err(unknown("its control group tells no processor time")),
        };
    }
    let (resource, facts) = (resource.clone(), facts.clone());
    let read = tokio::task::spawn_blocking(move || {
        of_run(&resource, &facts).unwrap_or_else(|| of_group(&resource, &group))
    });
    read.await.unwrap_or_else(|_| Err(unknown("it could not be read")))
}

/// What systemd tells of the run.
fn of_run(resource: &Resource, facts: &RunFacts) -> Option<Judged> {
    let now = clock::now();
    match (resource.of, resource.bound.below) {
        (Of::Age, Amount::Time(most)) => {
            let age = facts.active_since.map(|since| now.since(since));
            let told = |age: Duration| format!("it has run for {}", span(age));
            Some(match age {
                None => Err(unknown("it is not known since when it runs")),
                Some(age) if age < most => Ok((told(age), None)),
                Some(age) => Err((
                    Failure::unmet(format!("{}; it is to be restarted after {}", told(age), span(most))),
                    None,
                )),
            })
        }
        (Of::Restarts, Amount::Rate(most, within)) => {
            let late = facts.restarts.iter().filter(|at| now.since(**at) < within).count() as u64;
            let told = format!("systemd restarted it {} within {}", times(late), span(within));
            Some(if late < most {
                Ok((told, None))
            } else {
                Err((Failure::unmet(format!("{told}; fewer than {most} are right")), None))
            })
        }
        _ => None,
    }
}

fn of_group(resource: &Resource, group: &Path) -> Judged {
    let bound = &resource.bound;
    match resource.of {
        Of::Memory => {
            let used = number(&group.join("memory.current"))
                .ok_or_else(|| unknown("its control group counts no memory"))?;
            // What the kernel takes back without asking anybody is no use of memory.
            let cache = field(&group.join("memory.stat"), "inactive_file").unwrap_or(0);
            let most = ceiling(group, "memory.max").or_else(host_memory);
            used_of("memory", (used.saturating_sub(cache), most), bound, FigureKind::Bytes)
        }
        Of::Swap => {
            let used = number(&group.join("memory.swap.current"));
            let used = used.ok_or_else(|| unknown("its control group counts no swap"))?;
            used_of("swap", (used, ceiling(group, "memory.swap.max")), bound, FigureKind::Bytes)
        }
        Of::Tasks => {
            let used = number(&group.join("pids.current"))
                .ok_or_else(|| unknown("its control group counts no tasks"))?;
            used_of("tasks", (used, ceiling(group, "pids.max")), bound, FigureKind::Count)
        }
        Of::OomKills => {
            let killed = field(&group.join("memory.events"), "oom_kill");
            let killed = killed.ok_or_else(|| unknown("its control group counts no memory"))?;
            let who =
                if killed == 1 { "1 process was".to_owned() } else { format!("{killed} processes were") };
            let told = format!("{who} killed for want of memory in this run");
            match bound.below {
                Amount::Count(most) if killed < most => Ok((told, None)),
                _ => Err((Failure::unmet(told), None)),
            }
        }
        Of::Pressure => pressure(bound, group),
        Of::Fds => fds(bound, group),
        Of::Threads => threads(bound, group),
        Of::Cpu | Of::Age | Of::Restarts => Err(unknown("it could not be read")),
    }
}

/// Used of what there may be, against the limit.
fn used_of(what: &str, (used, most): (u64, Option<u64>), bound: &Bound, kind: FigureKind) -> Judged {
    let limit = match (bound.below, most) {
        (Amount::Count(count), _) => count,
        (Amount::Percent(percent), Some(most)) => share(most, percent),
        (Amount::Percent(_), None) => return Err(unknown(format!("{what} has no limit to take a share of"))),
        (Amount::Time(_) | Amount::Rate(..), _) => return Err(unknown("the limit does not fit")),
    };
    let figure = Figure { value: used, limit, kind };
    let told = format!("{what} {} of {}", figure.shown(used), figure.shown(limit));
    if used < limit {
        return Ok((told, Some(figure)));
    }
    let of = most.map_or(String::new(), |most| format!(", it may have {}", figure.shown(most)));
    let failure =
        Failure::unmet(format!("{what} {}: the limit is {}{of}", figure.shown(used), figure.shown(limit)));
    Err((failure, Some(figure)))
}

/// So many percent of it.
fn share(most: u64, percent: f64) -> u64 {
    // A thousandth of a percent is fine enough, and fits.
    let thousandths = u128::from(
        Duration::try_from_secs_f64(percent)
            .map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
    );
    u64::try_from(u128::from(most) * thousandths / 100_000).unwrap_or(u64::MAX)
}

fn cpu(bound: &Bound, used: Duration, took: Duration) -> Judged {
    let percent = used.as_secs_f64() / took.as_secs_f64() * 100.0;
    let told = format!("it uses {percent:.0} % of a processor");
    below_percent(bound, percent, told)
}

/// Judges a share that is told so.
fn below_percent(bound: &Bound, percent: f64, told: String) -> Judged {
    match bound.below {
        Amount::Percent(most) if percent < most => Ok((told, None)),
        Amount::Percent(most) => Err((Failure::unmet(format!("{told}; the limit is {most} %")), None)),
        Amount::Count(_) | Amount::Time(_) | Amount::Rate(..) => Err(unknown("the limit does not fit")),
    }
}

/// The share of the last minute in which all of it waited for memory, or for input and output.
fn pressure(bound: &Bound, group: &Path) -> Judged {
    let all = ["memory", "io", "cpu"];
    let wanted: Vec<&str> = match &bound.of {
        Some(of) => vec![of.as_str()],
        None => all.into_iter().take(2).collect(),
    };
    // For processors the kernel tells of a group as a whole only whether some of it waited.
    let stalled = |what: &str| {
        let line = if what == "cpu" { "some" } else { "full" };
        let text = read(&group.join(format!("{what}.pressure")))?;
        let line = text.lines().find_map(|one| one.strip_prefix(line))?.to_owned();
        let average = line.split_whitespace().find_map(|word| word.strip_prefix("avg60="))?;
        average.parse::<f64>().ok()
    };
    let told: Vec<(&str, f64)> = wanted.into_iter().filter_map(|what| Some((what, stalled(what)?))).collect();
    let Some((what, most)) = told.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)) else {
        return Err(unknown("the kernel tells no pressure of its control group (psi)"));
    };
    below_percent(bound, most, format!("it waited for {what} in {most:.0} % of the last minute"))
}

/// The process with most open files, by its own limit where a share is asked for.
fn fds(bound: &Bound, group: &Path) -> Judged {
    let processes = processes(group);
    let open =
        processes.iter().filter_map(|process| Some((process, open_files(process)?, file_limit(process)?)));
    let by_share = matches!(bound.below, Amount::Percent(_));
    let key = |(_, open, most): &(&PathBuf, u64, u64)| {
        if by_share { open.saturating_mul(10_000).checked_div(*most).unwrap_or(0) } else { *open }
    };
    let Some((process, open, most)) = open.max_by_key(key) else {
        return Err(unknown("the open files of its processes cannot be read"));
    };
    named(used_of("open files", (open, Some(most)), bound, FigureKind::Count), process)
}

/// The process with most threads.
fn threads(bound: &Bound, group: &Path) -> Judged {
    let processes = processes(group);
    let counted = processes.iter().filter_map(|process| Some((process, threads_of(process)?)));
    let Some((process, threads)) = counted.max_by_key(|(_, threads)| *threads) else {
        return Err(unknown("the threads of its processes cannot be read"));
    };
    named(used_of("threads", (threads, None), bound, FigureKind::Count), process)
}

/// The same, with the process it is told of.
fn named(judged: Judged, process: &Path) -> Judged {
    let name = read(&process.join("comm")).unwrap_or_default();
    let pid = process.file_name().unwrap_or_default().to_string_lossy();
    let who = format!("process {pid} ({})", text::name(name.trim()));
    match judged {
        Ok((told, figure)) => Ok((format!("{who}: {told}"), figure)),
        Err((failure, figure)) => Err((failure.about(&who), figure)),
    }
}

fn processes(group: &Path) -> Vec<PathBuf> {
    let (pids, _) = cgroup::pids(group, GROUPS);
    pids.into_iter().take(PROCESSES).map(|pid| PathBuf::from(format!("/proc/{pid}"))).collect()
}

fn open_files(process: &Path) -> Option<u64> {
    let directory = process.join("fd");
    // Linux 6.2 and later: the size of the directory is their number.
    let told = fs::metadata(&directory).ok()?.size();
    if told > 0 {
        return Some(told);
    }
    u64::try_from(fs::read_dir(directory).ok()?.count()).ok()
}

fn file_limit(process: &Path) -> Option<u64> {
    let text = read(&process.join("limits"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.to_owned();
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn threads_of(process: &Path) -> Option<u64> {
    let text = read(&process.join("status"))?;
    text.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

fn processor_time(group: &Path) -> Option<Duration> {
    let unified = field(&group.join("cpu.stat"), "usage_usec").map(Duration::from_micros);
    unified.or_else(|| number(&group.join("cpuacct.usage")).map(Duration::from_nanos))
}

/// The lowest limit of the group and of those above it.
fn ceiling(group: &Path, name: &str) -> Option<u64> {
    let above = group.ancestors().take_while(|above| above.starts_with(cgroup::ROOT));
    above.filter_map(|above| number(&above.join(name))).min()
}

fn host_memory() -> Option<u64> {
    let text = read(Path::new("/proc/meminfo"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.to_owned();
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8_lossy(bytes.get(..CHUNK).unwrap_or(&bytes)).into_owned())
}

/// The number in a file; `None` for `max`.
fn number(path: &Path) -> Option<u64> {
    read(path)?.trim().parse().ok()
}

/// The number behind a word at the beginning of a line.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = read(path)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(word, _)| *word == name).and_then(|(_, number)| number.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::ProbeStatus;

    fn bound(text: &str) -> Bound {
        Bound::read(text, "").expect("a limit")
    }

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let group = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(group.path().join(name), text).expect("a file");
        }
        group
    }

    fn told(of: Of, limit: &str, group: &tempfile::TempDir) -> Result<String, (ProbeStatus, String)> {
        let resource = Resource { of, bound: bound(limit) };
        match of_group(&resource, group.path()) {
            Ok((told, _)) => Ok(told),
            Err((failure, _)) => Err(failure.parts()),
        }
    }

    #[test]
    fn memory_is_what_the_kernel_cannot_take_back() {
        let group = group(&[
            ("memory.current", "1073741824\n"),
            ("memory.stat", "anon 1\ninactive_file 536870912\n"),
            ("memory.events", "low 0\noom 2\noom_kill 1\n"),
            ("pids.current", "7"),
        ]);
        assert_eq!(told(Of::Memory, "< 1GiB", &group), Ok("memory 512.0 MiB of 1.0 GiB".to_owned()));
        let (status, why) = told(Of::Memory, "< 512MiB", &group).expect_err("too much");
        assert_eq!(status, ProbeStatus::Unmet);
        assert!(why.starts_with("memory 512.0 MiB: the limit is 512.0 MiB"), "{why}");
        assert!(
            told(Of::OomKills, "none", &group).is_err_and(|(_, why)| why.starts_with("1 process was killed"))
        );
        assert_eq!(told(Of::Tasks, "< 8", &group), Ok("tasks 7 of 8".to_owned()));
        let (status, why) = told(Of::Tasks, "< 80%", &group).expect_err("no limit");
        assert_eq!((status, why.as_str()), (ProbeStatus::Unknown, "tasks has no limit to take a share of"));
        assert_eq!(told(Of::Swap, "none", &group).expect_err("no file").0, ProbeStatus::Unknown);
    }

    #[test]
    fn pressure_is_the_worst_of_the_last_minute() {
        let line = |full: &str| {
            format!(
                "some avg10=0.00 avg60=70.00 avg300=0.00 total=1\nfull avg10=0.00 avg60={full} avg300=0.00 total=1\n"
            )
        };
        let group = group(&[
            ("memory.pressure", &line("3.10")),
            ("io.pressure", &line("12.00")),
            ("cpu.pressure", &line("0.00")),
        ]);
        assert_eq!(
            told(Of::Pressure, "< 20%", &group),
            Ok("it waited for io in 12 % of the last minute".to_owned())
        );
        assert!(
            told(Of::Pressure, "memory < 3%", &group).is_err_and(|(_, why)| why.contains("the limit is 3 %"))
        );
        assert!(told(Of::Pressure, "cpu < 50%", &group).is_err());
    }

    #[test]
    fn open_files_and_threads_are_those_of_our_own_process() {
        let own = PathBuf::from(format!("/proc/{}", std::process::id()));
        let (open, most) = (open_files(&own).expect("files"), file_limit(&own).expect("a limit"));
        assert!(open >= 3 && open < most, "{open} of {most}");
        assert!(threads_of(&own).expect("threads") >= 1);
        assert!(host_memory().expect("memory") > 1 << 20);
        assert_eq!(share(1000, 12.5), 125);
    }

    #[tokio::test]
    async fn what_has_no_group_tells_only_of_its_run() {
        let now = clock::now();
        let restarts = vec![now, now, now];
        let facts = RunFacts {
            active_since: Some(now.at_boot_ms(now.boot_ms - 3_600_000)),
            restarts,
            ..RunFacts::default()
        };
        let ask = async |of: Of, limit: &str| {
            let judged = judge(&Resource { of, bound: bound(limit) }, &facts).await;
            judged.map(|(told, _)| told).map_err(|(failure, _)| failure.parts())
        };
        assert_eq!(ask(Of::Age, "< 2h").await, Ok("it has run for 60 min".to_owned()));
        assert!(ask(Of::Age, "< 30m").await.is_err_and(|(status, _)| status == ProbeStatus::Unmet));
        assert!(ask(Of::Restarts, "< 4/h").await.is_ok());
        assert!(ask(Of::Restarts, "< 3/h").await.is_err());
        assert_eq!(ask(Of::Cpu, "< 3%").await.expect_err("no group").0, ProbeStatus::Unknown);
    }
}
