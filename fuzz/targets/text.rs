//! Texts: files that people and programs write, and lines of logs.

use std::path::{Path, PathBuf};

use steadfast::config::Directories;
use steadfast::model::adopt::Format;
use steadfast::model::spec::Problem;
use steadfast::{config, escape, host, import, probe, prober, redact, release, systemd};

use super::{Play, harmless, hash, message, shape, shape_of};

/// Problems of one file, at most, and characters of one sentence.
const PROBLEMS: usize = 10;
const SENTENCE: usize = 2500;

fn of(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

pub const UNIT: &[&str] = &[
    "[probe.a]\n",
    "[[probe]]",
    "[progress.q]\n",
    "[restart]\n",
    "[release]\n",
    "[disabled]\n",
    "http = \"http://127.0.0.1/\"",
    "tcp = \"127.0.0.1:80\"",
    "unix = \"/run/a\"",
    "command = [\"/bin/true\"]",
    "redis = \"redis://h/0\"",
    "keys = { a = \"< 1\" }",
    "postgres = \"postgres://u@h/d\"",
    "mysql = \"mysql://u@h/d\"",
    "query = \"SELECT 1\"",
    "expect = \"> 0\"",
    "amqp = \"amqp://u@h/v\"",
    "journal = \"x\"",
    "disk = \"/\"",
    "min_free = \"5%\"",
    "inodes = \"/\"",
    "timer = \"a.timer\"",
    "max_age = \"1d\"",
    "file = \"/x\"",
    "period = \"10s\"",
    "timeout = \"1s\"",
    "failures = 3",
    "mode = \"observe\"",
    "owner = \"x\"",
    "requires = [\"a.service\"]",
    "severity = \"critical\"",
    "runbook = \"https://x\"",
    "unit = \"x\"",
    "link = \"/srv/app/current\"",
    "settle = \"1m\"",
    "limit = \"3 in 15min\"",
    "until = 2027-01-01",
    "= ",
    " = \"",
    "\"\"\"",
    "'''",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    ",",
    "#",
    "\\u0000",
    "\\U0010ffff",
    "10000000000000000000s",
    "1h",
    "9999999999999d",
    "inf",
    "nan",
    "0x",
    "1_0",
    "true",
    "1979-05-27T07:32:00Z",
    "a.b.c",
    "credential = \"x\"",
    "password_file = \"/x\"",
    "status = \"200-299\"",
    "json = { \"/a\" = 1 }",
    "ca_file = \"/x\"",
    "insecure = true",
];

pub fn unit_file() -> Box<dyn Play> {
    let directories = Directories {
        settings: PathBuf::from("/nonexistent/steadfast.toml"),
        units: vec![PathBuf::from("/nonexistent/units.d")],
        owner: 0,
    };
    let files = ["shop.service.toml", "web@.service.toml", "queue-*.service.toml", "db.dependency.toml"];
    let files = files.map(|name| Path::new("/nonexistent").join(name));
    Box::new(move |input: &[u8]| {
        let text = of(input);
        let file = files.get(input.len() % files.len()).unwrap_or(&files[0]);
        match config::spec_of_text(file, &text, &directories) {
            Ok(spec) => Ok(shape_of(&spec)),
            Err(problems) => bounded(&problems),
        }
    })
}

pub const SETTINGS: &[&str] = &[
    "[alert.mail]\n",
    "smtp = \"smtp://h:25\"",
    "from = \"a@b\"",
    "to = [\"a@b\"]",
    "webhook = \"https://x/\"",
    "alertmanager = [\"http://x\"]",
    "sentry = \"https://k@h/1\"",
    "command = [\"/bin/true\"]",
    "[heartbeat]\n",
    "url = \"https://x\"",
    "every = \"1m\"",
    "[labels]\n",
    "env = \"x\"",
    "[coverage]\n",
    "ignore = [\"a.service\"]",
    "admin_group = \"adm\"",
    "resync = \"1m\"",
    "startup_hold = \"1m\"",
    "changes_within = \"1h\"",
    "postmortem_after = \"1h\"",
    "listen = \"127.0.0.1:9\"",
    "allowed_hosts = [\"h\"]",
    "audit_every = \"never\"",
    "severity = [\"critical\"]",
    "repeat = \"1h\"",
    "escalate_after = \"1h\"",
    "password_file = \"/x\"",
    "credential = \"x\"",
    "= ",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "\"\"\"",
    "9999999999999d",
    "1979-05-27",
    "\\u0000",
    "tls = \"none\"",
    "token_file = \"/x\"",
];

pub fn settings() -> Box<dyn Play> {
    Box::new(|input: &[u8]| match config::fuzzed::settings(&of(input), 0) {
        Ok(settings) => Ok(shape(&settings)),
        Err(problems) => bounded(&problems),
    })
}

/// Few problems, each of a few lines.
fn bounded(problems: &[Problem]) -> Result<u64, String> {
    if problems.len() > PROBLEMS {
        return Err(format!("{} problems of one file", problems.len()));
    }
    for problem in problems {
        let length = problem.message.chars().count().max(problem.rendered.chars().count());
        if length > SENTENCE {
            return Err(format!("a sentence of {length} characters"));
        }
    }
    Ok(problems.first().map_or(0, |problem| shape(&problem.message)))
}

pub const MONIT: &[&str] = &[
    "check process ",
    "check host ",
    "check file ",
    "check filesystem ",
    "check program ",
    "check system $HOST\n",
    "with pidfile ",
    "matching \"",
    "start program = \"",
    "stop program = ",
    "restart program ",
    "as uid ",
    " and gid ",
    "with timeout 60 seconds",
    "if failed ",
    "port 80 ",
    "protocol http ",
    "request \"/\" ",
    "host ",
    "unixsocket ",
    "then restart",
    "then alert",
    "else if succeeded ",
    "for 3 cycles",
    "5 times within 5 cycles",
    "within ",
    "if cpu > 80% ",
    "totalmem > 1 GB ",
    "loadavg(5min) > 1 ",
    "children > 1 ",
    "if does not exist ",
    "if changed ",
    "depends on ",
    "every 2 cycles",
    "every \"* * * * *\"",
    "group ",
    "mode passive",
    "onreboot start",
    "set daemon 30",
    "set alert a@b",
    "include /etc/monit/*",
    "not ",
    "type tcpssl ",
    "space usage > 80%",
    "inode usage ",
    "{",
    "}",
    "\"",
    "'",
    "#",
    "\\",
    "(",
    ")",
    "status != 0 ",
    "content = \"",
    "checksum ",
    "uptime < ",
    "set httpd port 2812",
];

pub fn monit() -> Box<dyn Play> {
    Box::new(|input: &[u8]| foreign(Format::Monit, input))
}

pub const SUPERVISORD: &[&str] = &[
    "[program:",
    "[group:",
    "[include]\n",
    "[supervisord]\n",
    "[eventlistener:",
    "[fcgi-program:",
    "[unix_http_server]\n",
    "]\n",
    "command=",
    "process_name=%(program_name)s_%(process_num)02d",
    "numprocs=",
    "numprocs_start=",
    "directory=",
    "user=",
    "autostart=",
    "autorestart=unexpected",
    "startsecs=",
    "startretries=",
    "exitcodes=0,2",
    "stopsignal=QUIT",
    "stopwaitsecs=",
    "environment=A=\"1\",B=\"2\"",
    "umask=",
    "priority=",
    "programs=",
    "files = ",
    "redirect_stderr=true",
    "stdout_logfile=",
    "%(",
    ")s",
    "%%",
    ";",
    " ;",
    "#",
    "\"",
    "'",
    "\n  ",
    "%(ENV_HOME)s",
    "%(here)s",
    "%(host_node_name)s",
    "stopasgroup=true",
    "killasgroup=true",
    "=",
    ":",
];

pub fn supervisord() -> Box<dyn Play> {
    Box::new(|input: &[u8]| foreign(Format::Supervisord, input))
}

pub const GOD: &[&str] = &[
    "God.watch do |w|\n",
    "God.contact",
    "w.name = ",
    "w.start = ",
    "w.stop",
    "w.restart",
    "w.pid_file = File.join(",
    "w.interval = 30.seconds",
    "w.grace",
    "w.dir",
    "w.uid",
    "w.env = { 'A' => '1' }",
    "w.keepalive(",
    ":memory_max => 150.megabytes",
    "cpu_max: 50.percent",
    "w.restart_if do |restart|\n",
    "w.start_if do |start|\n",
    "w.lifecycle do |on|\n",
    "on.condition(:flapping) do |c|\n",
    "restart.condition(:memory_usage) do |c|\n",
    "w.transition(:up, :start) do |on|\n",
    "c.above = ",
    "c.times = [3, 5]",
    "c.interval = ",
    "c.to_state = [:start, :restart]",
    "c.within = 5.minute",
    "c.transition = :unmonitored",
    "c.retry_in",
    "end\n",
    "do",
    "|w|",
    "#{",
    "}",
    "%w{",
    "%w(",
    ")",
    "each do |port|\n",
    "if ",
    "unless ",
    "case ",
    "def ",
    "begin\n",
    "=begin\n",
    "=end\n",
    "<<-EOS\n",
    "<<~",
    "\"",
    "'",
    "\\",
    "#",
    ".minutes",
    "RAILS_ROOT = ",
    "ENV['A'] || ",
    "->",
    "{ |",
];

pub fn god() -> Box<dyn Play> {
    Box::new(|input: &[u8]| foreign(Format::God, input))
}

fn foreign(format: Format, input: &[u8]) -> Result<u64, String> {
    let text = of(input);
    let included = import::included(format, &text);
    let lines = text.lines().count();
    match import::read(format, &text) {
        Ok(foreign) => {
            let left = foreign.left.iter().map(|left| left.line);
            let all = foreign.entries.iter().map(|entry| entry.line).chain(left);
            if let Some(line) = all.clone().find(|line| *line > lines) {
                return Err(format!("line {line} of {lines}"));
            }
            Ok(shape_of(&foreign) ^ included.len().min(3) as u64)
        }
        Err(why) => Ok(shape(&why)),
    }
}

pub const TRANSCRIPT: &[&str] = &[
    ": Installed new job ",
    "/start as ",
    "Unit ",
    " has alias ",
    "Found ordering cycle on ",
    "Found dependency on ",
    " to break ordering cycle",
    "Fixing conflicting jobs ",
    "/stop",
    "/verify-active",
    ": Deleting job ",
    " as dependency of job ",
    ": Cannot add dependency job, ignoring: ",
    ": Changed dead -> mounted",
    "Loaded units and determined initial transaction in 1ms",
    "a.service",
    "b.service",
    "srv.mount",
    "web@1.service",
    "web@.service",
    "default.target",
    "\n",
    "/",
    ",",
    " ",
    ".",
    "-.mount",
    "\\x2d",
];

pub fn transcript() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let lines: Vec<String> = of(input).lines().map(str::to_owned).collect();
        let told = systemd::fuzzed::transcript(&lines);
        Ok(shape(&told.unwrap_or_else(|why| why)))
    })
}

