//! Commands inside a machine.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Machine;
use super::power::ENTER_CGROUPS;
use super::wait::poll;

/// Longest time that a command inside a machine may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(180);
/// Becomes the user `$1`, in that user's home and with that user's bus, and runs the script `$2`.
const AS_USER: &str = r#"
IFS=: read -r name _ uid gid _ home _ < <(getent passwd "$1") || { echo "no user $1" >&2; exit 125; }
cd "$home" || exit 125
export HOME=$home USER=$name LOGNAME=$name XDG_RUNTIME_DIR=/run/user/$uid
export DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$uid/bus
exec setpriv --reuid="$uid" --regid="$gid" --init-groups bash -c "$2"
"#;

/// What a command inside a machine came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output, without the white space at the end.
    pub stdout: String,
    /// Its standard error, without the white space at the end.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Output {
    /// Whether it ended with status 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }
}

impl Machine {
    /// A command that will run inside, as root, in PID 1's own control group; the caller may still set its standard streams.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let leader = self.pid1();
        let mut command = Command::new("sh");
        command
            .args(["-c", ENTER_CGROUPS, "enter"])
            .arg(self.scratch().payload().join("init.scope"))
            .args(["--", "nsenter", "--target", &leader.to_string()])
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--"])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", "/root")
            .env("USER", "root")
            .env("LOGNAME", "root");
        if let Some(terminal) = std::env::var_os("TERM") {
            command.env("TERM", terminal);
        }
        command
    }

    /// Runs a command inside, as root, and says what came of it.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, b"")
    }

    /// Runs a command inside, as root, with this on its standard input.
    ///
    /// Files take its output rather than pipes, so that a script may leave a process behind without us waiting for it.
    #[track_caller]
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Output {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = |kind: &str| self.scratch().folder.join(format!("{number}.{kind}"));
        let (input_path, out_path, error_path) = (path("in"), path("out"), path("err"));
        create(&input_path)
            .write_all(input)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", input_path.display()));
        let start = Instant::now();
        let mut child = self
            .command(arguments)
            .stdin(open(&input_path))
            .stdout(create(&out_path))
            .stderr(create(&error_path))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run nsenter: {error}"));
        let status = poll(COMMAND_LIMIT, || child.try_wait().ok().flatten());
        let took = start.elapsed();
        let (stdout, stderr) = (take(&out_path), take(&error_path));
        let _ = std::fs::remove_file(&input_path);
        let Some(status) = status else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{arguments:?} still runs after {COMMAND_LIMIT:?}\n{stdout}\n{stderr}");
        };
        Output { code: status.code(), stdout, stderr, took }
    }

    /// Runs a bash script inside, as root, and returns its standard output. Fails when the script fails.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        succeeded(script, self.try_sh(script))
    }

    /// Runs a bash script inside, as root, and says what came of it.
    #[track_caller]
    pub fn try_sh(&self, script: &str) -> Output {
        self.run(&["bash", "-c", script])
    }

    /// Runs a bash script inside as a user, with the user's own bus, and returns its standard output. Fails when it fails.
    #[track_caller]
    pub fn sh_as(&self, user: &str, script: &str) -> String {
        succeeded(script, self.try_sh_as(user, script))
    }

    /// Runs a bash script inside as a user, with the user's own bus, and says what came of it.
    #[track_caller]
    pub fn try_sh_as(&self, user: &str, script: &str) -> Output {
        self.run(&["bash", "-c", AS_USER, "as-user", user, script])
    }
}

#[track_caller]
fn succeeded(script: &str, output: Output) -> String {
    assert!(
        output.ok(),
        "this failed inside the machine, with status {:?}:\n{script}\n--- stdout\n{}\n--- stderr\n{}",
        output.code,
        output.stdout,
        output.stderr
    );
    output.stdout
}

fn create(path: &Path) -> File {
    File::create(path).unwrap_or_else(|error| panic!("cannot make {}: {error}", path.display()))
}

fn open(path: &Path) -> Stdio {
    File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display())).into()
}

/// Reads and removes a file.
fn take(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let _ = std::fs::remove_file(path);
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}
