//! The days of a window are those of systemd's own calendar events.

use std::process::Command;

use steadfast::calendar::Window;
use steadfast::model::moment::Moment;

/// 2026-11-27 06:00:00 UTC, a Friday, in milliseconds.
const NOW: Moment = Moment { boot_ms: 0, wall_ms: 1_795_759_200_000 };

/// What `systemd-analyze calendar` says begins next, three times, in seconds since 1970.
fn systemd_says(event: &str) -> Vec<i64> {
    let output = Command::new("systemd-analyze")
        .args(["calendar", "--iterations=3", "--base-time=2026-11-27 06:00:00 UTC", event])
        .env("TZ", "UTC")
        .output()
        .expect("systemd-analyze runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let next = text.lines().filter_map(|line| {
        let at = line
            .trim()
            .strip_prefix("Next elapse:")
            .or_else(|| line.trim().strip_prefix("Iter. #")?.get(2..));
        at.map(str::trim)
    });
    let seconds = |at: &str| {
        let date = Command::new("date").args(["-u", "-d", at, "+%s"]).output().expect("date runs");
        String::from_utf8_lossy(&date.stdout).trim().parse().expect("a date")
    };
    next.map(seconds).collect()
}

#[test]
fn windows_open_when_systemd_says() {
    for (days, hour, to) in [
        ("", "02:00", "05:00"),
        ("Mon..Fri", "02:00", "05:00"),
        ("Sat,Sun", "22:30", "04:00"),
        ("Sat *-*-1..7", "03:00", "04:00"),
        ("*-*-15", "00:00", "24:00"),
        ("Mon *-1,7-*", "06:00", "07:00"),
        ("*-12-24..31", "09:00", "17:00"),
        ("2028-2-29", "01:00", "02:00"),
        ("*-*-1/10", "23:59", "0:30"),
        ("Wed,Fri..Sun 2027-*-*", "12:00", "13:00"),
    ] {
        let window = Window::parse(&format!("{days} {hour}..{to} UTC")).expect("a window");
        let ours: Vec<i64> = window.openings(NOW).iter().map(|(from, _)| from.wall_ms / 1000).collect();
        // What is open already began before.
        let ours: Vec<i64> = ours.into_iter().filter(|from| *from * 1000 >= NOW.wall_ms).take(3).collect();
        assert_eq!(ours, systemd_says(format!("{days} {hour} UTC").trim()), "{days} {hour}");
    }
}
