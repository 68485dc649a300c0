//! `UnitFileState=` read from the disk as systemd works it out, which takes PID 1 milliseconds for each unit: it reads all links
//! twice for that. What is not plain is left to the manager.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zbus::Connection;

use super::bus::{self, BusError, Instance, words};
use super::catalog::{Catalog, Found, Kind, Link};
use super::proxies::ManagerProxy;
use super::unit_paths::{Lasting, unit_dirs};
use crate::model::unit::{UnitFileState, UnitName};

/// Questions in flight; PID 1 answers one at a time and takes milliseconds for each.
const QUESTIONS: usize = 4;
/// All questions that are asked together.
const QUESTIONS_LIMIT: Duration = Duration::from_secs(120);
/// The disk has this long; without an answer the manager is asked.
const DISK_LIMIT: Duration = Duration::from_secs(5);
/// Threads that may look at the disk at once, those that hang included.
static LOOKS: Semaphore = Semaphore::const_new(2);

/// Links to this are masks.
const NULL: &str = "/dev/null";
/// What `systemctl enable` writes to.
const PERSISTENT: &str = "/etc/systemd/system";

/// Enablement of units, afresh, in the order given: as the disk tells, and of what it does not tell plainly as the manager says.
pub async fn read(instance: Instance, units: &[UnitName]) -> Vec<(UnitName, UnitFileState)> {
    let mut states = of_disk(instance, units).await;
    states.resize(units.len(), None);
    let open: Vec<UnitName> = units
        .iter()
        .zip(&states)
        .filter(|(_, state)| state.is_none())
        .map(|(unit, _)| unit.clone())
        .collect();
    let mut told = ask(instance, &open).await.into_iter();
    let unasked = || UnitFileState::Unknown("it was not asked".to_owned());
    let known = states.into_iter().map(|state| state.or_else(|| told.next()).unwrap_or_else(unasked));
    units.iter().cloned().zip(known).collect()
}

/// Every unit file. `asks`: which of them also with their state, if they are no templates.
///
/// # Errors
/// The manager had to be asked, and cannot be reached.
pub(super) async fn list(
    instance: Instance,
    asks: impl Fn(&UnitName) -> bool,
) -> Result<Vec<(UnitName, Option<UnitFileState>)>, BusError> {
    let Some(names) = names_on_disk(instance).await else {
        let connection = bus::connect(instance).await?;
        let listed = ManagerProxy::new(&connection).await?.list_unit_files().await?;
        let name = |path: &str| UnitName::from(path.rsplit('/').next().unwrap_or_default());
        let of = |(path, state): (String, String)| {
            let unit = name(&path);
            let state = Some(file_state(&state)).filter(|_| asks(&unit) && !unit.is_template());
            (unit, state)
        };
        return Ok(listed.into_iter().map(of).collect());
    };
    let (asked, rest): (Vec<UnitName>, Vec<UnitName>) =
        names.into_iter().partition(|unit| asks(unit) && !unit.is_template());
    let states = read(instance, &asked).await.into_iter().map(|(unit, state)| (unit, Some(state)));
    Ok(states.chain(rest.into_iter().map(|unit| (unit, None))).collect())
}

/// The state of every unit file of the system whose root this is, as the disk tells it; `None` where the manager is to be asked.
#[doc(hidden)]
#[must_use]
pub fn below(root: &Path) -> Vec<(UnitName, Option<UnitFileState>)> {
    let catalog = Catalog::of(root, unit_dirs(Instance::System));
    let units = catalog.names().map(UnitName::from);
    units.map(|unit| (unit.clone(), state(&catalog, &unit))).collect()
}

/// The state of one unit of the system whose root this is, in the same way.
#[doc(hidden)]
#[must_use]
pub fn of_one(root: &Path, unit: &UnitName) -> Option<UnitFileState> {
    state(&Catalog::of(root, unit_dirs(Instance::System)), unit)
}

/// The names of all unit files; `None` where the disk does not answer, and for users.
async fn names_on_disk(instance: Instance) -> Option<Vec<UnitName>> {
    look(instance, move |catalog| catalog.names().map(UnitName::from).collect()).await
}

