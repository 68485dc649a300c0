//! Each noun of the durable state as JSON. The words stored here are a format: they change only with a migration.

use serde_json::Value;

use crate::model::audit::ProbeRecord;
use crate::model::baseline::{Lost, Worse, WorseLine};
use crate::model::boot::{BootVerdict, Prediction};
use crate::model::drill::{Drill, DrillEnd, DrillKind, Hearing, Verdict};
use crate::model::finding::{Code, Severity};
use crate::model::fleet::{Slot, SlotState};
use crate::model::incident::{Acknowledgement, Change, Event, EventKind, Incident, Told};
use crate::model::moment::Moment;
use crate::model::operator::{Step, StepName, StepResult};
use crate::model::outside::Program;
use crate::model::release::{FileId, PastTarget};
use crate::model::spec::SwitchedOff;
use crate::model::state::{
    Disabling, Hold, HoldKind, LastAction, Meta, Mismatch, OrderKind, Phase, Quarantine, Recovery,
    SilencedAt, Silencing, SmokeFailure, UnitDurable,
};
use crate::model::unit::UnitName;

use super::record::{Record, field, object, record, unlike, words};

record!(Moment { boot_ms, wall_ms });
record!(Meta { boot_id, next_incident, next_order, worse });
record!(Worse { baseline, since, lines });
record!(WorseLine { severity, message, evidence, unit, lost, repair });
record!(UnitDurable {
    hold,
    recovery,
    spent,
    quarantine,
    prediction,
    mismatch,
    last_active,
    ran,
    last_action,
    smoke_failure,
    failed_releases,
    drills,
    off,
    probes,
    enabled,
    disabling,
    program,
    daemon_seen,
    silencing,
    slot,
});
record!(Slot { group, since, state, used });
record!(Silencing { since, until, who, reason, over, sinks });
record!(SilencedAt { until, sure });
record!(Program { path, command });
record!(Disabling { at });
record!(ProbeRecord { asked_since, answers, failures });
record!(SwitchedOff { since, until, reason });
record!(Drill {
    kind,
    who,
    at,
    due,
    invocation,
    struck_at,
    by_systemd_at,
    detected_at,
    decided_at,
    recovered_at,
    incident,
    told,
    end,
});
record!(Hearing { arrived_at, failure });
record!(DrillEnd { at, verdict, message });
record!(Hold { kind, since, stopped_run, until, asked });
record!(Quarantine { since, retry_at, round, because, why });
record!(Prediction { boot_id, verdict, made_at });
record!(Mismatch { boot_id, message, at });
record!(LastAction { action, because, at, outcome, ok, steps });
record!(SmokeFailure { at, release, message, output });
record!(Recovery {
    order,
    kind,
    because,
    began_at,
    phase,
    phase_at,
    phase_due,
    invocation_before,
    n_restarts,
    release,
    steps,
});
record!(Step { name, result, message, took_ms });
record!(FileId { dev, ino });
record!(Incident {
    id,
    unit,
    cause,
    severity,
    opened_severity,
    owner,
    summary,
    evidence,
    repair,
    began_at,
    opened_at,
    found_at,
    decided_at,
    acted_at,
    resolved_at,
    affected,
    part_of,
    acknowledged,
    changes,
    captured_at,
    evidence_file,
    told,
    drill,
    gaps,
    news,
    said,
});
record!(Acknowledgement { at, who });
record!(Change { at, what });
record!(Told { at, tried, firing, resolved, gave_up, fired_at, over_at, news });
record!(Event { id, at, unit, kind, code, incident, message });
record!(PastTarget { path, id, from });

