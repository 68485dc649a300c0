//! What `init` prints at the end: commands that work at that moment, for the units that it adopted.

/// What was set up.
pub(super) struct Outcome<'a> {
    /// The units that were adopted, with their files.
    pub units: &'a [(String, String)],
    /// Nothing is done for them yet.
    pub observed: bool,
    /// Somebody is alerted.
    pub has_sink: bool,
}

/// The next steps, in their order: a command each, and what it is for.
pub(super) fn steps(program: &str, outcome: &Outcome<'_>) -> Vec<(String, &'static str)> {
    let mut steps = vec![(format!("{program} status"), "shows every managed unit")];
    if let Some((unit, _)) = outcome.units.first() {
        steps
            .push((format!("{program} explain {}", quoted(unit)), "why it is as it is, and what comes next"));
    }
    if !outcome.has_sink {
        let command = format!("{program} init --yes --no-adopt --mail you@example.org");
        steps.push((command, "alerts somebody, and sends a test"));
    }
    match outcome.units {
        [] => steps.push((format!("{program} audit"), "lists what is not managed on this host")),
        // A drill of what is only observed would be refused.
        units if outcome.observed => steps.push((
            format!(r#"sed -i '/^mode = "observe"/d' {}"#, files(units)),
            "when you trust what it reports: from then on it acts, and starts what does not run",
        )),
        [(unit, _), ..] => {
            steps.push((
                format!("{program} drill {} --dry-run", quoted(unit)),
                "what a test of the whole path would do",
            ));
        }
    }
    steps
}

/// The files of these units alone, for a shell.
fn files(units: &[(String, String)]) -> String {
    units.iter().map(|(_, file)| quoted(file)).collect::<Vec<_>>().join(" ")
}

/// One word for a shell; names of units may have backslashes.
fn quoted(word: &str) -> String {
    let plain = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-@+:".contains(letter));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    fn commands(outcome: &Outcome<'_>) -> Vec<String> {
        steps("steadfast", outcome).into_iter().map(|(command, _)| command).collect()
    }

    #[test]
    fn each_next_step_is_a_command_that_the_program_takes() {
        let shop = [("shop.service".to_owned(), "/etc/steadfast/units.d/shop.service.toml".to_owned())];
        let mut seen = 0;
        for units in [&shop[..], &[]] {
            for (observed, has_sink) in [(true, true), (true, false), (false, true), (false, false)] {
                for command in commands(&Outcome { units, observed, has_sink }) {
                    if command.starts_with("steadfast") {
                        let words = command.split(' ').map(str::to_owned);
                        assert_eq!(crate::cli::parses(words), Ok(()), "{command}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen >= 20, "{seen}");
    }

    #[test]
    fn a_drill_is_named_only_where_it_is_not_refused() {
        let shop = [("shop.service".to_owned(), "/x/shop.service.toml".to_owned())];
        let drills = |observed| {
            let all = commands(&Outcome { units: &shop, observed, has_sink: true });
            all.iter().any(|command| command == "steadfast drill shop.service --dry-run")
        };
        assert!(drills(false) && !drills(true));
    }

    #[test]
    fn the_step_that_ends_observing_does_so_in_the_files_of_these_units_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "mode = \"observe\"\n\n[probe.web]\nhttp = \"http://127.0.0.1/\"\n";
        let [ours, odd, theirs] =
            ["a.service.toml", "dev-x\\x2dy.mount.toml", "b.service.toml"].map(|name| {
                let path = folder.path().join(name);
                fs::write(&path, text).expect("written");
                path.display().to_string()
            });
        let units = [("a.service".to_owned(), ours.clone()), ("odd".to_owned(), odd.clone())];
        let all = commands(&Outcome { units: &units, observed: true, has_sink: true });
        let command = all.last().expect("a step");
        assert!(Command::new("sh").args(["-c", command]).status().expect("sh runs").success(), "{command}");
        for file in [ours, odd] {
            assert_eq!(fs::read_to_string(file).expect("read"), &text["mode = \"observe\"\n".len()..]);
        }
        assert_eq!(fs::read_to_string(theirs).expect("read"), text);
    }
}
