//! The image that a container runs, and the one that its name stands for now: what its engine says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock;
use crate::model::installed::{Container, Content, Installed, Kind, State};
use crate::model::probe::CommandEnd;
use crate::model::unit::UnitName;
use crate::release;
use crate::systemd::orders::Orders;

use super::commands::run_as;

/// One question to an engine.
const LIMIT: Duration = Duration::from_millis(2500);
/// The longest name of an image.
const NAME: usize = 512;

/// What the container of a unit runs. `None` where it cannot be told: nothing is said of it then. The engine is asked as the
/// unit's own user.
pub async fn image(
    orders: &Orders,
    unit: &UnitName,
    container: &Container,
    main_pid: Option<u32>,
) -> Option<Installed> {
    let main_pid = main_pid?;
    let format = if container.engine.ends_with("docker") {
        "{{.Image}} {{.Config.Image}}"
    } else {
        "{{.Image}} {{.ImageName}}"
    };
    let runs =
        ask(orders, unit, container, ["container", "inspect", "--format", format, &container.name]).await?;
    let (running, name) = runs.split_once(' ')?;
    let named = name.len() < NAME && !name.starts_with('-') && !name.contains(char::is_whitespace);
    named.then_some(())?;
    let now = ask(orders, unit, container, ["image", "inspect", "--format", "{{.Id}}", name]).await?;
    let bare = |id: &str| id.trim_start_matches("sha256:").to_owned();
    let (running, now) = (bare(running), bare(&now));
    let is_id = |id: &str| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id(&running) && is_id(&now)).then_some(())?;
    let at = clock::now();
    let content = Content {
        print: release::print_of(now.as_bytes()),
        newest: name.to_owned(),
        changed_at: at,
        held: BTreeMap::from([(main_pid, release::print_of(running.as_bytes()))]),
        ..Content::default()
    };
    Some(Installed {
        kind: Kind::Container,
        place: name.to_owned(),
        of_unit: true,
        users: BTreeSet::from([main_pid]),
        state: State::Whole,
        content: Some(content),
    })
}

/// The only line of an answer.
async fn ask(orders: &Orders, unit: &UnitName, container: &Container, words: [&str; 5]) -> Option<String> {
    let words = words.iter().map(|word| (*word).to_owned());
    let argv = std::iter::once(container.engine.clone()).chain(words).collect();
    let ended = run_as(orders, unit, argv, None, LIMIT).await;
    let lines: Vec<&String> = ended.output.iter().filter(|line| !line.trim().is_empty()).collect();
    match (ended.ended, lines.as_slice()) {
        (CommandEnd::Exited(0), [line]) => Some(line.trim().to_owned()),
        _ => None,
    }
}
