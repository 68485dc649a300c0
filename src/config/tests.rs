//! Good and bad files: what they make, and what people are told.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;
use crate::model::finding::Severity;
use crate::model::installed::Kind;
use crate::model::observation::Observation;
use crate::model::probe::OnFailure;
use crate::model::spec::{
    CleanExit, Mode, Reaction, RecoverySpec, ReleaseSpec, Selector, SmokeDirectory, Spec,
};
use crate::model::unit::UnitName;

const LIMIT: Duration = Duration::from_secs(10);

/// A scratch configuration, where nobody else can write: not below a sticky /tmp, wherever the project lies.
pub fn scratch() -> (tempfile::TempDir, Directories) {
    let root = nix::unistd::getuid().is_root();
    let home = || std::env::var_os("HOME").map_or(PathBuf::from("."), PathBuf::from);
    let base = if root { PathBuf::from("/run") } else { home() };
    let root = tempfile::Builder::new().tempdir_in(base).expect("a scratch folder");
    let directories = Directories {
        settings: root.path().join("etc/steadfast.toml"),
        units: vec![root.path().join("etc/units.d"), root.path().join("run/units.d")],
        owner: nix::unistd::getuid().as_raw(),
    };
    for folder in &directories.units {
        fs::create_dir_all(folder).expect("a folder");
    }
    (root, directories)
}

fn spec_of(text: &str) -> Result<Spec, String> {
    let file = Path::new("shop.service.toml");
    let told = |mistakes: Vec<diagnose::Mistake>| {
        mistakes.iter().map(|one| diagnose::problem(file, text, one).rendered).collect::<Vec<_>>().join("\n")
    };
    parse::spec(file, text, 0).map_err(told)
}

#[test]
fn an_empty_file_is_complete() {
    let spec = spec_of("").expect("a spec");
    let selector = Selector::Unit("shop.service".into());
    assert_eq!(spec, Spec::of_empty_file(selector, "shop.service.toml".to_owned()));
    assert_eq!((spec.mode, spec.severity), (Mode::Act, Severity::Critical));
    let seconds = Duration::from_secs;
    let recovery = RecoverySpec {
        start: true,
        enable: true,
        after_manual_stop: Some(seconds(1800)),
        after_manual_disable: Some(seconds(1800)),
        clean_exit: CleanExit::Start,
        clean_exit_delay: seconds(30),
        burst: 3,
        interval: seconds(900),
        delay: seconds(5),
        max_delay: seconds(300),
        verify_within: seconds(60),
        end_survivors: false,
        max_unavailable: None,
        drain: None,
    };
    assert_eq!(spec.recovery, recovery);
    let (on_stale, binaries) = (Reaction::Restart, Reaction::Alert);
    assert_eq!(
        spec.release,
        ReleaseSpec {
            link: None,
            on_stale,
            settle: seconds(60),
            drain_within: seconds(1800),
            binaries,
            window: None,
            max_wait: None,
            kinds: Kind::ALL.into()
        }
    );
}

