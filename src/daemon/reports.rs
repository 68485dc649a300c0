//! What people are told, and what is written down for them: alerts, evidence, drafts of post-mortems.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::alert;
use crate::api::postmortem;
use crate::api::wire::{Incident, IncidentDetails};
use crate::check::run_ours;
use crate::evidence::{self, Look};
use crate::model::alert::{Message, Silence, SinkSpec};
use crate::model::history::{History, Question};
use crate::model::observation::Observation;
use crate::model::probe::CommandEnd;
use crate::prober::Courier;
use crate::redact::redacted;
use crate::store::Reader;
use crate::systemd::orders::Orders;

use super::effects::World;

/// Characters of a command's last line that are told.
const SAID: usize = 200;

impl World {
    /// One delivery through one sink.
    pub(super) fn send_alert(&self, sink: SinkSpec, mut message: Message) {
        let (orders, courier) = (self.readings.orders().clone(), self.courier.clone());
        self.readings.spawn(async move {
            // Evidence of an incident that an earlier version wrote may hold what nobody outside is to read.
            for alert in &mut message.alerts {
                let lines = alert.evidence.iter_mut().chain(&mut alert.done).chain([&mut alert.summary]);
                lines.for_each(|line| *line = redacted(line));
            }
            let result = deliver(&orders, &courier, &sink, &message).await;
            Observation::AlertDelivered { sink: sink.name, message: message.id, result }
        });
    }

    /// An Alertmanager is told of a hold, when it is its turn.
    pub(super) fn silence(&self, sink: SinkSpec, silence: Silence) {
        let (courier, quiet) = (self.courier.clone(), self.quiet.clone());
        self.readings.spawn(async move {
            // It is never closed.
            let _turn = quiet.acquire_owned().await;
            let (unit, until) = (silence.unit.clone(), silence.until);
            let silence = Silence { reason: redacted(&silence.reason), ..silence };
            let result = alert::silence(&sink, &silence, &courier).await;
            Observation::Silenced { unit, sink: sink.name, until, result }
        });
    }

    /// A close look at a sick unit.
    pub(super) fn capture(&self, look: Look) {
        let folder = self.kept.join("evidence");
        self.readings.spawn(async move {
            let incident = look.incident;
            let looked = evidence::capture(folder, look).await;
            Observation::EvidenceCaptured { incident, looked }
        });
    }

    /// The draft of a post-mortem, as a file.
    pub(super) fn draft(&self, incident: u64) {
        let folder = self.kept.join("postmortems");
        let (reader, user) = (self.store.reader(), self.is_user());
        self.readings.spawn(async move {
            let file = draft(folder, reader, incident, user).await;
            Observation::PostmortemDrafted { incident, file }
        });
    }
}

/// Over the network by the prober, or by a command.
async fn deliver(
    orders: &Orders,
    courier: &Courier,
    sink: &SinkSpec,
    message: &Message,
) -> Result<(), String> {
    let kind = alert::of(sink)?;
    match kind.command() {
        Some(argv) => told_by(orders, argv, message, sink.timeout).await,
        None => alert::deliver(&*kind, sink.timeout, message, courier).await,
    }
}

/// A command that is told of it by its environment.
async fn told_by(orders: &Orders, argv: &[String], message: &Message, limit: Duration) -> Result<(), String> {
    let environment = alert::environment(message).into_iter().map(|(name, value)| format!("{name}={value}"));
    let ended = run_ours(orders, argv.to_vec(), environment.collect(), limit).await;
    let clean = |line: &String| line.chars().filter(|c| !c.is_control()).take(SAID).collect::<String>();
    let said = ended.output.last().map(|line| format!(", \"{}\"", clean(line))).unwrap_or_default();
    match ended.ended {
        CommandEnd::Exited(0) => Ok(()),
        CommandEnd::Exited(status) => Err(format!("the command exited with {status}{said}")),
        CommandEnd::NotRun(why) => Err(format!("the command could not be run: {why}")),
        _ => Err(format!("the command was ended{said}")),
    }
}

async fn draft(folder: PathBuf, reader: Reader, incident: u64, user: bool) -> Result<String, String> {
    let found = reader.ask(Question::Incident(incident)).await.map_err(|why| why.to_string())?;
    let History::Incident(Some(found)) = found else {
        return Err("its history is not there".to_owned());
    };
    let (incident, events) = *found;
    let events = events.iter().map(Into::into).collect();
    let owner = incident.unit.as_ref().zip(incident.owner.as_ref());
    let owners = owner.map(|(unit, owner)| (unit.to_string(), owner.clone())).into_iter().collect();
    let details = IncidentDetails { incident: Incident::from(&incident), events, owners };
    let written = spawn_blocking(move || {
        let text = redacted(&postmortem::draft(&details, user));
        evidence::keep(&folder, details.incident.id, ".md", false, &text)
    })
    .await;
    written.unwrap_or_else(|why| Err(why.to_string()))
}
