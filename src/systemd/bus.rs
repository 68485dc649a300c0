//! Connections to the bus of a service manager: which bus, within which limit, and its errors in words.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use tokio::time::timeout;
use zbus::DBusError as _;
use zbus::fdo::DBusProxy;
use zbus::message::Message;
use zbus::{Connection, MatchRule, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use super::values::Values;

/// The well-known name of the service manager, on either bus.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
/// Where the objects of units live.
pub(super) const UNITS: &str = "/org/freedesktop/systemd1/unit";
/// The interface that every kind of unit has.
pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// The interface of the manager itself.
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The standard interface for reading properties.
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A bus that does not let us in within this time is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// One answer. A daemon-reload of thousands of units keeps the manager silent for tens of seconds.
const CALL_LIMIT: Duration = Duration::from_secs(45);

/// Which service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// PID 1, on the system bus.
    System,
    /// The user's own manager, on the bus at `$XDG_RUNTIME_DIR/bus`.
    User,
}

impl Instance {
    /// The user's own, or the system's.
    #[must_use]
    pub fn of(user: bool) -> Self {
        if user { Self::User } else { Self::System }
    }
}

/// The bus could not be had, or what was asked over it failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("cannot connect to the {bus} bus: {why}")]
    Connect { bus: &'static str, why: String },
    #[error("cannot speak to the service manager: {0}")]
    Call(String),
}

impl From<zbus::Error> for BusError {
    fn from(error: zbus::Error) -> Self {
        Self::Call(words(&error))
    }
}

/// A new connection, whose every call has a limit.
///
/// Orders and commands take one each: it costs about a millisecond, and its match rules and references end with it.
pub(super) async fn connect(instance: Instance) -> Result<Connection, BusError> {
    let fault = |why: String| BusError::Connect {
        bus: match instance {
            Instance::System => "system",
            Instance::User => "user",
        },
        why,
    };
    let builder = match instance {
        Instance::System => zbus::connection::Builder::system(),
        Instance::User => {
            let path = user_socket().map_err(fault)?;
            let stream = std::os::unix::net::UnixStream::connect(&path)
                .map_err(|error| fault(format!("{}: {error}", path.display())))?;
            zbus::connection::Builder::unix_stream(stream)
        }
    };
    match timeout(CONNECT_LIMIT, builder.method_timeout(CALL_LIMIT).build()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(fault(words(&error))),
        Err(_) => Err(fault(format!("no answer within {}s", CONNECT_LIMIT.as_secs()))),
    }
}

/// The socket of the user's bus. Its address variable is not asked: it may name another session's bus.
fn user_socket() -> Result<PathBuf, String> {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !dir.is_empty() => Ok(PathBuf::from(dir).join("bus")),
        _ => Err("XDG_RUNTIME_DIR is not set".to_owned()),
    }
}

/// The signals that a connection was asked to receive, in the order of the bus.
///
/// It must be polled all the time: a full queue stops the one reader of the connection, and with it every reply.
#[derive(Debug)]
pub(super) struct Signals(MessageStream);

impl Signals {
    /// Asks the bus for what `rules` match, then listens.
    pub(super) async fn open(
        connection: &Connection,
        rules: Vec<MatchRule<'_>>,
        queue: usize,
    ) -> zbus::Result<Self> {
        let bus = DBusProxy::new(connection).await?;
        for rule in rules {
            bus.add_match_rule(rule).await?;
        }
        // Opened only now, so that nothing piles up in it while the calls above wait for their replies.
        let mut stream = MessageStream::from(connection);
        stream.set_max_queued(NonZeroUsize::new(queue).unwrap_or(NonZeroUsize::MIN));
        Ok(Self(stream))
    }

    /// The next signal; `None` once the connection is lost. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            let message = self.0.next().await?.ok()?;
            if is_broadcast(&message) {
                return Some(message);
            }
        }
    }
}

/// A signal that came to us because it matches our rules, and so from the sender that they name.
///
/// The bus delivers a signal with a destination past all rules, and lets every local user send one: whatever it says of
/// units is made up. Only the bus itself cannot be imitated.
fn is_broadcast(message: &Message) -> bool {
    let header = message.header();
    let of_bus = header.sender().is_some_and(|sender| sender.as_str() == "org.freedesktop.DBus");
    message.message_type() == zbus::message::Type::Signal && (header.destination().is_none() || of_bus)
}

/// The object of a unit, by any of its names.
pub(super) fn unit_path(unit: &str) -> OwnedObjectPath {
    let path = format!("{UNITS}/{}", escape(unit));
    // Escaping leaves nothing that a path may not contain.
    OwnedObjectPath::from(ObjectPath::from_string_unchecked(path))
}

/// systemd's escaping of one label of an object path: all but letters and digits as `_` and two hex digits.
fn escape(label: &str) -> String {
    use std::fmt::Write as _;
    if label.is_empty() {
        return "_".to_owned();
    }
    let mut escaped = String::with_capacity(label.len() + 8);
    for (index, byte) in label.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "_{byte:02x}");
        }
    }
    escaped
}

