//! `requires` over all files: short names made whole, names that nothing manages told, cycles refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::spec::{Problem, Selector, Spec};
use crate::model::unit::UnitName;

use super::diagnose::{Mistake, problem};
use super::loader::Loaded;

/// Units that require one another in a row; beyond it no circle is looked for.
const LONGEST_CHAIN: usize = 256;

/// Settles what each file requires. What cannot be used is left out and told; the unit stays managed.
pub fn settle(loaded: &mut Loaded) {
    let known: BTreeSet<UnitName> = loaded.specs.iter().filter_map(of_one).cloned().collect();
    let patterns = loaded.specs.iter().any(|spec| matches!(spec.selector, Selector::Pattern(_)));
    for spec in &mut loaded.specs {
        for need in &mut spec.requires {
            *need = whole(need, &known);
        }
        // What a pattern manages is not known here.
        let stranger = |need: &&UnitName| !known.contains(*need) && !patterns;
        let strangers: Vec<String> = spec.requires.iter().filter(stranger).map(ToString::to_string).collect();
        if !strangers.is_empty() {
            let names = strangers.join(", ");
            let mistake = Mistake::whole(format!("cannot use `requires`: no file manages {names}"))
                .help("add a unit file for it, or NAME.dependency.toml with a probe where it is no unit of this host");
            loaded.problems.push(told(&spec.file, &mistake));
        }
    }
    refuse_cycles(loaded);
}

fn told(file: &str, mistake: &Mistake) -> Problem {
    problem(Path::new(file), "", mistake)
}

fn of_one(spec: &Spec) -> Option<&UnitName> {
    match &spec.selector {
        Selector::Unit(unit) => Some(unit),
        Selector::Pattern(_) => None,
    }
}

/// `broker` is `broker.dependency` where there is one, and else `broker.service`.
fn whole(name: &UnitName, known: &BTreeSet<UnitName>) -> UnitName {
    let dependency = UnitName(format!("{name}.dependency"));
    if known.contains(&dependency) { dependency } else { UnitName::meant(name.as_str()) }
}

/// Units that require each other cannot explain each other: what closes the circle is left out.
fn refuse_cycles(loaded: &mut Loaded) {
    let mut needs: BTreeMap<UnitName, Vec<UnitName>> = BTreeMap::new();
    for spec in &loaded.specs {
        if let Some(unit) = of_one(spec) {
            needs.insert(unit.clone(), spec.requires.clone());
        }
    }
    while let Some(circle) = circle(&needs) {
        let (Some(first), Some(last)) = (circle.first(), circle.last()) else {
            return;
        };
        if let Some(needed) = needs.get_mut(last) {
            needed.retain(|need| need != first);
        }
        let names: Vec<&str> = circle.iter().chain([first]).map(UnitName::as_str).collect();
        let mistake = Mistake::whole(format!(
            "cannot use `requires`: {} is a circle; that {last} requires {first} is ignored",
            names.join(" → ")
        ));
        let closing = loaded.specs.iter_mut().find(|spec| of_one(spec) == Some(last));
        if let Some(spec) = closing {
            spec.requires.retain(|need| need != first);
            loaded.problems.push(told(&spec.file, &mistake));
        }
    }
}

/// The first circle, each member requiring the next and the last one the first.
fn circle(needs: &BTreeMap<UnitName, Vec<UnitName>>) -> Option<Vec<UnitName>> {
    let mut done = BTreeSet::new();
    needs.keys().find_map(|unit| walk(unit, needs, &mut Vec::new(), &mut done))
}

fn walk(
    unit: &UnitName,
    needs: &BTreeMap<UnitName, Vec<UnitName>>,
    path: &mut Vec<UnitName>,
    done: &mut BTreeSet<UnitName>,
) -> Option<Vec<UnitName>> {
    if let Some(from) = path.iter().position(|known| known == unit) {
        return path.get(from..).map(<[UnitName]>::to_vec);
    }
    if done.contains(unit) || path.len() >= LONGEST_CHAIN {
        return None;
    }
    path.push(unit.clone());
    let found = needs.get(unit).into_iter().flatten().find_map(|need| walk(need, needs, path, done));
    path.pop();
    done.insert(unit.clone());
    found
}