#[test]
fn every_key_has_an_effect() {
    let usual = spec_of("").expect("a spec");
    let keys = [
        "unit = \"web-*.service\"",
        "mode = \"observe\"",
        "severity = \"warning\"",
        "owner = \"team\"",
        "runbook = \"https://wiki\"",
        "requires = [\"a.service\"]",
        "[recovery]\nstart = false",
        "[recovery]\nenable = false",
        "[recovery]\nafter_manual_stop = \"never\"",
        "[recovery]\nclean_exit = \"hold\"",
        "[recovery]\nclean_exit_delay = \"5s\"",
        "[recovery]\nburst = 4",
        "[recovery]\ninterval = \"1h\"",
        "[recovery]\ndelay = \"1s\"",
        "[recovery]\nmax_delay = \"1h\"",
        "[recovery]\nverify_within = \"2m\"",
        "[recovery]\nend_survivors = true",
        "unit = \"web@.service\"\n[recovery]\nmax_unavailable = 1",
        "[recovery]\ndrain = { command = [\"/bin/true\"] }",
        "[recovery]\ndrain = { command = [\"/bin/true\"], until = \"test -e /run/idle\" }",
        "[recovery]\ndrain = { command = [\"/bin/true\"], timeout = \"5s\" }",
        "[release]\nlink = \"/srv/app/current\"",
        "[release]\non_stale = \"alert\"",
        "[release]\nsettle = \"5s\"",
        "[release]\nbinaries = \"restart\"",
        "[release]\nkinds = [\"link\", \"venv\"]",
        "[release]\nwindow = \"Mon..Fri 02:00..05:00\"\nmax_wait = \"3d\"",
        "[smoke]\ncommand = [\"/bin/true\"]",
        "[disabled]\nreason = \"flaps\"\nuntil = 2026-12-24T00:00:00Z",
        "[probe.a]\ntcp = \"127.0.0.1:1\"",
    ];
    for key in keys {
        assert_ne!(spec_of(key).unwrap_or_else(|why| panic!("{why}")), usual, "{key}");
    }
    let http = "[probe.a]\nhttp = \"http://127.0.0.1/\"\n";
    let usual = spec_of(http).expect("a spec");
    let keys = [
        "status = \"200-299\"",
        "content_type = \"application/json\"",
        "json = { \"/depth\" = \"< 100\", \"/status\" = \"ok\" }",
        "max_latency = \"800ms\"",
        "follow_redirects = true",
        "period = \"20s\"",
        "timeout = \"4s\"",
        "initial_delay = \"5s\"",
        "failure_threshold = 3",
        "success_threshold = 2",
        "on_failure = \"alert\"",
    ];
    for key in keys {
        assert_ne!(spec_of(&format!("{http}{key}")).unwrap_or_else(|why| panic!("{why}")), usual, "{key}");
    }
    let smoke = spec_of("[smoke]\ncommand = [\"/bin/true\"]\ndirectory = \"unit\"\ntimeout = \"5s\"")
        .expect("a spec");
    let smoke = smoke.smoke.expect("a smoke test");
    assert_eq!((smoke.directory, smoke.timeout), (SmokeDirectory::Unit, Duration::from_secs(5)));
}

