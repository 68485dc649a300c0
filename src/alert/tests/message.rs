//! The words and variables of a message.

use super::super::{environment, json, message};
use super::*;

#[test]
fn a_message_is_read_on_a_phone() {
    let now = moment(245_000);
    let mut again = firing();
    again.alerts[0].repeats = 2;
    let mut host = alert(AlertStatus::Firing);
    (host.unit, host.code, host.incident) = (None, "host-storm".to_owned(), 18);
    let mixed = message(vec![alert(AlertStatus::Firing), host, alert(AlertStatus::Resolved)]);
    let test = message(vec![Alert { incident: 0, ..alert(AlertStatus::Test) }]);
    let told: Vec<String> = [firing(), again, resolved(), test, mixed]
        .iter()
        .map(|message| {
            format!("Subject: {}\n\n{}", message::subject(message, now), message::body(message, now))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n========\n"));
}

#[test]
fn commands_are_meant_for_the_instance_that_tells() {
    let now = moment(245_000);
    let of_user = |message: Message| Message { user_instance: true, ..message };
    let firing = message::body(&of_user(firing()), now);
    let told = "More: steadfast --user incident 17\nAcknowledge: steadfast --user ack 17\n";
    assert!(firing.ends_with(told), "{firing}");
    let resolved = message::body(&of_user(resolved()), now);
    assert!(resolved.ends_with("More: steadfast --user incident 17\n"), "{resolved}");
    let many = message::body(&of_user(message(vec![alert(AlertStatus::Firing); 20])), now);
    assert!(many.contains("All of them: steadfast --user status\n"), "{many}");
    assert!(many.contains("Acknowledge: steadfast --user ack 17\n"), "{many}");
}

#[test]
fn many_long_alerts_stay_within_the_limit_and_keep_what_to_do() {
    let mut long = alert(AlertStatus::Firing);
    long.summary = "ä\u{1b}[31m".repeat(2000);
    long.evidence = vec!["ö".repeat(5000); 100];
    long.changes = long.evidence.clone();
    long.affected = long.evidence.clone();
    let now = moment(1000);
    let one = message(vec![long.clone()]);
    let body = message::body(&one, now);
    assert!(body.len() <= message::BODY, "{}", body.len());
    assert!(body.ends_with("Acknowledge: steadfast ack 17\n") && !body.contains('\u{1b}'), "{body}");
    let many = message(vec![long; 500]);
    let body = message::body(&many, now);
    assert!(body.len() <= message::BODY, "{}", body.len());
    assert!(body.contains("And 488 more: #17"), "{body}");
    assert!(message::subject(&many, now).starts_with("[500 firing] web1: horizon.service"));
    assert!(message::subject(&one, now).chars().count() <= 70);
    let json = json::within(&many, 64 * 1024);
    assert!(json.len() <= 64 * 1024, "{}", json.len());
    let told: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(told["left_out"], 480);
}

#[test]
fn a_subject_fits_a_phone_and_says_what_is_true() {
    let now = moment(245_000);
    let of = |alerts: Vec<Alert>| message::subject(&message(alerts), now);
    let page = Alert {
        summary: "probe page: GET /: HTTP status 500, \"<html><head><title>Oops</title>\"".to_owned(),
        code: "probe-failed".to_owned(),
        ..alert(AlertStatus::Firing)
    };
    let told = of(vec![page]);
    assert!(told.starts_with("[firing] web1 horizon.service: probe page: GET /: HTTP status"), "{told}");
    assert!(told.chars().count() <= 70 && !told.contains('<'), "{told}");
    // Its own name stands before it already.
    let own = Alert { summary: "horizon.service is disabled".to_owned(), ..alert(AlertStatus::Firing) };
    assert_eq!(of(vec![own]), "[firing] web1 horizon.service: is disabled (release-outdated)");
    let mut drill = Alert { summary: "DRILL: it died".to_owned(), ..alert(AlertStatus::Firing) };
    drill.labels.insert("drill".to_owned(), "true".to_owned());
    let over = Alert { ended_at: Some(moment(1)), ..drill.clone() };
    assert_eq!(of(vec![drill.clone()]), "[DRILL] [firing] web1 horizon.service: it died (release-outdated)");
    assert_eq!(of(vec![drill.clone(), drill]), "[DRILL] [2 firing] web1: horizon.service");
    // What was over before anybody could be told does not fire.
    let mut late = vec![over; 12];
    late.push(alert(AlertStatus::Firing));
    assert_eq!(of(late), "[1 firing, 12 over] web1: horizon.service");
}

#[test]
fn whoever_is_told_finds_the_page_where_there_is_one() {
    let link = "https://status.example.org/web1/incidents/17";
    let linked = Alert { link: Some(link.to_owned()), ..alert(AlertStatus::Firing) };
    let body = |alert: &Alert| message::body(&message(vec![alert.clone()]), moment(1000));
    assert!(body(&linked).contains(&format!("Page: {link}\n")), "{}", body(&linked));
    assert!(!body(&alert(AlertStatus::Firing)).contains("Page:"));
    // The end of the message is never cut off.
    let long = Alert { evidence: vec!["x".repeat(400); 100], changes: vec!["y".repeat(400); 100], ..linked };
    assert!(body(&long).contains(link));
}

#[test]
fn a_command_is_told_in_variables_of_one_line() {
    let mut odd = alert(AlertStatus::Firing);
    odd.summary = "two\nlines\0 and\u{1b}more".to_owned();
    let told: BTreeMap<String, String> = environment(&message(vec![odd])).into_iter().collect();
    let of = |name: &str| told.get(&format!("STEADFAST_{name}")).unwrap_or_else(|| panic!("{name}")).as_str();
    assert_eq!([of("STATUS"), of("INCIDENT"), of("UNIT")], ["firing", "17", "horizon.service"]);
    assert_eq!([of("CODE"), of("SEVERITY"), of("HOST")], ["release-outdated", "critical", "web1"]);
    assert_eq!((of("KEY"), of("SUMMARY")), ("web1/horizon.service#17", "two lines  and more"));
    let json: serde_json::Value = serde_json::from_str(of("ALERT")).expect("JSON");
    assert_eq!(json["alerts"][0]["code"], "release-outdated");
    for value in told.values() {
        assert!(!value.contains(|c: char| c.is_control()), "{value}");
    }
    let both = message(vec![alert(AlertStatus::Resolved), alert(AlertStatus::Firing)]);
    let told: BTreeMap<String, String> = environment(&both).into_iter().collect();
    assert_eq!(told["STEADFAST_STATUS"], "firing");
    assert_eq!(told["STEADFAST_UNIT"], "horizon.service");
    assert_eq!(told["STEADFAST_SUMMARY"], "[1 firing, 1 resolved] web1: horizon.service");
}
