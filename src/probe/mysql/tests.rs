//! Sessions with servers that say what servers say, and what none should.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::model::probe::ProbeStatus;

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short packet").to_le_bytes();
    [&length[..3], &[number], body].concat()
}

fn greeting(way: &str) -> Vec<u8> {
    let can = 0x0008_a208_u32.to_le_bytes();
    let body = [
        &b"\x0a8.0.36\0\x07\0\0\0abcdefgh\0"[..],
        &can[..2],
        &[45, 2, 0],
        &can[2..],
        &[21],
        &[0; 10],
        b"ijklmnopqrst\0",
        way.as_bytes(),
        &[0],
    ];
    packet(0, &body.concat())
}

const AGREED: &[u8] = b"\0\0\0\x02\0\0\0";
const END: &[u8] = b"\xfe\0\0\x02\0";
const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
}

fn column(name: &str) -> Vec<u8> {
    let names = ["def", "", "", "", name, ""].map(text).concat();
    [&names[..], b"\x0c\x2d\0\x40\0\0\0\xfd\0\0\0\0\0"].concat()
}

/// The answer to a query of these columns and rows, from the first packet on.
fn answer(names: &[&str], rows: &[&[u8]]) -> Vec<u8> {
    let count = vec![u8::try_from(names.len()).expect("few")];
    let all = [count].into_iter().chain(names.iter().map(|name| column(name)));
    let all = all.chain([END.to_vec()]).chain(rows.iter().map(|row| row.to_vec())).chain([END.to_vec()]);
    all.zip(1_u8..).flat_map(|(body, number)| packet(number, &body)).collect()
}

/// A server that greets, and says one part after each thing that it hears.
async fn server(parts: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        for part in parts {
            stream.write_all(&part).await.unwrap_or_default();
            let mut bytes = vec![0; 4096];
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => break,
                Ok(read) => bytes.truncate(read),
            }
            heard.push(bytes);
        }
        heard
    });
    (port, heard)
}

async fn asks(parts: Vec<Vec<u8>>) -> (Result<Option<Row>, Failure>, Vec<Vec<u8>>) {
    let (port, heard) = server(parts).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("a mode");
    let path = FullPath::try_from(file.to_string_lossy().into_owned()).expect("a path");
    let asked = Server::of(&format!("mysql://mon@127.0.0.1:{port}/shop"), (&None, &Some(path)));
    let row = first_row(&asked, "SELECT 1", Limit::new(Duration::from_millis(800))).await;
    (row, heard.await.expect("what it heard"))
}

/// The parts of a session up to the answer to the query.
fn session(answer: Vec<u8>) -> Vec<Vec<u8>> {
    vec![greeting(NATIVE), packet(2, AGREED), packet(1, AGREED), answer]
}

#[tokio::test]
async fn the_first_row_is_read_with_its_names_and_the_rest_is_heard_to_its_end() {
    let rows: [&[u8]; 2] = [b"\x012\xfb\x04Jos\xe9", b"\x013\xfb\xfb"];
    let (row, heard) = asks(session(answer(&["depth", "age", "name"], &rows))).await;
    let cell = |text: &str| Cell::Text(text.to_owned());
    let wanted = [("depth", cell("2")), ("age", Cell::Null), ("name", cell("Jos\u{fffd}"))];
    let wanted = wanted.map(|(name, cell)| (name.to_owned(), cell)).to_vec();
    assert_eq!(row, Ok(Some(wanted)));
    let said = |at: usize, what: &[u8]| heard[at].windows(what.len()).any(|part| part == what);
    assert!(said(0, b"mon\0\x14") && said(0, b"shop\0mysql_native_password\0"));
    assert_eq!(heard[1], packet(0, b"\x03SET SESSION TRANSACTION READ ONLY"));
    assert_eq!(heard[2], packet(0, b"\x03SELECT 1"));
    assert_eq!(heard[3], packet(0, b"\x01"));
    let (row, _) = asks(session(answer(&["depth"], &[]))).await;
    assert_eq!(row, Ok(None));
    let (row, _) = asks(session(packet(1, AGREED))).await;
    assert_eq!(row, Ok(None), "no answer has rows");
}

