//! What a unit's processes use, on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cgroup;

/// What a unit's processes use together, as its control group counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Memory in bytes, page cache included; `null` where it is not counted.
    pub memory: Option<u64>,
    /// The most that it was, in bytes; `null` before Linux 5.19.
    pub memory_peak: Option<u64>,
    /// The limit in bytes; `null`: none.
    pub memory_max: Option<u64>,
    /// Swapped out, in bytes.
    pub swap: Option<u64>,
    /// Processor time since its control group was made, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// The limit of these; `null`: none.
    pub tasks_max: Option<u64>,
}

impl Usage {
    /// Reads it from the kernel now; `None` where the group is not there.
    #[must_use]
    pub fn of(control_group: &str) -> Option<Self> {
        let group = cgroup::directory(cgroup::ROOT.as_ref(), control_group)?;
        let counted = |file| cgroup::number(&group, file);
        let usage = Self {
            memory: counted("memory.current"),
            memory_peak: counted("memory.peak"),
            memory_max: counted("memory.max"),
            swap: counted("memory.swap.current"),
            cpu_ms: cgroup::field(&group, "cpu.stat", "usage_usec").map(|microseconds| microseconds / 1000),
            tasks: counted("pids.current"),
            tasks_max: counted("pids.max"),
        };
        (usage != Self::default()).then_some(usage)
    }
}
