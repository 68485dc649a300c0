//! Composes unit files at random from the directives of docs/directives.md, and says what of each is known beforehand.

use std::fmt::Write as _;

/// A generator of numbers whose whole course follows from its seed (SplitMix64).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound.max(1)).expect("small")).expect("small")
    }

    /// Once in so many times.
    pub fn once_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Rows of docs/directives.md that no unit of the fuzz has, with the reason.
pub const LEFT_OUT: [(&str, &str); 9] = [
    ("`StopWhenUnneeded=`", "needs a unit that needs it; `directives.rs` has it"),
    ("`umount`, `swapoff`", "are not about services; `directives.rs` has them"),
    ("`BusName=`", "needs a bus that starts it; `directives.rs` has it"),
    ("`BindsTo=` a device", "needs a device; `directives.rs` has it"),
    ("devices and udev", "need a device; `directives.rs` has it"),
    ("`noauto`", "is about boot; `directives.rs` and `boot/kinds.sh` have it"),
    ("unit file on a late mount", "is about boot; `boot/kinds.sh` has it"),
    ("transient units", "have no file; `transient-unit-is-not-enabled` and `boot/kinds.sh` have them"),
    ("generators", "are about reloads and boot; `generated.rs` has them"),
];

/// What is known of a unit before anything happens.
#[derive(Clone, Debug, Default)]
pub struct Composed {
    pub name: String,
    pub file: String,
    /// A socket, timer or path beside it: file name and content.
    pub beside: Option<(String, String)>,
    pub ours: String,
    pub enabled: bool,
    /// It is started before Steadfast is there.
    pub started: bool,
    /// Nobody but Steadfast may start it: what happens if it is, ends the host.
    pub untouchable: bool,
    /// Why Steadfast must not start it: never, where its file says so beforehand. What only a try can tell (a condition, an
    /// exit status), and nobody has tried while it was loaded, one start may find out.
    pub never: Option<&'static str>,
    pub one_may_tell: bool,
    /// Commands that happen to it, in this order.
    pub acts: Vec<String>,
}

/// What its main process does.
const PROGRAMS: [(&str, Option<u32>); 6] = [
    ("/bin/sleep infinity", None),
    ("/bin/sleep infinity", None),
    ("/bin/sleep infinity", None),
    ("/usr/local/bin/ends 4 0", Some(0)),
    ("/usr/local/bin/ends 4 3", Some(3)),
    ("/usr/local/bin/ends 0 3", Some(3)),
];

const POLICIES: [&str; 9] =
    ["", "", "no", "always", "on-failure", "on-success", "on-abnormal", "on-abort", "on-watchdog"];

/// The next unit, after these.
pub fn compose(dice: &mut Dice, before: &[Composed]) -> Composed {
    let number = before.len();
    let name = format!("fz{number:03}.service");
    let mut unit =
        Composed { enabled: !dice.once_in(6), started: !dice.once_in(4), name, ..Composed::default() };
    let (mut head, mut body) = (String::new(), String::new());
    let (program, ends) = dice.one(&PROGRAMS);
    let oneshot = dice.once_in(7);
    if oneshot {
        let stays = dice.once_in(2);
        body += "Type=oneshot\n";
        body += if stays { "RemainAfterExit=yes\n" } else { "" };
        body += dice.one(&[
            "ExecStart=/bin/true\n",
            "ExecStart=/bin/true\n",
            "ExecStart=/usr/local/bin/ends 1 3\n",
        ]);
    } else {
        let _ = write!(body, "Type={}\nExecStart={program}\n", dice.one(&["simple", "exec"]));
    }
    if dice.once_in(3) {
        body += "ExecReload=/bin/true\n";
    }
    let restart = if oneshot { "" } else { dice.one(&POLICIES) };
    if !restart.is_empty() {
        let _ = writeln!(body, "Restart={restart}");
        let _ = writeln!(body, "RestartSec={}", dice.one(&["100ms", "1", "5", "1h"]));
        body += if dice.once_in(4) { "RestartSteps=3\nRestartMaxDelaySec=20\n" } else { "" };
        body += if dice.once_in(4) { "RestartMode=direct\n" } else { "" };
        if restart == "on-success" && ends == Some(3) {
            unit.never = Some("Restart=on-success does not cover its exit code");
            unit.one_may_tell = true;
        }
    }
    statuses(dice, &mut unit, &mut body, (ends, restart, oneshot));
    limits(dice, &mut unit, &mut head, &mut body);
    conditions(dice, &mut unit, &mut head, &mut body);
    others(dice, &mut unit, &mut head, before);
    triggers(dice, &mut unit, oneshot);
    if dice.once_in(20) {
        if dice.once_in(2) {
            head += "RefuseManualStart=yes\n";
            unit.never = Some("RefuseManualStart=");
            unit.one_may_tell = false;
        } else {
            head += "RefuseManualStop=yes\n";
        }
    }
    body += if dice.once_in(12) { "Delegate=yes\n" } else { "" };
    let install =
        if unit.enabled || dice.once_in(2) { "[Install]\nWantedBy=multi-user.target\n" } else { "" };
    unit.file = format!("[Unit]\n{head}[Service]\n{body}{install}");
    ours(dice, &mut unit);
    if !unit.untouchable {
        acts(dice, &mut unit);
    }
    unit
}

fn statuses(dice: &mut Dice, unit: &mut Composed, body: &mut String, known: (Option<u32>, &str, bool)) {
    let (ends, restart, oneshot) = known;
    if ends != Some(3) || oneshot {
        return;
    }
    match dice.below(6) {
        0 => {
            *body += "RestartPreventExitStatus=3\n";
            unit.never = Some("RestartPreventExitStatus= names its exit code");
            unit.one_may_tell = true;
        }
        1 if restart != "always" => *body += "RestartForceExitStatus=3\n",
        2 => {
            *body += "SuccessExitStatus=3\n";
            // Then it is a success, which on-success covers.
            unit.never = None;
        }
        _ => {}
    }
    if body.contains("RestartForceExitStatus") {
        unit.never = None;
    }
}

