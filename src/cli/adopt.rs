//! `adopt UNIT…`: writes unit files from what live units show; `--from FORMAT FILE`: from the file of another supervisor.

use std::path::Path;

use serde::Serialize;
use similar::TextDiff;

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::unit as named;
use super::render::adopt::{self as pages};
use super::render::text::clean;
use super::terminal::{SeenEnough, Terminal};
use super::{Options, complete};
use crate::adopt::{self, Adopted, Fate, Imported, Purpose, Wish};
use crate::model::adopt::Format;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Units to adopt
    #[arg(value_name = "UNIT", value_parser = named, add = ArgValueCandidates::new(complete::unmanaged_units), required_unless_present_any = ["all_enabled", "from"])]
    units: Vec<String>,
    /// Every unit that audit reports as unmanaged: it runs or is enabled, and is not part of a plain distribution
    #[arg(long)]
    all_enabled: bool,
    /// Convert the configuration of another supervisor: `--from monit /etc/monit/monitrc`. It is parsed, never executed
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"], conflicts_with_all = ["units", "all_enabled"])]
    from: Vec<String>,
    /// Write mode = "observe": everything is watched and reported, nothing is started, enabled or restarted
    #[arg(long)]
    observe: bool,
    /// Print the files instead of writing them
    #[arg(long, conflicts_with_all = ["diff", "json"])]
    print: bool,
    /// Show how they differ from existing files instead of writing them
    #[arg(long, conflicts_with = "json")]
    diff: bool,
}

/// What became of one unit, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    unit: &'a str,
    file: String,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    watched: &'a [String],
    from_now_on: &'a [String],
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The whole answer, as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    adopted: Vec<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<pages::Report<'a>>,
    untold: &'a [String],
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let purpose = if arguments.print || arguments.diff { Purpose::Show } else { Purpose::Write };
    let wish = Wish { purpose, observe: arguments.observe };
    let [format, file] = arguments.from.as_slice() else {
        let (adopted, untold) =
            adopt::units(options.user, &arguments.units, arguments.all_enabled, wish).await?;
        return show(options, terminal, arguments, &adopted, &untold, None);
    };
    let Some(format) = self::format(format) else {
        terminal
            .remark(&format!("steadfast: cannot take over from {format}: write monit, supervisord or god"));
        return Ok(Exit::Usage);
    };
    let imported = adopt::from_file(options.user, format, Path::new(file), wish).await?;
    let Imported { adopted, untold, .. } = &imported;
    show(options, terminal, arguments, adopted, untold, Some((file, &imported)))
}

fn format(name: &str) -> Option<Format> {
    match name {
        "monit" => Some(Format::Monit),
        "supervisord" | "supervisor" => Some(Format::Supervisord),
        "god" => Some(Format::God),
        _ => None,
    }
}

fn show(
    options: &Options,
    terminal: &Terminal,
    arguments: &Arguments,
    adopted: &[Adopted],
    untold: &[String],
    from: Option<(&str, &Imported)>,
) -> anyhow::Result<Exit> {
    let exit = if adopted.is_empty() { Exit::Warning } else { exit(adopted) };
    let look = terminal.look();
    let printed = if options.json {
        let from = from.map(|(file, imported)| pages::report(file, imported));
        let adopted = adopted.iter().map(|one| told(one, look.program())).collect();
        terminal.print_json(&Answer { adopted, from, untold })
    } else if arguments.print || arguments.diff {
        if let Some((file, imported)) = from {
            terminal.remark(&pages::foreign(&look, file, imported));
        }
        for one in adopted {
            if let Fate::Refused(why) = &one.fate {
                terminal.remark(&format!("steadfast: cannot adopt {}: {why}", one.unit));
            }
        }
        let shown = adopted.iter().filter(|one| one.fate == Fate::Shown);
        let text: String = if arguments.diff {
            shown.map(diff).collect()
        } else {
            let several = adopted.len() > 1;
            shown.map(|one| file(one, several)).collect()
        };
        terminal.print(&text)
    } else {
        let mut text =
            from.map_or_else(String::new, |(file, imported)| pages::foreign(&look, file, imported));
        text.push_str(&pages::adopted(&look, adopted, untold));
        terminal.print(&text)
    };
    SeenEnough::forgive(printed, exit)
}

