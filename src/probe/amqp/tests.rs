//! The handshake with brokers that say what brokers say, and what none should.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

fn frame(class: u16, method: u16, fields: &[u8]) -> Vec<u8> {
    let body = [&class.to_be_bytes()[..], &method.to_be_bytes(), fields].concat();
    let length = u32::try_from(body.len()).expect("a short frame");
    [&[1, 0, 0], &length.to_be_bytes()[..], &body, &[0xce]].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_be_bytes(), bytes].concat()
}

fn start(table: &[u8], mechanisms: &str) -> Vec<u8> {
    frame(10, 10, &[&[0, 9][..], &long(table), &long(mechanisms.as_bytes()), &long(b"en_US")].concat())
}

fn tune(longest: u32) -> Vec<u8> {
    frame(10, 30, &[&2047_u16.to_be_bytes()[..], &longest.to_be_bytes(), &60_u16.to_be_bytes()].concat())
}

fn closes(code: u16, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    frame(10, 50, &[&code.to_be_bytes()[..], &[length], text.as_bytes(), &[0, 10, 0, 40]].concat())
}

fn open_ok() -> Vec<u8> {
    frame(10, 41, &[0])
}

/// A broker that says one part after each thing that it hears, and returns what it heard.
async fn broker(parts: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut heard = Vec::new();
        let mut parts = parts.into_iter();
        loop {
            let mut bytes = vec![0; 4096];
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return heard,
                Ok(read) => bytes.truncate(read),
            }
            heard.push(bytes);
            match parts.next() {
                Some(part) if !part.is_empty() => stream.write_all(&part).await.unwrap_or_default(),
                // It hangs, until it is left.
                Some(_) => {}
                None => return heard,
            }
        }
    });
    (port, heard)
}

/// What becomes of a probe of a broker that says these parts.
async fn asks(url: &str, parts: Vec<Vec<u8>>) -> (ProbeOutcome, Vec<Vec<u8>>) {
    let (port, heard) = broker(parts).await;
    let server =
        Server { url: url.replace("PORT", &port.to_string()), secret: None, tls: Default::default() };
    let outcome = run(&server, Limit::new(Duration::from_millis(800))).await;
    (outcome, heard.await.expect("what it heard"))
}

const LOGIN: &str = "amqp://mon@127.0.0.1:PORT/%2Fshop";

#[tokio::test]
async fn a_broker_lets_in_and_hears_a_goodbye() {
    let parts = vec![start(b"", "AMQPLAIN PLAIN"), tune(131_072), open_ok(), frame(10, 51, &[])];
    let (outcome, heard) = asks(LOGIN, parts).await;
    assert_eq!(outcome.status, ProbeStatus::Healthy, "{}", outcome.message);
    assert!(outcome.message.contains("the broker let us in in"), "{}", outcome.message);
    let said = |at: usize, what: &[u8]| heard[at].windows(what.len()).any(|part| part == what);
    assert_eq!(heard[0], frames::HEADER);
    assert!(said(1, b"\0mon\0guest") && said(1, b"authentication_failure_close"));
    assert!(said(2, b"\x05/shop\0\0\xce"), "the vhost of the URL");
    assert!(said(3, b"\x04done"));
    assert_eq!(heard.len(), 4);
}

#[tokio::test]
async fn the_vhost_is_the_path_of_the_url() {
    let vhost = |url: &str| {
        let url = reqwest::Url::parse(url).expect("a URL");
        Known { url, addresses: Vec::new(), password: None }.vhost()
    };
    assert_eq!(vhost("amqp://h"), "/");
    assert_eq!(vhost("amqp://h/"), "/");
    assert_eq!(vhost("amqp://h//"), "/");
    assert_eq!(vhost("amqp://h/shop"), "shop");
    assert_eq!(vhost("amqp://h/%2Fshop"), "/shop");
}

