//! What a unit uses: memory, tasks, open files, threads, processor, pressure, swap; how often it was killed or restarted, and how
//! long it has run. Read from its control group and /proc, without code in the service.

mod bound;
mod read;

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::keys::Wrong;
use crate::model::probe::{Figure, ProbeOutcome, ProbeStatus, RunFacts};

use self::bound::{Amount, Bound};
use super::{Limit, Needs, Probe, not_here, text};

/// Restarts by systemd that are remembered.
const RESTARTS: u64 = 15;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Memory,
    Tasks,
    Fds,
    Threads,
    Cpu,
    Pressure,
    Swap,
    OomKills,
    Restarts,
    Age,
}

/// One resource and its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    of: Of,
    bound: Bound,
}

impl Of {
    fn example(self) -> &'static str {
        match self {
            Self::Memory => "< 1.5GiB",
            Self::Tasks => "< 400",
            Self::Fds => "< 80%",
            Self::Threads => "< 200",
            Self::Cpu => "< 95% for 10m",
            Self::Pressure => "< 20% for 5m",
            Self::Swap => "< 100MiB",
            Self::OomKills => "none",
            Self::Restarts => "< 5/h",
            Self::Age => "< 7d",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Tasks => "tasks",
            Self::Fds => "open files",
            Self::Threads => "threads",
            Self::Cpu => "processor",
            Self::Pressure => "pressure",
            Self::Swap => "swap",
            Self::OomKills => "kills for want of memory",
            Self::Restarts => "restarts",
            Self::Age => "age",
        }
    }

    /// A restart gives it back.
    fn is_curable(self) -> bool {
        matches!(self, Self::Memory | Self::Tasks | Self::Fds | Self::Threads | Self::Cpu | Self::Age)
    }

    /// Whether such a limit says something of it.
    fn takes(self, bound: &Bound) -> bool {
        let of = match (&bound.of, self) {
            (None, _) => true,
            (Some(of), Self::Pressure) => ["memory", "io", "cpu"].contains(&of.as_str()),
            (Some(_), _) => false,
        };
        let lasts = bound.lasting.is_none() || !matches!(self, Self::OomKills | Self::Restarts | Self::Age);
        let amount = match bound.below {
            Amount::Count(_) => matches!(
                self,
                Self::Memory | Self::Tasks | Self::Fds | Self::Threads | Self::Swap | Self::OomKills
            ),
            Amount::Percent(most) => match self {
                Self::Memory | Self::Tasks | Self::Fds | Self::Swap | Self::Pressure => most <= 100.0,
                Self::Cpu => true,
                Self::Threads | Self::OomKills | Self::Restarts | Self::Age => false,
            },
            Amount::Time(_) => self == Self::Age,
            Amount::Rate(count, _) => self == Self::Restarts && count <= RESTARTS,
        };
        of && lasts && amount
    }
}

impl Resource {
    /// Who sets a limit of age wishes the restart: it is no trouble, and waits for the unit's window.
    pub fn is_planned(&self) -> bool {
        self.of == Of::Age
    }

    fn read(of: Of, text: &str) -> Result<Self, Wrong> {
        let bound = Bound::read(text, of.example())?;
        if of.takes(&bound) {
            return Ok(Self { of, bound });
        }
        let message = format!("cannot use \"{text}\": it is no limit of {}", of.word());
        Err(Wrong::value(message).help(format!("write \"{}\"", of.example())))
    }

    /// How long the limit must be exceeded before that counts.
    #[must_use]
    pub fn lasting(&self) -> Option<Duration> {
        self.bound.lasting
    }
}

/// Asks once: the answer, and the figure behind it where it can grow.
pub async fn ask(resource: &Resource, facts: &RunFacts) -> (ProbeOutcome, Option<Figure>) {
    let asked = resource.of.word();
    match read::judge(resource, facts).await {
        Ok((told, figure)) => {
            let message = text::sentence(&told);
            (ProbeOutcome { status: ProbeStatus::Healthy, message, latency: None }, figure)
        }
        Err((failure, figure)) => (failure.of(asked), figure),
    }
}

