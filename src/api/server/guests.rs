//! Who is inside: so many at one time, of each address only some, and never all places to one address while another waits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::task::{AbortHandle, JoinSet};

/// Connections of one address, or of one user who does not own the daemon.
pub const PER_ORIGIN: usize = 16;

/// From where somebody comes, as far as it can be told and not be feigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An address; of IPv6 its network, of the loopback all of it.
    Address(IpAddr),
    /// The user at the other end of the socket.
    User(u32),
}

impl Origin {
    pub fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(four) if four.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V4(four) => IpAddr::V4(four),
            // Whoever has one address of a network may take any of it.
            IpAddr::V6(six) if !six.is_loopback() => {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            IpAddr::V6(six) => IpAddr::V6(six),
        })
    }
}

/// Connections, each a task.
#[derive(Debug, Default)]
pub struct Guests {
    tasks: JoinSet<()>,
    /// In the order in which they came.
    inside: Vec<(AbortHandle, Option<Origin>)>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Everywhere.
    All,
    /// For where they come from.
    Origin,
}

impl Guests {
    /// A place for one more, where fewer than `limit` are there, or where one of the many from another origin makes room.
    /// `None`: whoever owns the daemon.
    pub fn place(&mut self, origin: Option<Origin>, limit: usize) -> Result<(), Full> {
        self.inside.retain(|(task, _)| !task.is_finished());
        let Some(origin) = origin else {
            return if self.inside.len() < limit { Ok(()) } else { Err(Full::All) };
        };
        let ours = self.of(origin);
        if ours >= PER_ORIGIN {
            return Err(Full::Origin);
        }
        if self.inside.len() < limit {
            return Ok(());
        }
        // The oldest of those who have most, if they have more than this one will have.
        let crowd = self.inside.iter().filter_map(|(_, other)| *other);
        let most = crowd.max_by_key(|other| self.of(*other)).filter(|most| self.of(*most) > ours + 1);
        let oldest = most.and_then(|most| self.inside.iter().position(|(_, other)| *other == Some(most)));
        let oldest = oldest.ok_or(Full::All)?;
        let (task, _) = self.inside.remove(oldest);
        task.abort();
        Ok(())
    }

    fn of(&self, origin: Origin) -> usize {
        self.inside.iter().filter(|(_, other)| *other == Some(origin)).count()
    }

    pub fn serve(&mut self, origin: Option<Origin>, talk: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(talk);
        self.inside.push((task, origin));
    }

    /// Returns when one has gone; `None` where nobody is there.
    pub async fn gone(&mut self) -> Option<()> {
        self.tasks.join_next().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Option<Origin> {
        Some(Origin::of(address.parse().expect("an address")))
    }

    fn enter(guests: &mut Guests, origin: Option<Origin>, limit: usize) -> Result<(), Full> {
        guests.place(origin, limit)?;
        guests.serve(origin, std::future::pending());
        Ok(())
    }

    #[tokio::test]
    async fn row_8_one_address_takes_some_places_and_a_new_one_always_finds_one() {
        let mut guests = Guests::default();
        let limit = 3 * PER_ORIGIN;
        for _ in 0..PER_ORIGIN {
            enter(&mut guests, from("10.0.0.1"), limit).expect("a place");
        }
        assert_eq!(enter(&mut guests, from("10.0.0.1"), limit), Err(Full::Origin));
        for other in ["10.0.0.2", "10.0.0.3"] {
            for _ in 0..PER_ORIGIN {
                enter(&mut guests, from(other), limit).expect("a place");
            }
        }
        // All places are taken by three; the scrape of a fourth gets one of theirs.
        enter(&mut guests, from("10.0.0.9"), limit).expect("a place");
        tokio::task::yield_now().await;
        assert_eq!(guests.inside.len(), limit);
        assert_eq!(guests.of(Origin::of("10.0.0.9".parse().expect("an address"))), 1);
        // Whoever owns the daemon takes nobody's place, and has some that nobody else has.
        assert_eq!(guests.place(None, limit), Err(Full::All));
        assert_eq!(guests.place(None, limit + 1), Ok(()));
    }

    #[test]
    fn a_network_and_the_loopback_are_one_origin_each() {
        assert_eq!(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::9"));
        assert_ne!(from("2001:db8:1:2::1"), from("2001:db8:1:3::1"));
        assert_eq!(from("127.0.0.1"), from("::ffff:127.3.2.1"));
        assert_ne!(from("127.0.0.1"), from("::1"));
    }
}
