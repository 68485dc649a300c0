//! What the next boot would start, asked of systemd's own engine (`systemd --test`).
//!
//! The engine loads every unit from disk, as the next boot will, and computes the initial transaction. It says each job on
//! its debug log and then dumps all it knows, which takes minutes where there are thousands of units: it is killed once it
//! has said the last job. It refuses root, so systemd runs it for us as nobody.

mod command_line;
mod doubts;
#[doc(hidden)]
pub mod fuzzed;
mod links;
mod transcript;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bus::Instance;
use super::command::{self, Command};
use super::orders::Orders;
use super::output::OutputLimit;
use super::unit_paths::{Lasting, unit_dirs};
use crate::clock;
use crate::model::boot::{BootReading, Lingering};
use crate::model::probe::{CommandEnd, CommandOutcome};
use transcript::Transcript;

/// Begins the reason why the next boot is not known to whoever is not root.
const ROOT_ONLY: &str = "only root can compute it (try sudo)";
/// The engine needs about 0.2 s for 1,000 units and 1.5 s for 10,000 on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Times that it is asked while somebody reloads the service manager.
const ATTEMPTS: usize = 4;
/// About ten lines for each unit: enough for some 15,000 units.
const OUTPUT: OutputLimit = OutputLimit { bytes: 16 * 1024 * 1024, lines: 200_000 };
/// Where the manager's binary lies; the second on systems without a merged /usr.
const ENGINES: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
/// What boot starts unless it is told otherwise.
const DEFAULT: &str = "default.target";
/// Users whose manager runs from boot on.
const LINGER: &str = "/var/lib/systemd/linger";

/// Computes what the next boot would start: of the system, or of the user whose manager `orders` speaks to.
///
/// Whatever goes wrong is in the reading, as its failure.
pub async fn predict(orders: &Orders, user_instance: bool) -> BootReading {
    let read_at = clock::now();
    let computed = compute(orders, user_instance).await;
    let lingering = user_instance.then(lingering);
    match computed {
        Ok(Transcript { starts, doubts, hindrances, .. }) => {
            BootReading { starts, doubts, hindrances, lingering, failure: None, read_at }
        }
        Err(why) => {
            let failure = Some(if is_stranger(orders) { format!("{ROOT_ONLY}: {why}") } else { why });
            BootReading { lingering, failure, read_at, ..BootReading::default() }
        }
    }
}

async fn compute(orders: &Orders, user_instance: bool) -> Result<Transcript, String> {
    let orders = &able(orders);
    let units = Instance::of(user_instance);
    let mut transcript = transaction(orders, units, DEFAULT).await?;
    let told = if user_instance { None } else { command_line::told_target() };
    if let Some(target) = told.filter(|target| target != DEFAULT) {
        // Said for this boot alone, or written into the boot loader's settings: it cannot be told.
        let other = transaction(orders, units, &target).await?;
        let why = format!("the command line of this boot asks for {target}, and the next may or may not");
        transcript = transcript.or(other, &why);
    }
    doubts::spread(units, &mut transcript).await?;
    let dirs: Vec<PathBuf> = left_after_reboot(units).collect();
    let explained = tokio::task::spawn_blocking(move || {
        links::explain(&dirs, &mut transcript);
        transcript
    });
    explained.await.map_err(|error| format!("cannot read the links of unit files: {error}"))
}

/// Asks the engine. What generators make is gone for a moment while the manager is reloaded: then it is asked again.
async fn transaction(orders: &Orders, units: Instance, target: &str) -> Result<Transcript, String> {
    for _ in 0..ATTEMPTS {
        let before = generated(units);
        let outcome = command::run(orders, question(engine()?, units, target, orders.instance())).await;
        if generated(units) == before {
            return transcript::read(&outcome.output).map_err(|why| failure(&outcome, why));
        }
    }
    Err("the service manager was reloaded again and again meanwhile".to_owned())
}

/// The directories that generators write to, which are made anew at each reload; which of them are there, and when each
/// was last written to.
fn generated(units: Instance) -> Vec<(PathBuf, u64, i64, i64)> {
    let dirs = unit_dirs(units).into_iter().filter(|dir| dir.lasting == Lasting::Generated);
    let seen = dirs.filter_map(|dir| {
        let seen = std::fs::symlink_metadata(&dir.path).ok()?;
        Some((dir.path, seen.ino(), seen.ctime(), seen.ctime_nsec()))
    });
    seen.collect()
}

