//! `-H`: a made-up ssh in PATH, with the real program, a stranger, or nobody behind it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::{PROGRAM, Served, command, pictures, shown};

/// Writes down how it was called, and lets a script answer in the place of the other host.
const SSH: &str = r#"#!/bin/bash
echo "$*" >>"$HERE/asked"
while [ "$1" != -- ]; do shift; done
HOST=$2 LINE=$3 . "$HERE/answers"
"#;

/// Hosts by their names, as most tests want them.
const USUAL: &str = r#"
case $HOST in
  web*) exec sh -c "$LINE" ;;
  down*) printf 'ssh: connect to host %s port 22: Connection refused\r\n' "$HOST" >&2; exit 255 ;;
  bare*) echo 'bash: line 1: steadfast: command not found' >&2; exit 127 ;;
  old*) case $LINE in
    'steadfast --version') echo 'steadfast 0.0.9' ;;
    *) printf "error: unexpected argument '--for' found\n\nUsage: steadfast\n" >&2; exit 64 ;;
    esac ;;
  *nobody*) printf 'steadfast: cannot do that: only root may\ntry: sudo steadfast\n' >&2; exit 1 ;;
  other*) echo '{"version": 9, "units": "many"}' ;;
  rude*) printf 'a\033[2Jb\r\n\342\200\256c\n'; printf '\033]0;owned\007\n' >&2; exit 2 ;;
  slow*) exec sleep 1000 ;;
  master*) sleep 60 >/dev/null & exec sh -c "$LINE" ;;
  long*) yes 'a line' ;;
esac
"#;

/// Our own host, with what it takes to reach others.
struct Far {
    served: Served,
    here: PathBuf,
}

impl Far {
    fn new(served: Served, answers: &str) -> Self {
        let here = served.directory.path().to_owned();
        let bin = here.join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("ssh"), SSH).unwrap();
        fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(PROGRAM, bin.join("steadfast")).unwrap();
        fs::write(here.join("answers"), answers).unwrap();
        Self { served, here }
    }

    fn usual() -> Self {
        Self::new(Served::new(pictures::zoo(pictures::now())), USUAL)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = command(self.served.directory.path(), arguments);
        let path = format!("{}:/usr/bin:/bin", self.here.join("bin").display());
        command.env("PATH", path).env("HERE", &self.here).env("HOME", &self.here).current_dir(&self.here);
        spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// How ssh was called, a line for each time.
    fn asked(&self) -> String {
        fs::read_to_string(self.here.join("asked")).unwrap_or_default()
    }
}

#[tokio::test]
async fn many_hosts_are_one_table_the_worst_first() {
    let far = Far::usual();
    let output = shown(&far.run(&["-H", "web1,down1,bare1,other1,root@nobody1", "status"]).await);
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("5 hosts   ✖ 1 critical   ? 4 unknown"), "{output}");
    // The one that is known to be broken, those that nothing is known of, and the one that may not be asked.
    assert!(lines[2].contains("web1") && !output.contains("nginx.service"), "{output}");
    let at = |text: &str| output.find(text).unwrap_or_else(|| panic!("{text} in {output}"));
    assert!(at("web1  ") < at("down1") && at("other1") < at("root@nobody1"), "{output}");
    at("unreachable: ssh: connect to host down1 port 22: Connection refused\n");
    at("steadfast cannot be run there: bash: line 1: steadfast: command not found\n");
    at("its steadfast is of another version, and its answer does not fit this table: use --json\n");
    at("this user is not permitted: log in as one who is, such as -H root@nobody1\n");
    assert!(output.ends_with("---- exit status 2\n"), "{output}");
    let asked = far.asked();
    assert!(
        asked.contains("-o BatchMode=yes -T -a -x ") && asked.contains(" -- web1 steadfast --json status\n"),
        "{asked}"
    );
    let one = shown(&far.run(&["-H", "web1", "status", "horizon"]).await);
    assert!(one.contains("web1  horizon.service") && !one.contains("hosts"), "{one}");
    let all = shown(&far.run(&["status", "--all", "-Hweb1"]).await);
    assert!(all.contains("nginx.service") && all.contains(" web1 "), "{all}");
}

