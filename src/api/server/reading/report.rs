//! What the journal is told of the address of `listen`: each thing once, until it changes.

use std::io;
use std::net::SocketAddr;

use super::AGAIN;

/// Below it, ports are the privilege of root.
const PRIVILEGED: u16 = 1024;

/// What was told last.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Report {
    #[default]
    Nothing,
    Served(SocketAddr),
    Failed(SocketAddr),
}

impl Report {
    /// It is served there.
    pub fn listens(&mut self, address: SocketAddr) {
        if self.is_news(Self::Served(address)) {
            tracing::info!("the status is served for reading at http://{address}/");
        }
    }

    /// It cannot be had, by this error of the kernel.
    pub fn cannot(&mut self, address: SocketAddr, errno: i32) {
        if self.is_news(Self::Failed(address)) {
            tracing::warn!("{}", cannot(address, errno));
        }
    }

    /// It is not served there any more, or not yet; one clause.
    pub fn lost(&mut self, address: SocketAddr, why: &str) {
        if self.is_news(Self::Failed(address)) {
            tracing::warn!("cannot serve the status at http://{address}/: {why}; it is tried again");
        }
    }

    fn is_news(&mut self, now: Self) -> bool {
        let news = *self != now;
        *self = now;
        news
    }
}

fn cannot(address: SocketAddr, errno: i32) -> String {
    let (error, every) = (io::Error::from_raw_os_error(errno), AGAIN.as_secs());
    let refused = error.kind() == io::ErrorKind::PermissionDenied && address.port() < PRIVILEGED;
    let help = if refused {
        "; ports below 1024 are root's, and who listens is not root: name a higher one in steadfast.toml, such as 9631"
    } else {
        ""
    };
    format!("cannot listen on {address}: {error}{help}; trying again every {every} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_from_listening_is_said_with_a_way_out() {
        let low = "127.0.0.1:80".parse().expect("an address");
        let said = cannot(low, 13);
        assert!(
            said.starts_with("cannot listen on 127.0.0.1:80: Permission denied (os error 13); "),
            "{said}"
        );
        assert!(said.contains("name a higher one in steadfast.toml"), "{said}");
        let taken = cannot("[::1]:9631".parse().expect("an address"), 98);
        assert_eq!(
            taken,
            "cannot listen on [::1]:9631: Address already in use (os error 98); trying again every 10 s"
        );
        let mut report = Report::default();
        assert!(report.is_news(Report::Failed(low)) && !report.is_news(Report::Failed(low)));
        assert!(report.is_news(Report::Served(low)) && report.is_news(Report::Failed(low)));
    }
}
