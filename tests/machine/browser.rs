//! The page in a real Chromium, with a real daemon behind it: an outage from its beginning to its end, and the daemon's own absence.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, manage, status};

const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
/// It starts only while its data is there, as one whose disk is away.
const SHOP: &str = "[Service]\nExecStartPre=/usr/bin/test -e /srv/data\nExecStart=/bin/sleep infinity\n\
                    [Install]\nWantedBy=multi-user.target\n";
const SLOW: &str = "[recovery]\nburst = 20\ndelay = \"3s\"\n";

/// A tab that shows what is served inside a machine.
struct Tab {
    node: Child,
    says: BufReader<ChildStdout>,
    asked: Option<ChildStdin>,
}

impl Tab {
    /// The browser is the host's; it has the machine's network and no other.
    #[track_caller]
    fn of(machine: &Machine, url: &str) -> Self {
        let folder = installed();
        let mut node = Command::new("nsenter")
            .args(["--target", &machine.pid1().to_string(), "--net", "--", "node"])
            .arg(format!("{BROWSER}/live.mjs"))
            .arg(url)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node");
        let says = BufReader::new(node.stdout.take().expect("its output"));
        let asked = node.stdin.take();
        let mut tab = Self { node, says, asked };
        tab.answered("it starts");
        tab
    }

    #[track_caller]
    fn answered(&mut self, what: &str) {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("an answer");
        print!("{line}");
        assert!(line.starts_with("ok "), "{what}: {line:?}");
    }

    /// Does this, or waits until it is so.
    #[track_caller]
    fn ask(&mut self, what: &str) {
        let asked = self.asked.as_mut().expect("its input");
        writeln!(asked, "{what}").expect("it is asked");
        self.answered(what);
    }
}

impl Drop for Tab {
    /// The end of its input is its end, and the browser's.
    fn drop(&mut self) {
        self.asked = None;
        drop(self.node.wait());
    }
}

/// Where playwright-core and axe-core are.
#[track_caller]
fn installed() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.parent().expect("target").join("browser");
    let tools = Command::new(format!("{BROWSER}/tools.sh")).arg(&folder).status().expect("bash");
    assert!(tools.success(), "{tools}");
    folder
}

#[test]
fn the_page_lives_through_an_outage_and_through_the_absence_of_the_daemon() {
    let machine = Machine::boot("browser");
    machine.write("/etc/systemd/system/mail.service", SLEEPER);
    machine.write("/etc/systemd/system/shop.service", SHOP);
    machine.write("/srv/data", "");
    machine.write("/etc/steadfast/steadfast.toml", "listen = \"127.0.0.1:9631\"\n");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop.service mail.service");
    machine.install_steadfast();
    manage(&machine, "shop.service", SLOW);
    manage(&machine, "mail.service", "");
    machine.sh("steadfast baseline save before-the-move");
    let mut tab = Tab::of(&machine, "http://127.0.0.1:9631/");
    tab.ask("open");
    tab.ask("says 1 baseline, the newest");
    tab.ask("unfold baselines");
    tab.ask("says steadfast baseline diff before-the-move");
    tab.ask("saw shop.service ok");
    tab.ask("folded well");
    tab.ask("unfold well");
    tab.ask("well");

    // Its first start fails, and the second one is a while away.
    machine.sh("rm /srv/data; systemctl kill -s KILL shop.service");
    tab.ask("saw shop.service ok down");
    tab.ask("well");
    machine.sh("touch /srv/data");
    tab.ask("saw shop.service ok down recovering");
    tab.ask("well");
    let incident = status(&machine, ".units[] | select(.unit == \"shop.service\") | .incident");
    tab.ask("saw shop.service ok down recovering ok");
    // What somebody unfolded stays so, while everything around it changes.
    tab.ask("unfolded well");
    tab.ask("folded over");
    tab.ask("saw mail.service ok");
    tab.ask("well");

    machine.sh("systemctl stop steadfast.socket steadfast.service");
    tab.ask("stale");
    tab.ask("says no answer from Steadfast");
    tab.ask("says what you see is");
    machine.sh("systemctl start steadfast.service");
    tab.ask("live");
    tab.ask("saw shop.service ok down recovering ok");
    tab.ask("unfolded well");
    tab.ask("forgive");
    tab.ask("well");

    tab.ask(&format!("open incidents/{incident}"));
    tab.ask(&format!("says Incident {incident} of shop.service"));
    tab.ask("says proven");
    tab.ask("well");
    tab.ask("open units/shpo.service");
    tab.ask("says Did you mean shop.service?");
    // It is not found, and the browser says so.
    tab.ask("forgive");
    tab.ask("well");
    tab.ask("open units/shop.service");
    machine.sh("rm /srv/data; systemctl kill -s KILL shop.service");
    tab.ask("says ✖ down");
    tab.ask("well");
}