/// Reads one property; never a whole interface of a unit, whose enablement costs the manager milliseconds.
pub(super) async fn property<T>(
    connection: &Connection,
    path: &ObjectPath<'_>,
    interface: &str,
    name: &str,
) -> zbus::Result<T>
where
    T: TryFrom<OwnedVariant>,
    T::Error: Into<zbus::Error>,
{
    let reply =
        connection.call_method(Some(SYSTEMD), path, Some(PROPERTIES), "Get", &(interface, name)).await?;
    let value: OwnedVariant = reply.body().deserialize()?;
    T::try_from(value).map_err(Into::into)
}

/// What a person reads of an error: systemd's own sentence where there is one.
pub(super) fn words(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(text), _) if !text.is_empty() => text.clone(),
        zbus::Error::MethodError(name, _, _) => name.as_str().to_owned(),
        zbus::Error::FDO(error) => match error.description() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => error.name().as_str().to_owned(),
        },
        zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            format!("no answer within {}s", CALL_LIMIT.as_secs())
        }
        zbus::Error::InputOutput(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Whether an error leaves open what became of the question: no answer came. Everything else is the manager's or the
/// bus's own answer, or our own side's: then nothing was done.
pub(super) fn unanswered(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::InputOutput(_) => true,
        zbus::Error::MethodError(name, _, _) => lost_reply(name.as_str()),
        zbus::Error::FDO(error) => lost_reply(error.name().as_str()),
        _ => false,
    }
}

/// What the bus says when the one who was asked will never answer.
fn lost_reply(name: &str) -> bool {
    matches!(
        name.strip_prefix("org.freedesktop.DBus.Error."),
        Some("NoReply" | "Disconnected" | "Timeout" | "TimedOut")
    )
}

/// Reads some properties at once; each is a call of its own, and all are on their way together.
pub(super) async fn properties(
    connection: &Connection,
    path: &ObjectPath<'_>,
    interface: &str,
    names: &[&'static str],
) -> zbus::Result<Values<'static>> {
    let reads = names.iter().map(|name| named(connection, path, interface, name));
    Ok(try_join_all(reads).await?.into_iter().collect())
}

/// The same of properties that not every systemd has: what it does not know is absent.
pub(super) async fn known_properties(
    connection: &Connection,
    path: &ObjectPath<'_>,
    interface: &str,
    names: &[&'static str],
) -> zbus::Result<Values<'static>> {
    let reads = names.iter().map(|name| async move {
        match named(connection, path, interface, name).await {
            Err(error) if !unanswered(&error) => Ok(None),
            read => read.map(Some),
        }
    });
    Ok(try_join_all(reads).await?.into_iter().flatten().collect())
}

/// Reads one property, with its name.
async fn named(
    connection: &Connection,
    path: &ObjectPath<'_>,
    interface: &str,
    name: &'static str,
) -> zbus::Result<(&'static str, Variant<'static>)> {
    let value: OwnedVariant = property(connection, path, interface, name).await?;
    Ok((name, Variant::from(value)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn object_paths_are_systemds() {
        assert_eq!(
            unit_path("worker@a-1.service").as_str(),
            "/org/freedesktop/systemd1/unit/worker_40a_2d1_2eservice"
        );
        assert_eq!(unit_path("3proxy.service").as_str(), "/org/freedesktop/systemd1/unit/_33proxy_2eservice");
        assert_eq!(escape(""), "_");
    }

    /// An error as a peer or the bus sends it.
    pub(crate) fn told(name: &str) -> zbus::Error {
        let asked = Message::method_call("/x", "Y").build(&()).expect("a question");
        let name = zbus::names::ErrorName::try_from(name.to_owned()).expect("a name");
        let answer = Message::error(&asked.header(), name).build(&("why",));
        zbus::Error::from(answer.expect("an answer"))
    }

    #[test]
    fn a_lost_reply_is_no_refusal() {
        for name in ["NoReply", "Disconnected", "Timeout", "TimedOut"] {
            assert!(unanswered(&told(&format!("org.freedesktop.DBus.Error.{name}"))), "{name}");
        }
        assert!(unanswered(&std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        assert!(unanswered(&zbus::fdo::Error::NoReply(String::new()).into()));
        for name in ["org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.DBus.Error.AccessDenied"] {
            assert!(!unanswered(&told(name)), "{name}");
        }
    }

    #[test]
    fn a_signal_that_is_sent_to_us_alone_is_not_the_managers() {
        let signal = || Message::signal("/x", "org.example.X", "PropertiesChanged");
        assert!(is_broadcast(&signal().build(&()).expect("a message")));
        let forged = signal().destination(":1.7").build(&()).expect("a message");
        assert!(!is_broadcast(&forged));
    }
}
