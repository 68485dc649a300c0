//! The tables. A row is a key and a JSON body; the other columns are computed from the body, for people who ask with
//! `sqlite3 steadfast.db 'select * from incident'`. They must take whatever a body can hold: a computed column of the wrong
//! type refuses the save.

use crate::model::change::EVENTS_REMEMBERED;

/// A moment in the body as text: `2026-11-20T10:00:00.000Z`.
macro_rules! time {
    ($path:literal) => {
        concat!(
            "TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', (body ->> '",
            $path,
            ".wall_ms') / 1000.0, 'unixepoch'))"
        )
    };
}

/// Each brings the database one version further; `user_version` counts those that were done. Never change one.
pub const MIGRATIONS: &[&str] = &[
    concat!(
        "CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        boot_id TEXT AS (body ->> '$.boot_id'),
        next_id ANY AS (body ->> '$.next_id'),
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT;
    CREATE TABLE unit (
        unit TEXT PRIMARY KEY,
        held TEXT AS (body ->> '$.hold.kind.kind'),
        held_by TEXT AS (body ->> '$.hold.kind.who'),
        held_because TEXT AS (body ->> '$.hold.kind.reason'),
        held_until ",
        time!("$.hold.until"),
        ",
        recovery TEXT AS (body ->> '$.recovery.kind'),
        recovery_phase TEXT AS (body ->> '$.recovery.phase'),
        recovery_began_at ",
        time!("$.recovery.began_at"),
        ",
        restarts_spent INTEGER AS (json_array_length(body, '$.spent')),
        quarantined_since ",
        time!("$.quarantine.since"),
        ",
        retry_at ",
        time!("$.quarantine.retry_at"),
        ",
        boot_predicted TEXT AS (body ->> '$.prediction.verdict.verdict'),
        last_action TEXT AS (body ->> '$.last_action.action'),
        last_action_at ",
        time!("$.last_action.at"),
        ",
        last_outcome TEXT AS (body ->> '$.last_action.outcome'),
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT;
    CREATE TABLE incident (
        id INTEGER PRIMARY KEY,
        unit TEXT AS (body ->> '$.unit'),
        cause TEXT AS (body ->> '$.cause'),
        opened_at ",
        time!("$.opened_at"),
        ",
        resolved_at ",
        time!("$.resolved_at"),
        ",
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT;
    CREATE TABLE link (
        link TEXT PRIMARY KEY,
        target TEXT AS (body ->> '$[#-1].path'),
        since ",
        time!("$[#-1].from"),
        ",
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT;"
    ),
    concat!(
        "CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        incident INTEGER AS (body ->> '$.incident') STORED,
        at ",
        time!("$.at"),
        ",
        wall_ms INTEGER AS (body ->> '$.at.wall_ms'),
        unit TEXT AS (body ->> '$.unit'),
        kind TEXT AS (body ->> '$.kind'),
        message TEXT AS (body ->> '$.message'),
        body TEXT NOT NULL CHECK (json_valid(body))
    ) STRICT;
    UPDATE incident SET body = json_set(body, '$.summary', body ->> '$.cause');
    CREATE INDEX event_of_incident ON event (incident);
    CREATE INDEX event_of_host ON event (wall_ms) WHERE unit IS NULL;"
    ),
    "UPDATE meta SET body = json_remove(json_set(body,
        '$.next_incident', body -> '$.next_id', '$.next_order', body -> '$.next_id'), '$.next_id')
        WHERE body -> '$.next_id' IS NOT NULL;
    ALTER TABLE meta ADD COLUMN next_incident ANY AS (body ->> '$.next_incident');
    ALTER TABLE meta ADD COLUMN next_order ANY AS (body ->> '$.next_order');",
];

/// The version that this program reads and writes.
pub fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Lines of the history that are kept; beyond them, so many of the oldest go at once.
pub const EVENTS: usize = 50_000;
pub const EVENTS_AT_ONCE: usize = 1000;

/// Deletes the oldest lines.
pub fn forget_events() -> String {
    format!("DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT {EVENTS_AT_ONCE})")
}

/// Asks for the lines that memory keeps.
pub fn last_events() -> String {
    format!(
        "SELECT id, body FROM (SELECT id, body FROM event ORDER BY id DESC LIMIT {EVENTS_REMEMBERED}) ORDER BY id"
    )
}
