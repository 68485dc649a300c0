//! The login of MySQL, in the two ways that servers have by default: `mysql_native_password` and `caching_sha2_password`.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::probe::Limit;
use crate::probe::failure::Failure;
use crate::probe::secured::Tls;
use crate::probe::text;

use super::packets::{Fields, Packet, Packets, broken};
use super::{key, refused};

/// What both sides can, of 32 bits.
const LONG_PASSWORD: u32 = 1;
const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const ENCRYPTED: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SCRAMBLED: u32 = 1 << 15;
const SEVERAL_STATEMENTS: u32 = 1 << 16;
const SEVERAL_ANSWERS: u32 = 1 << 17;
const WAYS: u32 = 1 << 19;

/// Bytes of an answer to a greeting before the user's name.
const HEAD: usize = 32;
/// Longest packet that we announce.
const PACKET: u32 = 1 << 20;
/// `utf8mb4_general_ci`
const CHARACTERS: u8 = 45;
/// Bytes of what a server gives to be scrambled with the password.
const SALT: usize = 20;
/// Packets that are read until a server lets us in.
const PACKETS: usize = 8;

/// What a server that knows the password says, and one that wants it whole.
const KNOWN: &[u8] = &[3];
const WHOLE: &[u8] = &[4];
/// Asks for the key with which the password is sent.
const KEY: &[u8] = &[2];

/// Who logs in.
pub struct Login {
    pub user: String,
    pub database: Option<String>,
    /// For whom a certificate must be, whom to trust and how long that may take, where the session is encrypted.
    pub tls: Option<(String, Tls, Limit)>,
    /// Over a socket of this host, where nobody else reads a password.
    pub local: bool,
    /// Empty: there is none.
    pub password: String,
}

/// How a password is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Native,
    Sha2,
}

impl Way {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::Sha2),
            _ => None,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Native => b"mysql_native_password",
            Self::Sha2 => b"caching_sha2_password",
        }
    }

    /// The password, so that only who knows it can tell; nothing where there is none.
    fn proof(self, salt: &[u8], password: &str) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        let algorithm = match self {
            Self::Native => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha2 => &SHA256,
        };
        let hash = |parts: &[&[u8]]| {
            let mut context = Context::new(algorithm);
            parts.iter().for_each(|part| context.update(part));
            context.finish()
        };
        let once = hash(&[password.as_bytes()]);
        let twice = hash(&[once.as_ref()]);
        let mask = match self {
            Self::Native => hash(&[salt, twice.as_ref()]),
            Self::Sha2 => hash(&[twice.as_ref(), salt]),
        };
        once.as_ref().iter().zip(mask.as_ref()).map(|(one, other)| one ^ other).collect()
    }
}

/// What a server greets with.
#[derive(Debug, PartialEq, Eq)]
struct Greeting {
    can: u32,
    salt: Vec<u8>,
    way: Way,
}

impl Greeting {
    fn read(packet: &[u8]) -> Option<Self> {
        let mut fields = Fields(packet);
        fields.bytes(1)?;
        let _version = fields.before_zero();
        let _connection = fields.bytes(4)?;
        let mut salt = fields.bytes(8)?.to_vec();
        fields.bytes(1)?;
        let mut can = u32::from(fields.u16()?);
        // Servers before version 4.1 end here.
        if fields.bytes(3).is_some() {
            can |= u32::from(fields.u16()?) << 16;
            let whole = usize::from(*fields.bytes(1)?.first()?);
            fields.bytes(10)?;
            salt.extend_from_slice(fields.bytes(whole.saturating_sub(8).max(13).min(fields.0.len()))?);
        }
        salt.resize(SALT, 0);
        let way = Way::of(fields.before_zero()).unwrap_or(Way::Native);
        Some(Self { can, salt, way })
    }
}

/// Logs in.
pub async fn enter(packets: &mut Packets, login: &Login) -> Result<(), Failure> {
    let told = |refusal| refused(&refusal, &login.user);
    let greeting = packets.greeting().await?;
    let greeting = Greeting::read(greeting.or_refused(told)?).ok_or_else(|| broken("no greeting"))?;
    let needed = PROTOCOL_41 | SCRAMBLED;
    if greeting.can & needed != needed {
        return Err(Failure::unknown("it is older than MySQL 4.1, which steadfast does not speak to"));
    }
    let hello = hello(&greeting, login);
    if let Some((host, trusted, limit)) = &login.tls {
        if greeting.can & ENCRYPTED == 0 {
            return Err(Failure::unhealthy("it does not speak TLS (have_ssl)"));
        }
        // The beginning of what is said once more, and encrypted, after that.
        packets.send(hello.get(..HEAD).unwrap_or_default()).await?;
        packets.secure(host, trusted, *limit).await?;
    }
    packets.send(&hello).await?;
    let Greeting { mut salt, mut way, .. } = greeting;
    let mut switched = false;
    for _ in 0..PACKETS {
        let packet = packets.next().await?;
        packet.or_refused(told)?;
        if packet.is_ok() {
            return Ok(());
        }
        if let Some(wanted) = packet.switch().filter(|_| !switched) {
            switched = true;
            (way, salt) = other_way(wanted, &login.user)?;
            packets.send(&way.proof(&salt, &login.password)).await?;
        } else if way == Way::Sha2 {
            sha2(packets, &packet, &salt, login).await?;
        } else {
            return Err(broken("something else than an answer to the login"));
        }
    }
    Err(broken("no end of the login"))
}

