//! The command line as the other host is given it: without the hosts, and safe from its shell.

use std::ffi::OsString;

/// Options of ours that take a value and stay here.
const OURS: [&str; 3] = ["-H", "--host", "--host-timeout"];

/// The words after the program's name, without what chooses hosts.
///
/// # Errors
/// A word that no line of a shell can carry.
pub fn without_hosts(arguments: &[OsString]) -> Result<Vec<String>, String> {
    let mut kept = Vec::new();
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let word = word.to_str().ok_or("a word of the command is not UTF-8; it cannot be sent over ssh")?;
        if let Some(letter) = word.chars().find(|letter| letter.is_control()) {
            return Err(format!("a word of the command has {letter:?}; it cannot be sent over ssh"));
        }
        if word == "--" {
            kept.push(word.to_owned());
            for word in words.by_ref() {
                kept.push(word.to_str().ok_or("a word of the command is not UTF-8")?.to_owned());
            }
        } else if OURS.contains(&word) {
            let _its_value = words.next();
        } else if !is_ours(word) {
            kept.push(word.to_owned());
        }
    }
    Ok(kept)
}

/// The option with its value in one word.
fn is_ours(word: &str) -> bool {
    word.starts_with("-H") || word.starts_with("--host=") || word.starts_with("--host-timeout=")
}

/// The line that the other host's shell runs.
pub fn far_line(words: &[String]) -> String {
    let mut line = String::from("steadfast");
    for word in words {
        line.push(' ');
        line.push_str(&quoted(word));
    }
    line
}

/// A word as sh, bash, zsh, fish and csh take it for itself.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    // Only fish takes a backslash between quotes for more than itself.
    let mut quoted = String::from("'");
    for letter in word.chars() {
        match letter {
            '\'' => quoted.push_str(r"'\''"),
            '\\' => quoted.push_str(r"'\\'"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(line: &[&str]) -> Vec<String> {
        without_hosts(&line.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_chooses_hosts_stays_here() {
        let wanted = ["wait", "shop", "--for=Release,Serving"];
        assert_eq!(kept(&["steadfast", "-H", "a,b", "wait", "shop", "--for=Release,Serving"]), wanted);
        assert_eq!(kept(&["steadfast", "wait", "-Ha", "shop", "--for=Release,Serving", "--host=b"]), wanted);
        assert_eq!(
            kept(&[
                "steadfast",
                "--host-timeout",
                "5s",
                "wait",
                "--host-timeout=5s",
                "shop",
                "--for=Release,Serving"
            ]),
            wanted
        );
        assert_eq!(
            kept(&["steadfast", "hold", "a", "--", "x", "-H", "y"]),
            ["hold", "a", "--", "x", "-H", "y"]
        );
    }

    #[test]
    fn words_reach_the_program_as_they_were_typed() {
        let words =
            ["hold", "web-*", "--reason", "it's $HOME `id` \"x\" \\ ; rm -rf / & !", "", "a=b", "~", "ünï"];
        let line = far_line(&words.map(str::to_owned));
        for shell in ["sh", "bash"] {
            // The program's place is taken by what prints its words.
            let script = line.replacen("steadfast", r#"printf '%s\n'"#, 1);
            let output = std::process::Command::new(shell).args(["-c", &script]).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            assert_eq!(printed.lines().collect::<Vec<_>>(), words, "{shell}");
        }
    }

    #[test]
    fn words_that_no_line_can_carry_are_refused() {
        let line = ["steadfast", "hold", "a", "--reason", "two\nlines"].map(OsString::from);
        assert!(without_hosts(&line).is_err());
    }
}
