//! Smoke tests and command probes: run as the unit's own processes are, if their program can be trusted right now.

use std::path::Path;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::spec::DrainSpec;
use crate::model::unit::UnitName;
use crate::ownership;
use crate::redact::redacted;
use crate::systemd::Instance;
use crate::systemd::command;
use crate::systemd::execution::like_unit;
use crate::systemd::orders::Orders;

use super::patience;

/// Looking who may write a program, and every directory above it.
const LOOK: Duration = Duration::from_secs(5);
/// Between two questions whether a unit has finished its work, and for the answer to one.
const PAUSE: Duration = Duration::from_secs(2);
const ASKING: Duration = Duration::from_secs(30);
/// Threads that may look at once, those that hang in a dead file system included.
static LOOKS: Semaphore = Semaphore::const_new(8);

/// Runs a command as the unit's own user, in its environment.
pub async fn run_as(
    orders: &Orders,
    unit: &UnitName,
    argv: Vec<String>,
    directory: Option<String>,
    limit: Duration,
) -> CommandOutcome {
    run_like(orders, unit, argv, (directory, &[]), limit).await
}

/// The same, with these variables besides.
async fn run_like(
    orders: &Orders,
    unit: &UnitName,
    argv: Vec<String>,
    (directory, environment): (Option<String>, &[String]),
    limit: Duration,
) -> CommandOutcome {
    let like = async {
        let command = like_unit(orders, unit, argv, limit).await?;
        // What a service's user interprets may well be its own: it gets no rights by it.
        let look = if command.has_user() { program_alone } else { ownership::check_command };
        trusted(command.argv.clone(), orders.instance(), look).await?;
        Ok::<_, String>(command)
    };
    match like.await {
        Ok(mut command) => {
            command.directory = directory.or(command.directory);
            command.environment.extend_from_slice(environment);
            command::run(orders, command).await
        }
        Err(why) => {
            CommandOutcome { ended: CommandEnd::NotRun(why), output: Vec::new(), took: Duration::ZERO }
        }
    }
}

/// Tells a unit to take no more work, and waits until it has finished what it has, within the limit of both.
pub async fn drained(
    orders: &Orders,
    unit: &UnitName,
    drain: DrainSpec,
    main_pid: Option<u32>,
) -> CommandOutcome {
    let began = Instant::now();
    let environment: Vec<String> = main_pid.iter().map(|pid| format!("MAINPID={pid}")).collect();
    let run = |argv: Vec<String>, limit: Duration| run_like(orders, unit, argv, (None, &environment), limit);
    let mut outcome = run(drain.command, drain.timeout).await;
    if outcome.ended == CommandEnd::TimedOut {
        // It was told nothing, perhaps: that it does not finish is something else.
        outcome.ended = CommandEnd::NotRun("it did not end in time".to_owned());
    }
    let Some(until) = drain.until.filter(|_| outcome.ended == CommandEnd::Exited(0)) else {
        return outcome;
    };
    loop {
        let left = drain.timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return CommandOutcome { ended: CommandEnd::TimedOut, took: began.elapsed(), ..outcome };
        }
        outcome = run(until.clone(), left.min(ASKING)).await;
        if matches!(outcome.ended, CommandEnd::Exited(0) | CommandEnd::NotRun(_)) {
            return outcome;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Runs a command that is not a unit's, as the user whose manager it is. `secrets`: variables that nobody else reads.
pub async fn run_ours(
    orders: &Orders,
    argv: Vec<String>,
    secrets: Vec<String>,
    limit: Duration,
) -> CommandOutcome {
    if let Err(why) = trusted(argv.clone(), orders.instance(), ownership::check_command).await {
        return CommandOutcome { ended: CommandEnd::NotRun(why), output: Vec::new(), took: Duration::ZERO };
    }
    let mut command = command::Command::new(argv, limit);
    command.secrets = secrets;
    let mut outcome = command::run(orders, command).await;
    outcome.output.iter_mut().for_each(|line| *line = redacted(line));
    outcome
}

/// Looks at who may write what a command runs, for root or this user.
type Look = fn(&[String], u32) -> Result<(), String>;

fn program_alone(argv: &[String], owner: u32) -> Result<(), String> {
    argv.first().map_or(Ok(()), |program| ownership::check(Path::new(program), owner))
}

/// The configuration was loaded with a program that could be trusted; it may have been replaced since.
async fn trusted(argv: Vec<String>, instance: Instance, how: Look) -> Result<(), String> {
    let owner = match instance {
        Instance::System => 0,
        Instance::User => nix::unistd::getuid().as_raw(),
    };
    let looked = patience::look(LOOK, &LOOKS, move || how(&argv, owner)).await;
    looked.unwrap_or_else(|| Err("its file system does not answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_others_may_replace_is_not_run() {
        for look in [ownership::check_command, program_alone] {
            let look = |program: &str| trusted(vec![program.to_owned()], Instance::System, look);
            assert_eq!(look("/bin/sh").await, Ok(()));
            assert!(look("/tmp/x").await.is_err_and(|why| why.contains("/tmp")), "everybody may write there");
        }
    }

    /// A script of root's that the application's own interpreter runs (a venv) is no door for a unit with a user.
    #[tokio::test]
    async fn what_interprets_a_script_counts_for_root_alone() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/interpreted");
        std::fs::create_dir_all(&place).unwrap();
        let (venv, script) = (place.join("python"), place.join("smoke"));
        std::fs::write(&venv, "").unwrap();
        std::fs::write(&script, format!("#!{}\n", venv.display())).unwrap();
        std::os::unix::fs::chown(&venv, Some(1234), None).unwrap();
        let look = |look: Look| trusted(vec![script.to_string_lossy().into_owned()], Instance::System, look);
        let his = |why: &String| why.contains("belongs to user 1234");
        assert!(look(ownership::check_command).await.is_err_and(|why| his(&why)));
        assert!(!look(program_alone).await.is_err_and(|why| his(&why)));
    }
}
