//! What people ask of the stored history.

use rusqlite::{Connection, params};

use crate::model::history::{History, Question, TIMELINE};
use crate::model::incident::{Event, Incident};
use crate::model::state::Durable;

use super::records::parse;

/// One answer. Incidents are all in memory; the lines of one are asked of the file.
pub fn answer(durable: &Durable, connection: &Connection, question: &Question) -> rusqlite::Result<History> {
    match question {
        Question::Incidents(wanted) => {
            let fitting = durable.incidents.values().rev().filter(|incident| wanted.fits(incident));
            Ok(History::Incidents(fitting.cloned().collect()))
        }
        Question::Incident(id) => {
            let Some(incident) = durable.incidents.get(id) else {
                return Ok(History::Incident(None));
            };
            let events = timeline(connection, incident)?;
            Ok(History::Incident(Some(Box::new((incident.clone(), events)))))
        }
        // `Shelf` answers this.
        Question::Baselines => Err(rusqlite::Error::InvalidQuery),
    }
}

/// The last lines of the incident and of those that turned out to be part of it, and of the host meanwhile; oldest first.
fn timeline(connection: &Connection, incident: &Incident) -> rusqlite::Result<Vec<Event>> {
    let query = "SELECT id, body FROM event
         WHERE incident = ?1 OR incident IN (SELECT id FROM incident WHERE body ->> '$.part_of' = ?1)
         UNION SELECT id, body FROM event WHERE unit IS NULL AND wall_ms BETWEEN ?2 AND ?3
         ORDER BY id DESC LIMIT ?4";
    let mut statement = connection.prepare_cached(query)?;
    let end = incident.resolved_at.map_or(i64::MAX, |at| at.wall_ms);
    let limit = i64::try_from(TIMELINE).unwrap_or(i64::MAX);
    let mut rows =
        statement.query(params![incident.id.cast_signed(), incident.opened_at.wall_ms, end, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        // What a newer version wrote may not be understood: the others are told.
        events.extend(parse::<Event>(&body));
    }
    events.reverse();
    Ok(events)
}