fn limits(dice: &mut Dice, unit: &mut Composed, head: &mut String, body: &mut String) {
    match dice.below(14) {
        0 => *head += "StartLimitIntervalSec=1h\nStartLimitBurst=3\n",
        1 => *head += "StartLimitIntervalSec=10\nStartLimitBurst=5\n",
        2 => *head += "StartLimitIntervalSec=0\n",
        3 => {
            *head += dice.one(&[
                "FailureAction=reboot-force\n",
                "SuccessAction=poweroff-force\n",
                "JobTimeoutAction=reboot-force\nJobTimeoutSec=1h\n",
                "StartLimitIntervalSec=1h\nStartLimitBurst=1\nStartLimitAction=reboot-force\n",
            ]);
            unit.untouchable = true;
            unit.started = false;
            unit.never = Some("its end would act on the whole host");
            unit.one_may_tell = false;
        }
        4 => *body += "RuntimeMaxSec=6\n",
        5 => *body += "TimeoutStartSec=20\nTimeoutStopSec=3\n",
        6 => *body += "ExecStartPre=/bin/sleep 2\n",
        7 => *body += "KillMode=process\n",
        8 => *body += "KillMode=mixed\n",
        _ => {}
    }
}

fn conditions(dice: &mut Dice, unit: &mut Composed, head: &mut String, body: &mut String) {
    let unmet = match dice.below(16) {
        0 => {
            *head += "ConditionPathExists=/none\n";
            Some("its condition is not met")
        }
        1 => {
            *head += "AssertPathExists=/none\n";
            Some("its assert is not met")
        }
        2 => {
            *body += "ExecCondition=/bin/false\n";
            Some("its ExecCondition= does not let")
        }
        3 => {
            *head += "ConditionPathExists=/etc/passwd\n";
            None
        }
        4 => {
            *body += "ExecCondition=/bin/true\n";
            None
        }
        _ => None,
    };
    if unmet.is_some() && !unit.untouchable {
        unit.started = true;
        unit.never = unmet;
        unit.one_may_tell = true;
    }
}

fn others(dice: &mut Dice, unit: &mut Composed, head: &mut String, before: &[Composed]) {
    if !dice.once_in(3) || unit.untouchable || before.is_empty() {
        return;
    }
    // Only earlier ones, so that there is no circle; and none that must not be started by way of this one.
    let other = &before[dice.below(before.len())];
    if other.untouchable {
        return;
    }
    let other = &other.name;
    let told = match dice.below(9) {
        0 => format!("Requires={other}\nAfter={other}\n"),
        1 => format!("BindsTo={other}\nAfter={other}\n"),
        2 => format!("PartOf={other}\nAfter={other}\n"),
        3 => format!("StopPropagatedFrom={other}\n"),
        4 => format!("PropagatesStopTo={other}\n"),
        5 => format!("Conflicts={other}\n"),
        6 => format!("Upholds={other}\n"),
        7 => "Requisite=absent.service\nAfter=absent.service\n".to_owned(),
        _ => format!("Wants={other}\nAfter={other}\n"),
    };
    if told.starts_with("Requisite") {
        unit.never = Some("Requisite= names a unit that is down");
        unit.one_may_tell = false;
        unit.started = false;
    }
    *head += &told;
}

fn triggers(dice: &mut Dice, unit: &mut Composed, oneshot: bool) {
    if unit.untouchable || oneshot || !dice.once_in(9) {
        return;
    }
    let stem = unit.name.trim_end_matches(".service").to_owned();
    unit.beside = Some(match dice.below(4) {
        0 => (format!("{stem}.socket"), format!("[Socket]\nListenStream=/run/{stem}\n")),
        1 => (format!("{stem}.timer"), "[Timer]\nOnActiveSec=9h\n".to_owned()),
        2 => (format!("{stem}.path"), "[Path]\nPathExists=/none\n".to_owned()),
        _ => {
            (format!("{stem}-conn.socket"), format!("[Socket]\nListenStream=/run/{stem}-conn\nAccept=yes\n"))
        }
    });
}

fn ours(dice: &mut Dice, unit: &mut Composed) {
    unit.ours = match dice.below(10) {
        0 => {
            unit.never = Some("mode is observe");
            unit.one_may_tell = false;
            "mode = \"observe\"\n".to_owned()
        }
        1 => "[recovery]\nclean_exit = \"hold\"\n".to_owned(),
        2..=5 => "[recovery]\nclean_exit_delay = \"3s\"\n".to_owned(),
        _ => String::new(),
    };
}

fn acts(dice: &mut Dice, unit: &mut Composed) {
    let name = &unit.name;
    for _ in 0..dice.below(4) {
        let act = match dice.below(15) {
            0 | 1 => format!("systemctl --no-block stop {name}"),
            2 | 3 => format!("systemctl --no-block start {name}"),
            4 => format!("systemctl --no-block restart {name}"),
            5..=7 => format!("systemctl kill -s KILL {name}"),
            8 => format!("systemctl kill -s TERM {name}"),
            9 => format!("systemctl --no-block reload {name}"),
            10 => format!("systemctl disable -q {name}"),
            11 => format!("systemctl enable -q {name}"),
            12 => format!("systemctl freeze {name}"),
            13 => format!("systemctl thaw {name}"),
            _ => "systemctl daemon-reload".to_owned(),
        };
        unit.acts.push(act);
    }
}
