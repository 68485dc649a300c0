//! Sources of progress: the real client of each is asked as the prober asks it.

use std::time::Duration;

use steadfast::model::probe::{CommandEnd, CommandOutcome};
use steadfast::probe;

use super::server::{Begins, Question, Way, asks as asked};
use super::{Play, message};

/// Takes a sample of this source; `PORT` in its keys is the server's.
fn asks(keys: &'static str, way: Way, begins: Begins) -> Box<dyn Play> {
    asked(way, begins, |port| {
        Question::Sample(probe::source(&keys.replace("PORT", &port.to_string())).expect("a source"))
    })
}

pub fn http() -> Box<dyn Play> {
    asks(
        "[http]\nhttp = \"unix:/run/x.sock:/queue\"\ndepth = \"/a/b\"\ncompleted = \"/done\"\nage = \"/age\"\nconsumers = \"/consumers\"\n",
        Way::Handed,
        Begins::Client,
    )
}

pub fn redis() -> Box<dyn Play> {
    asks(
        "[redis]\nredis = \"redis://127.0.0.1:PORT/1\"\nqueue = \"q\"\ncompleted = \"c\"\npaused = \"p\"\ncredential = \"x\"\n",
        Way::Port,
        Begins::Client,
    )
}

pub fn rabbitmq() -> Box<dyn Play> {
    asks(
        "[rabbitmq]\nrabbitmq = \"http://u@127.0.0.1:PORT\"\nqueue = \"q\"\ncredential = \"x\"\n",
        Way::Port,
        Begins::Client,
    )
}

pub fn postgres() -> Box<dyn Play> {
    asks(
        "[postgres]\npostgres = \"postgres://u@%2Frun/d\"\nquery = \"SELECT 1 AS depth\"\ncredential = \"x\"\n",
        Way::Handed,
        Begins::Client,
    )
}

pub fn mysql() -> Box<dyn Play> {
    asks(
        "[mysql]\nmysql = \"mysql://u@localhost/d?socket=/run/x.sock\"\nquery = \"SELECT 1 AS depth\"\ncredential = \"x\"\n",
        Way::Handed,
        Begins::Server,
    )
}

/// What a command printed.
pub const SAMPLE: &[&str] = &[
    "depth=12",
    "in_work=3",
    "completed=4711",
    "age=90",
    "consumers=2",
    "paused=0",
    "paused=yes",
    "missing=",
    " ",
    "\n",
    "=",
    "depth=",
];

pub fn sample() -> Box<dyn Play> {
    Box::new(|input: &[u8]| {
        let outcome = CommandOutcome {
            ended: CommandEnd::Exited(0),
            output: String::from_utf8_lossy(input).lines().map(str::to_owned).collect(),
            took: Duration::ZERO,
        };
        match probe::judge_sample(&outcome) {
            Ok(sample) => message(&format!("{sample:?}")),
            Err(why) => message(&probe::sentence(&why)),
        }
    })
}
