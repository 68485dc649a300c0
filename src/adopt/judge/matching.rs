//! Which unit of this host is what another supervisor keeps: by its pid file, its name, its command.

use crate::model::adopt::{About, Entry};
use crate::model::host::{HostProcess, Place};
use crate::model::unit::UnitName;

use super::live::Live;
use super::unit_text::unit_text;

/// Units of other supervisors: what lives in them is run by them, not by systemd.
const SUPERVISORS: [&str; 5] =
    ["monit.service", "supervisor.service", "supervisord.service", "god.service", "pm2-root.service"];

/// What an entry is on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    pub unit: Option<UnitName>,
    /// How it was told, or why systemd does not run it.
    pub why: String,
    /// The unit to write first.
    pub unit_text: Option<String>,
}

impl Matched {
    fn unit(unit: UnitName, why: String) -> Self {
        Self { unit: Some(unit), why, unit_text: None }
    }
}

/// The unit of an entry. `owner`: the process of its pid file; `alike`: processes that its pattern matches.
#[must_use]
pub fn matched(
    entry: &Entry,
    owner: Option<&HostProcess>,
    alike: &[&HostProcess],
    lives: &[Live],
) -> Matched {
    if entry.about == About::Thing {
        let why = "nothing that systemd runs; units can require it as a dependency".to_owned();
        return Matched { unit: None, why, unit_text: None };
    }
    let mut elsewhere = None;
    let processes = owner.map(|process| (process, "its pid file")).into_iter();
    let processes = processes.chain(alike.iter().map(|process| (*process, "its pattern")));
    for (process, told) in processes {
        match &process.place {
            Place::Unit(unit) if !SUPERVISORS.contains(&unit.as_str()) => {
                return Matched::unit(unit.clone(), format!("{told} leads to {unit}"));
            }
            Place::User { unit: Some(unit), .. } => {
                elsewhere = Some(format!("{unit} of a user's own service manager runs it"));
            }
            Place::Unit(unit) => elsewhere = Some(format!("{unit} runs it, as one of its own processes")),
            Place::Session { .. } | Place::Scope(_) | Place::User { .. } | Place::Outside => {
                elsewhere = Some("it runs outside any service".to_owned());
            }
            Place::Kernel | Place::Manager => {}
        }
    }
    let known = |name: &str| {
        let unit = UnitName::meant(name);
        lives.iter().map(|live| &live.unit).find(|known| **known == unit).cloned()
    };
    if let Some(unit) = entry.start.as_deref().and_then(of_command).and_then(|name| known(&name)) {
        let how = format!("its start command starts {unit}");
        return Matched::unit(unit, how);
    }
    if let Some(unit) = known(&entry.name) {
        return Matched::unit(unit, "it has this name".to_owned());
    }
    let same = entry.start.as_deref().and_then(|command| {
        let words: Vec<&str> = command.split_whitespace().collect();
        lives.iter().find(|live| live.exec_start.iter().any(|exec| same_command(exec, &words)))
    });
    if let Some(live) = same {
        return Matched::unit(live.unit.clone(), "its ExecStart= is this command".to_owned());
    }
    let nowhere = || "no unit has its name, its process or its command".to_owned();
    let why = format!("systemd does not run it: {}", elsewhere.unwrap_or_else(nowhere));
    Matched { unit: None, why, unit_text: unit_text(entry) }
}

/// `systemctl start X`, `service X start`, `/etc/init.d/X start`: what a service manager starts already.
pub(super) fn of_command(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    match words.as_slice() {
        [program, "start" | "restart", name] if base(program) == "systemctl" => Some((*name).to_owned()),
        [program, name, "start" | "restart"] if base(program) == "service" => Some((*name).to_owned()),
        [script, "start" | "restart"] if script.starts_with("/etc/init.d/") => Some(base(script)),
        _ => None,
    }
}

fn same_command(exec: &[String], words: &[&str]) -> bool {
    let base = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    let (Some(program), Some(first)) = (exec.first(), words.first()) else {
        return false;
    };
    let rest = exec.iter().skip(1).map(String::as_str);
    base(program) == base(first) && rest.eq(words.iter().skip(1).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(name: &str, exec: &[&str]) -> Live {
        Live {
            exec_start: vec![exec.iter().map(|&word| word.to_owned()).collect()],
            ..Live::of(UnitName::from(name))
        }
    }

    fn named(entry: &Entry, lives: &[Live]) -> Option<String> {
        matched(entry, None, &[], lives).unit.map(|unit| unit.to_string())
    }

    #[test]
    fn a_unit_is_told_by_start_command_name_or_command_line() {
        let lives = [
            live("nginx.service", &["/usr/sbin/nginx"]),
            live("jobs.service", &["/usr/bin/rake", "jobs:work"]),
        ];
        let entry = |name: &str, start: &str| Entry {
            name: name.to_owned(),
            start: Some(start.to_owned()),
            ..Entry::default()
        };
        for start in
            ["/bin/systemctl start nginx", "/usr/sbin/service nginx start", "/etc/init.d/nginx start"]
        {
            assert_eq!(named(&entry("web", start), &lives).as_deref(), Some("nginx.service"), "{start}");
        }
        assert_eq!(named(&entry("nginx", "whatever"), &lives).as_deref(), Some("nginx.service"));
        assert_eq!(named(&entry("dj", "rake jobs:work"), &lives).as_deref(), Some("jobs.service"));
        assert_eq!(named(&entry("dj", "rake jobs:clear"), &lives), None);
    }

    #[test]
    fn what_another_supervisor_runs_is_no_unit() {
        let process = HostProcess {
            terminal: false,
            pid: 7,
            parent: 1,
            uid: 0,
            name: "worker".to_owned(),
            executable: None,
            arguments: Vec::new(),
            directory: None,
            control_group: String::new(),
            place: Place::Unit(UnitName::from("supervisor.service")),
            started_at: crate::model::moment::Moment::default(),
            cpu: std::time::Duration::ZERO,
        };
        let told = matched(&Entry::default(), Some(&process), &[], &[]);
        let why = "systemd does not run it: supervisor.service runs it, as one of its own processes";
        assert_eq!((told.unit, told.why.as_str()), (None, why));
    }
}
