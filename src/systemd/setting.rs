//! A property of a transient unit, safe to be written into a unit file.
//!
//! systemd keeps the properties of a transient unit as lines of a file below `/run/systemd/transient`, and reads that file
//! again at each `daemon-reload`. A text with a newline would become lines of its own there: `ExecStopPost=+…`, run as
//! root. systemd escapes some properties (`ExecStart`, `Environment`) and writes others as they are (`WorkingDirectory`,
//! `Description`), so no control character is sent in any of them. It writes `%` as `%%` itself; `$NAME` in `ExecStart` is
//! replaced from the command's environment, as in any unit file.

use serde::Serialize;
use zbus::{Array, Type, Variant};

/// A name and its value. There is no other way to make one than [`Setting::new`].
#[derive(Debug, Serialize, Type)]
pub(super) struct Setting<'v>(&'v str, Variant<'v>);

impl<'v> Setting<'v> {
    /// A property that systemd can write down as one line.
    ///
    /// # Errors
    /// Which part of the command is unfit, and why; the end of a sentence that begins with "cannot run".
    pub(super) fn new(name: &'v str, value: impl Into<Variant<'v>>) -> Result<Self, String> {
        let value = value.into();
        match flaw(&value) {
            None => Ok(Self(name, value)),
            Some(flaw) => Err(format!("{} {flaw}", noun(name))),
        }
    }
}

/// The part of a command that a property holds.
fn noun(name: &str) -> String {
    match name {
        "Description" => "its description".to_owned(),
        "ExecStart" => "its command line".to_owned(),
        "WorkingDirectory" => "its working directory".to_owned(),
        "Environment" => "its environment".to_owned(),
        "User" => "its user".to_owned(),
        "Group" => "its group".to_owned(),
        other => format!("the setting {other}= of its unit"),
    }
}

/// Why the value cannot be one line of a unit file.
fn flaw(value: &Variant<'_>) -> Option<&'static str> {
    match value {
        // Only a whole text ends its line; systemd quotes those in lists.
        Variant::Str(text) if text.ends_with('\\') => {
            Some("ends with a backslash, which would continue its line in a unit file")
        }
        value => has_control(value).then_some("contains a control character"),
    }
}

/// Whether any text in the value has a character that ends a line, or controls a terminal.
fn has_control(value: &Variant<'_>) -> bool {
    match value {
        Variant::Str(text) => text.chars().any(is_control),
        Variant::ObjectPath(path) => path.chars().any(is_control),
        Variant::Array(items) => Array::inner(items).iter().any(has_control),
        Variant::Structure(fields) => fields.fields().iter().any(has_control),
        Variant::Dict(entries) => entries.iter().any(|(key, value)| has_control(key) || has_control(value)),
        Variant::Variant(inner) => has_control(inner),
        Variant::U8(_)
        | Variant::Bool(_)
        | Variant::I16(_)
        | Variant::U16(_)
        | Variant::I32(_)
        | Variant::U32(_)
        | Variant::I64(_)
        | Variant::U64(_)
        | Variant::F64(_)
        | Variant::Signature(_)
        | Variant::Fd(_) => false,
    }
}

/// C0, DEL, C1, and what Unicode calls the end of a line or of a paragraph.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "/srv/app/2\nExecStopPost=+/bin/sh";

    fn refused<'v>(name: &'v str, value: impl Into<Variant<'v>>) -> String {
        Setting::new(name, value).expect_err("it is refused")
    }

    #[test]
    fn no_property_of_any_kind_holds_a_control_character() {
        let why = "contains a control character";
        assert_eq!(refused("WorkingDirectory", LINES), format!("its working directory {why}"));
        assert_eq!(refused("Description", LINES), format!("its description {why}"));
        assert_eq!(refused("User", "app\nUser=root"), format!("its user {why}"));
        assert_eq!(refused("Group", "app\r"), format!("its group {why}"));
        assert_eq!(refused("Environment", vec!["A=b", LINES]), format!("its environment {why}"));
        let exec = vec![("/bin/x", vec!["/bin/x".to_owned(), LINES.to_owned()], false)];
        assert_eq!(refused("ExecStart", exec), format!("its command line {why}"));
        let binds = vec![("/srv", LINES, false, 0_u64)];
        assert_eq!(refused("BindPaths", binds), format!("the setting BindPaths= of its unit {why}"));
        assert!(Setting::new("Wrapped", Variant::Variant(Box::new(LINES.into()))).is_err());
        let map = std::collections::HashMap::from([("a", LINES)]);
        assert!(Setting::new("Map", map).is_err());
    }

    #[test]
    fn every_control_character_is_one() {
        for code in (0..0x20).chain(0x7f..0xa0).chain([0x2028, 0x2029]) {
            let c = char::from_u32(code).expect("a character");
            // A null byte is none of D-Bus's texts; zbus refuses it before we do.
            if c != '\0' {
                let directory = format!("/srv/{c}");
                assert!(Setting::new("WorkingDirectory", directory.as_str()).is_err(), "{code:x}");
            }
        }
    }

    #[test]
    fn a_line_is_not_continued_by_the_next_property() {
        let why = refused("WorkingDirectory", "/srv/app\\");
        assert!(why.starts_with("its working directory ends with a backslash"), "{why}");
        assert!(Setting::new("Environment", vec!["A=b\\"]).is_ok(), "systemd quotes it");
    }

    #[test]
    fn usual_values_pass() {
        for text in ["", "/srv/app/50% off", "-/srv/$HOME/ü-\u{fffd}", "a\\x2db"] {
            assert!(Setting::new("WorkingDirectory", text).is_ok(), "{text}");
        }
        assert!(Setting::new("IPAddressAllow", vec![(2_i32, vec![10_u8, 0, 0, 1], 32_u32)]).is_ok());
        assert!(Setting::new("TasksMax", 1024_u64).is_ok());
    }
}
