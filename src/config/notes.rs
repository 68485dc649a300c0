//! What is good to know of files that are switched off, and no mistake.

use std::path::Path;

use jiff::Timestamp;

use crate::model::spec::Spec;

/// Whoever switches a file off for longer will have forgotten it.
const LONG_MS: i64 = 90 * DAY_MS;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A sentence for each file whose end has passed or is far away; `all`: also for those that are switched off for a while.
#[must_use]
pub fn of(specs: &[Spec], now_ms: i64, all: bool) -> Vec<String> {
    specs.iter().filter_map(|spec| note(spec, now_ms, all)).collect()
}

fn note(spec: &Spec, now_ms: i64, all: bool) -> Option<String> {
    let disabled = spec.disabled.as_ref()?;
    let file = if all { name(&spec.file) } else { spec.file.as_str() };
    let until = Timestamp::from_millisecond(disabled.until_ms).ok()?.strftime("%Y-%m-%d %H:%M UTC");
    let left = disabled.until_ms.saturating_sub(now_ms);
    let reason = &disabled.reason;
    if left <= 0 {
        return Some(format!(
            "{file}: the end of [disabled] has passed ({until}): it has no effect any more and can go"
        ));
    }
    if left > LONG_MS {
        let days = left / DAY_MS;
        return Some(format!(
            "{file} is switched off for another {days} days, until {until}; nobody will remember why: {reason}"
        ));
    }
    all.then(|| format!("{file} is switched off until {until}: {reason}"))
}

/// `shop.service.toml` of its path.
fn name(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file)
}
