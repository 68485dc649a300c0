//! Where settings and unit files lie: the contract's paths, and the variables that move them.

use std::env;
use std::path::{Path, PathBuf};

/// The places of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// `steadfast.toml`.
    pub settings: PathBuf,
    /// Directories of unit files; of the same file name the earlier wins.
    pub units: Vec<PathBuf>,
    /// Who must own what is read, besides root.
    pub owner: u32,
}

impl Directories {
    /// Those of the user's own instance, or of the system's.
    #[must_use]
    pub fn of(user: bool) -> Self {
        if user { Self::user() } else { Self::system() }
    }

    /// The system instance.
    #[must_use]
    pub fn system() -> Self {
        let config =
            moved("STEADFAST_CONFIG_DIR", "CONFIGURATION_DIRECTORY").unwrap_or("/etc/steadfast".into());
        let runtime = moved("STEADFAST_RUNTIME_DIR", "RUNTIME_DIRECTORY").unwrap_or("/run/steadfast".into());
        Self {
            settings: config.join("steadfast.toml"),
            units: vec![
                config.join("units.d"),
                runtime.join("units.d"),
                PathBuf::from("/usr/lib/steadfast/units.d"),
            ],
            owner: 0,
        }
    }

    /// The instance of the user who runs this.
    #[must_use]
    pub fn user() -> Self {
        let home = || env::var_os("HOME").map_or(PathBuf::from("/"), PathBuf::from);
        let xdg = env::var_os("XDG_CONFIG_HOME").map_or_else(|| home().join(".config"), PathBuf::from);
        let config =
            moved("STEADFAST_CONFIG_DIR", "CONFIGURATION_DIRECTORY").unwrap_or(xdg.join("steadfast"));
        Self {
            settings: config.join("steadfast.toml"),
            units: vec![config.join("units.d")],
            owner: nix::unistd::getuid().as_raw(),
        }
    }

    /// The file lies in a directory of unit files.
    #[must_use]
    pub fn holds(&self, file: &Path) -> bool {
        self.units.iter().any(|folder| file.starts_with(folder))
    }
}

/// Our variable wins over systemd's; of a list the first counts.
fn moved(ours: &str, systemds: &str) -> Option<PathBuf> {
    let value = env::var(ours).or_else(|_| env::var(systemds)).ok()?;
    let first = value.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}
