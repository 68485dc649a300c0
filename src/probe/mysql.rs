//! MySQL and MariaDB: a read-only session over TCP, or over the socket that the URL names. What a server says is read packet by
//! packet, within limits of ours; nothing that it names is allocated before it came.

mod key;
mod login;
mod packets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::ProbeOutcome;

use super::expected::Expected;
use super::failure::Failure;
use super::server::{self, Known, Server};
use super::sql::{self, Cell, Engine, Row, Sql};
use super::{Limit, Probe, Wants, handed, secret, text};
use login::Login;
use packets::{Fields, Packets, Refusal};

/// `mysql = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mysql {
    /// "mysql://USER@HOST/DB" (MySQL, MariaDB) lets that user in and answers.
    mysql: String,
    /// What is asked, in a read-only session. Default: SELECT 1.
    query: Option<String>,
    /// What the first column of the first row must be: a value or a comparison such as "< 100".
    expect: Option<Expected>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
    /// For TLS: a file with the certificates of the authorities that are trusted instead of this host's.
    ca_file: Option<FullPath>,
    /// For TLS: any certificate will do. Default: false.
    #[serde(default)]
    insecure: bool,
}

impl Mysql {
    fn sql(&self) -> Sql<'_> {
        Sql {
            engine: Engine::Mysql,
            url: &self.mysql,
            password: (&self.credential, &self.password_file),
            ca_file: &self.ca_file,
            insecure: self.insecure,
            query: self.query.as_deref(),
            expect: self.expect.as_ref(),
        }
    }
}

impl Probe for Mysql {
    fn check(&self) -> Result<(), Wrong> {
        self.sql().check()
    }

    fn is_curable(&self) -> bool {
        self.expect.is_none()
    }

    fn weakness(&self, _: Duration) -> Option<String> {
        self.sql().weakness()
    }

    fn wants(&self) -> Wants {
        self.sql().wants()
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(sql::run(self.sql(), limit))
    }
}

/// The port where the URL names none.
const PORT: u16 = 3306;
/// Columns of an answer, as many as a table of MySQL may have.
const COLUMNS: u64 = 4096;
/// Options of a URL that change nothing here: a session asks once, in plain text.
const IDLE: [&str; 18] = [
    "abs_conn_ttl",
    "abs_conn_ttl_jitter",
    "built_in_roots",
    "client_found_rows",
    "compression",
    "conn_ttl",
    "inactive_connection_ttl",
    "max_allowed_packet",
    "pool_max",
    "pool_min",
    "prefer_socket",
    "reset_connection",
    "secure_auth",
    "stmt_cache_size",
    "tcp_keepalive",
    "tcp_nodelay",
    "ttl_check_interval",
    "wait_timeout",
];

/// Commands: the end of the session, and a query.
const QUIT: &[u8] = &[1];
const QUERY: &[u8] = &[3];
const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";

pub async fn first_row(asked: &Server, query: &str, limit: Limit) -> Result<Option<Row>, Failure> {
    let url = Url::parse(&asked.url)
        .map_err(|error| Failure::unknown(format!("it is no URL of MySQL ({error})")))?;
    known_options(&url)?;
    let (stream, known): (packets::Stream, Known) = if let Some(path) = socket_of(&url) {
        let stream = handed::stream(Path::new(&path), limit).await?;
        let password = secret::of(asked, limit).await?;
        (Box::new(stream), Known { url, addresses: Vec::new(), password })
    } else {
        let known = server::known(asked, PORT, limit).await?;
        (Box::new(server::connect(&known.addresses, limit).await?), known)
    };
    let encrypted = is_encrypted(&asked.url) && !known.addresses.is_empty();
    let login = Login {
        tls: encrypted.then(|| (known.host().to_owned(), asked.tls.clone(), limit)),
        user: known.user().unwrap_or_default(),
        database: Some(known.path()).filter(|path| !path.is_empty()),
        local: known.addresses.is_empty(),
        password: known.password.unwrap_or_default(),
    };
    let talked = limit.within(talk(Packets::new(stream), &login, query)).await;
    talked.ok_or_else(|| Failure::late("no answer", limit))?
}

