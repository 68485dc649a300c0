//! Whom a probe trusts: certificates are judged as curl and OpenSSL judge them, and what is wrong with one is said in words.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

/// Where the certificates stand that a host trusts; the first that exists.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Beside them, a file each, under the hash of its subject (`c_rehash`).
const HASHED: &str = "/etc/ssl/certs";
/// Names of a certificate that a sentence tells.
const NAMES: usize = 4;

/// Whom a client trusts.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    Host,
    File(&'a Path),
    /// The text of a file (PEM) that was read already.
    Given(&'a str, &'a Path),
}

/// A client that trusts the certificates of this host, or those of one file. It reads files: not for the thread of a runtime.
///
/// # Errors
/// The file cannot be used: why.
pub fn client(trust: Trust<'_>, insecure: bool) -> Result<ClientConfig, String> {
    super::init();
    let provider = CryptoProvider::get_default().ok_or("no cryptography was chosen")?;
    let trusted = match trust {
        Trust::Host => of_host(),
        Trust::File(file) => of_file(file)?,
        Trust::Given(pem, file) => some(CertificateDer::pem_slice_iter(pem.as_bytes()), file)?,
    };
    let of_file = !matches!(trust, Trust::Host);
    let judge = Judge::new(trusted, of_file, insecure, Arc::clone(provider))?;
    let client = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(judge));
    Ok(client.with_no_client_auth())
}

fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    some(read, file)
}

/// The certificates among these, at least one.
fn some<E>(
    read: impl Iterator<Item = Result<CertificateDer<'static>, E>>,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = read.filter_map(Result::ok).collect();
    if found.is_empty() {
        Err(format!("cannot use {}: it holds no certificate (PEM)", file.display()))
    } else {
        Ok(found)
    }
}

fn of_host() -> Vec<CertificateDer<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let bundles = BUNDLES.iter().map(std::path::PathBuf::from);
    let bundle = named.into_iter().chain(bundles).find(|path| path.exists());
    let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut add = |path: &Path| {
        let read = of_file(path).unwrap_or_default();
        found.extend(read.into_iter().map(|certificate| certificate.as_ref().to_vec()));
    };
    bundle.iter().for_each(|path| add(path));
    for entry in std::fs::read_dir(HASHED).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let hashed = |(hash, number): (&str, &str)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && number.parse::<u32>().is_ok()
        };
        if name.to_str().and_then(|name| name.split_once('.')).is_some_and(hashed) {
            add(&entry.path());
        }
    }
    found.into_iter().map(CertificateDer::from).collect()
}

/// Judges the certificate that a server shows.
#[derive(Debug)]
struct Judge {
    /// `None`: nobody is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    trusted: Vec<CertificateDer<'static>>,
    of_file: bool,
    insecure: bool,
    provider: Arc<CryptoProvider>,
}

