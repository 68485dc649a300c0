//! What `steadfast help TOPIC` explains besides the commands.

use super::{Block, Page, findings, schema};
use crate::config;

/// One topic.
#[derive(Clone, Copy)]
pub struct Topic {
    pub name: &'static str,
    pub about: &'static str,
    pub page: fn() -> Page,
    /// It is a man page of its own.
    pub man: Option<fn() -> Page>,
}

/// Every topic, in the order in which they are listed.
pub fn topics() -> [Topic; 7] {
    let own = |name, about, page: fn() -> Page| Topic { name, about, page, man: Some(page) };
    let part = |name, about, page: fn() -> Page| Topic { name, about, page, man: None };
    [
        part("conditions", "the conditions and states of a unit", conditions),
        own("unit-file", "every key of a unit file; also: man steadfast.unit", unit_file),
        own("settings", "every key of steadfast.toml; also: man steadfast.toml", settings),
        own("findings", "every finding code; also: man steadfast-findings", findings::all),
        part("exit-status", "exit statuses of the commands", exit_status),
        part("files", "where settings, unit files, state and the socket are", files),
        part("environment", "variables that change where things are", environment),
    ]
}

fn page(name: &str, section: u8, title: &str, blocks: Vec<Block>) -> Page {
    Page { name: name.to_owned(), section, title: title.to_owned(), blocks }
}

fn unit_file() -> Page {
    let mut blocks = vec![
        Block::heading("Description"),
        Block::text(
            "One file per managed unit: `/etc/steadfast/units.d/UNIT.toml`. The name of the file gives the unit: \
             `shop.service.toml` manages `shop.service`. An empty file is complete: keep the unit active, enabled, reached by \
             boot, and running its current release. `worker@.service.toml` manages every instance of a template, \
             `unit = \"web-*.service\"` every unit that matches.",
        ),
        Block::text(
            "Changes are in force within a second. A file with a mistake keeps its last good version and harms no other; \
             `steadfast verify` lists all mistakes. Drop-ins `UNIT.toml.d/*.toml` are merged key by key. A link to `/dev/null` \
             switches off the file of the same name in a directory of lower rank.",
        ),
        Block::text(
            "A file `NAME.dependency.toml` describes something that is not a unit of this host: it has only probes, and units \
             name it in `requires`. A unit file, its directory and every command in it must be writable by root alone.",
        ),
        Block::text("Durations are written `\"90s\"`, `\"15m\"`, `\"2h\"`, `\"1h 30m\"`."),
        Block::heading("Example"),
        Block::Code(EXAMPLE.to_owned()),
    ];
    blocks.extend(of_schema(&config::schema()));
    blocks.push(Block::heading("See also"));
    blocks.push(Block::text(
        "`steadfast.toml`(5), `steadfast-adopt`(1), `steadfast-verify`(1), `steadfast-findings`(7)",
    ));
    page("steadfast.unit", 5, "how Steadfast manages a unit", blocks)
}

const EXAMPLE: &str = r#"# /etc/steadfast/units.d/shop.service.toml
owner = "team-shop"
requires = ["redis-server.service"]

[recovery]
burst = 3
interval = "15m"

[probe.page]
http = "http://127.0.0.1:8080/health"
"#;

fn settings() -> Page {
    let mut blocks = vec![
        Block::heading("Description"),
        Block::text(
            "Settings of Steadfast: `/etc/steadfast/steadfast.toml`. Every key has a default, and the file may be missing. \
             Changes are in force within a second. A table `[alert.NAME]` with a mistake keeps its last good version and harms \
             no other.",
        ),
        Block::heading("Example"),
        Block::Code(SETTINGS.to_owned()),
    ];
    blocks.extend(of_schema(&config::settings_schema()));
    blocks.push(Block::heading("See also"));
    blocks.push(Block::text("`steadfast.unit`(5), `steadfast-test-alert`(1), `steadfast-verify`(1)"));
    page("steadfast.toml", 5, "settings of Steadfast", blocks)
}

const SETTINGS: &str = r#"[labels]
site = "berlin"