/// What the disk tells; nothing where it does not answer, and nothing of the files of users, who choose where these lie.
async fn of_disk(instance: Instance, units: &[UnitName]) -> Vec<Option<UnitFileState>> {
    let units = units.to_vec();
    let states = look(instance, move |catalog| units.iter().map(|unit| state(catalog, unit)).collect());
    states.await.unwrap_or_default()
}

/// One look at the directories of unit files, on a thread of its own.
async fn look<T: Send + 'static>(
    instance: Instance,
    find: impl FnOnce(&Catalog) -> T + Send + 'static,
) -> Option<T> {
    let turn = LOOKS.try_acquire().ok().filter(|_| instance == Instance::System)?;
    let looking = tokio::task::spawn_blocking(move || {
        let found = find(&Catalog::read(instance));
        drop(turn);
        found
    });
    timeout(DISK_LIMIT, looking).await.ok()?.ok()
}

/// Asks the manager, over one connection.
async fn ask(instance: Instance, units: &[UnitName]) -> Vec<UnitFileState> {
    if units.is_empty() {
        return Vec::new();
    }
    let mut told = Vec::with_capacity(units.len());
    let failure = match bus::connect(instance).await {
        Err(error) => error.to_string(),
        Ok(connection) => {
            let answers = async {
                let mut answers =
                    stream::iter(units.to_vec()).map(|unit| asked(&connection, unit)).buffered(QUESTIONS);
                while let Some(state) = answers.next().await {
                    told.push(state);
                }
            };
            let late = timeout(QUESTIONS_LIMIT, answers).await.is_err();
            let limit = QUESTIONS_LIMIT.as_secs();
            if late { format!("no answer within {limit}s") } else { String::new() }
        }
    };
    told.resize(units.len(), UnitFileState::Unknown(failure));
    told
}

async fn asked(connection: &Connection, unit: UnitName) -> UnitFileState {
    let asked = async {
        let manager = ManagerProxy::new(connection).await?;
        manager.get_unit_file_state(unit.as_str()).await
    };
    match asked.await {
        Ok(state) if state == "generated" && init_script_is_off(Path::new("/"), unit.as_str()) => {
            UnitFileState::InitScriptOff
        }
        Ok(state) => file_state(&state),
        Err(zbus::Error::FDO(error)) if matches!(*error, zbus::fdo::Error::FileNotFound(_)) => {
            UnitFileState::NotFound
        }
        Err(zbus::Error::MethodError(name, _, _)) if name.ends_with(".NoSuchUnit") => UnitFileState::NotFound,
        Err(error) => UnitFileState::Unknown(words(&error)),
    }
}

/// systemd's word as a state.
fn file_state(word: &str) -> UnitFileState {
    match word {
        "enabled" => UnitFileState::Enabled,
        "enabled-runtime" => UnitFileState::EnabledRuntime,
        "linked" => UnitFileState::Linked,
        "linked-runtime" => UnitFileState::LinkedRuntime,
        "alias" => UnitFileState::Alias,
        "masked" => UnitFileState::Masked,
        "masked-runtime" => UnitFileState::MaskedRuntime,
        "static" => UnitFileState::Static,
        "disabled" => UnitFileState::Disabled,
        "indirect" => UnitFileState::Indirect,
        "generated" => UnitFileState::Generated,
        "transient" => UnitFileState::Transient,
        "bad" => UnitFileState::Bad,
        other => UnitFileState::Unknown(format!("systemd says {other}")),
    }
}

/// The state of a unit of the system's manager; `None`: the manager is to be asked. Blocks, for as long as a hung file system likes.
pub(super) fn state(catalog: &Catalog, unit: &UnitName) -> Option<UnitFileState> {
    let name = unit.as_str();
    let template = unit.template();
    let found = catalog.first(name).or_else(|| catalog.first(template.as_ref()?.as_str()));
    let Some(found) = found else {
        return Some(UnitFileState::NotFound);
    };
    match found.kind {
        Kind::Link(target) if target == Path::new(NULL) => masked(catalog, &found),
        // An instance of a template that is a link, or one whose own file is a link.
        Kind::Link(_) if template.is_some() => None,
        Kind::Link(target) => alias(catalog, name, target),
        Kind::File => of_file(catalog, unit, &found),
    }
}

