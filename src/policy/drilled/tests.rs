//! What was never drilled. How a drill goes is told by the scenarios.

use super::*;
use crate::model::drill::{Drill, DrillEnd, DrillKind};
use crate::model::moment::Moment;
use crate::model::state::UnitDurable;

const AT: Moment = Moment { boot_ms: 1000, wall_ms: 1_000_000 };

fn drilled(verdict: Verdict) -> UnitDurable {
    let end = Some(DrillEnd { at: AT, verdict, message: String::new() });
    let drill = Drill {
        kind: DrillKind::Kill,
        who: "root".to_owned(),
        at: AT,
        due: AT,
        invocation: String::new(),
        struck_at: None,
        by_systemd_at: None,
        detected_at: None,
        decided_at: None,
        recovered_at: None,
        incident: None,
        told: Default::default(),
        end,
    };
    UnitDurable { drills: vec![drill], ..UnitDurable::default() }
}

#[test]
fn what_was_never_drilled_to_the_end_is_named_in_one_line() {
    let mut durable = Durable::default();
    durable.units.insert("a.service".into(), drilled(Verdict::Failed));
    durable.units.insert("b.service".into(), drilled(Verdict::Interrupted));
    durable.units.insert("c.service".into(), UnitDurable::default());
    let names = ["a.service", "b.service", "c.service", "d.service", "e.timer", "f.dependency"];
    let names: Vec<UnitName> = names.into_iter().map(UnitName::from).collect();
    let act = |name: &UnitName| if name.as_str() == "d.service" { Mode::Observe } else { Mode::Act };
    let told = never_drilled(names.iter().map(|name| (name, act(name))), &durable, "steadfast");
    let wanted = "never drilled: b.service, c.service (steadfast drill b.service)";
    assert_eq!(told.as_deref(), Some(wanted));
    assert_eq!(
        never_drilled(names.iter().take(1).map(|name| (name, Mode::Act)), &durable, "steadfast"),
        None
    );
    let many: Vec<UnitName> = (0..14).map(|number| UnitName(format!("{number:02}.service"))).collect();
    let told =
        never_drilled(many.iter().map(|name| (name, Mode::Act)), &durable, "steadfast").unwrap_or_default();
    assert!(told.contains("11.service and 2 more ("), "{told}");
}