#[tokio::test]
async fn json_is_one_list_with_the_host_in_each_entry() {
    let far = Far::usual();
    let output = far.run(&["--json", "-H", "web1,down1", "--host", "rude1", "status"]).await;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of =
        |host: &str| list.as_array().unwrap().iter().find(|entry| entry["host"] == host).unwrap().clone();
    assert_eq!((of("web1")["result"].as_str(), of("web1")["exit"].as_u64()), (Some("answered"), Some(2)));
    assert_eq!(of("web1")["output"]["version"], 1);
    assert_eq!(
        (of("down1")["result"].as_str(), of("down1")["exit"].as_u64()),
        (Some("unreachable"), Some(3))
    );
    assert_eq!(of("down1")["error"], "unreachable: ssh: connect to host down1 port 22: Connection refused");
    assert_eq!(
        (of("rude1")["result"].as_str(), &of("rude1")["output"]),
        (Some("unreadable"), &serde_json::Value::Null)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn the_last_step_of_a_deploy_is_as_good_as_the_worst_host() {
    let far = Far::usual();
    let wait = ["wait", "nginx", "--for=Active,Enabled", "--timeout", "1s"];
    let well = shown(&far.run(&[&["-H", "web1,web2"], &wait[..]].concat()).await);
    assert!(
        well.starts_with("2 hosts   ● 2 ok\n● web1  nginx.service: Active, Enabled as wanted after "),
        "{well}"
    );
    assert!(well.ends_with("exit status 0\n"), "{well}");
    let old = shown(&far.run(&[&["-H", "web1,old1"], &wait[..]].concat()).await);
    let why = "? old1  steadfast 0.0.9 there does not know what was asked (error: unexpected argument '--for' found): ";
    assert!(old.contains(why) && old.ends_with("exit status 3\n"), "{old}");
    let failed =
        shown(&far.run(&["-H", "web1,down1", "wait", "horizon", "--for=Release", "--timeout", "1s"]).await);
    assert!(
        failed.contains("✖ web1   horizon.service after ") && failed.ends_with("exit status 2\n"),
        "{failed}"
    );
    let may_not = shown(&far.run(&["-H", "me@nobody1", "resume", "nginx"]).await);
    assert!(
        may_not.contains("cannot do that: only root may") && may_not.contains("-H root@nobody1"),
        "{may_not}"
    );
    assert!(may_not.ends_with("exit status 1\n"), "{may_not}");
}

#[tokio::test]
async fn forty_hosts_are_asked_thirty_two_at_a_time() {
    // Each waits until as many have begun as may be under way, and writes down how many are.
    let answers = r#"
mkdir -p "$HERE/begun" "$HERE/running"; : >"$HERE/running/$HOST"
ls "$HERE/running" | wc -l >>"$HERE/counts"
: >"$HERE/begun/$HOST"
until [ "$(ls "$HERE/begun" | wc -l)" -ge 32 ]; do sleep 0.02; done
rm "$HERE/running/$HOST"; echo "steadfast 1 on $HOST"
"#;
    let far = Far::new(Served::new(pictures::zoo(pictures::now())), answers);
    let mut list = String::from("# the shop\n");
    (1..=40).for_each(|number| writeln!(list, "web{number}").unwrap());
    fs::write(far.here.join("shop"), list).unwrap();
    let output = shown(&far.run(&["-H", "@shop", "version", "--host-timeout", "5m"]).await);
    assert!(
        output.starts_with("40 hosts   ● 40 ok\n\n● web1  ok\n  steadfast 1 on web1\n\n● web2  ok\n"),
        "{output}"
    );
    let counts = fs::read_to_string(far.here.join("counts")).unwrap();
    let most = counts.lines().filter_map(|line| line.trim().parse::<usize>().ok()).max();
    assert_eq!((counts.lines().count(), most), (40, Some(32)));
}

#[tokio::test]
async fn strangers_cannot_steer_fill_or_stop_the_terminal() {
    let far = Far::usual();
    let rude = shown(&far.run(&["-H", "rude1", "audit"]).await);
    assert!(!rude.contains('\u{1b}') && !rude.contains('\u{202e}') && !rude.contains('\u{7}'), "{rude}");
    assert!(rude.contains("a\\u{1b}[2Jb") && rude.ends_with("exit status 2\n"), "{rude}");
    let began = Instant::now();
    let slow = shown(&far.run(&["-H", "slow1,web1", "--host-timeout", "2s", "status", "nginx"]).await);
    assert!(
        slow.contains("no answer within 2 s (--host-timeout)") && slow.contains("nginx.service"),
        "{slow}"
    );
    // A master connection that stays behind holds its standard error open, and nobody waits for it.
    let master = shown(&far.run(&["-H", "master1", "--host-timeout", "40s", "status", "nginx"]).await);
    assert!(master.contains("nginx.service") && master.ends_with("exit status 0\n"), "{master}");
    // What never ends is left as well, and what it said is cut.
    let long = far.run(&["-H", "long1", "--host-timeout", "2s", "logs", "nginx"]).await;
    assert!(long.stdout.len() < 40 * 1024 * 1024 && long.status.code() == Some(3));
    assert!(began.elapsed() < Duration::from_secs(120));
}

#[tokio::test]
async fn what_is_about_one_host_or_no_host_is_refused() {
    let far = Far::usual();
    for (line, why) in [
        (&["-H", "web1", "top"][..], "top shows one host: ssh -t HOST steadfast top"),
        (&["-H", "web1", "status", "--watch"], "status --watch shows one host"),
        (&["-H", "web1", "logs", "-f", "nginx"], "logs --follow shows one host"),
        (&["-H", "web1", "adopt", "nginx"], "adopt does not go with -H: run it on the host itself"),
        (
            &["-H", "web1", "hold", "nginx", "--", "true"],
            "a process of this host cannot hold units of others",
        ),
        (&["-H", "web1", "schema"], "this is the same on every host"),
        (&["--host=-oProxyCommand=touch x", "status"], "cannot be empty or begin with '-'"),
        (&["-H", "root@-oX", "status"], "cannot be empty or begin with '-'"),
        (&["-H", "a;b", "status"], "cannot contain ';'"),
        (&["-H", "@missing", "status"], "cannot find the list of hosts missing"),
    ] {
        let output = shown(&far.run(line).await);
        assert!(output.contains(why) && output.ends_with("exit status 64\n"), "{line:?}: {output}");
    }
    assert_eq!(far.asked(), "");
    fs::remove_file(far.here.join("bin/ssh")).unwrap();
    let mut command = command(far.served.directory.path(), &["-H", "web1", "status"]);
    command.env("PATH", far.here.join("bin"));
    let output = shown(&spawn_blocking(move || command.output().unwrap()).await.unwrap());
    assert!(output.contains("cannot run ssh: it is not installed (package openssh-client)"), "{output}");
}
