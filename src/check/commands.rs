//! Smoke tests and command probes: run as the unit's own processes are, if their program can be trusted right now.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::unit::UnitName;
use crate::ownership;
use crate::redact::redacted;
use crate::systemd::Instance;
use crate::systemd::command;
use crate::systemd::execution::like_unit;
use crate::systemd::orders::Orders;

/// Looking who may write a program, and every directory above it.
const LOOK: Duration = Duration::from_secs(5);
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
    let like = async {
        let command = like_unit(orders, unit, argv, limit).await?;
        // A service's user may well be given a script of its own.
        let words = if command.has_user() { 1 } else { command.argv.len() };
        trusted(command.argv.iter().take(words).cloned().collect(), orders.instance()).await?;
        Ok::<_, String>(command)
    };
    match like.await {
        Ok(mut command) => {
            command.directory = directory.or(command.directory);
            command::run(orders, command).await
        }
        Err(why) => {
            CommandOutcome { ended: CommandEnd::NotRun(why), output: Vec::new(), took: Duration::ZERO }
        }
    }
}

/// Runs a command that is not a unit's, as the user whose manager it is. `secrets`: variables that nobody else reads.
pub async fn run_ours(
    orders: &Orders,
    argv: Vec<String>,
    secrets: Vec<String>,
    limit: Duration,
) -> CommandOutcome {
    if let Err(why) = trusted(argv.clone(), orders.instance()).await {
        return CommandOutcome { ended: CommandEnd::NotRun(why), output: Vec::new(), took: Duration::ZERO };
    }
    let mut command = command::Command::new(argv, limit);
    command.secrets = secrets;
    let mut outcome = command::run(orders, command).await;
    outcome.output.iter_mut().for_each(|line| *line = redacted(line));
    outcome
}

/// The configuration was loaded with a program that could be trusted; it may have been replaced since.
async fn trusted(argv: Vec<String>, instance: Instance) -> Result<(), String> {
    let owner = match instance {
        Instance::System => 0,
        Instance::User => nix::unistd::getuid().as_raw(),
    };
    let looked = timeout(LOOK, async move {
        let turn = LOOKS.acquire().await.ok()?;
        let look = tokio::task::spawn_blocking(move || {
            let seen = ownership::check_command(&argv, owner);
            drop(turn);
            seen
        });
        look.await.ok()
    });
    looked.await.ok().flatten().unwrap_or_else(|| Err("its file system does not answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_others_may_replace_is_not_run() {
        assert_eq!(trusted(vec!["/bin/sh".to_owned()], Instance::System).await, Ok(()));
        let why = trusted(vec!["/tmp/x".to_owned()], Instance::System).await;
        assert!(why.is_err_and(|why| why.contains("/tmp")), "everybody may write there");
    }
}
