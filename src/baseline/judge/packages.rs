//! Packages: how many changed, the first by name, and those that were left half done.

use crate::model::baseline::{Baseline, Difference, Gravity};

use super::{difference, listed};

pub fn differences(before: &Baseline, after: &Baseline) -> Vec<Difference> {
    if before.packages.is_empty() || after.packages.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let half = |version: &String| version.ends_with(')');
    let broken: Vec<String> = after
        .packages
        .iter()
        .filter(|(name, version)| half(version) && !before.packages.get(*name).is_some_and(half))
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    if !broken.is_empty() {
        let message = format!("left half done: {}", listed(&broken));
        found.push(difference(Gravity::Warning, message, Vec::new(), Some("dpkg --configure -a".to_owned())));
    }
    let mut names: Vec<&String> = before.packages.keys().chain(after.packages.keys()).collect();
    names.sort();
    names.dedup();
    let changed: Vec<String> = names.into_iter().filter_map(|name| change(name, before, after)).collect();
    if !changed.is_empty() {
        let verb = if changed.len() == 1 { "1 package" } else { "packages" };
        let count = if changed.len() == 1 { String::new() } else { format!("{} ", changed.len()) };
        let message = format!("{count}{verb} changed: {}", listed(&changed));
        found.push(difference(Gravity::Note, message, Vec::new(), None));
    }
    found
}

/// What became of one package: `memcached 1.6.18 -> 1.6.19`.
pub fn change(name: &str, before: &Baseline, after: &Baseline) -> Option<String> {
    match (before.packages.get(name), after.packages.get(name)) {
        (Some(was), Some(is)) if was != is => Some(format!("{name} {was} -> {is}")),
        (Some(was), None) => Some(format!("{name} {was} removed")),
        (None, Some(is)) => Some(format!("{name} {is} installed")),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
