//! The systemd unit to write first, for a program that only another supervisor runs.

use crate::model::adopt::Entry;

use super::matching::of_command;

/// The unit file, or nothing where its command is not known, or is one of a service manager.
#[must_use]
pub fn unit_text(entry: &Entry) -> Option<String> {
    let start = entry.start.as_deref().filter(|start| !start.trim().is_empty())?;
    if of_command(start).is_some() {
        return None;
    }
    let mut text = format!("[Unit]\nDescription={}\n", line(&entry.name));
    for (_, need) in &entry.depends {
        text.push_str(&format!("Wants={0}.service\nAfter={0}.service\n", line(need)));
    }
    text.push_str("\n[Service]\n");
    if !start.starts_with('/') {
        text.push_str("# systemd wants the absolute path of the program (`command -v` tells it)\n");
    }
    text.push_str(&format!("ExecStart={}\n", escaped(start)));
    let settings = [("User", &entry.user), ("Group", &entry.group), ("WorkingDirectory", &entry.directory)];
    for (name, value) in settings {
        if let Some(value) = value {
            text.push_str(&format!("{name}={}\n", line(value)));
        }
    }
    for (name, value) in &entry.environment {
        // `$` means nothing here.
        let value = line(value).replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        text.push_str(&format!("Environment=\"{}={value}\"\n", line(name)));
    }
    if entry.pidfile.is_some() {
        text.push_str("# the program must stay in the foreground: leave out its option to become a daemon\n");
    }
    text.push_str("Restart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n");
    Some(text)
}

/// In one line.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `%` and `$` mean something to systemd.
fn escaped(text: &str) -> String {
    line(text).replace('%', "%%").replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_what_the_other_file_said() {
        let entry = Entry {
            name: "worker".to_owned(),
            start: Some("/srv/app/worker --rate 50%\nExecStartPost=/bin/evil".to_owned()),
            user: Some("app".to_owned()),
            directory: Some("/srv/app".to_owned()),
            environment: vec![("A".to_owned(), "b \"c\"".to_owned())],
            depends: vec![(3, "redis".to_owned())],
            ..Entry::default()
        };
        let text = unit_text(&entry).unwrap();
        let wanted = "[Unit]\nDescription=worker\nWants=redis.service\nAfter=redis.service\n\n[Service]\nExecStart=/srv/app/worker --rate 50%% ExecStartPost=/bin/evil\nUser=app\nWorkingDirectory=/srv/app\nEnvironment=\"A=b \\\"c\\\"\"\nRestart=on-failure\n\n[Install]\nWantedBy=multi-user.target\n";
        assert_eq!(text, wanted);
        assert_eq!(unit_text(&Entry::default()), None);
        let script = Entry { start: Some("/etc/init.d/redis start".to_owned()), ..entry };
        assert_eq!(unit_text(&script), None, "that is a service already");
    }
}
