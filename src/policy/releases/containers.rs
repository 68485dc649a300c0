//! Units that run a container: which engine runs it, and by what name.

use std::path::Path;

use crate::model::installed::Container;
use crate::model::unit::UnitSettings;

/// Engines whose command line is understood.
const ENGINES: [&str; 2] = ["podman", "docker"];

impl UnitSettings {
    /// The container that a unit makes anew with each start: a quadlet of podman, or `docker run`. One that is only started
    /// again keeps its image, whatever a tag names by then.
    #[must_use]
    pub fn container(&self) -> Option<Container> {
        self.exec_start.iter().find_map(|words| Container::of_command(words))
    }
}

impl Container {
    fn of_command(words: &[String]) -> Option<Container> {
        let engine = words.first()?;
        let name = Path::new(engine).file_name()?.to_str()?;
        ENGINES.contains(&name).then_some(())?;
        let rest = words.iter().skip(1).skip_while(|word| word.starts_with('-'));
        let mut rest = rest.skip_while(|word| *word == "container");
        (rest.next()? == "run").then_some(())?;
        let options: Vec<&str> = rest.map(String::as_str).collect();
        let written = options.iter().find_map(|word| word.strip_prefix("--name="));
        let apart = options.iter().zip(options.iter().skip(1)).find(|(word, _)| **word == "--name");
        let name = written.or(apart.map(|(_, name)| *name))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let usable = !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
        usable.then(|| Container { engine: engine.clone(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(line: &str) -> Option<String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Container::of_command(&words).map(|found| format!("{} {}", found.engine, found.name))
    }

    #[test]
    fn a_container_is_known_by_its_name() {
        let quadlet =
            "/usr/bin/podman run --name systemd-app --replace --rm --cgroups=split -d localhost/app:latest";
        assert_eq!(name(quadlet).as_deref(), Some("/usr/bin/podman systemd-app"));
        assert_eq!(name("/usr/bin/docker --log-level warn run x"), None);
        assert_eq!(
            name("/usr/bin/docker run --rm --name=app -p 1:1 app:2").as_deref(),
            Some("/usr/bin/docker app")
        );
        for other in [
            "/usr/bin/docker start -a app",
            "/usr/bin/podman run app",
            "/bin/sh -c podman",
            "/usr/bin/podman run --name -x a",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
