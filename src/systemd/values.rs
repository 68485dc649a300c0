//! Property values as the bus carries them, taken out by name. A value that is missing or of another type is absent.

use std::collections::HashMap;

use zbus::{Array, Variant};

/// Values by the name of the property.
pub(super) type Values<'m> = HashMap<&'m str, Variant<'m>>;

/// systemd's way to write "no limit".
pub(super) const INFINITY: u64 = u64::MAX;

/// A text.
pub(super) fn text<'v>(values: &'v Values<'_>, name: &str) -> Option<&'v str> {
    as_text(values.get(name)?)
}

/// A text, empty when absent.
pub(super) fn text_or_empty(values: &Values<'_>, name: &str) -> String {
    text(values, name).unwrap_or_default().to_owned()
}

/// A number of any width; a negative one is absent.
pub(super) fn number(values: &Values<'_>, name: &str) -> Option<u64> {
    match values.get(name)? {
        Variant::U64(number) => Some(*number),
        Variant::U32(number) => Some(u64::from(*number)),
        Variant::I32(number) => u64::try_from(*number).ok(),
        Variant::I64(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// A number that fits into 32 bits.
pub(super) fn small(values: &Values<'_>, name: &str) -> Option<u32> {
    number(values, name).and_then(|number| u32::try_from(number).ok())
}

/// A truth value; absent is no.
pub(super) fn flag(values: &Values<'_>, name: &str) -> bool {
    matches!(values.get(name), Some(Variant::Bool(true)))
}

/// Texts, or the texts that lead structures, as in a list of paths with a flag each.
pub(super) fn texts(values: &Values<'_>, name: &str) -> Vec<String> {
    items(values, name)
        .filter_map(|item| match item {
            Variant::Structure(fields) => as_text(fields.fields().first()?),
            other => as_text(other),
        })
        .map(str::to_owned)
        .collect()
}

/// The items of an array; none when absent.
pub(super) fn items<'v, 'm>(values: &'v Values<'m>, name: &str) -> impl Iterator<Item = &'v Variant<'m>> {
    match values.get(name) {
        Some(Variant::Array(array)) => Some(Array::inner(array).iter()),
        _ => None,
    }
    .into_iter()
    .flatten()
}

/// Bytes in hexadecimal, as `InvocationID` is written.
pub(super) fn hex(values: &Values<'_>, name: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(32);
    for item in items(values, name) {
        if let Variant::U8(byte) = item {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
    }
    hex
}

/// The id of the `Job` of a unit; absent when none is queued.
pub(super) fn job_id(values: &Values<'_>) -> Option<u32> {
    let Variant::Structure(job) = values.get("Job")? else {
        return None;
    };
    match job.fields().first()? {
        Variant::U32(id) if *id != 0 => Some(*id),
        _ => None,
    }
}

/// A variant as text.
pub(super) fn as_text<'v>(value: &'v Variant<'_>) -> Option<&'v str> {
    match value {
        Variant::Str(text) => Some(text.as_str()),
        Variant::ObjectPath(path) => Some(path.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_by_name_and_type() {
        let values: Values<'_> = HashMap::from([
            ("Id", Variant::from("x.service")),
            ("Names", Variant::from(vec!["x.service", "y.service"])),
            ("EnvironmentFiles", Variant::from(vec![("/etc/x", true), ("/etc/y", false)])),
            ("MainPID", Variant::from(7_u32)),
            ("ExecMainStatus", Variant::from(-1_i32)),
            ("InvocationID", Variant::from(vec![0_u8, 255])),
            ("Job", Variant::from((9_u32, zbus::ObjectPath::from_static_str_unchecked("/j")))),
        ]);
        assert_eq!(text(&values, "Id"), Some("x.service"));
        assert_eq!(text(&values, "MainPID"), None);
        assert_eq!(texts(&values, "Names"), ["x.service", "y.service"]);
        assert_eq!(texts(&values, "EnvironmentFiles"), ["/etc/x", "/etc/y"]);
        assert_eq!(small(&values, "MainPID"), Some(7));
        assert_eq!(number(&values, "ExecMainStatus"), None);
        assert_eq!(hex(&values, "InvocationID"), "00ff");
        assert_eq!(job_id(&values), Some(9));
        assert!(!flag(&values, "CanStart"));
    }
}
