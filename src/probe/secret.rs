//! The password that a server wants, read for each question.

use crate::secret;

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::server::Server;
use super::{Limit, text};

/// The password for this server; `None` where none is configured.
pub async fn of(server: &Server, limit: Limit) -> Result<Option<String>, Failure> {
    let Some(secret) = server.secret.clone() else {
        return Ok(None);
    };
    let path = secret::path(&secret).map_err(|why| Failure::unknown(text::sentence(&why)))?;
    let shown = text::name(&path.to_string_lossy());
    match blocking::call(limit, move || secret::read(&secret)).await {
        Ok(Ok(password)) => Ok(Some(password)),
        Ok(Err(why)) => Err(Failure::unknown(format!("its password cannot be read from {shown}, {why}"))),
        Err(Stuck::Late | Stuck::NoSlot) => {
            Err(Failure::unknown(format!("its password was not read from {shown} in time")))
        }
    }
}
