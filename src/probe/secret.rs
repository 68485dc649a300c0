//! Passwords: read for each question from a systemd credential or a file of root's, and never shown.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::probe::{Secret, Server};

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, words};

/// Longest password that is read.
const LENGTH: u64 = 4096;

/// The password for this server; `None` where none is configured.
pub async fn of(server: &Server, limit: Limit) -> Result<Option<String>, Failure> {
    let (path, of_root) = match &server.secret {
        None => return Ok(None),
        Some(Secret::Credential(name)) => (credential(name)?, false),
        Some(Secret::File(path)) => (PathBuf::from(path), true),
    };
    let shown = words::name(&path.to_string_lossy());
    let read = blocking::call(limit, move || read(&path, of_root)).await;
    match read {
        Ok(Ok(password)) => Ok(Some(password)),
        Ok(Err(why)) => Err(Failure::unknown(format!("its password cannot be read from {shown}, {why}"))),
        Err(Stuck::Late | Stuck::NoSlot) => {
            Err(Failure::unknown(format!("its password was not read from {shown} in time")))
        }
    }
}

/// Where systemd puts the credentials of our own unit.
fn credential(name: &str) -> Result<PathBuf, Failure> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        Failure::unknown(format!(
            "steadfast.service has no credential {}; give it one with LoadCredential=",
            words::name(name)
        ))
    })?;
    Ok(Path::new(&directory).join(name))
}

fn read(path: &Path, private: bool) -> Result<String, String> {
    let told = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !told.is_file() || told.len() > LENGTH {
        return Err(format!("it is no file of at most {LENGTH} bytes"));
    }
    if private && told.mode() & 0o077 != 0 {
        return Err("others may read it (chmod 600)".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_private_and_without_its_last_newline() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        std::fs::write(&path, "s3cret \n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        assert_eq!(read(&path, true), Ok("s3cret ".to_owned()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("public");
        assert_eq!(read(&path, true), Err("others may read it (chmod 600)".to_owned()));
        assert!(read(directory.path(), true).is_err());
    }
}
