//! The file itself: opened, checked, brought to this version, read and written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi, params};

use crate::model::change::Change;
use crate::model::history::{History, Question};
use crate::model::incident::Event;
use crate::model::state::Durable;
use crate::model::unit::UnitName;

use super::record::Record;
use super::records::parse;
use super::set_aside::set_aside;
use super::{StoreError, history, schema};

/// How long an admin's query may keep us waiting.
const BUSY_LIMIT: Duration = Duration::from_secs(5);
/// The log is cut back to this many bytes after a checkpoint.
const LOG_BYTES: i64 = 1 << 20;
/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Notes on records that cannot be read; the others are counted.
const NOTES: usize = 20;

/// An open database, held by us alone.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
    /// Device and inode of the file that is open.
    file: Option<(u64, u64)>,
    /// Lines of the history in it.
    events: usize,
    /// Released with the file.
    _lock: Flock<File>,
}

/// Why a database file cannot be used.
enum Unfit {
    /// The file is to blame.
    Broken(String),
    /// Written by a newer version.
    Newer(i64),
    /// The disk or the host is to blame: the file may be fine.
    Denied(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        if is_the_host(&error) { Self::Denied(error) } else { Self::Broken(error.to_string()) }
    }
}

/// Opens the file, or begins a new one in its place, and reads all of it.
pub fn open(path: &Path) -> Result<(Database, Durable, Vec<String>), StoreError> {
    let lock = hold(path)?;
    let mut notes = Vec::new();
    let reason = match begin(path, &mut notes) {
        Ok((connection, durable)) => {
            return Ok((Database::of(connection, path, lock), durable, notes));
        }
        Err(Unfit::Denied(source)) => return Err(denied(path, source)),
        Err(Unfit::Broken(why)) => ("corrupt", format!("cannot be read ({why})")),
        Err(Unfit::Newer(version)) => {
            ("newer", format!("has version {version}, newer than {}", schema::version()))
        }
    };
    let (word, sentence) = reason;
    let aside =
        set_aside(path, word).map_err(|source| StoreError::SetAside { path: path.to_owned(), source })?;
    notes.clear();
    notes.push(format!(
        "the state {} {sentence}: set aside as {}, beginning anew without holds, budgets and incidents",
        path.display(),
        aside.display()
    ));
    match begin(path, &mut notes) {
        Ok((connection, durable)) => Ok((Database::of(connection, path, lock), durable, notes)),
        Err(Unfit::Denied(source)) => Err(denied(path, source)),
        Err(Unfit::Broken(why)) => Err(unusable(path, why)),
        Err(Unfit::Newer(_)) => Err(unusable(path, "it comes back".to_owned())),
    }
}

/// Sets what is left of a database aside, which nobody has open any more, and begins a new one. Returns its new name.
pub fn renew(path: &Path) -> Result<(Database, Option<PathBuf>), StoreError> {
    let aside = match set_aside(path, "corrupt") {
        Ok(aside) => Some(aside),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(StoreError::SetAside { path: path.to_owned(), source }),
    };
    let (database, _, _) = open(path)?;
    Ok((database, aside))
}

/// What can be read of a database that cannot be written, and that nobody writes.
pub fn peek(path: &Path) -> Option<Durable> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    // Beside the file SQLite would write its log's index; where it cannot, it reads the file without the log.
    let immutable = format!("file:{}?immutable=1", path.display());
    [path.display().to_string(), immutable].into_iter().find_map(|name| {
        let connection = Connection::open_with_flags(name, flags).ok()?;
        load(&connection, &mut Vec::new()).ok()
    })
}

fn denied(path: &Path, source: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    StoreError::Open { path, source }
}

fn unusable(path: &Path, why: String) -> StoreError {
    StoreError::SetAside { path: path.to_owned(), source: io::Error::other(why) }
}

/// Makes the directory, and locks it against a second daemon.
fn hold(path: &Path) -> Result<Flock<File>, StoreError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let failed = |source| StoreError::Directory { path: directory.to_owned(), source };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(failed)?;
    let file = private(&path.with_extension("lock")).map_err(failed)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => StoreError::InUse { path: path.to_owned() },
        other => failed(other.into()),
    })
}

