//! `version`: what this program was built from, and whether the daemon that runs is the same.

use serde::Serialize;

use super::Options;
use super::exit::Exit;
use super::render::text::clean;
use super::terminal::Terminal;
use crate::api::Build;
use crate::api::wire::VERSION;

/// The answer as JSON.
#[derive(Serialize)]
struct Versions {
    #[serde(flatten)]
    build: Build,
    /// Of the unit files, the JSON and the names that people rely on.
    contract: u32,
    /// `null` where no daemon answers.
    daemon: Option<Build>,
}

pub async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    let health = match options.client() {
        Ok(client) => client.health().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let build = Build::this();
    if options.json {
        let daemon = health.ok().and_then(|health| health.build);
        terminal.print_json(&Versions { build, contract: VERSION, daemon })?;
        return Ok(Exit::Ok);
    }
    let daemon = match health {
        Ok(health) => running(&build, health.build.as_ref(), options.user),
        Err(why) => why,
    };
    terminal.print(&clean_lines(&build, &daemon))?;
    Ok(Exit::Ok)
}

/// What there is to know of the daemon that answers.
fn running(build: &Build, daemon: Option<&Build>, user: bool) -> String {
    let systemctl = if user { "systemctl --user" } else { "systemctl" };
    match daemon {
        Some(daemon) if daemon == build => "running, the same build".to_owned(),
        Some(daemon) => format!(
            "running, another build: {}, {} (to run this one: {systemctl} restart steadfast)",
            daemon.short(),
            daemon.profile
        ),
        None => format!("running, an older version (to run this one: {systemctl} restart steadfast)"),
    }
}

fn clean_lines(build: &Build, daemon: &str) -> String {
    let unknown = || "not recorded".to_owned();
    let commit = build.commit.clone().unwrap_or_else(unknown);
    let rustc = build.rustc.clone().unwrap_or_else(unknown);
    format!(
        "steadfast {}\n  commit    {}\n  build     {}, {}\n  compiler  {}\n  contract  {VERSION}\n  daemon    {}\n",
        build.version,
        clean(&commit),
        build.profile,
        build.target,
        clean(&rustc),
        clean(daemon)
    )
}
