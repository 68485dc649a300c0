//! Units composed at random from the directives of docs/directives.md, started, killed, stopped and reloaded by a script while
//! Steadfast manages them. Afterwards each verdict is compared with what systemctl says, and no order may be one that the
//! unit's own file does not want.
//!
//! `UNITS=500 SEED=7 make fuzz-directives`: more of them, and the same ones again.

mod compose;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::rig::Machine;
use compose::{Composed, Dice, LEFT_OUT, compose};
use verdict::{Seen, Shown, differences};

/// In `make test`.
const FEW: usize = 25;
/// Nothing is judged before nothing was said for so long …
const QUIET: Duration = Duration::from_secs(12);
/// … and what goes on for longer than this is judged all the same.
const REST: Duration = Duration::from_secs(60);

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What nobody manages, beside the units.
const BESIDE: &str = "
printf '#!/bin/sh\\nsleep $1\\nexit $2\\n' >/usr/local/bin/ends; chmod +x /usr/local/bin/ends
printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/absent.service
";

fn prepare(machine: &Machine, units: &[Composed]) {
    machine.sh(BESIDE);
    for unit in units {
        machine.write(&format!("/etc/systemd/system/{}", unit.name), &unit.file);
        machine.write(&format!("/etc/steadfast/units.d/{}.toml", unit.name), &unit.ours);
        if let Some((name, text)) = &unit.beside {
            machine.write(&format!("/etc/systemd/system/{name}"), text);
            if name.contains("-conn") {
                let handler = name.replace(".socket", "@.service");
                machine.write(&format!("/etc/systemd/system/{handler}"), "[Service]\nExecStart=/bin/false\n");
            }
        }
    }
    let named = |of: &dyn Fn(&&Composed) -> bool| -> String {
        units.iter().filter(|unit| of(unit)).fold(String::new(), |mut all, unit| {
            let _ = write!(all, " {}", unit.name);
            all
        })
    };
    let beside: Vec<&str> =
        units.iter().filter_map(|unit| unit.beside.as_ref()).map(|(name, _)| name.as_str()).collect();
    machine.sh(&format!(
        "systemctl daemon-reload; systemctl enable -q{} 2>/dev/null; systemctl --no-block start{} {} || true",
        named(&|unit| unit.enabled),
        named(&|unit| unit.started),
        beside.join(" ")
    ));
    std::thread::sleep(Duration::from_secs(3));
}

/// What happens to them, in turns: the first act of each, then the second of each.
fn script(units: &[Composed]) -> String {
    let mut script = String::new();
    for turn in 0..4 {
        for act in units.iter().filter_map(|unit| unit.acts.get(turn)) {
            let _ = writeln!(script, "timeout 10 {act} >/dev/null 2>&1 || true");
        }
        script += "sleep 2\n";
    }
    script
}

/// What systemctl shows of each.
fn shown(machine: &Machine, units: &[Composed]) -> BTreeMap<String, Shown> {
    let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    let properties = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,FreezerState,ConditionResult,AssertResult,Job,\
                      NRestarts,InvocationID,ExecMainStatus,ExecMainCode,Type";
    let text = machine.sh(&format!("systemctl show --no-pager -p {properties} {}", names.join(" ")));
    let blocks = text.split("\n\n");
    blocks.map(Shown::of).map(|shown| (shown.get("Id").to_owned(), shown)).collect()
}

/// What Steadfast says of each.
fn seen(machine: &Machine) -> BTreeMap<String, Seen> {
    let filter = r#".units[] | [.unit, .state, (.blocked // ""), ([.findings[].code] | join(",")),
        ([.conditions[] | "\(.type)=\(.status):\(.reason):\(.message)"] | join("|"))] | @tsv"#;
    let output = machine.try_sh(&format!("steadfast --json status | jq -r '{filter}'"));
    output.stdout.lines().filter_map(Seen::of).map(|seen| (seen.unit.clone(), seen)).collect()
}

/// Orders by Steadfast, by unit.
fn orders(machine: &Machine) -> BTreeMap<String, Vec<String>> {
    let text = machine
        .try_sh("journalctl -t steadfast -o cat --no-pager | grep -E '^(start|restart) .* because of|result dependency'");
    let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.stdout.lines() {
        // `start of UNIT failed: … result dependency`: systemd did not try it, and its file could say nothing.
        if let Some(unit) = line.strip_prefix("start of ").and_then(|rest| rest.split(' ').next()) {
            orders.entry(unit.to_owned()).or_default().pop();
            continue;
        }
        let unit = line.split(' ').nth(1).unwrap_or_default().to_owned();
        orders.entry(unit).or_default().push(line.to_owned());
    }
    orders
}

