//! What to do about a command that did not work: another word for it, or more rights.

use std::ffi::OsString;

use super::Options;
use crate::api::client;

/// Words of other tools, and what they are called here.
const FOREIGN: [(&str, &str); 31] = [
    ("ack-all", "ack"),
    ("apply", "adopt"),
    ("config", "verify"),
    ("configtest", "verify"),
    ("describe", "explain"),
    ("diff", "baseline diff"),
    ("disable", "hold"),
    ("doctor", "audit"),
    ("history", "incidents"),
    ("import", "adopt --from"),
    ("journal", "logs"),
    ("lint", "verify"),
    ("list", "status"),
    ("list-units", "status"),
    ("ls", "status"),
    ("maintenance", "hold"),
    ("monitor", "adopt"),
    ("mute", "hold"),
    ("pause", "hold"),
    ("ps", "status"),
    ("reload", "verify"),
    ("restart", "recover"),
    ("show", "status"),
    ("silence", "hold"),
    ("snapshot", "baseline save"),
    ("start", "recover"),
    ("summary", "status"),
    ("test", "drill"),
    ("unhold", "resume"),
    ("unpause", "resume"),
    ("validate", "verify"),
];

/// The command that somebody may mean by a word that is none.
pub fn command(word: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|(foreign, _)| *foreign == word).map(|(_, ours)| *ours)
}

/// The same command line with more rights, where a lack of them was the trouble.
pub fn with_sudo(error: &anyhow::Error, options: &Options, arguments: &[OsString]) -> Option<String> {
    if options.user || nix::unistd::geteuid().is_root() || !is_denied(error) {
        return None;
    }
    let words: Vec<String> = arguments.iter().skip(1).map(|word| quoted(&word.to_string_lossy())).collect();
    Some(format!("try: sudo steadfast {}", words.join(" ")))
}

fn is_denied(error: &anyhow::Error) -> bool {
    let denied = error.downcast_ref().is_some_and(|error| matches!(error, client::Error::Denied(_)));
    denied || format!("{error:#}").to_lowercase().contains("permission denied")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_back_as_a_shell_takes_it() {
        assert_eq!(["web-1", "web-*", "", "it's"].map(quoted), ["web-1", "'web-*'", "''", r"'it'\''s'"]);
    }

    #[test]
    fn the_lack_of_rights_is_recognised() {
        let denied = anyhow::Error::from(client::Error::Denied("cannot hold: only root".to_owned()));
        assert!(
            is_denied(&denied)
                && is_denied(&anyhow::anyhow!("cannot write: Permission denied (os error 13)"))
        );
        assert!(!is_denied(&anyhow::anyhow!("cannot write: no space left")));
    }

    #[test]
    fn foreign_words_are_sorted_and_name_no_command_of_ours() {
        assert!(FOREIGN.is_sorted());
        assert_eq!((command("restart"), command("status")), (Some("recover"), None));
    }
}