fn masked(catalog: &Catalog, found: &Found<'_>) -> Option<UnitFileState> {
    let dir = catalog.dir(found.dir)?;
    let runtime = dir.is_runtime();
    Some(if runtime { UnitFileState::MaskedRuntime } else { UnitFileState::Masked })
}

/// A link to a unit file of another name, in one of the directories. Any other link is not plain.
fn alias(catalog: &Catalog, name: &str, target: &Path) -> Option<UnitFileState> {
    let other = target.file_name()?.to_str()?;
    let real = catalog.first(other).filter(|_| other != name && !other.contains('@'))?;
    if matches!(real.kind, Kind::Link(target) if target == Path::new(NULL)) {
        return masked(catalog, &real);
    }
    // A relative link lies beside it.
    let holder = target.parent().filter(|holder| holder.is_absolute());
    let inside = holder.is_none_or(|holder| catalog.has_dir(holder));
    let plain = *real.kind == Kind::File && inside && size(&real.path)? > 0;
    plain.then_some(UnitFileState::Alias)
}

fn size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|seen| seen.len())
}

fn of_file(catalog: &Catalog, unit: &UnitName, found: &Found<'_>) -> Option<UnitFileState> {
    let dir = catalog.dir(found.dir)?;
    if size(&found.path)? == 0 {
        return masked(catalog, found);
    }
    if dir.lasting == Lasting::Generated {
        let off = init_script_is_off(&catalog.path(Path::new("/")), unit.as_str());
        return Some(if off { UnitFileState::InitScriptOff } else { UnitFileState::Generated });
    }
    if dir.is_transient() {
        return Some(UnitFileState::Transient);
    }
    let name = unit.as_str();
    let own = |link: &&Link| link.name == name;
    if let Some(state) = linked(catalog, unit, catalog.wanted(name).iter().filter(own))
        && state == UnitFileState::Enabled
    {
        return Some(state);
    }
    // Drop-ins may add to what `[Install]` says.
    let template = unit.template();
    let owners = [Some(name), template.as_ref().map(UnitName::as_str)];
    let said = |path: &Path| fs::read_to_string(path).map_or(true, |text| text.contains("[Install]"));
    if owners.into_iter().flatten().flat_map(|owner| catalog.drop_ins(owner)).any(|path| said(&path)) {
        return None;
    }
    let install = Install::read(&found.path)?;
    let links = || catalog.wanted(name).iter().chain(catalog.aliases(name));
    if let Some(state) = linked(catalog, unit, links().filter(|link| install.knows(name, &link.name))) {
        return Some(state);
    }
    if linked(catalog, unit, links()).is_some() {
        return Some(UnitFileState::Indirect);
    }
    Some(match install {
        Install { wanted: false, also: true, aliases, .. } if aliases.is_empty() => UnitFileState::Indirect,
        Install { wanted: false, aliases, .. } if aliases.is_empty() => UnitFileState::Static,
        _ => UnitFileState::Disabled,
    })
}

/// What these links make of a unit.
fn linked<'c>(
    catalog: &'c Catalog,
    unit: &UnitName,
    links: impl Iterator<Item = &'c Link>,
) -> Option<UnitFileState> {
    let (mut in_runtime, mut at_all) = (false, false);
    for link in links {
        let dir = catalog.dir(link.dir)?;
        if dir.path == catalog.path(Path::new(PERSISTENT)) {
            return Some(UnitFileState::Enabled);
        }
        in_runtime |= dir.is_runtime();
        at_all |= !dir.is_runtime();
    }
    if in_runtime {
        return Some(UnitFileState::EnabledRuntime);
    }
    // By its vendor; a link of the vendor's to a unit that is no instance says nothing.
    (at_all && unit.instance().is_some()).then_some(UnitFileState::Static)
}