/// Nothing written although something was asked for is a failure; a part of it a warning.
fn exit(adopted: &[Adopted]) -> Exit {
    let refused = adopted.iter().filter(|one| matches!(one.fate, Fate::Refused(_))).count();
    let exists = adopted.iter().any(|one| one.fate == Fate::Exists);
    if refused > 0 && refused == adopted.len() {
        Exit::Critical
    } else if refused > 0 || exists {
        Exit::Warning
    } else {
        Exit::Ok
    }
}

fn told<'a>(one: &'a Adopted, program: &str) -> Told<'a> {
    let (fate, why) = match &one.fate {
        Fate::Written => ("written", None),
        Fate::Shown => ("shown", None),
        Fate::Exists => ("exists", None),
        Fate::Refused(why) => ("refused", Some(why.as_str())),
    };
    Told {
        unit: one.unit.as_str(),
        file: one.file.display().to_string(),
        fate,
        why,
        watched: &one.watched,
        from_now_on: &one.from_now_on,
        text: &one.text,
        next: pages::next(one, program),
    }
}

/// The file as it would be; its path above it where there are several.
fn file(one: &Adopted, several: bool) -> String {
    let head = if several { format!("# {}\n", one.file.display()) } else { String::new() };
    let end = if several { "\n" } else { "" };
    format!("{head}{}{end}", harmless(&one.text))
}

/// What differs from the file that is there.
fn diff(one: &Adopted) -> String {
    let old = std::fs::read_to_string(&one.file).unwrap_or_default();
    let path = one.file.display().to_string();
    if old == one.text {
        return format!("{path}: nothing differs\n");
    }
    let from = if one.file.exists() { path.clone() } else { "/dev/null".to_owned() };
    let compared = TextDiff::from_lines(old.as_str(), one.text.as_str());
    let unified = compared.unified_diff().header(&from, &path).to_string();
    harmless(&unified)
}

/// Line by line without anything that steers a terminal.
fn harmless(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", clean(line))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::unit::UnitName;

    fn adopted(file: PathBuf, fate: Fate) -> Adopted {
        let text = "[probe.page]\nhttp = \"http://127.0.0.1/\"\n".to_owned();
        let (watched, from_now_on) = Default::default();
        Adopted { unit: UnitName::from("shop.service"), file, text, watched, from_now_on, fate }
    }

    #[test]
    fn a_difference_is_told_as_diff_tells_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("shop.service.toml");
        let name = path.display().to_string();
        let new = diff(&adopted(path.clone(), Fate::Shown));
        assert_eq!(new.lines().next(), Some("--- /dev/null"));
        std::fs::write(&path, "[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\n").unwrap();
        let told = diff(&adopted(path.clone(), Fate::Shown));
        let wanted = format!(
            "--- {name}\n+++ {name}\n@@ -1,2 +1,2 @@\n [probe.page]\n-http = \"http://127.0.0.1:8080/\"\n+http = \"http://127.0.0.1/\"\n"
        );
        assert_eq!(told, wanted);
        std::fs::write(&path, &adopted(path.clone(), Fate::Shown).text).unwrap();
        assert_eq!(diff(&adopted(path, Fate::Shown)), format!("{name}: nothing differs\n"));
    }

    #[test]
    fn the_exit_status_says_whether_everything_was_written() {
        let one = |fate| adopted(PathBuf::from("/x"), fate);
        let refused = || one(Fate::Refused(String::new()));
        assert_eq!(exit(&[one(Fate::Written), one(Fate::Shown)]), Exit::Ok);
        assert_eq!(exit(&[one(Fate::Written), refused()]), Exit::Warning);
        assert_eq!(exit(&[one(Fate::Exists)]), Exit::Warning);
        assert_eq!(exit(&[refused()]), Exit::Critical);
    }
}