pub const MOUNTS: &[&str] = &[
    "100 80 0:39 / / rw - ext4 /dev/vda rw\n",
    " /srv ",
    "\\040",
    "\\",
    "\\777",
    "\\9",
    "/",
    " ",
    " - ",
    "systemd.unit=",
    "--unit=",
    "\"",
    "emergency",
    "rescue",
    "single",
    "\0",
    "3",
];

pub fn mounts() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let text = of(input);
        let (late, asked) = (systemd::fuzzed::mounts(&text), systemd::fuzzed::target(&text));
        Ok(shape(&late.unwrap_or_default()) ^ shape(&asked.unwrap_or_default()).rotate_left(1))
    })
}

pub const PROCESS: &[&str] = &[
    "(",
    ")",
    ") S ",
    " 0",
    " -1",
    "\0",
    "--",
    "/srv/app/current",
    " (deleted)",
    "7f00-7f01 r-xp 00000000 fe:00 1234    /usr/lib/x.so",
    "r-xp",
    "\n",
    "0100007F:0050",
    " 0A ",
    " 01 ",
    "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 81234 1\n",
    ":",
    " ",
];

pub fn process() -> Box<dyn Play> {
    Box::new(|input: &[u8]| Ok(shape(&release::fuzzed::files_of_process(input))))
}

