//! Managed units that listen and are not asked; probes that cannot fail, and limits that cannot be met.

use std::collections::BTreeMap;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Listener, Protocol};
use crate::model::probe::{Expected, Free, ProbeKind, ProbeSpec};
use crate::model::snapshot::UnitStatus;
use crate::model::spec::Spec;
use crate::policy::limits;

use super::Look;
use super::listeners::listening;
use super::span;
use super::troubles::running;

/// One gap for each.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let in_force = |spec: &&Spec| spec.disabled.as_ref().is_none_or(|off| look.at().wall_ms >= off.until_ms);
    let mut gaps = Vec::new();
    for spec in look.specs.iter().filter(in_force) {
        if spec.probes.is_empty() && spec.progress.is_empty() {
            let theirs = look.snapshot.units.values().filter(|status| status.file == spec.file);
            gaps.extend(theirs.filter_map(|status| unprobed(look, status)));
        }
        gaps.extend(spec.probes.iter().filter_map(|probe| unfit(look, spec, probe)));
    }
    gaps
}

fn unprobed(look: &Look, status: &UnitStatus) -> Option<Gap> {
    let unit = status.unit.as_str();
    let host = &look.around.host;
    let user = look.snapshot.host.user_instance;
    let theirs = |process: &&HostProcess| process.place.unit(user) == Some(&status.unit);
    let pids: Vec<i32> = host.processes.iter().filter(theirs).map(|process| process.pid).collect();
    let all = listening(host, &pids);
    let listener = all.into_iter().find(|listener| listener.protocol != Protocol::Udp);
    let listener = listener.filter(|_| running(status) && status.unit.kind() == "service")?;
    let address = &listener.address;
    let message = format!("{unit} listens on {address}, and no probe asks whether it answers");
    let gap = Gap::new(Code::HostUnprobed, (unit, unit), message, look.at());
    let line = format!("{unit}: [probe.port] {}", suggestion(listener));
    Some(gap.proven(vec![line], format!("steadfast adopt --print {unit}")))
}

/// The simplest probe that asks it.
fn suggestion(listener: &Listener) -> String {
    match listener.protocol {
        Protocol::Unix => format!("unix = \"{}\"", listener.address),
        Protocol::Tcp | Protocol::Udp => {
            let here = listener.address.replace("0.0.0.0:", "127.0.0.1:");
            format!("tcp = \"{}\"", here.replace("[::]:", "[::1]:"))
        }
    }
}

/// A probe that does not do what it is there for.
fn unfit(look: &Look, spec: &Spec, probe: &ProbeSpec) -> Option<Gap> {
    let why = never_fails(&probe.kind).or_else(|| unmeetable(spec, probe))?;
    let name = &probe.name;
    let file = &spec.file;
    let subject = match &spec.selector {
        crate::model::spec::Selector::Unit(unit) => unit.to_string(),
        crate::model::spec::Selector::Pattern(pattern) => pattern.clone(),
    };
    let gap = Gap::new(
        Code::HostProbeUnfit,
        (&format!("{file} {name}"), &subject),
        format!("[probe.{name}] of {subject} {why}"),
        look.at(),
    );
    Some(gap.proven(vec![format!("in {file}")], format!("$EDITOR {file}")))
}

/// Why it cannot fail.
fn never_fails(kind: &ProbeKind) -> Option<String> {
    let told = |what: String| Some(format!("cannot fail: {what}"));
    match kind {
        ProbeKind::Command { argv } => told(always_succeeds(argv)?),
        ProbeKind::Http(http) => {
            let (low, high) = http.status;
            let all = low <= 200 && high >= 599 && http.json.is_empty() && http.content_type.is_none();
            all.then(|| format!("takes errors for health: status {low} to {high} is right for it"))
        }
        ProbeKind::Memcached { stats, .. } => told(holds_always(stats, "figures are never negative")?),
        ProbeKind::Sql(sql) => {
            let counts = sql.query.as_ref().is_some_and(|query| {
                query
                    .trim_start()
                    .to_ascii_lowercase()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .starts_with("select count(")
            });
            let always = sql.expected.as_ref().is_some_and(|expected| counts && never_negative(expected));
            if always { told("a count is never negative".to_owned()) } else { None }
        }
        ProbeKind::Disk { min_free, .. } | ProbeKind::Inodes { min_free, .. } => {
            matches!(min_free, Free::Count(0) | Free::Percent(0))
                .then(|| "cannot fail: 0 is always free".to_owned())
        }
        ProbeKind::Tcp { .. }
        | ProbeKind::Unix { .. }
        | ProbeKind::Redis { .. }
        | ProbeKind::Amqp { .. }
        | ProbeKind::Rabbitmq(_)
        | ProbeKind::File { .. }
        | ProbeKind::Journal { .. }
        | ProbeKind::Timer { .. } => None,
    }
}

fn holds_always(expected: &BTreeMap<String, Expected>, why: &str) -> Option<String> {
    let all = !expected.is_empty() && expected.values().all(never_negative);
    all.then(|| why.to_owned())
}