/// Opens a file of which only we may know the content.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn begin(path: &Path, notes: &mut Vec<String>) -> Result<(Connection, Durable), Unfit> {
    // SQLite would make it readable by all; where this fails, SQLite says why.
    drop(private(path));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_LIMIT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(Unfit::Broken(check));
    }
    migrate(&mut connection)?;
    let durable = load(&connection, notes)?;
    Ok((connection, durable))
}

fn migrate(connection: &mut Connection) -> Result<(), Unfit> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > schema::version() {
        return Err(Unfit::Newer(found));
    }
    let done = usize::try_from(found).map_err(|_| Unfit::Broken(format!("version {found}")))?;
    for migration in schema::MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", schema::version())?;
    Ok(transaction.commit()?)
}

fn load(connection: &Connection, notes: &mut Vec<String>) -> Result<Durable, Unfit> {
    let mut rows = Rows { connection, unread: 0, notes };
    let meta = rows.read::<i64, _>("meta", "SELECT id, body FROM meta")?.pop();
    let units = rows.read("unit", "SELECT unit, body FROM unit")?;
    let incidents = rows.read("incident", "SELECT id, body FROM incident")?;
    let links = rows.read("link", "SELECT link, body FROM link")?;
    let events = rows.read::<i64, Event>("event", &schema::last_events())?;
    if rows.unread > NOTES {
        let more = rows.unread.saturating_sub(NOTES);
        rows.notes.push(format!("{more} more records are ignored"));
    }
    let mut durable = Durable {
        meta: meta.map(|(_, meta)| meta).unwrap_or_default(),
        units: units.into_iter().map(|(unit, record)| (UnitName(unit), record)).collect(),
        incidents: incidents.into_iter().map(|(id, record)| (i64::cast_unsigned(id), record)).collect(),
        links: links.into_iter().collect(),
        events: events.into_iter().map(|(id, event)| (i64::cast_unsigned(id), event)).collect(),
    };
    if durable.meta.boot_id.is_empty() {
        never_reuse_an_id(&mut durable);
    }
    Ok(durable)
}

/// Without its counters (the record was unreadable), counting goes on after the highest number seen.
fn never_reuse_an_id(durable: &mut Durable) {
    let after = |highest: Option<u64>| highest.map_or(0, |id| id.saturating_add(1));
    let orders = durable.units.values().filter_map(|unit| unit.recovery.as_ref());
    let next_order = after(orders.map(|recovery| recovery.order).max());
    let next_incident = after(durable.incidents.keys().copied().max());
    let meta = &mut durable.meta;
    meta.next_order = meta.next_order.max(next_order);
    meta.next_incident = meta.next_incident.max(next_incident);
}

/// Reads table after table.
struct Rows<'a> {
    connection: &'a Connection,
    unread: usize,
    notes: &'a mut Vec<String>,
}

impl Rows<'_> {
    /// All records of a table. One that is not understood is left where it is, with a note.
    fn read<K, R>(&mut self, table: &str, query: &str) -> rusqlite::Result<Vec<(K, R)>>
    where
        K: rusqlite::types::FromSql + std::fmt::Display,
        R: Record,
    {
        let mut statement = self.connection.prepare(query)?;
        let mut rows = statement.query([])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let key: K = row.get(0)?;
            let body: String = row.get(1)?;
            match parse(&body) {
                Ok(record) => records.push((key, record)),
                Err(why) => {
                    self.unread += 1;
                    if self.unread <= NOTES {
                        let note = format!("ignoring the stored {table} {key}: {why}");
                        self.notes.push(note);
                    }
                }
            }
        }
        Ok(records)
    }
}