#[tokio::test]
async fn row_2_answers_that_ended_the_library_end_nothing() {
    let mut nested = Vec::new();
    for _ in 0..5000 {
        nested = [&b"\x01aF"[..], &long(&nested)].concat();
    }
    for parts in [
        vec![start(&nested, "PLAIN"), tune(131_072), open_ok(), frame(10, 51, &[])],
        vec![start(b"", "PLAIN"), tune(0), open_ok(), frame(10, 51, &[])],
        vec![start(b"", "PLAIN"), tune(u32::MAX), open_ok(), frame(10, 51, &[])],
        vec![start(b"", "PLAIN"), tune(131_072), [frame(10, 60, b"\x03low"), open_ok()].concat()],
    ] {
        let (outcome, _) = asks(LOGIN, parts).await;
        assert_eq!(outcome.status, ProbeStatus::Healthy, "{}", outcome.message);
    }
    let flood = frame(10, 60, b"\x03low").repeat(1000);
    let (outcome, _) = asks(LOGIN, vec![start(b"", "PLAIN"), tune(131_072), flood]).await;
    assert!(outcome.message.ends_with("(it said something else all the time)"), "{}", outcome.message);
    let huge = b"\x01\0\0\xff\xff\xff\xff\0\x0a\0\x0a".to_vec();
    let (outcome, _) = asks(LOGIN, vec![huge]).await;
    assert!(outcome.message.ends_with("begins a frame of 4294967295 bytes"), "{}", outcome.message);
}

#[tokio::test]
async fn row_3_a_broker_that_hangs_at_the_goodbye_is_healthy_and_is_left_in_time() {
    let began = Instant::now();
    let parts = vec![start(b"", "PLAIN"), tune(131_072), open_ok(), Vec::new()];
    let (outcome, _) = asks(LOGIN, parts).await;
    assert_eq!(outcome.status, ProbeStatus::Healthy, "{}", outcome.message);
    assert!(outcome.latency < Some(GOODBYE) && began.elapsed() < GOODBYE * 3);
}

#[tokio::test]
async fn why_a_broker_turns_us_away_is_said() {
    let refused = |code, text: &str| vec![start(b"", "PLAIN"), closes(code, text)];
    let at_open = |code, text: &str| vec![start(b"", "PLAIN"), tune(131_072), closes(code, text)];
    for (parts, status, clause) in [
        (
            refused(403, "ACCESS_REFUSED - x"),
            ProbeStatus::Unknown,
            "authentication failed, it refuses user mon or the password",
        ),
        (
            at_open(530, "NOT_ALLOWED - vhost /shop not found"),
            ProbeStatus::Unknown,
            "user mon may not enter vhost /shop, or there is none",
        ),
        (
            at_open(320, "CONNECTION_FORCED - broker forced \x1b[31m"),
            ProbeStatus::Unhealthy,
            "answered the error 320, CONNECTION_FORCED - broker forced  [31m",
        ),
        (
            vec![start(b"", "EXTERNAL")],
            ProbeStatus::Unknown,
            "it offers no login with a password, only EXTERNAL",
        ),
        (
            vec![start(b"", "PLAIN"), frame(10, 20, b"\0\0\0\0")],
            ProbeStatus::Unknown,
            "it asks for more than a user and a password",
        ),
        (vec![start(b"", "PLAIN")], ProbeStatus::Unhealthy, "the connection was closed too early"),
        (
            vec![b"AMQP\x03\x01\0\0".to_vec()],
            ProbeStatus::Unhealthy,
            "what listens there speaks another version of AMQP",
        ),
        (
            vec![start(b"", "PLAIN"), b"220 mail\r\n".to_vec()],
            ProbeStatus::Unhealthy,
            "what listens there said no frame of AMQP",
        ),
        (
            vec![start(b"", "PLAIN"), open_ok()],
            ProbeStatus::Unhealthy,
            "did not let us in (it said something out of turn)",
        ),
        (vec![Vec::new()], ProbeStatus::Unhealthy, "no greeting within 800 ms"),
        (vec![start(b"", "PLAIN"), Vec::new()], ProbeStatus::Unhealthy, "no login within 800 ms"),
    ] {
        let (outcome, _) = asks(LOGIN, parts).await;
        assert!(outcome.message.ends_with(clause), "{}", outcome.message);
        assert_eq!(outcome.status, status, "{}", outcome.message);
    }
}
