//! Expectations on a JSON body: JSON pointer (RFC 6901) → value or comparison.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::keys::Pointer;

use super::expected::Expected;
use super::text;

/// Bytes before the place where a body breaks that are quoted.
const BEFORE: usize = 20;

/// Checks every expectation; the first that is not met is told, as a clause such as `/status is "down"; expected "ok"`.
pub fn check(body: &[u8], expectations: &BTreeMap<Pointer, Expected>) -> Result<(), String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| broken(body, &error))?;
    for (pointer, expected) in expectations {
        let shown = text::name(pointer);
        match document.pointer(pointer) {
            None => return Err(format!("its JSON has no {shown}; expected {expected}")),
            Some(value) => holds(value, expected).map_err(|clause| format!("its {shown} {clause}"))?,
        }
    }
    Ok(())
}

/// Where a body breaks off being JSON, as a clause.
pub fn broken(body: &[u8], error: &serde_json::Error) -> String {
    let line_begins = |line: usize| {
        let mut ends = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        if line == 0 { 0 } else { ends.nth(line - 1).unwrap_or(0) }
    };
    let at = line_begins(error.line().saturating_sub(1)).saturating_add(error.column().saturating_sub(1));
    let (line, column) = (error.line(), error.column());
    if error.is_eof() && !body.is_empty() {
        let last = body.get(body.len().saturating_sub(BEFORE * 2)..).unwrap_or(body);
        return format!(
            "its body is not JSON: it breaks off after {} bytes, behind {}",
            body.len(),
            text::quoted(last)
        );
    }
    if at < BEFORE {
        return format!("its body is not JSON: {}", text::quoted(body));
    }
    let from = body.get(at.saturating_sub(BEFORE)..).unwrap_or(body);
    format!("its body is not JSON at line {line}, column {column}: {}", text::quoted(from))
}

/// Checks one value; a clause such as `is "down"; expected "ok"`.
pub fn holds(value: &Value, expected: &Expected) -> Result<(), String> {
    if meets(value, expected) {
        return Ok(());
    }
    Err(format!("is {}; expected {expected}", found(value)))
}

fn meets(value: &Value, expected: &Expected) -> bool {
    let number = |holds: &dyn Fn(f64) -> bool| value.as_f64().is_some_and(holds);
    match expected {
        Expected::Text(text) => value.as_str() == Some(text),
        Expected::Boolean(truth) => value.as_bool() == Some(*truth),
        Expected::Null => value.is_null(),
        Expected::Number(wanted) => number(&|got| got == *wanted),
        Expected::Below(bound) => number(&|got| got < *bound),
        Expected::AtMost(bound) => number(&|got| got <= *bound),
        Expected::Above(bound) => number(&|got| got > *bound),
        Expected::AtLeast(bound) => number(&|got| got >= *bound),
        Expected::NotEqual(other) => number(&|got| got != *other),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        // 3.0 and 3 are one number, and read better as 3.
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(number) => text::name(&number.to_string()),
            None => text::name(&number.to_string()),
        },
        Value::String(text) => text::quoted(text.as_bytes()),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"status": "ok", "up": true, "none": null, "list": [1, 2],
        "queue": {"depth": 7, "rate": 0.5}, "a/b": 1}"#;

    fn clause(pointer: &str, expected: Expected) -> Result<(), String> {
        let expectations = BTreeMap::from([(pointer.to_owned().try_into().expect("a pointer"), expected)]);
        check(BODY.as_bytes(), &expectations)
    }

    #[test]
    fn expectations_that_are_met() {
        use Expected::*;
        let met = [
            ("/status", Text("ok".to_owned())),
            ("/up", Boolean(true)),
            ("/none", Null),
            ("/list/1", Number(2.0)),
            ("/a~1b", Number(1.0)),
            ("/queue/rate", Number(0.5)),
            ("/queue/depth", Below(8.0)),
            ("/queue/depth", AtMost(7.0)),
            ("/queue/depth", Above(6.0)),
            ("/queue/depth", AtLeast(7.0)),
            ("/queue/depth", NotEqual(8.0)),
        ];
        for (pointer, expected) in met {
            assert_eq!(clause(pointer, expected.clone()), Ok(()), "{pointer} {expected:?}");
        }
    }

    #[test]
    fn expectations_that_are_not_met_name_both_sides() {
        use Expected::*;
        let not_met = [
            ("/status", Text("up".to_owned()), r#"its /status is "ok"; expected "up""#),
            ("/up", Boolean(false), "its /up is true; expected false"),
            ("/up", Null, "its /up is true; expected null"),
            ("/none", Number(0.0), "its /none is null; expected 0"),
            ("/list", Number(0.0), "its /list is a list of 2; expected 0"),
            ("/queue", Null, "its /queue is an object; expected null"),
            ("/queue/depth", Below(7.0), "its /queue/depth is 7; expected < 7"),
            ("/queue/depth", AtMost(6.5), "its /queue/depth is 7; expected <= 6.5"),
            ("/queue/depth", Above(7.0), "its /queue/depth is 7; expected > 7"),
            ("/queue/depth", AtLeast(8.0), "its /queue/depth is 7; expected >= 8"),
            ("/queue/depth", NotEqual(7.0), "its /queue/depth is 7; expected != 7"),
            ("/status", NotEqual(7.0), r#"its /status is "ok"; expected != 7"#),
            ("/queue/age", Below(7.0), "its JSON has no /queue/age; expected < 7"),
        ];
        for (pointer, expected, wanted) in not_met {
            assert_eq!(clause(pointer, expected), Err(wanted.to_owned()));
        }
    }

    #[test]
    fn what_is_no_json_is_quoted() {
        let any = BTreeMap::from([("/x".to_owned().try_into().expect("a pointer"), Expected::Null)]);
        let wanted = r#"its body is not JSON: "<html>\u{7}""#.to_owned();
        assert_eq!(check(b"<html>\x07", &any), Err(wanted));
        // O40: what breaks later is quoted where it breaks.
        let long = format!("{{\"a\": [{}]}} oops", "1, ".repeat(40) + "1");
        let told = check(long.as_bytes(), &any).unwrap_err();
        assert_eq!(told, r#"its body is not JSON at line 1, column 132: "1, 1, 1, 1, 1, 1]} oops""#);
        let told = check(br#"{"status": "ok", "queue": {"depth": "#, &any).unwrap_err();
        assert_eq!(
            told,
            r#"its body is not JSON: it breaks off after 36 bytes, behind "{\"status\": \"ok\", \"queue\": {\"depth\":""#
        );
        let deep = vec![b'['; 100_000];
        assert!(check(&deep, &any).is_err());
    }
}