/// The URL asks for TLS.
pub fn is_encrypted(url: &str) -> bool {
    ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"].iter().any(|mode| url.contains(&format!("ssl-mode={mode}")))
}

/// The local socket that this URL names.
pub fn socket(url: &str) -> Option<PathBuf> {
    socket_of(&Url::parse(url).ok()?).map(PathBuf::from)
}

fn socket_of(url: &Url) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == "socket").map(|(_, path)| path.into_owned())
}

fn known_options(url: &Url) -> Result<(), Failure> {
    let known = |name: &str| matches!(name, "socket" | "ssl-mode") || IDLE.contains(&name);
    let unknown = url.query_pairs().find(|(name, _)| !known(name));
    match unknown {
        Some((name, _)) => {
            let name = text::name(&name);
            Err(Failure::unknown(format!("its URL has the option {name}, which steadfast does not know")))
        }
        None => Ok(()),
    }
}

async fn talk(mut packets: Packets, login: &Login, query: &str) -> Result<Option<Row>, Failure> {
    login::enter(&mut packets, login).await?;
    packets.ask(&[QUERY, READ_ONLY.as_bytes()]).await?;
    packets.next().await?.ok(|refusal| refused(&refusal, &login.user))?;
    packets.ask(&[QUERY, query.as_bytes()]).await?;
    let row = answer(&mut packets, &login.user).await?;
    // Whether the goodbye arrives says nothing of the server.
    drop(packets.ask(&[QUIT]).await);
    Ok(row)
}

/// The first row of an answer, whose other rows are read as far as our limit goes.
async fn answer(packets: &mut Packets, user: &str) -> Result<Option<Row>, Failure> {
    let told = |refusal: Refusal| refused(&refusal, user);
    let first = packets.next().await?;
    if first.is_ok() {
        return Ok(None);
    }
    let count = Fields(first.or_refused(told)?).count().filter(|count| (1..=COLUMNS).contains(count));
    let count = count.ok_or_else(|| packets::broken("an answer without columns"))?;
    let mut names = Vec::new();
    for _ in 0..count {
        let packet = packets.next().await?;
        names.push(name(packet.or_refused(told)?).ok_or_else(|| packets::broken("no column"))?);
    }
    let end = packets.next().await?;
    if !end.is_end() {
        end.or_refused(told)?;
        return Err(packets::broken("columns without end"));
    }
    let mut row = None;
    loop {
        let packet = match packets.next().await {
            Ok(packet) => packet,
            // The first one is enough, if it is not the connection that failed.
            Err(_) if row.is_some() && packets.is_over() => return Ok(row),
            Err(failure) => return Err(failure),
        };
        if packet.is_end() {
            return Ok(row);
        }
        let fields = packet.or_refused(told)?;
        if row.is_none() {
            let cells = cells(fields, names.len()).ok_or_else(|| packets::broken("no row"))?;
            row = Some(names.iter().cloned().zip(cells).collect());
        }
    }
}

/// A column's name stands behind those of its catalogue, schema and table, and of what that is called in truth.
fn name(column: &[u8]) -> Option<String> {
    let mut fields = Fields(column);
    for _ in 0..4 {
        fields.text()?;
    }
    fields.text()?.map(|name| String::from_utf8_lossy(name).into_owned())
}

fn cells(row: &[u8], count: usize) -> Option<Vec<Cell>> {
    let mut fields = Fields(row);
    let cell = |text: Option<&[u8]>| {
        text.map_or(Cell::Null, |bytes| Cell::Text(String::from_utf8_lossy(bytes).into_owned()))
    };
    (0..count).map(|_| fields.text().map(cell)).collect()
}

fn refused(refusal: &Refusal, user: &str) -> Failure {
    let (user, message) = (text::name(user), text::name(&refusal.message));
    match refusal.code {
        1044 | 1045 | 1698 => Failure::unknown(format!("authentication failed for user {user}, {message}")),
        1040 => Failure::unhealthy(format!("it accepts no more connections, {message}")),
        code => Failure::unhealthy(format!("answered the error {code}, {message}")),
    }
}