impl Judge {
    fn new(
        trusted: Vec<CertificateDer<'static>>,
        of_file: bool,
        insecure: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted.iter().cloned());
        let chains = if roots.is_empty() {
            None
        } else {
            let built =
                WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider)).build();
            Some(built.map_err(|error| format!("cannot use the trusted certificates: {error}"))?)
        };
        Ok(Self { chains, trusted, of_file, insecure, provider })
    }

    /// The library refuses the certificate of an authority that a server shows as its own, and one without alternative names.
    /// curl and OpenSSL take them where they, or who issued them, are trusted.
    fn as_openssl(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
        why: &Error,
    ) -> bool {
        let Ok((_, parsed)) = X509Certificate::from_der(shown) else {
            return false;
        };
        let misnamed = matches!(
            why,
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            )
        );
        if misnamed {
            // The chain was right; an old certificate has its name in the subject alone.
            return has_old_name(&parsed, name);
        }
        let valid = moment(now).is_some_and(|now| parsed.validity().is_valid_at(now));
        let known = self.holds(shown) || (parsed.is_ca() && self.is_issued_by_trusted(&parsed));
        let named =
            ParsedCertificate::try_from(shown).is_ok_and(|shown| verify_server_name(&shown, name).is_ok());
        valid && known && (named || has_old_name(&parsed, name))
    }

    fn holds(&self, shown: &CertificateDer<'_>) -> bool {
        self.trusted.iter().any(|trusted| trusted.as_ref() == shown.as_ref())
    }

    fn is_issued_by_trusted(&self, shown: &X509Certificate<'_>) -> bool {
        let signed = |issuer: &X509Certificate<'_>| {
            let key = issuer.public_key().subject_public_key.data.as_ref();
            let (message, signature) = (shown.tbs_certificate.as_ref(), shown.signature_value.data.as_ref());
            let mut algorithms = self.provider.signature_verification_algorithms.all.iter();
            algorithms.any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
        };
        self.trusted.iter().any(|trusted| {
            let issuer = X509Certificate::from_der(trusted).map(|(_, issuer)| issuer);
            issuer.is_ok_and(|issuer| issuer.subject() == shown.issuer() && signed(&issuer))
        })
    }

    /// What is wrong with it, as a clause.
    fn sentence(
        &self,
        shown: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
        why: &Error,
    ) -> String {
        let Ok((_, parsed)) = X509Certificate::from_der(shown) else {
            return "its certificate cannot be read".to_owned();
        };
        let whom = if self.of_file { "ca_file does not hold" } else { "this host does not trust" };
        let (validity, at) = (parsed.validity(), moment(now));
        let Error::InvalidCertificate(wrong) = why else {
            return format!("its certificate cannot be checked ({why})");
        };
        match wrong {
            _ if at.is_some_and(|at| validity.not_after < at) => {
                format!("its certificate expired on {}", date(validity.not_after))
            }
            _ if at.is_some_and(|at| at < validity.not_before) => {
                format!("its certificate is not valid before {}", date(validity.not_before))
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for {}, not for {}", names(&parsed), name.to_str())
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "its certificate is not one for servers".to_owned()
            }
            // It is trusted, dates and all: only the name is left.
            _ if self.holds(shown) => {
                format!("its certificate is for {}, not for {}", names(&parsed), name.to_str())
            }
            _ if parsed.subject() == parsed.issuer() => {
                format!("its certificate is self-signed, and {whom} it")
            }
            CertificateError::BadSignature => {
                format!("its certificate is not signed by {}, as it says", parsed.issuer())
            }
            CertificateError::UnknownIssuer | CertificateError::Other(_) => format!(
                "its certificate was issued by {}, which {whom} (or the server does not send its whole chain)",
                parsed.issuer()
            ),
            other => format!("its certificate is refused ({other})"),
        }
    }
}

fn moment(now: UnixTime) -> Option<ASN1Time> {
    i64::try_from(now.as_secs()).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok())
}

/// `2026-11-30`
fn date(time: ASN1Time) -> String {
    time.to_datetime().date().to_string()
}

/// The end of a certificate, as a date.
#[must_use]
pub fn ends(shown: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(shown).ok()?;
    Some(date(parsed.validity().not_after))
}

fn alternatives(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let told = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|all| std::net::Ipv6Addr::from(all).to_string()),
        },
        _ => None,
    };
    found.value.general_names.iter().filter_map(told).collect()
}

fn common_name<'a>(parsed: &'a X509Certificate<'_>) -> Option<&'a str> {
    parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok())
}