pub const TABLES: &[&str] = &[
    "0000: 00000002 00000000 00010000 0001 01 16391 /run/x\n",
    "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 81234 1\n",
    "00000000000000000000000001000000:0050",
    "0::/system.slice/x.service\n",
    "1:name=systemd:/x",
    "joe:x:1000:1000::/home/joe:/bin/sh\n",
    ":",
    " ",
    "\n",
    " 0A ",
    "@",
    "/",
    "..",
];

pub fn tables() -> Box<dyn Play> {
    Box::new(|input: &[u8]| Ok(shape(&host::fuzzed::tables(input))))
}

pub const GROUPS: &[&str] = &[
    "/system.slice",
    "/user.slice",
    "/user-1000.slice",
    "/user@1000.service",
    "/app.slice",
    "/session-3.scope",
    "/init.scope",
    "/x.service",
    ".slice",
    ".scope",
    ".service",
    "/",
    "@",
    "-",
    "/machine.slice",
    "/lxc.payload.a",
];

pub fn groups() -> Box<dyn Play> {
    Box::new(|input: &[u8]| Ok(shape(&host::fuzzed::group(&of(input)))))
}

pub const JOURNAL: &[&str] = &[
    "{\"__CURSOR\":\"a\",\"MESSAGE\":\"Could not\"}\n",
    "\"__CURSOR\"",
    "\"MESSAGE\"",
    "[67,111,117,108,100]",
    ":",
    ",",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\u0000",
    "\\ud800",
    "null",
    "1e999",
    "-1",
    "256",
    "Could not",
    "\n",
    "\\",
];

