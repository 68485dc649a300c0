//! `make demo`: O2, the queue that ran from a deleted release, replayed on a throw-away systemd with Steadfast watching.

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "the demo needs a part of the rig")]
mod rig;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use rig::Machine;

const LIMIT: Duration = Duration::from_secs(60);
const UNIT: &str = "horizon.service";

const ARTISAN: &str = r#"<?php
$argv[1] ??= "master";
if ($argv[1] === "worker") { while (true) { sleep(1); } }
pcntl_async_signals(true);
$spawn = fn() => proc_open([PHP_BINARY, __FILE__, "worker"], [], $pipes);
$workers = [$spawn(), $spawn()];
$replace = false;
pcntl_signal(SIGUSR2, function () use (&$replace) { $replace = true; });
while (true) {
    sleep(1);
    // Not in the handler: what is spawned there inherits its blocked signals.
    if ($replace) {
        foreach ($workers as $i => $worker) { proc_terminate($worker, 9); $workers[$i] = $spawn(); }
        $replace = false;
    }
}
"#;

const SERVICE: &str = "[Unit]\nDescription=The queue\n[Service]\nWorkingDirectory=/srv/app/current\n\
    ExecStart=/usr/bin/php artisan\n[Install]\nWantedBy=multi-user.target\n";

const UNIT_FILE: &str = "[release]\nsettle = \"8s\"\n[recovery]\nverify_within = \"20s\"\n\
    [smoke]\ncommand = [\"/usr/bin/php\", \"-l\", \"artisan\"]\n";

fn main() {
    let show = Show { colour: std::io::stdout().is_terminal() };
    show.head("Steadfast: the queue that ran from a deleted release");
    show.say("Booting a throw-away systemd …");
    let machine = Machine::boot("demo");
    machine.install_steadfast();
    prepare(&machine, &show);
    workers_only(&machine, &show);
    heals_after_settling(&machine, &show);
    pruned(&machine, &show);
    broken(&machine, &show);
    show.head("The whole timeline, as the journal has it");
    show.raw(&machine.sh("journalctl -t steadfast -o short-iso --no-hostname --no-pager | sed 's/^[^T]*T\\([0-9:]*\\)[^ ]* [^ ]* /\\1  /'"));
    keep(&machine, &show);
}

fn prepare(machine: &Machine, show: &Show) {
    show.head("1. A PHP queue in /srv/app/current -> releases/65, managed by dropping in one file");
    release(machine, 65, ARTISAN);
    machine.write("/etc/systemd/system/horizon.service", SERVICE);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now horizon.service");
    machine.write("/etc/steadfast/units.d/horizon.service.toml", UNIT_FILE);
    wait(machine, "it is well", ".state == \"ok\"");
    status(machine, show);
}

fn workers_only(machine: &Machine, show: &Show) {
    show.head("2. A deploy flips the link and tells the master to replace its workers, only its workers");
    release(machine, 66, ARTISAN);
    let flipped = Instant::now();
    wait(machine, "the flip is found", "[.findings[].code] | index(\"release-outdated\")");
    show.say(&format!("the old release was found {} ms after the flip", flipped.elapsed().as_millis()));
    machine.sh("kill -USR2 $(systemctl show -P MainPID horizon.service)");
    show.say(&format!("systemd says: {}", machine.sh("systemctl is-active horizon.service")));
    wait(machine, "the new workers are told", "[.findings[].code] | index(\"workers-only-restart\")");
    show.raw(&machine.try_sh("steadfast explain horizon.service").stdout);
}

fn heals_after_settling(machine: &Machine, show: &Show) {
    show.head("3. After the settle time the unit is restarted, master and all, and proven");
    machine.wait_until("it runs release 66", LIMIT, || healed(machine, 66));
    status(machine, show);
}

fn pruned(machine: &Machine, show: &Show) {
    show.head("4. A later deploy prunes the release that still runs: no settle time for that");
    release(machine, 67, ARTISAN);
    let gone = Instant::now();
    machine.sh("rm -rf /srv/app/releases/66");
    machine.wait_until("the deletion is found", LIMIT, || {
        unit(machine, "[.findings[].code] | index(\"release-deleted\")") != "null" || healed(machine, 67)
    });
    show.say(&format!("found {} ms after the deletion", gone.elapsed().as_millis()));
    machine.wait_until("it runs release 67", LIMIT, || healed(machine, 67));
    show.say(&format!("restarted and proven after {:.1} s", gone.elapsed().as_secs_f64()));
    status(machine, show);
}

fn broken(machine: &Machine, show: &Show) {
    show.head("5. A broken release: its smoke test fails, the old master goes on working");
    let before = machine.sh("systemctl show -P InvocationID horizon.service");
    release(machine, 68, "<?php\nwhile (true { sleep(1); }\n");
    wait(machine, "the smoke test fails", "[.findings[].code] | index(\"smoke-failed\")");
    status(machine, show);
    assert_eq!(
        machine.sh("systemctl show -P InvocationID horizon.service"),
        before,
        "the old master was left alone"
    );
    show.say("the old master was left alone; the deployer rolls back");
    machine.sh("ln -sfn releases/67 /srv/app/current");
    wait(machine, "it is well", ".state == \"ok\"");
    status(machine, show);
}

fn keep(machine: &Machine, show: &Show) {
    if std::env::var_os("KEEP").is_none() {
        show.say("KEEP=1 make demo leaves you a shell in the machine.");
        return;
    }
    show.head(
        "A shell in the machine; `exit` ends it. Try: steadfast status, steadfast explain horizon.service",
    );
    // Whatever the shell says at its end is its user's business.
    drop(machine.command(&["bash", "-i"]).status());
}

/// Deploys a release the way the tools do: a new folder, then the link.
fn release(machine: &Machine, number: u32, artisan: &str) {
    machine.sh(&format!("mkdir -p /srv/app/releases/{number}"));
    machine.write(&format!("/srv/app/releases/{number}/artisan"), artisan);
    machine.sh(&format!("ln -sfn releases/{number} /srv/app/current"));
}

fn unit(machine: &Machine, filter: &str) -> String {
    let socket = "--unix-socket /run/steadfast/steadfast.sock";
    machine.try_sh(&format!("curl -s {socket} http://localhost/v1/units/{UNIT} | jq -r '{filter}'")).stdout
}

fn wait(machine: &Machine, what: &str, filter: &str) {
    machine.wait_until(what, LIMIT, || !matches!(unit(machine, filter).as_str(), "" | "null" | "false"));
}

fn healed(machine: &Machine, number: u32) -> bool {
    unit(machine, ".state + \" \" + .release.running") == format!("ok /srv/app/releases/{number}")
}

fn status(machine: &Machine, show: &Show) {
    let colour = if show.colour { "CLICOLOR_FORCE=1 " } else { "" };
    show.raw(&machine.try_sh(&format!("{colour}steadfast status {UNIT}")).stdout);
}

/// The screen.
struct Show {
    colour: bool,
}

impl Show {
    fn head(&self, text: &str) {
        if self.colour {
            self.raw(&format!("\n\u{1b}[1;36m━━ {text}\u{1b}[0m\n"));
        } else {
            self.raw(&format!("\n== {text}\n"));
        }
    }

    fn say(&self, text: &str) {
        self.raw(&format!("   {text}"));
    }

    fn raw(&self, text: &str) {
        // Nobody reads on: then the demo goes on for nobody.
        drop(writeln!(std::io::stdout(), "{text}"));
    }
}