fn hello(greeting: &Greeting, login: &Login) -> Vec<u8> {
    let mut can = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SCRAMBLED | WAYS;
    can |= SEVERAL_STATEMENTS | SEVERAL_ANSWERS;
    if login.database.is_some() {
        can |= WITH_DATABASE;
    }
    if login.tls.is_some() {
        can |= ENCRYPTED;
    }
    can &= greeting.can;
    let proof = greeting.way.proof(&greeting.salt, &login.password);
    let mut hello = [&can.to_le_bytes()[..], &PACKET.to_le_bytes(), &[CHARACTERS], &[0; 23]].concat();
    hello.extend(without_zero(&login.user));
    // At most 32 bytes.
    hello.push(u8::try_from(proof.len()).unwrap_or_default());
    hello.extend(proof);
    if let Some(database) = login.database.as_ref().filter(|_| can & WITH_DATABASE != 0) {
        hello.extend(without_zero(database));
    }
    if can & WAYS != 0 {
        hello.extend_from_slice(greeting.way.name());
        hello.push(0);
    }
    hello
}

/// A text that ends with a zero, which must not stand in it.
fn without_zero(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(|byte| *byte != 0).chain([0])
}

/// The way to log in that the server asks for instead, and its salt.
fn other_way(wanted: &[u8], user: &str) -> Result<(Way, Vec<u8>), Failure> {
    let mut fields = Fields(wanted);
    let name = fields.before_zero();
    let salt = fields.0.strip_suffix(&[0]).unwrap_or(fields.0).to_vec();
    let way = Way::of(name).ok_or_else(|| {
        let user = text::name(user);
        // Nothing is named by the oldest one.
        let name = if name.is_empty() { "mysql_old_password".into() } else { String::from_utf8_lossy(name) };
        let name = text::name(&name);
        Failure::unknown(format!(
            "user {user} logs in by {name} there; steadfast can mysql_native_password and caching_sha2_password"
        ))
    })?;
    Ok((way, salt))
}

async fn sha2(packets: &mut Packets, said: &Packet, salt: &[u8], login: &Login) -> Result<(), Failure> {
    match said.more() {
        Some(KNOWN) => Ok(()),
        Some(WHOLE) => {
            let password = [login.password.as_bytes(), &[0]].concat();
            if login.local || login.tls.is_some() {
                return packets.send(&password).await;
            }
            packets.send(KEY).await?;
            let packet = packets.next().await?;
            let told = |refusal| refused(&refusal, &login.user);
            packet.or_refused(told)?;
            let key = packet.more().and_then(key::Key::read).ok_or_else(|| broken("no key"))?;
            // With an empty salt, nothing is hidden by it.
            let hidden = password.iter().zip(salt.iter().chain([&0]).cycle());
            let hidden: Vec<u8> = hidden.map(|(one, other)| one ^ other).collect();
            let sealed = key.sealed(&hidden).ok_or_else(|| broken("a key that is too short"))?;
            packets.send(&sealed).await
        }
        _ => Err(broken("something else than an answer to the login")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_password_is_proven_as_servers_expect_it() {
        // As another program makes them.
        let salt: Vec<u8> = (1..=20).collect();
        assert_eq!(hex(&Way::Native.proof(&salt, "secret")), "b32bb3a583e1340c0a1108d58b1be49781ad8c2f");
        assert_eq!(
            hex(&Way::Sha2.proof(&salt, "secret")),
            "746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9"
        );
        assert!(Way::Sha2.proof(&salt, "").is_empty());
    }

    #[test]
    fn who_wants_another_way_to_log_in_is_told_what_there_is() {
        let native = other_way(b"mysql_native_password\0abcdefghijklmnopqrst\0", "mon");
        assert_eq!(native, Ok((Way::Native, b"abcdefghijklmnopqrst".to_vec())));
        for (wanted, name) in [(&b"client_ed25519\0xyz"[..], "client_ed25519"), (b"", "mysql_old_password")] {
            let failure = other_way(wanted, "mon").expect_err("unknown");
            let told = format!(
                "user mon logs in by {name} there; steadfast can mysql_native_password and caching_sha2_password"
            );
            assert!(failure.says(&told), "{failure:?}");
        }
    }
}
