//! Which versions of which packages are installed, as dpkg recorded it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of dpkg's list, and packages in it, that are read.
const BYTES: u64 = 256 << 20;
const PACKAGES: usize = 50_000;
/// rpm's database is read by rpm alone.
const RPM: [&str; 2] = ["var/lib/rpm", "usr/lib/sysimage/rpm"];

/// Installed versions by name; what is not installed completely has its state in brackets. Blocks.
///
/// # Errors
/// The list is there and cannot be read, or this host has none: one sentence.
pub fn installed(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let path = root.join("var/lib/dpkg/status");
    let read = |file: File| packages(BufReader::new(file.take(BYTES)));
    match File::open(&path).and_then(read) {
        Ok(packages) => Ok(packages),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let rpm = RPM.iter().any(|folder| root.join(folder).exists());
            let why = if rpm { "they stand in rpm's own database" } else { "no database of dpkg is here" };
            Err(format!("versions of packages: {why}"))
        }
        Err(why) => Err(format!("versions of packages: {why}")),
    }
}

/// Paragraphs of `Key: value` lines.
fn packages(list: impl BufRead) -> io::Result<BTreeMap<String, String>> {
    let mut packages = BTreeMap::new();
    let mut one = Package::default();
    for line in list.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            std::mem::take(&mut one).put(&mut packages);
        } else if let Some((key, value)) = line.split_once(": ") {
            match key {
                "Package" => value.clone_into(&mut one.name),
                "Status" => value.clone_into(&mut one.status),
                "Architecture" => value.clone_into(&mut one.architecture),
                "Version" => value.clone_into(&mut one.version),
                _ => {}
            }
        }
        if packages.len() >= PACKAGES {
            break;
        }
    }
    one.put(&mut packages);
    Ok(packages)
}

/// One paragraph.
#[derive(Debug, Default)]
struct Package {
    name: String,
    status: String,
    architecture: String,
    version: String,
}

impl Package {
    fn put(self, packages: &mut BTreeMap<String, String>) {
        let version = match self.status.rsplit(' ').next().unwrap_or_default() {
            // What waits for another's trigger is installed.
            "installed" | "triggers-awaited" | "triggers-pending" => self.version,
            half @ ("half-installed" | "unpacked" | "half-configured") => {
                format!("{} ({half})", self.version)
            }
            _ => return,
        };
        // A library may be there for several machines: one line each.
        let name = if packages.contains_key(&self.name) {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name
        };
        packages.insert(name, version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "Package: memcached\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.6.18-1\nDescription: cache\n with: a colon\n\n\
        Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\n\
        Package: libc6\nStatus: install ok installed\nArchitecture: i386\nVersion: 2.36-9\n\n\
        Package: old\nStatus: deinstall ok config-files\nVersion: 1\n\n\
        Package: torn\nStatus: install ok half-configured\nVersion: 2\n";

    #[test]
    fn installed_versions_are_read_and_what_is_half_done_is_marked() {
        let root = tempfile::tempdir().expect("a folder");
        assert!(installed(root.path()).is_err_and(|why| why.contains("no database of dpkg")));
        std::fs::create_dir_all(root.path().join("var/lib/rpm")).expect("a folder");
        assert!(installed(root.path()).is_err_and(|why| why.contains("rpm's own database")));
        std::fs::create_dir_all(root.path().join("var/lib/dpkg")).expect("a folder");
        std::fs::write(root.path().join("var/lib/dpkg/status"), LIST).expect("written");
        let read = installed(root.path()).expect("read");
        let told: Vec<(&str, &str)> =
            read.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect();
        let wanted = [
            ("libc6", "2.36-9"),
            ("libc6:i386", "2.36-9"),
            ("memcached", "1.6.18-1"),
            ("torn", "2 (half-configured)"),
        ];
        assert_eq!(told, wanted);
    }
}
