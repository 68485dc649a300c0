//! A made-up history for the same tests.

use steadfast::api::server::HistoryQuestion;
use steadfast::model::finding::{Code, Severity};
use steadfast::model::history::{History, Question};
use steadfast::model::incident::{Acknowledgement, Change, Event, EventKind, Incident, Told};
use steadfast::model::moment::Moment;
use steadfast::policy::judgement::finding;
use tokio::sync::mpsc;

use super::{HOUR, ago};

/// Incident 17 as it is stored, with its timeline.
fn remembered(now: Moment) -> (Incident, Vec<Event>) {
    let cause = finding(
        Code::ReleaseOutdated,
        Severity::Critical,
        "the main process 4242 (php) runs /srv/app/releases/65; /srv/app/current leads to /srv/app/releases/66",
        ago(now, 3 * HOUR),
    );
    let mut incident = Incident::new(17, Some("horizon.service".into()), &cause, ago(now, 3 * HOUR));
    incident.began_at = Some(ago(now, 3 * HOUR + 2));
    incident.acted_at = Some(ago(now, 3 * HOUR - 60));
    incident.decided_at = Some(ago(now, 3 * HOUR - 60));
    incident.resolved_at = Some(ago(now, 3 * HOUR - 67));
    incident.affected = vec!["mail.service".into()];
    incident.evidence = vec!["cwd of 4242: /srv/app/releases/65".to_owned()];
    incident.evidence_file = Some("/var/lib/steadfast/evidence/17.txt".to_owned());
    let change = |seconds, what: &str| Change { at: ago(now, 3 * HOUR + seconds), what: what.to_owned() };
    incident.changes = vec![
        change(2, "/srv/app/current was switched from /srv/app/releases/65 to /srv/app/releases/66"),
        change(600, "packages: php8.2 8.2.1 upgraded to 8.2.2"),
    ];
    let told = Told { at: ago(now, 3 * HOUR - 67), tried: true, firing: 1, gave_up: false, resolved: true };
    incident.told.insert("mail".to_owned(), told);
    incident.acknowledged =
        Some(Acknowledgement { at: ago(now, 3 * HOUR - 30), who: "anna (uid 1000)".to_owned() });
    let line = |id, seconds, kind, code, message: &str| Event {
        id,
        at: ago(now, 3 * HOUR - seconds),
        unit: Some("horizon.service".into()),
        kind,
        code,
        incident: Some(17),
        message: message.to_owned(),
    };
    let events = vec![
        line(
            1,
            0,
            EventKind::Found,
            Some(Code::ReleaseOutdated),
            "the main process 4242 (php) runs an old release",
        ),
        line(2, 5, EventKind::Told, None, "mail was told: incident 17 firing"),
        line(3, 30, EventKind::Measured, None, "jobs: 1240 wait; probe inbox: 6 answers failed"),
        line(
            4,
            60,
            EventKind::Acted,
            Some(Code::ReleaseOutdated),
            "restart horizon.service because of release-outdated",
        ),
        line(
            5,
            67,
            EventKind::Cleared,
            Some(Code::ReleaseOutdated),
            "horizon.service: release-outdated is over",
        ),
    ];
    (incident, events)
}

/// A history that knows of nothing else.
pub async fn remember(mut asked: mpsc::Receiver<HistoryQuestion>, now: Moment) {
    let (incident, events) = remembered(now);
    while let Some((question, back)) = asked.recv().await {
        let answer = match question {
            Question::Incidents(wanted) => {
                let fits = wanted.fits(&incident).then(|| incident.clone());
                History::Incidents(fits.into_iter().collect())
            }
            Question::Incident(id) => {
                let found = (id == incident.id).then(|| Box::new((incident.clone(), events.clone())));
                History::Incident(found)
            }
        };
        let _ = back.send(Ok(answer));
    }
}
