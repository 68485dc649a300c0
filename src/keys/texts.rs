//! Texts that must look like something: checked when they are read.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Wrong;

/// A type for texts that a function lets pass.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = Wrong;

            fn try_from(text: String) -> Result<Self, Wrong> {
                let check: fn(&str) -> Result<(), Wrong> = $check;
                check(&text).map(|()| Self(text))
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    };
}

text!(
    /// `host:port`.
    HostPort,
    |text| {
        let port = text
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse::<u16>().ok());
        match port {
            Some(1..) => Ok(()),
            Some(0) | None => Err(Wrong::value(format!("cannot ask \"{text}\": write \"host:port\""))),
        }
    }
);

text!(
    /// The absolute path of a file or socket.
    FullPath,
    |text| match text.starts_with('/') {
        true => Ok(()),
        false => Err(Wrong::value(format!("cannot ask \"{text}\": write an absolute path"))),
    }
);

text!(
    /// A URL that can be asked.
    HttpUrl,
    |text| {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let bad = |rest: &str| rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace);
        match rest {
            Some(rest) if !bad(rest) => Ok(()),
            _ => Err(Wrong::value(format!("cannot ask \"{text}\": it is no http:// or https:// URL"))),
        }
    }
);

text!(
    /// A URL that is sent something; it has no user and no password. It is not quoted: messages are read by more people than
    /// the file.
    PostUrl,
    |text| {
        if HttpUrl::try_from(text.to_owned()).is_err() {
            return Err(Wrong::value("cannot use `url`: it is no http:// or https:// URL"));
        }
        if authority(text).contains('@') {
            let message = "cannot take a user or password from a URL in steadfast.toml: others read it";
            let help = "add credential = \"NAME\" or password_file = \"PATH\"";
            return Err(Wrong::value(message).help(help));
        }
        Ok(())
    }
);

text!(
    /// A JSON pointer (RFC 6901).
    Pointer,
    |text| match text.is_empty() || text.starts_with('/') {
        true => Ok(()),
        false => Err(Wrong::value(format!(
            "cannot use \"{text}\": a JSON pointer begins with / (such as \"/status\")"
        ))),
    }
);

text!(
    /// The name of a credential is the name of a file.
    Credential,
    |text| {
        if text.is_empty() || text.starts_with('.') || text.contains('/') {
            return Err(Wrong::value(format!("cannot use \"{text}\" as the name of a credential")));
        }
        Ok(())
    }
);

/// `KEY@HOST:PORT` of a URL.
#[must_use]
pub fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// A command: a program by its absolute path, and its arguments; all fit to be written into a unit file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(inline)]
pub struct Argv(Vec<String>);

impl TryFrom<Vec<String>> for Argv {
    type Error = Wrong;

    fn try_from(argv: Vec<String>) -> Result<Self, Wrong> {
        let control =
            |word: &String| word.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
        if argv.iter().any(control) {
            let message = "cannot run a command with a control character (a newline, a tab) in it";
            return Err(Wrong::value(message).help("put the script into a file of its own"));
        }
        match argv.first() {
            Some(program) if program.starts_with('/') => Ok(Self(argv)),
            Some(program) => {
                let message =
                    format!("cannot run \"{program}\": systemd wants the absolute path of a program");
                Err(Wrong::value(message).help(format!("`command -v {program}` tells it")))
            }
            None => Err(Wrong::value("cannot run an empty command")),
        }
    }
}

impl From<Argv> for Vec<String> {
    fn from(argv: Argv) -> Self {
        argv.0
    }
}

impl Deref for Argv {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}