/// It holds for every number that is not negative.
fn never_negative(expected: &Expected) -> bool {
    match expected {
        Expected::AtLeast(number) => *number <= 0.0,
        Expected::Above(number) | Expected::NotEqual(number) => *number < 0.0,
        Expected::Text(_)
        | Expected::Number(_)
        | Expected::Boolean(_)
        | Expected::Null
        | Expected::Below(_)
        | Expected::AtMost(_) => false,
    }
}

/// The words by which this command always exits with 0.
fn always_succeeds(argv: &[String]) -> Option<String> {
    let program = argv.first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    if matches!(name, "true" | "echo" | "printf") {
        return Some(format!("{program} always succeeds"));
    }
    if !matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh") {
        return None;
    }
    let options: Vec<&String> = argv.iter().skip(1).take_while(|word| word.starts_with('-')).collect();
    let script = argv.get(options.len() + 1)?;
    let asked = options.iter().any(|option| option.contains('c'));
    let strict = options.iter().any(|option| option.contains('e')) || script.contains("set -e");
    let end = ends_well(script).filter(|_| asked && !strict)?;
    Some(format!("its script ends with `{end}`"))
}

/// The last words of a script by which it ends with 0 whatever went before.
fn ends_well(script: &str) -> Option<String> {
    let script = script.trim().trim_end_matches(';').trim_end();
    let last = ["true", ":", "exit 0", "/bin/true", "/usr/bin/true"];
    let last = last.into_iter().find(|last| {
        script
            .strip_suffix(last)
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', ';', '\n', '|', '&']))
    })?;
    let before = script.strip_suffix(last)?.trim_end_matches([' ', '\t']);
    let by = ["||", ";", "\n", "&"].into_iter().find(|by| before.ends_with(by));
    // `a && true` ends as `a` does.
    let by = if before.ends_with("&&") { None } else { by };
    // Another way out may end it otherwise.
    let other_exit = before.contains("exit") || before.contains("return") || before.contains("exec ");
    match by {
        _ if before.is_empty() => Some(last.to_owned()),
        Some(by) if !other_exit => Some(format!("{} {last}", by.trim()).trim().to_owned()),
        Some(_) | None => None,
    }
}

/// Why a recovery could never be proven by it, or one of its limits never be reached.
fn unmeetable(spec: &Spec, probe: &ProbeSpec) -> Option<String> {
    let within = spec.recovery.verify_within;
    let each = probe.period.min(limits::PROOF_PERIOD);
    let needed = each.saturating_mul(probe.success_threshold.saturating_sub(1));
    let judged = !spec.is_dependency();
    if judged && needed >= within {
        let (needed, within, times) = (span(needed), span(within), probe.success_threshold);
        return Some(format!(
            "cannot be proven in time: {times} good answers take {needed}, and verify_within is {within}"
        ));
    }
    if judged && probe.initial_delay >= within {
        let (delay, within) = (span(probe.initial_delay), span(within));
        return Some(format!(
            "lets the unit take {delay} to come up, and verify_within calls the recovery failed after {within}"
        ));
    }
    if let ProbeKind::Http(http) = &probe.kind
        && let Some(slow) = http.max_latency.filter(|slow| *slow >= probe.timeout)
    {
        let (slow, timeout) = (slow.as_millis(), probe.timeout.as_millis());
        return Some(format!(
            "is never slow: its timeout of {timeout} ms ends it before max_latency, {slow} ms"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_always_ends_well_is_no_check() {
        let argv = |script: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        for script in [
            "curl -f localhost || true",
            "curl -f localhost; true",
            "curl -f localhost || :",
            "curl -f localhost\nexit 0",
            "curl -f localhost || exit 0;",
            "check & true",
            "true",
        ] {
            assert!(always_succeeds(&argv(script)).is_some(), "{script}");
        }
        for script in [
            "curl -f localhost",
            "curl -f localhost && true",
            "test -f /run/bad && exit 1; exit 0",
            "set -e; curl -f localhost; true",
            "grep -q istrue",
            "echo '; true'",
            "curl localhost | grep :",
        ] {
            assert_eq!(always_succeeds(&argv(script)), None, "{script}");
        }
        assert!(always_succeeds(&["/bin/true".to_owned()]).is_some());
        assert_eq!(always_succeeds(&["/usr/lib/app/check".to_owned()]), None);
    }

    #[test]
    fn what_holds_for_every_count_asks_nothing() {
        for always in [Expected::AtLeast(0.0), Expected::Above(-1.0), Expected::NotEqual(-1.0)] {
            assert!(never_negative(&always), "{always:?}");
        }
        for may_fail in
            [Expected::AtLeast(1.0), Expected::Above(0.0), Expected::Below(9.0), Expected::Number(0.0)]
        {
            assert!(!never_negative(&may_fail), "{may_fail:?}");
        }
    }
}
