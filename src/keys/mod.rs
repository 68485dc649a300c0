//! Keys as people write them in a TOML file: lists of kinds, each with its own keys, and the values that kinds share.

mod amount;
mod kind;
mod length;
mod names;
mod password;
mod texts;

use std::fmt;

pub use amount::scale;
pub use kind::{Kind, read, read_again};
pub use length::{Length, LengthOrNever};
pub use names::names;
pub use password::{password, server_url};
pub use texts::{Argv, Credential, FullPath, HostPort, PageUrl, Pointer, PostUrl, authority, behind_socket};

/// A value that cannot be used, or values that do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key that has the value; `None`: another is missing, or it is not known here which key it is.
    pub key: Option<&'static str>,
    /// One sentence, "cannot X: cause"; of a table only the cause.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Wrong {
    /// The value of a key that is not known here: the reader of the file knows it.
    #[must_use]
    pub fn value(message: impl Into<String>) -> Self {
        Self { key: None, message: message.into(), help: None }
    }

    /// The table as a whole. Whoever reads the file adds which one it is.
    #[must_use]
    pub fn table(cause: impl Into<String>) -> Self {
        Self::value(cause)
    }

    /// The value of this key.
    #[must_use]
    pub fn at(key: &'static str, message: impl Into<String>) -> Self {
        Self { key: Some(key), ..Self::value(message) }
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Wrong {
    /// The way out is the second line: so it passes through errors of serde, which have only a text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(formatter, "\n{help}"))
    }
}