#[tokio::test]
async fn a_password_is_proven_in_each_way_that_we_can() {
    let (_, open) = (b"x", |number, body: &[u8]| packet(number, body));
    let last = || vec![packet(1, AGREED), answer(&["1"], &[b"\x011"])];
    let quick = [vec![greeting(SHA2), [open(2, b"\x01\x03"), packet(3, AGREED)].concat()], last()].concat();
    let key = [b"\x01", key::tests::KEY.as_bytes()].concat();
    let whole =
        [vec![greeting(SHA2), open(2, b"\x01\x04"), open(4, &key), packet(6, AGREED)], last()].concat();
    let other = [b"\xfe", NATIVE.as_bytes(), b"\0abcdefghijklmnopqrst\0"].concat();
    let switched = [vec![greeting(SHA2), open(2, &other), packet(4, AGREED)], last()].concat();
    for parts in [quick, whole.clone(), switched] {
        let (row, _) = asks(parts).await;
        assert_eq!(row.map(|row| row.is_some()), Ok(true));
    }
    let (_, heard) = asks(whole).await;
    assert_eq!(heard[1], packet(3, &[2]), "the key is asked for");
    assert_eq!(heard[2].len(), 4 + 256, "the password is sealed with it");
}

#[tokio::test]
async fn why_a_server_is_not_healthy_is_said() {
    let refused =
        |code: u16, text: &str| [&[0xff], &code.to_le_bytes()[..], b"#28000", text.as_bytes()].concat();
    let late = [&[0xff_u8, 16, 4][..], b"Too many connections"].concat();
    let old = [b"\xfe", &b"client_ed25519\0abc"[..]].concat();
    for (parts, status, clause) in [
        (
            vec![greeting(NATIVE), packet(2, &refused(1045, "Access denied"))],
            ProbeStatus::Unknown,
            "authentication failed for user mon, Access denied",
        ),
        (
            session(packet(1, &refused(1146, "no such table"))),
            ProbeStatus::Unhealthy,
            "answered the error 1146, no such table",
        ),
        (
            vec![packet(0, &late)],
            ProbeStatus::Unhealthy,
            "it accepts no more connections, Too many connections",
        ),
        (
            vec![greeting(NATIVE), packet(2, &old)],
            ProbeStatus::Unknown,
            "user mon logs in by client_ed25519 there; steadfast can mysql_native_password and caching_sha2_password",
        ),
        (
            vec![b"220 mail\r\n".to_vec()],
            ProbeStatus::Unhealthy,
            "what listens there does not speak MySQL, it said \"220 mail\"",
        ),
        (vec![greeting(NATIVE)], ProbeStatus::Unhealthy, "the connection was closed too early"),
    ] {
        let (row, _) = asks(parts).await;
        let (seen, told) = row.expect_err("no row").parts();
        assert_eq!((seen, told.as_str()), (status, clause));
    }
}

#[tokio::test]
async fn row_2_answers_that_ended_the_library_end_nothing() {
    let sealed = |key: &[u8]| vec![greeting(SHA2), packet(2, b"\x01\x04"), packet(4, key)];
    for (parts, clause) in [
        (session(packet(1, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff")), "(it said an answer without columns)"),
        (session(packet(1, b"\xfd\xff\xff\xff")), "(it said an answer without columns)"),
        (session(packet(1, b"\xfb/etc/passwd")), "(it said an answer without columns)"),
        (sealed(b"\x01this is no key"), "(it said no key)"),
        (sealed(b""), "(it said no key)"),
        (sealed(b"\x01-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"), "(it said no key)"),
        (vec![greeting(NATIVE), packet(7, AGREED)], "(it said packets out of turn)"),
        (
            vec![greeting(SHA2), packet(2, b"\x01\x05")],
            "(it said something else than an answer to the login)",
        ),
        (vec![packet(0, b"\x0a8.0")], "(it said no greeting)"),
        (session(answer(&["1"], &[b"\x09x"])), "(it said no row)"),
    ] {
        let (row, _) = asks(parts).await;
        let (status, told) = row.expect_err("no row").parts();
        assert!(told.ends_with(clause), "{told}");
        assert_eq!(status, ProbeStatus::Unhealthy);
    }
}

#[tokio::test]
async fn row_4_rows_without_end_are_read_to_a_limit() {
    let mut endless = answer(&["1"], &[]);
    endless.truncate(endless.len() - packet(0, END).len());
    let mut number = 4_u8;
    for _ in 0..20_000 {
        endless.extend(packet(number, &text(&"x".repeat(100))));
        number = number.wrapping_add(1);
    }
    let (row, _) = asks(session(endless)).await;
    assert_eq!(row.map(|row| row.is_some()), Ok(true), "the first row is known");
}

#[test]
fn options_that_change_something_are_refused() {
    let known = |url: &str| known_options(&Url::parse(url).expect("a URL")).is_ok();
    assert!(known("mysql://u@h/d") && known("mysql://u@h/d?socket=/run/x&prefer_socket=false"));
    assert!(!known("mysql://u@h/d?require_ssl=true"));
    assert_eq!(socket("mysql://u@h/d?socket=%2Frun%2Fx.sock"), Some(PathBuf::from("/run/x.sock")));
    assert_eq!(socket("mysql://u@h/d"), None);
}
