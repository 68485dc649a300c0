//! Passwords and tokens: read each time they are needed, from a systemd credential or a file of root's, and never shown.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest secret that is read, in bytes.
const LENGTH: u64 = 4096;

/// Where a password stands; it is read each time it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A systemd credential of our own unit.
    Credential(String),
    /// A file of root's that nobody else may read.
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
/// It is not there, too long, or others may read it; one clause without the path.
pub fn read(secret: &Secret) -> Result<String, String> {
    let private = matches!(secret, Secret::File(_));
    read_at(&path(secret)?, private)
}

fn read_at(path: &Path, private: bool) -> Result<String, String> {
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
        assert_eq!(read_at(&path, true), Ok("s3cret ".to_owned()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("public");
        assert_eq!(read_at(&path, true), Err("others may read it (chmod 600)".to_owned()));
        assert!(read_at(directory.path(), true).is_err());
    }
}
