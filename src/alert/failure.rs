//! Why nothing was delivered, as one clause, and what the libraries' errors come down to.

use std::error::Error;
use std::io;

use nix::errno::Errno;

use crate::causes;

use super::text;

/// Longest clause, in characters.
pub const CLAUSE: usize = 300;

/// What an error comes down to, in words; never what was asked, for a URL may be a secret.
pub fn why(error: &(dyn Error + 'static)) -> String {
    let chain = causes::of(error);
    if let Some(tls) = chain.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return text::line(&format!("TLS failed, {tls}"), CLAUSE);
    }
    let errno = chain
        .iter()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(io::Error::raw_os_error)
        .map(Errno::from_raw);
    match errno {
        Some(Errno::ECONNREFUSED) => "connection refused".to_owned(),
        Some(Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED) => "the connection was reset".to_owned(),
        Some(Errno::ETIMEDOUT) => "the connection timed out".to_owned(),
        Some(other) => other.desc().to_owned(),
        None => {
            let root = chain.last().map(ToString::to_string).unwrap_or_default();
            text::line(&root, CLAUSE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_cause_is_told() {
        let refused = io::Error::other(io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32));
        assert_eq!(why(&refused), "connection refused");
        let tls = io::Error::other(io::Error::other(rustls::Error::DecryptError));
        assert!(why(&tls).starts_with("TLS failed, "), "{}", why(&tls));
        assert_eq!(why(&io::Error::other("no\nway")), "no way");
    }
}