pub fn journal() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let before = input.len().is_multiple_of(2).then_some("a");
        let told = probe::fuzzed::log("Could not", input, before).unwrap_or_else(|why| why);
        // Whether any matched, and how many lines there were.
        let matches = hash(told.split("last").next().unwrap_or_default().as_bytes());
        Ok(shape(&told) ^ matches)
    })
}

pub const ESCAPE: &[&str] = &[
    "\u{1b}[31m",
    "\u{1b}]0;x\u{7}",
    "\u{9b}",
    "\u{202e}",
    "\u{2066}",
    "\u{e0041}",
    "\u{200b}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\r",
    "\n",
    "\t",
    "\0",
    "\u{7f}",
    "ü",
    "你",
    "💩",
    "\\",
    "\"",
    "\\u{1b}",
    "e\u{301}",
];

/// Every printer's text is harmless for its medium, and one of JSON says the same as before.
pub fn escape() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let text = of(input);
        let line = escape::line(&text);
        harmless(&line)?;
        if let Some(character) = line.chars().find(|character| escape::steers(*character)) {
            return Err(format!("{character:?} steers"));
        }
        let lines = escape::lines(&text);
        if lines.chars().any(|character| escape::steers(character) && !matches!(character, '\n' | '\t')) {
            return Err("a file steers".to_owned());
        }
        let written = serde_json::to_string_pretty(&[&text, "x"]).map_err(|why| why.to_string())?;
        let json = escape::json(written);
        if json.chars().any(|character| escape::steers(character) && character != '\n') {
            return Err("JSON steers".to_owned());
        }
        let read: Vec<String> = serde_json::from_str(&json).map_err(|why| why.to_string())?;
        if read.first() != Some(&text) {
            return Err("JSON says something else".to_owned());
        }
        let [quoted, name] = probe::fuzzed::shown(input);
        harmless(&quoted)?;
        harmless(&name)?;
        message(&probe::sentence(&text)).map(|_| (line.len() - text.len().min(line.len())).min(64) as u64)
    })
}

