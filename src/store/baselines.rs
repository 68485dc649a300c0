//! Baselines: pictures of the host as JSON files in a private folder beside the database. The daemon need not run for them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::model::baseline::{Baseline, Head, Port, ReleaseThen, Stray, UnitThen};
use crate::model::host::Protocol;
use crate::model::unit::ActiveState;

use super::record::{Record, field, object, record, unlike, words};

/// The version of the files that this program writes and reads.
const VERSION: u64 = 1;
/// Baselines of a name that somebody chose.
const CHOSEN: usize = 100;
/// Those that were taken by themselves; the oldest go.
const AUTOMATIC: usize = 20;
/// Bytes of a file that are read.
const LARGEST: u64 = 64 << 20;
/// Characters of a name.
const NAME: usize = 64;

record!(Head { name, host, boot_id, user_instance, taken_ms, by, before });
record!(Baseline { head, units, ports, strays, packages, ephemeral, untold, beyond });
record!(UnitThen {
    found,
    active,
    sub,
    result,
    enablement,
    boot,
    service_type,
    remain_after_exit,
    fragment,
    triggered_by,
    managed,
    packages,
    releases,
});
record!(ReleaseThen { link, target });
record!(Port { protocol, address, unit, program, passing });
record!(Stray { command, uid, place });

words!(ActiveState {
    Active = "active",
    Reloading = "reloading",
    Inactive = "inactive",
    Failed = "failed",
    Activating = "activating",
    Deactivating = "deactivating",
    Other = "other",
});
words!(Protocol {
    Tcp = "tcp",
    Udp = "udp",
    Unix = "unix",
});

/// Why a baseline cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error(
        "cannot name a baseline {0:?}: letters, digits, `.`, `_`, `:` and `-`, at most {NAME} of them, no dot first"
    )]
    Name(String),
    #[error("cannot find the baseline {name}: there is none in {folder} (see: steadfast baseline list)")]
    Missing { name: String, folder: PathBuf },
    #[error("cannot save the baseline {0}: there is one of that name (another name, or --replace)")]
    Exists(String),
    #[error("cannot save a baseline: {CHOSEN} are kept already (steadfast baseline delete NAME)")]
    Full,
    #[error("cannot read the baseline {path}: {why}")]
    Unlike { path: PathBuf, why: String },
    #[error("cannot use {path}: {source}")]
    File { path: PathBuf, source: io::Error },
}

/// Whether a baseline can have this name.
///
/// # Errors
/// It cannot.
pub fn check_name(name: &str) -> Result<(), BaselineError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
    if name.is_empty() || name.len() > NAME || name.starts_with('.') || !name.chars().all(plain) {
        return Err(BaselineError::Name(name.to_owned()));
    }
    Ok(())
}

/// The folder of the baselines. Everything in it blocks.
#[derive(Clone, Debug)]
pub struct Baselines {
    folder: PathBuf,
}

impl Baselines {
    /// Those in this state directory.
    #[must_use]
    pub fn new(state_directory: &Path) -> Self {
        Self { folder: state_directory.join("baselines") }
    }

