//! Time and identity: a wall clock that jumps, a hang of our own, a PID that comes back.

use std::process::Command;

use super::{QUICK, SLEEPER, healed, host, main_pid, restarts, row, show};
use crate::watched::{LIMIT, journal, state, unit};

/// A container cannot set the clock; Steadfast itself is shown another one, whose offset in seconds stands in a file.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long offset(void) {
    char text[32] = {0};
    int file = open("/opt/offset", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    if (read(file, text, 31) < 0) text[0] = 0;
    close(file);
    return atol(text);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += offset();
    return done;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
"#;

#[test]
fn a_wall_clock_that_jumps_changes_nothing() {
    let source = std::env::temp_dir().join(format!("steadfast-clock-{}.c", std::process::id()));
    let library = source.with_extension("so");
    std::fs::write(&source, CLOCK).expect("a scratch file");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    assert!(built.is_ok_and(|built| built.success()), "cc makes a library");
    let machine = host("clock", "");
    std::fs::copy(&library, machine.on_disk("/opt/clock.so")).expect("copied");
    drop((std::fs::remove_file(&source), std::fs::remove_file(&library)));
    machine.write("/opt/offset", "0");
    machine.write(
        "/etc/systemd/system/steadfast.service.d/clock.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/opt/clock.so\n",
    );
    machine.write("/etc/systemd/system/other.service", SLEEPER);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now other.service && systemctl restart steadfast.service");
    crate::watched::manage(&machine, "other.service", "");
    machine
        .sh("steadfast hold other.service --for 30m --reason 'an hour is not over because a clock says so'");
    state(&machine, "other.service", "held");
    state(&machine, "shop.service", "ok");
    for (injected, offset) in [
        ("our wall clock a week ahead", 604_800_i64),
        ("our wall clock a week back", -604_800),
        ("our wall clock right again", 0),
    ] {
        machine.write("/opt/offset", &offset.to_string());
        machine.wait_until("the jump is seen", LIMIT, || {
            let told = crate::watched::status(&machine, ".generated_at[0:19] + \"Z\" | fromdate");
            let real: i64 = machine.sh("date +%s").parse().unwrap_or_default();
            told.parse().is_ok_and(|told: i64| (told - real - offset).abs() < 60)
        });
        let took = healed(&machine);
        assert_eq!(
            unit(&machine, "other.service", ".state"),
            "held",
            "{injected}: a hold is as long as it was"
        );
        row(injected, "healed; holds and budgets as long as before", "hold of 30 min still there", took);
    }
    assert_eq!(restarts(&machine), "0");
    assert_eq!(unit(&machine, "shop.service", ".state"), "ok");
}

#[test]
fn a_stop_longer_than_the_watchdog_doubles_nothing() {
    let machine = host("stopped", "WatchdogSec=3s");
    machine.write_program("/opt/counted", "#!/bin/sh\necho start >>/opt/starts\nexec sleep infinity\n");
    machine.write(
        "/etc/systemd/system/counted.service",
        &SLEEPER.replace("/bin/sleep infinity", "/opt/counted"),
    );
    machine.sh("systemctl daemon-reload && systemctl enable -q --now counted.service");
    crate::watched::manage(&machine, "counted.service", QUICK);
    let pid = main_pid(&machine);
    machine.sh(&format!("kill -STOP {pid}; systemctl kill -s KILL counted.service"));
    let took = machine.wait_until("systemd has restarted it", LIMIT, || {
        let now = main_pid(&machine);
        now != pid && now != "0"
    }) + state(&machine, "counted.service", "ok");
    let starts = machine.sh("wc -l </opt/starts");
    assert_eq!(starts, "2", "started once by the boot, once for the kill");
    row(
        "SIGSTOP of Steadfast, a unit dies meanwhile (watchdog 3 s)",
        "restarted by systemd; the unit started once",
        "one start",
        took,
    );
    row("after it", "healed", "as undisturbed", healed(&machine));
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    let machine = host("pids", "");
    machine.sh(
        "mkdir -p /srv/app/releases/{1,2}; ln -s releases/1 /srv/app/current; mount -o remount,rw /proc/sys",
    );
    let service = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nWorkingDirectory=/srv/app/current\n";
    machine.write("/etc/systemd/system/app.service", &SLEEPER.replace("[Service]\n", service));
    machine.sh("systemctl daemon-reload && systemctl enable -q --now app.service");
    // It would never be restarted by us in this test: whatever becomes current does so by the restart by hand.
    let file = format!("{QUICK}[release]\nsettle = \"10m\"\n");
    crate::watched::manage(&machine, "app.service", &file);
    let running = || unit(&machine, "app.service", ".release.running");
    machine.wait_until("the release is known", LIMIT, || running() == "/srv/app/releases/1");
    machine.sh("ln -s releases/2 /srv/app/new && mv -T /srv/app/new /srv/app/current");
    let pid: u32 = show(&machine, "app.service", "MainPID").parse().expect("a PID");
    let again = machine.wait_until("the same PID is given again", LIMIT, || {
        machine.sh(&format!(
            "systemctl stop app.service; echo {} >/proc/sys/kernel/ns_last_pid; systemctl start app.service",
            pid - 2
        ));
        show(&machine, "app.service", "MainPID").parse() == Ok(pid)
    });
    let took = machine
        .wait_until("the new process is known to be another", LIMIT, || running() == "/srv/app/releases/2");
    row(
        &format!("PID {pid} given to the next run of the unit"),
        "judged anew: PID and start time are the identity",
        &format!("the new release after {:.1} s; tried for {:.1} s", took.as_secs_f64(), again.as_secs_f64()),
        healed(&machine),
    );
    assert!(!journal(&machine).contains("survivors"), "nothing is taken for a survivor");
}