/// An init script that no run level starts: its generator makes a unit all the same.
pub(super) fn init_script_is_off(root: &Path, unit: &str) -> bool {
    let Some(name) = unit.strip_suffix(".service") else {
        return false;
    };
    let made = root.join("run/systemd/generator.late").join(unit).exists();
    let script = root.join("etc/init.d").join(name).exists();
    let starts = |level: u8| {
        let links = fs::read_dir(root.join(format!("etc/rc{level}.d"))).into_iter().flatten().flatten();
        links.filter_map(|link| link.file_name().into_string().ok()).any(|link| {
            let (number, rest) =
                link.strip_prefix('S').and_then(|rest| rest.split_at_checked(2)).unwrap_or(("", ""));
            rest == name && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    made && script && !(2..=5).any(starts)
}

/// `[Install]` of a unit file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Install {
    /// `WantedBy=`, `RequiredBy=` or `UpheldBy=` is set.
    wanted: bool,
    aliases: Vec<String>,
    also: bool,
    instance: String,
}

impl Install {
    /// `None` where it cannot be read, or where it holds what has to be filled in.
    fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lists: [Vec<String>; 5] = Default::default();
        let keys = ["WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also"];
        let mut install = Self::default();
        let mut inside = false;
        for line in logical_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                inside = line == "[Install]";
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| inside) else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if key == "DefaultInstance" {
                value.clone_into(&mut install.instance);
            }
            let Some(list) = keys.iter().position(|known| *known == key).and_then(|at| lists.get_mut(at))
            else {
                continue;
            };
            if value.is_empty() {
                list.clear();
            }
            list.extend(value.split_whitespace().map(|word| word.trim_matches('"').to_owned()));
        }
        let [wanted, required, upheld, aliases, also] = lists;
        install.wanted = !wanted.is_empty() || !required.is_empty() || !upheld.is_empty();
        install.also = !also.is_empty();
        install.aliases = aliases;
        let filled_in = install.aliases.iter().chain([&install.instance]).any(|word| word.contains('%'));
        (!filled_in).then_some(install)
    }

    /// Whether `systemctl enable` of the unit would make a link of this name.
    fn knows(&self, unit: &str, link: &str) -> bool {
        let default = || {
            let (prefix, kind) = unit.split_once("@.").filter(|_| !self.instance.is_empty())?;
            Some(format!("{prefix}@{}.{kind}", self.instance))
        };
        link == unit || self.aliases.iter().any(|alias| alias == link) || default().as_deref() == Some(link)
    }
}

/// Lines without comments, each with those that continue it.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let (line, goes_on) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        match lines.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => lines.push(line.to_owned()),
        }
        open = goes_on;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_systemd_is_understood() {
        for word in [
            "enabled",
            "enabled-runtime",
            "linked",
            "linked-runtime",
            "alias",
            "masked",
            "masked-runtime",
            "static",
            "disabled",
            "indirect",
            "generated",
            "transient",
            "bad",
        ] {
            assert_eq!(file_state(word).as_str(), word);
        }
        assert_eq!(file_state("novel"), UnitFileState::Unknown("systemd says novel".to_owned()));
    }

    #[test]
    fn an_install_section_is_read_as_systemd_reads_it() {
        let text = "[Unit]\nAlias=no.service\n[Install]\n# WantedBy=c.target\nWantedBy=a.target \\\n b.target\nAlias=x.service y.service\n";
        let install = Install::parse(text).expect("plain");
        assert!(install.wanted && !install.also);
        assert_eq!(install.aliases, ["x.service", "y.service"]);
        assert!(!Install::parse("[Install]\nWantedBy=a.target\nWantedBy=\n").expect("plain").wanted);
        assert_eq!(Install::parse("[Install]\nAlias=x-%i.service\n"), None);
        let template = Install::parse("[Install]\nDefaultInstance=tty1\n").expect("plain");
        assert!(template.knows("getty@.service", "getty@tty1.service"));
        assert!(!template.knows("getty@.service", "getty@tty2.service"));
    }

    #[test]
    fn an_init_script_is_off_where_no_run_level_starts_it() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["run/systemd/generator.late", "etc/init.d", "etc/rc2.d", "etc/rc0.d"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        let is_off = || init_script_is_off(root.path(), "monit.service");
        for file in ["etc/rc0.d/K01monit", "run/systemd/generator.late/monit.service", "etc/init.d/monit"] {
            assert!(!is_off());
            fs::write(root.path().join(file), "").expect("a file");
        }
        fs::write(root.path().join("etc/rc2.d/S01monitor"), "").expect("a file");
        assert!(is_off());
        fs::write(root.path().join("etc/rc2.d/S02monit"), "").expect("a file");
        assert!(!is_off());
    }
}
