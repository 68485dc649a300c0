//! The password that a server wants, read for each question.

use crate::secret::{self, Secret};

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::server::Server;
use super::{Limit, handed, text};

/// The password for this server; `None` where none is configured.
pub async fn of(server: &Server, limit: Limit) -> Result<Option<String>, Failure> {
    let Some(secret) = server.secret.clone() else {
        return Ok(None);
    };
    if let Some(given) = handed::password() {
        return given.map(Some);
    }
    fetch(secret, limit).await.map(Some).map_err(Failure::unknown)
}

/// Reads it. `Err`: why that cannot be, one clause.
pub async fn fetch(secret: Secret, limit: Limit) -> Result<String, String> {
    let path = secret::path(&secret).map_err(|why| text::sentence(&why))?;
    let shown = text::name(&path.to_string_lossy());
    match blocking::call(limit, move || secret::read(&secret)).await {
        Ok(Ok(password)) => Ok(password),
        Ok(Err(why)) => Err(format!("its password cannot be read from {shown}, {why}")),
        Err(Stuck::Late | Stuck::NoSlot) => Err(format!("its password was not read from {shown} in time")),
    }
}
