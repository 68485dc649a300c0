//! A server of PostgreSQL says how often a password is hashed (SCRAM), up to 4 billion times: the library would do nothing else
//! for hours. What it says is looked at first.

use std::io;

/// More are not done: half a second of work. The usual number is 4,096, and a careful admin has 600,000.
const MOST: u32 = 1_000_000;
/// Authentication, and what it says: it is over, and how a password is hashed.
const AUTHENTICATION: u8 = b'R';
const DONE: u32 = 0;
const CONTINUE: u32 = 11;

/// The messages of a server, until it lets us in.
#[derive(Debug, Default)]
pub struct Rounds {
    heard: Vec<u8>,
    /// Bytes of a message that are of no interest, and still to come.
    skip: usize,
    done: bool,
}

/// It wants more than we do.
#[derive(Debug, thiserror::Error)]
#[error("it has a password hashed {0} times, more than steadfast does")]
pub struct TooMany(String);

impl Rounds {
    /// Hears some more of it.
    ///
    /// # Errors
    /// It has a password hashed too often.
    pub fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        if !self.done {
            self.heard.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
        }
        while let Some(length) = self.length().filter(|_| !self.done) {
            let message = self.heard.get(..length.min(self.heard.len())).unwrap_or_default();
            if message.first() == Some(&AUTHENTICATION) {
                if message.len() < length {
                    break;
                }
                self.done = is_over(message)?;
            }
            self.skip = length.saturating_sub(self.heard.len());
            self.heard.drain(..length.min(self.heard.len()));
        }
        Ok(())
    }

    /// Bytes of the message that begins here, once it is known. A length below its own four bytes is an error of the library's.
    fn length(&self) -> Option<usize> {
        let (_, rest) = self.heard.split_first()?;
        let length = rest.first_chunk().copied().map(u32::from_be_bytes)?;
        usize::try_from(length.max(4)).ok()?.checked_add(1)
    }
}

/// Whether the server lets us in with this message.
fn is_over(message: &[u8]) -> io::Result<bool> {
    let Some((kind, text)) = message.get(5..).and_then(<[u8]>::split_first_chunk) else {
        return Ok(false);
    };
    let kind = u32::from_be_bytes(*kind);
    if kind == CONTINUE {
        let mut fields = text.split(|byte| *byte == b',');
        let rounds = fields.find_map(|field| field.strip_prefix(b"i="));
        let rounds = String::from_utf8_lossy(rounds.unwrap_or(b"0"));
        if rounds.parse::<u32>().is_ok_and(|rounds| rounds > MOST) {
            return Err(io::Error::other(TooMany(rounds.into_owned())));
        }
    }
    Ok(kind == DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// Heard at once, and byte by byte.
    fn refused(said: &[u8]) -> bool {
        let mut each = Rounds::default();
        let parts = said.iter().any(|byte| each.hear(&[*byte]).is_err());
        assert_eq!(Rounds::default().hear(said).is_err(), parts);
        parts
    }

    #[test]
    fn a_password_is_not_hashed_for_hours() {
        let said = |rounds: &str| {
            let first = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
            let text = format!("\0\0\0\u{b}r=abc,s=c2FsdA==,i={rounds}");
            [message(b'N', b"Mnote\0\0"), first, message(b'R', text.as_bytes())].concat()
        };
        assert!(!refused(&said("4096")) && !refused(&said("1000000")) && !refused(&said("none")));
        assert!(refused(&said("1000001")) && refused(&said("4294967295")));
        // Whoever let us in says what it likes.
        let later = [message(b'R', &[0; 4]), said("4294967295")].concat();
        assert!(!refused(&later));
        // A length that cannot be is for the library.
        assert!(!refused(b"R\0\0\0\0\0\0\0\x0b,i=4294967295") && !refused(b"N\xff\xff\xff\xffx"));
    }
}