/// What others write: an element, quotes, what steers a terminal, and what turns the direction of a text.
const NASTY: &str =
    "<script>window.pwned=1</script><img src=x onerror=pwned=1>\"'&amp;\u{1b}[2J\u{202e}\u{9b}31m";

/// It answers so, writes so, is called so, and lives in a release that is called so.
const WRITER: &str = r#"
import http.server, os, sys, time
nasty = open("/opt/nasty").read()
open("/proc/self/comm", "w").write("<b>\x1b[2J\"'")
print("<3>" + nasty, file=sys.stderr, flush=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        import json
        body = json.dumps({"status": nasty}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answer).serve_forever()
"#;

const WRITTEN: &str = r#"
mode = "observe"
owner = "<script>window.pwned=2</script>"
[release]
settle = "200ms"
[probe.answer]
http = "http://127.0.0.1:8080/"
json = { "/status" = "ok" }
period = "1s"
timeout = "900ms"
failure_threshold = 1
[probe.command]
command = ["/bin/sh", "-c", "cat /opt/nasty; exit 1"]
period = "1s"
timeout = "900ms"
failure_threshold = 1
"#;

#[test]
fn row_12_what_a_service_writes_is_text_in_a_browser_and_in_top() {
    let machine = Machine::boot_with_servers("nasty");
    machine.write("/opt/nasty", NASTY);
    machine.write("/opt/writer.py", WRITER);
    machine.sh("mkdir -p '/srv/app/releases/<script>window.pwned=3</script>' /srv/app/releases/2
         ln -s 'releases/<script>window.pwned=3</script>' /srv/app/current");
    let description = NASTY.replace('%', "%%");
    machine.write(
        "/etc/systemd/system/shop.service",
        &format!(
            "[Unit]\nDescription={description}\n[Service]\nWorkingDirectory=/srv/app/current\n\
             ExecStart=/usr/bin/python3 /opt/writer.py\n[Install]\nWantedBy=multi-user.target\n"
        ),
    );
    machine.write("/etc/steadfast/steadfast.toml", "listen = \"127.0.0.1:9631\"\nlog_lines = true\n");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop.service");
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/shop.service.toml", WRITTEN);
    finding(&machine, "shop.service", "probe-failed");
    machine.sh("ln -sfn releases/2 /srv/app/current");
    finding(&machine, "shop.service", "release-outdated");
    let incident = status(&machine, ".units[] | select(.unit == \"shop.service\") | .incident");
    let mut tab = Tab::of(&machine, "http://127.0.0.1:9631/");
    for page in ["", "units/shop.service", &format!("incidents/{incident}")] {
        tab.ask(&format!("open {page}"));
        tab.ask("harmless");
        tab.ask("says <script>window.pwned=1</script><img src=x onerror=pwned=1>");
        tab.ask("says <script>window.pwned=3</script>");
        tab.ask(r"says <b>\u{1b}[2J");
        tab.ask(r"says \u{202e}\u{9b}31m");
        tab.ask("well");
    }
    tab.ask("open units/shop.service");
    tab.ask("says It wrote");
    tab.ask("says <script>window.pwned=2</script>");
    machine.sh("tmux -u new-session -d -s top -x 200 -y 60 'steadfast top'");
    let screen = || machine.sh("tmux -u capture-pane -p -t top");
    let shown = [
        "<script>window.pwned=1</script><img src=x",
        "<script>window.pwned=2</script>",
        "<script>window.pwned=3</script>",
        r"<b>\u{1b}[2J",
        r"\u{202e}\u{9b}31m",
        // Nothing cleared it.
        "nasty  ✖ 1 down",
    ];
    let whole = |shown: &[&str]| {
        let screen = screen();
        shown.iter().all(|text| screen.contains(text))
    };
    machine.wait_or_tell("all of it is shown", LIMIT, || whole(&shown), screen);
    // Its log as well.
    machine.sh("tmux send-keys -t top l");
    machine.wait_or_tell("its log is shown", LIMIT, || whole(&["python3[", "nasty  ✖ 1 down"]), screen);
}
