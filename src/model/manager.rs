//! Programs that manage other programs below them, each with a release of its own: they load none of that code themselves.

use std::collections::BTreeSet;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Supervisord,
    /// uWSGI with `--emperor`; without, it is a server like any other.
    Emperor,
    Pm2,
    Circus,
    Runit,
    S6,
    Monit,
}

/// Each with its name as a program.
const MANAGERS: [(&str, Manager); 8] = [
    ("supervisord", Manager::Supervisord),
    ("uwsgi", Manager::Emperor),
    ("uwsgi-core", Manager::Emperor),
    ("pm2", Manager::Pm2),
    ("circusd", Manager::Circus),
    ("runsvdir", Manager::Runit),
    ("s6-svscan", Manager::S6),
    ("monit", Manager::Monit),
];
/// Endings of the files by which an emperor knows its vassals.
const VASSALS: [&str; 5] = [".ini", ".yml", ".yaml", ".json", ".xml"];
/// The longest name of a program that is told, in bytes.
const NAME: usize = 200;

impl Manager {
    /// By the name of its program, or by the kernel's of its process; a uWSGI may be an emperor or not.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        // The daemon of pm2 calls itself `PM2 v5.3.0: God Daemon`.
        let name = if name.starts_with("PM2 v") { "pm2" } else { name };
        MANAGERS.iter().find(|(known, _)| *known == name).map(|(_, manager)| *manager)
    }

    /// What manages the processes of a unit: `(pid, parent, name)` each. `words`: of the command of the main process.
    #[must_use]
    pub fn among<'a>(
        main: u32,
        processes: &[(u32, u32, &str)],
        words: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<Self> {
        let (_, _, name) = processes.iter().find(|(pid, ..)| *pid == main)?;
        let file = |word: &'a str| word.rsplit('/').next().and_then(Self::of);
        // An interpreter may bear a name of its own.
        let manager = Self::of(name).or_else(|| words.clone().take(2).find_map(file))?;
        let like = |named: &str| named == *name || Self::of(named) == Some(manager);
        let children = |of: u32| {
            processes
                .iter()
                .filter(move |(_, parent, named)| *parent == of && like(named))
                .map(|(pid, ..)| *pid)
        };
        // An emperor begins masters, and each of these its workers.
        let of_masters = || children(main).any(|master| children(master).next().is_some());
        let is =
            manager != Self::Emperor || words.clone().any(|word| word.contains("emperor")) || of_masters();
        is.then_some(manager)
    }

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisord => "supervisord",
            Self::Emperor => "the emperor",
            Self::Pm2 => "pm2",
            Self::Circus => "circus",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Monit => "monit",
        }
    }

    /// What its programs are called.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Emperor => "vassal",
            Self::Supervisord | Self::Pm2 | Self::Circus | Self::Runit | Self::S6 | Self::Monit => "program",
        }
    }

    /// By which name it knows this process of its: from the command line and the environment of the process, each word ended
    /// by a zero byte. A name that could not stand in a command as it is is none: any program can write there what it likes.
    #[must_use]
    pub fn program(self, line: &[u8], environment: &[u8]) -> Option<String> {
        let words = |bytes: &[u8]| -> Vec<String> {
            bytes.split(|byte| *byte == 0).filter_map(|word| String::from_utf8(word.to_vec()).ok()).collect()
        };
        let variable = |name: &str| {
            let all = words(environment);
            all.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let name = match self {
            Self::Supervisord => {
                let process = variable("SUPERVISOR_PROCESS_NAME")?;
                let group = variable("SUPERVISOR_GROUP_NAME").filter(|group| *group != process);
                group.map_or(process.clone(), |group| format!("{group}:{process}"))
            }
            Self::Emperor => {
                let file = |word: &String| VASSALS.iter().any(|ending| word.ends_with(ending));
                words(line).into_iter().rfind(file)?
            }
            Self::Pm2 => variable("name")?,
            Self::Monit => variable("MONIT_SERVICE")?,
            Self::Circus | Self::Runit | Self::S6 => return None,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.:/@+-".contains(c);
        let usable =
            !name.is_empty() && name.len() <= NAME && !name.starts_with('-') && name.chars().all(plain);
        usable.then_some(name)
    }

    /// The command that has these programs begun anew, and nothing else. `words`: of the command of the manager.
    #[must_use]
    pub fn command<'a>(self, programs: &BTreeSet<&str>, words: impl Iterator<Item = &'a str>) -> String {
        let (command, unknown) = match self {
            Self::Supervisord => ("supervisorctl restart", "PROGRAM"),
            Self::Emperor => ("touch", "VASSAL.ini"),
            Self::Pm2 => ("pm2 restart", "NAME"),
            Self::Circus => ("circusctl restart", "WATCHER"),
            Self::Runit => ("sv restart", "SERVICE"),
            Self::S6 => ("s6-svc -r", "SERVICEDIR"),
            Self::Monit => ("monit restart", "SERVICE"),
        };
        let folder =
            words.skip_while(|word| *word != "--emperor").nth(1).filter(|path| path.starts_with('/'));
        let whole = |program: &&str| match folder {
            Some(folder) if self == Self::Emperor && !program.starts_with('/') => {
                format!("{}/{program}", folder.trim_end_matches('/'))
            }
            Some(_) | None => (*program).to_owned(),
        };
        let named: Vec<String> = programs.iter().map(whole).collect();
        if named.is_empty() {
            format!("{command} {unknown}")
        } else {
            format!("{command} {}", named.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(main: &str, others: &[(u32, u32, &str)], line: &str) -> Option<Manager> {
        let all: Vec<_> = std::iter::once((1, 0, main)).chain(others.iter().copied()).collect();
        Manager::among(1, &all, line.split(' '))
    }

    #[test]
    fn a_manager_is_known_by_its_name_and_an_emperor_by_its_vassals() {
        assert_eq!(among("supervisord", &[], "/usr/bin/supervisord -n"), Some(Manager::Supervisord));
        let named = "/usr/bin/python3 /opt/venv/bin/supervisord -n";
        assert_eq!(among("python3", &[], named), Some(Manager::Supervisord));
        assert_eq!(among("PM2 v5.3.0: God", &[], "/usr/bin/pm2 resurrect"), Some(Manager::Pm2));
        assert_eq!(among("monitorix", &[], "/usr/bin/monitorix -c /etc/monit"), None);
        // A server with workers is none, whatever it is called.
        let server = [(2, 1, "uwsgi"), (3, 1, "uwsgi")];
        assert_eq!(among("uwsgi", &server, "/usr/bin/uwsgi --ini /etc/app.ini"), None);
        let vassals = [(2, 1, "uwsgi-core"), (3, 2, "uwsgi-core")];
        assert_eq!(among("uwsgi", &vassals, "/usr/bin/uwsgi --ini /etc/all.ini"), Some(Manager::Emperor));
        assert_eq!(among("uwsgi", &[], "/usr/bin/uwsgi --emperor /etc/v"), Some(Manager::Emperor));
        assert_eq!(among("php-fpm8.2", &vassals, "/usr/sbin/php-fpm8.2"), None);
    }

    #[test]
    fn a_program_is_named_as_its_manager_knows_it_and_only_where_the_name_can_stand_in_a_command() {
        let of = |manager: Manager, line: &[u8], environment: &[u8]| manager.program(line, environment);
        let environment = b"A=1\0SUPERVISOR_GROUP_NAME=web\0SUPERVISOR_PROCESS_NAME=web_00\0";
        assert_eq!(of(Manager::Supervisord, b"", environment).as_deref(), Some("web:web_00"));
        let single = b"SUPERVISOR_PROCESS_NAME=app\0SUPERVISOR_GROUP_NAME=app\0";
        assert_eq!(of(Manager::Supervisord, b"", single).as_deref(), Some("app"));
        for hostile in ["a;reboot", "a b", "$(id)", "-x", "", "a\nb"] {
            let environment = format!("SUPERVISOR_PROCESS_NAME={hostile}\0");
            assert_eq!(of(Manager::Supervisord, b"", environment.as_bytes()), None, "{hostile:?}");
        }
        let vassal = b"/usr/bin/uwsgi\0--ini\0app.ini\0";
        assert_eq!(of(Manager::Emperor, vassal, b"").as_deref(), Some("app.ini"));
        assert_eq!(of(Manager::Monit, b"", b"MONIT_SERVICE=shop\0").as_deref(), Some("shop"));
        assert_eq!(of(Manager::Runit, b"", b"X=1\0"), None);
    }

    #[test]
    fn the_command_names_what_is_known() {
        let none = BTreeSet::new();
        let line = || "/usr/bin/uwsgi --emperor /etc/uwsgi/vassals/".split(' ');
        let told = |manager: Manager, programs: &[&'static str]| {
            manager.command(&programs.iter().copied().collect(), line())
        };
        assert_eq!(told(Manager::Emperor, &["app.ini"]), "touch /etc/uwsgi/vassals/app.ini");
        assert_eq!(told(Manager::Emperor, &["/srv/b.ini"]), "touch /srv/b.ini");
        assert_eq!(Manager::Emperor.command(&none, "uwsgi".split(' ')), "touch VASSAL.ini");
        assert_eq!(told(Manager::Supervisord, &["b", "a:1"]), "supervisorctl restart a:1 b");
        assert_eq!(told(Manager::S6, &[]), "s6-svc -r SERVICEDIR");
    }
}
