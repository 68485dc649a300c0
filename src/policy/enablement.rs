//! TEMPORARY
use super::judgement::*;
use crate::model::boot::*;
use crate::model::finding::*;
use crate::model::moment::Moment;
use crate::model::unit::*;
pub struct Verdict(pub Option<(Code, String)>, pub String);
impl Verdict {
    pub fn judgement(self, severity: Severity, now: Moment) -> Judgement {
        match self.0 {
            None => Judgement::good(&self.1, self.1.clone()),
            Some((c, m)) => Judgement::bad(finding(c, severity, m, now)),
        }
    }
}
pub fn boot_verdict(
    unit: &UnitName,
    _s: &UnitSettings,
    _e: Option<&UnitFileState>,
    r: &BootReading,
) -> BootVerdict {
    if r.starts.contains(unit) { BootVerdict::Starts } else { BootVerdict::Unreachable { why: "no".into() } }
}
pub fn enabled(unit: &UnitName, s: &UnitFileState, _v: Option<&BootVerdict>, _u: bool) -> Verdict {
    match s {
        UnitFileState::Enabled | UnitFileState::Static => Verdict(None, "enabled".into()),
        UnitFileState::EnabledRuntime => {
            Verdict(Some((Code::EnabledRuntimeOnly, format!("{unit} only runtime"))), String::new())
        }
        _ => Verdict(Some((Code::NotEnabled, format!("{unit} is {}", s.as_str()))), String::new()),
    }
}
pub fn boot(unit: &UnitName, _s: Option<&UnitFileState>, v: &BootVerdict, _r: &BootReading) -> Verdict {
    match v {
        BootVerdict::Unreachable { why } => {
            Verdict(Some((Code::BootUnreachable, format!("{unit} {why}"))), String::new())
        }
        _ => Verdict(None, "starts".into()),
    }
}
pub fn compare(p: &Prediction, started: bool) -> Option<String> {
    (p.verdict == BootVerdict::Starts && !started).then(|| "predicted to start, did not".into())
}
