//! The key of a server, with which a password is sent to it over TCP: RSA with the padding OAEP.

use num_bigint::BigUint;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use ring::rand::{SecureRandom, SystemRandom};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Bits of a modulus: a shorter one is none, a longer one takes too long.
const SHORTEST: u64 = 1024;
const LONGEST: u64 = 16_384;
/// Bits of an exponent.
const EXPONENT: u64 = 33;
/// Bytes of a hash.
const HASH: usize = 20;

/// A public key.
#[derive(Debug)]
pub struct Key {
    modulus: BigUint,
    exponent: BigUint,
}

impl Key {
    /// From PEM, as servers send it.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let (pem, _) = Pem::read(std::io::Cursor::new(pem)).ok()?;
        let (_, info) = SubjectPublicKeyInfo::from_der(&pem.contents).ok()?;
        let PublicKey::RSA(key) = info.parsed().ok()? else {
            return None;
        };
        let modulus = BigUint::from_bytes_be(key.modulus);
        let exponent = BigUint::from_bytes_be(key.exponent);
        let good =
            (SHORTEST..=LONGEST).contains(&modulus.bits()) && (2..=EXPONENT).contains(&exponent.bits());
        good.then_some(Self { modulus, exponent })
    }

    /// Readable for the owner of the key alone; `None`: it is too long for this key.
    pub fn sealed(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut seed = [0; HASH];
        SystemRandom::new().fill(&mut seed).ok()?;
        self.sealed_with(message, seed)
    }

    fn sealed_with(&self, message: &[u8], seed: [u8; HASH]) -> Option<Vec<u8>> {
        let whole = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let room = whole.checked_sub(message.len() + 2 * HASH + 2)?;
        let empty = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"");
        let block = [empty.as_ref(), &vec![0; room], &[1], message].concat();
        let block = masked(&block, &seed);
        let seed = masked(&seed, &block);
        let padded = BigUint::from_bytes_be(&[seed, block].concat());
        let sealed = padded.modpow(&self.exponent, &self.modulus).to_bytes_be();
        let zeros = whole.checked_sub(sealed.len())?;
        Some([vec![0; zeros], sealed].concat())
    }
}

/// Under a mask that is made of this seed (MGF1).
fn masked(bytes: &[u8], seed: &[u8]) -> Vec<u8> {
    let mask = (0_u32..).flat_map(|number| {
        let part = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[seed, &number.to_be_bytes()].concat());
        part.as_ref().to_vec()
    });
    bytes.iter().zip(mask).map(|(one, other)| one ^ other).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// 2,048 bits.
    pub const KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyHmG9dyWkQV/e37MC1GB
5cij1PALsiEEveJ+x2xOCL4DnNif9MknvDN8OfaGBCAc1eoP0vadvGvK22KNNp4O
l8TTVYIyeTg56LC8qe2NwcL69OlY2IsCIvT9eXtBL3xr45bgCGMCvFDXyfQXevei
nmdUSO1hoa96xEY8g6O3Dl+vwVtQwYpF3YK8YXi4xQQ/tISzefxLIjsfmCBc+OHV
njFZKi7tiLI1V4jQaPoyb5tlGbLx11VyLKEz85C8JgtHzvou9+ap+/1A0u76vwAW
fVj/VKPY+E5klrRV55foVrgslVR56nsX5EJ8GkEs8nGWlsQVVG5yVijacwUBKKN4
dQIDAQAB
-----END PUBLIC KEY-----
";
    const SHORT: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDItiXC22ZLP2THM4Z8pqAUWMym
RJMCNtU2WUeGflvTtphaVLfRwU7dyY9IKxz3QJDl16+dZEdjgvLCB3jk+i7Gbyi6
Y9zDiCtmhwG2yLS4ygmw0o0qNu2j9AFCWpVxb5dJcEi3mG76AZm4omxSdcLXxA6X
FCyszrcfdqOH/ZTTdwIDAQAB
-----END PUBLIC KEY-----
";

    #[test]
    fn what_is_sealed_is_what_the_owner_of_the_key_opens() {
        // With fixed seeds, opened by the private keys with another program when this was written.
        let seed = std::array::from_fn(|at| u8::try_from(at).expect("a byte"));
        for (pem, hash) in [
            (KEY, "23dd9362060a41e98047319d1b0914b9c948b3db"),
            (SHORT, "81b0dcf102893e53defe37bfd016d5033be84268"),
        ] {
            let key = Key::read(pem.as_bytes()).expect("a key");
            let sealed = key.sealed_with(b"secret\0", seed).expect("short enough");
            let seen = digest(&SHA1_FOR_LEGACY_USE_ONLY, &sealed);
            let seen: String = seen.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(seen, hash);
            assert_ne!(key.sealed(b"secret\0"), key.sealed(b"secret\0"), "each time otherwise");
        }
        let key = Key::read(SHORT.as_bytes()).expect("a key");
        assert!(key.sealed(&[b'x'; 86]).is_some() && key.sealed(&[b'x'; 87]).is_none());
    }

    #[test]
    fn what_is_no_key_is_none() {
        for pem in [
            "",
            "this is no key",
            "-----BEGIN PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
        ] {
            assert!(Key::read(pem.as_bytes()).is_none(), "{pem}");
        }
        // Cut off anywhere, nothing of it is one; nor does any byte of it end anything.
        let good = KEY.as_bytes();
        for end in 0..good.len() - 30 {
            assert!(Key::read(&good[..end]).is_none());
        }
        for at in 27..good.len() {
            let mut bad = good.to_vec();
            bad[at] = b'A';
            drop(Key::read(&bad).and_then(|key| key.sealed(b"x")));
        }
    }
}