pub const REDACT: &[&str] = &[
    "password=",
    "PASSWORD: ",
    "\"api_key\": \"",
    "Authorization: Bearer ",
    "basic ",
    "postgres://u:",
    "@h",
    "://",
    "--password ",
    "-p ",
    "eyJ",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.x",
    "token=",
    "pass=",
    "'",
    "\"",
    "\n",
    "=",
    ":",
    " ",
    "secret",
];

/// What is redacted once stays so.
pub fn redact() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let text = of(input);
        let shown = redact::redacted(&text);
        Ok(shape(&shown) ^ (shown == text) as u64)
    })
}

pub const HEARD: &[&str] = &[
    "{\"Answer\":{\"id\":1,\"answer\":{\"Probe\":{\"status\":\"Healthy\",\"message\":\"x\",\"latency\":null}}}}",
    "\"Alive\"",
    "\"Leaving\"",
    "{\"Hello\":{\"apart\":true}}",
    "\"Probe\"",
    "\"Sample\"",
    "\"Page\"",
    "\"Ok\"",
    "\"Err\"",
    "\"depth\":1",
    "\"in_work\":1",
    "\"completed\":null",
    "\"age\":{\"secs\":1,\"nanos\":5}",
    "\"consumers\":1",
    "\"paused\":false",
    "\"missing\":null",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"secs\":18446744073709551615",
    "\"nanos\":4294967295",
    "\0\0\0\u{7}",
    "\\u001b",
];

/// What a prober that was taken over may make the daemon believe: a short message that steers nothing.
pub fn heard() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let mut outcome = 0;
        for bytes in [input.to_vec(), framed(input)] {
            let told = prober::fuzzed::heard(&bytes);
            // The last may be what ended the connection, for our own log.
            for told in told.iter().take(told.len().saturating_sub(1)) {
                message(told)?;
            }
            outcome ^= told.last().map_or(0, |told| shape(told)) ^ told.len().min(4) as u64;
        }
        Ok(outcome)
    })
}

pub const ASKED: &[&str] = &[
    "{\"id\":1,\"asked\":{\"Probe\":\"[tcp]\\ntcp = \\\"127.0.0.1:1\\\"\\n\"},\"timeout\":{\"secs\":1,\"nanos\":0},\"period\":{\"secs\":1,\"nanos\":0},\"handed\":{\"password\":null,\"authorities\":null,\"refused\":null,\"connections\":0}}",
    "[http]\\n",
    "http = \\\"http://h/\\\"",
    "[redis]\\n",
    "[disk]\\n",
    "min_free = \\\"5%\\\"",
    "\\n",
    "\\\"",
    "\"Sample\"",
    "\"Page\"",
    "\"password\":{\"Ok\":\"x\"}",
    "\"refused\":{\"ours\":true,\"clause\":\"x\"}",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "18446744073709551615",
];

pub fn asked() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let mut outcome = 0;
        for bytes in [input.to_vec(), framed(input)] {
            let told = prober::fuzzed::asked(&bytes);
            outcome ^= told.last().map_or(0, |told| shape(told)) ^ told.len().min(4) as u64;
        }
        Ok(outcome)
    })
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], body].concat()
}
