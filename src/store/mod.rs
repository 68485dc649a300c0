//! Durable state in an embedded SQLite database.