#[test]
fn every_key_of_a_kind_has_an_effect() {
    let command = "[progress.a]\ncommand = [\"/bin/true\"]\n";
    let http = "[progress.a]\nhttp = \"http://127.0.0.1/\"\ndepth = \"/depth\"\n";
    let keys = [
        (command, "max_depth = 100"),
        (command, "max_age = \"10m\""),
        (command, "stalled_after = \"1m\""),
        (command, "drain_within = \"1m\""),
        (command, "on_stall = \"alert\""),
        (command, "period = \"5s\""),
        (command, "timeout = \"1s\""),
        (http, "completed = \"/done\""),
        (http, "age = \"/oldest\""),
        (http, "consumers = \"/consumers\""),
    ];
    let rabbitmq = "[probe.a]\nrabbitmq = \"http://mon@broker:15672\"\nqueue = \"jobs\"\n";
    let sql = "[probe.a]\npostgres = \"postgres://mon@db/shop\"\nquery = \"SELECT 1\"\n";
    let redis = "[progress.a]\nredis = \"redis://cache/0\"\nqueue = \"jobs\"\n";
    let keys = keys.into_iter().chain([
        ("[probe.a]\nredis = \"redis://cache/0\"\n", "keys = { \"paused\" = \"missing\" }"),
        ("[probe.a]\nredis = \"redis://cache/0\"\n", "credential = \"redis\""),
        ("[probe.a]\nredis = \"redis://cache/0\"\n", "password_file = \"/etc/redis.password\""),
        ("[probe.a]\nmemcached = \"cache:11211\"\n", "stats = { uptime = \"> 60\" }"),
        (rabbitmq, "vhost = \"shop\""),
        (rabbitmq, "max_depth = 10"),
        (rabbitmq, "min_consumers = 2"),
        (sql, "expect = \"< 100\""),
        ("[probe.a]\nhttp = \"https://shop/\"\n", "min_validity = \"14d\""),
        (redis, "completed = \"done\""),
        (redis, "paused = \"paused\""),
        (redis, "credential = \"redis\""),
    ]);
    for (source, key) in keys {
        let usual = spec_of(source).expect("a spec");
        assert_ne!(spec_of(&format!("{source}{key}")).unwrap_or_else(|why| panic!("{why}")), usual, "{key}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let wrong = [
        "mode = \"act\"\n[recovery]\nbrust = 3\n",
        "[recovery]\ndelay = 5\n",
        "[recovery]\ndelay = \"5 parsecs\"\n",
        "[probe.inbox]\nhttp = \"http://127.0.0.1/\"\nperiod = \"2s\"\ntimeout = \"3s\"\n",
        "[probe.inbox]\nhttp = \"http://127.0.0.1/\"\ntcp = \"127.0.0.1:80\"\n",
        "[probe.inbox]\nperiod = \"2s\"\n",
        "[probe.queue]\nredis = \"redis://app:s3cret@127.0.0.1/0\"\n",
        "[probe.queue]\nredis = \"redis://127.0.0.1/0\"\nquery = \"SELECT 1\"\n",
        "[probe.queue]\nredis = \"127.0.0.1:6379\"\n",
        "[probe.queue]\nrabbitmq = \"http://broker:15672\"\nmax_depth = 5\n",
        "[probe.room]\ndisk = \"/\"\n",
        "[probe.room]\ndisk = \"/\"\nmin_free = \"lots\"\n",
        "[probe.beat]\nfile = \"/run/beat\"\n",
        "[probe.rows]\nmysql = \"mysql://db/shop\"\nexpect = 5\n",
        "[probe.page]\nhttp = \"http://shop/\"\nmin_validity = \"14d\"\n",
        "[progress.jobs]\nredis = \"redis://127.0.0.1/0\"\n",
        "[probe.log]\njournal = \"Could (not\"\n",
        "[probe.ran]\ntimer = \"backup.service\"\nmax_age = \"26h\"\n",
        "[progress.jobs]\npostgres = \"postgres://db/shop\"\n",
        "[progress.jobs]\nhttp = \"http://127.0.0.1/stats\"\n",
        "[progress.jobs]\ncommand = [\"/bin/true\"]\ndepth = \"/depth\"\n",
        "[progress.jobs]\nmax_depth = 5\n",
        "[disabled]\nreason = \"flaps\"\n",
        "[disabled]\nuntil = 2026-12-24T00:00:00Z\n",
        "[disabled]\nreason = \"  \"\nuntil = 2026-12-24T00:00:00Z\n",
        "[disabled]\nreason = \"flaps\"\nuntil = 2026-12-24\n",
        "mode = \"act\nseverity = \n",
        "[smoke]\ncommand = [\"php\", \"-l\"]\n",
        "[probe.a]\ntcp = \"localhost\"\n",
        "[recovery]\nburst = 3\nowner = \"team-shop\"\n",
    ];
    let told: Vec<String> = wrong.iter().map(|text| spec_of(text).expect_err("a mistake")).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_command_is_fit_to_be_a_line_of_a_unit_file() {
    for script in ["a\\nb", "a\\tb", "a\\u0085b", "a\\u2028b"] {
        let why = spec_of(&format!("[smoke]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n")).unwrap_err();
        assert!(why.contains("a control character") && why.contains("put the script into a file"), "{why}");
    }
    assert!(spec_of("[smoke]\ncommand = [\"/bin/sh\", \"-c\", \"true; true 'ü'\"]\n").is_ok());
}

#[test]
fn an_end_that_has_passed_or_is_far_away_is_noted_and_no_mistake() {
    let now_ms = 1_795_168_800_000;
    let noted = |until: &str, all| {
        let spec =
            spec_of(&format!("[disabled]\nreason = \"flaps\"\nuntil = {until}\n")).expect("no mistake");
        notes::of(&[spec], now_ms, all).join("; ")
    };
    assert_eq!(noted("2026-12-24T00:00:00Z", false), "");
    assert!(
        noted("2026-12-24T00:00:00Z", true).contains("is switched off until 2026-12-24 00:00 UTC: flaps")
    );
    let far = noted("2027-11-20T10:00:00Z", false);
    assert!(far.contains("for another 365 days, until 2027-11-20 10:00 UTC; nobody will remember"), "{far}");
    let past = noted("2026-11-20T09:00:00Z", false);
    assert!(past.contains("the end of [disabled] has passed (2026-11-20 09:00 UTC)"), "{past}");
}

#[test]
fn file_names_select_units() {
    let of = |name: &str| parse::selector(Path::new(name), None);
    assert_eq!(of("a.service.toml"), Ok(Selector::Unit("a.service".into())));
    assert_eq!(of("worker@.service.toml"), Ok(Selector::Pattern("worker@*.service".to_owned())));
    assert_eq!(of("worker@1.service.toml"), Ok(Selector::Unit("worker@1.service".into())));
    // D9: a service, as for systemctl; a near miss is a mistake.
    assert_eq!(of("shop.toml"), Ok(Selector::Unit("shop.service".into())));
    assert_eq!(of("php8.2-fpm.toml"), Ok(Selector::Unit("php8.2-fpm.service".into())));
    assert!(of("shop.serivce.toml").is_err());
    for odd in ["größe.service.toml", "a b.service.toml", "a?.service.toml"] {
        assert_eq!(of(odd).is_ok(), odd.starts_with("a?"), "{odd}");
    }
    assert!(of("a\\x2db-c:1@.service.toml").is_ok());
    assert_eq!(of("broker.dependency.toml"), Ok(Selector::Unit("broker.dependency".into())));
}

#[test]
fn the_earlier_directory_wins_drop_ins_merge_and_null_switches_off() {
    let (_root, directories) = scratch();
    let (etc, run) = (&directories.units[0], &directories.units[1]);
    fs::write(etc.join("a.service.toml"), "owner = \"etc\"\n[recovery]\nburst = 5\n").expect("a file");
    fs::write(run.join("a.service.toml"), "owner = \"run\"").expect("a file");
    fs::create_dir(run.join("a.service.toml.d")).expect("a folder");
    fs::write(run.join("a.service.toml.d/50.toml"), "[recovery]\ndelay = \"1s\"\n").expect("a file");
    fs::write(run.join("b.service.toml"), "").expect("a file");
    symlink("/dev/null", etc.join("b.service.toml")).expect("a link");
    fs::write(etc.join("c.service.toml.disabled"), "").expect("a file");
    fs::write(etc.join("d.service.toml~"), "nonsense").expect("a file");
    let loaded = Loader::new(directories.clone()).load();
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.specs.len(), 1);
    let spec = &loaded.specs[0];
    assert_eq!(spec.owner.as_deref(), Some("etc"));
    assert_eq!((spec.recovery.burst, spec.recovery.delay), (5, Duration::from_secs(1)));
}

#[test]
fn a_directory_that_cannot_be_read_keeps_what_was_good_in_it() {
    let (_root, directories) = scratch();
    let etc = &directories.units[0];
    fs::write(etc.join("a.service.toml"), "owner = \"etc\"\n").expect("a file");
    let mut loader = Loader::new(directories.clone());
    assert_eq!(loader.load().specs.len(), 1);
    fs::rename(etc, etc.with_extension("moved")).expect("another name");
    fs::write(etc, "no directory").expect("a file");
    let loaded = loader.load();
    assert_eq!(loaded.specs.first().and_then(|spec| spec.owner.as_deref()), Some("etc"));
    assert!(loaded.problems[0].message.contains("cannot read the directory"), "{:?}", loaded.problems);
    fs::remove_file(etc).expect("gone");
    assert_eq!(loader.load().specs, [], "a directory that is gone has no files");
}

#[test]
fn a_broken_file_keeps_its_last_good_version_and_harms_no_other() {
    let (_root, directories) = scratch();
    let etc = directories.units[0].clone();
    fs::write(etc.join("a.service.toml"), "owner = \"one\"").expect("a file");
    fs::write(etc.join("b.service.toml"), "").expect("a file");
    let mut loader = Loader::new(directories);
    assert_eq!(loader.load().specs.len(), 2);
    fs::write(etc.join("a.service.toml"), "ownr = \"two\"").expect("a file");
    let loaded = loader.load();
    assert_eq!(loaded.specs.len(), 2);
    assert_eq!(loaded.specs[0].owner.as_deref(), Some("one"));
    assert_eq!(loaded.problems.len(), 1);
    let problem = &loaded.problems[0];
    assert!(
        problem.last_good_in_force && problem.message.contains("did you mean `owner`?"),
        "{}",
        problem.message
    );
    assert_eq!((problem.line, problem.column), (1, 1));
    fs::remove_file(etc.join("a.service.toml")).expect("removed");
    let loaded = loader.load();
    assert_eq!((loaded.specs.len(), loaded.problems.len()), (1, 0));
}

#[test]
fn files_that_others_can_write_are_refused() {
    let (_root, directories) = scratch();
    let etc = directories.units[0].clone();
    let file = etc.join("a.service.toml");
    fs::write(&file, "").expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("rights");
    let loaded = Loader::new(directories.clone()).load();
    assert_eq!(loaded.specs, []);
    assert!(
        loaded.problems[0].message.contains("can be written by others"),
        "{}",
        loaded.problems[0].message
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("rights");
    fs::set_permissions(&etc, fs::Permissions::from_mode(0o777)).expect("rights");
    let loaded = Loader::new(directories).load();
    assert!(
        loaded.problems[0].message.contains("units.d can be written by others"),
        "{}",
        loaded.problems[0].message
    );
}

#[test]
fn the_same_unit_twice_is_refused() {
    let (_root, directories) = scratch();
    let etc = directories.units[0].clone();
    fs::write(etc.join("a.service.toml"), "").expect("a file");
    fs::write(etc.join("z.toml"), "unit = \"a.service\"").expect("a file");
    let loaded = Loader::new(directories).load();
    assert_eq!(loaded.specs.len(), 1);
    assert!(loaded.problems[0].message.contains("twice"));
}

#[test]
fn what_is_no_regular_file_does_not_block() {
    let (_root, directories) = scratch();
    let fifo = directories.units[0].join("a.service.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o644)).expect("a FIFO");
    let loaded = Loader::new(directories).load();
    assert!(loaded.problems[0].message.contains("no regular file"));
}

#[test]
fn the_schema_names_every_key() {
    let schema = serde_json::to_string(&schema()).expect("JSON");
    for key in
        ["recovery", "after_manual_stop", "on_stale", "smoke", "max_latency", "failure_threshold", "until"]
    {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn the_address_to_listen_at_is_an_address() {
    let page =
        |value: &str| parse::settings(&format!("page_url = {value}\n"), 0).map(|(known, _)| known.page_url);
    assert_eq!(page("\"https://s.example/web1/\""), Ok(Some("https://s.example/web1".to_owned())));
    for wrong in
        ["\"s.example\"", "\"javascript:alert(1)\"", "\"https://\"", "\"https://a/<b>\"", "\"http://a b/\""]
    {
        assert!(
            page(wrong).is_err_and(|why| why[0].message.starts_with("cannot use `page_url`: ")),
            "{wrong}"
        );
    }
    let listen = |value: &str| parse::settings(&format!("listen = {value}\n"), 0);
    for good in ["127.0.0.1:9631", "[::1]:9631", "0.0.0.0:80"] {
        let (settings, _) = listen(&format!("\"{good}\"")).unwrap_or_else(|why| panic!("{why:?}"));
        assert_eq!(settings.listen.map(|address| address.to_string()).as_deref(), Some(good));
    }
    for (bad, why) in [
        ("\"localhost:9631\"", "\"localhost:9631\" is a name, and names are not looked up here"),
        ("\"127.0.0.1\"", "\"127.0.0.1\" has no port"),
        ("\"::1\"", "\"::1\" has no port"),
        ("\"127.0.0.1:0\"", "is another port each time"),
        ("\"127.0.0.1:99999\"", "is no address"),
        ("\"\"", "is no address"),
        ("9631", "9631 is no text"),
    ] {
        let Err(mistakes) = listen(bad) else { panic!("{bad} is taken") };
        let said = &mistakes[0].message;
        assert!(said.contains(why) && said.contains("such as \"127.0.0.1:9631\""), "{bad}: {said}");
    }
}

#[test]
fn what_is_handed_on_is_read_again() {
    let probes = [
        (
            "http",
            "\"https://h/x\"\nstatus = \"200-299\"\ncontent_type = \"text/html\"\njson = { \"/a\" = \"< 5\", \"/b\" = true, \"/c\" = 1.5 }\nmax_latency = \"800ms\"\nmin_validity = \"14d\"\nfollow_redirects = true",
        ),
        ("tcp", "\"h:1\""),
        ("unix", "\"/run/s\""),
        ("command", "[\"/bin/true\", \"-x\"]"),
        ("redis", "\"redis://h/0\"\nkeys = { a = \"missing\", b = \">= 2\" }\ncredential = \"c\""),
        ("smtp", "\"h:25\""),
        ("imap", "\"h:143\""),
        ("pop3", "\"h:110\""),
        ("ssh", "\"h:22\""),
        ("memcached", "\"h:1\"\nstats = { uptime = \"> 60\" }"),
        ("amqp", "\"amqp://u@h/v\"\npassword_file = \"/p\""),
        ("rabbitmq", "\"http://u@h:15672\"\nqueue = \"q\"\nvhost = \"v\"\nmax_depth = 9\nmin_consumers = 2"),
        ("postgres", "\"postgres://u@h/d\"\nquery = \"SELECT 1\"\nexpect = \"!= 3\""),
        ("mysql", "\"mysql://u@h/d\"\nquery = \"SELECT 'a\\\"b'\"\nexpect = \"yes\""),
        ("file", "\"/f\"\nmax_age = \"1500ms\""),
        ("disk", "\"/\"\nmin_free = \"2GiB\""),
        ("inodes", "\"/\"\nmin_free = \"5%\""),
        ("journal", "\"^Could not\""),
        ("timer", "\"a.timer\"\nmax_age = \"26h\""),
        ("memory", "\"< 1.5GiB\""),
        ("tasks", "\"< 80%\""),
        ("fds", "\"< 1000\""),
        ("threads", "\"< 200\""),
        ("cpu", "\"< 95% for 10m\""),
        ("pressure", "\"io < 20% for 5m\""),
        ("swap", "\"none\""),
        ("oom_kills", "\"none\""),
        ("restarts", "\"< 5/h\""),
        ("age", "\"< 7d\""),
    ];
    assert_eq!(probes.len(), crate::probe::PROBES.len());
    for (kind, keys) in probes {
        let spec = spec_of(&format!("[probe.a]\n{kind} = {keys}\n")).unwrap_or_else(|why| panic!("{why}"));
        let read = &spec.probes[0].kind;
        assert!(crate::probe::of(read).is_ok(), "{kind}");
        let text = read.keys.replace(&format!("[{kind}"), "[probe.a");
        let again = spec_of(&text).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(&again.probes[0].kind, read);
    }
    let sources = [
        ("http", "\"http://h/\"\ndepth = \"/d\"\ncompleted = \"/c\"\nage = \"/a\"\nconsumers = \"/n\""),
        ("command", "[\"/bin/true\"]"),
        ("rabbitmq", "\"http://u@h:15672\"\nqueue = \"q\"\nvhost = \"v\""),
        ("redis", "\"redis://h/0\"\nqueue = \"q\"\ncompleted = \"c\"\npaused = \"p\""),
        ("postgres", "\"postgres://u@h/d\"\nquery = \"SELECT 1 AS depth\""),
        ("mysql", "\"mysql://u@h/d\"\nquery = \"SELECT 1 AS depth\"\ncredential = \"c\""),
    ];
    assert_eq!(sources.len(), crate::probe::SOURCES.len());
    for (kind, keys) in sources {
        let spec = spec_of(&format!("[progress.a]\n{kind} = {keys}\n")).unwrap_or_else(|why| panic!("{why}"));
        let read = &spec.progress[0].source;
        assert!(crate::probe::source(read).is_ok(), "{kind}");
        let text = read.replace(&format!("[{kind}"), "[progress.a");
        assert_eq!(&spec_of(&text).unwrap_or_else(|why| panic!("{why}")).progress[0].source, read);
    }
}

#[test]
fn what_could_never_fail_and_what_no_restart_cures_goes_along() {
    let weak = [
        (
            "http = \"http://h/\"\nstatus = \"200-599\"",
            "takes errors for health: status 200 to 599 is right for it",
        ),
        (
            "http = \"http://h/\"\nmax_latency = \"8s\"",
            "is never slow: its timeout of 3000 ms ends it long before max_latency, 8000 ms",
        ),
        ("command = [\"/bin/true\"]", "cannot fail: /bin/true always succeeds"),
        ("memcached = \"h:1\"\nstats = { curr_items = \">= 0\" }", "cannot fail: figures are never negative"),
        (
            "mysql = \"mysql://h/d\"\nquery = \" SELECT  count(*) FROM t\"\nexpect = \">= 0\"",
            "cannot fail: a count is never negative",
        ),
        ("disk = \"/\"\nmin_free = \"0%\"", "cannot fail: 0 is always free"),
    ];
    for (keys, weakness) in weak {
        let spec = spec_of(&format!("[probe.a]\n{keys}\n")).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(spec.probes[0].kind.weakness.as_deref(), Some(weakness));
    }
    for (keys, curable) in [
        ("tcp = \"h:1\"", true),
        ("redis = \"redis://h/0\"", true),
        ("redis = \"redis://h/0\"\nkeys = { a = 1 }", false),
        ("postgres = \"postgres://h/d\"", true),
        ("postgres = \"postgres://h/d\"\nquery = \"SELECT 1\"\nexpect = 1", false),
        ("http = \"https://h/\"\nmin_validity = \"14d\"", false),
        ("journal = \"error\"", false),
    ] {
        let spec = spec_of(&format!("[probe.a]\n{keys}\n")).unwrap_or_else(|why| panic!("{why}"));
        let probe = &spec.probes[0];
        assert_eq!((probe.kind.is_curable(), probe.kind.weakness.as_deref()), (curable, None), "{keys}");
        assert_eq!(probe.on_failure == OnFailure::Restart, curable, "{keys}");
    }
}

/// O33: schema and code agree. O20: what keeps dependents from working by default, and where the file says otherwise.
#[test]
fn thresholds_and_what_keeps_dependents_from_working() {
    let of = |keys: &str| spec_of(&format!("[probe.a]\n{keys}\n")).unwrap().probes.remove(0);
    for keys in ["journal = \"error\"", "tcp = \"h:1\""] {
        assert_eq!(of(keys).success_threshold, 1, "{keys}");
    }
    for (keys, vital) in [
        ("tcp = \"h:1\"", true),
        ("tcp = \"h:1\"\non_failure = \"alert\"", false),
        ("tcp = \"h:1\"\non_failure = \"alert\"\nvital = true", true),
        ("disk = \"/\"\nmin_free = \"10%\"", false),
        ("rabbitmq = \"http://u@h:1\"", false),
        ("redis = \"redis://h/0\"\nkeys = { a = \"< 9\" }", false),
        ("journal = \"error\"", false),
    ] {
        assert_eq!(of(keys).vital, vital, "{keys}");
    }
}

#[test]
fn a_key_that_no_kind_has_is_told_with_the_nearest_one() {
    for (text, nearest) in [
        ("[probe.a]\nhtpp = \"http://h/\"\n", "http"),
        ("[probe.a]\nhttp = \"http://h/\"\nperoid = \"5s\"\n", "period"),
        ("[probe.a]\nredis = \"redis://h/0\"\nkyes = {}\n", "keys"),
        ("[progress.a]\nredis = \"redis://h/0\"\nqueu = \"q\"\n", "queue"),
    ] {
        let told = spec_of(text).expect_err("a mistake");
        assert!(told.contains(&format!("did you mean `{nearest}`?")), "{told}");
    }
}

/// With a program that is installed: whose another is can be seen only where that is installed.
fn runnable(text: &str) -> String {
    let line = |line: &str| match line.starts_with("command = [") {
        true => "command = [\"/bin/true\"]\n".to_owned(),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_examples_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut seen = 0;
    for entry in fs::read_dir(folder.join("units.d")).expect("examples") {
        let path: PathBuf = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        let name = path.file_name().expect("a name").to_string_lossy().replace(".example", "");
        parse::spec(Path::new(&name), &runnable(&text), 0).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        seen += 1;
    }
    assert!(seen >= 2);
    for entry in fs::read_dir(folder.join("recipes")).expect("recipes") {
        let path: PathBuf = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        parse::spec(&path, &runnable(&text), 0).unwrap_or_else(|why| panic!("{path:?}: {why:?}"));
        seen += 1;
    }
    assert!(seen >= 14);
    let text = fs::read_to_string(folder.join("steadfast.toml")).expect("settings");
    parse::settings(&text, 0).unwrap_or_else(|why| panic!("{why:?}"));
}

#[test]
fn what_files_require_of_each_other_is_settled_over_all_files() {
    let (_root, directories) = scratch();
    let etc = &directories.units[0];
    let write = |name: &str, text: &str| fs::write(etc.join(name), text).expect("a file");
    write("broker.dependency.toml", "[probe.port]\ntcp = \"broker:5672\"\n");
    write("worker.service.toml", "requires = [\"broker\", \"cache\"]");
    write("cache.service.toml", "requires = [\"disk.mount\"]");
    write("a.service.toml", "requires = [\"b\"]");
    write("b.service.toml", "requires = [\"c\"]");
    write("c.service.toml", "requires = [\"a\"]");
    let loaded = Loader::new(directories.clone()).load();
    let needs = |unit: &str| -> Vec<&str> {
        let spec = loaded.specs.iter().find(|spec| spec.selector == Selector::Unit(unit.into()));
        spec.expect("managed").requires.iter().map(UnitName::as_str).collect()
    };
    assert_eq!(needs("worker.service"), ["broker.dependency", "cache.service"]);
    assert_eq!([needs("a.service"), needs("b.service")], [["b.service"], ["c.service"]]);
    assert_eq!(needs("c.service"), [""; 0]);
    let told: Vec<&str> =
        loaded.problems.iter().filter_map(|problem| problem.message.split("; add").next()).collect();
    assert_eq!(
        told,
        [
            "cannot use `requires`: no file manages disk.mount",
            "cannot use `requires`: a.service → b.service → c.service → a.service is a circle; \
             that c.service requires a.service is ignored"
        ]
    );
}

#[test]
fn a_dependency_has_probes_and_nothing_to_act_on() {
    let (_root, directories) = scratch();
    let file = directories.units[0].join("broker.dependency.toml");
    let told = |text: &str| -> Vec<String> {
        fs::write(&file, text).expect("a file");
        let problems = Loader::new(directories.clone()).load().problems;
        problems.into_iter().map(|problem| problem.message).collect()
    };
    assert_eq!(told("[probe.port]\ntcp = \"broker:5672\"\n"), [""; 0]);
    let bare = told("owner = \"team-mq\"");
    assert!(bare.iter().any(|one| one.starts_with("cannot use a dependency without a probe")), "{bare:?}");
    let command = told("[probe.port]\ncommand = [\"/bin/true\"]\n");
    assert!(
        command.iter().any(|one| one.starts_with("cannot run a command for a dependency")),
        "{command:?}"
    );
    let acting = told("[recovery]\nburst = 3\n[probe.port]\ntcp = \"broker:5672\"\n");
    assert!(acting.iter().any(|one| one.contains("`recovery`")), "{acting:?}");
}

proptest! {
    #[test]
    fn no_text_breaks_the_loader(text in "\\PC{0,200}", key in "[a-z_.\\[\\]=\" 0-9\n]{0,80}") {
        drop(spec_of(&text));
        drop(spec_of(&key));
    }
}

#[tokio::test]
async fn a_file_dropped_in_changed_broken_mended_removed_is_told() {
    let (_root, directories) = scratch();
    let etc = directories.units[0].clone();
    let (reload, requests) = mpsc::channel(1);
    let (out, mut told) = mpsc::channel(16);
    let watching = tokio::spawn(watch(directories, requests, out));
    let mut next = async || {
        let told = tokio::time::timeout(LIMIT, told.recv()).await.expect("in time").expect("an observation");
        match told {
            Observation::UnitFilesLoaded { specs, problems, .. } => (specs, problems),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(next().await.0.len(), 0);
    let file = etc.join("a.service.toml");
    let write = |text: &str| {
        fs::write(etc.join(".new"), text).expect("a file");
        fs::rename(etc.join(".new"), &file).expect("a rename");
    };
    write("");
    assert_eq!(next().await.0.len(), 1);
    write("owner = \"x\"");
    assert_eq!(next().await.0[0].owner.as_deref(), Some("x"));
    write("owner = ");
    let (specs, problems) = next().await;
    assert_eq!((specs[0].owner.as_deref(), problems.len()), (Some("x"), 1));
    write("owner = \"y\"");
    assert_eq!(next().await.0[0].owner.as_deref(), Some("y"));
    fs::remove_file(&file).expect("removed");
    assert_eq!(next().await.0.len(), 0);
    // Who asks for a reading hears when what is written by then is on its way.
    write("owner = \"z\"");
    let (tell, heard) = tokio::sync::oneshot::channel();
    reload.send(Some(tell)).await.expect("it is watched");
    tokio::time::timeout(LIMIT, heard).await.expect("in time").expect("a word");
    assert_eq!(next().await.0[0].owner.as_deref(), Some("z"));
    watching.abort();
}
