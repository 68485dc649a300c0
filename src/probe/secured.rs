//! TLS to a server that speaks another protocol than HTTP: whose certificate is trusted, and what is said of a wrong one.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::keys::{FullPath, Wrong};
use crate::tls::{self, Trust};

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, handed, text};

/// Bytes to a server and back, plain or inside of TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to a server.
pub type Connection = Box<dyn Stream>;

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities of this file; `None`: those of this host.
    pub ca_file: Option<PathBuf>,
    /// Any certificate will do.
    pub insecure: bool,
}

impl Tls {
    /// From the keys `ca_file` and `insecure`.
    pub fn of(ca_file: &Option<FullPath>, insecure: bool) -> Self {
        Self { ca_file: ca_file.as_ref().map(|path| PathBuf::from(&**path)), insecure }
    }
}

/// Whether the keys fit together. `secured`: the URL asks for TLS; `how`: what it would look like.
pub fn check(ca_file: &Option<FullPath>, insecure: bool, secured: bool, how: &str) -> Result<(), Wrong> {
    let key = if ca_file.is_some() { "ca_file" } else { "insecure" };
    if ca_file.is_some() && insecure {
        let message = "cannot use `ca_file`: `insecure = true` takes any certificate";
        return Err(Wrong::at("ca_file", message).help("remove one of them"));
    }
    if (ca_file.is_some() || insecure) && !secured {
        let message = format!("cannot use `{key}`: the connection is not encrypted");
        return Err(Wrong::at(key, message).help(format!("write {how}")));
    }
    Ok(())
}

/// Greets in TLS, and judges the certificate: it must be for this name.
pub async fn secure(
    stream: impl Stream + 'static,
    host: &str,
    trusted: &Tls,
    limit: Limit,
) -> Result<Connection, Failure> {
    let authorities = match &trusted.ca_file {
        Some(_) => handed::authorities().transpose()?,
        None => None,
    };
    let Tls { ca_file, insecure } = trusted.clone();
    // The certificates are read from disk: not on this thread.
    let built = blocking::call(limit, move || {
        let trust = match (&authorities, &ca_file) {
            (Some(pem), Some(file)) => Trust::Given(pem, file),
            (None, Some(file)) => Trust::File(file),
            (_, None) => Trust::Host,
        };
        tls::client(trust, insecure)
    });
    let client = built.await.map_err(|stuck| match stuck {
        Stuck::Late => Failure::unknown("the trusted certificates were not read in time"),
        Stuck::NoSlot => Failure::unknown("earlier probes still hang"),
    })?;
    let client = client.map_err(Failure::unknown)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare)
        .map_err(|_| Failure::unknown(format!("{} is no name for a certificate", text::name(host))))?;
    let greeted = limit.within(TlsConnector::from(Arc::new(client)).connect(name, stream)).await;
    let greeted = greeted.ok_or_else(|| Failure::late("no TLS handshake", limit))?;
    greeted.map(|stream| Box::new(stream) as Connection).map_err(|error| refused(&error))
}

/// Why no TLS came about.
fn refused(error: &io::Error) -> Failure {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(cause) => Failure::unhealthy(tls::sentence(cause)),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::unhealthy("TLS failed, the connection was closed in the handshake")
        }
        None => Failure::connection(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
    }

    /// A server that shows this certificate, and answers each byte with `+`; with no name, it answers no TLS.
    async fn server(name: Option<&str>) -> SocketAddr {
        tls::init();
        let acceptor = name.map(|name| {
            let shown =
                CertificateDer::from_pem_file(fixture(&format!("{name}.pem"))).expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(fixture(&format!("{name}.key"))).expect("a key");
            let config = rustls::ServerConfig::builder().with_no_client_auth();
            let config = config.with_single_cert(vec![shown], key).expect("they fit");
            tokio_rustls::TlsAcceptor::from(Arc::new(config))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else {
                        drop(stream.write_all(b"-ERR what do you want\r\n").await);
                        return;
                    };
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        while stream.read_u8().await.is_ok() {
                            drop(stream.write_all(b"+").await);
                        }
                    }
                });
            }
        });
        address
    }

    async fn ask(address: SocketAddr, host: &str, trusted: &Tls) -> Result<u8, String> {
        let limit = Limit::new(Duration::from_secs(10));
        let stream = TcpStream::connect(address).await.expect("a connection");
        let mut stream = secure(stream, host, trusted, limit).await.map_err(|failure| failure.parts().1)?;
        stream.write_all(b"x").await.expect("sent");
        Ok(stream.read_u8().await.expect("an answer"))
    }

    #[tokio::test]
    async fn each_way_in_which_a_certificate_is_wrong_is_said_in_words() {
        let trusted = |name: &str| Tls { ca_file: Some(fixture(name)), insecure: false };
        let own = server(Some("self")).await;
        let host = Tls::default();
        assert_eq!(
            ask(own, "localhost", &host).await,
            Err("its certificate is self-signed, and this host does not trust it".to_owned())
        );
        assert_eq!(ask(own, "localhost", &Tls { insecure: true, ..host.clone() }).await, Ok(b'+'));
        assert_eq!(ask(own, "localhost", &trusted("self.pem")).await, Ok(b'+'));
        assert_eq!(
            ask(own, "127.0.0.1", &trusted("self.pem")).await,
            Err("its certificate is for localhost, not for 127.0.0.1".to_owned())
        );
        let good = server(Some("good")).await;
        assert_eq!(ask(good, "localhost", &trusted("ca.pem")).await, Ok(b'+'));
        let other = ask(good, "localhost", &trusted("self.pem")).await.expect_err("another authority");
        assert!(
            other.starts_with("its certificate was issued by CN=Example CA, which ca_file does not hold"),
            "{other}"
        );
        let plain = server(None).await;
        assert_eq!(
            ask(plain, "localhost", &host).await,
            Err("TLS failed, what listens there does not speak it".to_owned())
        );
        let missing = ask(good, "localhost", &trusted("nowhere.pem")).await.expect_err("no such file");
        assert!(missing.starts_with("cannot read"), "{missing}");
    }

    #[test]
    fn keys_of_tls_without_tls_are_refused() {
        let file = Some(FullPath::try_from("/etc/ca.pem".to_owned()).expect("a path"));
        assert_eq!(check(&file, false, true, ""), Ok(()));
        assert_eq!(check(&None, true, true, ""), Ok(()));
        let plain = check(&file, false, false, "redis = \"rediss://HOST\"").expect_err("not encrypted");
        assert_eq!(
            (plain.key, plain.message.as_str()),
            (Some("ca_file"), "cannot use `ca_file`: the connection is not encrypted")
        );
        assert!(check(&file, true, true, "").is_err());
    }
}