/// Waits until nothing happens any more. What systemd restarts in an hour is no matter.
fn rest(machine: &Machine, units: &[Composed]) {
    let began = Instant::now();
    let mut quiet = Instant::now();
    let state = || {
        let shown = shown(machine, units);
        shown.values().map(Shown::brief).collect::<Vec<_>>()
    };
    let mut last = state();
    while began.elapsed() < REST && (quiet.elapsed() < QUIET || began.elapsed() < REST / 2) {
        std::thread::sleep(Duration::from_secs(2));
        let now = state();
        if now != last {
            quiet = Instant::now();
            last = now;
        }
    }
    println!("at rest after {:?}", began.elapsed());
}

/// Plays one machine; returns what differs, a text for each unit.
fn play(release: &str, seed: u64, many: usize) -> Vec<String> {
    let mut dice = Dice::of(seed);
    let mut units: Vec<Composed> = Vec::new();
    while units.len() < many {
        let next = compose(&mut dice, &units);
        units.push(next);
    }
    let machine = Machine::boot_as_installed(&format!("fuzz-{seed}"), release);
    prepare(&machine, &units);
    let boot = machine.boot_id();
    machine.install_steadfast();
    machine.wait_until("every unit is read", Duration::from_secs(60), || seen(&machine).len() >= units.len());
    machine.sh(&script(&units));
    rest(&machine, &units);
    assert_eq!(machine.boot_id(), boot, "the host was not rebooted");
    let orders = orders(&machine);
    let none = Vec::new();
    let mut wrong = Vec::new();
    // What passes just now is looked at twice more.
    let mut left: BTreeSet<String> = units.iter().map(|unit| unit.name.clone()).collect();
    for attempt in 0..3 {
        let (before, seen, after) = (shown(&machine, &units), seen(&machine), shown(&machine, &units));
        wrong.clear();
        for unit in units.iter().filter(|unit| left.contains(&unit.name)) {
            let (Some(first), Some(second)) = (before.get(&unit.name), after.get(&unit.name)) else {
                wrong.push((unit.name.clone(), format!("{}: systemctl does not show it", unit.name)));
                continue;
            };
            let orders = orders.get(&unit.name).unwrap_or(&none);
            let found = match seen.get(&unit.name) {
                None => vec!["Steadfast does not know it".to_owned()],
                // It changed under our eyes.
                Some(_) if first.brief() != second.brief() && attempt < 2 => vec!["it changes".to_owned()],
                Some(_) if first.brief() != second.brief() => Vec::new(),
                Some(seen) => differences(unit, second, seen, orders),
            };
            if !found.is_empty() {
                let told = seen.get(&unit.name).map(|seen| format!("{seen:#?}")).unwrap_or_default();
                let text = format!(
                    "{}: {}\n{}ours: {:?}\nacts: {:#?}\norders: {orders:#?}\n{second:?}\n{told}",
                    unit.name,
                    found.join("; "),
                    unit.file,
                    unit.ours,
                    unit.acts
                );
                wrong.push((unit.name.clone(), text));
            }
        }
        left = wrong.iter().map(|(name, _)| name.clone()).collect();
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_secs(3));
    }
    let given: usize = orders.values().map(Vec::len).sum();
    println!(
        "{release}, seed {seed}: {many} units, {given} orders by Steadfast, {} differences",
        wrong.len()
    );
    if !wrong.is_empty() {
        let names: Vec<&str> = wrong.iter().map(|(name, _)| name.trim_end_matches(".service")).collect();
        let said =
            format!("journalctl -o short-monotonic --no-pager | grep -E '{}' | tail -n 400", names.join("|"));
        println!("{}", machine.try_sh(&said).stdout);
    }
    wrong.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn directives_composed_at_random_are_followed() {
    let (units, seed) = (number("UNITS", 0), number("SEED", 20_261_130));
    let many = if units == 0 { FEW } else { usize::try_from(units).expect("small") };
    let mut wrong = Vec::new();
    // So many on one machine; then the next, of the other release.
    for (turn, first) in (0..many).step_by(100).enumerate() {
        let release = if turn % 2 == 0 { "trixie" } else { "bookworm" };
        let seed = seed + u64::try_from(turn).expect("small");
        println!("SEED={seed} UNITS={}", (many - first).min(100));
        wrong.extend(play(release, seed, (many - first).min(100)));
    }
    assert!(wrong.is_empty(), "{} differences:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// Each row of the table is composed, or left out with a reason.
#[test]
fn every_directive_of_the_table_is_composed() {
    let table = include_str!("../../../docs/directives.md");
    let source = include_str!("compose.rs");
    let mut missing = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let name = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        let left_out = LEFT_OUT.iter().any(|(row, _)| *row == name);
        let words: Vec<&str> = name.split('`').filter(|word| word.ends_with('=')).collect();
        let known = |word: &&str| source.contains(&word.replace("…=", "PathExists="));
        let by_other_means = [
            "clean end",
            "clean end under `Restart=always`",
            "sockets, timers, paths",
            "`systemctl freeze`",
            "`[Install]`",
        ];
        if !left_out && !by_other_means.contains(&name) && (words.is_empty() || !words.iter().all(known)) {
            missing.push(name);
        }
    }
    assert_eq!(missing, Vec::<&str>::new());
}
