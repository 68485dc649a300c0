//! A unit for each row of docs/directives.md, on a real systemd: what Steadfast says of it, and that it starts nothing that
//! the unit's own file does not want.

use std::fmt::Write as _;

use crate::rig::Machine;
use crate::watched::LIMIT;

/// What happens to a unit, and what is to be seen of it then.
struct Row {
    unit: &'static str,
    /// Its unit file, without `[Install]`.
    file: &'static str,
    /// Steadfast's file for it.
    ours: &'static str,
    /// What is done, besides enabling it: the first line before Steadfast is there, the others when it follows the unit.
    act: &'static str,
    /// What is told of it: one of the lines contains this; with `!`: none does.
    says: &'static str,
}

const fn row(unit: &'static str, file: &'static str, act: &'static str, says: &'static str) -> Row {
    Row { unit, file, ours: "", act, says }
}

const SLEEPS: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

const ROWS: &[Row] = &[
    row(
        "oneshot.service",
        "[Service]\nType=oneshot\nExecStart=/bin/true\n",
        "systemctl start $unit",
        "Active true done",
    ),
    row(
        "remains.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
        "systemctl start $unit",
        "Active true exited",
    ),
    row(
        "condition.service",
        "[Unit]\nConditionPathExists=/none\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit",
        "unit-skipped skipped: ConditionPathExists=/none not met",
    ),
    row(
        "assert.service",
        "[Unit]\nAssertPathExists=/none\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit || true",
        "unit-skipped refused by systemd: AssertPathExists=/none not met",
    ),
    row(
        "exec-condition.service",
        "[Service]\nExecCondition=/bin/false\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit || true",
        "unit-skipped skipped: its ExecCondition=",
    ),
    row(
        "on-abnormal.service",
        "[Service]\nRestart=on-abnormal\nExecStart=/usr/local/bin/until-go 3\n",
        "systemctl start $unit",
        "blocked its unit file wants no restart after exit code 3 (Restart=on-abnormal)",
    ),
    row(
        "prevented.service",
        "[Service]\nRestart=always\nRestartPreventExitStatus=78\nExecStart=/usr/local/bin/until-go 78\n",
        "systemctl start $unit",
        "blocked its unit file wants no restart after exit code 78 (RestartPreventExitStatus=)",
    ),
    Row {
        ours: "[recovery]\nclean_exit_delay = \"1h\"\n",
        ..row(
            "clean.service",
            "[Service]\nSuccessExitStatus=42\nExecStart=/usr/local/bin/until-go 42\n",
            "systemctl start $unit",
            "finding unit-inactive clean.service ended by itself with exit code 42; it is started again 3600 s after that",
        )
    },
    Row {
        ours: "[recovery]\nclean_exit = \"hold\"\n",
        ..row(
            "clean-hold.service",
            "[Service]\nExecStart=/usr/local/bin/until-go 0\n",
            "systemctl start $unit",
            "Active false unit-stopped-by-operator",
        )
    },
    row(
        "forced.service",
        "[Service]\nRestart=no\nRestartForceExitStatus=42\n\
         ExecStart=/bin/sh -c '[ -e /run/forced ] && exec sleep infinity; until-go 0; touch /run/forced; exit 42'\n",
        "systemctl start $unit",
        "Active true running",
    ),
    row(
        "restart-sec.service",
        "[Service]\nRestart=always\nRestartSec=1h\nExecStart=/usr/local/bin/until-go 1\n",
        "systemctl start $unit",
        "Active false auto-restart systemd restarts it by itself",
    ),
    row(
        "restart-steps.service",
        "[Service]\nRestart=always\nRestartSec=1h\nRestartSteps=2\nRestartMaxDelaySec=2h\nExecStart=/usr/local/bin/until-go 1\n",
        "systemctl start $unit",
        "Active false auto-restart systemd restarts it by itself",
    ),
    row(
        "restart-mode.service",
        "[Service]\nRestart=always\nRestartSec=1h\nRestartMode=direct\nExecStart=/usr/local/bin/until-go 1\n",
        "systemctl start $unit",
        "Active false auto-restart systemd restarts it by itself",
    ),
    row(
        "clean-loop.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=100ms\nExecStart=/bin/sleep 0.5\n",
        "systemctl start $unit\nuntil [ $(systemctl show -P NRestarts $unit) -ge 5 ]; do sleep 0.2; done",
        "!finding unit-crash-looping",
    ),
    row(
        "start-limit.service",
        "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit\nsystemctl kill -s KILL $unit",
        "blocked it was started once within 60 min, and systemd allows 2 (StartLimitBurst=)",
    ),
    row(
        "start-limit-action.service",
        "[Unit]\nStartLimitAction=reboot\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit\nsystemctl kill -s KILL $unit",
        "blocked systemd would act on the whole host if it was started too often before Steadfast looked (StartLimitAction=reboot)",
    ),
    row(
        "failure-action.service",
        "[Unit]\nFailureAction=reboot\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked systemd would act on the whole host if it failed (FailureAction=reboot)",
    ),
    row(
        "success-action.service",
        "[Unit]\nSuccessAction=poweroff\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked systemd would act on the whole host when it ends (SuccessAction=poweroff)",
    ),
    row(
        "job-timeout-action.service",
        "[Unit]\nJobTimeoutAction=reboot\nJobTimeoutSec=1h\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked systemd would act on the whole host if its job took too long (JobTimeoutAction=reboot)",
    ),
    Row {
        ours: "[recovery]\nclean_exit_delay = \"1h\"\n",
        ..row(
            "runtime-max.service",
            "[Service]\nRuntimeMaxSec=15\nExecStart=/bin/sleep infinity\n",
            "systemctl start $unit",
            "finding unit-inactive runtime-max.service has run as long as RuntimeMaxSec= lets it",
        )
    },
    row(
        "timeouts.service",
        "[Service]\nTimeoutStartSec=infinity\nExecStartPre=/bin/sleep infinity\nExecStart=/bin/sleep infinity\n",
        "systemctl start --no-block $unit",
        "Active unknown activating activating (start-pre)",
    ),
    row(
        "kill-mode.service",
        "[Service]\nKillMode=process\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit",
        "Active true running",
    ),
    row(
        "idle.service",
        "[Service]\nExecStart=/usr/local/bin/until-go 0\n",
        "printf '[Socket]\\nListenStream=/run/idle\\n' >/etc/systemd/system/idle.socket; systemctl daemon-reload; \
         systemctl start idle.socket; systemctl start $unit",
        "Active true armed ended by itself when it had nothing to do; waits for idle.socket",
    ),
    row(
        "by-timer.service",
        "[Service]\nExecStart=/usr/local/bin/until-go 0\n",
        "printf '[Timer]\\nOnActiveSec=9h\\n' >/etc/systemd/system/by-timer.timer; systemctl daemon-reload; \
         systemctl start by-timer.timer; systemctl start $unit",
        "Active true armed ended by itself when it had nothing to do; waits for by-timer.timer",
    ),
    row(
        "by-path.service",
        "[Service]\nExecStart=/usr/local/bin/until-go 0\n",
        "printf '[Path]\\nPathExists=/none\\n' >/etc/systemd/system/by-path.path; systemctl daemon-reload; \
         systemctl start by-path.path; systemctl start $unit",
        "Active true armed ended by itself when it had nothing to do; waits for by-path.path",
    ),
    row(
        "bus-name.service",
        "[Service]\nType=simple\nBusName=org.example.Idle\nExecStart=/usr/local/bin/until-go 0\n",
        "systemctl start $unit",
        "Active true armed ended by itself when it had nothing to do; a call of its bus name starts it",
    ),
    row(
        "handler@.service",
        "[Service]\nStandardInput=socket\nExecStart=/bin/false\n",
        "printf '[Socket]\\nAccept=yes\\nListenStream=/run/handler\\n' >/etc/systemd/system/handler.socket; \
         systemctl daemon-reload; systemctl start handler.socket\npython3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/handler\")'",
        "Active unknown per-connection handler.socket starts an instance like this for each connection",
    ),
    row(
        "requires.service",
        "[Unit]\nRequires=partner.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit",
        "Active true running",
    ),
    row(
        "requisite.service",
        "[Unit]\nRequisite=absent.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked absent.service, which must be up before it is started (Requisite=), is not",
    ),
    row(
        "binds-to.service",
        "[Unit]\nBindsTo=bound.service\nAfter=bound.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start bound $unit\nsystemctl stop bound",
        "Active false stopped-with it was stopped along with bound.service",
    ),
    row(
        "binds-to-device.service",
        "[Unit]\nBindsTo=dev-none.device\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked its device dev-none.device is not there",
    ),
    row(
        "part-of.service",
        "[Unit]\nPartOf=whole.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start whole $unit\nsystemctl stop whole",
        "Active false stopped-with it was stopped along with whole.service",
    ),
    row(
        "stop-propagated.service",
        "[Unit]\nStopPropagatedFrom=sender.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start sender $unit\nsystemctl stop sender",
        "Active false stopped-with it was stopped along with sender.service",
    ),
    row(
        "upheld.service",
        SLEEPS,
        "systemctl start keeper $unit\nsystemctl kill -s KILL $unit",
        "Active true running",
    ),
    row(
        "unneeded.service",
        "[Unit]\nStopWhenUnneeded=yes\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start needs-it\nsystemctl stop needs-it",
        "Active true unneeded",
    ),
    row(
        "srv-unmounted.mount",
        "[Mount]\nWhat=tmpfs\nWhere=/srv/unmounted\nType=tmpfs\n",
        "systemctl start $unit\numount /srv/unmounted",
        "unit-stopped-by-operator srv-unmounted.mount is down: it was unmounted without a job",
    ),
    row(
        "failed-run.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sleep 1; exit 3'\n",
        "printf '[Timer]\\nOnActiveSec=9h\\n' >/etc/systemd/system/failed-run.timer; systemctl daemon-reload; \
         systemctl start failed-run.timer\nsystemctl start --no-block $unit",
        "its unit file leaves its runs to failed-run.timer",
    ),
    row(
        "conflicts.service",
        "[Unit]\nConflicts=rival.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit\nsystemctl start rival",
        "Active false stopped-with it was stopped for rival.service",
    ),
    row(
        "after.service",
        "[Unit]\nAfter=slow.service\nWants=slow.service\n[Service]\nExecStart=/bin/sleep infinity\n",
        "systemctl start --no-block $unit",
        "Active unknown waiting inactive: its start (job",
    ),
    row(
        "device.service",
        SLEEPS,
        "",
        "Active true by-device not running: started when its device appears (udev, 99-rig.rules)",
    ),
    row(
        "refuses.service",
        "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep infinity\n",
        "",
        "blocked its unit file refuses manual starts or stops",
    ),
    row(
        "frozen.service",
        SLEEPS,
        "systemctl start $unit\nsystemctl freeze $unit",
        "finding unit-frozen frozen.service is frozen",
    ),
    row(
        "delegate.service",
        "[Service]\nDelegate=yes\nExecStart=/bin/sleep infinity\n",
        "systemctl start $unit",
        "Active true running",
    ),
    Row {
        ours: "mode = \"observe\"\n",
        ..row(
            "below-noauto.service",
            "[Service]\nExecStart=/mnt/late/run\n",
            "",
            "finding boot-unreachable boot does not start below-noauto.service: /mnt/late/run lies below mnt-late.mount",
        )
    },
    Row {
        ours: "[recovery]\nenable = false\n",
        ..row(
            "disabled.service",
            SLEEPS,
            "systemctl start $unit\nsystemctl disable -q $unit",
            "finding not-enabled disabled.service was disabled by a person or a script",
        )
    },
];

