//! Who calls, by the kernel's word (SO_PEERCRED), and whether they may change things.

use std::ffi::CString;
use std::io;
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::guests::Origin;

/// The user database may be a network service; it is awaited this long.
const LOOKUP_TIME: Duration = Duration::from_secs(5);

/// The process at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    uid: Uid,
    gid: Gid,
}

impl Peer {
    /// # Errors
    /// The kernel does not tell, or the connection is gone.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: Uid::from_raw(credentials.uid()), gid: Gid::from_raw(credentials.gid()) })
    }

    /// Whose process it is.
    pub fn origin(self) -> Origin {
        Origin::User(self.uid.as_raw())
    }

    /// Root, or the user whose instance this is.
    pub fn owns_daemon(self) -> bool {
        self.uid.is_root() || self.uid == Uid::effective()
    }

    /// The caller's name, if they may change things.
    ///
    /// # Errors
    /// They may not, or it cannot be told; one sentence.
    pub async fn authorize(self, admin_group: Option<String>) -> Result<String, String> {
        if self.uid.is_root() {
            return Ok("root".to_owned());
        }
        let lookup = spawn_blocking(move || self.authorize_blocking(admin_group.as_deref()));
        match timeout(LOOKUP_TIME, lookup).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(format!("cannot look up uid {}: {error}", self.uid)),
            Err(_) => Err(format!(
                "cannot look up uid {}: no answer from the user database within {} s",
                self.uid,
                LOOKUP_TIME.as_secs()
            )),
        }
    }

    fn authorize_blocking(self, admin_group: Option<&str>) -> Result<String, String> {
        let user =
            User::from_uid(self.uid).map_err(|error| format!("cannot look up uid {}: {error}", self.uid))?;
        let who = match &user {
            Some(user) => format!("{} (uid {})", user.name, self.uid),
            None => format!("uid {}", self.uid),
        };
        if self.owns_daemon() {
            return Ok(who);
        }
        let Some(group) = admin_group else {
            return Err(format!("cannot change anything as {who}: only root may, as no admin_group is set"));
        };
        if self.is_member(user.as_ref(), group)? {
            return Ok(who);
        }
        Err(format!("cannot change anything as {who}: only root and members of group {group} may"))
    }

    fn is_member(self, user: Option<&User>, group: &str) -> Result<bool, String> {
        let failed = |cause: &dyn std::fmt::Display| format!("cannot look up group {group}: {cause}");
        let Some(found) = Group::from_name(group).map_err(|error| failed(&error))? else {
            return Err(failed(&"no such group"));
        };
        if self.gid == found.gid {
            return Ok(true);
        }
        let Some(user) = user else {
            return Ok(false);
        };
        let name = CString::new(user.name.as_str()).map_err(|error| failed(&error))?;
        let groups = getgrouplist(&name, user.gid).map_err(|error| failed(&error))?;
        Ok(groups.contains(&found.gid))
    }
}