words!(EventKind {
    Found = "found",
    Cleared = "cleared",
    Decided = "decided",
    Acted = "acted",
    Outcome = "outcome",
    Notice = "notice",
    Deployed = "deployed",
    Changed = "changed",
    Operated = "operated",
    Ran = "ran",
    Measured = "measured",
    Told = "told",
});
words!(SlotState {
    Asked = "asked",
    Held = "held",
    Leaving = "leaving",
});
words!(Lost {
    Running = "running",
    Enabled = "enabled",
    Other = "other",
});
words!(Verdict {
    Proven = "proven",
    BySystemd = "by-systemd",
    Told = "told",
    Failed = "failed",
    Interrupted = "interrupted",
});
words!(OrderKind {
    Start = "start",
    Restart = "restart",
    Enable = "enable",
    Check = "check",
});
words!(Phase {
    SmokeTest = "smoke-test",
    Drain = "drain",
    Job = "job",
    Enable = "enable",
    Proof = "proof",
});
words!(StepName {
    SmokeTest = "smoke-test",
    Drain = "drain",
    Start = "start",
    Restart = "restart",
    Enable = "enable",
    Proof = "proof",
    EndpointCheck = "endpoint-check",
    Progress = "progress",
});
words!(StepResult {
    Done = "done",
    Failed = "failed",
    Skipped = "skipped",
});

impl Record for Severity {
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match stored.as_str() {
            Some("warning") => Ok(Self::Warning),
            // Incidents of the first version had none.
            Some("critical") | None => Ok(Self::Critical),
            Some(other) => Err(format!("unknown severity `{other}`")),
        }
    }
}

impl Record for Code {
    fn write(&self) -> Value {
        Value::from(self.as_str())
    }

    fn read(stored: &Value) -> Result<Self, String> {
        let code = String::read(stored)?;
        let known = Self::ALL.iter().find(|known| known.as_str() == code);
        known.copied().ok_or_else(|| format!("unknown code `{code}`"))
    }
}

impl Record for UnitName {
    fn write(&self) -> Value {
        self.0.write()
    }

    fn read(stored: &Value) -> Result<Self, String> {
        String::read(stored).map(Self)
    }
}

impl Record for HoldKind {
    fn write(&self) -> Value {
        match self {
            Self::Operator { who, reason } => {
                object([("kind", Value::from("operator")), ("who", who.write()), ("reason", reason.write())])
            }
            Self::ManualStop => object([("kind", Value::from("manual-stop"))]),
            Self::StoppedWith { unit, conflicts } => object([
                ("kind", Value::from("stopped-with")),
                ("unit", unit.write()),
                ("conflicts", conflicts.write()),
            ]),
        }
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match field::<String>(stored, "kind")?.as_str() {
            "operator" => Ok(Self::Operator { who: field(stored, "who")?, reason: field(stored, "reason")? }),
            "manual-stop" => Ok(Self::ManualStop),
            "stopped-with" => {
                Ok(Self::StoppedWith { unit: field(stored, "unit")?, conflicts: field(stored, "conflicts")? })
            }
            other => Err(format!("unknown hold `{other}`")),
        }
    }
}

impl Record for DrillKind {
    fn write(&self) -> Value {
        match self {
            Self::Kill => object([("kind", Value::from("kill"))]),
            Self::Probe(name) => object([("kind", Value::from("probe")), ("probe", name.write())]),
        }
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match field::<String>(stored, "kind")?.as_str() {
            "kill" => Ok(Self::Kill),
            "probe" => field(stored, "probe").map(Self::Probe),
            other => Err(format!("unknown drill `{other}`")),
        }
    }
}

impl Record for BootVerdict {
    fn write(&self) -> Value {
        let verdict = |word, key, value| object([("verdict", Value::from(word)), (key, value)]);
        match self {
            Self::Starts => object([("verdict", Value::from("starts"))]),
            Self::Armed { by } => verdict("armed", "by", by.write()),
            Self::Unreachable { why } => verdict("unreachable", "why", why.write()),
            Self::Unknown { why } => verdict("unknown", "why", why.write()),
        }
    }

    fn read(stored: &Value) -> Result<Self, String> {
        match field::<String>(stored, "verdict")?.as_str() {
            "starts" => Ok(Self::Starts),
            "armed" => field(stored, "by").map(|by| Self::Armed { by }),
            "unreachable" => field(stored, "why").map(|why| Self::Unreachable { why }),
            "unknown" => field(stored, "why").map(|why| Self::Unknown { why }),
            other => Err(format!("unknown verdict `{other}`")),
        }
    }
}

/// Text of a body, read as a record.
pub fn parse<T: Record>(body: &str) -> Result<T, String> {
    let stored: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    if stored.is_null() {
        return Err(unlike("a record", &stored));
    }
    T::read(&stored)
}