/// The names that it is for, for people.
fn names(parsed: &X509Certificate<'_>) -> String {
    let mut found = alternatives(parsed);
    if found.is_empty() {
        found.extend(common_name(parsed).map(str::to_owned));
    }
    let more = found.len().saturating_sub(NAMES);
    found.truncate(NAMES);
    let shown = if found.is_empty() { "nobody".to_owned() } else { found.join(", ") };
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// It has no alternative name, and its subject is called so.
fn has_old_name(parsed: &X509Certificate<'_>, name: &ServerName<'_>) -> bool {
    let wanted = name.to_str();
    let fits = |known: &str| match known.strip_prefix("*.") {
        Some(domain) => wanted.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => known.eq_ignore_ascii_case(&wanted),
    };
    alternatives(parsed).is_empty() && common_name(parsed).is_some_and(fits)
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let nobody = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let judged = match &self.chains {
            Some(chains) => chains.verify_server_cert(shown, between, name, ocsp, now),
            None => Err(nobody()),
        };
        let Err(why) = judged else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.insecure || self.as_openssl(shown, name, now, &why) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(self.sentence(shown, name, now, &why)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, shown, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why no TLS came about, as a clause.
#[must_use]
pub fn sentence(error: &Error) -> String {
    match error {
        // What `Judge` says.
        Error::General(sentence) => sentence.clone(),
        Error::InvalidMessage(_) => "TLS failed, what listens there does not speak it".to_owned(),
        Error::PeerIncompatible(_) => "TLS failed, no version or cipher is known to both".to_owned(),
        Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        Error::AlertReceived(alert) => format!("TLS failed, it refused the handshake ({alert:?})"),
        other => format!("TLS failed, {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pem(name: &str) -> CertificateDer<'static> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
        of_file(&path).expect("a certificate").remove(0)
    }

    /// What is said of the certificate that a server shows as `name`, where these are trusted; `years` after 1970.
    fn judged(shown: &str, trusted: &[&str], name: &str, years: u64) -> Result<(), String> {
        crate::tls::init();
        let provider = CryptoProvider::get_default().expect("chosen");
        let trusted = trusted.iter().map(|name| pem(name)).collect();
        let judge = Judge::new(trusted, false, false, Arc::clone(provider)).expect("a judge");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(years * 31_556_952));
        let judged = judge.verify_server_cert(&pem(shown), &[], &name, &[], now);
        judged.map(drop).map_err(|error| sentence(&error))
    }

    const TODAY: u64 = 70;

    /// O41: as curl and OpenSSL do it.
    #[test]
    fn what_is_in_the_store_is_trusted_whatever_it_is() {
        assert_eq!(judged("good.pem", &["ca.pem"], "localhost", TODAY), Ok(()));
        assert_eq!(
            judged("self.pem", &["self.pem"], "localhost", TODAY),
            Ok(()),
            "CA:TRUE, and shown itself"
        );
        assert_eq!(judged("good.pem", &["good.pem"], "a.example", TODAY), Ok(()), "it stands there itself");
        assert_eq!(judged("authority.pem", &["ca.pem"], "localhost", TODAY), Ok(()), "CA:TRUE, and issued");
        assert_eq!(
            judged("oldname.pem", &["ca.pem"], "localhost", TODAY),
            Ok(()),
            "a name in the subject alone"
        );
    }

    /// O3: the sentences are for people.
    #[test]
    fn what_is_wrong_is_said_in_words() {
        let said = |shown: &str, trusted: &[&str], name: &str, years: u64| {
            judged(shown, trusted, name, years).expect_err("it is refused")
        };
        assert_eq!(
            said("self.pem", &["ca.pem"], "localhost", TODAY),
            "its certificate is self-signed, and this host does not trust it"
        );
        assert_eq!(
            said("good.pem", &["self.pem"], "localhost", TODAY),
            "its certificate was issued by CN=Example CA, which this host does not trust (or the server does not send its whole chain)"
        );
        assert_eq!(
            said("good.pem", &["ca.pem"], "b.example", TODAY),
            "its certificate is for localhost, a.example, not for b.example"
        );
        assert_eq!(
            said("oldname.pem", &["ca.pem"], "b.example", TODAY),
            "its certificate is for localhost, not for b.example"
        );
        assert_eq!(
            said("self.pem", &["self.pem"], "b.example", TODAY),
            "its certificate is for localhost, not for b.example"
        );
        assert_eq!(said("good.pem", &["ca.pem"], "localhost", 190), "its certificate expired on 2126-07-28");
        assert!(
            said("self.pem", &["self.pem"], "localhost", 190).starts_with("its certificate expired on 21")
        );
        assert!(
            said("good.pem", &["ca.pem"], "localhost", 40).starts_with("its certificate is not valid before")
        );
        assert!(said("authority.pem", &["self.pem"], "localhost", TODAY).contains("issued by CN=Example CA"));
        assert!(
            said("good.pem", &[], "localhost", TODAY).contains("issued by CN=Example CA"),
            "an empty store"
        );
        assert!(client(Trust::File(Path::new("/nowhere.pem")), false).is_err());
    }
}