/// Units that nobody manages, beside those of the rows.
const BESIDE: &str = "
for unit in partner bound whole sender rival absent; do
  printf '[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/$unit.service
done
printf '[Unit]\\nRequires=unneeded.service\\nAfter=unneeded.service\\n[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/needs-it.service
printf '[Unit]\\nUpholds=upheld.service\\n[Service]\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/keeper.service
printf '[Service]\\nType=oneshot\\nTimeoutStartSec=infinity\\nExecStart=/bin/sleep infinity\\n' >/etc/systemd/system/slow.service
printf '#!/bin/sh\\nuntil [ -e /run/go ]; do sleep 0.1; done\\nexit $1\\n' >/usr/local/bin/until-go
chmod +x /usr/local/bin/until-go
mkdir -p /etc/udev/rules.d /usr/share/dbus-1/system-services /mnt/late
echo 'SUBSYSTEM==\"none\", TAG+=\"systemd\", ENV{SYSTEMD_WANTS}+=\"device.service\"' >/etc/udev/rules.d/99-rig.rules
printf '[D-BUS Service]\\nName=org.example.Idle\\nExec=/bin/false\\nUser=root\\nSystemdService=bus-name.service\\n' \
  >/usr/share/dbus-1/system-services/org.example.Idle.service
echo 'tmpfs /mnt/late tmpfs noauto 0 0' >>/etc/fstab
systemctl daemon-reload
";