macro_rules! resources {
    ($($(#[doc = $doc:literal])+ $name:ident, $limit:ident, $key:ident, $of:expr, $example:literal;)+) => {$(
        /// A limit, as it was written.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        struct $limit(Resource);

        impl TryFrom<String> for $limit {
            type Error = Wrong;

            fn try_from(text: String) -> Result<Self, Wrong> {
                Resource::read($of, &text).map(Self)
            }
        }

        impl From<$limit> for String {
            fn from(limit: $limit) -> Self {
                limit.0.bound.text
            }
        }

        impl JsonSchema for $limit {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($limit).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }

        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(#[doc = $doc])+
            #[schemars(example = &$example)]
            $key: $limit,
        }

        impl Probe for $name {
            fn is_curable(&self) -> bool {
                self.$key.0.of.is_curable()
            }

            fn is_vital(&self) -> bool {
                false
            }

            fn needs(&self) -> Needs<'_> {
                Needs::Resource(&self.$key.0)
            }

            fn run(&self, _: Limit) -> BoxFuture<'_, ProbeOutcome> {
                not_here()
            }
        }
    )+};
}

resources! {
    /// Memory of the unit without what the kernel can take back, "< 1.5GiB" or a share of MemoryMax= (else of the host).
    Memory, MemoryLimit, memory, Of::Memory, "< 1.5GiB";
    /// Processes and threads of the unit, "< 400" or a share of TasksMax=.
    Tasks, TasksLimit, tasks, Of::Tasks, "< 80%";
    /// Open files of the process that has most, "< 80%" of its own limit, or a number.
    Fds, FdsLimit, fds, Of::Fds, "< 80%";
    /// Threads of the process that has most.
    Threads, ThreadsLimit, threads, Of::Threads, "< 200";
    /// Processor time; 100% is one processor, as in CPUQuota=.
    Cpu, CpuLimit, cpu, Of::Cpu, "< 95% for 10m";
    /// Share of the last minute in which all of the unit waited for memory or io; "cpu < 50%" for one of memory, io, cpu.
    Pressure, PressureLimit, pressure, Of::Pressure, "< 20% for 5m";
    /// Swapped out memory of the unit, "< 100MiB", "none", or a share of MemorySwapMax=.
    Swap, SwapLimit, swap, Of::Swap, "< 100MiB";
    /// Processes of this run that the kernel killed for want of memory.
    OomKills, OomKillsLimit, oom_kills, Of::OomKills, "none";
    /// Restarts by systemd itself, at most 15 of a time.
    Restarts, RestartsLimit, restarts, Of::Restarts, "< 5/h";
    /// How long the unit has run: older than this it is restarted, in its window (`[release] window`); told to nobody unless that fails.
    Age, AgeLimit, age, Of::Age, "< 7d";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_fits_what_it_limits() {
        for (of, good, bad) in [
            (Of::Memory, "< 80%", "< 7d"),
            (Of::Memory, "< 1.5GiB for 5m", "< 101%"),
            (Of::Cpu, "< 250% for 10m", "< 3"),
            (Of::Pressure, "io < 20%", "disk < 20%"),
            (Of::OomKills, "none", "< 5%"),
            (Of::Restarts, "< 5/h", "< 16/h"),
            (Of::Age, "< 7d", "< 7d for 1h"),
            (Of::Threads, "< 200", "memory < 200"),
        ] {
            assert!(Resource::read(of, good).is_ok(), "{of:?} {good}");
            let wrong = Resource::read(of, bad).expect_err(bad);
            assert!(wrong.message.starts_with("cannot use"), "{}", wrong.message);
            assert!(Resource::read(of, of.example()).is_ok(), "{of:?}");
        }
    }
}
