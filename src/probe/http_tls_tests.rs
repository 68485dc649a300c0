//! The http probe against servers that show a certificate.

use super::tests::{LIMIT, application, get_of, healthy, told, unhealthy, url};
use super::*;
use crate::model::probe::ProbeStatus;

/// A server with a certificate of the fixtures, for connections without end.
fn tls_server(name: &'static str) -> SocketAddr {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    let shown = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("a key");
    tls::init();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = std::sync::Arc::new(config.with_single_cert(vec![shown], key).expect("they fit"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming().flatten() {
            let talk = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).expect("a server");
            let mut stream = rustls::StreamOwned::new(talk, stream);
            if stream.read(&mut [0; 4096]).is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                drop(stream.write_all(answer).and_then(|()| stream.flush()));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        }
    });
    address
}

/// O3, O41: whom the host or `ca_file` trusts, and what is said of others.
#[tokio::test]
async fn certificates_are_judged_and_said_in_words() {
    let fixture = |name: &str| {
        let path = format!("{}/tests/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        Some(FullPath::try_from(path).expect("a path"))
    };
    let nobody = application().await;
    let mut probe = get_of(&nobody, "/");
    let address = tls_server("self");
    probe.http = url(format!("https://localhost:{}/", address.port()));
    let wanted = "GET URL: its certificate is self-signed, and this host does not trust it";
    assert_eq!(told(&probe, LIMIT).await, unhealthy(wanted));
    probe.insecure = true;
    assert_eq!(told(&probe, LIMIT).await, healthy("GET URL answered 200 in TIME"));
    probe.insecure = false;
    probe.ca_file = fixture("self.pem");
    assert_eq!(told(&probe, LIMIT).await, healthy("GET URL answered 200 in TIME"));
    probe.http = url(format!("https://127.0.0.1:{}/", address.port()));
    let wanted = "GET URL: its certificate is for localhost, not for 127.0.0.1";
    assert_eq!(told(&probe, LIMIT).await, unhealthy(wanted));

    probe.http = url(format!("https://localhost:{}/", tls_server("good").port()));
    let (_, message) = told(&probe, LIMIT).await;
    let wanted = "GET URL: its certificate was issued by CN=Example CA, which ca_file does not hold";
    assert!(message.starts_with(wanted), "{message}");
    probe.ca_file = fixture("ca.pem");
    assert_eq!(told(&probe, LIMIT).await, healthy("GET URL answered 200 in TIME"));
    probe.min_validity = Some(Length(Duration::from_secs(200 * 365 * 86_400)));
    let (status, message) = told(&probe, LIMIT).await;
    assert_eq!(status, ProbeStatus::Unmet);
    assert!(message.contains("but its certificate ends on 2126-07-28, in "), "{message}");
    probe.ca_file = fixture("nowhere.pem");
    let (status, message) = told(&probe, LIMIT).await;
    assert_eq!(status, ProbeStatus::Unknown);
    assert!(message.contains("cannot read ") && message.contains("nowhere.pem"), "{message}");
}