impl Database {
    fn of(connection: Connection, path: &Path, lock: Flock<File>) -> Self {
        let counted: rusqlite::Result<i64> =
            connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0));
        let events = counted.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        Self { connection, path: path.to_owned(), file: identity(path), events, _lock: lock }
    }

    /// What people ask of the history. `durable`: what is in this file.
    pub fn answer(&self, durable: &Durable, question: &Question) -> rusqlite::Result<History> {
        history::answer(durable, &self.connection, question)
    }

    /// Why the file at our path is not the database that we have open any more. SQLite notices late, or never.
    pub fn fault(&self) -> Option<String> {
        let now = identity(&self.path);
        if now.is_none() {
            return Some("it is gone".to_owned());
        }
        if now != self.file {
            return Some("another file is in its place".to_owned());
        }
        let mut head = [0; MAGIC.len()];
        match File::open(&self.path).and_then(|mut file| file.read_exact(&mut head)) {
            Ok(()) if head == *MAGIC => None,
            Ok(()) => Some("it is no database any more".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some("it is cut off".to_owned()),
            // The disk is to blame; saving will tell.
            Err(_) => None,
        }
    }

    /// All that is stored.
    pub fn read(&self) -> rusqlite::Result<Durable> {
        load(&self.connection, &mut Vec::new()).map_err(|unfit| match unfit {
            Unfit::Denied(error) => error,
            Unfit::Broken(_) | Unfit::Newer(_) => rusqlite::Error::InvalidQuery,
        })
    }

    /// One transaction, synced. It is taken back, and `false` returned, when its caller has given up.
    pub fn save(&mut self, changes: &[Change], given_up: impl Fn() -> bool) -> rusqlite::Result<bool> {
        if given_up() {
            return Ok(false);
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        for change in changes {
            write(&transaction, change)?;
        }
        let new = changes.iter().filter(|change| matches!(change, Change::Event(_))).count();
        let mut events = self.events.saturating_add(new);
        if events > schema::EVENTS {
            events = events.saturating_sub(transaction.execute(&schema::forget_events(), [])?);
        }
        if given_up() {
            transaction.rollback()?;
            return Ok(false);
        }
        transaction.commit()?;
        self.events = events;
        Ok(true)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()))
}

fn write(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Meta(meta) => put(connection, "meta", "id", 0, Some(meta)),
        Change::Unit(unit, record) => put(connection, "unit", "unit", unit.as_str(), record.as_ref()),
        Change::Incident(id, record) => put(connection, "incident", "id", id.cast_signed(), record.as_ref()),
        Change::Link(link, record) => put(connection, "link", "link", link, record.as_ref()),
        Change::Event(event) => put(connection, "event", "id", event.id.cast_signed(), Some(event)),
    }
}

fn put<R: Record>(
    connection: &Connection,
    table: &str,
    column: &str,
    key: impl rusqlite::ToSql,
    record: Option<&R>,
) -> rusqlite::Result<()> {
    if let Some(record) = record {
        let order = format!("INSERT OR REPLACE INTO {table} ({column}, body) VALUES (?1, ?2)");
        let body = record.write().to_string();
        connection.prepare_cached(&order)?.execute(params![key, body])?;
    } else {
        let order = format!("DELETE FROM {table} WHERE {column} = ?1");
        connection.prepare_cached(&order)?.execute(params![key])?;
    }
    Ok(())
}

/// Whether the file is surely to blame.
pub fn is_broken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.code);
    let unreadable = code == Some(ErrorCode::SystemIoFailure) && !is_the_host(error);
    unreadable || matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether the host is to blame rather than the file, which then is not set aside.
pub fn is_the_host(error: &rusqlite::Error) -> bool {
    let Some(code) = error.sqlite_error() else {
        return false;
    };
    match code.code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::DiskFull
        | ErrorCode::CannotOpen
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport => true,
        // What cannot be read is broken; what cannot be written (a full disk, too) is not.
        ErrorCode::SystemIoFailure => !matches!(
            code.extended_code,
            ffi::SQLITE_IOERR_READ
                | ffi::SQLITE_IOERR_SHORT_READ
                | ffi::SQLITE_IOERR_CORRUPTFS
                | ffi::SQLITE_IOERR_DATA
        ),
        _ => false,
    }
}
