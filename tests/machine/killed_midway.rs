//! Steadfast is killed in the middle of recoveries, fifty times at random moments: nothing is started twice, all is completed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, unit};

/// Kills on each of the machines that run side by side.
const KILLS: u32 = 25;
const SEEDS: [u64; 2] = [1, 2];
/// The kill comes at a random moment of this long after the fault: a recovery takes about as long.
const SPREAD_MS: u64 = 3000;

/// Each real start leaves a line; every phase takes long enough to be killed in.
const PROGRAM: &str = "#!/bin/bash\necho start >>/srv/starts/$1\nexec sleep infinity\n";
const BUS: &str = "[Service]\nExecStartPre=/bin/sleep 0.2\nExecStart=/srv/program bus\nRestart=no\n[Install]\nWantedBy=multi-user.target\n";
const QUEUE: &str = "[Service]\nWorkingDirectory=/srv/app/current\nExecStartPre=/bin/sleep 0.2\nExecStart=/srv/program queue\nExecStop=/bin/sleep 0.1\n[Install]\nWantedBy=multi-user.target\n";
const FILE: &str = "[recovery]\nburst = 1000\ninterval = \"1h\"\ndelay = \"100ms\"\nmax_delay = \"100ms\"\nverify_within = \"4s\"\n[release]\nsettle = \"200ms\"\n[smoke]\ncommand = [\"/bin/sleep\", \"0.3\"]\ndirectory = \"unit\"\n";
const UNITS: [&str; 2] = ["bus", "queue"];

/// A small generator, so that a run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What one machine's kills came to.
#[derive(Default)]
struct Figures {
    /// What was in flight when Steadfast was killed.
    phases: BTreeMap<String, u32>,
    healed: Vec<Duration>,
}

fn host(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.sh("mkdir -p /srv/starts /srv/app/releases/0 && ln -sfn releases/0 /srv/app/current");
    machine.write_program("/srv/program", PROGRAM);
    machine.write("/etc/systemd/system/bus.service", BUS);
    machine.write("/etc/systemd/system/queue.service", QUEUE);
    machine.write("/etc/systemd/system/steadfast.service.d/quick.conf", "[Service]\nRestartSec=100ms\n");
    machine.sh("systemctl daemon-reload && systemctl enable --now bus.service queue.service");
    machine.install_steadfast();
    for name in UNITS {
        machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), FILE);
    }
    machine.wait_until("all is well", LIMIT, || UNITS.iter().all(|name| well(&machine, name)));
    machine
}

fn well(machine: &Machine, name: &str) -> bool {
    let seen = unit(machine, &format!("{name}.service"), r#".state + " " + .unit_file_state"#);
    seen == "ok enabled"
}

fn starts(machine: &Machine, name: &str) -> u32 {
    let count = machine.sh(&format!("wc -l </srv/starts/{name}"));
    count.parse().expect("a count")
}

/// One unit is killed and disabled, the other's release is replaced and deleted.
fn fault(machine: &Machine, round: u32) {
    machine.sh(&format!(
        "mkdir /srv/app/releases/{round} && ln -sfn releases/{round} /srv/app/current && \
         rm -r /srv/app/releases/{} && systemctl disable -q bus.service && \
         systemctl kill -s KILL bus.service",
        round - 1
    ));
}

fn kill(machine: &Machine) {
    machine.sh("systemctl kill -s KILL --kill-whom=main steadfast.service");
}

/// Back as they should be, and the last recovery is over.
fn recovered(machine: &Machine, name: &str, round: u32) -> bool {
    let current = format!("/srv/app/releases/{round}");
    well(machine, name)
        && starts(machine, name) > round
        && (name != "queue" || unit(machine, "queue.service", ".release.running") == current)
}

fn many_kills(machine: &Machine, seed: u64) -> Figures {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
    let mut figures = Figures::default();
    for round in 1..=KILLS {
        fault(machine, round);
        let faulted = Instant::now();
        // The moment of the kill is what is tried here; there is no event to wait for.
        std::thread::sleep(Duration::from_millis(random.below(SPREAD_MS)));
        kill(machine);
        machine.wait_until(&format!("round {round} is recovered"), LIMIT, || {
            UNITS.iter().all(|name| recovered(machine, name, round))
        });
        figures.healed.push(faulted.elapsed());
        for name in UNITS {
            let counted = starts(machine, name);
            assert_eq!(
                counted,
                round + 1,
                "{name} was started once for each fault, seed {seed}, round {round}"
            );
            let action = unit(machine, &format!("{name}.service"), ".last_action.outcome");
            assert_eq!(action, "done", "{name}, seed {seed}, round {round}");
        }
    }
    for line in journal(machine).lines().filter(|line| line.starts_with("resumes the")) {
        let phase = line.replace("bus.service", "it").replace("queue.service", "it");
        *figures.phases.entry(phase).or_default() += 1;
    }
    figures
}

#[test]
fn killed_fifty_times_in_the_middle_and_nothing_is_started_twice() {
    let all = std::thread::scope(|scope| {
        let runs = SEEDS.map(|seed| {
            scope.spawn(move || {
                let machine = host(&format!("killed{seed}"));
                many_kills(&machine, seed)
            })
        });
        runs.map(|run| run.join().expect("every kill is survived"))
    });
    let mut healed: Vec<Duration> = all.iter().flat_map(|figures| figures.healed.clone()).collect();
    healed.sort();
    println!(
        "{} kills, {} faults, {} starts; recovered after {:?} (median), {:?} (worst)",
        healed.len(),
        healed.len() * UNITS.len(),
        healed.len() * UNITS.len(),
        healed[healed.len() / 2],
        healed[healed.len() - 1]
    );
    let mut phases: BTreeMap<&str, u32> = BTreeMap::new();
    for (phase, count) in all.iter().flat_map(|figures| &figures.phases) {
        *phases.entry(phase).or_default() += count;
    }
    for (phase, count) in &phases {
        println!("{count:3} x {phase}");
    }
    assert!(phases.values().sum::<u32>() >= 20, "most kills came in the middle of a recovery");
}
