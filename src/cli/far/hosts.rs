//! The hosts of `-H`: names as ssh takes them, and files that list them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::Directories;

/// Hosts of one command line.
const HOSTS_MAX: usize = 10_000;
/// Bytes of a file that lists hosts.
const FILE_MAX: u64 = 1024 * 1024;
/// Characters of a host's name, with the user's before it.
const NAME_MAX: usize = 300;

/// Where lists of hosts are looked for by name, the first that has it: a person's own, and the host's.
pub fn directories() -> Vec<PathBuf> {
    let beside = |settings: &Path| settings.with_file_name("hosts");
    let mut found = vec![beside(&Directories::user().settings), beside(&Directories::system().settings)];
    found.dedup();
    found
}

/// The hosts that these words name, each once, in their order. `@FILE` is a file, or a list of that name in one of the directories.
///
/// # Errors
/// A file cannot be read; a name is none; there are none, or too many: one sentence.
pub fn listed(words: &[String], directories: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut seen = BTreeSet::new();
    let mut hosts = Vec::new();
    for word in words {
        let named = match word.strip_prefix('@') {
            Some(file) => in_file(file, directories)?,
            None => vec![word.clone()],
        };
        for host in named {
            checked(&host)?;
            if seen.insert(host.clone()) {
                hosts.push(host);
            }
        }
    }
    match hosts.len() {
        0 => Err(format!("-H {} names no host", words.join(","))),
        1..=HOSTS_MAX => Ok(hosts),
        many => Err(format!("-H names {many} hosts; at most {HOSTS_MAX} are asked")),
    }
}

/// The hosts of a file: one a line; what follows `#` is a comment.
fn in_file(name: &str, directories: &[PathBuf]) -> Result<Vec<String>, String> {
    if name.is_empty() {
        return Err("-H @FILE needs the name of a file that lists hosts, one a line".to_owned());
    }
    let (path, text) = match read(Path::new(name)) {
        Ok(text) => (PathBuf::from(name), text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !name.contains('/') => {
            let found = directories.iter().map(|directory| directory.join(name)).find(|path| path.exists());
            let Some(path) = found else {
                let places: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
                return Err(format!(
                    "cannot find the list of hosts {name}: neither here nor in {}",
                    places.join(" or ")
                ));
            };
            let text = read(&path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
            (path, text)
        }
        Err(error) => return Err(format!("cannot read {name}: {error}")),
    };
    let mut hosts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for host in line.split([',', ' ', '\t']).filter(|host| !host.is_empty()) {
            checked(host).map_err(|why| format!("{}:{}: {why}", path.display(), number + 1))?;
            hosts.push(host.to_owned());
        }
    }
    Ok(hosts)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_MAX {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// A name that ssh cannot take for an option, and that no shell of a `ProxyCommand` can take for a command.
fn checked(host: &str) -> Result<(), String> {
    let name = host.strip_prefix("ssh://").unwrap_or(host);
    let (user, machine) = name.rsplit_once('@').map_or((None, name), |(user, machine)| (Some(user), machine));
    let starts_badly = |part: &str| part.is_empty() || part.starts_with('-');
    if starts_badly(host) || starts_badly(machine) || user.is_some_and(starts_badly) {
        return Err(format!("{host:?} is not a host: a name cannot be empty or begin with '-'"));
    }
    let odd = |c: &char| !(c.is_alphanumeric() || "._-:@%[]/+".contains(*c));
    if let Some(letter) = host.chars().find(odd) {
        return Err(format!("{host:?} is not a host: a name cannot contain {letter:?}"));
    }
    if host.chars().count() > NAME_MAX {
        return Err(format!("a host's name has at most {NAME_MAX} characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], directories: Vec<PathBuf>) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        listed(&words, &directories)
    }

    #[test]
    fn hosts_are_named_once_and_in_their_order() {
        let hosts = of(&["web2", "root@web1", "web2", "ssh://me@[::1]:2222", "web1"], Vec::new()).unwrap();
        assert_eq!(hosts, ["web2", "root@web1", "ssh://me@[::1]:2222", "web1"]);
    }

    #[test]
    fn what_ssh_or_a_shell_could_take_for_something_else_is_no_host() {
        for wrong in [
            "-oProxyCommand=x",
            "",
            "me@-oX",
            "-x@web",
            "ssh://-web",
            "a b",
            "a;b",
            "$(x)",
            "`x`",
            "a\nb",
            "a'b",
            "@@",
        ] {
            assert!(of(&[wrong], Vec::new()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_file_lists_hosts_and_is_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web");
        std::fs::write(&file, "# the shop\nweb1\nroot@web2  # the second\n\nweb3, web4\n").unwrap();
        let wanted = ["web1", "root@web2", "web3", "web4"];
        let by_path = of(&[&format!("@{}", file.display())], Vec::new()).unwrap();
        assert_eq!(by_path, wanted);
        let by_name =
            of(&["@web", "web1"], vec![PathBuf::from("/nonexistent"), folder.path().to_owned()]).unwrap();
        assert_eq!(by_name, wanted);
        std::fs::write(&file, "web1\n-oX\n").unwrap();
        let wrong = of(&["@web"], vec![folder.path().to_owned()]).unwrap_err();
        assert!(wrong.contains("web:2: \"-oX\" is not a host"), "{wrong}");
        std::fs::write(&file, "# none\n").unwrap();
        assert_eq!(of(&["@web"], vec![folder.path().to_owned()]).unwrap_err(), "-H @web names no host");
        assert!(of(&["@"], Vec::new()).is_err() && of(&["@missing"], Vec::new()).is_err());
    }
}
