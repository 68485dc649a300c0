//! What a session listens to, and the few questions that a signal raises.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use zbus::{Connection, MatchRule, ObjectPath};

use super::bus::{self, MANAGER, PROPERTIES, SYSTEMD, UNITS};
use super::proxies::ManagerProxy;
use super::reading;
use crate::model::unit::JobKind;

/// How long a reading waits for the kind of a job.
const KIND_LIMIT: Duration = Duration::from_secs(1);

/// What is listened to. Four rules, however many units: the bus allows 512, and every process pays for them.
pub(super) fn rules() -> zbus::Result<Vec<MatchRule<'static>>> {
    let from_systemd = || MatchRule::builder().sender(SYSTEMD);
    Ok(vec![
        // Of all interfaces: services tell theirs before `Unit`, sockets, timers and mounts have a result too.
        from_systemd().interface(PROPERTIES).member("PropertiesChanged").path_namespace(UNITS).build()?,
        from_systemd().interface(MANAGER).build()?,
        MatchRule::builder()
            .sender("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, SYSTEMD)
            .build()?,
        MatchRule::builder()
            .sender("org.freedesktop.login1")
            .interface("org.freedesktop.login1.Manager")
            .member("PrepareForShutdown")
            .build()?,
    ])
}

/// Turns the signals on for as long as this connection lasts.
pub(super) async fn subscribe(listener: &Connection) -> zbus::Result<()> {
    let manager = ManagerProxy::new(listener).await?;
    match manager.subscribe().await {
        // Subscriptions outlive the execution of a new manager.
        Err(zbus::Error::MethodError(name, _, _)) if name.ends_with(".AlreadySubscribed") => Ok(()),
        other => other,
    }
}

/// What came of asking for the kind of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KindAnswer {
    Kind(JobKind),
    /// The manager knows no such job any more.
    Gone,
    /// No answer came: the job may be there still.
    Unanswered,
}

/// The kind of a job that may be there still.
async fn kind_of(calls: &Connection, id: u32) -> KindAnswer {
    let asked = async {
        let path = ObjectPath::try_from(format!("/org/freedesktop/systemd1/job/{id}"))?;
        bus::property::<String>(calls, &path, "org.freedesktop.systemd1.Job", "JobType").await
    };
    kind_answer(asked.await.as_deref())
}

/// The same within the limit, and no more at once than there are turns.
pub(super) async fn kind_in_turn(calls: Connection, turns: Arc<Semaphore>, id: u32) -> KindAnswer {
    let asked = timeout(KIND_LIMIT, async {
        let turn = turns.acquire_owned().await.ok()?;
        // A question that nobody waits for any more keeps its turn: the bus still counts it.
        let question = tokio::spawn(async move {
            let kind = kind_of(&calls, id).await;
            drop(turn);
            kind
        });
        question.await.ok()
    });
    asked.await.ok().flatten().unwrap_or(KindAnswer::Unanswered)
}

fn kind_answer(told: Result<&str, &zbus::Error>) -> KindAnswer {
    match told {
        Ok(word) => KindAnswer::Kind(reading::job_kind(word)),
        Err(error) if bus::unanswered(error) => KindAnswer::Unanswered,
        Err(_) => KindAnswer::Gone,
    }
}

/// Jobs whose kind was asked for and not answered. The next survey lists every job there is, and so answers for them.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    /// Not answered since the last survey began.
    new: BTreeSet<u32>,
    /// For the survey that is carried out now.
    surveyed: BTreeSet<u32>,
}

impl Unanswered {
    pub(super) fn insert(&mut self, id: u32) {
        self.new.insert(id);
    }

    /// A survey begins: its list is newer than all of these jobs.
    pub(super) fn survey_begins(&mut self) {
        self.surveyed.append(&mut self.new);
    }

    /// The jobs among them that are not in the list of the survey: they are gone.
    pub(super) fn gone(&mut self, listed: &[(u32, JobKind)]) -> Vec<u32> {
        let asked = std::mem::take(&mut self.surveyed);
        asked.into_iter().filter(|id| !listed.iter().any(|(known, _)| known == id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_nobody_answers_for_is_not_gone() {
        let told = |name: &str| kind_answer(Err(&bus::tests::told(name)));
        assert_eq!(kind_answer(Ok("stop")), KindAnswer::Kind(JobKind::Stop));
        assert_eq!(told("org.freedesktop.DBus.Error.UnknownObject"), KindAnswer::Gone);
        assert_eq!(told("org.freedesktop.DBus.Error.NoReply"), KindAnswer::Unanswered);
    }

    #[test]
    fn the_next_survey_answers_for_jobs_without_an_answer() {
        let mut open = Unanswered::default();
        open.insert(7);
        assert_eq!(open.gone(&[]), Vec::<u32>::new(), "that survey began before the job");
        open.survey_begins();
        open.insert(9);
        assert_eq!(open.gone(&[(8, JobKind::Start)]), [7]);
        open.survey_begins();
        assert_eq!(open.gone(&[(9, JobKind::Stop)]), Vec::<u32>::new());
    }
}
