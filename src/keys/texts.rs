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
    /// A URL that can be asked, or a page behind a socket of this host: `unix:/run/app.sock:/page`.
    PageUrl,
    |text| match behind_socket(text) {
        Some(_) => Ok(()),
        None => {
            let page = HttpUrl::try_from(text.to_owned()).map(drop);
            let of_socket = socket_meant(text);
            match of_socket {
                Some(right) => Err(Wrong::value(format!("cannot ask \"{text}\": a page behind a socket is written otherwise"))
                    .help(format!("write \"{right}\""))),
                None => page,
            }
        }
    }
);

/// Socket and page of `unix:/run/app.sock:/page`; nginx' form, `http://unix:/run/app.sock:/page`, means the same.
#[must_use]
pub fn behind_socket(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("unix:").or_else(|| url.strip_prefix("http://unix:"))?;
    let (socket, _) = rest.split_once(":/")?;
    let page = rest.get(socket.len() + 1..)?;
    let plain = socket.starts_with('/') && !socket.starts_with("//") && !rest.contains(char::is_whitespace);
    plain.then_some((socket, page))
}

/// What a URL of another form means, if it names a socket.
fn socket_meant(url: &str) -> Option<String> {
    let schemes = ["http+unix://", "https+unix://", "http://unix:", "https://unix:", "unix:"];
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.or_else(|| url.strip_prefix("http://")).or(Some(url))?;
    let rest = rest.replace("%2F", "/").replace("%2f", "/");
    let named = schemes.iter().any(|scheme| url.starts_with(scheme)) || rest.starts_with('/');
    let path = format!("/{}", rest.trim_start_matches('/'));
    let (socket, page) = match path.split_once(":/") {
        Some((socket, page)) => (socket, page),
        None => path.split_once(".sock/").map_or((path.as_str(), ""), |(socket, page)| (socket, page)),
    };
    let socket = socket.trim_end_matches(':');
    let end = if path.contains(".sock/") && !socket.ends_with(".sock") { ".sock" } else { "" };
    named.then(|| format!("unix:{socket}{end}:/{page}"))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_behind_a_socket_is_told_how_to_be_written() {
        let right = "unix:/run/app.sock:/health";
        for good in [right, "http://unix:/run/app.sock:/health", "http://unix/health", "https://a.example"] {
            assert!(PageUrl::try_from(good.to_owned()).is_ok(), "{good}");
        }
        assert_eq!(
            behind_socket("http://unix:/run/app.sock:/health?a:/b"),
            Some(("/run/app.sock", "/health?a:/b"))
        );
        for wrong in [
            "http+unix://%2Frun%2Fapp.sock/health",
            "http+unix:///run/app.sock/health",
            "unix:///run/app.sock:/health",
            "https://unix:/run/app.sock:/health",
            "http:///run/app.sock:/health",
            "/run/app.sock:/health",
            "unix:run/app.sock:/health",
        ] {
            let help = PageUrl::try_from(wrong.to_owned()).err().and_then(|wrong| wrong.help);
            assert_eq!(help.as_deref(), Some(format!("write \"{right}\"").as_str()), "{wrong}");
        }
        for (wrong, right) in
            [("unix:/run/app.sock", "unix:/run/app.sock:/"), ("/run/app", "unix:/run/app:/")]
        {
            let help = PageUrl::try_from(wrong.to_owned()).err().and_then(|wrong| wrong.help);
            assert_eq!(help.as_deref(), Some(format!("write \"{right}\"").as_str()), "{wrong}");
        }
        assert!(PageUrl::try_from("ftp://a.example/".to_owned()).is_err());
    }
}