[alert.mail]
type = "smtp"
from = "steadfast@example.org"
to = ["ops@example.org"]
"#;

fn of_schema(schema: &schemars::Schema) -> Vec<Block> {
    schema::keys(schema.as_value())
}

fn conditions() -> Page {
    let blocks = vec![
        Block::heading("Conditions"),
        Block::text("Each is `true`, `false` or `unknown`, with a reason. Unknown never restarts anything."),
        Block::term("Loaded", "The unit exists and systemd can use it."),
        Block::term(
            "Active",
            "It is active. A restart by systemd in between does not count as down; a crash loop does.",
        ),
        Block::term("Enabled", "It starts at boot, permanently and not only until the next reboot."),
        Block::term("Boot", "The next boot really starts it, or the socket, timer or path that does."),
        Block::term(
            "Release",
            "Every process of it runs the release that its link points to now, or the code that is installed in place now.",
        ),
        Block::term("Serving", "Its probes are healthy."),
        Block::term("Progressing", "Its queues are being drained; an empty queue is fine."),
        Block::heading("States"),
        Block::term("ok", "Every condition holds."),
        Block::term("degraded", "It runs, and a condition does not hold."),
        Block::term("down", "It does not run."),
        Block::term(
            "recovering",
            "An order is in flight: start, restart or enable, and the proof that it worked.",
        ),
        Block::term("held", "A person holds it or stopped it: it is observed, and nothing is done."),
        Block::term("quarantined", "Its restarts are spent; it is tried again later, and less often."),
        Block::term("unknown", "A condition cannot be determined."),
        Block::term("disabled", "Its file is switched off until a date."),
    ];
    page("conditions", 7, "conditions and states of a unit", blocks)
}

pub fn exit_status() -> Page {
    let blocks = vec![
        Block::heading("Exit status"),
        Block::term("0", "All well, or done."),
        Block::term("1", "Warnings; for a command that changes something: refused."),
        Block::term("2", "Critical; for a command that changes something: tried, and it failed."),
        Block::term("3", "Unknown, or the daemon cannot be reached, or there is no such unit or incident."),
        Block::term("64", "Wrong usage: an unknown command or option, or a value that cannot be used."),
        Block::term("78", "Bad configuration: `steadfast verify` found mistakes."),
        Block::text("`steadfast hold UNIT -- COMMAND` ends with the exit status of the command."),
    ];
    page("exit-status", 7, "exit statuses", blocks)
}

pub fn files() -> Page {
    let blocks = vec![
        Block::heading("Files"),
        Block::term(
            "/etc/steadfast/steadfast.toml",
            "Settings. User instance: `$XDG_CONFIG_HOME/steadfast/steadfast.toml`.",
        ),
        Block::term(
            "/etc/steadfast/units.d, /run/steadfast/units.d, /usr/lib/steadfast/units.d",
            "Unit files; of the same name the first wins. User instance: `$XDG_CONFIG_HOME/steadfast/units.d`.",
        ),
        Block::term(
            "/var/lib/steadfast",
            "State, baselines, evidence, post-mortems. User instance: `$XDG_STATE_HOME/steadfast`.",
        ),
        Block::term(
            "/run/steadfast/steadfast.sock",
            "The status socket; members of the group `steadfast` may read it.",
        ),
        Block::term("/usr/share/steadfast/recipes", "Unit files for the usual servers, to copy from."),
    ];
    page("files", 7, "files", blocks)
}

pub fn environment() -> Page {
    let blocks = vec![
        Block::heading("Environment"),
        Block::term("NO_COLOR", "Set and not empty: no colours."),
        Block::term(
            "STEADFAST_CONFIG_DIR, STEADFAST_STATE_DIR, STEADFAST_RUNTIME_DIR",
            "Move the directories of settings, state and socket.",
        ),
        Block::term(
            "STEADFAST_LOG",
            "What the daemon logs: `info`, `debug`, or a filter such as `steadfast=debug`.",
        ),
    ];
    page("environment", 7, "environment", blocks)
}