/// What `jq` makes of the status.
fn status(machine: &Machine, filter: &str) -> String {
    machine.try_sh(&format!("steadfast --json status | jq -r '{filter}'")).stdout
}

/// Everything that is told of a unit, a line each.
fn told(machine: &Machine, name: &str) -> String {
    let lines = r#"([.state] + [.conditions[] | "\(.type) \(.status) \(.reason) \(.message)"]
        + [.findings[] | "finding \(.code) \(.message)"] + ["blocked \(.blocked)"]) | join("\n")"#;
    let named = match name.split_once('@') {
        None => format!(".unit == \"{name}\""),
        Some((template, _)) => format!(".unit | startswith(\"{template}@\")"),
    };
    status(machine, &format!(".units[] | select({named}) | {lines}"))
}

fn try_all(name: &str, release: &str) {
    let machine = Machine::boot_as_installed(name, release);
    machine.sh(BESIDE);
    let mut enable = String::from("systemctl daemon-reload; systemctl enable -q");
    for row in ROWS {
        let boots = !matches!(
            row.unit,
            "device.service" | "handler@.service" | "bus-name.service" | "unneeded.service"
        );
        let install = if boots { "[Install]\nWantedBy=multi-user.target\n" } else { "" };
        machine.write(&format!("/etc/systemd/system/{}", row.unit), &format!("{}{install}", row.file));
        machine.write(&format!("/etc/steadfast/units.d/{}.toml", row.unit), row.ours);
        if boots {
            let _ = write!(enable, " {}", row.unit);
        }
    }
    machine.sh(&enable);
    let acts = |first: bool| {
        let mut script = String::new();
        for row in ROWS {
            let (before, after) = row.act.split_once('\n').unwrap_or((row.act, ""));
            let act = if first { before } else { after };
            if !act.is_empty() {
                let _ = writeln!(script, "(unit={}; {act}) &", row.unit);
            }
        }
        script
    };
    machine.sh(&format!("{}wait", acts(true)));
    machine.install_steadfast();
    let templates = ROWS.iter().filter(|row| row.unit.contains('@')).count();
    machine.wait_until("every unit is read", LIMIT, || {
        let read = r#"[.units[] | select(.active_state != null and .unit_file_state != null)] | length"#;
        status(&machine, read).trim() == (ROWS.len() - templates).to_string()
    });
    machine.sh(&format!("touch /run/go\n{}wait", acts(false)));
    let mut wrong = Vec::new();
    for row in ROWS {
        let (says, is) = row.says.strip_prefix('!').map_or((row.says, true), |says| (says, false));
        let began = std::time::Instant::now();
        let mut seen = told(&machine, row.unit);
        while seen.contains(says) != is && began.elapsed() < LIMIT / 4 {
            std::thread::sleep(std::time::Duration::from_millis(200));
            seen = told(&machine, row.unit);
        }
        println!("{:<28} {}", row.unit, row.says);
        if seen.contains(says) != is || seen.is_empty() {
            wrong.push(format!("{}: not {:?}:\n{seen}", row.unit, row.says));
        }
    }
    let orders = machine
        .try_sh("journalctl -t steadfast -o cat --no-pager | grep -E '^(start|restart) .* because of'");
    println!("orders by Steadfast:\n{}", orders.stdout);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(orders.stdout, "", "nothing is started or restarted against the will of a unit file");
}

#[test]
fn each_directive_is_followed_on_systemd_252() {
    try_all("directives-252", "bookworm");
}

#[test]
fn each_directive_is_followed_on_systemd_257() {
    try_all("directives-257", "trixie");
}