    /// Keeps it under its name: written beside, synced, renamed. Of those that were taken by themselves the oldest go.
    ///
    /// # Errors
    /// The name is none, or taken and not to be replaced; or the disk refuses.
    pub fn save(&self, baseline: &Baseline, replace: bool) -> Result<PathBuf, BaselineError> {
        let path = self.path(&baseline.head.name)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| BaselineError::File { path: self.folder.clone(), source })?;
        if path.exists() && !replace {
            return Err(BaselineError::Exists(baseline.head.name.clone()));
        }
        let known = self.list()?;
        let chosen = known.iter().filter(|head| head.before.is_none() && head.name != baseline.head.name);
        if baseline.head.before.is_none() && chosen.count() >= CHOSEN {
            return Err(BaselineError::Full);
        }
        let mut body = baseline.write();
        if let Some(fields) = body.as_object_mut() {
            fields.shift_insert(0, "version".to_owned(), Value::from(VERSION));
        }
        let mut text = body.to_string();
        text.push('\n');
        let new = self.folder.join(format!(".{}.{}.new", baseline.head.name, std::process::id()));
        let written = write(&new, text.as_bytes()).and_then(|()| fs::rename(&new, &path));
        let synced = written.and_then(|()| File::open(&self.folder)?.sync_all());
        synced.map_err(|source| {
            drop(fs::remove_file(&new));
            BaselineError::File { path: path.clone(), source }
        })?;
        self.prune(&known);
        Ok(path)
    }

    /// Whether one of this name may be taken: said before the host is looked over.
    ///
    /// # Errors
    /// The name is none, or taken.
    pub fn may_save(&self, name: &str) -> Result<(), BaselineError> {
        if self.path(name)?.exists() { Err(BaselineError::Exists(name.to_owned())) } else { Ok(()) }
    }

    /// The oldest of those that nobody asked for go; what cannot be removed stays.
    fn prune(&self, known: &[Head]) {
        // The one that was just saved is not in the list.
        let automatic = known.iter().filter(|head| head.before.is_some());
        for head in automatic.skip(AUTOMATIC.saturating_sub(1)) {
            if let Ok(path) = self.path(&head.name) {
                drop(fs::remove_file(path));
            }
        }
    }

    /// One by its name.
    ///
    /// # Errors
    /// There is none, or it cannot be understood.
    pub fn read(&self, name: &str) -> Result<Baseline, BaselineError> {
        let path = self.path(name)?;
        parse(&self.text(name)?).map_err(|why| BaselineError::Unlike { path, why })
    }

    /// The file of one, as it is.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn text(&self, name: &str) -> Result<String, BaselineError> {
        let path = self.path(name)?;
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        match read {
            Ok(_) => Ok(text),
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                Err(BaselineError::Missing { name: name.to_owned(), folder: self.folder.clone() })
            }
            Err(source) => Err(BaselineError::File { path, source }),
        }
    }

    /// Those that there are, newest first; what cannot be understood is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Head>, BaselineError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(BaselineError::File { path: self.folder.clone(), source }),
        };
        let mut heads = Vec::new();
        for entry in entries.flatten().take(2 * (CHOSEN + AUTOMATIC)) {
            let file = entry.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            if let Some(baseline) = name.and_then(|name| self.read(name).ok()) {
                heads.push(baseline.head);
            }
        }
        heads.sort_by(|a, b| b.taken_ms.cmp(&a.taken_ms).then_with(|| a.name.cmp(&b.name)));
        Ok(heads)
    }

    /// When one was last saved or removed; `None`: none ever was.
    #[must_use]
    pub fn changed(&self) -> Option<SystemTime> {
        fs::metadata(&self.folder).and_then(|folder| folder.modified()).ok()
    }

    /// Removes one.
    ///
    /// # Errors
    /// There is none, or the disk refuses.
    pub fn delete(&self, name: &str) -> Result<(), BaselineError> {
        let path = self.path(name)?;
        fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                BaselineError::Missing { name: name.to_owned(), folder: self.folder.clone() }
            }
            _ => BaselineError::File { path, source },
        })
    }

    /// The file of a name that is one: nothing of it leads out of the folder.
    fn path(&self, name: &str) -> Result<PathBuf, BaselineError> {
        check_name(name)?;
        Ok(self.folder.join(format!("{name}.json")))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn parse(text: &str) -> Result<Baseline, String> {
    let stored: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match field::<u64>(&stored, "version")? {
        VERSION => Baseline::read(&stored),
        other => Err(format!("it has version {other}, this program reads {VERSION}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::boot::BootVerdict;
    use crate::model::unit::UnitName;

    fn baseline(name: &str, taken_ms: i64, before: Option<&str>) -> Baseline {
        let unit = UnitThen {
            found: true,
            active: ActiveState::Active,
            sub: "running".to_owned(),
            result: "success".to_owned(),
            enablement: "enabled".to_owned(),
            boot: Some(BootVerdict::Armed { by: UnitName::from("shop.socket") }),
            service_type: "notify".to_owned(),
            remain_after_exit: false,
            fragment: "/etc/systemd/system/shop.service".to_owned(),
            triggered_by: vec![UnitName::from("shop.socket")],
            managed: true,
            packages: vec!["shop".to_owned()],
            releases: vec![ReleaseThen { link: "/srv/shop/current".to_owned(), target: None }],
        };
        let port = Port {
            protocol: Protocol::Tcp,
            address: "127.0.0.1:80".to_owned(),
            unit: Some(UnitName::from("shop.service")),
            program: "shop".to_owned(),
            passing: false,
        };
        Baseline {
            head: Head {
                name: name.to_owned(),
                host: "web1".to_owned(),
                boot_id: "b".to_owned(),
                user_instance: false,
                taken_ms,
                by: "root".to_owned(),
                before: before.map(str::to_owned),
            },
            units: [("shop.service".to_owned(), unit)].into(),
            ports: vec![port],
            strays: vec![Stray { command: "/srv/x".to_owned(), uid: 7, place: "session-1.scope".to_owned() }],
            packages: [("shop".to_owned(), "1.0-1".to_owned())].into(),
            ephemeral: (32_768, 60_999),
            untold: Vec::new(),
            beyond: Vec::new(),
        }
    }

    #[test]
    fn what_was_saved_is_read_again_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().expect("a folder");
        let all = Baselines::new(state.path());
        assert_eq!(all.list().expect("no folder, no baseline"), []);
        let saved = baseline("before-upgrade", 1, None);
        let path = all.save(&saved, false).expect("saved");
        assert_eq!(all.read("before-upgrade").expect("read"), saved);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("a folder"))), (0o600, 0o700));
        assert!(fs::read_to_string(&path).expect("text").starts_with("{\"version\":1,"));
        assert!(all.save(&saved, false).is_err_and(|why| why.to_string().contains("--replace")));
        all.save(&saved, true).expect("replaced");
        all.delete("before-upgrade").expect("deleted");
        assert!(all.read("before-upgrade").is_err_and(|why| why.to_string().contains("there is none")));
        assert_eq!(fs::read_dir(state.path().join("baselines")).expect("a folder").count(), 0);
    }

    #[test]
    fn a_name_leads_nowhere_else_and_what_is_broken_is_told() {
        let state = tempfile::tempdir().expect("a folder");
        let all = Baselines::new(state.path());
        for name in ["", "..", "../x", "a/b", ".hidden", "a b", "\u{e4}", &"x".repeat(65)] {
            assert!(matches!(all.read(name), Err(BaselineError::Name(_))), "{name:?}");
        }
        all.save(&baseline("x", 1, None), false).expect("saved");
        let path = state.path().join("baselines/x.json");
        for (text, told) in [("{", "EOF"), ("{\"version\":2}", "it has version 2"), ("{}", "version")] {
            fs::write(&path, text).expect("written");
            assert!(all.read("x").is_err_and(|why| why.to_string().contains(told)), "{text}");
            assert_eq!(all.list().expect("listed"), [], "it is left out");
        }
    }

    #[test]
    fn of_those_that_nobody_asked_for_the_oldest_go() {
        let state = tempfile::tempdir().expect("a folder");
        let all = Baselines::new(state.path());
        all.save(&baseline("mine", 0, None), false).expect("saved");
        for number in 1..=25_i64 {
            all.save(&baseline(&format!("apt-{number}"), number, Some("apt")), false).expect("saved");
        }
        let kept = all.list().expect("listed");
        assert_eq!((kept.len(), kept.first().map(|head| head.taken_ms)), (AUTOMATIC + 1, Some(25)));
        assert_eq!(kept.last().map(|head| head.name.as_str()), Some("mine"));
    }
}
