//! TLS: a server that says the input in place of a handshake, and one that shows it as its certificate, with the intermediate ones
//! behind `<next>`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use steadfast::probe;
use steadfast::tls::{self, Trust};

use super::server::{Begins, Question, Way, asks, parts};
use super::{Play, message};

/// Whom clients trust.
pub const AUTHORITY: &str = include_str!("../../tests/fixtures/tls/ca.pem");
const ITSELF: &str = include_str!("../../tests/fixtures/tls/self.pem");
const KEY: &str = include_str!("../../tests/fixtures/tls/good.key");
/// Messages back and forth, until a handshake is over.
const TURNS: usize = 8;

pub const HELLO: &[&str] = &[
    "<next>",
    "\u{16}\u{3}\u{3}\0",
    "\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{28}",
    "\u{14}\u{3}\u{3}\0\u{1}\u{1}",
    "\u{17}\u{3}\u{3}\0",
    "\u{2}\0\0",
    "\u{b}\0\0",
    "\u{c}\0\0",
    "\u{e}\0\0\0",
    "\0\u{17}\0\0",
    "\0\u{2b}\0\u{2}\u{3}\u{4}",
    "\0\u{33}\0\u{24}\0\u{1d}\0\u{20}",
    "\u{13}\u{1}",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
];

pub fn hello() -> Box<dyn Play> {
    asks(Way::Port, Begins::Client, |port| {
        let keys = format!("[http]\nhttp = \"https://127.0.0.1:{port}/\"\nca_file = \"/etc/ca.pem\"\n");
        let kind = steadfast::model::probe::ProbeKind { keys, ..Default::default() };
        Question::Probe(probe::of(&kind).map_err(|outcome| outcome.message).expect("a probe"))
    })
}

pub const CERTIFICATE: &[&str] = &[
    "<next>",
    "\u{6}\u{3}U\u{1d}\u{11}",
    "\u{6}\u{3}U\u{4}\u{3}",
    "\u{6}\u{3}U\u{1d}\u{13}",
    "\u{6}\u{3}U\u{1d}%",
    "localhost",
    "\u{c}\u{9}localhost",
    "261130120000Z",
    "21260728120000Z",
    "99991231235959Z",
    "\u{17}\r",
    "\u{18}\u{f}",
    "\u{1}\u{1}\u{1}",
    "0\u{3}",
    "\u{4}\u{2}",
    "\u{1b}[31m",
];

/// Shows one certificate, whoever asks.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

pub fn certificate() -> Box<dyn Play> {
    tls::init();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let key = rustls::crypto::ring::sign::any_supported_type(&key).expect("a key that signs");
    let trusts = |pem, insecure| {
        let config = tls::client(Trust::Given(pem, Path::new("/etc/ca.pem")), insecure);
        Arc::new(config.expect("a client"))
    };
    let clients = [trusts(AUTHORITY, false), trusts(ITSELF, false), trusts(AUTHORITY, true)];
    let mut turn = 0;
    Box::new(move |input: &[u8]| {
        turn += 1;
        let client = &clients[turn % clients.len()];
        let date = tls::ends(input).map_or(Ok(0), |date| message(&date))?;
        let said = handshake(client, &key, input)?;
        Ok(date ^ message(&probe::sentence(&said))?)
    })
}

/// What becomes of a connection to a server that shows this.
fn handshake(client: &Arc<ClientConfig>, key: &Arc<dyn SigningKey>, input: &[u8]) -> Result<String, String> {
    let chain = parts(input).into_iter().map(CertificateDer::from).collect();
    let shown = Arc::new(CertifiedKey::new(chain, Arc::clone(key)));
    let server = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(Shows(shown)));
    let failed = |why: rustls::Error| why.to_string();
    let mut server = ServerConnection::new(Arc::new(server)).map_err(failed)?;
    let name = ServerName::try_from("localhost").map_err(|why| why.to_string())?;
    let mut client = ClientConnection::new(Arc::clone(client), name).map_err(failed)?;
    for _ in 0..TURNS {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).map_err(|why| why.to_string())?;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).map_err(|why| why.to_string())?;
            if let Err(why) = server.process_new_packets() {
                return Ok(format!("the server: {why}"));
            }
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).map_err(|why| why.to_string())?;
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).map_err(|why| why.to_string())?;
            if let Err(why) = client.process_new_packets() {
                return Ok(tls::sentence(&why));
            }
        }
        if !client.is_handshaking() {
            return Ok("connected".to_owned());
        }
    }
    Ok("no end".to_owned())
}
