//! Unit files of ours that are not in force as they seem to be: renamed, misplaced, masked, commented out; patterns that
//! select nothing.

use crate::model::audit::{Gap, Off, OffFile};
use crate::model::finding::Code;
use crate::model::spec::{Selector, Spec};
use crate::model::unit::UnitName;
use crate::policy::alerts::matches;

use super::Look;

/// One gap for each.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let off = look.around.off.iter().map(|off| switched_off(look, off));
    off.chain(look.specs.iter().filter_map(|spec| selects_nothing(look, spec))).collect()
}

fn switched_off(look: &Look, off: &OffFile) -> Gap {
    let file = &off.file;
    let (about, message, repair) = match &off.how {
        Off::Renamed => (
            file.clone(),
            match meant(file) {
                Some(meant) if !file.contains(".toml") => format!(
                    "{file} has no effect under this name: only names that end in .toml are read; it looks like {meant}"
                ),
                _ => {
                    format!("{file} has no effect under this name: nothing watches the unit that it managed")
                }
            },
            meant(file).map(|meant| format!("mv {file} {meant}")),
        ),
        Off::Misplaced => {
            let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
            let up = folder.rsplit_once('/').map_or("", |(up, _)| up);
            let message =
                format!("{file} has no effect in this folder: nothing watches the unit that it managed");
            (file.clone(), message, Some(format!("mv {file} {up}/{name}")))
        }
        Off::Orphan => {
            let message = format!("{file} has no effect: there is no unit file that it could add to");
            (file.clone(), message, Some("steadfast verify".to_owned()))
        }
        Off::Masked => {
            let message = format!(
                "{file} is a link to /dev/null: nothing watches its unit, without a reason or an end"
            );
            (
                file.clone(),
                message,
                Some(format!(
                    "rm {file}  # then [disabled] with a reason and an end date in a file of that name"
                )),
            )
        }
        Off::CommentedOut { first, last, what } => {
            let lines =
                if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
            // The lines may move; what they say stays the same gap.
            let message = format!(
                "{file}:{first}: {what} is commented out ({lines}): it watches nothing, without a reason or an end"
            );
            (format!("{file} {what}"), message, Some(format!("$EDITOR +{first} {file}")))
        }
        Off::Half { line, what } => {
            let does =
                if what.starts_with("mode") { "it is only observed" } else { "it is not brought back" };
            let message = format!("{file}:{line}: {what}: {does}, without a reason or an end");
            let repair = format!("$EDITOR +{line} {file}  # say why in a comment on that line, or remove it");
            (format!("{file} {what}"), message, Some(repair))
        }
    };
    let since = off.modified_at.unwrap_or(look.at());
    Gap::new(Code::SwitchedOff, (&about, file), message, since).proven(Vec::new(), repair)
}

/// The name by which the file would be read.
fn meant(file: &str) -> Option<String> {
    // A name that begins with a dot is not read either.
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let name = name.trim_start_matches(['.', '_']).trim_end_matches('~');
    let unit = match name.find(".toml") {
        Some(at) => name.get(..at)?,
        None if UnitName::meant(name).as_str() == name => name,
        None => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
    };
    Some(format!("{folder}/{unit}.toml"))
}

/// A pattern or template that no unit fits.
fn selects_nothing(look: &Look, spec: &Spec) -> Option<Gap> {
    let Selector::Pattern(pattern) = &spec.selector else {
        return None;
    };
    let fits = |name: &str, file: &str| file == spec.file || matches(pattern, name);
    let some = look.snapshot.units.values().any(|status| fits(status.unit.as_str(), &status.file));
    let off = spec.disabled.as_ref().is_some_and(|off| look.at().wall_ms < off.until_ms);
    if some || off {
        return None;
    }
    let message = format!("{} selects {pattern}, and there is no such unit", spec.file);
    let gap = Gap::new(Code::UnitMissing, (&spec.file, pattern), message, look.at());
    Some(gap.proven(Vec::new(), format!("systemctl list-units --all '{pattern}'")))
}