/// Somebody else than root asks about the system.
fn is_stranger(orders: &Orders) -> bool {
    orders.instance() == Instance::System && !nix::unistd::geteuid().is_root()
}

/// Only root may have PID 1 run a command; anybody else asks the manager of their own.
fn able(orders: &Orders) -> Orders {
    if is_stranger(orders) { Orders::new(Instance::User) } else { orders.clone() }
}

fn engine() -> Result<&'static str, String> {
    let found = ENGINES.into_iter().find(|path| Path::new(path).exists());
    found.ok_or_else(|| format!("cannot find PID 1's engine: no {}", ENGINES.join(", no ")))
}

/// Asks what the target would start.
fn question(engine: &str, units: Instance, target: &str, runs_it: Instance) -> Command {
    let scope = match units {
        Instance::System => "--system",
        Instance::User => "--user",
    };
    let argv = [engine, "--test", scope, &format!("--unit={target}")].map(str::to_owned);
    let mut command = Command::new(argv.to_vec(), TIMEOUT);
    command.description = "Steadfast: what would the next boot start?".to_owned();
    command.output = OUTPUT;
    // It makes folders for its generators below /tmp, and leaves them there when it is killed.
    command.private_tmp = true;
    if runs_it == Instance::System {
        command.user = Some("nobody".to_owned());
        // As PID 1 it reads unit files that root alone may read.
        command.reads_all = true;
        command.until = Some(transcript::DONE.to_owned());
    }
    let path: Vec<String> = left_after_reboot(units).map(|dir| dir.display().to_string()).collect();
    // A user's manager cannot give it a /tmp of its own everywhere: there it may end by itself, or time out.
    command.environment = vec![
        "SYSTEMD_LOG_LEVEL=debug".to_owned(),
        "SYSTEMD_LOG_TARGET=console".to_owned(),
        "SYSTEMD_LOG_COLOR=0".to_owned(),
        "SYSTEMD_LOG_TIME=0".to_owned(),
        "SYSTEMD_LOG_LOCATION=0".to_owned(),
        format!("SYSTEMD_UNIT_PATH={}", path.join(":")),
    ];
    command
}

/// The directories of unit files without those that a reboot empties.
fn left_after_reboot(units: Instance) -> impl Iterator<Item = PathBuf> {
    let left = unit_dirs(units).into_iter().filter(|dir| dir.lasting != Lasting::Emptied);
    left.map(|dir| dir.path)
}

/// How the command ended says more than what is missing in its output, unless we ended it.
fn failure(outcome: &CommandOutcome, why: String) -> String {
    match &outcome.ended {
        CommandEnd::NotRun(reason) => format!("cannot run PID 1's engine: {reason}"),
        CommandEnd::TimedOut => format!("PID 1's engine was not done within {}s", TIMEOUT.as_secs()),
        CommandEnd::Exited(_) | CommandEnd::Signalled(_) | CommandEnd::Flooded => why,
    }
}

/// Whether the manager of the user that we are runs from boot on.
fn lingering() -> Lingering {
    let id = nix::unistd::geteuid();
    let known = nix::unistd::User::from_uid(id).ok().flatten();
    let user = known.map_or_else(|| id.to_string(), |known| known.name);
    let on = Path::new(LINGER).join(&user).exists();
    Lingering { user, on }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_does_not_see_what_a_reboot_empties() {
        let dirs: Vec<PathBuf> = left_after_reboot(Instance::System).collect();
        let sees = |dir: &str| dirs.iter().any(|seen| seen == Path::new(dir));
        assert!(sees("/etc/systemd/system") && sees("/run/systemd/generator"));
        assert!(!sees("/run/systemd/system") && !sees("/run/systemd/transient"));
    }

    #[test]
    fn the_reason_of_a_failure_is_the_first_cause() {
        let outcome = |ended| CommandOutcome { ended, output: Vec::new(), took: Duration::from_secs(1) };
        let told = |ended| failure(&outcome(ended), "nothing was said".to_owned());
        assert_eq!(told(CommandEnd::NotRun("no bus".to_owned())), "cannot run PID 1's engine: no bus");
        assert_eq!(told(CommandEnd::TimedOut), "PID 1's engine was not done within 30s");
        assert_eq!(told(CommandEnd::Exited(1)), "nothing was said");
    }
}
