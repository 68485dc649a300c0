//! The cryptography of TLS, for the whole process, and whom a client trusts.

mod trust;

pub use trust::{Trust, client, ends, sentence};

/// Chooses it, before the first connection; again does nothing.
pub fn init() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Lost only against another first call, which chose the same.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}
