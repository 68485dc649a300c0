//! `steadfast top` in a real terminal (tmux), while the daemon is restarted and the terminal changes.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
/// Of the unit that is chosen it is said which file it has.
const CHOSEN: &str = "│   /etc/steadfast/units.d/shop.service.toml";

fn tmux(machine: &Machine, command: &str) -> String {
    machine.sh(&format!("tmux -u {command}"))
}

/// What the terminal shows.
fn screen(machine: &Machine) -> String {
    tmux(machine, "capture-pane -p -t top")
}

/// Waits until it shows this.
#[track_caller]
fn shows(machine: &Machine, text: &str) {
    machine.wait_or_tell(text, LIMIT, || screen(machine).contains(text), || screen(machine));
}

#[test]
fn top_keeps_the_chosen_unit_through_the_absence_of_the_daemon_and_leaves_the_terminal_as_it_was() {
    let machine = Machine::boot_with_servers("top");
    for unit in ["mail.service", "shop.service"] {
        machine.write(&format!("/etc/systemd/system/{unit}"), SLEEPER);
    }
    machine.sh("systemctl daemon-reload; systemctl enable -q --now mail.service shop.service");
    machine.install_steadfast();
    manage(&machine, "mail.service", "");
    manage(&machine, "shop.service", "");
    tmux(&machine, "new-session -d -s top -x 120 -y 40 'steadfast top; echo ended with $?; exec cat'");
    shows(&machine, "● mail.service");
    tmux(&machine, "send-keys -t top Down");
    shows(&machine, CHOSEN);
    machine.sh("systemctl stop steadfast.socket steadfast.service");
    shows(&machine, "NO ANSWER, this is");
    shows(&machine, CHOSEN);
    machine.sh("systemctl start steadfast.service");
    let back = || {
        let shown = screen(&machine);
        assert!(shown.contains(CHOSEN), "{shown}");
        !shown.contains("NO ANSWER") && shown.matches("the service manager runs").count() == 2
    };
    machine.wait_or_tell("it is back", LIMIT, back, || screen(&machine));
    // It works as before, at any size.
    tmux(&machine, "send-keys -t top r");
    shows(&machine, "Do it?");
    tmux(&machine, "send-keys -t top n");
    for (width, height) in [(80, 24), (200, 60), (120, 40)] {
        tmux(&machine, &format!("resize-window -t top -x {width} -y {height}"));
        shows(&machine, "shop.service");
        let shown = screen(&machine);
        assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}×{height}:\n{shown}");
    }
    // A signal ends it, and the terminal is as it was.
    machine.sh("pkill -TERM -f '^steadfast top$'");
    shows(&machine, "ended with");
    let modes = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
    assert_eq!(tmux(&machine, &format!("display -p -t top '{modes}'")), "0 1 0");
}
