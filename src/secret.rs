//! Passwords and tokens: read each time they are needed, from a systemd credential or a file of root's, and never shown.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::ownership;

/// Longest secret that is read, in bytes.
const LENGTH: u64 = 4096;

/// Where a password stands; it is read each time it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A systemd credential of our own unit.
    Credential(String),
    /// A file of root's (or ours) that nobody else may read, put into the place of, or turn the way to.
    File(String),
}

/// Where it stands.
///
/// # Errors
/// A credential, and systemd gave us none.
pub fn path(secret: &Secret) -> Result<PathBuf, String> {
    match secret {
        Secret::File(path) => Ok(PathBuf::from(path)),
        Secret::Credential(name) => {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                format!("steadfast.service has no credential {name}; give it one with LoadCredential=")
            })?;
            Ok(Path::new(&directory).join(name))
        }
    }
}

/// Reads it, without the newline at its end. Blocks as long as its file system does.
///
/// # Errors
/// It is not there or too long, others may read it, or somebody else than root or we decides what stands there; one clause.
pub fn read(secret: &Secret) -> Result<String, String> {
    let path = path(secret)?;
    if let Secret::Credential(_) = secret {
        return text(File::open(&path).map_err(|error| error.to_string())?, false);
    }
    ownership::check_content(&path, nix::unistd::geteuid().as_raw())?;
    // A pipe that somebody put there must not hang us.
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&path);
    text(file.map_err(|error| error.to_string())?, true)
}

/// What this very file holds: nobody can turn the way to it any more.
fn text(file: File, private: bool) -> Result<String, String> {
    let seen = file.metadata().map_err(|error| error.to_string())?;
    if !seen.is_file() || seen.len() > LENGTH {
        return Err(format!("it is not a file of at most {LENGTH} bytes"));
    }
    if private && seen.mode() & 0o077 != 0 {
        return Err("others may read it (chmod 600)".to_owned());
    }
    if private && seen.nlink() != 1 {
        return Err("it has another name as well: whoever made that chose what is read".to_owned());
    }
    let mut text = String::new();
    file.take(LENGTH).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn a_password_is_private_and_without_its_last_newline() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        let read = || read(&Secret::File(path.display().to_string()));
        std::fs::write(&path, "s3cret \n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        assert_eq!(read(), Ok("s3cret ".to_owned()));
        std::fs::hard_link(&path, directory.path().join("another")).expect("a second name");
        assert!(read().is_err_and(|why| why.contains("another name")));
        std::fs::remove_file(directory.path().join("another")).expect("removed");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("public");
        assert_eq!(read(), Err("others may read it (chmod 600)".to_owned()));
        std::fs::remove_file(&path).expect("removed");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
        assert!(read().is_err_and(|why| why.contains("not a file")));
    }

    /// The user of a service, in whose directory the password stands, would choose which file of root's is sent to his server.
    #[test]
    fn what_a_stranger_may_turn_is_not_read() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let (key, app) = (directory.path().join("key"), directory.path().join("app"));
        std::fs::write(&key, "root's").expect("written");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("private");
        std::fs::create_dir(&app).expect("a directory");
        symlink(&key, app.join("password")).expect("a link");
        let read = || read(&Secret::File(app.join("password").display().to_string()));
        assert_eq!(read(), Ok("root's".to_owned()));
        chown(&app, Some(1234), None).expect("another's");
        assert!(read().is_err_and(|why| why.contains("belongs to user 1234")));
    }
}
