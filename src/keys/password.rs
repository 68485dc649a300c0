//! `credential` and `password_file`: where the password of a server stands, which the URL must not have.

use crate::secret::Secret;

use super::{Credential, FullPath, Wrong};

/// Where a password stands, if anywhere.
///
/// # Errors
/// Two places are named.
pub fn password(
    credential: Option<&Credential>,
    password_file: Option<&FullPath>,
) -> Result<Option<Secret>, Wrong> {
    match (credential, password_file) {
        (None, None) => Ok(None),
        (Some(name), None) => Ok(Some(Secret::Credential(name.to_string()))),
        (None, Some(path)) => Ok(Some(Secret::File(path.to_string()))),
        (Some(_), Some(_)) => Err(Wrong::at("password_file", "cannot take the password from two places")),
    }
}

/// Whether the value of this key is the URL of a server, with one of these schemes and without a password.
///
/// # Errors
/// It is not.
pub fn server_url(key: &'static str, text: &str, schemes: &[&str]) -> Result<(), Wrong> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
    let Some(rest) = rest.filter(|rest| !rest.contains(char::is_whitespace)) else {
        let usual = schemes.first().copied().unwrap_or_default();
        return Err(Wrong::at(key, format!("cannot ask \"{text}\": it is no {usual}:// URL")));
    };
    let login = rest.split(['/', '?']).next().and_then(|authority| authority.rsplit_once('@'));
    if login.is_some_and(|(login, _)| login.contains(':')) {
        return Err(Wrong::at(key, "cannot take a password from a unit file: others read it").help(
            "leave the user alone in the URL, and add credential = \"NAME\" or password_file = \"PATH\"",
        ));
    }
    Ok(())
}
