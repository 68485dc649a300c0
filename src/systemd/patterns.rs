//! Patterns of unit names, as `systemctl` takes them.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use super::command;
use crate::model::unit::UnitName;

/// Patterns, ready to match. One that cannot be understood matches nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(BTreeMap<String, Option<GlobMatcher>>);

impl Patterns {
    pub(super) fn new<'p>(patterns: impl IntoIterator<Item = &'p String>) -> Self {
        let matcher = |pattern: &str| {
            let glob = GlobBuilder::new(pattern).backslash_escape(false).build();
            glob.ok().map(|glob| glob.compile_matcher())
        };
        Self(patterns.into_iter().map(|pattern| (pattern.clone(), matcher(pattern))).collect())
    }

    /// Whether any pattern matches. Our own transient units match none.
    pub(super) fn any(&self, name: &str) -> bool {
        !name.starts_with(command::PREFIX) && self.0.values().flatten().any(|glob| glob.is_match(name))
    }

    /// What each pattern matches of `names`, sorted.
    pub(super) fn sort_out<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> BTreeMap<String, Vec<UnitName>> {
        let mut matched: BTreeMap<String, Vec<UnitName>> =
            self.0.keys().map(|pattern| (pattern.clone(), Vec::new())).collect();
        for name in names.filter(|name| !name.starts_with(command::PREFIX)) {
            for (pattern, units) in &mut matched {
                if let Some(Some(glob)) = self.0.get(pattern)
                    && glob.is_match(name)
                {
                    units.push(UnitName::from(name));
                }
            }
        }
        for units in matched.values_mut() {
            units.sort();
        }
        matched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_systemctls() {
        let wanted = ["web-*.service".to_owned(), "worker@[ab].service".to_owned()];
        let patterns = Patterns::new(&wanted);
        assert!(patterns.any("web-1.service"));
        assert!(patterns.any("web-a\\x2db.service"));
        assert!(!patterns.any("web-1.socket"));
        assert!(!patterns.any("worker@c.service"));
        let names = ["worker@b.service", "x.service", "worker@a.service"];
        let matched = patterns.sort_out(names.into_iter());
        assert_eq!(
            matched.get("worker@[ab].service").map(Vec::as_slice),
            Some(&["worker@a.service".into(), "worker@b.service".into()][..])
        );
        assert_eq!(matched.get("web-*.service"), Some(&Vec::new()));
    }

    #[test]
    fn our_own_runs_are_nobodys_units() {
        let all = ["*".to_owned()];
        assert!(!Patterns::new(&all).any("steadfast-run-1-00ff.service"));
    }
}
